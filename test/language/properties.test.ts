import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { stringify } from "yaml";
import { readTable } from "../../src/authoring/table.js";
import { compilePolicySet } from "../../src/bundle/compile.js";
import { Sheet, SourceErrors } from "../../src/bundle/source.js";
import { asset } from "../../src/system/paths.js";
import { VOCABULARY, WORDS, purposes, support, vocabulary } from "./support.js";

const KEYS =
  "verbs task agent types subjects attributes arguments about related id class collection list object string max read search update create invoice customer ticket statement owner answer_lasts hours zone open outside mon then allow flag never when code severity proceed message obligations redact confirm fields with not at_most prefix same_as task.topic table given cases now grants resources because constructor __proto__ toString".split(
    " ",
  );
const word = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...KEYS) }, fc.string({ maxLength: 8 }));
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", maxDepth: 7 },
    fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null), fc.double({ noNaN: true })),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.uniqueArray(fc.tuple(word, tie("tree")), { selector: ([key]) => key, maxLength: 6 }).map(Object.fromEntries),
  ),
}));

/** A document that is right, with one value somewhere in it replaced. */
function damaged(document: unknown): fc.Arbitrary<unknown> {
  const places: (string | number)[][] = [];
  const visit = (value: unknown, path: (string | number)[]): void => {
    places.push(path);
    if (typeof value !== "object" || value === null) return;
    for (const [key, member] of Object.entries(value)) visit(member, [...path, Array.isArray(value) ? Number(key) : key]);
  };
  visit(document, []);
  const put = (value: unknown, [key, ...rest]: (string | number)[], to: unknown): unknown => {
    if (key === undefined) return to;
    const copy = structuredClone(value) as Record<string | number, unknown>;
    copy[key] = put(copy[key], rest, to);
    return copy;
  };
  return fc.tuple(fc.constantFrom(...places), tree).map(([path, to]) => put(document, path, to));
}

const GOOD_PURPOSES = support(
  'hours: {zone: UTC, open: {mon: "08:00-18:00"}, outside: {then: log}}\nallow:\n  - {read: invoice, about: task, when: {status: open, amount_cents: {at_most: 5}}, obligations: [{redact: {fields: [a]}}]}\nflag:\n  - {read: invoice, about: other, when: {customer: {same_as: task.customer}}, code: c, proceed: false}',
);
const GOOD_TABLE =
  'table: t\ngiven: {now: "2027-03-02T10:15:00Z", agent: {id: a, purposes: [p]}, task: {id: T, purpose: p, subjects: {customer: ada}, topic: billing}, resources: {invoice/I-1: {customer: ada}}, grants: [{id: G, read: invoice, when: {status: open}}]}\ncases:\n  - it: {read: invoice/I-1, with: {paid: true}, given: {task.topic: null, resources.invoice/I-1.customer: null}, related: {pay_from: account/A}, then: deny, because: c}\n';

function damagedText(good: string): fc.Arbitrary<string> {
  const value: unknown = new Sheet("x.yaml", good).value;
  return fc.oneof(damaged(value), tree).map((document) => stringify(document));
}

describe("the policy language, whatever it is given", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "remit-language-"))));
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function compile(vocabularyText: string, purposesText: string): string {
    writeFileSync(join(folder, "vocabulary.yaml"), vocabularyText);
    writeFileSync(join(folder, "purposes.yaml"), purposesText);
    return JSON.stringify(compilePolicySet(folder));
  }

  it("compiles a set the same every time, or throws SourceErrors with an error that has a place", () => {
    let compiled = 0;
    fc.assert(
      fc.property(
        fc.oneof(damagedText(VOCABULARY), fc.constant(VOCABULARY)),
        fc.oneof(damagedText(GOOD_PURPOSES), fc.constant(GOOD_PURPOSES)),
        (words, lines) => {
          try {
            expect(compile(words, lines)).to.equal(compile(words, lines));
            compiled += 1;
          } catch (error) {
            if (!(error instanceof SourceErrors)) throw error;
            const errors = error.notes.filter(({ severity }) => severity === "error");
            expect(errors).to.not.be.empty;
            for (const { file, message } of errors) {
              expect(["vocabulary.yaml", "purposes.yaml"]).to.include(file);
              expect(message).to.match(/\S/).and.not.include("undefined");
            }
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(compiled).to.be.greaterThan(20);
  });

  it("reads a table, or notes an error", () => {
    fc.assert(
      fc.property(damagedText(GOOD_TABLE), (text) => {
        const sheet = new Sheet("t.yaml", text);
        const { cases } = readTable(sheet, WORDS);
        if (!sheet.notes.some(({ severity }) => severity === "error")) expect(cases).to.not.be.empty;
      }),
      { numRuns: 400 },
    );
  });

  it("leaves no trace on objects", () => {
    const before = [Object, Object.prototype, Array.prototype, Function.prototype].map((one) => Reflect.ownKeys(one).length);
    for (const name of ["constructor", "__proto__", "toString", "prototype"]) {
      vocabulary(`verbs: {${name}: {class: read}}\ntask: {attributes: {${name}: id}}\ntypes: {${name}: {attributes: {${name}: id}}}\n`);
      purposes(`${name}: {statement: a, owner: b, task: required, allow: [{read: ${name}, ${name}: invoice, when: {${name}: x}}]}\n`);
      const sheet = new Sheet(
        "t.yaml",
        `${GOOD_TABLE}  - ${name}: {read: ${name}/${name}, with: {${name}: 1}, given: {${name}.polluted: 1, task.${name}: 1}, then: ${name}}\n`,
      );
      readTable(sheet, WORDS);
      expect(sheet.notes).to.not.be.empty;
    }
    const after = [Object, Object.prototype, Array.prototype, Function.prototype].map((one) => Reflect.ownKeys(one).length);
    expect(after).to.deep.equal(before);
  });

  it("reports the mistakes of both files in one go", () => {
    const words = VOCABULARY.replace("level: integer", "level: interger");
    const lines = GOOD_PURPOSES.replace("status: open", "status: opne").replace("proceed: false", "proceed: no");
    let places: string[] = [];
    try {
      compile(words, lines);
    } catch (error) {
      if (!(error instanceof SourceErrors)) throw error;
      places = error.notes.map(({ file, line }) => `${file}:${line ?? "?"}`);
    }
    expect(places).to.deep.equal(["vocabulary.yaml:11", "purposes.yaml:7", "purposes.yaml:9"]);
  });

  it("compiles the shipped sets without a warning", () => {
    for (const set of ["customer_support", "retail"]) {
      const compiled = compilePolicySet(asset("rego", "policies", set));
      expect(compiled.notes.filter(({ severity }) => severity !== "remark")).to.deep.equal([]);
      expect(compiled.tables).to.not.be.empty;
      for (const file of compiled.tables) {
        const sheet = Sheet.open(file, join(compiled.dir, file));
        readTable(sheet, compiled.vocabulary);
        expect(sheet.notes, file).to.deep.equal([]);
      }
    }
  });

  it("finds rules, tests and tables beside them, sorted", () => {
    mkdirSync(join(folder, "tables"));
    for (const file of ["b.rego", "a.rego", "a_test.rego", "notes.md", "tables/z.yaml", "tables/a.yaml", "tables/x.txt"]) {
      writeFileSync(join(folder, file), "");
    }
    const { rego, tests, tables } = JSON.parse(compile(VOCABULARY, GOOD_PURPOSES)) as Record<string, unknown>;
    expect([rego, tests, tables]).to.deep.equal([["a.rego", "b.rego"], ["a_test.rego"], ["tables/a.yaml", "tables/z.yaml"]]);
  });

  for (const missing of ["vocabulary.yaml", "purposes.yaml"]) {
    it(`says that ${missing} is missing`, () => {
      writeFileSync(join(folder, "vocabulary.yaml"), VOCABULARY);
      writeFileSync(join(folder, "purposes.yaml"), GOOD_PURPOSES);
      rmSync(join(folder, missing));
      expect(() => compilePolicySet(folder)).to.throw(SourceErrors, `${missing}: the file is missing`);
    });
  }
});
