/**
 * What decisions inside the application cost, on the shipped support desk's policy: in batches of 100 and one by one, with records on disk
 * before they are answered or soon after, with and without a behaviour profile. Counted is CPU over all threads of the process, so
 * that a decision a core and second is one over that; and beside it how many there were a second on the wall.
 *
 * Ways are measured in turn, round by round, so that a machine that is busy elsewhere is so for all of them.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Answer, DecideRequest } from "../src/contract/index.js";
import { openEmbedded, type Embedded } from "../src/embedded.js";
import { system as host, type System } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";
import { judge, type Mark } from "./client.js";
import { median } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { BUNDLE } from "./servers.js";
import { action, facts, inHours } from "./workload.js";

const { decisions, rounds, only, json } = readOptions("embedded", {
  about: "Measures what a decision in the application's own process costs.",
  options: {
    decisions: { says: "decisions of each round", default: 20_000, least: 1 },
    rounds: { says: "rounds of every way in turn", default: 5, least: 1 },
    only: { says: "ways to measure", among: ["batch", "single", "sequential"] },
    json: AS_JSON,
  },
  examples: ["", "--only batch,single --rounds 1"],
});

const BATCH = 100;
const AGENTS = 1000;
const BATCHES_AT_ONCE = 4;
const AT_ONCE = 64;
const BATCH_LEAST = 100_000;
const SINGLE_LEAST = 40_000;
const system: System = { ...host, clock: inHours(host.clock) };

mkdirSync(asset(".work"), { recursive: true });
const folder = mkdtempSync(join(asset(".work"), "bench-embedded-"));
const asked = Array.from({ length: AGENTS }, (_, i) => action(i) as DecideRequest);
const batches = Array.from({ length: AGENTS / BATCH }, (_, i) => asked.slice(i * BATCH, (i + 1) * BATCH));
const factsPath = join(folder, "facts.yaml");
writeFileSync(factsPath, JSON.stringify(facts(AGENTS)));

const engines: Record<string, Embedded> = {
  "with records, synced": await open("synced", false),
  "with records, relaxed": await open("relaxed", false),
  "with records, synced, and what is usual": await open("synced", true),
};

interface Way {
  name: string;
  /** Decisions of one call. */
  each: number;
  atOnce: number;
  call: (engine: Embedded, i: number) => Promise<Answer[] | Answer>;
}

const all: readonly Way[] = [
  { name: "batch", each: BATCH, atOnce: BATCHES_AT_ONCE, call: (engine, i) => engine.decideBatch(batches[i % batches.length] ?? []) },
  { name: "single", each: 1, atOnce: AT_ONCE, call: (engine, i) => engine.decide(asked[i % asked.length] as DecideRequest) },
  { name: "sequential", each: 1, atOnce: 1, call: (engine, i) => engine.decide(asked[i % asked.length] as DecideRequest) },
];
const ways = all.filter(({ name }) => only === undefined || only.includes(name));

interface Found {
  cpu_us: number;
  rate: number;
}

const found = new Map<string, Found[]>();
for (let round = 0; round <= rounds; round++) {
  for (const way of ways) {
    for (const [name, engine] of Object.entries(engines)) {
      // One after another waits for a sync each.
      const isSlow = way.name === "sequential" && name.includes("synced");
      const measured = await measure(engine, way, isSlow ? decisions / 20 : decisions);
      const key = `${way.name}, ${name}`;
      if (round > 0) found.set(key, [...(found.get(key) ?? []), measured]);
    }
  }
}
const marks = [...found].flatMap(([key, measured]): Mark[] => {
  const cpu = median(measured.map(({ cpu_us }) => cpu_us));
  const least = key.startsWith("batch, with records, synced") ? BATCH_LEAST : SINGLE_LEAST;
  const isJudged = /^(batch|single), with records, synced$/.test(key);
  return [
    { figure: `${key}: decisions a second and core`, found: Math.round(1e6 / cpu), unit: "/s", most: null, ...(isJudged && { least }) },
    { figure: `${key}: CPU`, found: cpu, unit: "µs", most: null },
    { figure: `${key}: on the wall`, found: Math.round(median(measured.map(({ rate }) => rate))), unit: "/s", most: null },
  ];
});
judge(marks, json);
for (const engine of Object.values(engines)) await engine.close();
rmSync(folder, { recursive: true, force: true });

async function measure(engine: Embedded, { each, atOnce, call }: Way, total: number): Promise<Found> {
  const calls = Math.max(atOnce, Math.floor(total / each));
  let next = 0;
  const ask = async (): Promise<void> => {
    while (next < calls) {
      const i = next++;
      const answers = await call(engine, i);
      const first = Array.isArray(answers) ? answers[0] : answers;
      if (first?.decision === undefined) throw new Error("it was not decided");
    }
  };
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  await Promise.all(Array.from({ length: atOnce }, ask));
  const { user, system: kernel } = process.cpuUsage(cpu);
  const made = calls * each;
  return { cpu_us: (user + kernel) / made, rate: (made * 1000) / (performance.now() - began) };
}

function open(durability: "synced" | "relaxed", behavior: boolean): Promise<Embedded> {
  return openEmbedded(
    {
      dir: mkdtempSync(join(folder, "engine-")),
      bundle: { name: BUNDLE.name, keys: BUNDLE.keys.map((file) => readFileSync(file, "utf8")), file: BUNDLE.path },
      facts: { file: factsPath, poll_ms: 60_000, age_ms_max: 3_600_000 },
      caller: { id: "bench" },
      records: { durability, queue_records_max: 1_000_000, queue_bytes_max: 1024 * 1024 * 1024 },
      behavior,
      ready_ms: 60_000,
      report: (level, message, fields) => {
        if (level !== "info") console.error(message, fields);
      },
    },
    system,
  );
}
