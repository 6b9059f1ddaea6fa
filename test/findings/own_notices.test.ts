import { expect } from "chai";
import { NOTICES, type NoticeRecord, type SharedOddity } from "../../src/contract/index.js";
import { Incidents } from "../../src/findings/incidents.js";
import { Notices } from "../../src/findings/notices.js";
import { OwnNotices } from "../../src/findings/own_notices.js";
import { FindingFold } from "../../src/findings/finding.js";
import { recall } from "../../src/findings/recall.js";
import { StillTimers } from "../facts/world.js";
import { MINUTE_MS, NOW, decisionId } from "./sightings.js";

const SHARED: SharedOddity = {
  ...{ purpose: "support", kind: "version", value: "2.3", channel: "what", type: "payroll" },
  ...{ agents: ["a-1", "a-2", "a-3"], count: 3, active: 9, expected: 0.02, decades: 6.1 },
};

describe("what several agents have in common, as the service puts it on record", () => {
  const records: NoticeRecord[] = [];
  let [timers, takes] = [new StillTimers(), true];
  let [incidents, notices] = [new Incidents(), null as OwnNotices | null];
  beforeEach(() => {
    records.length = 0;
    [timers, takes, incidents] = [new StillTimers(), true, new Incidents()];
    const log = {
      seq: 0,
      append: (before: string, after: string): Promise<void> => {
        if (!takes) return Promise.reject(new Error("no space"));
        records.push(JSON.parse(`{${before},${after}}`) as NoticeRecord);
        return Promise.resolve();
      },
    };
    let ids = 0;
    const clock = { wall: () => NOW + timers.now };
    notices = new OwnNotices(new Notices({ log, incidents, clock, newId: () => decisionId(clock.wall(), ++ids) }), timers, "remit");
  });
  const told = async (...all: readonly Partial<SharedOddity>[]): Promise<NoticeRecord[]> => {
    for (const over of all) notices?.shared({ ...SHARED, ...over });
    await new Promise(setImmediate);
    return records;
  };

  it("is a notice in words, with the agents by name, and a finding of no single agent", async () => {
    const [record] = await told({});
    expect(record).to.deep.include({
      code: "unusual_in_group",
      agent: null,
      purpose: "support",
      severity: NOTICES.unusual_in_group.severity,
    });
    expect(record?.message).to.equal(
      "3 of 9 agents of version 2.3 in purpose support do with payroll what they hardly ever do today; 0.02 are expected: a-1, a-2, a-3",
    );
    expect(record?.detail).to.deep.include({ kind: "version", value: "2.3", channel: "what", type: "payroll", agents: SHARED.agents });
    const fold = new FindingFold(record?.finding ?? "", { seq: 1, action: null, record: record as NoticeRecord });
    expect(fold.told).to.deep.include({ agent: null, purpose: "support", code: "unusual_in_group", severity: "high" });
  });

  it("is one finding for one group, whatever its agents do, and another for each other group", async () => {
    const all = await told({}, { channel: "rate", type: "invoice" }, { value: "2.4" }, { kind: "owner" }, { purpose: "sales" });
    const findings = all.map(({ finding }) => finding);
    expect(findings[0]).to.equal(findings[1]);
    expect(new Set(findings).size).to.equal(4);
    const after = new Incidents();
    for (const record of all) recall({ ...record, seq: 1 }, after);
    expect(after.dump()).to.deep.equal(incidents.dump());
  });

  it("says so when there are more agents than it names", async () => {
    const [record] = await told({ count: 40, active: 50 });
    expect(record?.message).to.match(/a-3 …$/);
  });

  it("waits for a log that takes nothing, and is told once", async () => {
    takes = false;
    await told({}, {});
    expect(records).to.deep.equal([]);
    takes = true;
    await timers.advance(MINUTE_MS);
    await new Promise(setImmediate);
    expect(records).to.have.length(1);
  });

  it("is dropped by a service that stops", async () => {
    takes = false;
    await told({});
    notices?.close();
    takes = true;
    await timers.advance(MINUTE_MS);
    expect(records).to.deep.equal([]);
  });
});
