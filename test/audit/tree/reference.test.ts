/** What the service's own writer leaves behind, read by the reference's library and by the verifier here. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { SegmentLog } from "../../../src/audit/log/log.js";
import { segmentsOf } from "../../../src/audit/log/record_lines.js";
import { readSigner } from "../../../src/audit/tree/note.js";
import { verifyReceipt, printReceipt } from "../../../src/audit/tree/receipt.js";
import { verifyLog } from "../../../src/audit/tree/verify.js";
import { aroundSeq } from "../../../src/contract/index.js";
import { systemTimers } from "../../../src/system/index.js";
import { BUILD_MS_MAX, buildTlog, hasGo, tlog, type Claims } from "../../tlog/tlog.js";
import { SEALING } from "../sealing.js";
import { temporaryDirectory } from "../temporary.js";
import { decisionRecord } from "./written.js";
import { skip } from "../../skip.js";

const RECORDS = 1500;
const SEGMENT_BYTES = 400_000;
const [pem = ""] = SEALING.keys;
const KEY = readSigner(SEALING.origin, pem).verifier;

describe("a log that the service's writer has written", function () {
  this.timeout(BUILD_MS_MAX);
  const directory = temporaryDirectory();
  const claims: Claims = { inclusion: [], consistency: [] };
  let checkpoint = "";
  let log: SegmentLog;

  after(() => log.close());

  before(async () => {
    const events = { unavailable: fail, ready: () => undefined, lost: fail, unsealed: fail };
    const open = (): Promise<SegmentLog> =>
      SegmentLog.open(
        { directory, segment_bytes: SEGMENT_BYTES, queue_records_max: 2000, queue_bytes_max: 10_000_000, durability: "synced", ...SEALING },
        systemTimers,
        events,
      );
    log = await open();
    const kept: { before: number; checkpoint: string }[] = [];
    for (const part of [1, 300, 700, RECORDS - 1001]) {
      const first = log.seq + 1;
      await Promise.all(Array.from({ length: part }, (_, i) => append(first + i)));
      kept.push({ before: log.seq, checkpoint: await log.checkpoint() });
      // A start takes up the tree from its tiles.
      await log.close();
      log = await open();
    }
    for (const { before, checkpoint: then } of kept) {
      const { size, proof } = await log.consistency(before);
      claims.consistency.push({ before, size, proof, checkpoint: then });
    }
    const indices = [0, 1, 255, 256, 511, 1000, RECORDS - 1];
    const { size, proofs } = await log.inclusion(indices);
    for (const [i, index] of indices.entries()) claims.inclusion.push({ index, size, proof: proofs[i] ?? [] });
    checkpoint = await log.checkpoint();
    await log.close();
  });

  async function append(seq: number): Promise<void> {
    const { before, after } = aroundSeq({ ...decisionRecord(seq), seq: undefined });
    await log.append(before, after);
  }

  it("verifies here, by every checkpoint that it gave on the way", () => {
    const elsewhere = claims.consistency.map((claim) => ({ name: `of ${claim.before}`, note: claim.checkpoint }));
    const verified = verifyLog({ folder: directory, keys: [KEY], elsewhere });
    expect(verified.damage).to.deep.equal([]);
    expect(verified.records).to.equal(RECORDS);
    expect(verified.elsewhere.every(({ holds }) => holds)).to.be.true;
    expect(segmentsOf(directory).length).to.be.above(2);
  });

  it("proves its records by receipts", () => {
    const text = segmentsOf(directory)
      .map(({ name }) => readFileSync(join(directory, name), "utf8"))
      .join("");
    const lines = text.split("\n");
    for (const { index, proof } of claims.inclusion) {
      const receipt = printReceipt({ record: lines[index] ?? "", index, proof, checkpoint, keys: [KEY.vkey], outcomes: [] });
      expect(verifyReceipt(receipt, [KEY]).record["seq"]).to.equal(index + 1);
    }
  });

  it("is what Go's library says it is: records, tiles, checkpoints and proofs", async function () {
    if (!hasGo()) skip(this, "no Go");
    const program = await buildTlog();
    const told = tlog(program, directory, KEY.vkey, claims);
    expect(told).to.deep.equal({ records: RECORDS, tiles: 5, inclusion: claims.inclusion.length, consistency: claims.consistency.length });
    const segment = join(directory, "0000000000000001.jsonl");
    writeFileSync(segment, readFileSync(segment, "utf8").replace("bob", "eve"));
    expect(tlog(program, directory, KEY.vkey, claims), "with a record altered").to.match(/^the root of 1500 records is/);
  });
});

function fail(detail: unknown): never {
  throw new Error(String(detail));
}
