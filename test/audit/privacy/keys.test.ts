import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { MaskKeys, maskPeriods, periodsOver, shred } from "../../../src/audit/privacy/keys.js";
import { systemRandom } from "../../../src/system/index.js";
import { StillTimers, turns } from "../../facts/world.js";
import { temporaryDirectory } from "../temporary.js";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 2, 3, 9, 15);
const HOUR_MS = 3_600_000;

/** Each look at the keys ends with a timer for the next. */
class LookTimers extends StillTimers {
  looks = 0;

  override after(ms: number, call: () => void): () => void {
    this.looks++;
    return super.after(ms, call);
  }
}

describe("keys of masks", () => {
  let directory: string;
  let now: number;
  let timers: LookTimers;
  let failures: string[];
  const file = (period: string): string => join(directory, "masks", `${period}.key`);
  const open = (period_days = 10): Promise<MaskKeys> =>
    MaskKeys.open(
      { directory, period_days },
      { clock: { wall: () => now, monotonic: () => timers.now }, timers, random: systemRandom },
      { failed: (detail) => failures.push(detail) },
    );

  beforeEach(() => {
    directory = temporaryDirectory();
    now = NOW;
    timers = new LookTimers();
    failures = [];
  });

  /** Passes time, and waits for the look at the keys that this brings: the disk has no turns of its own. */
  const look = async (ms = HOUR_MS): Promise<void> => {
    const { looks } = timers;
    await timers.advance(ms);
    while (timers.looks === looks) await turns(1);
  };

  it("are made for this period and the next, and are the same after a start", async () => {
    const keys = await open();
    const [first, second] = await maskPeriods(directory);
    expect(Date.parse(second ?? "") - Date.parse(first ?? "")).to.equal(10 * DAY_MS);
    expect(readdirSync(join(directory, "masks"))).to.deep.equal([`${first}.key`, `${second}.key`]);
    expect(keys.at(now)?.period).to.equal(first);
    expect(keys.at(now + 10 * DAY_MS)?.period).to.equal(second);
    expect((await open()).at(now)).to.deep.equal(keys.at(now));
    expect(keys.at(now)?.key).not.to.deep.equal(keys.at(now + 10 * DAY_MS)?.key);
  });

  it("are their owner's alone, and random", async () => {
    await open();
    for (const period of await maskPeriods(directory)) {
      expect(statSync(file(period)).mode & 0o777).to.equal(0o600);
      expect(readFileSync(file(period), "utf8")).to.match(/^[0-9a-f]{64}\n$/);
    }
    expect(statSync(join(directory, "masks")).mode & 0o777).to.equal(0o700);
  });

  it("are there before their period begins, whenever that is", async () => {
    const keys = await open(1);
    for (let day = 1; day <= 3; day++) {
      now += DAY_MS;
      expect(keys.at(now), `day ${day}`).not.to.equal(null);
      await look();
      expect(await maskPeriods(directory)).to.have.lengthOf(day + 2);
    }
  });

  it("come by themselves after the clock has jumped to where there is none", async () => {
    const keys = await open();
    now += 400 * DAY_MS;
    expect(keys.at(now)).to.equal(null);
    await look(0);
    expect(keys.at(now)).not.to.equal(null);
    now -= 400 * DAY_MS;
    expect(keys.at(now)).to.equal(null);
    await look(0);
    expect(keys.at(now)?.period).to.equal((await maskPeriods(directory))[0]);
  });

  it("come by themselves once the disk lets them, and say once that it didn't", async () => {
    writeFileSync(join(directory, "masks"), "not a folder");
    const keys = await open();
    expect(keys.at(now)).to.equal(null);
    await look();
    await look();
    expect(failures).to.have.lengthOf(1);
    rmSync(join(directory, "masks"));
    await look();
    expect(keys.at(now)).not.to.equal(null);
    expect(failures).to.have.lengthOf(1);
  });

  it("aren't taken from a file that holds none, which stays as it is", async () => {
    const period = (await open()).at(now)?.period ?? "";
    for (const text of ["", "00\n", `${"0".repeat(63)}\n`, `${"g".repeat(64)}\n`]) {
      writeFileSync(file(period), text);
      failures = [];
      expect((await open()).at(now), JSON.stringify(text)).to.equal(null);
      expect(failures[0]).to.include("is no key");
      expect(readFileSync(file(period), "utf8")).to.equal(text);
    }
  });

  it("left half-made by a crash are made again", async () => {
    mkdirSync(join(directory, "masks"));
    const period = new Date(Math.floor(NOW / (10 * DAY_MS)) * 10 * DAY_MS).toISOString().slice(0, 10);
    writeFileSync(`${file(period)}.new`, "00");
    expect((await open()).at(now)?.period).to.equal(period);
    expect(readdirSync(join(directory, "masks")).filter((name) => name.endsWith(".new"))).to.deep.equal([]);
  });

  it("no longer look once closed", async () => {
    const keys = await open(1);
    keys.close();
    now += 5 * DAY_MS;
    await timers.advance(HOUR_MS);
    expect(await maskPeriods(directory)).to.have.lengthOf(2);
    await turns();
  });

  it("are shredded when their period is over, and never that of the one that runs", async () => {
    for (let days = 0; days < 50; days += 10) {
      now = NOW + days * DAY_MS;
      (await open()).close();
    }
    const periods = await maskPeriods(directory);
    expect(periods).to.have.lengthOf(6);
    expect(await periodsOver(directory, now)).to.deep.equal(periods.slice(0, 4));
    expect(await periodsOver(directory, Date.parse(periods[2] ?? ""))).to.deep.equal(periods.slice(0, 2));
    expect(await periodsOver(directory, Date.parse(periods[2] ?? "") - 1)).to.deep.equal(periods.slice(0, 1));
    expect(await periodsOver(temporaryDirectory(), now)).to.deep.equal([]);
    await shred(directory, periods[0] ?? "");
    expect(await maskPeriods(directory)).to.deep.equal(periods.slice(1));
  });

  it("are overwritten before their name goes", async () => {
    const period = (await open()).at(now)?.period ?? "";
    chmodSync(join(directory, "masks"), 0o500);
    const isRoot = process.getuid?.() === 0;
    await shred(directory, period).catch(() => undefined);
    if (!isRoot) expect(readFileSync(file(period)).every((byte) => byte === 0)).to.equal(true);
    chmodSync(join(directory, "masks"), 0o700);
  });
});
