import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import Sqlite from "better-sqlite3";
import type { RecordPage, RecordFilter, ShownRecord } from "../../../src/contract/index.js";
import { fromCursor } from "../../../src/audit/index/cursor.js";
import { Folders, all, page, text } from "./asked.js";
import { bruteFilter, randomFilter, OVERDUE_MS } from "./brute.js";
import { drawing, type RandomLog } from "./random_log.js";
import type { Ask } from "../../../src/audit/index/ask.js";
import { BlockBuilder, idKey, positionsOfId } from "../../../src/audit/index/block.js";
import { rowOf } from "../../../src/audit/index/row.js";
import { IndexUnfit } from "../../../src/audit/index/unfit.js";

function change(folder: string, sql: string): void {
  const db = new Sqlite(join(folder, "index.db"));
  db.exec(sql);
  db.close();
}

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

  it("takes no record that isn't a decision's for that of an id of zeros", () => {
    const { folder, log } = folderWith(0);
    for (let i = 0; i < 3; i++) log.add({ kind: "lost", count: 1 });
    const id = "00000000-0000-7000-0000-000000000000";
    const { seq } = log.decide({}, { decision_id: id });
    log.add({ kind: "lost", count: 1 });
    const block = new BlockBuilder(0, 0);
    for (const { record } of log.written) block.add(record.seq - 1, rowOf(record), { offset: 0, length: 1 }, () => 0);
    expect([...positionsOfId(block, idKey(id).bytes)]).to.deep.equal([seq - 1]);
    expect(caughtUp(folder).seqOf(id)).to.equal(seq);
  });

  it("never reads beyond what is durable", () => {
    const { folder } = folderWith(5_000);
    const index = caughtUp(folder, 4_321);
    expect(index.indexedTo).to.equal(4_321);
    expect(all(index, { kind: ["lost"] }).at(-1)).to.be.at.most(4_321);
  });

  it("pages stay where they were while records come in", () => {
    const { folder, log } = folderWith(6_000);
    const index = caughtUp(folder);
    const filter: RecordFilter = { kind: ["decision"], decision: ["deny"] };
    const expected = bruteFilter(log.written, filter, 0).reverse();
    const found: number[] = [];
    for (let after: number | null = null; ;) {
      const { items, next } = page(index, filter, after, { order: "newest", limit: 50 });
      found.push(...items.map(({ seq }) => seq));
      if (next === null) break;
      after = fromCursor(next);
      log.grow(100);
      index.advance(Infinity, Infinity);
    }
    expect(found).to.deep.equal(expected);
  });

  it("tells the last page, whether or not it is full", () => {
    const { folder, log } = folderWith(0);
    for (let i = 0; i < 4; i++) log.decide({ caller: "gateway-9" });
    const index = caughtUp(folder);
    const filter = { caller: "gateway-9" };
    expect(page(index, filter, null, { limit: 4 }).next).to.equal(null);
    expect(page(index, filter, null, { limit: 3 }).next).to.be.a("string");
    expect(page(index, { caller: "nobody" }, null, {})).to.deep.equal({ items: [], next: null, indexed_to: 4 });
  });

  it("shows a record with all that was said of it, and what is beside it", () => {
    const { folder, log } = folderWith(50);
    const { id, seq } = log.decide({}, { proceed: true, valid_for_ms: 100 });
    const index = caughtUp(folder);
    const shown = (asked: string, now_ms = log.now): ShownRecord | null =>
      JSON.parse(text(index, { kind: "one", id: asked }, now_ms) ?? "null") as ShownRecord | null;
    expect(shown(id)).to.deep.include({ seq, leaf: seq - 1, outcome: "pending", outcomes: [], beside: null });
    expect(shown(id, log.now + 100 + OVERDUE_MS + 1)).to.include({ outcome: "missing" });
    log.add({ kind: "outcome", decision_id: id, outcome: "failed", caller: "gateway-1", detail: "no route" });
    log.add({ kind: "outcome", decision_id: id, outcome: "done", caller: "gateway-1" });
    index.advance(Infinity, Infinity);
    expect(shown(id)).to.include({ outcome: "done" });
    expect(shown(id)?.outcomes.map(({ outcome }) => outcome)).to.deep.equal(["failed", "done"]);
    expect(shown(String(seq))?.seq).to.equal(seq);
    for (const { record, beside } of log.written.slice(0, 50)) {
      const found = shown(String(record.seq));
      expect(found).to.deep.include({ record, beside });
    }
    for (const missing of ["0190a5e4-7c1a-7000-8000-000000000001", "999999", "nothing"]) expect(shown(missing)).to.equal(null);
  });

  it("tells of many decisions at once who made each, in their order, and nothing of what it hasn't indexed", () => {
    const { folder, log } = folderWith(40);
    const engine = { origin: "engine-1", seq: 7 };
    const [own, handedIn] = [log.decide({ caller: "gateway-7" }), log.decide({ caller: "application-1", engine })];
    const index = caughtUp(folder);
    const later = log.decide({ caller: "gateway-8" });
    const ids = [later.id, handedIn.id, "0190a5e4-7c1a-7000-8000-000000000001", String(own.seq), own.id, own.id];
    const many = Array.from({ length: 50 }, () => ids).flat();
    const told = [null, { caller: "application-1", engine }, null, null, { caller: "gateway-7" }, { caller: "gateway-7" }];
    expect(JSON.parse(text(index, { kind: "decided", ids: many }) ?? "")).to.deep.equal(Array.from({ length: 50 }, () => told).flat());
    expect(text(index, { kind: "decided", ids: [] })).to.equal("[]");
  });

  it("counts by any fields, each rule of a record once", () => {
    const { folder, log } = folderWith(9_000);
    const index = caughtUp(folder);
    const summary = (filter: RecordFilter, by: readonly never[]): { groups: { of: object; records: number }[]; records: number } =>
      JSON.parse(text(index, { kind: "summary", filter, by, limit: 1000 }) ?? "") as {
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
    const byRule = summary(filter, ["rule"] as never);
    expect(byRule.records).to.equal(denied.length);
    expect(Object.fromEntries(byRule.groups.map(({ of, records }) => [Object.values(of).join(" "), records]))).to.deep.equal(
      count((record) => {
        const { reasons } = record["answer"] as { reasons: { code: string; effect: string; severity: string }[] };
        return new Set(reasons.map(({ code, effect, severity }) => `${code} ${effect} ${severity}`));
      }),
    );
    const byCaller = summary(filter, ["caller", "kind"] as never);
    expect(Object.fromEntries(byCaller.groups.map(({ of, records }) => [Object.values(of).join(" "), records]))).to.deep.equal(
      count((record) => [`${String(record["caller"])} ${String(record["kind"])}`]),
    );
    expect(byCaller.groups.map(({ records }) => records)).to.deep.equal(
      byCaller.groups.map(({ records }) => records).sort((a, b) => b - a),
    );
  });

  it("tells what came up for the first time in a range, and nothing that was there before", () => {
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
    const index = caughtUp(folder);
    const { items } = JSON.parse(text(index, { kind: "new", from, to: Infinity, limit: 100 }) ?? "") as {
      items: object[];
    };
    const time = new Date(from).toISOString();
    expect(items).to.have.deep.members([
      { field: "agent", value: "late", seq: added, time },
      { field: "rule", value: "brand_new", seq: added, time },
      { field: "habit", value: "late read note", seq: added, time },
    ]);
  });

  it("finds a fact that is too large for its record by its key", () => {
    const { folder, log } = folderWith(3);
    const facts = { kind: "facts", caller: "registrar", change: "agent_created", facts_revision: 3, reason: null };
    const seq = log.add(facts, { agent: { id: "large", owner: "x".repeat(40_000) } });
    expect(all(caughtUp(folder), { key: "agent/large" })).to.deep.equal([seq]);
  });

  it("shows nothing beside a record but what it names", () => {
    const { folder, log } = folderWith(3);
    const seq = log.add(
      { kind: "facts", caller: "registrar", change: "agent_created", facts_revision: 3, reason: null },
      { agent: { id: "large" } },
    );
    const index = caughtUp(folder);
    const ask: Ask = { kind: "one", id: String(seq) };
    const found = { beside: { agent: { id: "large" } }, beside_missing: false };
    expect(JSON.parse(text(index, ask) ?? "")).to.deep.include(found);
    const beside = readdirSync(folder).find((name) => name.endsWith(".beside")) ?? "";
    const lines = readFileSync(join(folder, beside), "utf8");
    writeFileSync(join(folder, beside), lines.replace("large", "other"));
    // What was found of it isn't there any more, so it isn't as the index says.
    expect(JSON.parse(text(index, ask) ?? "")).to.deep.include({ beside: null, beside_missing: true });
    expect(() => all(index, { key: "agent/large" })).to.throw(IndexUnfit);
  });

  it("finds what is left of a log with lines that are no records", () => {
    const { folder, log } = folderWith(0);
    const good = [log.decide().seq, log.decide().seq];
    log.add({ kind: "strange" });
    log.add({ kind: "decision", answer: "yes", input: [1], caller: 7, time: "once" });
    good.push(log.decide().seq);
    const index = caughtUp(folder);
    expect(all(index, { kind: ["decision"], decision: ["allow", "deny", "flag"] })).to.deep.equal(good);
    expect(index.indexedTo).to.equal(5);
  });

  describe("is made again from the log where its file", () => {
    const damages: [string, (folder: string, log: RandomLog) => void, RegExp][] = [
      [
        "is no database",
        (folder) => {
          writeFileSync(join(folder, "index.db"), "x".repeat(9000));
        },
        /damaged/,
      ],
      [
        "is another program's",
        (folder) => {
          rmSync(join(folder, "index.db"));
          new Sqlite(join(folder, "index.db")).exec("CREATE TABLE x (y)");
        },
        /no index/,
      ],
      [
        "is of another version",
        (folder) => {
          change(folder, "PRAGMA user_version = 99");
        },
        /version 99/,
      ],
      [
        "has lost a table",
        (folder) => {
          change(folder, "DROP TABLE places");
        },
        /damaged/,
      ],
      [
        "has lost its last block",
        (folder) => {
          change(folder, "DELETE FROM blocks");
        },
        /no block/,
      ],
      [
        "says that it goes further than the log",
        (folder) => {
          change(folder, "UPDATE log SET seq = 9999999");
        },
        /goes up to/,
      ],
      [
        "is another log's",
        (folder) => {
          change(folder, "UPDATE log SET digest = 'x'");
        },
        /not the one/,
      ],
      [
        "is of a log that was put back",
        (folder) => {
          for (const name of readdirSync(folder)
            .filter((file) => /^\d.*jsonl$/.test(file))
            .slice(1))
            rmSync(join(folder, name));
        },
        /goes up to/,
      ],
    ];
    for (const [how, damage, why] of damages) {
      it(how, () => {
        const { folder, log } = folderWith(4_500, { segment_bytes: 1_000_000 });
        folders.close(caughtUp(folder));
        damage(folder, log);
        const left = readdirSync(folder).filter((name) => /^\d.*jsonl$/.test(name));
        const last = left.length === 1 ? 1000 : log.last;
        const { index, unfit } = open(folder, last);
        expect(unfit).to.match(why);
        index.advance(last, Infinity);
        const expected = bruteFilter(log.written, { agent: "billing-1" }, 0).filter((seq) => seq <= last);
        expect(all(index, { agent: "billing-1" })).to.deep.equal(expected);
      });
    }

    it("was deleted", () => {
      const { folder, log } = folderWith(4_500);
      folders.close(caughtUp(folder));
      for (const name of readdirSync(folder).filter((file) => file.startsWith("index"))) rmSync(join(folder, name));
      expect(all(caughtUp(folder), {})).to.have.lengthOf(log.last);
    });
  });

  const edits: [what: string, sql: string][] = [
    ["a bit of a part", "UPDATE parts SET data = zeroblob(length(data))"],
    [
      "where records stand, and the checksum with it",
      "UPDATE parts SET data = (SELECT data FROM parts WHERE id = 5), checksum = (SELECT checksum FROM parts WHERE id = 5) WHERE id = 4",
    ],
    [
      "a record's agent, and the checksum with it",
      "UPDATE terms SET text = CASE text WHEN 'support-7' THEN 'billing-1' ELSE 'support-7' END WHERE text IN ('support-7', 'billing-1')",
    ],
  ];

  for (const [what, sql] of edits) {
    it(`shows no record as what it isn't where the file was edited: ${what}`, () => {
      const { folder } = folderWith(5_000);
      folders.close(caughtUp(folder));
      change(
        folder,
        sql.includes("CASE")
          ? [
              `UPDATE terms SET text = 'other' WHERE text = 'support-7'`,
              `UPDATE terms SET text = 'support-7' WHERE text = 'billing-1'`,
              `UPDATE terms SET text = 'billing-1' WHERE text = 'other'`,
            ].join(";")
          : sql,
      );
      let refused: unknown = null;
      try {
        const index = open(folder).index;
        index.advance(Infinity, Infinity);
        all(index, { agent: "support-7" });
      } catch (cause) {
        refused = cause;
      }
      // Found out when it is opened and made again, or when it is asked.
      if (refused !== null) expect(refused).to.be.instanceOf(IndexUnfit);
    });
  }
});
