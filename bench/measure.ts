/** Loads a server and reads what that cost it, from the kernel's accounting. */
import type { ChildProcess } from "node:child_process";
import { fdatasyncSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Job, Result } from "./load.js";
import { sleep } from "../src/system/index.js";
import { program, type Core, type Processes } from "./processes.js";
import type { Target } from "./transport.js";

const CLOCK_TICKS_PER_SECOND = 100;
const LOOK_MS = 250;
/** Of a core: heartbeats and timers go on. */
const IDLE_SHARE = 0.06;
const SETTLE_MS_MAX = 60_000;
const SYNC_BYTES = 25_000;
const SYNCS = 50;

/** Process of which the kernel keeps an account. */
export interface Accounted {
  readonly pid?: number | undefined;
}

export interface Server<P extends Accounted = ChildProcess> {
  name: string;
  process: P;
  job: Target;
}

export type Load = Pick<Job, "connections" | "seconds"> & Partial<Pick<Job, "rate" | "requests">>;

export interface Measured extends Result {
  /** Microseconds of the server's CPU a request, user and system. */
  cpu_us: number;
  rss_mb: number;
}

/**
 * @param core the generator's
 * @throws Error if a closed loop had a request refused
 */
export async function measure(processes: Processes, server: Server<Accounted>, load: Load, core: Core = "measuring"): Promise<Measured> {
  const file = join(processes.folder, "job.json");
  writeFileSync(file, JSON.stringify({ rate: null, requests: null, ...server.job, ...load } satisfies Job));
  const before = cpuSeconds(server.process);
  const printed = await processes.run(core, process.execPath, [program("load"), file]);
  await settled(server.process);
  const cpu = cpuSeconds(server.process) - before;
  const result = JSON.parse(printed) as Result;
  if (result.failures > 0 && load.rate === undefined)
    throw new Error(`${server.name}: ${result.failures} of ${result.requests} requests failed`);
  return { ...result, cpu_us: (cpu / result.requests) * 1e6, rss_mb: rssMb(server.process) };
}

export interface Compared {
  /** CPU a request of the first, microseconds. */
  native_us: number;
  /** Of each round what another costs of that, and then the middle one: what was busy in one is left out of the others. */
  over: (name: string) => number;
}

/** CPU a request of several ways to ask, in turn, round by round after one of warm-up: a machine that is busy is so for all of them. */
export async function compare(
  processes: Processes,
  servers: readonly Server[],
  { rounds, seconds, connections }: { rounds: number; seconds: number; connections: number },
): Promise<Compared> {
  const found = new Map<string, number[]>(servers.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const server of servers) {
      const { cpu_us } = await measure(processes, server, { connections, seconds: round < 0 ? 1 : seconds });
      if (round >= 0) found.get(server.name)?.push(cpu_us);
    }
  }
  const native = found.get(servers[0]?.name ?? "") ?? [];
  const over = (name: string): number => median((found.get(name) ?? []).map((cpu, round) => cpu / (native[round] ?? Number.NaN)));
  return { native_us: median(native), over };
}

/** Resolves once what was asked for is wholly done: a server's index follows behind, and isn't to be paid for by what is measured next. */
async function settled(child: Accounted): Promise<void> {
  const until = performance.now() + SETTLE_MS_MAX;
  for (let before = cpuSeconds(child); performance.now() < until;) {
    await sleep(LOOK_MS);
    const now = cpuSeconds(child);
    if (now - before <= (LOOK_MS / 1000) * IDLE_SHARE) return;
    before = now;
  }
}

/** User and system time of all threads (proc(5), fields 14 and 15 of stat). */
export function cpuSeconds({ pid }: Accounted): number {
  const stat = readFileSync(`/proc/${pid ?? 0}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

export function rssMb({ pid }: Accounted): number {
  const status = readFileSync(`/proc/${pid ?? 0}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/** Each figure's own median. */
export function medians<T extends object>(all: T[]): T {
  const [first] = all;
  if (first === undefined) throw new Error("nothing was measured");
  const keys = Object.keys(first) as (keyof T)[];
  return Object.fromEntries(keys.map((key) => [key, median(all.map((one) => Number(one[key])))])) as T;
}

/** What one durable write costs on this disk, milliseconds: the floor under every recorded answer. */
export function syncMs(folder: string): number {
  const file = openSync(join(folder, "sync"), "w");
  const chunk = Buffer.alloc(SYNC_BYTES);
  return median(
    Array.from({ length: SYNCS }, () => {
      writeSync(file, chunk);
      const began = performance.now();
      fdatasyncSync(file);
      return performance.now() - began;
    }),
  );
}
