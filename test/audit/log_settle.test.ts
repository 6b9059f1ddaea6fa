/** A record is acknowledged when the writer has reported it, and not one sooner, however its writer groups them. */
import { expect } from "chai";
import type { SegmentLog } from "../../src/audit/log/log.js";
import { reportedLog, type Reported } from "./log_support.js";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the record log and what its writer has reported", () => {
  let log: SegmentLog;
  let report: Reported["report"];
  beforeEach(async () => {
    ({ log, report } = await reportedLog());
  });
  afterEach(async () => {
    report(log.seq);
    await log.close();
  });

  it("acknowledges each record with the report of that very record, in a report of one or of several", async () => {
    const acknowledged: number[] = [];
    for (let seq = 1; seq <= 6; seq++) void log.append(`"id":${seq}`, '"v":2').then(() => acknowledged.push(seq));
    for (const [durable, expected] of [
      [1, [1]],
      [2, [1, 2]],
      [2, [1, 2]],
      [5, [1, 2, 3, 4, 5]],
      [6, [1, 2, 3, 4, 5, 6]],
    ] as const) {
      report(durable);
      await settled();
      expect(acknowledged, `up to ${durable}`).to.deep.equal(expected);
      expect(log.durable).to.equal(durable);
      expect(log.queue.records).to.equal(6 - durable);
    }
  });

  it("acknowledges several that were appended as one with the last of them", async () => {
    let acknowledged = false;
    const entries = [1, 2, 3].map((id) => ({ before: `"id":${id}`, after: '"v":2' }));
    void log.appendAll(entries).then(() => (acknowledged = true));
    for (const [durable, expected] of [
      [1, false],
      [2, false],
      [3, true],
    ] as const) {
      report(durable);
      await settled();
      expect(acknowledged, `up to ${durable}`).to.equal(expected);
    }
  });
});
