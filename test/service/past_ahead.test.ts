import { PassThrough } from "node:stream";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { nodeFiles } from "../../src/audit/log/files.js";
import { readPast } from "../../src/audit/log/past.js";
import { QUIET_MS } from "../../src/findings/incidents.js";
import { recallIncidents } from "../../src/findings/recall.js";
import { readConfig } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { PastAhead } from "../../src/service/past_ahead.js";
import { Preparations } from "../../src/service/preparations.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { placeIn } from "./child.js";
import { NOW, flag, seen, sighted } from "../findings/sightings.js";

const PER_SEGMENT = 10;

/** A log of as many records, each a flag of another agent that used a grant of its own. */
function written(records: number): string {
  const folder = temporaryDirectory();
  const lines = Array.from({ length: records }, (_, i) => {
    const one = sighted({ agent: `a-${i + 1}`, time_ms: NOW, reasons: [flag("a")] });
    const { record } = seen(one, `F-${i + 1}`, i + 1);
    return `${JSON.stringify({ ...record, answer: { ...record.answer, facts_revision: i + 1 }, uses: [`G-${i + 1}`] })}\n`;
  });
  for (let at = 0; at < records; at += PER_SEGMENT) {
    const name = `${String(at + 1).padStart(16, "0")}.jsonl`;
    writeFileSync(join(folder, name), lines.slice(at, at + PER_SEGMENT).join(""));
  }
  return folder;
}

function cover(folder: string, records: number): void {
  const hash = Buffer.alloc(32).toString("base64");
  const signature = Buffer.alloc(68).toString("base64");
  writeFileSync(join(folder, "checkpoint"), `log\n${records}\n${hash}\n\n— log ${signature}\n`);
}

async function usesIn(folder: string, read?: PastAhead): Promise<string[]> {
  const found: string[] = [];
  for await (const uses of readPast(nodeFiles(folder), read?.uses).uses(0)) found.push(...uses);
  return found.sort();
}

describe("what a standby has read of a log", () => {
  it("is what a checkpoint covers, and segments that others follow", () => {
    const folder = written(35);
    cover(folder, 18);
    const read = new PastAhead(folder);
    read.advance(NOW);
    expect(read.place?.seq).to.equal(18);
    const known = new PastAhead(folder);
    recallIncidents(folder, known.incidents, NOW, null, 18);
    expect(read.incidents.dump()).to.deep.equal(known.incidents.dump());
    expect([...read.uses.keys()].map(Number.parseFloat).sort((a, b) => a - b)).to.deep.equal([1, 11, 21]);
  });

  it("is thrown away where the log has fewer records than it had, and read anew", () => {
    const folder = written(35);
    const config = readConfig(placeIn(temporaryDirectory()).config);
    config.log.dir = folder;
    const readied = new Preparations(system, logger(system.clock, new PassThrough().resume()));
    const placeAfter = (covered: number): number | undefined => {
      cover(folder, covered);
      readied.catchUp(config);
      return readied.pastAhead(config, 35)?.place?.seq;
    };
    expect([18, 17, 17, 20].map(placeAfter)).to.deep.equal([18, undefined, 17, 20]);
  });

  it("makes a start know what it knows from the whole log, however often it was read before", async () => {
    const folder = written(35);
    const whole = new PastAhead(folder);
    recallIncidents(folder, whole.incidents, NOW);
    const read = new PastAhead(folder);
    for (const records of [0, 3, 10, 11, 30]) {
      cover(folder, records);
      read.advance(NOW);
      read.advance(NOW);
    }
    recallIncidents(folder, read.incidents, NOW, read.place);
    expect(read.incidents.dump()).to.deep.equal(whole.incidents.dump());
    expect(await usesIn(folder, read)).to.deep.equal(await usesIn(folder));
    expect(await usesIn(folder)).to.have.length(35);
  });

  it("is nothing of a log without a checkpoint, or with one that is none", () => {
    const folder = written(5);
    const read = new PastAhead(folder);
    expect(() => {
      read.advance(NOW);
    }).to.throw();
    writeFileSync(join(folder, "checkpoint"), "5");
    expect(() => {
      read.advance(NOW);
    }).to.throw();
    expect([read.place, read.uses.size]).to.deep.equal([null, 0]);
    recallIncidents(folder, read.incidents, NOW + QUIET_MS);
  });
});
