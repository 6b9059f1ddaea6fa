import { Ajv } from "ajv";
import { expect } from "chai";
import fc from "fast-check";
import { Problem, fieldsSchema, isCanonicalId, type Fields, type ValueType, type Values } from "../../src/contract/index.js";
import { vocabularyReader, type ReadFields } from "../../src/decision/values.js";
import { CHARACTER } from "../characters.js";

/** Lengths count UTF-16 units, as the contract's bounds do. */
const ajv = new Ajv({
  strict: true,
  allowUnionTypes: true,
  strictTypes: false,
  unicode: false,
  ownProperties: true,
  logger: false,
});

function readerOf(fields: Fields): ReadFields {
  const reader = vocabularyReader({
    verbs: {},
    task: { subjects: [], attributes: {} },
    agent: { attributes: {} },
    types: { thing: { id: "name", about: {}, attributes: fields, arguments: {}, related: {} } },
  }).types.get("thing");
  if (reader === undefined) throw new Error("no reader");
  return reader.attributes;
}

function readOrNull(read: ReadFields, values: unknown): Values | null {
  try {
    return read(values, "");
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

const name = fc.constantFrom("a", "b", "customer", "constructor", "toString", "hasOwnProperty", "length", "0");
const leaf: fc.Arbitrary<ValueType> = fc.oneof(
  fc.constantFrom<ValueType>({ kind: "id" }, { kind: "email" }, { kind: "integer" }, { kind: "number" }, { kind: "boolean" }),
  fc.nat(4).map((max): ValueType => ({ kind: "string", max })),
  fc.uniqueArray(fc.constantFrom("x", "y", "", "constructor"), { minLength: 1 }).map((values): ValueType => ({ kind: "enum", values })),
);
const { type } = fc.letrec<{ type: ValueType; fields: Fields }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    leaf,
    fc.record({ kind: fc.constant("list" as const), of: tie("type"), max: fc.nat(3) }),
    fc.record({ kind: fc.constant("object" as const), fields: tie("fields") }),
  ),
  fields: fc.dictionary(name, tie("type"), { maxKeys: 4 }),
}));
const vocabulary = fc.dictionary(name, type, { maxKeys: 4 });

/** Values near what the type admits: right ones, ones just past a limit, and ones of any other kind. */
function near(of: ValueType): fc.Arbitrary<unknown> {
  const stray = fc.constantFrom<unknown>(null, true, 0, 1.5, -1, "", "x", "a@b", "a ", "\u202e", [], [null], {}, { a: 1 });
  return fc.oneof({ weight: 8, arbitrary: fitting(of) }, stray);
}

function fitting(of: ValueType): fc.Arbitrary<unknown> {
  switch (of.kind) {
    case "id":
      return fc.constantFrom(
        "ada",
        "a b",
        "caf\u00e9",
        "cafe\u0301",
        " a",
        "a\n",
        "x".repeat(256),
        "x".repeat(257),
        "\u{1f600}".repeat(129),
      );
    case "email":
      return fc.constantFrom("a@b", "ada@example.com", "a@b@c", "@", "a@", `${"x".repeat(65)}@b`, "a@\u202eb", "a b@c", "\u{1f600}@b");
    case "string":
      return fc.string({ unit: CHARACTER, maxLength: of.max + 1 });
    case "date":
      return fc.constantFrom("2026-03-01", "2024-02-29", "2026-02-30", "2026-3-1", "2026-03-01T00:00:00Z");
    case "time":
      return fc.constantFrom(
        "2026-03-01T09:30:00Z",
        "2026-03-01T09:30:00.250Z",
        "2026-03-01T09:30:60Z",
        "2026-03-01T09:30:00+01:00",
        "2026-03-01",
      );
    case "duration":
      return fc.constantFrom("0s", "36h", "999999999d", "1000000000d", "01h", "1w", "-1h");
    case "integer":
      return fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0.5, -0));
    case "number":
      return fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger());
    case "boolean":
      return fc.boolean();
    case "enum":
      return fc.oneof(fc.constantFrom(...of.values), fc.constant("X"));
    case "list":
      return fc.array(near(of.of), { maxLength: of.max + 1 });
    case "object":
      return nearFields(of.fields);
  }
}

function nearFields(fields: Fields): fc.Arbitrary<Record<string, unknown>> {
  const given = Object.fromEntries(Object.entries(fields).map(([key, of]) => [key, near(of)]));
  const more = fc.oneof(
    { weight: 12, arbitrary: fc.constant(null) },
    fc.tuple(fc.constantFrom("z", "__proto__", "a", "valueOf"), fc.constant(1)),
  );
  return fc.tuple(fc.record(given, { requiredKeys: [] }), more).map(([values, extra]) =>
    // As from JSON: own properties only, whatever they are called.
    Object.fromEntries([...Object.entries(values), ...(extra === null || Object.hasOwn(fields, extra[0]) ? [] : [extra])]),
  );
}

/** The one rule that a JSON Schema doesn't hold: identifiers are canonical. */
function identifiersAreCanonical(fields: Fields, values: Record<string, unknown>): boolean {
  const one = (of: ValueType, value: unknown): boolean => {
    if (value === null) return true;
    if (of.kind === "id" || of.kind === "email") return isCanonicalId(value as string);
    if (of.kind === "list") return (value as unknown[]).every((element) => one(of.of, element));
    return of.kind === "object" ? identifiersAreCanonical(of.fields, value as Record<string, unknown>) : true;
  };
  return Object.entries(values).every(([key, value]) => one(fields[key] as ValueType, value));
}

describe("values: the vocabulary's readers", () => {
  it("accept exactly what the schema of the same vocabulary does, with canonical identifiers", () => {
    const seen = { read: 0, refused: 0 };
    fc.assert(
      fc.property(
        vocabulary.chain((fields) => fc.tuple(fc.constant(fields), fc.array(nearFields(fields), { minLength: 8, maxLength: 8 }))),
        ([fields, samples]) => {
          const valid = ajv.compile(fieldsSchema(fields));
          const read = readerOf(fields);
          for (const values of samples) {
            const wanted = valid(values) && identifiersAreCanonical(fields, values);
            const got = readOrNull(read, values);
            expect(got !== null, JSON.stringify({ fields, values, errors: valid.errors })).to.equal(wanted);
            seen[got === null ? "refused" : "read"]++;
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(Math.min(seen.read, seen.refused), "the generator reaches both sides").to.be.above(200);
  });

  it("fill every field that the vocabulary names, and change nothing that was given", () => {
    fc.assert(
      fc.property(
        vocabulary.chain((fields) => fc.tuple(fc.constant(fields), nearFields(fields))),
        ([fields, values]) => {
          const got = readOrNull(readerOf(fields), values);
          if (got === null) return;
          expect(complete(fields, got), JSON.stringify(got)).to.be.true;
          expect(JSON.stringify(withoutNulls(got))).to.equal(JSON.stringify(withoutNulls(inOrder(fields, values))));
          expect(readOrNull(readerOf(fields), got), "reading again changes nothing").to.deep.equal(got);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("point at a value that is really there, or at the unknown field", () => {
    fc.assert(
      fc.property(
        vocabulary.chain((fields) => fc.tuple(fc.constant(fields), nearFields(fields))),
        ([fields, values]) => {
          try {
            readerOf(fields)(values, "");
          } catch (error) {
            let at: unknown = values;
            for (const step of ((error as Problem).detail.field ?? "").split("/").slice(1)) {
              expect(Object.hasOwn(at as object, step), step).to.be.true;
              at = (at as Record<string, unknown>)[step];
            }
          }
        },
      ),
    );
  });

  it("of facts make unknown what doesn't fit, and only that", () => {
    const { task, agent } = vocabularyReader({
      verbs: {},
      task: {
        subjects: [],
        attributes: { topic: { kind: "enum", values: ["billing"] }, ids: { kind: "list", of: { kind: "id" }, max: 2 } },
      },
      agent: { attributes: { tier: { kind: "integer" } } },
      types: {},
    });
    const table: [given: Values, wanted: Values][] = [
      [{}, { topic: null, ids: null }],
      [
        { topic: "billing", ids: ["a"] },
        { topic: "billing", ids: ["a"] },
      ],
      [
        { topic: "Billing", ids: ["a"] },
        { topic: null, ids: ["a"] },
      ],
      [
        { topic: "billing", ids: ["a", "b", "c"] },
        { topic: "billing", ids: null },
      ],
      [
        { topic: "billing", ids: ["a", 1] },
        { topic: "billing", ids: null },
      ],
      [
        { topic: 1, ids: "a" },
        { topic: null, ids: null },
      ],
      [
        { more: 1, constructor: 2 },
        { topic: null, ids: null },
      ],
    ];
    for (const [given, wanted] of table) expect(task(given)).to.deep.equal(wanted);
    expect(agent({ tier: 2 })).to.deep.equal({ tier: 2 });
    expect(agent({ tier: "2" })).to.deep.equal({ tier: null });
    expect(agent(Object.create({ tier: 2 }) as Values), "inherited").to.deep.equal({ tier: null });
  });
});

function complete(fields: Fields, values: Values): boolean {
  const one = (of: ValueType, value: unknown): boolean => {
    if (value === null || typeof value !== "object") return true;
    if (of.kind === "list") return (value as unknown[]).every((element) => one(of.of, element));
    return of.kind !== "object" || complete(of.fields, value as Values);
  };
  return (
    JSON.stringify(Object.keys(values)) === JSON.stringify(Object.keys(fields).sort()) &&
    Object.entries(fields).every(([key, of]) => one(of, values[key]))
  );
}

/** The given values in the order of the fields' names. */
function inOrder(fields: Fields, values: Record<string, unknown>): Record<string, unknown> {
  const one = (of: ValueType, value: unknown): unknown => {
    if (value === null) return null;
    if (of.kind === "list") return (value as unknown[]).map((element) => one(of.of, element));
    return of.kind === "object" ? inOrder(of.fields, value as Record<string, unknown>) : value;
  };
  return Object.fromEntries(
    Object.entries(fields)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, of]) => (Object.hasOwn(values, key) ? [[key, one(of, values[key])]] : [])),
  );
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, member]) => (member === null ? [] : [[key, withoutNulls(member)]])));
}
