import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { cursorFile, writeCursor } from "../../../src/audit/export/cursor.js";
import { CLOCK_MARK, trustClock } from "../../../src/audit/privacy/clock_mark.js";
import { maskPeriods } from "../../../src/audit/privacy/keys.js";
import { onRecord } from "../../../src/audit/privacy/retention_watch.js";
import { verifyLog } from "../../../src/audit/tree/verify.js";
import { system, systemClock, type System } from "../../../src/system/index.js";
import { REQUEST, post, run, type Running } from "../../http/running.js";
import { remit } from "../../cli/remit.js";
import { temporaryDirectory } from "../temporary.js";

const DAY_MS = 86_400_000;
/** Tokens are issued, and records written, by the clock of today. */
const inDays = (days: number): System => ({
  ...system,
  clock: { wall: () => systemClock.wall() + days * DAY_MS, monotonic: () => systemClock.monotonic() },
});

describe("a service's retention", () => {
  let folder: string;
  const sections = (log: object = {}): Record<string, unknown> => ({
    facts: { store: join(folder, "store"), file: "facts.yaml" },
    log: { dir: join(folder, "log"), segment_bytes: 32 * 1024, checkpoint_ms: 10, mask_period_days: 5, ...log },
  });
  const segments = (): string[] =>
    readdirSync(join(folder, "log"))
      .filter((name) => name.endsWith(".jsonl"))
      .sort();
  const damage = (): unknown[] => verifyLog({ folder: join(folder, "log"), keys: null, elsewhere: [] }).damage;

  beforeEach(async () => {
    folder = temporaryDirectory();
    mkdirSync(join(folder, "log"));
    const service = await run(sections());
    for (let i = 0; i < 7; i++) {
      const { status } = await post(service, "/decide/batch", { actions: Array.from({ length: 100 }, () => REQUEST) });
      expect(status).to.equal(200);
    }
    await service.stop();
  });

  async function said(service: Running, what: RegExp): Promise<string> {
    for (let i = 0; i < 5000; i++) {
      const found = what.exec(service.said());
      if (found !== null) return found[0];
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`it doesn't say ${String(what)}: ${service.said()}`);
  }

  it("drops what is older than it keeps, with the keys of masks, and starts and verifies as before", async () => {
    const [before, periods] = [segments(), await maskPeriods(join(folder, "log"))];
    trustClock(join(folder, "log"), inDays(40).clock.wall());
    let service = await run(sections({ retain_days: 30 }), true, inDays(40));
    await said(service, /"event":"retention_dropped"/);
    await service.stop();
    const after = segments();
    expect(after.length).to.be.below(before.length);
    expect(after[0]).not.to.equal(before[0]);
    expect(damage()).to.deep.equal([]);
    expect(await maskPeriods(join(folder, "log"))).not.to.include(periods[0]);
    service = await run(sections({ retain_days: 30 }));
    expect((await post(service, "/decide", REQUEST)).status).to.equal(200);
    await service.stop();
    expect(damage()).to.deep.equal([]);
  });

  it("drops nothing, keeps the keys of masks and says so while the clock is ahead of what is on record, start after start", async () => {
    const log = join(folder, "log");
    const [before, periods] = [segments(), await maskPeriods(log)];
    // The second start finds the first one's record, which has that clock's time.
    for (const days of [730, 731]) {
      const service = await run(sections({ retain_days: 365 }), true, inDays(days));
      const told = JSON.parse(await said(service, /\{[^\n]*"message":"retention waits; old records are kept[^\n]*\}/)) as object;
      expect(told).to.have.property("code", "retention_held");
      await service.stop();
      expect(segments()).to.include.members(before);
      expect(await maskPeriods(log)).to.include.members(periods);
    }
    const done = await remit("audit", "retain", log, "--before", "365d");
    expect(done.err).to.include("no records");
    const service = await run(sections({ retain_days: 365 }));
    await service.stop();
    expect(service.said()).not.to.include("old records");
    expect(damage()).to.deep.equal([]);
  });

  it("goes on by a clock that an operator's command was given by", async () => {
    const log = join(folder, "log");
    writeFileSync(join(log, CLOCK_MARK), "damaged\n");
    let service = await run(sections({ retain_days: 30 }));
    await said(service, /"code":"retention_held"/);
    await service.stop();
    await remit("audit", "retain", log, "--before", "1");
    service = await run(sections({ retain_days: 30 }));
    await said(service, /"code":"retention_held"/);
    await service.stop();
    await remit("audit", "retain", log, "--before", "90d");
    service = await run(sections({ retain_days: 30 }));
    await service.stop();
    expect(service.said()).not.to.include("retention_held");
  });

  it("says which sink it waits for, and where that one's cursor is, to an operator who asks as well", async () => {
    const log = join(folder, "log");
    const cursor = cursorFile(log, "gone");
    writeCursor(cursor, { v: 1, seq: 0, last: null, writer: { origin: "o", version: "1" } });
    const before = segments();
    trustClock(log, inDays(40).clock.wall());
    const service = await run(sections({ retain_days: 30 }), true, inDays(40));
    const told = JSON.parse(await said(service, /\{[^\n]*"message":"retention waits; old records are kept"[^\n]*\}/)) as object;
    expect(told).to.deep.include({ code: "retention_held", segment: before[0], sink: "gone", cursor });
    await said(service, /"event":"retention_masks_deleted"/);
    await service.stop();
    expect(service.said()).not.to.include("retention_dropped");
    expect(segments()[0]).to.equal(before[0]);
    const { out, err } = await remit("audit", "retain", log, "--before", "400");
    expect(out).to.include(`${before[0]} stays: a sink hasn't taken all of it (gone)`);
    expect(err).to.include(`remove \`${cursor}\``);
    rmSync(cursor);
    expect((await remit("audit", "retain", log, "--before", "400")).err).to.match(/dropped {2}records 1 to/);
  });

  it("drops nothing of what is young enough, and nothing where nothing is said of it", async () => {
    for (const log of [{ retain_days: 50 }, {}]) {
      const [first] = segments();
      trustClock(join(folder, "log"), inDays(40).clock.wall());
      const service = await run(sections(log), true, inDays(40));
      await service.stop();
      expect(service.said()).not.to.include("old records");
      expect(segments()[0]).to.equal(first);
    }
  });

  it("is an operator's as well, who sees first what would go", async () => {
    const log = join(folder, "log");
    const before = segments();
    const bound = ["--before", String(400)];
    const asked = await remit("audit", "retain", log, ...bound, "--dry-run", "--json");
    const { retained, segments: gone } = JSON.parse(asked.out) as { retained: { to: number }; segments: object[] };
    expect(retained.to).to.be.within(200, 399);
    expect(segments()).to.deep.equal(before);
    const done = await remit("audit", "retain", log, ...bound);
    expect(done.exit, done.err).to.equal("ok");
    expect(done.err).to.include(`dropped  records 1 to ${retained.to}`);
    expect(segments()).to.deep.equal(before.slice(gone.length));
    expect(damage()).to.deep.equal([]);
    expect((await remit("audit", "retain", log, ...bound)).err).to.include("no records");
    for (const [args, exit] of [
      [[log, "--before", "2999-01-01T00:00:00Z"], "usage"],
      [[log, "--before", "2999-01-01"], "usage"],
      [[log, "--before", "yesterday"], "usage"],
      [[log, "--before", "2026-02-30"], "usage"],
      [[log, "--before", "0"], "usage"],
      [[log, "--before", "2026-02-28"], "ok"],
      [[log, "--before", "90d", "--dry-run"], "ok"],
      [[log], "usage"],
      [[join(folder, "nothing"), "--before", "5"], "invalid"],
    ] as const)
      expect((await remit("audit", "retain", ...args)).exit, args.join(" ")).to.equal(exit);
  });
});

describe("a record of retention", () => {
  it("is on disk before anything goes, with relaxed durability too", async () => {
    let [seq, durable] = [4, 4];
    const listeners = new Set<(seq: number) => void>();
    const log = {
      get seq() {
        return seq;
      },
      get durable() {
        return durable;
      },
      onDurable: (listener: (seq: number) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    let told = 0;
    void onRecord(log, () => (seq++, Promise.resolve()))("retain", {}).then((recorded) => (told = recorded));
    const reach = async (to: number): Promise<void> => {
      seq = Math.max(seq, to);
      durable = to;
      for (const listener of listeners) listener(to);
      await new Promise((resolve) => setImmediate(resolve));
    };
    await reach(4);
    expect(told).to.equal(0);
    await reach(7);
    expect(told).to.equal(5);
    expect(listeners.size).to.equal(0);
  });
});
