/** What stands in an index's file is anybody's who can write there, and a disk's. */
import { closeSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync, writeSync, existsSync } from "node:fs";
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
import { LineTooLong } from "../../../src/audit/reading.js";
import { segmentName } from "../../../src/audit/segments.js";

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

  const claims: [what: string, sql: string, told: "missing" | "nothing"][] = [
    ["was done, says a record that is no outcome", "INSERT INTO outcomes VALUES (:decision, :done, 1)", "nothing"],
    ["was done, says the outcome of another", "INSERT INTO outcomes VALUES (:decision, :other, 1)", "nothing"],
    ["failed, says a record that it was done", "UPDATE outcomes SET outcome = 2 WHERE seq = :other", "nothing"],
    ["was done, says a record that there isn't", "INSERT INTO outcomes VALUES (:decision, 999999, 1)", "missing"],
  ];

  for (const [what, sql, told] of claims) {
    it(`tells no outcome that no record says, where the index says that an action ${what}`, () => {
      const { folder, log } = folders.with(50);
      const { seq: decision } = log.decide({}, { decision: "allow", proceed: true });
      const { seq: done, id } = log.decide({}, { decision: "allow", proceed: true });
      const other = log.add({ kind: "outcome", decision_id: id, outcome: "done", caller: "gateway-1" });
      log.grow(4_500);
      folders.close(folders.caughtUp(folder));
      const before = folders.caughtUp(folder);
      const now_ms = log.now + 10 * 60_000;
      const shown = (of: RecordIndex, seq: number): unknown =>
        (JSON.parse(text(of, { kind: "one", id: String(seq) }, now_ms) ?? "") as ShownRecord).outcome;
      expect([shown(before, decision), shown(before, done)]).to.deep.equal(["missing", "done"]);
      folders.close(before);
      change(folder, (db) => {
        const given = Object.entries({ decision, done, other }).filter(([name]) => sql.includes(`:${name}`));
        expect(db.prepare(sql).run(Object.fromEntries(given)).changes).to.equal(1);
      });
      const index = folders.caughtUp(folder);
      const about = sql.includes(":decision") ? decision : done;
      if (told === "missing") expect(shown(index, about)).to.equal("missing");
      else {
        expect(() => shown(index, about)).to.throw(IndexUnfit);
        expect(() => all(index, { outcome: ["done", "failed"] }, { now_ms })).to.throw(IndexUnfit);
      }
    });
  }

  it("shows no part of a record as a record", () => {
    const { folder, log } = folders.with(100);
    const inner = { kind: "decision", seq: 4, time: "2026-11-25T00:00:00.000Z", caller: "nobody", answer: { decision: "allow" } };
    const outer = log.add({ kind: "admin", action: "export", caller: "file", detail: { inner } });
    log.grow(4_500);
    folders.close(folders.caughtUp(folder));
    const line = JSON.stringify(log.written[outer - 1]?.record);
    const within = /\{[^{]*"answer":\{"decision":"allow"\}.*?\}/.exec(line);
    const index = folders.caughtUp(folder);
    expect(within).not.to.equal(null);
    const { offset } = placeIn(folder, outer, line.length);
    folders.close(index);
    change(folder, (db) => {
      for (const [name, value] of [
        ["offsets", offset + (within?.index ?? 0)],
        ["lengths", within?.[0].length ?? 0],
      ] as const) {
        const id = PARTS.indexOf(name);
        const data = db.prepare("SELECT data FROM parts WHERE id = ?").pluck().get(id) as Buffer;
        data.writeUInt32LE(value, 4 * 3);
        db.prepare("UPDATE parts SET data = ?, checksum = ? WHERE id = ?").run(data, crc32(data), id);
      }
    });
    const again = folders.caughtUp(folder);
    expect(() => text(again, { kind: "one", id: "4" })).to.throw(IndexUnfit);
  });

  /** Where a record stands, as the index has it. */
  function placeIn(folder: string, seq: number, length: number): { offset: number } {
    const db = new Sqlite(file(folder), { readonly: true });
    const read = (name: "offsets" | "lengths"): number =>
      (db.prepare("SELECT data FROM parts WHERE id = ?").pluck().get(PARTS.indexOf(name)) as Buffer).readUInt32LE(4 * (seq - 1));
    expect(read("lengths")).to.equal(length);
    const offset = read("offsets");
    db.close();
    return { offset };
  }

  it("shows a record without what stood beside it, and that it lacks it, once that file is gone, and finds it by nothing in there", () => {
    const { folder, log } = folders.with(3);
    const facts = { kind: "facts", caller: "registrar", change: "agent_created", facts_revision: 3, reason: null };
    const seq = log.add(facts, { agent: { id: "large" } });
    log.grow(4_500);
    folders.close(folders.caughtUp(folder));
    for (const name of readdirSync(folder)) if (name.endsWith(".beside")) rmSync(join(folder, name));
    const index = folders.caughtUp(folder);
    const shown = JSON.parse(text(index, { kind: "one", id: String(seq) }) ?? "null") as ShownRecord | null;
    expect(shown).to.deep.include({ seq, beside: null, beside_missing: true });
    expect(() => all(index, { key: "agent/large" })).to.throw(IndexUnfit);
    folders.close(index);
    expect(asked(folder, [{ key: "agent/large" }], 0).answers).to.deep.equal([[]]);
  });

  describe("and lines of the log are missing, or aren't what was written", () => {
    const renumber = (folder: string, seqs: readonly number[], to: (seq: number) => number): void => {
      for (const name of segmentsIn(folder)) {
        const lines = readFileSync(join(folder, name), "utf8").split("\n");
        const altered = lines.map((line) =>
          line.replace(/"seq":(\d+)/, (all, seq: string) => (seqs.includes(Number(seq)) ? `"seq":${to(Number(seq))}` : all)),
        );
        writeFileSync(join(folder, name), altered.join("\n"));
      }
    };

    for (const [what, seqs] of [
      ["the last one's", [4_500]],
      ["the last two", [4_499, 4_500]],
    ] as const) {
      it(`finds all others, and comes to an end, where of the log's numbers ${what} can't be`, () => {
        const { folder, log } = folders.with(4_500, { segment_bytes: 400_000 });
        renumber(folder, seqs, (seq) => Number.MAX_SAFE_INTEGER - 4_500 + seq);
        const left = log.written.filter(({ record }) => !(seqs as readonly number[]).includes(record.seq));
        const index = folders.caughtUp(folder);
        expect([index.indexedTo, lackingOf(index)]).to.deep.equal([4_500 - seqs.length, null]);
        expect(all(index, {})).to.deep.equal(bruteFilter(left, {}, 0));
        log.grow(20);
        index.advance(Infinity, Infinity);
        expect(index.indexedTo).to.equal(log.last);
        expect(lackingOf(index)).to.deep.equal({ records: seqs.length, first: seqs[0] });
      });
    }

    it("finds all others where several in a row say numbers that are far behind", () => {
      const { folder, log } = folders.with(200);
      const gone = [50, 51, 52, 53, 54];
      renumber(folder, gone, (seq) => seq + 900);
      const index = folders.caughtUp(folder, log.last);
      expect(index.indexedTo).to.equal(log.last);
      expect(all(index, {})).to.deep.equal(
        bruteFilter(
          log.written.filter(({ record }) => !gone.includes(record.seq)),
          {},
          0,
        ),
      );
      expect(lackingOf(index)).to.deep.equal({ records: 5, first: 50 });
    });

    it("finds what is between a line that is missing and one that no record is as long as", () => {
      const { folder } = folders.with(200);
      const path = join(folder, segmentsIn(folder)[0] ?? "");
      const lines = readFileSync(path, "utf8").split("\n");
      writeFileSync(path, lines.toSpliced(60, 0, "x".repeat(3_000_000)).toSpliced(50, 1).join("\n"));
      const { index } = folders.open(folder);
      expect(() => index.advance(Infinity, Infinity)).to.throw(LineTooLong);
      expect([index.indexedTo, lackingOf(index)]).to.deep.equal([60, { records: 1, first: 51 }]);
    });

    it("finds all, and says what is lacking, where the next segment is further on than there are records anywhere", () => {
      const { folder, log } = folders.with(50);
      const seq = 2 ** 50;
      writeFileSync(join(folder, segmentName(seq)), `${JSON.stringify({ ...log.written[0]?.record, seq })}\n`);
      const index = folders.caughtUp(folder);
      expect([index.indexedTo, lackingOf(index)]).to.deep.equal([seq, { records: seq - 51, first: 51 }]);
      for (const filter of [{}, { agent: "support-7" }]) {
        const found = bruteFilter(log.written, filter, 0);
        expect(all(index, filter)).to.deep.equal(found.includes(1) ? [...found, seq] : found);
      }
    });
  });

  describe("looked at from outside, while a service goes on", () => {
    it("tells each outcome and each novelty once, when the service has stored what was followed here", () => {
      const { folder, log } = closed(4_000);
      const { id, seq } = log.decide({}, {}, { agent: "late" });
      log.add({ kind: "outcome", decision_id: id, outcome: "done", caller: "gateway-1" });
      const offline = new OfflineIndex(folder, options);
      try {
        const { index } = offline;
        log.grow(200);
        folders.close(folders.caughtUp(folder));
        const shown = JSON.parse(text(index, { kind: "one", id: String(seq) }) ?? "") as ShownRecord;
        expect(shown.outcomes).to.have.lengthOf(1);
        const news = JSON.parse(text(index, { kind: "new", from: -Infinity, to: Infinity, limit: 1000 }) ?? "") as {
          items: { value: string }[];
        };
        expect(news.items.filter(({ value }) => value === "late")).to.have.lengthOf(1);
      } finally {
        offline.close();
      }
    });
  });

  it("leaves nothing there of a making anew that was broken off", () => {
    const { folder } = closed();
    const left = ["", "-wal", "-shm"].map((suffix) => `${file(folder)}.partial${suffix}`);
    for (const name of left) writeFileSync(name, "patient-4711");
    folders.open(folder);
    expect(left.filter((name) => existsSync(name))).to.deep.equal([]);
  });

  it("pages over what was dropped since without an end that isn't one", () => {
    const { folder, log } = folders.with(9_000, { segment_bytes: 400_000 });
    const index = folders.caughtUp(folder);
    const { next } = page(index, {}, null, { order: "oldest", limit: 10 });
    expect(next).to.be.a("string");
    const [gone = ""] = segmentsIn(folder);
    rmSync(join(folder, gone));
    const first = Number(segmentsIn(folder)[0]?.slice(0, 16));
    expect(page(index, {}, 10, { limit: 1 }).items[0]?.seq).to.equal(first);
    expect(page(index, {}, first, { order: "newest", limit: 1 })).to.deep.include({ items: [], next: null });
    expect(log.last).to.equal(index.indexedTo);
  });
});
