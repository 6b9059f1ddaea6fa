/**
 * `make bench-long`: every long run in turn, each as a program of its own. What they find goes to `bench/results/long.json`,
 * and to `bench/notes/long_runs.md` beside what those have found before that are left out now.
 * Ends with 1 where a mark is missed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { asset } from "../src/system/paths.js";
import { ASKED_SHARE_LEAST } from "../test/hostile/attack.js";
import type { Judged } from "./client.js";
import { machine } from "./machine.js";
import { longRuns, type LongResult } from "./long_report.js";
import { readOptions } from "./options.js";
import { program } from "./processes.js";

interface Run {
  /** Where it isn't its own name. */
  program?: string;
  args: string[];
  /** From what it prints as JSON; left out where that is a list of marks. */
  marks?: (found: never) => Judged[];
}

const RUNS: Readonly<Record<string, Run>> = {
  differential: {
    args: ["--inputs", "1000000"],
    marks: ({ seed, inputs, differences }: { seed: number; inputs: number; differences: number }) => [
      shown("seed", seed),
      shown("inputs answered by the engine and by OPA's evaluator", inputs),
      none("of them answered otherwise", differences),
    ],
  },
  metering: { args: [] },
  hostile: {
    args: ["--requests", "1000000"],
    marks: (reports: Hostile[]) =>
      reports.flatMap(({ bundle: name, learns, seed, requests: { valid, mutated, raw }, asked_of_opa, violated, rss_mb }) => {
        const bundle = learns ? `${name}, learning` : name;
        const requests = valid + mutated + raw;
        return [
          shown(`${bundle}: seed`, seed),
          shown(`${bundle}: requests`, requests),
          heldAgainstOpa(bundle, asked_of_opa, learns ? null : requests * ASKED_SHARE_LEAST),
          none(`${bundle}: crashes, 5xx, undocumented answers, verdicts that OPA doesn't give`, violated),
          shown(`${bundle}: RSS over the second quarter`, rss_mb.early, "MB"),
          shown(`${bundle}: RSS over the last quarter`, rss_mb.late, "MB"),
        ];
      }),
  },
  names: { args: ["--requests", "1000000"] },
  clock: { args: ["--jumps", "500"] },
  faults: { args: ["--aborts", "100000"] },
  slow: { args: ["--sockets", "1000"] },
  overload: { args: ["--seconds", "60"] },
  starving: { args: [] },
  events: { args: ["--revocations", "1000"] },
  revoke: { args: ["--races", "1000000"] },
  swaps: { args: ["--swaps", "1000"] },
  kills: { args: ["--kills", "1000", "--takeovers", "100"] },
  handovers: { args: ["--kills", "1000"] },
  power: { args: ["--cuts", "10000"] },
  records: { args: [] },
  verify: { args: ["--records", "1000000"] },
  verify10m: { program: "verify", args: ["--records", "10000000"] },
  query: { args: ["--records", "1000000"] },
  query10m: { program: "query", args: ["--records", "10000000"] },
  restart: { args: ["--records", "1000000"] },
  replay: { args: ["--records", "200000"] },
  observe: { args: [] },
  export: { args: [] },
  guarded: { args: [] },
  embedded: { args: [] },
  adapters: { args: [] },
  envoy: { args: [] },
  behavior: { args: [] },
  usual: { args: [] },
  scale: { args: ["--agents", "100000"] },
  mcp: { args: ["--calls", "2000"] },
  outside: { args: [] },
  fleet: { args: ["--seeds", "100000"] },
  cluster: { args: [] },
  upgrade: { args: [] },
  joiner: { args: [] },
  crowd: { args: [] },
  chaos: { args: [] },
  memory: { args: [] },
  mutants: { args: [] },
};

interface Hostile {
  bundle: string;
  learns: boolean;
  seed: number;
  requests: { valid: number; mutated: number; raw: number };
  asked_of_opa: number;
  violated: number;
  rss_mb: { early: number; late: number };
}

const { only, minutes } = readOptions("long", {
  about: "Makes every long run in turn, and writes bench/notes/long_runs.md.",
  options: {
    only: { says: "runs to make", among: Object.keys(RUNS) },
    minutes: { says: "minutes that memory is looked at", default: 60, least: 0.1 },
  },
  examples: ["", "--only overload,slow", "--only memory --minutes 5"],
});
const names = only ?? Object.keys(RUNS);
const page = asset("bench", "notes", "long_runs.md");
const results: Record<string, LongResult> = {};
mkdirSync(asset("bench", "results"), { recursive: true });

for (const name of names) {
  const { args: fixed, marks, program: of = name } = RUNS[name] ?? { args: [] };
  const args = name === "memory" ? ["--minutes", String(minutes)] : fixed;
  const command = ["node", `dist/bench/${of}.js`, ...args].join(" ");
  process.stderr.write(`${command}\n`);
  const began = performance.now();
  const child = spawn(process.execPath, [program(of), ...args, "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const [code] = (await once(child, "close")) as [number | null];
  const seconds = Math.round((performance.now() - began) / 1000);
  const found: unknown = printed === "" ? null : JSON.parse(printed);
  const skipped = (found as { skipped?: string } | null)?.skipped;
  if (skipped !== undefined) continue;
  // A program that breaks down prints nothing.
  const judged = found === null ? [] : marks === undefined ? (found as Judged[]) : marks(found as never);
  results[name] = { machine: machine(), command, finished: new Date().toISOString(), seconds, passed: code === 0, marks: judged };
  if (code !== 0) process.exitCode = 1;
  writeFileSync(asset("bench", "results", "long.json"), `${JSON.stringify(results, null, 2)}\n`);
  const before = existsSync(page) ? readFileSync(page, "utf8") : "";
  writeFileSync(page, longRuns(results, before, Object.keys(RUNS)));
  console.log(`${name}: ${code === 0 ? "passed" : "MISSED"} after ${seconds} s`);
  console.table(judged.map(({ figure, found: value, unit, passed }) => ({ figure, value, unit, passed })));
}

function shown(figure: string, found: number, unit = ""): Judged {
  return { figure, found, unit, most: null, passed: true };
}

function heldAgainstOpa(bundle: string, found: number, least: number | null): Judged {
  const one = shown(`${bundle}: decisions held against OPA's`, found);
  return least === null ? one : { ...one, least, passed: found >= least };
}

function none(figure: string, found: number): Judged {
  return { figure, found, unit: "", most: 0, passed: found === 0 };
}
