import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { expect } from "chai";
import { indexDamage } from "../../../src/audit/index/check.js";
import { INDEX_FILE } from "../../../src/audit/index/file.js";
import { build } from "../../../src/audit/index/offline.js";
import { RandomLog } from "./random_log.js";

const OPTIONS = { overdue_ms: 0, progress: (): void => undefined };
/** Of two whole blocks and the beginning of a third. */
const RECORDS = 9000;
const SECOND_BLOCK = 4097;

describe("the index, compared with the records", () => {
  let folder: string;
  let log: RandomLog;
  const file = (): string => join(folder, INDEX_FILE);
  function change(sql: string): void {
    const db = new Sqlite(file());
    expect(db.prepare(sql).run().changes, sql).to.be.above(0);
    db.close();
  }
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-check-"));
    log = new RandomLog(folder).grow(RECORDS);
    build(folder, file(), OPTIONS).close();
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is as it should be, also where it was made bit by bit, is behind, or isn't there", () => {
    expect(indexDamage(folder)).to.deep.equal([]);
    log.grow(5000);
    expect(indexDamage(folder), "behind").to.deep.equal([]);
    build(folder, file(), OPTIONS).close();
    expect(indexDamage(folder), "taken up again").to.deep.equal([]);
    rmSync(file());
    expect(indexDamage(folder), "none").to.deep.equal([]);
  });

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
  ]; // prettier-ignore
  for (const [what, sql, from] of edits) {
    it(`is seen to have been edited: ${what}`, () => {
      change(sql);
      const [damage, ...others] = indexDamage(folder);
      expect(others).to.deep.equal([]);
      expect(damage?.kind).to.equal("index_disagrees");
      if (from !== null) expect(damage?.from).to.equal(from);
    });
  }

  it("is seen to be no index, and that of another log", () => {
    writeFileSync(file(), "nothing");
    expect(indexDamage(folder).map(({ kind }) => kind)).to.deep.equal(["index_disagrees"]);
    rmSync(file());
    const other = mkdtempSync(join(tmpdir(), "remit-check-"));
    new RandomLog(other, { seed: 8 }).grow(RECORDS);
    build(other, file(), OPTIONS).close();
    rmSync(other, { recursive: true });
    expect(indexDamage(folder)[0]?.kind).to.equal("index_disagrees");
  });
});
