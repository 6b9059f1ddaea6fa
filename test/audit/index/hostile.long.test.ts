/** What stands in an index's file is anybody's who can write there, and a disk's. */
import { closeSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import Sqlite from "better-sqlite3";
import { crc32 } from "node:zlib";
import type { RecordFilter, ShownRecord } from "../../../src/contract/index.js";
import { PARTS } from "../../../src/audit/index/block.js";
import { IndexUnfit } from "../../../src/audit/index/unfit.js";
import { OfflineIndex, lackingOf } from "../../../src/audit/index/offline.js";
import type { RecordIndex } from "../../../src/audit/index/record_index.js";
import { Folders, all, page, text } from "./asked.js";
import { OVERDUE_MS, bruteFilter } from "./brute.js";
import type { RandomLog } from "./random_log.js";

describe("the index of records, where something is wrong with it", function () {
  this.timeout(60_000);
  const folders = new Folders();
  const options = { overdue_ms: OVERDUE_MS, progress: (): void => undefined };
  afterEach(() => {
    folders.clear();
  });

  const file = (folder: string): string => join(folder, "index.db");
  const segmentsIn = (folder: string): string[] =>
    readdirSync(folder)
      .filter((name) => /^\d.*jsonl$/.test(name))
      .sort();

  /** An index of more than one block that was closed. */
  function closed(records = 4_500): { folder: string; log: RandomLog } {
    const made = folders.with(records);
    folders.close(folders.caughtUp(made.folder));
    return made;
  }

  function change(folder: string, act: (db: Sqlite.Database) => void): void {
    const db = new Sqlite(file(folder));
    act(db);
    db.close();
  }

  /** As the worker goes about it: what doesn't fit is made again. */
  function asked(folder: string, filters: readonly RecordFilter[], now_ms: number): { answers: number[][]; unfit: number } {
    let unfit = 0;
    for (;;) {
      const { index } = folders.open(folder);
      try {
        index.advance(Infinity, Infinity);
        return { answers: filters.map((filter) => all(index, filter, { now_ms })), unfit };
      } catch (cause) {
        expect(cause).to.be.instanceOf(IndexUnfit);
        expect(++unfit).to.be.below(3);
        folders.close(index);
        for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file(folder)}${suffix}`, { force: true });
      }
    }
  }

  const FILTERS: RecordFilter[] = [
    { agent: "support-7", verb: "read" },
    { resource_prefix: "acme/" },
    { reason: "large_refund", severity: "high" },
    { outcome: ["done"] },
    { outcome: ["missing"], proceed: true },
    { kind: ["facts"], key: "agent/billing-1" },
  ];

  const roots = ["terms", "sqlite_autoindex_terms_1", "blocks", "parts", "places", "outcomes", "besides", "log"];
  for (const root of roots) {
    it(`is made again where the disk has lost a page: the root of ${root}`, () => {
      const { folder, log } = closed();
      let at = 0;
      change(folder, (db) => {
        const page_size = db.pragma("page_size", { simple: true }) as number;
        const found = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").pluck().get(root) as number;
        at = (found - 1) * page_size;
      });
      const descriptor = openSync(file(folder), "r+");
      writeSync(descriptor, Buffer.alloc(4096, 0xa5), 0, 4096, at);
      closeSync(descriptor);
      const { answers } = asked(folder, FILTERS, log.now);
      expect(answers).to.deep.equal(FILTERS.map((filter) => bruteFilter(log.written, filter, log.now)));
    });
  }

  /** With the checksum that goes with it. */
  const part = (name: (typeof PARTS)[number], data: (before: Buffer) => Buffer) => (db: Sqlite.Database) => {
    const id = PARTS.indexOf(name);
    const after = data(db.prepare("SELECT data FROM parts WHERE id = ?").pluck().get(id) as Buffer);
    db.prepare("UPDATE parts SET data = ?, checksum = ? WHERE id = ?").run(after, crc32(after), id);
  };
  const shorter = (before: Buffer): Buffer => before.subarray(0, -1);
  const forged: [what: string, act: (db: Sqlite.Database) => void][] = [
    ["reasons that are no JSON", (db) => db.exec("UPDATE terms SET text = substr(text, 2) WHERE text LIKE '[[%'")],
    ["reasons that are something else", (db) => db.exec("UPDATE terms SET text = '7' || id WHERE text LIKE '[[%'")],
    ["a place beside that can't be", (db) => db.exec("UPDATE besides SET start = -5, length = -9")],
    ["a place beside that is no number of bytes", (db) => db.exec("UPDATE besides SET length = 9007199254740993")],
    ...(["kinds", "marks", "times", "valid", "offsets", "lengths", "ids", "agent", "reasons"] as const).map(
      (name): [string, (db: Sqlite.Database) => void] => [`${name} that are too short`, part(name, shorter)],
    ),
    ["no kinds", part("kinds", () => Buffer.alloc(0))],
    ["no agents", part("agent", () => Buffer.alloc(0))],
    ["more terms in a column than it has bytes", part("agent", (before) => Buffer.concat([Buffer.alloc(4, 0xff), before.subarray(4)]))],
    [
      "kinds and marks that there aren't",
      (db) => {
        for (const name of ["kinds", "marks"] as const) part(name, (before) => Buffer.alloc(before.length, 0xff))(db);
      },
    ],
    [
      "codes that a column hasn't",
      part("agent", (before) => {
        before.fill(0xff, 4 * (before.readUInt32LE(0) + 1));
        return before;
      }),
    ],
    ["how long answers were valid", part("valid", (before) => Buffer.alloc(before.length, 0xff))],
  ];
  for (const [what, act] of forged) {
    it(`is made again, or tells all the same, where it has ${what}`, () => {
      const { folder, log } = closed();
      change(folder, act);
      const { answers } = asked(folder, FILTERS, log.now);
      expect(answers).to.deep.equal(FILTERS.map((filter) => bruteFilter(log.written, filter, log.now)));
    });
  }

  describe("and lines of the log are missing, or aren't what was written", () => {
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
      it(`finds all other records, and each as itself, where one ${what}`, () => {
        const { folder, log } = folders.with(4_500, { segment_bytes: 400_000 });
        const [name = ""] = segmentsIn(folder);
        const lines = readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
        edit(lines)[what]?.();
        writeFileSync(join(folder, name), `${lines.join("\n")}\n`);
        const gone = lost[what] ?? [51];
        const left = log.written.filter(({ record }) => !gone.includes(record.seq));
        const index = folders.caughtUp(folder);
        expect(index.indexedTo).to.equal(log.last);
        const now_ms = log.now;
        const items = (order: "oldest" | "newest"): unknown[] =>
          page(index, {}, null, { order, limit: 200, now_ms }).items.map(({ record }) => record);
        const judged = bruteFilter(left, {}, now_ms);
        const records = judged.map((seq) => log.written[seq - 1]?.record);
        expect(items("oldest")).to.deep.equal(records.slice(0, 200));
        expect(items("newest")).to.deep.equal(records.reverse().slice(0, 200));
        for (const filter of [...FILTERS, {}]) expect(all(index, filter, { now_ms })).to.deep.equal(bruteFilter(left, filter, now_ms));
        for (const seq of [49, 50, 51, 52, 53, 60, 91]) {
          const shown = JSON.parse(text(index, { kind: "one", id: String(seq) }) ?? "null") as ShownRecord | null;
          expect(shown?.record ?? null).to.deep.equal(gone.includes(seq) ? null : log.written[seq - 1]?.record);
        }
        expect(lackingOf(index)).to.deep.equal(gone.length === 0 ? null : { records: gone.length, first: 51 });
      });
    }

    it("says what is lacking of a log of which a whole segment is", () => {
      const { folder } = folders.with(12_000, { segment_bytes: 3_000_000 });
      const [, gone = "", next = ""] = segmentsIn(folder);
      rmSync(join(folder, gone));
      const [first, end] = [gone, next].map((name) => parseInt(name, 10)) as [number, number];
      const index = folders.caughtUp(folder);
      expect(lackingOf(index)).to.deep.equal({ records: end - first, first });
      expect(all(index, {}).filter((seq) => seq >= first && seq < end)).to.deep.equal([]);
    });

    for (const records of [4_096, 4_500])
      it(`is made anew, from outside too, where it is of ${records} records that were all there`, () => {
        const { folder, log } = closed(records);
        const [name = ""] = segmentsIn(folder);
        const lines = readFileSync(join(folder, name), "utf8").split("\n");
        writeFileSync(join(folder, name), lines.toSpliced(50, 1).join("\n"));
        const left = log.written.filter(({ record }) => record.seq !== 51);
        const outside = new OfflineIndex(folder, options);
        if (records === 4_096) {
          expect(() => all(outside.index, {})).to.throw(IndexUnfit);
          outside.renew();
        }
        expect(all(outside.index, {})).to.deep.equal(bruteFilter(left, {}, 0));
        outside.close();
        expect(asked(folder, [{}], 0).answers).to.deep.equal([bruteFilter(left, {}, 0)]);
      });
  });

  describe("and the log's beginning was dropped beneath it", () => {
    function dropped(): { folder: string; log: RandomLog; index: RecordIndex; first: number } {
      const { folder, log } = folders.with(12_000, { segment_bytes: 400_000 });
      const index = folders.caughtUp(folder);
      const segments = segmentsIn(folder);
      const kept = segments[Math.floor(segments.length / 2)] ?? "";
      for (const name of segments) if (name < kept) rmSync(join(folder, name));
      return { folder, log, index, first: Number(kept.slice(0, 16)) };
    }
    const idOf = (log: RandomLog): string =>
      (log.written.find(({ record }) => record["kind"] === "decision")?.record["answer"] as { decision_id: string }).decision_id;

    it("says that there is no such decision, by its id and by its number", () => {
      const { folder, index, log } = dropped();
      const outside = new OfflineIndex(folder, options);
      for (const id of [idOf(log), "1"]) for (const of of [index, outside.index]) expect(text(of, { kind: "one", id })).to.equal(null);
      outside.close();
    });

    it("goes on with an outcome of a decision that was dropped", () => {
      const { folder, index, log } = dropped();
      log.add({ kind: "outcome", decision_id: idOf(log), outcome: "done", caller: "gateway-1" });
      index.advance(Infinity, Infinity);
      expect(index.indexedTo).to.equal(log.last);
      const outside = new OfflineIndex(folder, options);
      expect(outside.index.indexedTo).to.equal(log.last);
      outside.close();
    });

    it("tells of nothing new that its record isn't there to show", () => {
      const { folder, index, first } = dropped();
      const news = (of: RecordIndex): { seq: number; time: string }[] =>
        (
          JSON.parse(text(of, { kind: "new", from: -Infinity, to: Infinity, limit: 10_000 }) ?? "") as {
            items: { seq: number; time: string }[];
          }
        ).items;
      expect(news(index).filter(({ seq }) => seq < first)).to.deep.equal([]);
      folders.close(index);
      expect(news(folders.caughtUp(folder)).filter(({ time }) => time.startsWith("1970"))).to.deep.equal([]);
    });
  });

  describe("looked at from outside, while a service goes on", () => {
    it("follows the log over the end of a block", () => {
      const { folder, log } = closed();
      const offline = new OfflineIndex(folder, options);
      try {
        log.grow(9_000);
        offline.goOn();
        expect(offline.index.indexedTo).to.equal(log.last);
        for (const filter of FILTERS)
          expect(all(offline.index, filter, { now_ms: log.now })).to.deep.equal(bruteFilter(log.written, filter, log.now));
      } finally {
        offline.close();
      }
    });
  });
});
