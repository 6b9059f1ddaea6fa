/**
 * Moves a purpose's thresholds by people's verdicts on findings about behaviour: `expected` makes the purpose's agents score a little less,
 * `misuse` a little more. Only verdicts do that, never what an agent does, and only within a bound.
 */
import type { Calibration, VerdictCounts } from "../contract/index.js";
import { JUDGED_EXPECTED, JUDGED_MISUSE, MOVED, type Slab } from "./slab.js";
import { riskOf, totalOf } from "./score.js";

/** Score by which one verdict moves the thresholds of its purpose: a missed misuse weighs more than a flag too many. */
const [EXPECTED_MOVES, MISUSE_MOVES] = [0.1, -0.3];
/** Most that verdicts move them, either way: an act that had risk 60 has 51 then, or 68. */
const MOVED_MAX = 1.5;

/** Takes in a verdict, or takes one back. @param peers live state of the purpose's agents together */
export function calibrate({ f }: Slab, { expected, misuse }: VerdictCounts): void {
  f[JUDGED_EXPECTED] = Math.max(0, (f[JUDGED_EXPECTED] ?? 0) + expected);
  f[JUDGED_MISUSE] = Math.max(0, (f[JUDGED_MISUSE] ?? 0) + misuse);
  const moved = (f[MOVED] ?? 0) + EXPECTED_MOVES * expected + MISUSE_MOVES * misuse;
  // At the bound, the next verdict of the other kind counts at once.
  f[MOVED] = Math.min(MOVED_MAX, Math.max(-MOVED_MAX, moved));
}

/** Returns what is taken off the score of an act of the purpose; negative: added to it. */
export function movedBy({ f }: Slab): number {
  return f[MOVED] ?? 0;
}

/** Returns how verdicts have moved a purpose's thresholds. */
export function calibrationOf(slab: Slab): Calibration {
  const counts = { expected: slab.f[JUDGED_EXPECTED] ?? 0, misuse: slab.f[JUDGED_MISUSE] ?? 0 };
  return { ...counts, score: Math.round(movedBy(slab) * 10) / 10 };
}

/** Returns the risk that an act would have without any verdicts, if it just reaches this risk with them. */
export function uncalibrated(risk: number, { score }: Pick<Calibration, "score">): number {
  return Math.max(0, Math.round(riskOf(totalOf(risk) + score)));
}
