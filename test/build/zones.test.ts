import { expect } from "chai";
import { isZone, zone, TZDATA_VERSION } from "../../src/bundle/zones.js";
import { DAY_MS, WEEK_MS } from "../../src/bundle/hours.js";
import { WEEKS_BUCKET_MS, type Zone } from "../../src/contract/index.js";
import { FROM } from "./zones_support.js";

const TO = Date.UTC(2036, 0, 1);

/** Milliseconds of the local week, as `rego/remit/hours.rego` finds them. */
function ofWeekAt({ first, weeks }: Zone, ms: number): number | undefined {
  const found = (weeks[Math.floor(ms / WEEKS_BUCKET_MS) - first] ?? []).filter(([since, until]) => since <= ms && ms < until);
  expect(found.length, "never two").to.be.at.most(1);
  const [week] = found;
  return week === undefined ? undefined : ms - week[2];
}

function intlOfWeek(format: Intl.DateTimeFormat, ms: number): number {
  const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(parts["year"] ?? 0, (parts["month"] ?? 1) - 1, parts["day"], parts["hour"], parts["minute"], parts["second"]);
  // 1970-01-01 was a Thursday.
  return (local + 3 * DAY_MS) % WEEK_MS;
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
      const starts = data.weeks.flat().map(([since]) => since);
      const around = starts.slice(1).flatMap((since) => [since - 1000, since, since + 1000]);
      const steps = Array.from({ length: 600 }, (_, step) => FROM + Math.floor((step * (TO - FROM)) / 600));
      const ends = [FROM, TO - 1000];
      for (const ms of [...around, ...steps, ...ends]) {
        expect(ofWeekAt(data, ms), new Date(ms).toISOString()).to.equal(intlOfWeek(format, ms));
      }
    });
  }

  it("reach from the first moment to the last, and say nothing beside them", () => {
    const data = zone("Europe/Berlin", FROM, TO);
    expect(ofWeekAt(data, FROM - 1)).to.equal(undefined);
    expect(ofWeekAt(data, FROM)).to.be.a("number");
    expect(ofWeekAt(data, TO - 1)).to.be.a("number");
    expect(ofWeekAt(data, TO)).to.equal(undefined);
    expect(ofWeekAt(data, TO + WEEKS_BUCKET_MS)).to.equal(undefined);
  });

  it("say nothing where there is no time between the two", () => {
    expect(zone("Europe/Berlin", TO, TO).weeks).to.deep.equal([]);
    expect(zone("Europe/Berlin", TO, FROM).weeks).to.deep.equal([]);
  });

  it("end where the database ends, whatever is asked", () => {
    const data = zone("Europe/Berlin", Date.UTC(2498, 0, 1), Date.UTC(9999, 0, 1));
    expect(data.weeks.at(-1)?.at(-1)?.[1]).to.equal(Date.UTC(2499, 0, 1));
  });

  it("count moments before 1970 as any other", () => {
    const ms = Date.UTC(1969, 11, 31, 23, 59, 59);
    const data = zone("Europe/Berlin", Date.UTC(1969, 0, 1), Date.UTC(1971, 0, 1));
    expect(ofWeekAt(data, ms)).to.equal(3 * DAY_MS + 3_599_000);
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
