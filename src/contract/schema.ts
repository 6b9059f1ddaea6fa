/** JSON Schemas derived from a vocabulary: for the request's values, and for `opa check --schema` over a policy's `input`. */
import { ID_LENGTH_MAX } from "./decision.js";
import type { Fields, ValueType, Vocabulary } from "./policy.js";

export type JsonSchema = Record<string, unknown>;

export const EMAIL_PATTERN = "^[^@\\s]{1,64}@[^@\\s]{1,189}$";

/**
 * Returns the JSON Schema of a vocabulary's value as a request may have it: typed, bounded, and null if the host does not know it.
 * @example
 * import assert from "node:assert/strict";
 * import { valueSchema } from "remit/contract";
 *
 * assert.deepEqual(valueSchema({ kind: "boolean" }), { type: ["boolean", "null"] });
 */
export function valueSchema(type: ValueType): JsonSchema {
  const present = presentSchema(type);
  return { ...present, type: [present["type"], "null"], ...(type.kind === "enum" && { enum: [...type.values, null] }) };
}

function presentSchema(type: ValueType): JsonSchema {
  switch (type.kind) {
    case "id":
      return { type: "string", minLength: 1, maxLength: ID_LENGTH_MAX };
    case "email":
      return { type: "string", pattern: EMAIL_PATTERN };
    case "string":
      return { type: "string", maxLength: type.max };
    case "integer":
      return { type: "integer", minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
    case "number":
    case "boolean":
      return { type: type.kind };
    case "enum":
      return { type: "string", enum: type.values };
    case "list":
      // An element is never null: a list is known or it isn't, and "one of it" has to mean something.
      return { type: "array", items: presentSchema(type.of), maxItems: type.max };
    case "object":
      return fieldsSchema(type.fields);
  }
}

/**
 * Returns the JSON Schema of an object with these fields and no others, each of which may be left out.
 * @example
 * import assert from "node:assert/strict";
 * import { fieldsSchema } from "remit/contract";
 *
 * assert.equal(fieldsSchema({ amount_cents: { kind: "integer" } })["additionalProperties"], false);
 */
export function fieldsSchema(fields: Fields): JsonSchema {
  return {
    type: "object",
    properties: Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, valueSchema(type)])),
    additionalProperties: false,
  };
}

const text = { type: ["string", "null"] };

/**
 * Returns the JSON Schema of a policy's `input` under a vocabulary. Attributes, arguments and roles of all types are merged, since a
 * rule may read any of them before it has asked for the type; a name that two types give different types accepts both.
 * @example
 * import assert from "node:assert/strict";
 * import { inputSchema } from "remit/contract";
 *
 * assert.equal(inputSchema(vocabulary)["type"], "object");
 */
export function inputSchema(vocabulary: Vocabulary): JsonSchema {
  const types = Object.values(vocabulary.types);
  const attributes = merged(types.map((type) => type.attributes));
  const resource = object({ type: { type: "string" }, id: text, attributes: object(attributes) });
  const roles = new Set(types.flatMap((type) => Object.keys(type.related)));
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    ...object({
      request: object({
        agent: { type: "string" },
        purpose: { type: "string" },
        task: text,
        verb: { type: "string" },
        resource,
        related: object(Object.fromEntries([...roles].map((role) => [role, resource]))),
        arguments: object(merged(types.map((type) => type.arguments))),
        context: object({ session: text, source: text, trace: text }),
      }),
      facts: object({
        time: object({ ms: { type: "integer" }, claim_ms: { type: ["integer", "null"] } }),
        caller: object({ id: { type: "string" } }),
        principal: text,
        agent: object({
          id: { type: "string" },
          version: { type: "string" },
          owner: { type: "string" },
          attributes: object(merged([vocabulary.agent.attributes])),
        }),
        task: object({
          id: text,
          subjects: object(
            Object.fromEntries(vocabulary.task.subjects.map((name) => [name, { type: ["array", "null"], items: { type: "string" } }])),
          ),
          attributes: object(merged([vocabulary.task.attributes])),
          depth: { type: "integer" },
          root: text,
        }),
        grants: { type: "array", items: { type: "object" } },
        behavior: object({
          risk: { type: "number" },
          confidence: { type: "number" },
          channels: { type: "object" },
          reasons: { type: "array", items: { type: "string" } },
        }),
        flow: { type: "null" },
      }),
    }),
  };
}

function object(properties: Record<string, JsonSchema>): JsonSchema {
  return { type: "object", properties, additionalProperties: false, required: Object.keys(properties) };
}

function merged(groups: Fields[]): Record<string, JsonSchema> {
  const found = new Map<string, JsonSchema[]>();
  for (const group of groups) {
    for (const [name, type] of Object.entries(group)) {
      const schema = valueSchema(type);
      const known = found.get(name) ?? [];
      if (!known.some((other) => JSON.stringify(other) === JSON.stringify(schema))) known.push(schema);
      found.set(name, known);
    }
  }
  return Object.fromEntries(
    [...found].map(([name, schemas]) => [name, schemas.length === 1 ? (schemas[0] as JsonSchema) : { anyOf: schemas }]),
  );
}
