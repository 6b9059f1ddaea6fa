/**
 * `make bench`: Remit, its peers and the floors under the same load, in turn, and Remit's parts without HTTP. Prints and
 * writes `docs/benchmarks.md` with its plot, and every figure to `bench/results/`.
 *
 * `--quick` takes about a minute, is rough, and leaves `docs/` as it is. `--decisions` says after how many decisions memory
 * is looked at; a million records take 2 GB of the temporary folder. Ends with 1 where a mark is not met; a quick run doesn't judge.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { asset } from "../src/system/paths.js";
import { startCerbos } from "./cerbos.js";
import type { InProcess } from "./in_process.js";
import { machine } from "./machine.js";
import { judgedConnections, marks } from "./marks.js";
import { measure, median, medians, rssMb, syncMs, type Load, type Measured, type Server } from "./measure.js";
import { readOptions } from "./options.js";
import { program, Processes } from "./processes.js";
import { markdown, plot } from "./report.js";
import type { OpenRow, Results, Row } from "./results.js";
import { recordedBy, sandboxIn, serveRemit, startFloor, startOpa, startRemit } from "./servers.js";
import { batches } from "./workload.js";

const { quick, decisions: wanted } = readOptions("main", {
  about: "Compares Remit with its peers under the same load, judges the speed, and writes docs/benchmarks.md.",
  options: {
    quick: { says: "a rough run of about a minute, which judges nothing and leaves docs/ alone" },
    decisions: { says: "decisions after which memory is looked at; 1,000,000, or 50,000 of a quick run, if 0", default: 0 },
  },
  examples: ["", "--quick", "--decisions 100000"],
});
const REPEATS = quick ? 1 : 3;
const SECONDS = quick ? 1 : 3;
const WARM_UP = { connections: 16, seconds: quick ? 1 : 3 };
const CONNECTIONS = quick ? [16] : [1, 16, 64];
/** Of each server's own rate in the closed loop. */
const SHARES = [0.5, 0.8];
const OPEN_SECONDS = quick ? 1 : 2;
const OPEN_CONNECTIONS = 256;
const STARTS = quick ? 1 : 5;
const DECISIONS = wanted > 0 ? wanted : quick ? 50_000 : 1_000_000;
const BATCH_SIZE = 100;
const BATCHES_UNDER_WAY = 8;

if (process.platform !== "linux") throw new Error("CPU and memory are read from /proc, and servers pinned by taskset: Linux");
const processes = new Processes();
try {
  const results = await run();
  const text = markdown(results, readFileSync(asset("docs", "long-runs.md"), "utf8"));
  console.log(text);
  const folder = asset("bench", "results");
  mkdirSync(folder, { recursive: true });
  const name = quick ? "quick" : "full";
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ ...results, marks: marks(results) }, null, 2)}\n`);
  writeFileSync(join(quick ? folder : asset("docs"), quick ? "quick.svg" : "benchmarks.svg"), plot(results));
  if (!quick) {
    writeFileSync(asset("docs", "benchmarks.md"), text);
    process.exitCode = marks(results).some(({ met }) => met === false) ? 1 : 0;
  }
} finally {
  await processes.stopAll();
}

async function run(): Promise<Results> {
  const sync = syncMs(processes.folder);
  const inProcess = await inProcessFigures();
  const starts = await startTimes();
  const remit = await startRemit(processes, "remit");
  const servers = await started(remit);
  let decisions = 0;
  const counted = async (server: Server, load: Load): Promise<Measured> => {
    const measured = await measure(processes, server, load);
    if (server === remit) decisions += measured.requests;
    return measured;
  };
  for (const server of servers) await counted(server, WARM_UP);
  const judged = judgedConnections(sync);
  const closed: Row[] = [];
  for (const connections of [...new Set([...CONNECTIONS, judged])]) {
    const found = await interleaved(servers, `closed loop, ${connections} connections`, (server) =>
      counted(server, { connections, seconds: SECONDS }),
    );
    for (const [name, one] of found) closed.push({ ...one, name, connections, rate: one.requests / one.seconds });
  }
  const open: OpenRow[] = [];
  for (const share of SHARES) {
    const rateOf = (name: string): number =>
      share * (closed.find((row) => row.name === name && row.connections === judged)?.rate ?? Number.NaN);
    const found = await interleaved(servers, `open loop, ${share * 100} % of each one's rate`, (server) =>
      counted(server, { connections: OPEN_CONNECTIONS, seconds: OPEN_SECONDS, rate: rateOf(server.name) }),
    );
    for (const [name, one] of found) open.push({ ...one, name, share, rate: rateOf(name) });
  }
  const batched = await topUp(remit, DECISIONS - decisions);
  return {
    machine: machine(),
    quick,
    repeats: REPEATS,
    seconds: SECONDS,
    open_seconds: OPEN_SECONDS,
    sync_ms: sync,
    closed,
    open,
    in_process: inProcess,
    ...starts,
    memory: { decisions: decisions + batched, batched, rss_mb: rssMb(remit.process) },
  };
}

async function startTimes(): Promise<Pick<Results, "first_start_ms" | "first_decision_ms">> {
  progress("starts");
  const sandbox = await sandboxIn(join(processes.folder, "starts"));
  const times: number[] = [];
  for (let i = 0; i <= STARTS; i++) {
    const server = await serveRemit(processes, "starts", sandbox);
    times.push(server.first_decision_ms);
    await processes.stop(server.process);
    if (i === 0) withoutFile(sandbox.config);
  }
  const [first = Number.NaN, ...later] = times;
  return { first_start_ms: first, first_decision_ms: median(later) };
}

/** From now on facts are what the store has. */
function withoutFile(config: string): void {
  const document = parseDocument(readFileSync(config, "utf8"));
  document.deleteIn(["facts", "file"]);
  writeFileSync(config, document.toString());
}

async function started(remit: Server): Promise<Server[]> {
  progress("starting the peers");
  const asked = await recordedBy(processes, remit, "remit");
  const { bodies } = remit.job;
  const cerbos = await startCerbos(processes, asked);
  return [
    remit,
    await startOpa(processes, asked, false),
    await startOpa(processes, asked, true),
    ...(cerbos === null ? [] : [cerbos]),
    await startFloor(processes, "plain", bodies),
    await startFloor(processes, "express", bodies),
  ];
}

/** Every server in turn, and again: a moment in which the machine is busy falls on one repeat of each. */
async function interleaved(servers: Server[], title: string, of: (server: Server) => Promise<Measured>): Promise<Map<string, Measured>> {
  const found = new Map(servers.map(({ name }) => [name, [] as Measured[]]));
  for (let repeat = 1; repeat <= REPEATS; repeat++) {
    progress(`${title}, ${repeat} of ${REPEATS}`);
    for (const server of servers) found.get(server.name)?.push(await of(server));
  }
  return new Map([...found].map(([name, all]) => [name, medians(all)]));
}

/** Decides so many more, in batches since that is quicker, and says how many they were. */
async function topUp(remit: Server, decisions: number): Promise<number> {
  const requests = Math.max(0, Math.ceil(decisions / BATCH_SIZE));
  if (requests === 0) return 0;
  progress(`${(requests * BATCH_SIZE).toLocaleString("en")} more decisions, for memory`);
  const job = { ...remit.job, path: "/decide/batch", bodies: batches(remit.job.bodies.length, BATCH_SIZE) };
  const load = { connections: BATCHES_UNDER_WAY, seconds: 600, requests };
  const { requests: answered } = await measure(processes, { ...remit, job }, load);
  return answered * BATCH_SIZE;
}

async function inProcessFigures(): Promise<InProcess> {
  progress("without HTTP");
  const args = [program("in_process"), join(processes.folder, "in_process"), quick ? "quick" : "full"];
  return JSON.parse(await processes.run("measured", process.execPath, args)) as InProcess;
}

function progress(what: string): void {
  console.error(`bench: ${what}`);
}
