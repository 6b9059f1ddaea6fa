/**
 * Benchmarks that others made, replayed through a guard: what of the work is allowed, and what of the attacks is stopped. Every suite is decided
 * by a policy set that is drafted from its catalogue of tools, or, with `--written`, by one that an author wrote from their descriptions.
 *
 * `REMIT_BENCHMARKS` says where the data is; where there is none, it says so and ends well.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOOKS } from "../src/bundle/flow.js";
import { asset } from "../src/system/paths.js";
import { judge, quantile } from "./client.js";
import { AS_JSON, namesOf, readOptions } from "./options.js";
import { suitesIn, type Scored, type Suite } from "./outside/data.js";
import { plansFor, plansIn, tasksOf } from "./outside/plans.js";
import { Desk, type Level } from "./outside/replay.js";
import { marks, together, type Row } from "./outside/report.js";
import { score, type Judged } from "./outside/score.js";
import { setFor, writtenFor, type FlowCells } from "./outside/sets.js";

const {
  folder,
  suites: wanted,
  looks: lookedAt,
  ...options
} = readOptions("outside", {
  about: "Replays benchmarks that others made through a guard: how much of the work is allowed, and how many attacks are stopped.",
  options: {
    folder: {
      says: "folder of the benchmarks' data; if left out, REMIT_BENCHMARKS or ../shared/benchmarks",
      default: process.env["REMIT_BENCHMARKS"] ?? asset("..", "shared", "benchmarks"),
    },
    suites: { says: "suites to replay, separated by commas; every one if left out", takes: "text" },
    ablate: { says: "repeat with the attack in every text of the answer that carries it" },
    delegate: { says: "let values proceed that stand alone in a text which the instruction names, as a purpose can say" },
    looks: { says: "flag, wait or deny: what becomes of a look that only others' words led to; if left out, it goes on", takes: "text" },
    written: { says: "decide by the written set, of suites that have one" },
    tasks: { says: "write into this folder what a planner is given of each suite, and replay nothing", takes: "text" },
    show: { says: "print the codes by which calls were decided unexpectedly" },
    json: AS_JSON,
  },
  examples: ["", "--show", "--written", "--suites banking,workspace --ablate", "--folder ../data --json"],
});

const LEVELS: [string, Level][] = [
  ["A", { instruction: false }],
  ["T", { instruction: true }],
];
const ABLATIONS: [string, Level][] = [["T, attacks in every text", { instruction: true, carried: true }]];

const found = suitesIn(folder);
if (found.length === 0) {
  const said = `there is no benchmark data at ${folder} (REMIT_BENCHMARKS says where to look)`;
  if (options.json) console.log(JSON.stringify({ skipped: said }));
  else console.log(`Skipped: ${said}.`);
  process.exit();
}
const names = namesOf(
  "suites",
  wanted,
  found.map(({ name }) => name),
);
const [looks = null] = lookedAt === undefined ? [] : (namesOf("looks", lookedAt, LOOKS) as (typeof LOOKS)[number][]);
const suites = found.filter(({ name }) => names.includes(name) && (!options.written || writtenFor(name) !== null));

if (options.tasks !== undefined) {
  mkdirSync(options.tasks, { recursive: true });
  for (const suite of suites) writeFileSync(join(options.tasks, `${suite.name}.json`), JSON.stringify(tasksOf(suite), null, 1));
  process.exit();
}

const rows: Row[] = [];
const dir = mkdtempSync(join(tmpdir(), "remit-outside-"));
try {
  for (const suite of suites) {
    try {
      await decide(suite);
    } catch (cause) {
      // One that can't be decided at all is told, and hides no other.
      console.error(`${suite.name}: ${cause instanceof Error ? cause.message : String(cause)}`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
for (const row of together(rows)) {
  rows.push(row);
  if (!options.json) console.log(line(row));
}
judge(marks(rows), options.json);
process.exit();

async function decide(suite: Suite): Promise<void> {
  const cells: FlowCells = { ...(options.delegate && { delegated: "allow" }), ...(looks !== null && { looks }) };
  const set = setFor(suite, dir, cells, options.written ? writtenFor(suite.name) : null);
  const desk = await Desk.open(set);
  try {
    for (const [level, how] of [...LEVELS, ...planned(suite, desk), ...(options.ablate ? ABLATIONS : [])]) {
      const judged = async (all: readonly Scored[]): Promise<Judged[]> => {
        const found: Judged[] = [];
        for (const { run, marks, carried } of all)
          found.push({ marks, decided: await desk.replay(run, how, how.carried === true ? carried : []) });
        return found;
      };
      const clean = await judged(suite.clean);
      const mixed = await judged(suite.mixed);
      const times = [...clean, ...mixed].flatMap(({ decided }) => decided.map(({ ms }) => ms));
      const row: Row = {
        benchmark: suite.benchmark,
        suite: suite.name,
        level,
        ...score(clean, mixed),
        times,
      };
      rows.push(row);
      if (!options.json) console.log(line(row));
      if (options.show) show(suite, clean, mixed);
    }
  } finally {
    await desk.stop();
  }
}

/** The level at which a task has a plan, of suites that have plans. */
function planned({ name }: Suite, { set, vocabulary }: Desk): [string, Level][] {
  const all = plansFor(name);
  return all === null ? [] : [["P", { instruction: true, plans: plansIn(name, all, set.tools, vocabulary) }]];
}

/** Benign calls and tasks, tasks under attack, attacks stopped and caught, false flags: shares; how long a decision takes. */
function line(row: Row): string {
  const share = (part: number, whole: number): string => `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`.padStart(8);
  return [
    `${row.suite} ${row.level}`.padEnd(44),
    share(row.benign_calls_allowed, row.benign_calls),
    share(row.tasks_allowed, row.tasks),
    share(row.tasks_allowed_attacked, row.pairs),
    share(row.stopped, row.pairs),
    share(row.caught, row.pairs),
    share(row.benign_flags, row.benign_calls),
    `${quantile(row.times, 0.5).toFixed(2)} ${quantile(row.times, 0.99).toFixed(2)} ms`,
  ].join(" ");
}

/** By which codes what should have gone otherwise was decided; no case is named. */
function show(suite: Suite, clean: readonly Judged[], mixed: readonly Judged[]): void {
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  clean.forEach(({ decided }, i) => {
    decided.forEach(({ verdict, codes }, j) => {
      if (verdict !== "allow") count(`benign ${suite.clean[i]?.run.steps[j]?.call.tool} ${verdict} ${codes.join(" ")}`);
    });
  });
  mixed.forEach(({ decided, marks }, i) => {
    if (decided.some(({ verdict }, j) => marks.necessary[j] === true && verdict === "deny")) return;
    decided.forEach(({ verdict, codes }, j) => {
      if (marks.necessary[j] === true) count(`attack ${suite.mixed[i]?.run.steps[j]?.call.tool} ${verdict} ${codes.join(" ")}`);
    });
  });
  for (const [what, times] of [...counts].sort((a, b) => b[1] - a[1])) console.log(`    ${times} × ${what}`);
}
