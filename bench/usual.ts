/**
 * What it costs a decision to know what is usual for its agent: the service as it ships, and the same with `behavior.enabled: false`, in
 * turns, at 64 connections and at 16, in the world of the comparison. What the profile costs by itself is in `bench/behavior.ts`.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { findOpa } from "../src/bundle/opa.js";
import { judge } from "./client.js";
import { prepareRemit, startRemit } from "./comparison/remit.js";
import { makeWorld } from "./comparison/world.js";
import { measure, median, medians, type Measured, type Server } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const { seconds, repeats, json } = readOptions("usual", {
  about: "Compares the service with and without behaviour profiles.",
  options: {
    seconds: { says: "seconds of each round", default: 5, least: 0.1 },
    repeats: { says: "rounds", default: 5, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--seconds 1 --repeats 1"],
});
/** Code that has run a few thousand times only is compiled while it is measured: of a decision's first thousands that costs more than the profile. */
const WARM_SECONDS = 10;
const SHARE_MIN = 0.9;

const processes = new Processes();
const world = makeWorld();
const opa = await findOpa();
try {
  const servers = { knowing: await start("knowing", true), not: await start("not", false) };
  const many = await inTurns(64);
  const few = await inTurns(16);
  const shown = (figure: string, found: number, unit: string) => ({ figure, found, unit, most: null });
  judge(
    [
      {
        figure: "decisions/s with the profile, of those without, 64 connections",
        found: many.ratio,
        unit: "×",
        most: null,
        least: SHARE_MIN,
      },
      shown("decisions/s with the profile, of those without, 16 connections", few.ratio, "×"),
      shown("decisions/s with the profile, 64 connections", many.knowing.requests / many.knowing.seconds, "/s"),
      shown("CPU that the profile adds to a decision, 64 connections", many.adds_us, "µs"),
      shown("CPU a decision with the profile", many.knowing.cpu_us, "µs"),
      shown("CPU a decision without", many.not.cpu_us, "µs"),
      shown("p99 with the profile, 16 connections", few.knowing.p99, "ms"),
      shown("p99 without, 16 connections", few.not.p99, "ms"),
    ],
    json,
  );

  async function inTurns(connections: number): Promise<{ ratio: number; adds_us: number; knowing: Measured; not: Measured }> {
    const all: Record<keyof typeof servers, Measured[]> = { knowing: [], not: [] };
    for (const name of ["knowing", "not"] as const) await measure(processes, servers[name], { connections, seconds: WARM_SECONDS });
    const ratios: number[] = [];
    const adds: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const knowing = await measure(processes, servers.knowing, { connections, seconds });
      const not = await measure(processes, servers.not, { connections, seconds });
      all.knowing.push(knowing);
      all.not.push(not);
      ratios.push(knowing.requests / knowing.seconds / (not.requests / not.seconds));
      adds.push(knowing.cpu_us - not.cpu_us);
    }
    return { ratio: median(ratios), adds_us: median(adds), knowing: medians(all.knowing), not: medians(all.not) };
  }
} finally {
  await processes.stopAll();
}

async function start(name: string, enabled: boolean): Promise<Server> {
  const ready = await prepareRemit(opa, join(processes.folder, name), world);
  if (!enabled) appendFileSync(ready.config, "behavior:\n  enabled: false\n");
  return await startRemit(processes, name, ready, world);
}
