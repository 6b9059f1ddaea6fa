import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { format } from "prettier";
import ts from "typescript";
import { Problem } from "../../src/contract/index.js";
import type * as scanModule from "../../src/decision/scan.js";
import { asset } from "../../src/system/paths.js";
import { Copies } from "./copies.js";
import { cut, cutOut, type Edit } from "./cut.js";

const F = "desk.js";
const DESK = `
const LIMIT = 10;
export const TABLE: readonly Row[] = [
  ["late", (s) => s.now >= s.end],
  // Nobody's.
  ["foreign", (s) => s.owner !== s.caller && s.owner !== null],
];

export class Desk {
  #open: string[] = [];

  constructor(files: Files) {
    this.#open = [...files.list(), ...(checkAll(files))];
  }

  async take(visitor: Visitor, files: Files): Promise<string | null> {
    if (visitor.name === "") throw new Problem("name_missing");
    if (!visitor.isKnown || visitor.age < 0x12) throw new Problem("visitor_refused", { field: "/visitor" });
    files.sync(visitor.name);
    this.#files.sync(visitor.name);
    const name = visitor.name.trim().toLowerCase();
    await this.#barrier("before");
    await this.#barrier("after");
    return name.length > LIMIT ? null : name;
  }

  get size(): number {
    return this.#open.length;
  }
}

export class Counter {
  take(): number {
    return ++this.taken;
  }
}

const isLate = (s: Row): boolean => s.now >= s.end;
`;

const DONE: readonly [what: string, edit: Edit, from: string, to: string][] = [
  ["a row", cut.row(F, "TABLE", "late"), '["late", (s) => s.now >= s.end],', ""],
  ["the last row", cut.row(F, "TABLE", "foreign"), '["foreign", (s) => s.owner !== s.caller && s.owner !== null]', ""],
  ["a part of a condition", cut.never(F, "TABLE", "caller"), "s.owner !== s.caller", "false"],
  ["a negation", cut.never(F, "Desk.take", "isKnown"), "!visitor.isKnown", "false"],
  ["a comparison with a number", cut.never(F, "Desk.take", "0x12"), "visitor.age < 0x12", "false"],
  ["the smallest condition with two names", cut.always(F, "Desk.take", "isKnown", "age"), "!visitor.isKnown || visitor.age < 0x12", "true"],
  ["a choice's condition", cut.condition(F, "Desk.take", "LIMIT", "name.length >= LIMIT"), "name.length > LIMIT", "name.length >= LIMIT"],
  ["a refusal, by its code", cut.refusal(F, "Desk.take", "visitor_refused"), "!visitor.isKnown || visitor.age < 0x12", "false"],
  ["a call that is a statement", cut.call(F, "Desk.take", "#files.sync"), "this.#files.sync(visitor.name);", ";"],
  ["an awaited call, by its argument", cut.call(F, "Desk.take", ["#barrier", "after"]), 'await this.#barrier("after");', ";"],
  ["a call that is spread", cut.call(F, "constructor", "checkAll"), "...(checkAll(files))", "...[]"],
  ["a call's value", cut.call(F, "Desk.take", "trim", "visitor.name"), "visitor.name.trim()", "visitor.name"],
  ["a method's call in a chain", cut.skip(F, "Desk.take", "toLowerCase"), ".toLowerCase()", ""],
  ["a variable's value", cut.value(F, "Desk.take", "name", "null"), "visitor.name.trim().toLowerCase()", "null"],
  ["a module's constant", cut.value(F, "LIMIT", "LIMIT", "Infinity"), "LIMIT = 10", "LIMIT = Infinity"],
  ["an assigned value", cut.value(F, "constructor", "#open", "[]"), "[...files.list(), ...(checkAll(files))]", "[]"],
  ["a method's body", cut.returns(F, "Counter.take", "1"), "{ return ++this.taken; }", "{ return 1; }"],
  ["a getter's body", cut.returns(F, "size", "0"), "{ return this.#open.length; }", "{ return 0; }"],
  ["an arrow function's body", cut.returns(F, "isLate", "false"), "(s: Row): boolean => s.now >= s.end", "(s: Row): boolean => (false)"],
  ["what has no name", cut.text(F, "Counter.take", "return   ++this . taken", "return 1"), "return ++this.taken", "return 1"],
];

const REFUSED: readonly [what: string, edit: Edit, said: string][] = [
  [
    "a function that isn't there",
    cut.never(F, "leave", "age"),
    "cannot cut in desk.js, leave: a condition on age: no leave is there, but LIMIT, TABLE, Desk,",
  ],
  ["a function of two", cut.refusal(F, "Counter.leave", "visitor_refused"), "no Counter.leave is there"],
  ["a name that two functions have", cut.returns(F, "take", "1"), "several are there: Desk.take, Counter.take"],
  ["a row that isn't there", cut.row(F, "TABLE", "early"), 'a row "early": none is there, but `["late", (s) => s.now >= s.end]`'],
  ["a row of what is no table", cut.row(F, "LIMIT", "late"), "none is there, but nothing of the kind"],
  ["a condition that isn't there", cut.never(F, "Desk.take", "weight"), 'none is there, but `visitor.name === ""`'],
  ["a condition of two", cut.never(F, "TABLE", "s"), "3 are there: `s.now >= s.end`, `s.owner !== s.caller`, `s.owner !== null`"],
  ["a code that nothing refuses with", cut.refusal(F, "Desk.take", "name_unknown"), 'an `if` that leads to "name_unknown": none is there'],
  ["a code that two refuse with", cut.refusal(F, "Desk.take", "Problem"), "2 are there"],
  ["a call that isn't there", cut.call(F, "Desk.take", "syncAll"), 'none is there, but `new Problem("name_missing")`'],
  ["a call of two", cut.call(F, "Desk.take", "#barrier"), '2 are there: `this.#barrier("before")`, `this.#barrier("after")`'],
  ["a call whose value is used", cut.call(F, "Desk.take", "trim"), "its value is used: say what to put in its place"],
  ["a function that is called on nothing", cut.skip(F, "constructor", "checkAll"), "it is no method's"],
  ["a value that isn't there", cut.value(F, "Desk.take", "LIMIT", "1"), "`name = visitor.name.trim().toLowerCase()`"],
  ["the body of what has none", cut.returns(F, "LIMIT", "1"), "it is a VariableDeclaration"],
  ["text that isn't there", cut.text(F, "Desk.take", "return null", ""), "0 are there"],
  ["text of two", cut.text(F, "Desk.take", "visitor.name", ""), "4 are there"],
  ["no text", cut.text(F, "Desk.take", "", "1"), "it is empty"],
];

/** The source's tokens, as a compiler reads them. */
function tokens(source: string): string {
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, true, ts.LanguageVariant.Standard, source);
  const found: string[] = [];
  while (scanner.scan() !== ts.SyntaxKind.EndOfFileToken) found.push(scanner.getTokenText().replaceAll("'", '"'));
  // Formatters put commas before an end, and lone semicolons nowhere.
  return found
    .join(" ")
    .replaceAll(/, (?=[)\]}])/g, "")
    .replaceAll(/ ;/g, "");
}

describe("an edit of a module", () => {
  for (const [what, edit, from, to] of DONE)
    it(`replaces ${what}, and nothing else`, () => {
      const at = tokens(DESK);
      expect(at.split(tokens(from)).length, "the test's own text").to.equal(2);
      expect(tokens(cutOut(F, DESK, [edit]))).to.equal(tokens(at.replace(tokens(from), () => tokens(to))));
    });

  for (const [what, edit, said] of REFUSED)
    it(`is refused for ${what}, and says what there is`, () => {
      expect(() => cutOut(F, DESK, [edit])).to.throw(Error, said);
    });

  it("is refused for a place that another edit has", () => {
    const edits = [cut.refusal(F, "Desk.take", "visitor_refused"), cut.never(F, "Desk.take", "isKnown")];
    expect(() => cutOut(F, DESK, edits)).to.throw("desk.js: two edits are of one place");
  });

  it("is found in the source whatever its layout", async () => {
    const narrow = await format(DESK, { parser: "typescript", printWidth: 30, tabWidth: 8, singleQuote: true, trailingComma: "none" });
    const printed = ts.createPrinter({ removeComments: true }).printFile(ts.createSourceFile("a.ts", narrow, ts.ScriptTarget.Latest, true));
    expect(narrow).not.to.equal(printed);
    for (const [what, edit] of DONE) expect(tokens(cutOut(F, narrow, [edit])), what).to.equal(tokens(cutOut(F, printed, [edit])));
  });
});

describe("the modules with edits", () => {
  let folder: string;
  before(() => {
    mkdirSync(asset(".work"), { recursive: true });
    folder = mkdtempSync(join(asset(".work"), "copies-"));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("are those that an edit reaches, and the others are the ones that are loaded already", async () => {
    const copies = new Copies(join(folder, "scan"), [cut.refusal("decision/scan.js", "scanNumber", "number_not_exact")]);
    const { scan } = (await copies.load("decision/scan.js")) as typeof scanModule;
    const limits = { depth_max: 4, members_max: 4 };
    expect(scan(Buffer.from("0.10000000000000000001"), limits)).to.equal("0.10000000000000000001");
    expect(() => scan(Buffer.from("[1"), limits)).to.throw(Problem);
    expect(copies.path("contract/canonical.js")).to.equal(asset("dist", "src", "contract", "canonical.js"));
  });

  it("have threads of their own where an edit is in what the thread runs", () => {
    const edited = new Copies(join(folder, "thread"), [cut.value("audit/log/writer.js", "fail", "stopProbing", "null")]);
    const log = edited.path("audit/log/log.js");
    expect(log).to.equal(join(folder, "thread", "audit", "log", "log.js"));
    expect(readFileSync(log, "utf8")).to.contain('new URL("./worker.js", import.meta.url)');
    expect(existsSync(join(folder, "thread", "audit", "log", "worker.js"))).to.equal(true);
  });

  it("are refused when an edit leaves no program", () => {
    const broken = cut.value("audit/log/writer.js", "fail", "stopProbing", "(");
    expect(() => new Copies(join(folder, "broken"), [broken])).to.throw(/^audit\/log\/writer\.js can't be read with its edits: /);
  });
});
