import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Histogram, RecordFilter, ShownRecord } from "../../src/contract/index.js";
import type { RecordQuestion } from "../../src/records/ask.js";
import { fromCursor } from "../../src/records/cursor.js";
import { Folders, all, page, text } from "./asked.js";
import { OVERDUE_MS, bruteFilter } from "./brute.js";

const FILTERS: RecordFilter[] = [
  { agent: "support-7", verb: "read" },
  { resource_prefix: "acme/" },
  { principal: "o'neill" },
  { principal: "ada", owner: "%", decision: ["deny"] },
  { reason: "large_refund", severity: "high" },
  { outcome: ["done"] },
  { outcome: ["missing"], proceed: true },
  { kind: ["facts"], key: "agent/billing-1" },
  { about: "policy" },
];

const segmentsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => /^\d.*jsonl$/.test(name))
    .sort();

describe("the records, asked", function () {
  const folders = new Folders();
  const folderWith: Folders["with"] = (records, options) => folders.with(records, options);
  const caughtUp: Folders["caughtUp"] = (folder, to) => folders.caughtUp(folder, to);

  afterEach(() => {
    folders.clear();
  });

  it("never reads beyond what is durable", async () => {
    const { folder } = folderWith(5_000);
    const index = await caughtUp(folder, 4_321);
    expect(index.indexedTo).to.equal(4_321);
    expect((await all(index, { kind: ["lost"] })).at(-1)).to.be.at.most(4_321);
  });

  it("pages stay where they were while records come in", async () => {
    const { folder, log } = folderWith(6_000);
    const index = await caughtUp(folder);
    const filter: RecordFilter = { kind: ["decision"], decision: ["deny"] };
    const expected = bruteFilter(log.written, filter, 0).reverse();
    const found: number[] = [];
    for (let after: number | null = null; ;) {
      const { items, next } = await page(index, filter, after, { order: "newest", limit: 50 });
      found.push(...items.map(({ seq }) => seq));
      if (next === null) break;
      after = fromCursor(next);
      log.grow(100);
      await index.advance(Infinity, Infinity);
    }
    expect(found).to.deep.equal(expected);
  });

  it("tells the last page, whether or not it is full", async () => {
    const { folder, log } = folderWith(0);
    for (let i = 0; i < 4; i++) log.decide({ caller: "gateway-9" });
    const index = await caughtUp(folder);
    const filter = { caller: "gateway-9" };
    expect((await page(index, filter, null, { limit: 4 })).next).to.equal(null);
    expect((await page(index, filter, null, { limit: 3 })).next).to.be.a("string");
    expect(await page(index, { caller: "nobody" }, null, {})).to.deep.equal({ items: [], next: null, indexed_to: 4 });
  });

  it("shows a record with all that was said of it, and what is beside it", async () => {
    const { folder, log } = folderWith(50);
    const { id, seq } = log.decide({}, { proceed: true, valid_for_ms: 100 });
    const index = await caughtUp(folder);
    const shown = async (asked: string, now_ms = log.now): Promise<ShownRecord | null> =>
      JSON.parse((await text(index, { kind: "one", id: asked }, now_ms)) ?? "null") as ShownRecord | null;
    expect(await shown(id)).to.deep.include({ seq, leaf: seq - 1, outcome: "pending", outcomes: [], beside: null });
    expect(await shown(id, log.now + 100 + OVERDUE_MS + 1)).to.include({ outcome: "missing" });
    log.add({ kind: "outcome", decision_id: id, outcome: "failed", caller: "gateway-1", detail: "no route" });
    log.add({ kind: "outcome", decision_id: id, outcome: "done", caller: "gateway-1" });
    await index.advance(Infinity, Infinity);
    expect(await shown(id)).to.include({ outcome: "done" });
    expect((await shown(id))?.outcomes.map(({ outcome }) => outcome)).to.deep.equal(["failed", "done"]);
    expect((await shown(String(seq)))?.seq).to.equal(seq);
    for (const { record, beside } of log.written.slice(0, 50)) {
      const found = await shown(String(record.seq));
      expect(found).to.deep.include({ record, beside });
    }
    for (const missing of ["0190a5e4-7c1a-7000-8000-000000000001", "999999", "nothing"]) expect(await shown(missing)).to.equal(null);
  });

  it("tells of many decisions at once who made each, in their order, and nothing of what it hasn't indexed", async () => {
    const { folder, log } = folderWith(40);
    const engine = { origin: "engine-1", seq: 7 };
    const [own, handedIn] = [log.decide({ caller: "gateway-7" }), log.decide({ caller: "application-1", engine })];
    const index = await caughtUp(folder);
    const later = log.decide({ caller: "gateway-8" });
    const ids = [later.id, handedIn.id, "0190a5e4-7c1a-7000-8000-000000000001", String(own.seq), own.id, own.id];
    const many = Array.from({ length: 50 }, () => ids).flat();
    const told = [null, { caller: "application-1", engine }, null, null, { caller: "gateway-7" }, { caller: "gateway-7" }];
    expect(JSON.parse((await text(index, { kind: "decided", ids: many })) ?? "")).to.deep.equal(
      Array.from({ length: 50 }, () => told).flat(),
    );
    expect(await text(index, { kind: "decided", ids: [] })).to.equal("[]");
  });

  it("counts by any fields, each rule of a record once", async () => {
    const { folder, log } = folderWith(9_000);
    const index = await caughtUp(folder);
    const summary = async (
      filter: RecordFilter,
      by: readonly never[],
    ): Promise<{ groups: { of: object; records: number }[]; records: number }> =>
      JSON.parse((await text(index, { kind: "summary", filter, by, limit: 1000 })) ?? "") as {
        groups: { of: object; records: number }[];
        records: number;
      };
    const filter: RecordFilter = { decision: ["deny"], agent: "support-7" };
    const expected = new Set(bruteFilter(log.written, filter, 0));
    const denied = log.written.filter(({ record }) => expected.has(record.seq));
    const count = (keysOf: (record: Record<string, unknown>) => Iterable<string>): Record<string, number> => {
      const counts: Record<string, number> = {};
      for (const { record } of denied) for (const key of keysOf(record)) counts[key] = (counts[key] ?? 0) + 1;
      return counts;
    };
    const byRule = await summary(filter, ["rule"] as never);
    expect(byRule.records).to.equal(denied.length);
    expect(Object.fromEntries(byRule.groups.map(({ of, records }) => [Object.values(of).join(" "), records]))).to.deep.equal(
      count((record) => {
        const { reasons } = record["answer"] as { reasons: { code: string; effect: string; severity: string }[] };
        return new Set(reasons.map(({ code, effect, severity }) => `${code} ${effect} ${severity}`));
      }),
    );
    const byCaller = await summary(filter, ["caller", "kind"] as never);
    expect(Object.fromEntries(byCaller.groups.map(({ of, records }) => [Object.values(of).join(" "), records]))).to.deep.equal(
      count((record) => [`${String(record["caller"])} ${String(record["kind"])}`]),
    );
    expect(byCaller.groups.map(({ records }) => records)).to.deep.equal(
      byCaller.groups.map(({ records }) => records).sort((a, b) => b - a),
    );
  });

  it("counts over time, by any two fields", async () => {
    const { folder, log } = folderWith(4_000, { segment_bytes: 500_000 });
    const index = await caughtUp(folder);
    const filter: RecordFilter = { agent: "support-7", kind: ["decision", "observed"] };
    const expected: Record<string, number> = {};
    const matching = new Set(bruteFilter(log.written, filter, 0));
    for (const { record } of log.written.filter(({ record: { seq } }) => matching.has(seq))) {
      const minute = new Date(Math.floor(Date.parse(String(record["time"])) / 60_000) * 60_000).toISOString();
      const key = [minute, (record["answer"] as { decision: string }).decision, record["caller"]].join(" ");
      expected[key] = (expected[key] ?? 0) + 1;
    }
    const ask: RecordQuestion = { kind: "histogram", filter, by: ["decision", "caller"], step: "minute" };
    const { counts, step_ms } = JSON.parse((await text(index, ask)) ?? "") as Histogram;
    expect(
      Object.fromEntries(counts.map(({ from, of, records }) => [[from, of["decision"], of["caller"]].join(" "), records])),
    ).to.deep.equal(expected);
    expect([step_ms, counts.map(({ from }) => from)]).to.deep.equal([60_000, counts.map(({ from }) => from).sort()]);
    for (const { of, records, allow, deny, flag } of counts) expect({ allow, deny, flag }[of["decision"] ?? ""]).to.equal(records);
    const alone = JSON.parse((await text(index, { ...ask, by: [], step: "day" })) ?? "") as Histogram;
    expect(alone.counts.reduce((sum, { records }) => sum + records, 0)).to.equal(matching.size);
  });

  it("tells what came up for the first time in a range, and nothing that was there before", async () => {
    const { folder, log } = folderWith(5_000);
    const from = log.now + 60_000;
    log.add({
      kind: "decision",
      time: new Date(from - 1).toISOString(),
      answer: {},
      input: { request: { agent: "early", purpose: "refunds", task: null, verb: "read", resource: { type: "note", id: "1" } } },
    });
    const added = log.add({
      kind: "decision",
      time: new Date(from).toISOString(),
      caller: "gateway-1",
      answer: { decision: "deny", reasons: [{ code: "brand_new", effect: "deny", severity: "high" }] },
      input: { request: { agent: "late", purpose: "refunds", task: null, verb: "read", resource: { type: "note", id: "1" } } },
    });
    const index = await caughtUp(folder);
    const { items } = JSON.parse((await text(index, { kind: "new", from, to: Infinity, limit: 100 })) ?? "") as {
      items: object[];
    };
    const time = new Date(from).toISOString();
    expect(items).to.have.deep.members([
      { field: "agent", value: "late", seq: added, time },
      { field: "rule", value: "brand_new", seq: added, time },
      { field: "habit", value: "late read note", seq: added, time },
    ]);
  });

  it("finds a fact that is too large for its record by its key", async () => {
    const { folder, log } = folderWith(3);
    const facts = { kind: "facts", caller: "registrar", change: "agent_created", facts_revision: 3, reason: null };
    const seq = log.add(facts, { agent: { id: "large", owner: "x".repeat(40_000) } });
    expect(await all(await caughtUp(folder), { key: "agent/large" })).to.deep.equal([seq]);
  });

  it("shows nothing beside a record but what it names", async () => {
    const { folder, log } = folderWith(3);
    const seq = log.add(
      { kind: "facts", caller: "registrar", change: "agent_created", facts_revision: 3, reason: null },
      { agent: { id: "large" } },
    );
    const index = await caughtUp(folder);
    const ask: RecordQuestion = { kind: "one", id: String(seq) };
    const found = { beside: { agent: { id: "large" } }, beside_missing: false };
    expect(JSON.parse((await text(index, ask)) ?? "")).to.deep.include(found);
    const beside = readdirSync(folder).find((name) => name.endsWith(".beside")) ?? "";
    const lines = readFileSync(join(folder, beside), "utf8");
    writeFileSync(join(folder, beside), lines.replace("large", "other"));
    expect(JSON.parse((await text(index, ask)) ?? "")).to.deep.include({ beside: null, beside_missing: true });
    expect(await all(index, { key: "agent/large" })).to.deep.equal([]);
  });

  it("finds what is left of a log with lines that are no records", async () => {
    const { folder, log } = folderWith(0);
    const good = [log.decide().seq, log.decide().seq];
    log.add({ kind: "strange" });
    log.add({ kind: "decision", answer: "yes", input: [1], caller: 7, time: "once" });
    good.push(log.decide().seq);
    const index = await caughtUp(folder);
    expect(await all(index, { kind: ["decision"], decision: ["allow", "deny", "flag"] })).to.deep.equal(good);
    expect(index.indexedTo).to.equal(5);
  });

  describe("of a log of which lines are missing, or aren't what was written", () => {
    const edit = (lines: string[]): Record<string, () => void> => ({
      "is missing": () => lines.splice(50, 1),
      "is missing, and others at every second place behind it": () => {
        for (const at of [50, 51, 52, 53]) lines.splice(at, 1);
      },
      "is no record": () => (lines[50] = "{"),
      "stands there twice": () => lines.splice(50, 0, lines[50] ?? ""),
      "is joined to the next": () => lines.splice(50, 2, lines.slice(50, 52).join("")),
      "has something before it that is no record": () => lines.splice(50, 0, "null"),
      "says a number that is far behind": () => (lines[50] = (lines[50] ?? "").replace('"seq":51', '"seq":91')),
      "says a number of another segment": () => (lines[50] = (lines[50] ?? "").replace('"seq":51', '"seq":4000')),
      "says a number that was before": () => (lines[50] = (lines[50] ?? "").replace('"seq":51', '"seq":7')),
    });
    const lost: Record<string, number[]> = {
      "is missing": [51],
      "is missing, and others at every second place behind it": [51, 53, 55, 57],
      "is joined to the next": [51, 52],
      "stands there twice": [],
      "has something before it that is no record": [],
    };
    for (const what of Object.keys(edit([]))) {
      it(`finds all other records, and each as itself, where one ${what}`, async () => {
        const { folder, log } = folders.with(4_500, { segment_bytes: 400_000 });
        const [name = ""] = segmentsIn(folder);
        const lines = readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
        edit(lines)[what]?.();
        writeFileSync(join(folder, name), `${lines.join("\n")}\n`);
        const gone = lost[what] ?? [51];
        const left = log.written.filter(({ record }) => !gone.includes(record.seq));
        const index = await folders.caughtUp(folder);
        expect(index.indexedTo).to.equal(log.last);
        const now_ms = log.now;
        const items = async (order: "oldest" | "newest"): Promise<unknown[]> =>
          (await page(index, {}, null, { order, limit: 200, now_ms })).items.map(({ record }) => record);
        const judged = bruteFilter(left, {}, now_ms);
        const records = judged.map((seq) => log.written[seq - 1]?.record);
        expect(await items("oldest")).to.deep.equal(records.slice(0, 200));
        expect(await items("newest")).to.deep.equal(records.reverse().slice(0, 200));
        for (const filter of [...FILTERS, {}])
          expect(await all(index, filter, { now_ms })).to.deep.equal(bruteFilter(left, filter, now_ms));
        for (const seq of [49, 50, 51, 52, 53, 60, 91]) {
          const shown = JSON.parse((await text(index, { kind: "one", id: String(seq) })) ?? "null") as ShownRecord | null;
          expect(shown?.record ?? null).to.deep.equal(gone.includes(seq) ? null : log.written[seq - 1]?.record);
        }
        expect(index.lacking()).to.deep.equal(gone.length === 0 ? null : { records: gone.length, first: 51 });
      });
    }

    it("says what is lacking of a log of which a whole segment is", async () => {
      const { folder } = folders.with(12_000, { segment_bytes: 3_000_000 });
      const [, gone = "", next = ""] = segmentsIn(folder);
      rmSync(join(folder, gone));
      const [first, end] = [gone, next].map((name) => parseInt(name, 10)) as [number, number];
      const index = await folders.caughtUp(folder);
      expect(index.lacking()).to.deep.equal({ records: end - first, first });
      expect((await all(index, {})).filter((seq) => seq >= first && seq < end)).to.deep.equal([]);
    });
  });
});
