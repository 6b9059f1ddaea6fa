/** JSON Schemas derived from a vocabulary: for the request's values, and for `opa check --schema` over a policy's `input`. */
import { ID_LENGTH_MAX } from "./decision.js";
import { EFFECTS, ERRANDS, PLANNED, ROLES, VALUE_KINDS, WRITERS } from "./flow.js";
import type { Fields, ValueType, Vocabulary } from "./policy.js";
import { DATE_PATTERN, DURATION_PATTERN, TIME_PATTERN } from "./time.js";
import { BEHAVIOR_CHANNELS } from "./behavior_policy.js";

export type JsonSchema = Record<string, unknown>;

export const EMAIL_PATTERN = "^[^@\\s]{1,64}@[^@\\s]{1,189}$";

/**
 * Returns the JSON Schema of a vocabulary's value as a request may have it: typed, bounded, and null if the host does not know it.
 * @example
 * import assert from "node:assert/strict";
 * import { valueSchema } from "@remit-pdp/contract";
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
    case "date":
      return { type: "string", pattern: DATE_PATTERN };
    case "time":
      return { type: "string", pattern: TIME_PATTERN };
    case "duration":
      return { type: "string", pattern: DURATION_PATTERN };
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
 * import { fieldsSchema } from "@remit-pdp/contract";
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

const text = (description: string): JsonSchema => ({ type: "string", description });
const textOrNull = (description: string): JsonSchema => ({ type: ["string", "null"], description });

/**
 * Returns the JSON Schema of a policy's `input` under a vocabulary, with the description of each field. Attributes, arguments and
 * roles of all types are merged, since a rule may read any of them before it has asked for the type; a name that two types give
 * different types accepts both. `docs/rego.md` is made of it.
 * @example
 * import assert from "node:assert/strict";
 * import { inputSchema } from "@remit-pdp/contract";
 *
 * assert.equal(inputSchema(vocabulary)["type"], "object");
 */
export function inputSchema(vocabulary: Vocabulary): JsonSchema {
  const types = Object.values(vocabulary.types);
  const attributes = merged(types.map((type) => type.attributes));
  const resource = (description: string, id: string): JsonSchema =>
    object(description, {
      type: text("Type of the resource, a word of the vocabulary."),
      id: textOrNull(id),
      attributes: {
        ...object("Attributes that the host found, by name; those of the type are all there, those of other types missing.", attributes),
        required: ofAll(types.map((type) => type.attributes)),
      },
    });
  const roles = new Set(types.flatMap((type) => Object.keys(type.related)));
  const related = resource(
    "Resource in this role, with nulls when the action brings none along; roles of other types are missing.",
    "Id of the resource; null when the action brings none along.",
  );
  const subject = { type: ["array", "null"], items: { type: "string" }, description: "Ids of the subject; null when the task has none." };
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    ...object("All that a policy sees of an action.", {
      request: object("The action, as the enforcement point asked for it.", {
        agent: text("Id of the agent that wants to act."),
        purpose: text("Id of the purpose that the action is for."),
        task: textOrNull("Id of the task at hand; null when there is none."),
        verb: text("Verb of the action, a word of the vocabulary."),
        resource: resource("Resource that the action is on.", "Id of the resource; null for a verb that acts on a collection."),
        related: {
          ...object(
            "Other resources that the action brings along, by their roles.",
            Object.fromEntries([...roles].map((role) => [role, related])),
          ),
          required: ofAll(types.map((type) => type.related)),
        },
        arguments: {
          ...object(
            "Arguments that the model wrote, by name; those of the type are all there, those of other types missing.",
            merged(types.map((type) => type.arguments)),
          ),
          required: ofAll(types.map((type) => type.arguments)),
        },
        context: object("References of the host's own. Nothing else checks them.", {
          session: textOrNull("Session of the agent; null when the host names none."),
          source: textOrNull("Place that the action was asked from; null when the host names none."),
          trace: textOrNull("Trace of the call; null when the host names none."),
        }),
      }),
      facts: object("What the service knows of the action.", {
        time: object("Moments.", {
          ms: { type: "integer", description: "The service's clock, in milliseconds since 1970-01-01T00:00:00Z." },
          claim_ms: {
            type: ["integer", "null"],
            description: "Time that the request claims, in milliseconds since 1970-01-01T00:00:00Z; null when it claims none.",
          },
        }),
        caller: object("The enforcement point that asks.", { id: text("Subject of the caller's token.") }),
        principal: textOrNull("The person whom the action is done for; null when nobody is named."),
        agent: object("The agent, as it is registered.", {
          id: text("Id of the agent."),
          version: text("Registered version."),
          owner: text("Person or team that answers for the agent."),
          attributes: object("Attributes of the agent, by name; all of the vocabulary are there.", merged([vocabulary.agent.attributes])),
        }),
        task: object("The task at hand. It is there without a task too, with nulls.", {
          id: textOrNull("Id of the task; null when there is none."),
          subjects: object(
            "Subjects that the task is about; all of the vocabulary are there.",
            Object.fromEntries(vocabulary.task.subjects.map((name) => [name, subject])),
          ),
          attributes: object("Attributes of the task, by name; all of the vocabulary are there.", merged([vocabulary.task.attributes])),
          depth: { type: "integer", description: "Number of tasks above it; 0 for one that has no parent, and without a task." },
          root: textOrNull("Id of the topmost task above it, or its own; null when there is no task."),
        }),
        grants: {
          type: "array",
          items: grant,
          description: "Live grants for this verb and type, or for this very action. `when` and `about` of each have still to hold.",
        },
        behavior: object("How odd the action is for its agent, by the agent's own past.", {
          risk: { type: "number", description: "0, not at all, to 100." },
          confidence: { type: "number", description: "0, nothing is known of the agent, to 1." },
          channels: {
            ...object(
              "How rare the action is, channel by channel; those with nothing to report are missing.",
              Object.fromEntries(BEHAVIOR_CHANNELS.map((name) => [name, { type: "number", description: RARE }])),
            ),
            required: [],
          },
          reasons: { type: "array", items: { type: "string" }, description: "Why, in phrases, the weightiest first." },
        }),
        flow,
      }),
    }),
  };
}

const writers = [...WRITERS, "nowhere", "unknown"];
const flag = (description: string): JsonSchema => ({ type: "boolean", description });
const word = (values: readonly string[], description: string): JsonSchema => ({ type: "string", enum: values, description });
const list = (items: JsonSchema, description: string): JsonSchema => ({ type: "array", items, description });

const source = object("One place where the value was found.", {
  writer: word(WRITERS, "Who could have written it there."),
  record: textOrNull("`decision_id` of the call whose answer held it; null when the task or the agent says it."),
  path: text("Place within the answer, or the fact."),
  named: flag("Whether the instruction names what was read there word for word."),
  alone: flag("Whether no other value of its kind stood in the same text."),
});

const PLAN_MEMBERS: Record<string, JsonSchema> = {
  fits: flag("Whether the plan has such a call."),
  step: textOrNull("Name of the step that it is; null when the plan has no such call, or the step no name."),
  arguments: {
    type: "object",
    description: "Path of each value of an argument that the step names to whether it comes from where the plan says.",
    additionalProperties: word(PLANNED, "`several`: from there, and a stranger wrote it beside more of its kind."),
  },
};

const times = object("How often the call may be made, before the action; missing when the plan doesn't say.", {
  call: { type: "integer", description: "Place of the call in the plan, from 0." },
  used: { type: "integer", description: "How often it was made." },
  adds: { type: ["integer", "null"], description: "1; null when nobody knows how often it was made, and then it doesn't fit." },
  max: { type: "integer", description: "How often it may be made." },
});

const plan: JsonSchema = {
  ...object("The action compared with the task's plan; missing when the task has none.", {
    ...PLAN_MEMBERS,
    times,
    bare: flag("Whether the plan has the call without naming any argument of it; missing when not."),
  }),
  required: Object.keys(PLAN_MEMBERS),
};

const FLOW_MEMBERS: Record<string, JsonSchema> = {
  effect: {
    type: ["string", "null"],
    enum: [...EFFECTS, null],
    description: "What the verb does; null when the vocabulary doesn't say.",
  },
  complete: flag("Whether the service knows what was seen on the task."),
  instructed: flag("Whether the task's instruction is known."),
  others: { type: ["boolean", "null"], description: "Whether anything was seen on the task that others wrote; null when unknown." },
  full: list({ type: "string", enum: VALUE_KINDS }, "Kinds of values of which the task has seen more than is remembered."),
  labels: {
    type: ["array", "null"],
    items: { type: "string" },
    description: "Labels that the task has from what was read on it; null when that isn't known, and without a task.",
  },
  limits: {
    type: "object",
    description: "Code of each limit that the action has to fit to how much of it is used.",
    additionalProperties: object("A limit, before the action.", {
      used: { type: "number", description: "What is used." },
      adds: { type: ["number", "null"], description: "What the action adds; null when that isn't known, and then it doesn't fit." },
      max: { type: "number", description: "How much fits." },
    }),
  },
  arguments: {
    type: "object",
    description: "Path of a value (`recipients/0`; `body#1` for the first address within a text) to what is known of it.",
    additionalProperties: object("What is known of one value.", {
      role: word(ROLES, "What the argument is for."),
      kind: word(VALUE_KINDS, "Kind of the value."),
      writer: word(writers, "Most trusted writer of all its sources."),
      introduced: word(writers, "Writer of the answer that held it first."),
      inside: flag("Whether it is an address within the organisation."),
      excluded: flag("Whether the instruction names it only to exclude it."),
      secret: flag("Whether it is, or contains, a secret of the user's."),
      sources: list(source, "Where it was found, the most trusted first."),
    }),
  },
};

const errand = word(ERRANDS, "Most that the instruction asks for; missing when that may be anything.");

const said = list(
  word(VALUE_KINDS, "Kind of an address, link, account or phone number."),
  "Kinds of places of which the instruction says one itself; missing when it says none.",
);

const flow: JsonSchema = {
  ...object("Where the action's values come from; null unless the vocabulary has words for it.", { ...FLOW_MEMBERS, errand, plan, said }),
  required: Object.keys(FLOW_MEMBERS),
  type: ["object", "null"],
};

const RARE = "Decades: 3 is what comes once in a thousand times.";

const grant = object("A live grant.", {
  id: text("Id of the grant."),
  exact: { type: "boolean", description: "Whether it is an approval of this very action." },
  about: {
    type: "string",
    enum: ["task", "other", "any"],
    description: "Relation to the task that the resource must have, as in a purpose.",
  },
  when: { type: "array", items: { type: "object" }, description: "Compiled conditions that must hold, as in a purpose." },
});

function object(description: string, properties: Record<string, JsonSchema>): JsonSchema {
  return { type: "object", description, properties, additionalProperties: false, required: Object.keys(properties) };
}

/** Names that every group has. */
function ofAll(groups: readonly Readonly<Record<string, unknown>>[]): string[] {
  const [first = {}, ...others] = groups;
  return Object.keys(first).filter((name) => others.every((group) => Object.hasOwn(group, name)));
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
