import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export type Json = Record<string, unknown>;

export const FAST = { interval_ms: 10, retry_ms: 10, retry_max_ms: 40, timeout_ms: 2000 };

export async function until(holds: () => boolean, what: () => unknown = () => ""): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 5000) throw new Error(`it never came to that: ${JSON.stringify(what())}`);
    await sleep(10);
  }
}

export function recordsIn(folder: string): Json[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"))
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Json]));
}

export const seqs = (events: readonly Json[]): number[] => events.map(({ seq }) => seq as number);
