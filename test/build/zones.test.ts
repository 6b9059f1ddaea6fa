import { expect } from "chai";
import { isZone, zone, zoneNames, TZDATA_VERSION } from "../../src/bundle/zones.js";
import type { Zone } from "../../src/contract/index.js";

const HOUR_MS = 3_600_000;
const FROM = Date.UTC(2026, 0, 1);
const TO = Date.UTC(2036, 0, 1);

/** As `rego/remit/hours.rego` finds it. */
function offsetAt({ from_ms, bucket_ms, buckets }: Zone, ms: number): number | undefined {
  return buckets[Math.floor((ms - from_ms) / bucket_ms)]?.filter(([since]) => since <= ms).at(-1)?.[1];
}

function intlOffset(format: Intl.DateTimeFormat, ms: number): number {
  const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(
    parts["year"] ?? 0,
    (parts["month"] ?? 1) - 1,
    parts["day"],
    parts["hour"],
    parts["minute"],
    parts["second"],
  );
  return (local - ms) / 60_000;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const digits = "2-digit" as const;
  return new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: digits,
    day: digits,
    hour: digits,
    minute: digits,
    second: digits,
  });
}

describe("the zones of a bundle", () => {
  // Zones whose rules no edition of the data has changed lately: Intl has its own edition, that of Node's ICU.
  const names = [
    ["UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/St_Johns"],
    ["America/Los_Angeles", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Sydney", "Australia/Lord_Howe"],
    ["Pacific/Chatham", "Pacific/Auckland", "America/Santiago", "Africa/Johannesburg", "Atlantic/Azores"],
  ].flat();

  for (const name of names) {
    it(`say for ${name} what Intl says, and around every change to the second`, () => {
      const data = zone(name, FROM, TO);
      const format = formatOf(name);
      const changes = data.buckets.flatMap((bucket) => bucket.slice(1).map(([since]) => since));
      const around = changes.flatMap((since) => [since - 1000, since, since + 1000]);
      const steps = Array.from({ length: 600 }, (_, step) => FROM + Math.floor((step * (TO - FROM)) / 600));
      const ends = [FROM, FROM + data.bucket_ms - 1000, FROM + data.bucket_ms, TO - 1000];
      for (const ms of [...around, ...steps, ...ends]) {
        expect(offsetAt(data, ms), new Date(ms).toISOString()).to.equal(intlOffset(format, ms));
      }
    });
  }

  it("reach from the first moment to past the last, and say nothing beside them", () => {
    const data = zone("Europe/Berlin", FROM, TO);
    expect(offsetAt(data, FROM - 1)).to.equal(undefined);
    expect(offsetAt(data, TO)).to.be.a("number");
    expect(offsetAt(data, TO + data.bucket_ms)).to.equal(undefined);
  });

  it("end where the database ends, whatever is asked", () => {
    const data = zone("Europe/Berlin", Date.UTC(2498, 0, 1), Date.UTC(9999, 0, 1));
    expect(data.buckets.length).to.be.lessThan(15);
  });

  it("keep each bucket ascending, with an offset from its start on", () => {
    for (const name of zoneNames()) {
      const { from_ms, bucket_ms, buckets } = zone(name, FROM, FROM + HOUR_MS * 24 * 400);
      buckets.forEach((bucket, index) => {
        expect(bucket[0]?.[0], name).to.equal(from_ms + index * bucket_ms);
        const times = bucket.map(([since]) => since);
        expect(times, name).to.deep.equal([...times].sort((a, b) => a - b));
        for (const [, offset] of bucket) expect(Number.isInteger(offset), name).to.equal(true);
      });
    }
  });

  for (const name of ["Europe/Berln", "europe/berlin", "CEST", "", "__proto__", "+01:00"]) {
    it(`refuse \`${name}\` as a name`, () => {
      expect(isZone(name)).to.equal(false);
      expect(() => zone(name, FROM, TO)).to.throw(RangeError);
    });
  }

  it("name the edition of the database", () => {
    expect(TZDATA_VERSION).to.match(/^20\d\d[a-z]$/);
  });
});
