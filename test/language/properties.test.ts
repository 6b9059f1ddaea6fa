import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { readTable } from "../../src/authoring/table.js";
import { compilePolicySet } from "../../src/bundle/compile.js";
import { Sheet, SourceErrors } from "../../src/bundle/source.js";
import { asset } from "../../src/system/paths.js";
import { VOCABULARY, WORDS, purposes, vocabulary } from "./support.js";
import { GOOD_PURPOSES, damagedText } from "./properties_support.js";
const GOOD_TABLE =
  'table: t\ngiven: {now: "2027-03-02T10:15:00Z", agent: {id: a, purposes: [p]}, task: {id: T, purpose: p, subjects: {customer: ada}, topic: billing}, resources: {invoice/I-1: {customer: ada}}, grants: [{id: G, read: invoice, when: {status: open}}]}\ncases:\n  - it: {read: invoice/I-1, with: {paid: true}, given: {task.topic: null, resources.invoice/I-1.customer: null}, related: {pay_from: account/A}, then: deny, because: c}\n';

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
