/**
 * Mutation scores: of changes to one line of a room's sources, the share that a fast test of the room notices (`make mutants`). Rooms of
 * which only some files are looked at name them; `bench/notes/mutants.md` has what is left, and why.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { asset } from "../src/system/paths.js";
import { judge, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

interface MutatedRoom {
  /** Least score in percent. */
  least: number;
  /** Names of files as a pattern. @default all */
  files?: string;
  /** Names of tests, with commas. @default all fast ones of the room */
  tests?: string;
}

const ROOMS: Readonly<Record<string, MutatedRoom>> = {
  decision: { least: 90 },
  facts: { least: 90 },
  identity: { least: 80 },
  guards: { least: 80, files: "**/*" },
  client: { least: 80 },
  audit: { least: 80, files: "log/{log,writer,durable_mark,cosigner}", tests: "log,log_settle,log_messages,cosigner" },
  flow: { least: 80, files: "shared_flow", tests: "shared_flow" },
  http: { least: 80, files: "{flights,admission}", tests: "flights,admission" },
};

/** Report of Stryker, as far as it is read here (mutation-testing-report-schema). */
interface MutationReport {
  files: Record<string, { mutants: { status: string }[] }>;
}

/** Returns the share of changes that were noticed, in percent; changes that were left out on purpose don't count. */
function scoreOf({ files }: MutationReport): number {
  const statuses = Object.values(files).flatMap(({ mutants }) => mutants.map(({ status }) => status));
  const count = (...of: string[]): number => statuses.filter((status) => of.includes(status)).length;
  const noticed = count("Killed", "Timeout");
  return Math.round((1000 * noticed) / (noticed + count("Survived", "NoCoverage"))) / 10;
}

const { rooms, json } = readOptions("mutants", {
  about: "Changes one line of a room at a time, and counts the changes that a fast test notices.",
  options: {
    rooms: { says: "rooms to look at", among: Object.keys(ROOMS) },
    json: AS_JSON,
  },
  examples: ["", "--rooms http,audit"],
});

const marks: Mark[] = [];
for (const room of rooms ?? Object.keys(ROOMS)) {
  const { least, files = "*", tests = "**/*" } = ROOMS[room] ?? { least: 0 };
  const child = spawn("make", ["mutants", `ROOM=${room}`, `FILES=${files}`, `TESTS=${tests}`], { cwd: asset(), stdio: ["ignore", 2, 2] });
  const [code] = (await once(child, "close")) as [number | null];
  const report = (): MutationReport => JSON.parse(readFileSync(asset(".work", `mutants-${room}.json`), "utf8")) as MutationReport;
  marks.push({
    figure: `${room}: changes that a fast test notices`,
    found: code === 0 ? scoreOf(report()) : NaN,
    unit: "%",
    most: null,
    least,
  });
}
judge(marks, json);
