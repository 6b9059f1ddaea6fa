import { expect } from "chai";
import { filesToRunAgain, summarize, type TestResults } from "../../scripts/test_results.js";

const kills = "test/service/kills.long.test.js";
const fleet = "test/cluster/fleet.long.test.js";
const scan = "test/decision/scan.test.js";
const ok = { passed: 3, skipped: 1, failures: [] };
const bad = (path: string): TestResults[string] => ({ passed: 2, skipped: 0, failures: [`${path}: a title: a message`] });

describe("a long test that failed beside others", () => {
  const cases: [what: string, results: TestResults, again: string[]][] = [
    ["runs once more, alone", { [kills]: bad(kills), [scan]: ok }, [kills]],
    ["runs once more with one other", { [kills]: bad(kills), [fleet]: bad(fleet) }, [kills, fleet]],
    ["doesn't where a fast one failed too", { [kills]: bad(kills), [scan]: bad(scan) }, []],
    ["doesn't where three did", { [kills]: bad(kills), [fleet]: bad(fleet), "test/a.long.test.js": bad("a") }, []],
    ["doesn't where all passed", { [kills]: ok, [scan]: ok }, []],
  ];
  for (const [what, results, again] of cases) {
    it(what, () => {
      expect(filesToRunAgain(results)).to.deep.equal(again);
    });
  }

  it("is named in the last lines, though it passed then", () => {
    const { lines, failed } = summarize({ [kills]: bad(kills), [scan]: ok }, { [kills]: ok });
    expect(lines).to.deep.equal([
      `  unsteady: passed alone, after it failed beside others: ${kills}: a title: a message`,
      "6 passed, 0 failed, 2 skipped",
    ]);
    expect(failed).to.equal(0);
  });

  it("fails the run where it fails alone too", () => {
    const { lines, failed } = summarize({ [kills]: bad(kills), [scan]: ok }, { [kills]: bad(kills) });
    expect(lines).to.deep.equal([`  failed: ${kills}: a title: a message`, "5 passed, 1 failed, 1 skipped"]);
    expect(failed).to.equal(1);
  });
});
