import { copyFileSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import Sqlite from "better-sqlite3";
import type { RecordPage } from "../../../src/contract/index.js";
import { fromCursor } from "../../../src/audit/index/cursor.js";
import { Folders, all, page, text } from "./asked.js";
import { bruteFilter, randomFilter } from "./brute.js";
import { drawing } from "./random_log.js";

describe("the index of records", function () {
  this.timeout(60_000);
  const folders = new Folders();
  const folderWith: Folders["with"] = (records, options) => folders.with(records, options);
  const open: Folders["open"] = (folder, to) => folders.open(folder, to);
  const caughtUp: Folders["caughtUp"] = (folder, to) => folders.caughtUp(folder, to);

  afterEach(() => {
    folders.clear();
  });

  it("finds for any filter, in both orders, what reading every record finds", () => {
    const draw = drawing(42);
    for (const seed of [1, 2]) {
      const { folder, log } = folderWith(5_000, { seed });
      const index = caughtUp(folder);
      const span = log.now - Date.parse(log.written[0]?.record["time"] as string);
      let found = 0;
      for (let i = 0; i < 50; i++) {
        const filter = randomFilter(draw, span);
        const now_ms = log.now - draw.below(span);
        const expected = bruteFilter(log.written, filter, now_ms);
        const limit = draw.of([7, 100, 1000]);
        expect(all(index, filter, { limit, now_ms }), JSON.stringify(filter)).to.deep.equal(expected);
        expect(all(index, filter, { limit, now_ms, order: "newest" })).to.deep.equal([...expected].reverse());
        found += expected.length;
      }
      expect(found).to.be.above(2_000);
    }
  });

  it("answers alike however it came to be: followed a few records at a time, stopped and begun again, or made at once", () => {
    const { folder, log } = folderWith(0, { segment_bytes: 30_000 });
    const draw = drawing(5);
    while (log.last < 9_000) {
      const index = open(folder, log.last).index;
      for (let i = draw.below(8); i >= 0; i--) {
        log.grow(draw.below(700));
        while (index.advance(log.last, 1 + draw.below(200)));
      }
      folders.close(index);
    }
    const followed = caughtUp(folder);
    const other = folders.make();
    for (const name of readdirSync(folder).filter((file) => !file.startsWith("index"))) copyFileSync(join(folder, name), join(other, name));
    const rebuilt = caughtUp(other);
    expect(followed.indexedTo).to.equal(log.last);
    for (let i = 0; i < 12; i++) {
      const filter = randomFilter(draw, log.now - Date.UTC(2026, 10, 25));
      expect(all(followed, filter)).to.deep.equal(all(rebuilt, filter));
      for (const by of [["agent"], ["rule", "verb"], ["task", "resource"], ["kind", "decision", "key"]] as const) {
        const ask = { kind: "summary", filter, by, limit: 1000 } as const;
        expect(text(followed, ask)).to.equal(text(rebuilt, ask));
      }
    }
    const stored = (at: string): unknown[] => {
      const db = new Sqlite(join(at, "index.db"), { readonly: true });
      const tables = ["log", "terms", "blocks", "parts", "places", "outcomes", "besides"];
      const rows = tables.map((table) => db.prepare(`SELECT * FROM ${table}`).all());
      db.close();
      return rows;
    };
    expect(stored(folder)).to.deep.equal(stored(other));
  });

  it("finds what is there, from anywhere on, whatever happened before: it grew, stopped, lost its beginning or its file", () => {
    const draw = drawing(11);
    const { folder, log } = folderWith(3_000, { segment_bytes: 150_000, seed: 3 });
    let [index, first, found] = [caughtUp(folder), 1, 0];
    const happens: Record<string, () => void> = {
      grew: () => log.grow(draw.below(3_000)),
      stopped: () => {
        folders.close(index);
        ({ index } = open(folder));
      },
      lost_beginning: () => {
        const segments = readdirSync(folder)
          .filter((name) => /^\d.*jsonl$/.test(name))
          .sort();
        const kept = segments[draw.below(Math.ceil(segments.length / 2))] ?? "";
        for (const name of segments)
          if (name < kept) for (const end of ["jsonl", "beside"]) rmSync(join(folder, name.replace("jsonl", end)), { force: true });
        first = Number(kept.slice(0, 16));
      },
      lost_file: () => {
        folders.close(index);
        for (const name of readdirSync(folder)) if (name.startsWith("index")) rmSync(join(folder, name));
        ({ index } = open(folder));
      },
    };
    const story = [
      "grew",
      "stopped",
      "grew",
      "lost_beginning",
      "grew",
      "stopped",
      "grew",
      "lost_beginning",
      "lost_file",
      "grew",
      "lost_beginning",
      "stopped",
      "lost_beginning",
      "stopped",
      "grew",
    ];
    for (const what of story) {
      happens[what]?.();
      while (index.advance(Infinity, 1 + draw.below(500)));
      expect(index.indexedTo).to.equal(log.last);
      const left = log.written.filter(({ record }) => record.seq >= first);
      for (let i = 0; i < 6; i++) {
        const filter = randomFilter(draw, log.now - Date.UTC(2026, 10, 25));
        const now_ms = log.now - draw.below(60_000);
        const after = first + draw.below(log.last - first);
        const expected = bruteFilter(left, filter, now_ms);
        for (const order of ["oldest", "newest"] as const) {
          const seqs: number[] = [];
          for (let at: number | null = after; at !== null;) {
            const { items, next }: RecordPage = page(index, filter, at, { order, limit: draw.of([3, 50, 1000]), now_ms });
            seqs.push(...items.map(({ seq }) => seq));
            at = next === null ? null : fromCursor(next);
          }
          const wanted = order === "oldest" ? expected.filter((seq) => seq > after) : expected.filter((seq) => seq < after).reverse();
          expect(seqs, `${what}: ${JSON.stringify(filter)} ${order} after ${after}`).to.deep.equal(wanted);
          found += seqs.length;
        }
      }
    }
    expect(found).to.be.above(5_000);
  });

  it("goes on where a log begins whose first segments were dropped, and finds nothing of them", () => {
    const { folder, log } = folderWith(12_000, { segment_bytes: 400_000 });
    const index = caughtUp(folder);
    const segments = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
    const kept = segments[Math.floor(segments.length / 2)] ?? "";
    for (const name of segments) if (name < kept) rmSync(join(folder, name));
    const first = Number(kept.slice(0, 16));
    const expected = log.written.map(({ record }) => record.seq).filter((seq) => seq >= first);
    expect(all(index, {})).to.deep.equal(expected);
    const other = folders.make();
    for (const name of readdirSync(folder).filter((file) => !file.startsWith("index"))) copyFileSync(join(folder, name), join(other, name));
    const anew = caughtUp(other);
    expect(all(anew, {})).to.deep.equal(expected);
    expect(all(anew, { agent: "support-7" })).to.deep.equal(all(index, { agent: "support-7" }));
    expect(index.outlives).to.equal(true);
  });

  it("finds what a term has on both sides of where a stretch of blocks ends, whether or not it is settled", () => {
    const first = 31 * 4096 - 1000;
    const { folder, log } = folderWith(10_000, { first });
    const index = open(folder).index;
    const wanted = [{ agent: "support-7" }, { verb: "read", reason: "large_refund" }, { resource_prefix: "acme/" }];
    const expected = wanted.map((filter) => bruteFilter(log.written, filter, 0));
    expect(index.advance(Infinity, 9_999)).to.equal(true);
    for (const [i, filter] of wanted.entries()) {
      const before = (expected[i] ?? []).filter((seq) => seq < log.last);
      expect(all(index, filter)).to.deep.equal(before);
    }
    folders.close(index);
    const again = caughtUp(folder);
    for (const [i, filter] of wanted.entries()) {
      expect(all(again, filter)).to.deep.equal(expected[i]);
      expect(all(again, filter, { order: "newest" })).to.deep.equal(expected[i]?.toReversed());
    }
  });

  it("keeps nothing of records that were dropped, once it is opened again", () => {
    const { folder, log } = folderWith(0, { segment_bytes: 400_000 });
    const secret = log.decide({}, {}, { task: "T-secret-1", resource: { type: "note", id: "patient-4711" } });
    log.grow(3_000);
    log.decide({}, {}, { resource: { type: "note", id: "patient-4712" } });
    log.grow(9_000);
    folders.close(caughtUp(folder));
    const segments = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
    const kept = segments.find((name) => Number(name.slice(0, 16)) > 5_000) ?? "";
    for (const name of segments) if (name < kept) rmSync(join(folder, name));
    const holds = (text: string): boolean =>
      readdirSync(folder).some((name) => name.startsWith("index.db") && readFileSync(join(folder, name)).includes(text));
    expect([holds("patient-4711"), holds("patient-4712")]).to.deep.equal([true, true]);
    const { index, unfit } = open(folder);
    expect([unfit, index.outlives]).to.deep.equal([null, false]);
    expect([holds("patient-4711"), holds("T-secret-1"), holds("patient-4712")]).to.deep.equal([false, false, false]);
    index.advance(Infinity, Infinity);
    const first = Number(kept.slice(0, 16));
    const left = log.written.filter(({ record }) => record.seq >= first);
    const draw = drawing(3);
    for (let i = 0; i < 20; i++) {
      const filter = randomFilter(draw, log.now - Date.UTC(2026, 10, 25));
      if (filter.outcome !== undefined) continue;
      expect(all(index, filter), JSON.stringify(filter)).to.deep.equal(bruteFilter(left, filter, 0));
    }
    expect(text(index, { kind: "one", id: secret.id })).to.equal(null);
  });
});
