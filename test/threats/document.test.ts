import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { threatModelText } from "../../scripts/threats.js";
import { asset } from "../../src/system/paths.js";
import { THREATS } from "./rows.js";

describe("the threat model", () => {
  let made: string;
  // It reads every test, which takes as long as all that is asked of it here.
  before(() => (made = threatModelText()));

  it("says what the rows and the tests say: run `node dist/scripts/threats.js` when it doesn't", () => {
    expect(readFileSync(asset("docs", "threat-model.md"), "utf8")).to.equal(made);
  });

  it("names files that exist, and tests for every row", () => {
    for (const [id, { lives, also = [] }] of Object.entries(THREATS)) {
      for (const file of [...lives, ...also]) expect(existsSync(asset(file)), `${id}: ${file}`).to.equal(true);
      expect(lives.length, id).to.be.above(0);
    }
    const untested = made.split("\n").filter((line) => /^\| [A-Z]\d+ \|/.test(line) && !line.includes(".test.ts"));
    expect(untested).to.deep.equal([]);
  });

  it("has a counter-test for every row", () => {
    expect(made).not.to.contain("none of its own |");
  });
});
