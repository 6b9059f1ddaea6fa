import { expect } from "chai";
import { OwnRecords } from "../../src/audit/log/own_records.js";
import type { Log } from "../../src/decision/ports.js";
import { systemClock, systemTimers } from "../../src/system/index.js";

describe("a service's own records of searches", () => {
  function recording(): { own: OwnRecords; written: Record<string, unknown>[]; pass: () => void } {
    const written: Record<string, unknown>[] = [];
    let due: (() => void)[] = [];
    const log: Log = {
      append: (before: string, after: string) => {
        written.push(JSON.parse(`{${before},"seq":0,${after}}`) as Record<string, unknown>);
        return Promise.resolve();
      },
    };
    const timers = {
      ...systemTimers,
      after: (_: number, call: () => void) => {
        due.push(call);
        return () => undefined;
      },
    };
    const described = { version: "1", origin: "x", keys: [], durability: "synced" as const, behavior: null };
    const own = new OwnRecords(log, { clock: systemClock, timers }, described, () => undefined);
    const pass = (): void => {
      const now = due;
      due = [];
      for (const call of now) call();
    };
    return { own, written, pass };
  }
  const details = (written: Record<string, unknown>[]): unknown[] =>
    written.map(({ kind, action, caller, detail }) => {
      const { of, count, looked_at } = detail as Record<string, unknown>;
      return [kind, action, caller, of, count, looked_at];
    });

  it("have the first at once, and how many more of a caller and kind came within the minute", () => {
    const { own, written, pass } = recording();
    for (let i = 0; i < 40; i++) own.searched("gateway", "authzen.resource", 64);
    own.searched("gateway", "records", 0);
    expect(details(written)).to.deep.equal([
      ["admin", "search", "gateway", "authzen.resource", 1, 64],
      ["admin", "search", "gateway", "records", 1, 0],
    ]);
    pass();
    expect(details(written).slice(2)).to.deep.equal([["admin", "search", "gateway", "authzen.resource", 39, 39 * 64]]);
    own.searched("gateway", "records", 0);
    expect(written).to.have.length(4);
  });

  it("are few, however many callers search and however often", () => {
    const { own, written, pass } = recording();
    for (let i = 0; i < 10_000; i++) own.searched(`caller-${i}`, "records", 1);
    expect(written.length).to.be.below(300);
    pass();
    expect(written.reduce((sum, { detail }) => sum + (detail as { count: number }).count, 0)).to.equal(10_000);
    expect(written.length).to.be.below(300);
  });

  it("are written when the service ends, too", () => {
    const { own, written } = recording();
    for (let i = 0; i < 3; i++) own.searched("gateway", "summary", 0);
    own.flush();
    expect(details(written).at(-1)).to.deep.equal(["admin", "search", "gateway", "summary", 2, 0]);
  });
});
