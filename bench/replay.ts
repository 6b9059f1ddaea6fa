/**
 * Deciding recorded decisions again: the shipped bundle decides so many into a log's folder, and is then asked once more by
 * `replay` and by `impact`, as `remit` asks it. In records a second, beside whatever else runs, and in CPU over all threads;
 * and what memory does over it.
 *
 * A million records take 1.6 GB of the temporary folder.
 */
import { REQUEST_LIMITS } from "../src/contract/index.js";
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { segmentName } from "../src/audit/log/segments.js";
import { decider } from "../src/decision/decide.js";
import type { Agent, Caller, Task } from "../src/decision/ports.js";
import { NO_TOKEN, knownCaller, fixedFacts, fixedProfile } from "../src/decision/fixed_ports.js";
import { taskOf } from "../src/facts/file.js";
import { ReplayBundles, RunningBundle } from "../src/replay/bundles.js";
import { impact } from "../src/replay/impact.js";
import { replay } from "../src/replay/replay.js";
import { system } from "../src/system/index.js";
import { judge, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { shippedBundle } from "./servers.js";
import { PURPOSE, action, facts } from "./workload.js";

const { records, json } = readOptions("replay", {
  about: "Decides recorded decisions again. A million records take 1.6 GB of the temporary folder.",
  options: { records: { says: "records", default: 200_000, least: 1 }, json: AS_JSON },
  examples: ["--records 10000"],
});

const SEGMENT_RECORDS = 50_000;
const CHUNK_RECORDS = 1000;
const ACTIONS = 1000;
const WHOLE = { from: null, to: null };
const RECORDS_PER_S = 20_000;
/** After it, memory must not grow. */
const SETTLED = 0.3;
const GROWTH_MB_MAX = 16;

const processes = new Processes({ own: true });
try {
  const folder = join(processes.folder, "log");
  mkdirSync(folder);
  const bundle = await shippedBundle(system.clock);
  const bytes = await decideInto(folder);
  const quiet = { unreadable: () => undefined };

  const bundles = new ReplayBundles([bundle]);
  const again = await measured((progress) =>
    replay(folder, WHOLE, bundles, system.timers, { ...quiet, differing: () => undefined, progress }),
  );
  const other = new RunningBundle(bundle);
  const changes = await measured((progress) => impact(folder, WHOLE, other, system.timers, { ...quiet, progress }));
  judge(
    [
      { figure: "records", found: records, unit: "", most: null },
      { figure: "bytes a record", found: bytes / records, unit: "B", most: null },
      { figure: "not identical", found: records - again.result.identical, unit: "", most: 0 },
      { figure: "changed by the same bundle", found: changes.result.changed, unit: "", most: 0 },
      ...marks("replay", again),
      ...marks("impact", changes),
    ],
    json,
  );
} finally {
  await processes.stopAll();
}

interface Measured<T> {
  result: T;
  seconds: number;
  cpu_us: number;
  /** Of the thread that reads, evaluates and compares. */
  thread_us: number;
  growth_mb: number;
}

function marks<T>(name: string, { seconds, cpu_us, thread_us, growth_mb }: Measured<T>): Mark[] {
  return [
    { figure: `${name}: records/s`, found: records / seconds, unit: "/s", most: null, least: RECORDS_PER_S },
    {
      figure: `${name}: CPU a record, the thread that reads`,
      found: thread_us / records,
      unit: "µs",
      most: 1e6 / RECORDS_PER_S,
    },
    { figure: `${name}: CPU a record, all threads`, found: cpu_us / records, unit: "µs", most: null },
    { figure: `${name}: RSS grows from a third on by`, found: growth_mb, unit: "MB", most: GROWTH_MB_MAX },
  ];
}

async function measured<T>(run: (progress: (so_far: { records: number }) => void) => Promise<T>): Promise<Measured<T>> {
  let [settled, most] = [0, 0];
  const began = performance.now();
  const before = process.cpuUsage();
  const threadBefore = threadUs();
  const result = await run(({ records: so_far }) => {
    const rss = process.memoryUsage.rss() / 1024 / 1024;
    if (so_far < records * SETTLED) settled = Math.max(settled, rss);
    else most = Math.max(most, rss);
  });
  const { user, system: kernel } = process.cpuUsage(before);
  const thread_us = threadUs() - threadBefore;
  const seconds = (performance.now() - began) / 1000;
  return { result, seconds, cpu_us: user + kernel, thread_us, growth_mb: most - settled };
}

/** Of this thread, by the kernel's accounting (proc(5), `schedstat`: nanoseconds on a processor, first). */
function threadUs(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]) / 1000;
}

/** Through the service's own `decide`. @returns how many bytes that took */
async function decideInto(at: string): Promise<number> {
  const policy = new RunningBundle(await shippedBundle(system.clock));
  const known = facts(ACTIONS);
  const agents = new Map(Object.keys(known.agents).map((id): [string, Agent] => [id, agentOf(id)]));
  const tasks = new Map(Object.entries(known.tasks).map(([id, task]): [string, Task] => [id, taskOf(id, task, null)]));
  const caller: Caller = { id: "bench", scopes: new Set(["remit:decide"] as const), token: NO_TOKEN };
  let [seq, bytes, file] = [0, 0, -1];
  let chunk: string[] = [];
  const flush = (): void => {
    if (chunk.length === 0) return;
    bytes += writeSync(file, chunk.join(""));
    chunk = [];
  };
  const { decideAction } = decider({
    system,
    identity: knownCaller(caller),
    engine: { active: policy },
    facts: fixedFacts({ agent: (id) => agents.get(id), task: (id) => tasks.get(id) }),
    profile: fixedProfile(),
    log: {
      get seq() {
        return seq;
      },
      append: (before, after) => {
        if (seq % SEGMENT_RECORDS === 0) {
          flush();
          if (file >= 0) closeSync(file);
          file = openSync(join(at, segmentName(seq + 1)), "w");
        }
        chunk.push(`{${before},"seq":${++seq},${after}}\n`);
        if (chunk.length === CHUNK_RECORDS) flush();
        return Promise.resolve();
      },
    },
    limits: {
      ...REQUEST_LIMITS,
      batch_actions_max: 1,
      time_skew_max_ms: 30_000,
      approval_wait_ms: 900_000,
      chained_tasks_max: 1000,
    },
  });
  for (let i = 0; i < records; i++) await decideAction(action(i % ACTIONS), caller);
  flush();
  closeSync(file);
  return bytes;
}

function agentOf(id: string): Agent {
  return {
    id,
    version: "1",
    owner: "bench",
    purposes: new Set([PURPOSE]),
    attributes: {},
    status: "active",
    registered_ms: 0,
    token_required: false,
  };
}
