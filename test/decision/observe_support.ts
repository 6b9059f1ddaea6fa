import { canonical, type DecisionRecord, type ObservedAnswer } from "../../src/contract/index.js";
import { observer, type ObserveLimits, type ObserveLog, type Observation } from "../../src/decision/observe.js";
import { system } from "../../src/system/index.js";
import type { World } from "./world.js";
import { CALLER, NOW, REQUEST } from "./world.js";

export const AT = new Date(NOW - 5000).toISOString();
export const LINE = { ...REQUEST, at: AT };
export const LIMITS: Omit<ObserveLimits, "depth_max" | "members_max" | "time_skew_max_ms"> = {
  line_bytes_max: 2000,
  lines_max: 1000,
  bytes_max: 1_000_000,
  refused_max: 100,
  age_max_ms: 60_000,
};

/** A log in memory that a test may fill, fail or hold back. */
export class Disk implements ObserveLog {
  readonly queue = { records: 0, bytes: 0 };
  readonly queue_max = { records: 1000, bytes: 1_000_000 };
  groups: number[] = [];
  write: (record: string) => Promise<void> = () => Promise.resolve();

  constructor(readonly world: World) {}

  get seq(): number {
    return this.world.records.length;
  }

  async appendAll(entries: Parameters<ObserveLog["appendAll"]>[0]): Promise<void> {
    this.groups.push(entries.length);
    const records = entries.map(({ before, after }, i) => `{${before},"seq":${this.seq + 1 + i},${after}}`);
    for (const record of records) {
      if (canonical(JSON.parse(record)) !== record) throw new Error(`the record is not canonical: ${record}`);
      this.world.records.push(record);
    }
    for (const record of records) await this.write(record);
  }
}

export function begin(world: World, disk = new Disk(world), limits: Partial<ObserveLimits> = {}, caller = CALLER): Observation {
  return observer({
    decider: world.decider,
    log: disk,
    system: { clock: { wall: () => world.now_ms, monotonic: () => 0 }, timers: system.timers },
    limits: { ...world.limits, ...LIMITS, ...limits },
  }).begin(caller);
}

export const linesOf = (...lines: unknown[]): string =>
  lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("");

export async function observe(world: World, text: string, limits: Partial<ObserveLimits> = {}): Promise<ObservedAnswer> {
  const observation = begin(world, new Disk(world), limits);
  await observation.take(Buffer.from(text));
  return observation.end();
}

export function records({ records }: World): DecisionRecord[] {
  return records.map((record) => JSON.parse(record) as DecisionRecord);
}

export const about = (id: string): object => ({ ...LINE, resource: { type: "invoice", id, attributes: { customer: "ada" } } });
export const idsOf = (world: World): unknown[] =>
  records(world).map(({ input, request }) => {
    const asked = (input?.["request"] ?? request) as { resource: { id: string } };
    return asked.resource.id;
  });
