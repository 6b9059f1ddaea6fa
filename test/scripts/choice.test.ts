import { readdirSync } from "node:fs";
import { expect } from "chai";
import { chooseFiles, type Choice } from "../../scripts/choice.js";
import { asset } from "../../src/system/paths.js";

const PATHS = [
  "golden.test.ts",
  "decision/scan.test.ts",
  "decision/scan.long.test.ts",
  "decision/scanned.test.ts",
  "decision/world.ts",
  "store/power.long.test.ts",
  "threats/decision/scan.txt",
];
const LONG = ["decision/scan.long.test.ts", "store/power.long.test.ts"];
const FAST = ["decision/scan.test.ts", "decision/scanned.test.ts", "golden.test.ts"];
const SCAN = ["decision/scan.long.test.ts", "decision/scan.test.ts"];

describe("the choice of test files", () => {
  const choices: readonly [what: string, choice: Choice, files: string[]][] = [
    ["without a choice the fast ones", {}, FAST],
    ["all of them, long ones first", { all: true }, [...LONG, ...FAST]],
    ["one by its path, with its long half", { file: "decision/scan" }, SCAN],
    ["one by its path from the root", { file: "test/decision/scan.test.ts" }, SCAN],
    ["one by the path of its long half", { file: "decision/scan.long.test.ts" }, SCAN],
    ["those with a part of a path", { file: "scan" }, [...SCAN, "decision/scanned.test.ts"]],
    ["a long one without --all", { file: "power" }, ["store/power.long.test.ts"]],
    ["those of a room", { room: "store" }, ["store/power.long.test.ts"]],
    ["every one where a title is looked for", { title: "duplicate keys" }, [...LONG, ...FAST]],
    ["a room's by a part of a path", { room: "decision", file: "scanned" }, ["decision/scanned.test.ts"]],
    ["none of another room", { room: "store", file: "decision/scan" }, []],
    ["none of a room by the beginning of its name", { room: "dec" }, []],
    ["none that isn't a test", { file: "world" }, []],
  ];
  for (const [what, choice, files] of choices) {
    it(`is ${what}`, () => {
      expect(chooseFiles(PATHS, choice)).to.deep.equal(files);
    });
  }

  it("leaves out nothing that mocha could run", () => {
    const all = readdirSync(asset("test"), { recursive: true, encoding: "utf8" });
    const built = readdirSync(asset("dist", "test"), { recursive: true, encoding: "utf8" });
    const files = chooseFiles(all, { all: true });
    expect(files.length).to.be.above(100);
    expect(files.filter((path) => !built.includes(path.replace(/\.ts$/, ".js")))).to.deep.equal([]);
  });
});
