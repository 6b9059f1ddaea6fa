/** A team of support agents after a fortnight of ordinary days. */
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { DAY, HOUR, MONDAY, shift, work } from "./desk.js";

export const TEAM = ["support-1", "support-2", "support-3", "support-4", "support-7"];
export const DAYS = 14;
/** A Monday again, in the middle of the day. */
export const THEN = MONDAY + DAYS * DAY + 3 * HOUR;

export function team(options: { guarded?: boolean } = {}): BehaviorProfile {
  const profile = new BehaviorProfile({ agents_max: 100, ...options });
  for (let day = 0; day < DAYS; day++) for (const agent of TEAM) work(profile, shift({ agent, from: day, days: 1 }));
  return profile;
}
