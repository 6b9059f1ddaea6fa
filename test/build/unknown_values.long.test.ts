/** A set's tables asked again with values unknown: what that permits beyond the case is told. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { PLAIN, renderText } from "../../src/authoring/report.js";
import { testSet } from "../../src/authoring/set.js";
import { asset } from "../../src/system/paths.js";
import { compiler, COMPILER_BUILD_MS_MAX, withSet } from "./support.js";

const SETS = ["rego/policies/customer_support", "rego/policies/retail", "templates/policy"];
const OPTIONS = { filter: null, coverage: 0 };

describe("a table's cases, with values unknown", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  for (const set of SETS) {
    it(`permit nothing more in ${set}`, async () => {
      const { report } = await testSet(await compiler(), asset(...set.split("/")), OPTIONS);
      const cases = report.tables.flatMap((table) => table.cases);
      expect(cases.filter(({ got }) => got?.then === "deny").length).to.be.greaterThan(3);
      expect(cases.flatMap(({ name, helped }) => helped.map((one) => ({ name, ...one })))).to.deep.equal([]);
      expect(renderText(report, PLAIN)).not.to.contain("more is permitted");
    });
  }

  it("are told of where a rule doesn't apply to what it doesn't know", async () => {
    // A type test in the rule itself: the builder takes it for the author's intention.
    const rules = readFileSync(asset("templates", "policy", "rules.rego"), "utf8")
      .replace("\tnot to_the_owner\n", "\tis_string(recovery)\n\tis_string(notify)\n\tnotify != recovery\n")
      .replace(/# Said positively[^}]*\}\n\n/, "");
    await withSet({ "rules.rego": rules, "rules_test.rego": null }, async (folder) => {
      const { report } = await testSet(await compiler(), folder, OPTIONS);
      const [table] = report.tables;
      const stranger = table?.cases.find(({ name }) => name === "a reset to somebody else");
      expect(stranger?.passed).to.equal(true);
      expect(stranger?.helped).to.deep.include({ value: "arguments.notify", from: "deny", to: "allow" });
      expect(stranger?.helped.map(({ value }) => value)).to.include("resource.attributes.recovery_email");
      expect(renderText(report, PLAIN)).to.contain(
        "more is permitted where `arguments.notify` is unknown: a reset to somebody else, deny becomes allow",
      );
    });
  });
});
