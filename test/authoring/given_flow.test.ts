import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { testSet } from "../../src/authoring/set.js";
import { readTable } from "../../src/authoring/table.js";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { blocksOfDocuments } from "../docs/blocks.js";

const blockOf = (is: string): string =>
  blocksOfDocuments().find((block) => block.at.startsWith("docs/flow.md:") && block.is === is)?.text ?? "";
const VOCABULARY = blockOf("vocabulary.yaml");
const TABLE = blockOf("table of this page's vocabulary");
const PURPOSES = `
office:
  statement: answer a memo
  owner: office@example.com
  task: required
  flow: standard
  limits: [{send: mail, at_most: 10, code: too_many_mails}]
  allow: [{read: mail, send: mail}]
`;
const LIMITED = { office: { limits: [{ code: "too_many_mails" }] }, open: { limits: [{ code: "too_many_pages" }] } };

/** Errors of the page's table with a part replaced, each with its line. */
function errorsOf(from: string, to: string, purposes?: typeof LIMITED): string[] {
  expect(TABLE).to.include(from);
  const sheet = new Sheet("table.yaml", TABLE.replace(from, to));
  readTable(sheet, compileVocabulary(new Sheet("vocabulary.yaml", VOCABULARY)), purposes);
  return sheet.notes.filter(({ severity }) => severity === "error").map(({ line, message, hint }) => `${line}: ${message}; ${hint}`);
}

describe("what a table says was seen and made", () => {
  const MADE = "flow.made: {answer: 1}";
  const SENT = "[{step: sent, verb: send, type: mail}]";
  const SEEN = "step: memo.sender}";
  // prettier-ignore
  const known: [what: string, from: string, to: string][] = [
    ["a step of the plan that a case brings", MADE, `task.plan: ${SENT}, flow.made: {sent: 1}`],
    ["what a case's plan no longer has, if the table says it", MADE, "task.plan: null"],
    ["a step that the plan of one case has", "cases:\n", `    made: {sent: 1}\ncases:\n  - other: {read: mail/1, given: {task.plan: ${SENT}}, then: allow}\n`],
    ["a limit of the purpose", MADE, "flow.used: {too_many_mails: 1}"],
    ["a limit by its path", MADE, "flow.used.too_many_mails: 1"],
    ["a limit of a case's own purpose", MADE, "purpose: open, flow.used: {too_many_pages: 1}"],
    ["any limit under a purpose that is unknown", MADE, "purpose: opne, flow.used: {too_many: 1}"],
  ];
  for (const [what, from, to] of known)
    it(`may name ${what}`, () => {
      expect(errorsOf(from, to, LIMITED)).to.deep.equal([]);
    });

  it("may name any limit where the purposes are unknown, as in an editor", () => {
    expect(errorsOf(MADE, "flow.used: {no_such_limit: 1}")).to.deep.equal([]);
  });

  // prettier-ignore
  const bad: [what: string, from: string, to: string, error: RegExp][] = [
    ["a step", MADE, "flow.made: {anwser: 1}", /^19: unknown step of the task's plan `anwser`; did you mean `answer`\?$/],
    ["a step by its path", MADE, "flow.made.anwser: 1", /^19: unknown step of the task's plan `anwser`; did you mean `answer`\?$/],
    ["a step of a task without a plan", MADE, "task.plan: null, flow.made: {answer: 1}", /^19: unknown step of the task's plan `answer`; there are none$/],
    ["a step of no task", MADE, "task: null, flow.made: {answer: 1}", /^19: unknown step of the task's plan `answer`; there are none$/],
    ["a step of the table's plan, where a case has another", MADE, `task.plan: ${SENT}, flow.made: {answer: 1}`, /`answer`; known: sent$/],
    ["a step that returned a value", SEEN, "step: nope.content}", /^14: unknown step of the task's plan `nope`; known: memo, answer$/],
    ["a limit", MADE, "flow.used: {too_many_mial: 1}", /^19: unknown code of a limit of the purpose `too_many_mial`; did you mean `too_many_mails`\?$/],
    ["a limit of another purpose", MADE, "flow.used: {too_many_pages: 1}", /^19: unknown code of a limit of the purpose `too_many_pages`/],
  ];
  for (const [what, from, to, error] of bad)
    it(`is refused with ${what} that there isn't, with the line and what was meant`, () => {
      const [first = "", ...more] = errorsOf(from, to, LIMITED);
      expect(first).to.match(error);
      expect(more).to.deep.equal([]);
    });

  it("isn't refused for its steps, too, where the plan is", () => {
    expect(errorsOf("verb: read, type: mail}", "verb: raed, type: mail}", LIMITED)).to.have.length(1);
  });

  it("comes out as docs/flow.md has it, and is refused for a limit that the set doesn't have", async function () {
    this.timeout(COMPILER_BUILD_MS_MAX);
    const opa = await compiler();
    const dir = mkdtempSync(join(tmpdir(), "remit-given-"));
    try {
      const set = join(dir, "office");
      mkdirSync(join(set, "tables"), { recursive: true });
      const write = (name: string, text: string): void => {
        writeFileSync(join(set, name), text);
      };
      write("vocabulary.yaml", VOCABULARY);
      write("purposes.yaml", PURPOSES);
      write("tables/memo.yaml", TABLE);
      const tested = () => testSet(opa, set, { filter: null, coverage: 0 });
      const cases = (await tested()).report.tables.flatMap((table) => table.cases);
      expect(cases.map(({ name, passed, got, error }) => (passed ? name : { name, got, error }))).to.deep.equal([
        "the sender's",
        "one of the text",
        "once more",
      ]);
      write("tables/memo.yaml", TABLE.replace(MADE, "flow.used: {no_such_limit: 1}"));
      const refused = await tested().catch((cause: unknown) => String(cause));
      expect(refused).to.match(/memo\.yaml:19: unknown code of a limit of the purpose `no_such_limit`/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
