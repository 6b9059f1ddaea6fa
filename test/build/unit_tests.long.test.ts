import { expect } from "chai";
import { PLAIN, renderJunit, renderText, totals, type SetReport } from "../../src/authoring/report.js";
import { testSet } from "../../src/authoring/set.js";
import { compiler, COMPILER_BUILD_MS_MAX, withSet, type Changes } from "./support.js";

const HEAD = `package rules.it_helpdesk_test

import data.remit.given
import data.rules.it_helpdesk

`;

/** The template's unit tests, replaced by these; the first of them is on line 6. */
async function report(tests: string, changes: Changes = {}): Promise<SetReport> {
  const opa = await compiler();
  return await withSet({ "rules_test.rego": HEAD + tests, ...changes }, async (folder) => {
    return (await testSet(opa, folder, { filter: null, coverage: 90 })).report;
  });
}

const STRANGER = 'with input as given.request("reset", "account", {"recovery_email": "ada@x.example"}, {"notify": "eve@x.example"})';
const got = `given.codes(it_helpdesk.deny) ${STRANGER}`;

describe("a unit test that fails", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const FAILING: [title: string, source: string, wanted: object][] = [
    [
      "says what it got and what it wanted",
      `test_codes if {\n\tgot := ${got}\n\tgot == {"reset"}\n}\n`,
      { name: "test_codes", line: 8, expression: 'got == {"reset"}', got: '{"reset_to_stranger"}', wanted: '{"reset"}' },
    ],
    [
      "with the constant on the left is read the same way",
      `test_codes if {\n\tgot := ${got}\n\tset() == got\n}\n`,
      { name: "test_codes", line: 8, expression: "set() == got", got: '{"reset_to_stranger"}', wanted: "set()" },
    ],
    [
      "by a sum that isn't right",
      "test_sum if {\n\tone := 1\n\tone + 1 == 3\n}\n",
      { name: "test_sum", line: 8, expression: "one + 1 == 3", got: "2", wanted: "3" },
    ],
    [
      "by an order that isn't right",
      `test_count if {\n\tgot := ${got}\n\tcount(got) > 1\n}\n`,
      { name: "test_count", line: 8, expression: "count(got) > 1", got: "1", wanted: "> 1" },
    ],
    [
      "in an `every` names the line of that",
      "test_every if {\n\tevery n in [1, 2] { n == 1 }\n}\n",
      { name: "test_every", line: 7, expression: "every n in [1, 2] { n == 1 }", got: null, wanted: null },
    ],
    [
      "where something is missing names the line",
      'test_missing if {\n\tfound := {lower("A"): 1}\n\tfound.b == 1\n}\n',
      { name: "test_missing", line: 8, expression: "found.b == 1", got: null, wanted: null },
    ],
    [
      "by two answers at once says so",
      "test_conflict if {\n\tf(1) == 1\n}\n\nf(_) := 1\n\nf(_) := 2\n",
      { name: "test_conflict", line: 6, error: /conflicting values for the same inputs/ },
    ],
  ];
  for (const [title, source, wanted] of FAILING) {
    it(title, async () => {
      const { rego } = await report(source);
      const { error, ...rest } = wanted as { error?: RegExp };
      const [failed, ...others] = rego[0]?.failed ?? [];
      expect(others).to.deep.equal([]);
      expect(failed).to.deep.include({ ...rest });
      if (error === undefined) expect(failed?.error).to.equal(null);
      else expect(failed?.error).to.match(error);
    });
  }

  it("in some of its cases names those, each with its own values", async () => {
    const cases = '{"good": {"reset_to_stranger"}, "typo": {"reset"}, "nothing": set()}';
    const { rego } = await report(`test_codes[name] if {\n\tsome name, want in ${cases}\n\tgot := ${got}\n\tgot == want\n}\n`);
    expect(rego[0]?.passed).to.equal(1);
    expect(rego[0]?.failed.map(({ name, line, got: came, wanted }) => [name, line, came, wanted])).to.deep.equal([
      ["test_codes: nothing", 9, '{"reset_to_stranger"}', "set()"],
      ["test_codes: typo", 9, '{"reset_to_stranger"}', '{"reset"}'],
    ]);
  });

  it("leaves the others and the coverage as they are", async () => {
    const good = `test_good if {\n\tgot := ${got}\n\tgot == {"reset_to_stranger"}\n}\n`;
    const [alone, beside] = [await report(good), await report(`${good}\ntest_bad if 1 == 2\n`)];
    expect(alone.rego[0]).to.deep.include({ passed: 1, failed: [] });
    expect(beside.rego[0]).to.deep.include({ passed: 1 });
    expect(beside.rego[0]?.failed.map(({ name }) => name)).to.deep.equal(["test_bad"]);
    expect(beside.coverage).to.deep.equal(alone.coverage);
  });

  it("is in the text and in JUnit with its line, what it got and what it wanted", async () => {
    const failed = await report('test_codes if {\n\tgot := "a<b"\n\tgot == "c"\n}\n');
    expect(totals(failed).failed).to.equal(2);
    const text = renderText(failed, PLAIN);
    expect(text).to.match(/✗ test_codes +rules_test\.rego:8\n +line +got == "c"\n +got +"a<b"\n +wanted +"c"\n/);
    expect(renderJunit([failed])).to.match(/name="test_codes"[^>]*><failure>[^]*&quot;a&lt;b&quot;[^]*<\/failure>/);
  });
});

describe("the coverage of unit tests", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("names the lines that no test reaches", async () => {
    const one = await report('test_reads if count(it_helpdesk.deny) == 0 with input as given.request("read", "account", {}, {})\n');
    expect(one.coverage?.percent).to.be.lessThan(90);
    expect(one.coverage?.missed).to.deep.equal([
      { file: "rules.rego", rule: "deny reset_to_stranger", lines: "17, 19" },
      { file: "rules.rego", rule: "is_reset", lines: "22-24" },
      { file: "rules.rego", rule: "to_the_owner", lines: "28-30" },
      { file: "rules.rego", rule: "notify", lines: "33" },
      { file: "rules.rego", rule: "recovery", lines: "35" },
    ]);
    expect(renderText(one, PLAIN)).to.match(/no test reaches +rules\.rego:17, 19 +deny reset_to_stranger/);
  });

  it("names every line where there are no tests", async () => {
    const none = await report("", { "rules_test.rego": null });
    expect(none.coverage).to.deep.include({ percent: 0, wanted: 90 });
  });

  it("has nothing to name where every line is reached", async () => {
    const opa = await compiler();
    const { report: whole } = await withSet({}, (folder) => testSet(opa, folder, { filter: null, coverage: 90 }));
    expect(whole.coverage).to.deep.equal({ percent: 100, wanted: 90, missed: [] });
    expect(renderText(whole, PLAIN)).to.not.include("no test reaches");
  });
});
