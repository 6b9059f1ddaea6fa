import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import Sqlite from "better-sqlite3";
import type { RecordFilter, ShownRecord } from "../../../src/contract/index.js";
import type { Ask } from "../../../src/audit/index/ask.js";
import { BlockBuilder, idKey, positionsOfId } from "../../../src/audit/index/block.js";
import { fromCursor } from "../../../src/audit/index/cursor.js";
import { rowOf } from "../../../src/audit/index/row.js";
import { IndexUnfit } from "../../../src/audit/index/unfit.js";
import { Folders, all, page, text } from "./asked.js";
import { OVERDUE_MS, bruteFilter } from "./brute.js";
import { type RandomLog } from "./random_log.js";

describe("the index of records", function () {
  this.timeout(60_000);
  const folders = new Folders();
  const folderWith: Folders["with"] = (records, options) => folders.with(records, options);
  const open: Folders["open"] = (folder, to) => folders.open(folder, to);
  const caughtUp: Folders["caughtUp"] = (folder, to) => folders.caughtUp(folder, to);

  afterEach(() => {
    folders.clear();
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

function change(folder: string, sql: string): void {
  const db = new Sqlite(join(folder, "index.db"));
  db.exec(sql);
  db.close();
}
