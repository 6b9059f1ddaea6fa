/** Every benchmark with options, one after the other: each loads what it measures, which takes a second or two. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";

const PROGRAMS = readdirSync(asset("bench"))
  .filter((file) => file.endsWith(".ts") && file !== "options.ts")
  .map((file) => file.replace(".ts", ""))
  .filter((name) => readFileSync(asset("bench", `${name}.ts`), "utf8").includes("readOptions("));

describe("every benchmark with options", function () {
  this.timeout(60_000);

  it("is found", () => {
    expect(PROGRAMS).to.include.members(["main", "long", "outside", "starving", "schemathesis"]);
  });

  for (const name of PROGRAMS) {
    it(`${name} has help with examples, and refuses an unknown option`, () => {
      const run = (...args: string[]) => spawnSync(process.execPath, [asset("dist", "bench", `${name}.js`), ...args], { encoding: "utf8" });
      const help = run("--help");
      expect(help.status, help.stderr).to.equal(0);
      expect(help.stdout).to.contain(`Usage: node dist/bench/${name}.js`).and.contain(`Examples:\n  $ node dist/bench/${name}.js`);
      const refused = run("--no-such-option");
      expect(refused.status, refused.stderr).to.equal(2);
      expect(refused.stderr).to.contain("unknown option '--no-such-option'");
    });
  }
});
