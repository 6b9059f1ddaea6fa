import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { rebuildRecords } from "../../src/records/table_opening.js";
import { RandomLog } from "../records/random_log.js";
import { remit, type Ran } from "./remit.js";

describe("remit audit", function () {
  const folders: string[] = [];
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), "remit-audit-"));
    folders.push(made);
    return made;
  };
  after(() => {
    for (const made of folders) rmSync(made, { recursive: true, force: true });
  });
  const lines = ({ out }: Ran): string[] => out.trimEnd().split("\n");
  const json = <T>(ran: Ran): T[] => (ran.out === "" ? [] : lines(ran).map((line) => JSON.parse(line) as T));

  describe("reading a folder:", () => {
    it("uses the index that is there, whatever is missing from it, or wrong with it", async () => {
      const log = folder();
      const written = new RandomLog(log, { segment_bytes: 1_000_000 }).grow(5_000);
      await rebuildRecords(log, () => undefined);
      const file = join(log, "records", "parquet", "0000000000000001.parquet");
      const kept = readFileSync(file);
      const counted = async (): Promise<number> =>
        json(await remit("audit", "query", "--log", log, "--kind", "lost", "--limit", "9999", "--json")).length;
      const lost = (): number => written.written.filter(({ record }) => record["kind"] === "lost").length;
      expect(await counted()).to.equal(lost());
      written.grow(9_000);
      expect(await counted()).to.equal(lost());
      expect(readFileSync(file).equals(kept)).to.equal(true);
      writeFileSync(file, "damaged".repeat(2000));
      expect(await counted()).to.equal(lost());
    });
  });
});
