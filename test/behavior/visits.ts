/** Visits at a practice, each of which needs a record that is confidential, and whatever is read beside it. */
import type { BehaviorProfile } from "../../src/behavior/profile.js";
import type { Act, Assessment } from "../../src/contract/index.js";
import { act, DAY, HOUR, live, MONDAY, SECOND } from "./desk.js";

export const VISITS = 20;
export const CONFIDENTIAL = { type: "record", labels: ["confidential"] };
/** Record of somebody whom the task isn't about. */
export const BESIDE_TASK: Partial<Act> = { ...CONFIDENTIAL, relation: "other" };

/** Acts beside what a visit needs, by its day and number. */
export type Beside = (day: number, n: number) => readonly Partial<Act>[];
/** One in a hundred looks a second record up, as people do. */
export const tidy: Beside = (day, n) => ((day * VISITS + n) % 100 === 31 ? [BESIDE_TASK] : []);

/** The appointment, the patient's record, what else is read, under names of this visit, and a note. */
function* visit(day: number, n: number, more: readonly Partial<Act>[], own: Partial<Act>): Generator<Act> {
  const task = `V-${day}-${n}`;
  const steps: Partial<Act>[] = [{ type: "appointment" }, own, ...more, { verb: "update", verb_class: "write", type: "note" }];
  const began = MONDAY + day * DAY + Math.floor((n * 8 * HOUR) / VISITS);
  for (const [i, step] of steps.entries())
    yield act({ id: `${step.type ?? ""}-${day}-${n}-${i}`, ...{ task, session: task, time_ms: began + i * 15 * SECOND }, ...step });
}

/** Days of visits; returns what was said of each act. */
export function visits(
  profile: BehaviorProfile,
  from: number,
  count: number,
  beside: Beside,
  own: Partial<Act> = CONFIDENTIAL,
): Assessment[] {
  const said: Assessment[] = [];
  for (let day = from; day < from + count; day++)
    for (let n = 0; n < VISITS; n++) for (const one of visit(day, n, beside(day, n), own)) said.push(live(profile, one));
  return said;
}
