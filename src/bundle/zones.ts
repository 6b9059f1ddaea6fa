/**
 * Local time for policies, without a clock or anyone's zone database: a bundle carries the local weeks of the zones it
 * uses, from the IANA data of the pinned moment-timezone, so a decision replays the same on every machine.
 */
import moment from "moment-timezone";
import type { Zone } from "../contract/policy.js";
import { DAY_MS } from "./hours.js";
import { weeksOf } from "./weeks.js";

/** A bundle's zones begin this long before it was built: a decision may be dated by a clock a little behind. */
export const ZONE_BEFORE_MS = DAY_MS;
/** …and end this long after it expires. */
export const ZONE_AFTER_MS = DAY_MS;

/** Version of the IANA time zone data, such as `2026f`. */
export const TZDATA_VERSION = moment.tz.dataVersion;

/** The zone data states every change up to here; the last change of the last zone is later in that year. */
const ZONE_DATA_ENDS_MS = Date.UTC(2499, 0, 1);

/** Every IANA name. */
export function zoneNames(): string[] {
  return moment.tz.names();
}

/** Returns true if `name` is an IANA zone, spelled as the database spells it. */
export function isZone(name: string): boolean {
  return moment.tz.zone(name) !== null && zoneNames().includes(name);
}

/**
 * The local weeks of one zone from `fromMs` to `toMs`, both milliseconds since the epoch, or to where the data ends.
 * @throws RangeError for a name that `isZone` refuses
 */
export function zone(name: string, fromMs: number, toMs: number): Zone {
  const data = isZone(name) ? moment.tz.zone(name) : null;
  if (data === null) throw new RangeError(`no such time zone: ${name}`);
  const ends = Math.min(toMs, ZONE_DATA_ENDS_MS);
  const changes = [fromMs, ...data.untils.filter((until) => until > fromMs && until < ends)];
  return weeksOf(
    changes.map((since) => ({ since, east: eastMs(data.utcOffset(since)) })),
    ends,
  );
}

/** moment counts minutes west of Greenwich, in fractions for local mean times. */
function eastMs(west: number): number {
  return Math.round(-west * 60) * 1000 + 0;
}
