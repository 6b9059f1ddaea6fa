import { expect } from "chai";
import { Problem, SUBJECT_IDS_MAX, type Fields, type Vocabulary } from "../../src/contract/index.js";
import { checkAttributes, checkSubjects, named } from "../../src/facts/fields.js";

const VOCABULARY = { task: { subjects: ["ticket", "customer"], attributes: {} } } as unknown as Vocabulary;
const FIELDS: Fields = { topic: { kind: "enum", values: ["billing", "delivery"] }, count: { kind: "integer" } };

function ids(many: number): string[] {
  return Array.from({ length: many }, (_, i) => `T-${i}`);
}

/** Returns code, field and expectation of the problem; null: there is none. */
function refusalOf(check: () => void): [code: string, field: unknown, expected: unknown] | null {
  try {
    check();
    return null;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return [error.code, error.detail.field, error.detail.expected];
  }
}

describe("what the vocabulary names of a task", () => {
  const subjects: [what: string, subjects: Record<string, string[]>, refused: ReturnType<typeof refusalOf>][] = [
    ["types that it has", { ticket: ["T-1"], customer: ["ada", "bob"] }, null],
    ["as many ids as a type may have", { ticket: ids(SUBJECT_IDS_MAX) }, null],
    ["one more", { ticket: ids(SUBJECT_IDS_MAX + 1) }, ["fact_invalid", "/subjects/ticket", "at most 100 ids of a type"]],
    [
      "one more of the second type",
      { ticket: ["T-1"], customer: ids(SUBJECT_IDS_MAX + 1) },
      ["fact_invalid", "/subjects/customer", "at most 100 ids of a type"],
    ],
    [
      "a type that it hasn't",
      { tiket: ["T-1"] },
      ["fact_invalid", "/subjects/tiket", "a subject type of the vocabulary: ticket, customer"],
    ],
    [
      "an id that isn't canonical",
      { ticket: ["T-1", "T-\u200b2"] },
      ["identifier_not_canonical", "/subjects/ticket", "a canonical identifier"],
    ],
  ];
  for (const [what, given, refused] of subjects) {
    it(`${refused === null ? "takes" : "refuses"} ${what}`, () => {
      const found = refusalOf(() => {
        checkSubjects(VOCABULARY, given);
      });
      expect(found).to.deep.equal(refused);
    });
  }

  const attributes: [what: string, attributes: Record<string, unknown>, field: string | null, expected: RegExp][] = [
    ["attributes that it has", { topic: "billing", count: 3 }, null, /^/],
    ["none", {}, null, /^/],
    ["a name that it hasn't", { topik: "billing" }, "/attributes/topik", /^one of the vocabulary's: topic, count$/],
    ["a word that isn't one of its list", { topic: "weather" }, "/attributes/topic", /one of the vocabulary's: billing/],
    ["another type of value", { count: "3" }, "/attributes/count", /integer/],
  ];
  for (const [what, given, field, expected] of attributes) {
    it(`${field === null ? "takes" : "refuses"} ${what}`, () => {
      const found = refusalOf(() => {
        // Fields of their own: a validator is made once for each.
        checkAttributes({ ...FIELDS }, given);
      });
      expect(found?.slice(0, 2) ?? null).to.deep.equal(field === null ? null : ["fact_invalid", field]);
      if (found !== null) expect(found[2]).to.match(expected);
    });
  }

  it("is listed as far as it helps", () => {
    expect([named([]), named(["one"]), named(["one", "two"])]).to.deep.equal(["there are none", "one", "one, two"]);
    expect(named(ids(24)).endsWith("T-23")).to.equal(true);
    expect(named(ids(25)).endsWith("T-23, …")).to.equal(true);
  });
});
