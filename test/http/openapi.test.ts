import { createRequire } from "node:module";
import { Validator } from "@seriousme/openapi-schema-validator";
import type * as Ajv2020Module from "ajv/dist/2020.js";
import { expect } from "chai";
import { components } from "../../src/http/openapi_schemas.js";
import { about, Type } from "../../src/contract/type.js";
import { RECORDS, runAuthzen } from "../adapters/authzen/running.js";

type Node = Record<string, unknown>;
interface Operation {
  operationId: string;
  summary: string;
  parameters?: (Node & { name: string; in: string; description?: string })[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface Media {
  schema: Node;
  example?: unknown;
}
interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Node> };
}

/** Where generators put the names of a client's types. */
const WANTED = [
  ...["DecideRequest", "Decision", "DecisionKind", "Reason", "Obligation", "BatchRequest", "BatchAnswer", "Problem", "ProblemCode"],
  ...["Agent", "Task", "Grant", "Revocation", "Narrowing", "Finding", "Record", "DecisionRecord", "RecordPage", "CreateRevocation"],
];
/** They say nothing of a value: members of any name, described where they are used. */
const DESCRIBED_BY_USE = new Set(["items", "additionalProperties", "propertyNames"]);
/** Of the stand-ins for OPA's APIs that aren't offered; of bytes and streams of them. */
const WITHOUT_ANSWER = /^opa(?:Query|Compile|Config|Status)$/;
const BYTES = new Set(["downloadBundle", "getTile", "publishBundle"]);

describe("the OpenAPI document", () => {
  let document: OpenApi;
  let operations: { at: string; operation: Operation }[];

  before(async () => {
    const service = await runAuthzen(RECORDS);
    try {
      document = (await (await fetch(`http://127.0.0.1:${service.port}/openapi.json`)).json()) as OpenApi;
    } finally {
      await service.stop();
    }
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ at: `${method.toUpperCase()} ${path}`, operation })),
    );
  });

  it("is valid OpenAPI 3.1", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>);
    expect(errors ?? []).to.deep.equal([]);
    expect(valid).to.equal(true);
  });

  it("describes every field of every schema, and every parameter", () => {
    const missing: string[] = [];
    const walk = (schema: Node, at: string): void => {
      for (const [name, member] of Object.entries((schema["properties"] ?? {}) as Record<string, Node>)) {
        const { description, $ref } = member as { description?: string; $ref?: string };
        const said = description ?? ($ref === undefined ? undefined : componentOf($ref)["description"]);
        if (typeof said !== "string" || said === "") missing.push(`${at}.${name}`);
      }
      for (const [keyword, child] of children(schema)) walk(child, keyword.startsWith("properties.") ? `${at}.${keyword.slice(11)}` : at);
    };
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      if (typeof schema["description"] !== "string") missing.push(name);
      walk(schema, name);
    }
    for (const { at, operation } of operations) {
      for (const { name, description } of operation.parameters ?? []) if (!description) missing.push(`${at} ${name}`);
    }
    expect(missing).to.deep.equal([]);
  });

  it("gives every route an operationId of its own in camelCase, and a summary", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id) => !/^[a-z][a-zA-Z0-9]+$/.test(id))).to.deep.equal([]);
    expect(new Set(ids).size).to.equal(ids.length);
    expect(operations.filter(({ operation }) => operation.summary === "")).to.deep.equal([]);
  });

  it("shows a request and an answer of every route, which fit their schemas", () => {
    const { Ajv2020 } = createRequire(import.meta.url)("ajv/dist/2020.js") as typeof Ajv2020Module;
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: "openapi", ...document });
    const fits = ({ schema, example }: Media): unknown => {
      const text = JSON.stringify(schema).replaceAll('"#/', '"openapi#/');
      const validate = ajv.compile(JSON.parse(text) as object);
      return validate(example) ? [] : validate.errors;
    };
    for (const { at, operation } of operations) {
      const { operationId, requestBody, responses } = operation;
      const good = Object.entries(responses).filter(([status]) => Number(status) < 300);
      const medias = [requestBody?.content, ...good.map(([, { content }]) => content)].flatMap((content) => Object.values(content ?? {}));
      if (!WITHOUT_ANSWER.test(operationId)) expect(good, at).not.to.deep.equal([]);
      for (const media of medias) {
        if (BYTES.has(operationId) && media.schema["format"] === "binary") continue;
        expect(media, `${at} has no example`).to.have.property("example");
        expect(fits(media), `${at}: ${JSON.stringify(media.example)}`).to.deep.equal([]);
      }
    }
  });

  it("names the schema of every JSON body, and each that the author of a client looks for", () => {
    const anonymous = operations.flatMap(({ at, operation: { requestBody, responses } }) =>
      [requestBody?.content, ...Object.values(responses).map(({ content }) => content)].flatMap((content) =>
        Object.entries(content ?? {})
          .filter(([type, { schema }]) => type.endsWith("json") && schema["$ref"] === undefined)
          .map(([type]) => `${at} ${type}`),
      ),
    );
    expect(anonymous).to.deep.equal([]);
    expect(document.components.schemas).to.include.keys(WANTED);
  });

  it("resolves every reference, spells enumerations as `enum`, and has no names by pattern", () => {
    const wrong: string[] = [];
    const walk = (node: unknown, at: string): void => {
      if (typeof node !== "object" || node === null) return;
      const { $ref, anyOf, patternProperties } = node as { $ref?: unknown; anyOf?: object[]; patternProperties?: object | null };
      if (typeof $ref === "string" && !Object.hasOwn(document.components.schemas, $ref.replace("#/components/schemas/", "")))
        wrong.push(`${at}: ${$ref}`);
      if (Array.isArray(anyOf) && anyOf.every((branch) => "const" in branch)) wrong.push(`${at}: anyOf of const`);
      if (typeof patternProperties === "object") wrong.push(`${at}: patternProperties`);
      for (const [name, child] of Object.entries(node)) if (name !== "example") walk(child, `${at}/${name}`);
    };
    walk(document, "#");
    expect(wrong).to.deep.equal([]);
  });

  function componentOf(reference: string): Node {
    return document.components.schemas[reference.replace("#/components/schemas/", "")] as Node;
  }

  /** Schemas within a schema, by keyword and name; a field's own items and values need no description beside the field's. */
  function children(schema: Node): [keyword: string, schema: Node][] {
    return Object.entries(schema).flatMap(([keyword, value]): [string, Node][] => {
      if (keyword === "properties") return Object.entries(value as Record<string, Node>).map(([name, one]) => [`properties.${name}`, one]);
      if (keyword === "anyOf") return (value as Node[]).map((one) => [keyword, one]);
      return DESCRIBED_BY_USE.has(keyword) && typeof value === "object" ? [[keyword, value as Node]] : [];
    });
  }
});

describe("components of the OpenAPI document", () => {
  const Colour = Type.Enum(["red", "blue"], { title: "Colour", description: "A colour" });

  const cases: [title: string, given: object, wanted: object][] = [
    ["a titled schema is a reference", Colour, { $ref: "#/components/schemas/Colour" }],
    ["a described use keeps its words", about(Colour, "Of the door"), { $ref: "#/components/schemas/Colour", description: "Of the door" }],
    ["a union of constants is an enumeration", Type.Union([Type.Literal("a"), Type.Literal("b")]), { type: "string", enum: ["a", "b"] }],
    [
      "a value or null has both types",
      Type.Union([Type.Integer({ description: "Rows; null: unknown" }), Type.Null()]),
      { type: ["integer", "null"], description: "Rows; null: unknown" },
    ],
    [
      "a component or null is a choice of both",
      Type.Union([Colour, Type.Null()]),
      { anyOf: [{ $ref: "#/components/schemas/Colour" }, { type: "null" }], description: "A colour" },
    ],
    ["members of any name", Type.Record(Type.String(), Type.Integer()), { type: "object", additionalProperties: { type: "integer" } }],
    [
      "members of names by a pattern",
      Type.Record(Type.String({ pattern: "^x" }), Type.Integer(), { additionalProperties: false }),
      { type: "object", additionalProperties: { type: "integer" }, propertyNames: { type: "string", pattern: "^x" } },
    ],
  ];
  for (const [title, given, wanted] of cases) {
    it(title, () => {
      expect(components().use(given)).to.deep.equal(wanted);
    });
  }

  it("refuses two schemas of one title", () => {
    const { use } = components();
    use(Colour);
    expect(() => use(Type.Integer({ title: "Colour" }))).to.throw("two schemas are titled Colour");
  });

  it("tells the forms of a union apart by the member that names each", () => {
    const form = (kind: string): object => Type.Object({ kind: Type.Literal(kind) }, { title: kind });
    expect(components().use({ anyOf: [form("A"), form("B")] })).to.have.deep.property("discriminator", {
      propertyName: "kind",
      mapping: { A: "#/components/schemas/A", B: "#/components/schemas/B" },
    });
  });
});
