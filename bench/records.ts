/**
 * What records cost: the service as it ships, the same with `durability: relaxed`, and a copy of it that neither makes nor
 * writes any; in turns, at 64 connections and at 16.
 */
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cut, type Edit } from "../test/threats/cut.js";
import { judge } from "./client.js";
import { measure, median, medians, syncMs, type Measured, type Server } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { NARROWS_NOBODY, sandboxIn, serveRemit } from "./servers.js";

const { seconds, repeats, json } = readOptions("records", {
  about: "Compares the service as it ships with one that waits for no disk, and one without records.",
  options: {
    seconds: { says: "seconds of each round", default: 5, least: 0.1 },
    repeats: { says: "rounds", default: 5, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--seconds 1 --repeats 1"],
});
const WARM_SECONDS = 2;

const NO_RECORDS: readonly Edit[] = [
  cut.returns("audit/log/log.js", "SegmentLog.append", "Promise.resolve()"),
  // What the log doesn't take teaches nothing, and that isn't to be saved too.
  cut.always("decision/commit.js", "Committer.commit", "log", "seq"),
  cut.returns("decision/record.js", "recordText", '{ before: "", after: "" }'),
];

const processes = new Processes();
const mains = {
  recording: processes.copy("recording", [NARROWS_NOBODY]),
  not: processes.copy("not-recording", [NARROWS_NOBODY, ...NO_RECORDS]),
};
try {
  const synced = await start("synced");
  const servers = { synced, relaxed: await start("relaxed"), none: await start("none") };
  type Name = keyof typeof servers;
  const names = Object.keys(servers) as Name[];
  const at = async (connections: number): Promise<Record<Name, Measured>> => {
    for (const name of names) await measure(processes, servers[name], { connections, seconds: WARM_SECONDS });
    const all: Record<Name, Measured[]> = { synced: [], relaxed: [], none: [] };
    for (let repeat = 0; repeat < repeats; repeat++)
      for (const name of names) all[name].push(await measure(processes, servers[name], { connections, seconds }));
    ratios.push(...all.synced.map((one, i) => rateOf(one) / rateOf(all.none[i])));
    return Object.fromEntries(names.map((name) => [name, medians(all[name])])) as Record<Name, Measured>;
  };
  const ratios: number[] = [];
  const many = await at(64);
  const ratio = median(ratios.splice(0));
  const few = await at(16);
  const sync = syncMs(processes.folder);
  const { records, bytes } = recordsOf(join(processes.folder, "synced", "records"));
  const shown = (figure: string, found: number, unit: string) => ({ figure, found, unit, most: null });
  judge(
    [
      {
        figure: "decisions/s with records, of those without, 64 connections",
        found: ratio,
        unit: "×",
        most: null,
        least: 0.75,
      },
      shown("decisions/s with records, 64 connections", rateOf(many.synced), "/s"),
      shown("decisions/s with relaxed durability", rateOf(many.relaxed), "/s"),
      shown("decisions/s without records", rateOf(many.none), "/s"),
      shown("CPU a decision with records", many.synced.cpu_us, "µs"),
      shown("CPU a decision with relaxed durability", many.relaxed.cpu_us, "µs"),
      shown("CPU a decision without records", many.none.cpu_us, "µs"),
      shown("p99 with records, 16 connections", few.synced.p99, "ms"),
      shown("p99 without, 16 connections", few.none.p99, "ms"),
      shown("one sync of 25 kB", sync, "ms"),
      shown("a record", bytes / records, "bytes"),
    ],
    json,
  );
} finally {
  await processes.stopAll();
}

async function start(name: "synced" | "relaxed" | "none"): Promise<Server> {
  const sandbox = await sandboxIn(join(processes.folder, name));
  if (name === "relaxed") {
    const text = readFileSync(sandbox.config, "utf8");
    if (!text.includes("dir: records")) throw new Error("the sandbox's configuration is another");
    writeFileSync(sandbox.config, text.replace("dir: records", "dir: records\n  durability: relaxed"));
  }
  return serveRemit(processes, name, sandbox, name === "none" ? mains.not : mains.recording);
}

function rateOf(measured: Measured | undefined): number {
  return measured === undefined ? Number.NaN : measured.requests / measured.seconds;
}

function recordsOf(folder: string): { records: number; bytes: number } {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => join(folder, name));
  const [first = ""] = files;
  const lines = readFileSync(first, "utf8").split("\n").length - 1;
  return { records: lines, bytes: statSync(first).size };
}
