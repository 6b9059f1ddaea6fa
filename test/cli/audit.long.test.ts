import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { openIndex } from "../../src/audit/index/serve.js";
import { RandomLog } from "../audit/index/random_log.js";
import { remit, type Ran } from "./remit.js";

describe("remit audit", function () {
  this.timeout(60_000);
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
      const written = new RandomLog(log).grow(5_000);
      const { opened } = openIndex({ folder: log, file: join(log, "index.db"), overdue_ms: 0 });
      opened.advance(Infinity, Infinity);
      opened.close();
      const kept = readFileSync(join(log, "index.db"));
      const counted = async (): Promise<number> =>
        json(await remit("audit", "query", "--log", log, "--kind", "lost", "--limit", "9999", "--json")).length;
      const lost = (): number => written.written.filter(({ record }) => record["kind"] === "lost").length;
      expect(await counted()).to.equal(lost());
      written.grow(9_000);
      expect(await counted()).to.equal(lost());
      expect(readFileSync(join(log, "index.db")).equals(kept)).to.equal(true);
      writeFileSync(join(log, "index.db"), "damaged".repeat(2000));
      expect(await counted()).to.equal(lost());
    });
  });
});
