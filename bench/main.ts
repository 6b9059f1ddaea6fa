/**
 * `make bench`: Remit, its peers and the floors, each on the policy that its good author would write, under the same load; and
 * Remit's parts by themselves. Prints and writes `docs/benchmarks.md`, and every figure to `bench/results/`.
 *
 * A million records take 2 GB of the temporary folder. Exits with 1 if a gate is missed; a quick run judges nothing.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { nativeOpa } from "../test/oracle/go.js";
import { asset } from "../src/system/paths.js";
import type { Engine } from "./comparison/engine.js";
import { startEngines } from "./comparison/engines.js";
import { prepareRemit, startRemit, type Ready } from "./comparison/remit.js";
import { makeWorld, SEED } from "./comparison/world.js";
import type { InProcess } from "./in_process.js";
import { machine } from "./machine.js";
import { marks } from "./marks.js";
import { measure, median, rssMb, syncMs, type Load } from "./measure.js";
import { readOptions } from "./options.js";
import { measureParts, NOTHING_MEASURED } from "./parts.js";
import { program, Processes, type Core } from "./processes.js";
import { markdown } from "./report.js";
import { middle, type ClosedRow, type OpenRow, type Results, type Round, type ThreadsRow } from "./results.js";
import { INDEX, threadsMs } from "./threads.js";

const { quick, decisions: wanted } = readOptions("main", {
  about: "Compares Remit with its peers, each on the policy that its good author would write; judges it and writes docs/benchmarks.md.",
  options: {
    quick: { says: "a rough run of two minutes at most, which judges nothing and leaves docs/ alone" },
    decisions: { says: "decisions after which memory is looked at; 1,000,000, or 50,000 of a quick run, if 0", default: 0 },
  },
  examples: ["", "--quick", "--decisions 100000"],
});
const ROUNDS = quick ? 1 : 3;
const SECONDS = quick ? 0.5 : 0.8;
const WARM_UP = { connections: 16, seconds: quick ? 0.5 : 2 };
const CONNECTIONS = { pinned: quick ? [1, 16, 64] : [1, 4, 16, 64], free: quick ? [1] : [1, 4, 16, 64] };
/** Shares of each engine's own rate in the closed loop. */
const SHARES = quick ? [0.5] : [0.3, 0.5, 0.8];
const SHARES_OF = 64;
const OPEN_CONNECTIONS = 256;
const STARTS = quick ? 1 : 5;
const DECISIONS = wanted === 0 ? (quick ? 50_000 : 1_000_000) : wanted;
const BATCH_SIZE = 100;
const BATCHES_UNDER_WAY = 8;

if (process.platform !== "linux") throw new Error("CPU and memory are read from /proc, and servers pinned by taskset: Linux");
const processes = new Processes();
try {
  const results = await run();
  const text = markdown(results);
  console.log(text);
  const folder = asset("bench", "results");
  mkdirSync(folder, { recursive: true });
  const json = JSON.stringify({ ...results, marks: marks(results) }, null, 2);
  writeFileSync(join(folder, `${quick ? "quick" : "full"}.json`), `${json}\n`);
  if (!quick) {
    writeFileSync(asset("docs", "benchmarks.md"), text);
    process.exitCode = marks(results).some(({ met }) => met === "missed") ? 1 : 0;
  }
} finally {
  await processes.stopAll();
}

async function run(): Promise<Results> {
  const began = performance.now();
  const [loadBefore = 0] = loadavg();
  const world = makeWorld();
  const opa = await nativeOpa(progress);
  progress("engines, each checked against the oracle");
  const ready = await prepareRemit(opa, join(processes.folder, "remit"), world);
  const { remit, all } = await startEngines(processes, opa, ready, world);
  const sync = syncMs(processes.folder);
  progress("warm-up");
  for (const engine of all) await measure(processes, engine, WARM_UP);
  const pinned = await closedLoops(all, true);
  const free = await closedLoops(all, false);
  const open = await openLoops(all, pinned);
  const threads = [await threadsAt(remit, 1), await threadsAt(remit, 64)];
  for (const { process: other } of all) if (other !== remit.process) await processes.stop(other);
  const { memory, batch } = await decideMore(remit);
  await processes.stop(remit.process);
  const results: Results = {
    machine: machine(),
    load_before: loadBefore,
    quick,
    seed: SEED,
    rounds: ROUNDS,
    seconds: SECONDS,
    sync_ms: sync,
    checked: all.reduce((sum, { requests }) => sum + requests.length, 0),
    closed: [...pinned, ...free],
    open,
    threads,
    batch,
    memory,
    first_decision_ms: await startTime(await prepareRemit(opa, join(processes.folder, "starts"), world)),
    in_process: await inProcessFigures(),
    parts: quick ? NOTHING_MEASURED : await measureParts(processes, progress),
  };
  progress(`done after ${Math.round((performance.now() - began) / 1000)} s`);
  return results;

  async function startTime(again: Ready): Promise<number> {
    progress("starts");
    const times: number[] = [];
    for (let i = 0; i <= STARTS; i++) {
      const server = await startRemit(processes, "starts", again, world);
      await processes.stop(server.process);
      // The first one imports the facts' file; later ones have the facts in their store.
      if (i === 0) withoutFile(again.config);
      else times.push(server.first_decision_ms);
    }
    return median(times);
  }
}

/** Measures every engine in turn, round by round: a moment in which the machine is busy falls on one round of each. */
async function inRounds(engines: Engine[], title: string, loadOf: (engine: Engine) => Load, core?: Core): Promise<Map<string, Round[]>> {
  const found = new Map(engines.map(({ name }) => [name, [] as Round[]]));
  for (let round = 1; round <= ROUNDS; round++) {
    progress(`${title}, round ${round} of ${ROUNDS}`);
    for (const engine of engines) {
      const measured = await measure(processes, engine, loadOf(engine), core);
      found.get(engine.name)?.push({ ...measured, rate: measured.requests / measured.seconds });
    }
  }
  return found;
}

async function closedLoops(engines: Engine[], pinned: boolean): Promise<ClosedRow[]> {
  const rows: ClosedRow[] = [];
  for (const { process: server } of engines) processes.pin(server, pinned ? "measured" : "any");
  for (const connections of pinned ? CONNECTIONS.pinned : CONNECTIONS.free) {
    const title = `closed loop, ${pinned ? "pinned" : "not pinned"}, ${connections} connections`;
    const found = await inRounds(engines, title, () => ({ connections, seconds: SECONDS }), pinned ? "measuring" : "any");
    for (const [engine, rounds] of found) rows.push({ engine, connections, pinned, rounds });
  }
  for (const { process: server } of engines) processes.pin(server, "measured");
  return rows;
}

async function openLoops(engines: Engine[], closed: ClosedRow[]): Promise<OpenRow[]> {
  const ownRate = (name: string): number =>
    middle(closed.find(({ engine, connections }) => engine === name && connections === SHARES_OF)?.rounds, "rate");
  const rows: OpenRow[] = [];
  for (const share of SHARES) {
    const load = ({ name }: Engine): Load => ({ connections: OPEN_CONNECTIONS, seconds: SECONDS, rate: share * ownRate(name) });
    const found = await inRounds(engines, `open loop, ${share * 100} % of each one's rate`, load);
    for (const [engine, rounds] of found) rows.push({ engine, share, due: share * ownRate(engine), rounds });
  }
  return rows;
}

async function threadsAt(remit: Engine, connections: number): Promise<ThreadsRow> {
  progress(`threads, ${connections} connections`);
  const before = threadsMs(remit.process);
  const { requests } = await measure(processes, remit, { connections, seconds: 2 * SECONDS });
  const after = threadsMs(remit.process);
  const us = [...after].map(([name, ms]) => [name, ((ms - (before.get(name) ?? 0)) * 1000) / requests]);
  return { connections, us: Object.fromEntries(us) as Record<string, number> };
}

/** Makes `DECISIONS` more decisions, in batches since that is quicker; the cost of an action in them is a figure of its own. */
async function decideMore(remit: Engine): Promise<Pick<Results, "memory" | "batch">> {
  const requests = Math.ceil(DECISIONS / BATCH_SIZE);
  progress(`${(requests * BATCH_SIZE).toLocaleString("en")} decisions in batches`);
  const { bodies } = remit.job;
  const batches = Array.from({ length: Math.floor(bodies.length / BATCH_SIZE) }, (_, i) => {
    const actions = bodies.slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE);
    return `{"actions":[${actions.join()}]}`;
  });
  const job = { ...remit.job, path: "/decide/batch", bodies: batches };
  const before = threadsMs(remit.process);
  const load = { connections: BATCHES_UNDER_WAY, seconds: 600, requests };
  const measured = await measure(processes, { ...remit, job }, load);
  const after = threadsMs(remit.process);
  const decisions = measured.requests * BATCH_SIZE;
  const usOf = (names: string[]): number =>
    names.reduce((sum, name) => sum + (after.get(name) ?? 0) - (before.get(name) ?? 0), 0) * (1000 / decisions);
  return {
    memory: { decisions, rss_mb: rssMb(remit.process) },
    batch: { recorded_us: usOf([...after.keys()].filter((name) => name !== INDEX)), indexed_us: usOf([...after.keys()]) },
  };
}

/** Leaves the facts to the store. */
function withoutFile(config: string): void {
  const document = parseDocument(readFileSync(config, "utf8"));
  document.deleteIn(["facts", "file"]);
  writeFileSync(config, document.toString());
}

async function inProcessFigures(): Promise<InProcess> {
  progress("without HTTP");
  const args = [program("in_process"), ...(quick ? ["--quick"] : [])];
  return JSON.parse(await processes.run("measured", process.execPath, args)) as InProcess;
}

function progress(what: string): void {
  console.error(`bench: ${what}`);
}
