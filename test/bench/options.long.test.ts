/** Every benchmark with options: each loads what it measures, which takes a second or two. One function reads the options of all. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import type { Help } from "./helps.js";

const PROGRAMS = readdirSync(asset("bench"))
  .filter((file) => file.endsWith(".ts") && file !== "options.ts")
  .map((file) => file.replace(".ts", ""))
  .filter((name) => readFileSync(asset("bench", `${name}.ts`), "utf8").includes("readOptions("));

interface Ran {
  code: number | null;
  out: string;
  error: string;
}

function run(program: string, ...args: string[]): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [asset("dist", "bench", `${program}.js`), ...args], { encoding: "utf8" });
  return { code: status, out: stdout, error: stderr };
}

describe("every benchmark with options", function () {
  it("is found", () => {
    expect(PROGRAMS).to.include.members(["main", "long", "outside", "starving", "schemathesis"]);
  });

  let helps: Record<string, Help>;
  before(() => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [asset("dist", "test", "bench", "helps.js"), ...PROGRAMS], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    });
    expect(status, stderr).to.equal(0);
    helps = JSON.parse(stdout) as Record<string, Help>;
  });
  for (const name of PROGRAMS) {
    it(`${name} has help with examples`, () => {
      expect(helps[name]?.code).to.equal(0);
      expect(helps[name]?.out).to.contain(`Usage: node dist/bench/${name}.js`).and.contain(`Examples:\n  $ node dist/bench/${name}.js`);
    });
  }
});

describe("options of a benchmark", () => {
  it("--help describes every option and shows examples", () => {
    const { code, out, error } = run("outside", "--help");
    expect({ code, error }).to.deep.equal({ code: 0, error: "" });
    for (const wanted of ["--folder", "--suites", "--ablate", "--show", "--json", "Examples:", "$ node dist/bench/outside.js --show"])
      expect(out).to.contain(wanted);
  });

  const bad: [what: string, program: string, args: string[], error: RegExp][] = [
    ["a misspelt option", "main", ["--quik"], /error: unknown option '--quik'\n\(Did you mean --quick\?\)/],
    ["an option without its value", "main", ["--decisions"], /argument missing/],
    [
      "a number that is none",
      "main",
      ["--decisions", "many"],
      /'--decisions <n>' argument 'many' is invalid\. Expected a number of at least 0/,
    ],
    ["an empty number", "main", ["--decisions", ""], /Expected a number/],
    ["a number below the least", "memory", ["--rate", "0"], /Expected a number of at least 1/],
    ["one bad number of several", "events", ["--subscribers", "1,x"], /'1,x' is invalid\. Expected a number of at least 1/],
    ["an argument that belongs to no option", "main", ["quick"], /too many arguments/],
    ["an unknown run", "long", ["--only", "overlaod"], /`overlaod` is unknown; did you mean `overload`/],
    [
      "one unknown run of several",
      "long",
      ["--only", "slow,nothing_like_it"],
      /`nothing_like_it` is unknown; expected differential, metering, hostile/,
    ],
  ];
  for (const [what, program, args, expected] of bad) {
    it(`${program}: exit code 2 for ${what}, and nothing is run`, () => {
      const { code, out, error } = run(program, ...args);
      expect({ code, out }, error).to.deep.equal({ code: 2, out: "" });
      expect(error)
        .to.match(expected)
        .and.not.match(/\n +at /);
    });
  }
});

describe("programs in bench", () => {
  it("read options in one way only", () => {
    const others = readdirSync(asset("bench"))
      .filter((file) => file.endsWith(".ts"))
      .filter((file) => readFileSync(asset("bench", file), "utf8").includes("parseArgs"));
    expect(others).to.deep.equal([]);
  });
});
