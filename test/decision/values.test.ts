/** Values of each kind that a vocabulary has, in requests, where they are refused, and in facts, where they are then unknown. */
import { expect } from "chai";
import { ID_LENGTH_MAX, Problem, type Fields, type ValueType, type Vocabulary } from "../../src/contract/index.js";
import { vocabularyReader, type VocabularyReader } from "../../src/decision/values.js";

const FIELDS: Fields = {
  when: { kind: "time" },
  on: { kind: "date" },
  within: { kind: "duration" },
  topic: { kind: "enum", values: ["billing", "other"] },
  who: { kind: "id" },
  notes: { kind: "list", of: { kind: "object", fields: { by: { kind: "id" } } }, max: 2 },
};

function readerOf(fields: Fields): VocabularyReader {
  const vocabulary = {
    verbs: {},
    task: { subjects: ["ticket", "customer"], attributes: fields },
    agent: { attributes: fields },
    types: {
      thing: { id: "name", about: {}, attributes: fields, arguments: {}, related: { to: "thing", from: "thing" } },
      file: { id: "path", about: {}, attributes: fields, arguments: {}, related: {} },
    },
  } as unknown as Vocabulary;
  return vocabularyReader(vocabulary);
}

/** Returns what it is read as; of a problem its code, field and expectation. */
function readingOf<T>(read: () => T): T | [code: string, field: unknown, expected: unknown] {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    return [cause.code, cause.detail.field, cause.detail.expected];
  }
}

describe("values of a request and of facts", () => {
  let all: VocabularyReader;
  beforeEach(() => (all = readerOf(FIELDS)));
  const unknown = Object.fromEntries(Object.keys(FIELDS).map((name) => [name, null]));
  const id = "x".repeat(ID_LENGTH_MAX);

  const good: [name: string, value: unknown][] = [
    ["when", "2026-03-01T09:30:00Z"],
    ["on", "2026-03-01"],
    ["within", "36h"],
    ["topic", "billing"],
    ["who", id],
    ["notes", [{ by: "ada" }, { by: null }]],
  ];
  for (const [name, value] of good) {
    it(`are read as they are: ${name}`, () => {
      const wanted = { ...unknown, [name]: value };
      expect(readingOf(() => all.types.get("thing")?.attributes({ [name]: value }, "/a"))).to.deep.equal(wanted);
      expect([all.task({ [name]: value as never }), all.agent({ [name]: value as never })]).to.deep.equal([wanted, wanted]);
    });
  }

  const TIME = /^a time in UTC/;
  const DATE = /^a date/;
  // prettier-ignore
  const bad: [name: string, value: unknown, refused: string, expected: RegExp, place?: string][] = [
    ["when", "2026-03-01", "field_invalid", TIME],
    ["when", "2026-03-01T09:30:00", "field_invalid", TIME],
    ["when", "2026-02-30T09:30:00Z", "field_invalid", TIME],
    ["when", 1_772_357_400_000, "field_type", /^a string/],
    ["on", "2026-03-01T09:30:00Z", "field_invalid", DATE],
    ["on", "2026-02-30", "field_invalid", DATE],
    ["on", "01.03.2026", "field_invalid", DATE],
    ["on", "2026-3-1", "field_invalid", DATE],
    ["within", "1w", "field_invalid", /^a duration/],
    ["within", "", "field_invalid", /^a duration/],
    ["topic", "Billing", "field_invalid", /^one of billing, other$/],
    ["topic", "constructor", "field_invalid", /^one of/],
    ["who", "", "field_invalid", /^1 to 256/],
    ["who", `${id}x`, "field_invalid", /^1 to 256/],
    ["who", "a\u200bb", "identifier_not_canonical", /canonical/],
    ["notes", [{ by: "ada" }, null], "field_type", /^an object$/, "/1"],
    ["notes", [{ by: "ada", to: "bob" }], "field_unknown", /^one of by$/, "/0/to"],
    ["notes", [{}, {}, {}], "field_invalid", /^at most 2/],
    ["other", "x", "field_unknown", /^one of when, on, within, topic, who, notes$/],
  ];
  for (const [name, value, code, expected, place = ""] of bad) {
    it(`are refused in a request and unknown in facts: ${name} ${JSON.stringify(value).slice(0, 60)}`, () => {
      const found = readingOf(() => all.types.get("thing")?.attributes({ topic: "other", [name]: value }, "/a"));
      if (!Array.isArray(found)) return expect.fail(`it was read as ${JSON.stringify(found)}`);
      expect(found.slice(0, 2)).to.deep.equal([code, `/a/${name}${place}`]);
      expect(found[2]).to.match(expected);
      const left = { ...unknown, topic: name === "topic" ? null : "other" };
      expect(all.task({ topic: "other", [name]: value as never })).to.deep.equal(left);
      expect(all.agent({ topic: "other", [name]: value as never })).to.deep.equal(left);
    });
  }

  it("are unknown if none of them is given, and are given as an object", () => {
    const { attributes } = all.types.get("thing") ?? { attributes: () => expect.fail("no type") };
    for (const given of [undefined, null, {}]) expect(attributes(given, "/a")).to.deep.equal(unknown);
    for (const given of ["x", 1, true, [], [{}]]) {
      expect(readingOf(() => attributes(given, "/a"))).to.deep.equal(["field_type", "/a", "an object"]);
    }
    expect(readingOf(() => readerOf({}).types.get("thing")?.attributes({ x: 1 }, "/a"))).to.deep.equal([
      "field_unknown",
      "/a/x",
      "no fields",
    ]);
  });

  it("are in the order of their names, as a record is, and so are a task's subjects and a type's related resources", () => {
    const thing = all.types.get("thing");
    const names = Object.keys(FIELDS).sort();
    expect([thing?.attributes({}, ""), all.task({}), all.agent({})].map((read) => Object.keys(read ?? {}))).to.deep.equal([
      names,
      names,
      names,
    ]);
    expect([[...(thing?.related.keys() ?? [])], all.subjects]).to.deep.equal([
      ["from", "to"],
      ["customer", "ticket"],
    ]);
  });

  it("are not unknown in facts if reading them breaks", () => {
    const broken = {
      get topic(): never {
        throw new RangeError("it broke");
      },
    };
    expect(() => all.task(broken)).to.throw(RangeError);
  });

  const ids: [id: string, name: string | null, path: string | null][] = [
    ["I-1", null, null],
    ["a/b.txt", null, null],
    ["a/../b", null, "path_not_canonical"],
    ["/a", null, null],
    ["a//b", null, "path_not_canonical"],
    ["a\u202eb", "identifier_not_canonical", "identifier_not_canonical"],
  ];
  for (const [id, name, path] of ids) {
    it(`${JSON.stringify(id)} is ${name === null ? "an" : "no"} id by name, and ${path === null ? "one" : "none"} by path`, () => {
      const found = (["thing", "file"] as const).map((type) => {
        const read = readingOf(() => {
          all.types.get(type)?.checkId(id, "/id");
          return null;
        });
        return read === null ? null : read[0];
      });
      expect(found).to.deep.equal([name, path]);
    });
  }

  it("have each kind there is", () => {
    const kinds: Record<ValueType["kind"], unknown> = {
      id: "a",
      email: "a@b.example",
      date: "2026-03-01",
      time: "2026-03-01T09:30:00Z",
      duration: "90s",
      string: "abc",
      enum: "x",
      integer: 1,
      number: 0.5,
      boolean: false,
      list: ["x"],
      object: { a: "x" },
    };
    for (const [kind, value] of Object.entries(kinds)) {
      const type = { kind, max: 3, values: ["x"], of: { kind: "id" }, fields: { a: { kind: "id" } } } as unknown as ValueType;
      const read = readerOf({ it: type }).types.get("thing")?.attributes({ it: value }, "");
      expect(read, kind).to.deep.equal({ it: value });
    }
    for (const [kind, value] of [
      ["integer", 0.5],
      ["number", Infinity],
      ["boolean", 0],
      ["string", "abcd"],
      ["email", "a.b.example"],
    ] as const) {
      const { types } = readerOf({ it: { kind, max: 3 } });
      expect(
        readingOf(() => types.get("thing")?.attributes({ it: value }, "")),
        kind,
      ).to.include("/it");
    }
  });
});
