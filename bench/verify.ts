/**
 * Verifying a long log: the real verifier on a log of so many records written for it, in records a second of CPU on one core;
 * memory over it; what proofs take from its tiles, in CPU too; and random changes of a small log, each to be found where it is.
 *
 * A million records take 1.5 GB of the temporary folder.
 */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { segmentsOf } from "../src/audit/log/record_lines.js";
import { segmentName } from "../src/audit/log/segments.js";
import { signCheckpoint } from "../src/audit/tree/checkpoint.js";
import { leafHash } from "../src/audit/tree/hash.js";
import { nodeTiles, TiledTree } from "../src/audit/tree/tiles.js";
import { verifyLog } from "../src/audit/tree/verify.js";
import { canonical } from "../src/contract/index.js";
import { mutateOften, SMALL } from "../test/audit/tree/mutations.js";
import { decisionRecord, LOG_KEY, ORIGIN, startedRecord, writeLog } from "../test/audit/tree/written.js";
import { judge, quantile, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const { records, mutations, json } = readOptions("verify", {
  about: "Verifies a long log. A million records take 1.5 GB of the temporary folder.",
  options: {
    records: { says: "records", default: 1_000_000, least: 1 },
    mutations: { says: "random changes of a small log", default: 10_000, least: 1 },
    json: AS_JSON,
  },
  examples: ["--records 10000 --mutations 100"],
});

const SEGMENT_BYTES = 64 * 1024 * 1024;
const CHUNK_RECORDS = 1000;
const PROOFS = 2000;
const ALTERED = Math.floor(records * 0.77);
const SEED = 1;
/** Progress is told so often. */
const TOLD_EACH = 1000;

const processes = new Processes();
try {
  const folder = join(processes.folder, "log");
  const { bytes, cpuUs } = grow(folder);
  const marks: Mark[] = [
    { figure: "records", found: records, unit: "", most: null },
    { figure: "bytes a record", found: bytes / records, unit: "B", most: null },
    { figure: "leaf and tree, a record", found: cpuUs / records, unit: "µs", most: 5 },
    ...verifying(folder),
    ...proving(folder),
    ...tampering(),
  ];
  judge(marks, json);
} finally {
  await processes.stopAll();
}

/** @returns what leaves and tree took, tiles and all */
function grow(folder: string): { bytes: number; cpuUs: number } {
  writeLog(folder, { records: 0, segment_records: 1 });
  const tree = TiledTree.open(nodeTiles(folder));
  // The same record but for its numbers: what is measured doesn't look into it.
  const [before = "", after = ""] = canonical(decisionRecord(2)).split(/(?<=,"seq":)2(?=,"stages")/);
  let [file, offset, bytes, cpuUs] = [0, SEGMENT_BYTES, 0, 0];
  for (let first = 1; first <= records; first += CHUNK_RECORDS) {
    const lines = Array.from({ length: Math.min(CHUNK_RECORDS, records - first + 1) }, (_, i) => {
      const seq = first + i;
      return seq === 1 ? canonical(startedRecord(1, [LOG_KEY])) : `${before.replaceAll("0190-2", `0190-${seq}`)}${seq}${after}`;
    });
    const leaves = lines.map((line) => Buffer.from(line));
    const began = process.cpuUsage();
    for (const leaf of leaves) tree.add(leafHash(leaf));
    cpuUs += cpuSince(began);
    if (offset >= SEGMENT_BYTES) {
      if (file !== 0) closeSync(file);
      file = openSync(join(folder, segmentName(first)), "w");
      offset = 0;
    }
    offset += writeSync(file, `${lines.join("\n")}\n`);
    bytes += leaves.reduce((sum, leaf) => sum + leaf.length + 1, 0);
    if ((first - 1) % 100_000 === 0) tell("written", first - 1, records);
  }
  closeSync(file);
  writeFileSync(join(folder, "checkpoint"), signCheckpoint({ origin: ORIGIN, size: records, root: tree.root() }, [LOG_KEY]));
  return { bytes, cpuUs };
}

function verifying(folder: string): Mark[] {
  const keys = [LOG_KEY.verifier];
  const rss: number[] = [];
  const began = process.cpuUsage();
  const { damage } = verifyLog({
    folder,
    keys,
    elsewhere: [],
    progress: (progress) => {
      rss.push(process.memoryUsage.rss() / 2 ** 20);
      tell("verified", progress.records, records);
    },
  });
  const seconds = cpuSince(began) / 1e6;
  const early = rss[Math.floor(rss.length / 4)] ?? Number.NaN;
  alter(folder, ALTERED);
  const altered = verifyLog({ folder, keys, elsewhere: [] }).damage;
  return [
    { figure: "verified, a second of CPU", found: Math.round(records / seconds), unit: "", most: null, least: 200_000 },
    { figure: "alarms on the untouched log", found: damage.length, unit: "", most: 0 },
    { figure: "RSS after a quarter of it", found: early, unit: "MB", most: null },
    { figure: "RSS at its end, more than that", found: (rss.at(-1) ?? Number.NaN) - early, unit: "MB", most: 32 },
    { figure: "one record altered: its number", found: altered[0]?.from ?? Number.NaN, unit: "", most: ALTERED, least: ALTERED },
  ];
}

/** Turns one character of one record. */
function alter(folder: string, seq: number): void {
  const segment = segmentsOf(folder).findLast(({ first }) => first <= seq);
  const file = join(folder, segment?.name ?? "");
  const content = readFileSync(file);
  const at = content.indexOf(`"decision_id":"0190-${seq}"`);
  content.write("3", at + '"decision_id":"'.length);
  writeFileSync(file, content);
}

/** From a tree that was just opened, so tiles come from files. */
function proving(folder: string): Mark[] {
  const opening = performance.now();
  const tree = TiledTree.open(nodeTiles(folder));
  const openedMs = performance.now() - opening;
  const times = Array.from({ length: PROOFS }, (_, i) => {
    const index = (i * 7919 * 31) % tree.size;
    const began = process.cpuUsage();
    if (i % 2 === 0) tree.inclusion(index);
    else tree.consistency(index + 1);
    return cpuSince(began) / 1000;
  });
  return [
    { figure: "tree opened from its tiles", found: openedMs, unit: "ms", most: null },
    { figure: "a proof, median", found: quantile(times, 0.5), unit: "ms of CPU", most: null },
    { figure: "a proof, p99", found: quantile(times, 0.99), unit: "ms of CPU", most: 5 },
  ];
}

function tampering(): Mark[] {
  const { folder } = writeLog(join(processes.folder, "small"), SMALL);
  const { missed } = mutateOften(folder, mutations, SEED, (done) => {
    tell("mutated", done, mutations);
  });
  const alarms = verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] }).damage.length;
  return [
    { figure: "random changes of a small log", found: mutations, unit: "", most: null },
    { figure: "of them not found where they were", found: missed.length, unit: "", most: 0 },
    { figure: "alarms on it untouched, afterwards", found: alarms, unit: "", most: 0 },
  ];
}

/** Microseconds, of all threads. */
function cpuSince(began: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(began);
  return user + system;
}

function tell(what: string, done: number, of: number): void {
  if (done !== of && done % TOLD_EACH !== 0) return;
  process.stderr.write(`\r${what} ${done} of ${of}  ${done === of ? "\n" : ""}`);
}
