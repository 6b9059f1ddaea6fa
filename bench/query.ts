/**
 * Searching many records: what it takes to index them, what the index takes of the disk, how soon it is there at a start, and what
 * the questions take that people ask, in CPU time of the one thread that answers them, each asked so often with other values.
 *
 * A million records take 1.5 GB of the temporary folder.
 */
import { closeSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { answer, type Ask } from "../src/audit/index/ask.js";
import { INDEX_FILE } from "../src/audit/index/file.js";
import type { RecordIndex } from "../src/audit/index/record_index.js";
import { openIndex } from "../src/audit/index/serve.js";
import { segmentName } from "../src/audit/segments.js";
import { RECORD_VERSION, canonical, type RecordFilter } from "../src/contract/index.js";
import { drawing } from "../test/audit/index/random_log.js";
import { decisionRecord } from "../test/audit/tree/written.js";
import { judge, quantile, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const { records, each, json } = readOptions("query", {
  about: "Measures indexing and searching many records. A million records take 1.5 GB of the temporary folder.",
  options: {
    records: { says: "records", default: 1_000_000, least: 1 },
    each: { says: "times that each question is asked", default: 200, least: 1 },
    json: AS_JSON,
  },
  examples: ["--records 100000", "--each 20 --json"],
});

/** What looks at every record may take as long for each million. */
const millions = Math.max(1, records / 1_000_000);

const SEGMENT_BYTES = 64 * 1024 * 1024;
const CHUNK_RECORDS = 1000;
const RECORDS_AT_ONCE = 256;
const BEGIN_MS = Date.UTC(2026, 10, 1);
/** A million records are about two days of one busy service. */
const APART_MS = 173;
const AGENTS = 300;
const TASKS = Math.ceil(records / 20);
const RESOURCES = Math.ceil(records / 5);
const PURPOSES = ["customer_support", "billing", "retention", "research", "operations"];
const VERBS = ["read", "search", "update", "create", "send", "delete", "export"];
const TYPES = ["invoice", "ticket", "customer", "payment_method", "message", "document"];
const RULES = Array.from({ length: 40 }, (_, i) => `rule_${i}`);
const SEVERITIES = ["low", "low", "low", "medium", "medium", "high", "critical"];
const MB = 1024 * 1024;

const processes = new Processes();
try {
  const folder = join(processes.folder, "log");
  mkdirSync(folder);
  const bytes = write(folder);
  const file = join(folder, INDEX_FILE);
  const options = { folder, file, overdue_ms: 60_000 };
  const building = openIndex(options).opened;
  const built = cpuOf(() => {
    while (building.advance(Infinity, RECORDS_AT_ONCE));
  });
  const rss = process.memoryUsage().rss;
  building.close();
  const { opened: index } = openIndex(options);
  const begun = cpuOf(() => {
    while (index.advance(Infinity, RECORDS_AT_ONCE));
  });
  const shown = (figure: string, found: number, unit: string): Mark => ({ figure, found, unit, most: null });
  judge(
    [
      shown("records", records, ""),
      shown("bytes a record, in the log", bytes / records, "B"),
      shown("bytes a record, in the index", statSync(file).size / records, "B"),
      { ...shown("indexed", records / (built / 1e6), "records/s of CPU"), least: 25_000 },
      shown("RSS when it was made", rss / MB, "MB"),
      { figure: "a start with the index there, until all is found", found: begun / 1000, unit: "ms", most: 1000 },
      ...questions(index),
    ],
    json,
  );
  index.close();
} finally {
  await processes.stopAll();
}

/** Nine in ten are decisions, the others say what became of one. */
function write(folder: string): number {
  const draw = drawing(1);
  const sample = decisionRecord(2);
  let [file, offset, bytes] = [0, SEGMENT_BYTES, 0];
  for (let first = 1; first <= records; first += CHUNK_RECORDS) {
    const lines: string[] = [];
    for (let seq = first; seq < first + CHUNK_RECORDS && seq <= records; seq++) {
      const ms = BEGIN_MS + seq * APART_MS;
      const time = new Date(ms).toISOString();
      if (seq % 10 === 0) {
        const before = seq - seq / 10;
        const decision_id = decisionId(before - 1 - draw.below(Math.min(before, 500)));
        lines.push(
          canonical({ kind: "outcome", v: RECORD_VERSION, seq, time, caller: "pep-1", decision_id, outcome: "done", took_ms: 12 }),
        );
        continue;
      }
      const decision_id = decisionId(seq - 1 - Math.floor(seq / 10));
      const denied = draw.below(20) === 0;
      const decision = denied ? "deny" : "allow";
      const reason = denied ? { code: draw.of(RULES), severity: draw.of(SEVERITIES) } : { code: "permitted", severity: "info" };
      const [agent, task] = [`agent-${draw.below(AGENTS)}`, `T-${draw.below(TASKS)}`];
      const request = {
        ...(sample.input?.["request"] as object),
        ...{ agent, task, purpose: draw.of(PURPOSES), verb: draw.of(VERBS) },
        resource: { type: draw.of(TYPES), id: `eu/${draw.below(50)}/R-${draw.below(RESOURCES)}`, attributes: {} },
      };
      const reasons = [{ effect: decision, message: "as the policy says", params: {}, ...reason }];
      const said = { ...sample.answer, decision, decision_id, proceed: !denied, reasons };
      lines.push(
        canonical({
          ...sample,
          seq,
          time,
          asked: time,
          answer: said,
          caller: `pep-${draw.below(12)}`,
          input: { ...sample.input, request },
        }),
      );
    }
    if (offset >= SEGMENT_BYTES) {
      if (file !== 0) closeSync(file);
      file = openSync(join(folder, segmentName(first)), "w");
      offset = 0;
    }
    const written = writeSync(file, `${lines.join("\n")}\n`);
    offset += written;
    bytes += written;
    if (first % 50_000 === 1) process.stderr.write(`\rrecords written: ${first - 1}  `);
  }
  closeSync(file);
  process.stderr.write("\n");
  return bytes;
}

/** Of the decision that so many came before. */
function decisionId(before: number): string {
  const seq = before + 1 + Math.floor(before / 9);
  const hex = (BEGIN_MS + seq * APART_MS).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${seq.toString(16).padStart(12, "0")}`;
}

function questions(index: RecordIndex): Mark[] {
  const draw = drawing(2);
  const decisions = records - Math.floor(records / 10);
  const end = BEGIN_MS + records * APART_MS;
  const page = (filter: RecordFilter, order: "newest" | "oldest" = "newest"): Ask => ({
    kind: "page",
    filter,
    order,
    after: null,
    limit: 100,
  });
  const counted = (filter: RecordFilter, by: readonly ("agent" | "purpose" | "verb" | "decision" | "rule")[]): Ask => ({
    kind: "summary",
    filter,
    by,
    limit: 100,
  });
  const agent = (): string => `agent-${draw.below(AGENTS)}`;
  const resource = (): string => `eu/${draw.below(50)}/R-${draw.below(RESOURCES)}`;
  const from = (): number => BEGIN_MS + draw.below(records * APART_MS);
  const asked: [what: string, ask: () => Ask, most: number, once?: true][] = [
    ["one decision, by its id", () => ({ kind: "one", id: decisionId(draw.below(decisions)) }), 20],
    ["100 records of an agent", () => page({ agent: agent() }), 250],
    ["a task from its beginning", () => page({ task: `T-${draw.below(TASKS)}` }, "oldest"), 250],
    ["who touched a resource", () => counted({ resource: resource() }, ["agent", "purpose", "verb", "decision"]), 50],
    ["100 of an agent, denied by one rule", () => page({ agent: agent(), decision: ["deny"], reason: draw.of(RULES) }), 250],
    ["100 critical ones with one verb", () => page({ severity: "critical", verb: draw.of(VERBS) }), 250],
    ["100 whose id has a prefix", () => page({ resource_prefix: `eu/${draw.below(50)}/R-${draw.below(1000)}` }), 250],
    ["100 from some hour on", () => page({ from: from(), caller: `pep-${draw.below(12)}` }, "oldest"), 250],
    ["100 without outcome", () => page({ kind: ["decision"], outcome: ["missing"] }), 250],
    ["what matches nothing", () => page({ agent: agent(), verb: "erase" }), 20],
    ["what was denied by which rule, of a day", () => counted({ decision: ["deny"], from: end - 86_400_000 }, ["rule"]), 500],
    ["what was denied by which rule, of all", () => counted({ decision: ["deny"] }, ["rule"]), 2000, true],
    ["all, by agent, verb and decision", () => counted({}, ["agent", "verb", "decision"]), 5000, true],
    ["what is new since a day ago", () => ({ kind: "new", from: end - 86_400_000, to: Infinity, limit: 100 }), 250],
  ];
  return asked.flatMap(([what, ask, most, once]) => {
    const times = Array.from({ length: once === true ? Math.ceil(each / 20) : each }, () => {
      const question = ask();
      return cpuOf(() => {
        const steps = answer(index, question, index.indexedTo, end + 3_600_000);
        while (steps.next().done !== true);
      });
    });
    process.stderr.write(`${what}\n`);
    return [
      { figure: `${what}: median`, found: quantile(times, 0.5) / 1000, unit: "ms", most: null },
      { figure: `${what}: 99 %`, found: quantile(times, 0.99) / 1000, unit: "ms", most: once === true ? most * millions : most },
    ];
  });
}

/** Microseconds. */
function cpuOf(act: () => void): number {
  const began = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(began);
  return user + system;
}
