import { mkdtempSync, rmSync, writeFileSync, appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { INDEX_FILE, digestOf } from "../../../src/audit/index/file.js";
import { build } from "../../../src/audit/index/offline.js";
import { RandomLog } from "./random_log.js";
import { OPTIONS, RECORDS, damageOf } from "./check_support.js";
import Sqlite from "better-sqlite3";
import { checkIndex } from "../../../src/audit/index/check.js";
import { readLines, segmentsOf } from "../../../src/audit/reading.js";

const SECOND_BLOCK = 4097;

/** The last that the index has. */
const INDEXED = 8192;

describe("the index, compared with the records", () => {
  let folder: string;
  let log: RandomLog;
  const file = (): string => join(folder, INDEX_FILE);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-check-"));
    log = new RandomLog(folder).grow(RECORDS);
    build(folder, file(), OPTIONS).close();
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is as it should be, also where it was made bit by bit, is behind, or isn't there", () => {
    expect(damageOf(folder)).to.deep.equal([]);
    log.grow(5000);
    expect(damageOf(folder), "behind").to.deep.equal([]);
    build(folder, file(), OPTIONS).close();
    expect(damageOf(folder), "taken up again").to.deep.equal([]);
    rmSync(file());
    expect(damageOf(folder), "none").to.deep.equal([]);
  });

  it("is seen to be no index, and that of another log", () => {
    writeFileSync(file(), "nothing");
    expect(damageOf(folder).map(({ kind }) => kind)).to.deep.equal(["index_disagrees"]);
    rmSync(file());
    const other = mkdtempSync(join(tmpdir(), "remit-check-"));
    new RandomLog(other, { seed: 8 }).grow(RECORDS);
    build(other, file(), OPTIONS).close();
    rmSync(other, { recursive: true });
    expect(damageOf(folder)[0]?.kind).to.equal("index_disagrees");
  });

  function change(sql: string): void {
    const db = new Sqlite(file());
    expect(db.prepare(sql).run().changes, sql).to.be.above(0);
    db.close();
  }

  // prettier-ignore
  const edits: [what: string, sql: string, from: number | null][] = [
    ["a name is another", "UPDATE terms SET text = 'support-8' WHERE text = 'support-7'", 1],
    ["a record is another's", `UPDATE parts SET data = (SELECT data FROM parts WHERE id = 33), checksum = (SELECT checksum FROM parts WHERE id = 33) WHERE id = 34`, SECOND_BLOCK],
    ["a block is taken out", "DELETE FROM blocks WHERE number = 1", SECOND_BLOCK],
    ["where a name stands is taken out", "DELETE FROM places WHERE block = 1 AND term = (SELECT max(term) FROM places WHERE block = 1)", SECOND_BLOCK],
    ["what became of an action is another", "UPDATE outcomes SET outcome = (outcome + 1) % 3", null],
    ["what became of an action is taken out", "DELETE FROM outcomes WHERE seq = (SELECT max(seq) FROM outcomes)", null],
    ["an outcome is said that comes after all that it has", "INSERT INTO outcomes VALUES (1, 999999, 1)", 1],
    ["a block comes after all that it has", "INSERT INTO blocks SELECT 7, 0, 9, time_first, time_last, id_first, id_last FROM blocks WHERE number = 1", 7 * 4096 + 1],
    ["what stands beside a record is elsewhere", "UPDATE besides SET start = start + 1", null],
    ["its last record is another", "UPDATE log SET digest = replace(digest, '0', '1')", INDEXED],
    ["it ends earlier", "UPDATE log SET seq = seq - 1", INDEXED - 1],
  ];

  for (const [what, sql, from] of edits) {
    it(`is seen to have been edited: ${what}`, () => {
      change(sql);
      const [damage, ...others] = damageOf(folder);
      expect(others).to.deep.equal([]);
      expect(damage?.kind).to.equal("index_disagrees");
      expect(damage?.message).not.to.include("rebuild-index");
      if (from !== null) expect(damage?.from).to.equal(from);
    });
  }

  it("is seen to have been edited where names are looked up, though the names themselves are all there", () => {
    const db = new Sqlite(file());
    db.pragma("wal_checkpoint(TRUNCATE)");
    const bytes = db.pragma("page_size", { simple: true }) as number;
    const pages = db.prepare<[], number>("SELECT pageno FROM dbstat WHERE name = 'sqlite_autoindex_terms_1'").pluck().all();
    db.close();
    const all = readFileSync(file());
    let edited = 0;
    for (const page of pages) {
      const at = all.subarray((page - 1) * bytes, page * bytes).indexOf("support-7");
      if (at >= 0) edited += all.write("support-9", (page - 1) * bytes + at);
    }
    expect(edited).to.be.above(0);
    writeFileSync(file(), all);
    const [damage, ...others] = damageOf(folder);
    expect(others).to.deep.equal([]);
    expect(damage).to.deep.include({ kind: "index_disagrees", from: 0 });
    expect(damage?.message).to.match(/isn't sound: row \d+ missing from index/);
  });

  it("is seen to have what no index has", () => {
    for (const sql of [
      "CREATE TRIGGER forget AFTER INSERT ON blocks BEGIN DELETE FROM places; END",
      "CREATE INDEX more ON terms (first)",
    ]) {
      const db = new Sqlite(file());
      db.exec(sql);
      db.close();
      expect(
        damageOf(folder).map(({ message }) => message),
        sql,
      ).to.deep.equal(["the index's tables are not those that an index has"]);
      rmSync(file());
      build(folder, file(), OPTIONS).close();
    }
  });

  it("is named as what can't be read where it is a folder, and the reason is where it is elsewhere", () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = join(folder, "nowhere");
    try {
      const { damage, notes } = checkIndex(folder);
      expect(damage).to.deep.equal([]);
      expect(notes.join("; ")).to.match(/^the index was not compared with the records: ENOENT.*nowhere/);
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
    rmSync(file());
    mkdirSync(file());
    expect(damageOf(folder).map(({ message }) => message)).to.deep.equal([`the index can't be read: \`${file()}\` is no file`]);
  });

  it("is compared as far as the log can be read", () => {
    const segments = segmentsOf(folder);
    appendFileSync(join(folder, segments.at(-1)?.name ?? ""), Buffer.alloc(2_000_000));
    expect(damageOf(folder), "behind all that it has").to.deep.equal([]);
    const amid = segments.filter(({ first }) => first < 6000).at(-1)?.name ?? "";
    writeFileSync(join(folder, amid), Buffer.concat([Buffer.alloc(2_000_000, " "), readFileSync(join(folder, amid))]));
    const { compared, damage, notes } = checkIndex(folder);
    expect(damage).to.deep.equal([]);
    expect(compared).to.equal("compared_in_part");
    expect(notes.join("; ")).to.match(/^the index was compared with the records up to 4096: .* is longer than/);
    change("UPDATE terms SET text = 'support-8' WHERE text = 'support-7'");
    expect(checkIndex(folder).damage.map(({ kind, from }) => ({ kind, from }))).to.deep.equal([{ kind: "index_disagrees", from: 1 }]);
  });

  it("is looked at by itself where the log's beginning was dropped, and that is said", () => {
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    new RandomLog(folder, { first: 3000 }).grow(RECORDS);
    build(folder, file(), OPTIONS).close();
    const { compared, damage, notes } = checkIndex(folder);
    expect([compared, damage]).to.deep.equal(["not_compared", []]);
    expect(notes).to.have.lengthOf(1);
    expect(notes[0]).to.match(/not compared with the records: those that it was made from were dropped in part/);
    const places = (): unknown => checkIndex(folder).damage.map(({ kind, from }) => ({ kind, from }));
    const [digest] = [...readLines(folder, 8000, 8000)].map(({ bytes }) => digestOf(bytes));
    change(`UPDATE log SET seq = 8000, digest = '${digest}'`);
    expect(places(), "amid a block").to.deep.equal([{ kind: "index_disagrees", from: 8000 }]);
    change(`UPDATE log SET seq = ${INDEXED}`);
    expect(places(), "another record").to.deep.equal([{ kind: "index_disagrees", from: INDEXED }]);
  });

  it("is as it should be where it was made of a log that lacks a line before its last", () => {
    const segment = join(folder, segmentsOf(folder).findLast(({ first }) => first < INDEXED - 1)?.name ?? "");
    writeFileSync(segment, readFileSync(segment, "utf8").split("\n").toSpliced(0, 1).join("\n"));
    rmSync(file());
    build(folder, file(), OPTIONS).close();
    expect(damageOf(folder)).to.deep.equal([]);
    change("UPDATE log SET digest = replace(digest, '0', '1')");
    expect(damageOf(folder).map(({ from }) => from)).to.deep.equal([INDEXED]);
  });
});
