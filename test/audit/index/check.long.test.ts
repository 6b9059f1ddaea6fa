import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { INDEX_FILE } from "../../../src/audit/index/file.js";
import { build } from "../../../src/audit/index/offline.js";
import { RandomLog } from "./random_log.js";
import { OPTIONS, RECORDS, damageOf } from "./check_support.js";

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

  // prettier-ignore

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
});
