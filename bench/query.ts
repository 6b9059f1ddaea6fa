/**
 * Searching many records: what it takes to make their files, what those take of the disk, how soon they are there at a start, and what
 * the questions take that people ask, in CPU time over all threads, each asked so often with other values.
 *
 * A million records take 1.2 GB of the temporary folder.
 */
import { closeSync, mkdirSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { segmentName } from "../src/audit/log/segments.js";
import { RECORD_VERSION, canonical, type RecordFilter } from "../src/contract/index.js";
import { TooDear } from "../src/records/engine.js";
import { asked as askedOf, type RecordQuestion } from "../src/records/ask.js";
import { openTable, takeAll } from "../src/records/table_opening.js";
import { PARQUET_FOLDER } from "../src/records/parquet.js";
import type { RecordTable } from "../src/records/table.js";
import { drawing } from "../test/records/random_log.js";
import { decisionRecord } from "../test/audit/tree/written.js";
import { judge, quantile, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const { records, each, json } = readOptions("query", {
  about: "Measures indexing and searching many records. A million records take 1.2 GB of the temporary folder.",
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
  const building = await openTable(folder);
  const built = await cpuOf(() => takeAll(building.table, () => undefined));
  const rss = process.memoryUsage.rss();
  building.table.close();
  let opened = building;
  const began = performance.now();
  const begun = await cpuOf(async () => {
    opened = await openTable(folder);
    await takeAll(opened.table, () => undefined);
  });
  const begun_ms = performance.now() - began;
  const files = join(folder, PARQUET_FOLDER);
  const size = readdirSync(files).reduce((sum, name) => sum + statSync(join(files, name)).size, 0);
  const shown = (figure: string, found: number, unit: string): Mark => ({ figure, found, unit, most: null });
  judge(
    [
      shown("records", records, ""),
      shown("bytes a record, in the log", bytes / records, "B"),
      shown("bytes a record, in the files", size / records, "B"),
      { figure: "CPU a record, until its file is there", found: built / records, unit: "µs", most: 4 },
      shown("RSS when it was made", rss / MB, "MB"),
      { figure: "a start with the files there, until all is found: CPU", found: begun / 1000, unit: "ms", most: 2000 },
      shown("a start with the files there, until all is found: time", begun_ms, "ms"),
      ...(await questions(opened.table)),
      shown("RSS after the questions", process.memoryUsage.rss() / MB, "MB"),
    ],
    json,
  );
  opened.table.close();
} finally {
  await processes.stopAll();
}

/** Nine in ten are decisions, the others say what became of one. */
function write(folder: string): number {
  const draw = drawing(1);
  const decision = decisionLine();
  const outcome = template({
    kind: "outcome",
    v: RECORD_VERSION,
    seq: "@seq",
    time: "@time",
    caller: "pep-1",
    decision_id: "@decision_id",
    outcome: "done",
    took_ms: 12,
  });
  let [file, offset, bytes] = [0, SEGMENT_BYTES, 0];
  for (let first = 1; first <= records; first += CHUNK_RECORDS) {
    const lines: string[] = [];
    for (let seq = first; seq < first + CHUNK_RECORDS && seq <= records; seq++) {
      const time = new Date(BEGIN_MS + seq * APART_MS).toISOString();
      if (seq % 10 === 0) {
        const before = seq - seq / 10;
        lines.push(outcome({ seq, time, decision_id: decisionId(before - 1 - draw.below(Math.min(before, 500))) }));
        continue;
      }
      const denied = draw.below(20) === 0;
      lines.push(
        decision({
          seq,
          time,
          decision_id: decisionId(seq - 1 - Math.floor(seq / 10)),
          decision: denied ? "deny" : "allow",
          proceed: !denied,
          code: denied ? draw.of(RULES) : "permitted",
          severity: denied ? draw.of(SEVERITIES) : "info",
          agent: `agent-${draw.below(AGENTS)}`,
          task: `T-${draw.below(TASKS)}`,
          purpose: draw.of(PURPOSES),
          verb: draw.of(VERBS),
          type: draw.of(TYPES),
          id: `eu/${draw.below(50)}/R-${draw.below(RESOURCES)}`,
          caller: `pep-${draw.below(12)}`,
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

type Line = (values: Readonly<Record<string, string | number | boolean>>) => string;

function decisionLine(): Line {
  const sample = decisionRecord(2);
  const request = {
    ...(sample.input?.["request"] as object),
    ...{ agent: "@agent", task: "@task", purpose: "@purpose", verb: "@verb" },
    resource: { type: "@type", id: "@id", attributes: {} },
  };
  const reasons = [{ effect: "@decision", message: "as the policy says", params: {}, code: "@code", severity: "@severity" }];
  const answer = { ...sample.answer, decision: "@decision", decision_id: "@decision_id", proceed: "@proceed", reasons };
  const input = { ...sample.input, request };
  return template({ ...sample, seq: "@seq", time: "@time", asked: "@time", caller: "@caller", answer, input });
}

/** A record's line of which some values are filled in: making each whole would take as long as all that is measured. */
function template(record: object): Line {
  const parts = canonical(record).split(/"@(\w+)"/);
  return (values) => parts.map((part, i) => (i % 2 === 0 ? part : JSON.stringify(values[part]))).join("");
}

/** Of the decision that so many came before. */
function decisionId(before: number): string {
  const seq = before + 1 + Math.floor(before / 9);
  const hex = (BEGIN_MS + seq * APART_MS).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${seq.toString(16).padStart(12, "0")}`;
}

async function questions(table: RecordTable): Promise<Mark[]> {
  const draw = drawing(2);
  const decisions = records - Math.floor(records / 10);
  const end = BEGIN_MS + records * APART_MS;
  const page = (filter: RecordFilter, order: "newest" | "oldest" = "newest"): RecordQuestion => ({
    kind: "page",
    filter,
    order,
    after: null,
    limit: 100,
  });
  const counted = (filter: RecordFilter, by: readonly ("agent" | "purpose" | "verb" | "decision" | "rule")[]): RecordQuestion => ({
    kind: "summary",
    filter,
    by,
    limit: 100,
  });
  const agent = (): string => `agent-${draw.below(AGENTS)}`;
  const resource = (): string => `eu/${draw.below(50)}/R-${draw.below(RESOURCES)}`;
  const from = (): number => BEGIN_MS + draw.below(records * APART_MS);
  const asked: [what: string, ask: () => RecordQuestion, most: number, once?: true][] = [
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
  const marks: Mark[] = [];
  for (const [what, ask, most, once] of asked) {
    const times: number[] = [];
    for (let i = 0; i < (once === true ? Math.ceil(each / 20) : each); i++) {
      const question = ask();
      const now = { now_ms: end + 3_600_000, overdue_ms: 60_000 };
      try {
        times.push(await cpuOf(() => askedOf(table, now, (query) => query.answer(question))));
      } catch (cause) {
        // On a busy machine a question may take longer than it may: that is found of it.
        if (!(cause instanceof TooDear)) throw cause;
        times.push(Infinity);
      }
    }
    process.stderr.write(`${what}\n`);
    marks.push(
      { figure: `${what}: median`, found: quantile(times, 0.5) / 1000, unit: "ms", most: null },
      { figure: `${what}: 99 %`, found: quantile(times, 0.99) / 1000, unit: "ms", most: once === true ? most * millions : most },
    );
  }
  return marks;
}

/** Microseconds of CPU over all threads. */
async function cpuOf(act: () => Promise<unknown>): Promise<number> {
  const began = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(began);
  return user + system;
}
