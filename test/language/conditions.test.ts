import { readFileSync } from "node:fs";
import { expect } from "chai";
import { conditionWords } from "../../src/bundle/condition_words.js";
import { MATCHERS } from "../../src/bundle/matchers.js";
import { compilePurposes } from "../../src/bundle/purposes.js";
import { Sheet, type SourceNote } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { conditionPaths, conditionPlaces, type Condition } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { CASES, VOCABULARY } from "../conditions/cases.js";

const vocabulary = compileVocabulary(new Sheet("vocabulary.yaml", VOCABULARY.replace("VERBS", "  use: {class: read}")));

function compiled(when: string, line = "never"): { conditions: Condition[]; notes: SourceNote[] } {
  const text = `p:\n  statement: s\n  owner: o\n  task: optional\n  ${line}:\n    - {use: item, when: {${when}}}\n`;
  const sheet = new Sheet("purposes.yaml", text);
  const { purposes } = compilePurposes(sheet, vocabulary);
  const lines = purposes["p"]?.[line as "never"] ?? {};
  return { conditions: lines["item"]?.["use"]?.[0]?.when ?? [], notes: sheet.notes };
}

describe("what YAML can say beyond one value", () => {
  it("compiles each condition of the differential, in every line, without a note", () => {
    for (const { when } of CASES) {
      const { conditions, notes } = compiled(when, when.includes("known: false") ? "never" : "allow");
      expect(notes, when).to.deep.equal([]);
      expect(conditions, when).not.to.be.empty;
      for (const condition of conditions) {
        expect(conditionPaths(condition), when).not.to.be.empty;
        expect(conditionPlaces(condition), when).not.to.be.empty;
      }
    }
  });

  const WORDS: [when: string, words: string][] = [
    ["a: {at_least: {same_as: b}}", "a is at least b"],
    ["a: {more_than: 5}", "a is more than 5"],
    ["owner: {not: {same_as: task.customer}}", "not (owner is the same as task.customer)"],
    ["tags: {count: 0}", "tags in number is 0"],
    ["lines: {sum: {of: [quantity, cents], at_most: {same_as: b}}}", "lines in sum of quantity × cents is at most b"],
    ["lines: {every: {sku: {same_as: other}}}", "lines has in every element sku is the same as other"],
    ["at: {after: 30d before now}", "at is after 30d before now"],
    ["at: {within: 24h of now}", "at is within 1d of now"],
    ['day: {before: "2026-06-01"}', "day is before 2026-06-01"],
    ["took: {at_most: 36h}", "took is at most 36h"],
    ["mail: {domain: example.com}", "mail has the domain example.com"],
    ["owner: {known: true}", "owner is known"],
    ["any: [{state: open}, {a: {at_most: 5}}]", "state is open, or a is at most 5"],
  ];
  for (const [when, words] of WORDS) {
    it(`puts {${when}} into words: ${words}`, () => {
      expect(compiled(when).conditions.map(conditionWords).join(" and ")).to.equal(words);
    });
  }

  const WRONG: [when: string, message: string, hint?: string | undefined, line?: string][] = [
    ["a: {at_least: {same_as: word}}", "`word` is of kind string, and has to be a number"],
    ["a: {at_least: {same_as: nums}}", "`nums` is of kind list, and has to be a number"],
    ["a: {at_least: {same_as: a}}", "`a` is compared with itself"],
    ["a: {at_least: {path: b}}", "unknown key in `at_least` `path`"],
    ["a: {more_than: 5, less_than: 5}", "nothing is more than 5 and less than 5"],
    ["a: {more_than: 5, at_most: 5}", "nothing is more than 5 and at most 5"],
    ["a: {not: {not: {at_most: 5}}}", "`not` of `not` says nothing"],
    ["a: {count: 2}", "`count` is about a list and `a` is of kind integer"],
    ["tags: {count: -1}", "`count` must be a whole number from 0"],
    ["tags: {count: {at_least: 1.5}}", "must be a whole number"],
    ["tags: {count: {}}", "`count` says no bound"],
    ["tags: {count: {at_least: 2, at_most: 1}}", "nothing in number is at least 2"],
    ["tags: {sum: {at_most: 5}}", "`sum` adds whole numbers, and `tags` is a list of kind enum"],
    ["nums: {sum: {of: x, at_most: 5}}", "whole numbers have no fields"],
    ["lines: {sum: {at_most: 5}}", "`of` names 1 to 3 fields"],
    ["lines: {sum: {of: sku, at_most: 5}}", "unknown field of whole numbers `sku`"],
    ["lines: {sum: {of: [cents, cents, cents, cents], at_most: 5}}", "`of` names 1 to 3 fields"],
    ["lines: {every: {skuu: x}}", "unknown field of the element `skuu`", "did you mean `sku`?"],
    ["lines: {every: {}}", "`every` says nothing of an element"],
    ["lines: {some: x}", "`some` must be a mapping"],
    ["lines: ada", "`lines` is a list of objects", "`some` or `every`"],
    ["lines.sku: ada", "`lines` is a list of objects", "`some` or `every`"],
    ["a: {every: 5}", "`every` is about a list"],
    ["tags: {all_of: [x, q]}", "unknown value `q`"],
    ["tags: {all_of: []}", "an empty list matches nothing"],
    ["word: {domain: example.com}", "`domain` reads e-mail addresses and `word` is of kind string"],
    ["mail: {domain: Example.com}", "`Example.com` is not a domain in small letters"],
    ["mail: {domain: ada@example.com}", "is not a domain"],
    ["word: {suffix: ''}", "an empty suffix matches everything"],
    ["a: {before: now}", "`before` compares dates and times, and `a` is of kind integer"],
    ["at: {before: tomorrow}", "`before` takes a date, a time in UTC, or what is counted from now"],
    ['at: {before: "2026-02-30"}', "`before` takes a date"],
    ["at: {within: now}", "`within` takes a duration and what it is counted from"],
    ["at: {within: 1w of now}", "`within` takes a duration"],
    ["at: {within: 1h of word}", "`word` is of kind string, and has to be a date or a time"],
    ['at: "2026-03-01T09:30:00Z"', "a time is matched by a range"],
    ["took: 36h", "a duration is matched by a range"],
    ["took: {at_most: 36}", "`at_most` takes a duration"],
    ["day: {at_most: 5}", "`at_most` compares numbers and durations", "`before` and `after`"],
    ["day: 2026-3-1", "must be a date"],
    ["at: {same_as: until}", "the same moment has more than one"],
    ["owner: {known: 1}", "`known` must be true or false"],
    ["owner: {known: false}", "nothing is permitted for being unknown", undefined, "allow"],
    ["owner: {not: {known: true}}", "nothing is permitted for being unknown", undefined, "allow"],
    ["any: [{state: open}]", "`any` is a list of 2 to 16 alternatives"],
    ["any: {state: open}", "`any` is a list of 2 to 16 alternatives"],
    ["any: [{state: open}, {}]", "an alternative without a condition always holds"],
    ["any: [{state: open}, {any: [{a: 1}, {a: 2}]}]", "an alternative holds no alternatives"],
    ["any: [open, paid]", "an alternative of `any` must be a mapping"],
    ["any: [{state: opne}, {a: 1}]", "unknown value `opne`", "did you mean `open`?"],
  ];
  for (const [when, message, hint, line] of WRONG) {
    it(`refuses {${when}}${line === undefined ? "" : ` in ${line}`}`, () => {
      const { notes } = compiled(when, line);
      const found = notes.find((note) => note.severity === "error" && note.message.includes(message));
      expect(found, JSON.stringify(notes)).not.to.equal(undefined);
      expect(found?.line).to.equal(6);
      if (hint !== undefined) expect(found?.hint).to.include(hint);
    });
  }

  it("has every matcher in the table of meaning", () => {
    const page = readFileSync(asset("docs", "conditions.md"), "utf8");
    for (const matcher of [...MATCHERS, "any"]) expect(page, matcher).to.match(new RegExp(`\`[^\`]*\\b${matcher}\\b`));
  });

  it("keeps `any` from being an attribute, which no `when` could name", () => {
    const sheet = new Sheet("vocabulary.yaml", "verbs: {use: {class: read}}\ntypes: {item: {attributes: {any: string}}}");
    compileVocabulary(sheet);
    expect(sheet.notes.map(({ message }) => message)).to.deep.equal(["a field cannot be called `any`"]);
  });
});
