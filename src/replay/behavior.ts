/**
 * Derives from the records alone how odd each action was, as the service that wrote them had it, and says what a record says
 * otherwise: where none does, the profile was what its records make it.
 */
import { lessons, type Lesson } from "../audit/log/fold.js";
import { segmentsOf } from "../audit/log/record_lines.js";
import { canonical, type Act, type Assessment } from "../contract/index.js";
import type { Profile } from "../decision/ports.js";
import { othersTurn, type Timers } from "../system/index.js";
import type { ReplayProgress } from "./batches.js";
import type { UnreadableRecord } from "./records.js";

/** A profile that is told what records tell. */
export interface Rederived extends Pick<Profile, "assess"> {
  tell(lesson: Lesson): void;
}

export interface Rederiving {
  /** Moves whenever the same actions would come to other assessments. */
  algorithm: number;
  /** One that knows as many agents at most, and has learned what another had, where there was one. */
  begin: (agents_max: number, before: Rederived | null) => Rederived;
}

export interface OddDifferently {
  seq: number;
  agent: string;
  was: Assessment;
  now: Assessment;
}

export interface RederivedCounts {
  /** Actions that were learned from. */
  actions: number;
  identical: number;
  differing: number;
  /** Actions among `identical` in which something was odd. */
  odd: number;
  unreadable: number;
  /** Actions among `actions` that a service with another algorithm recorded, so that they aren't compared. */
  other_algorithm: number;
  /** Actions among `actions` that a node of a cluster recorded, which knew of other logs too, so that they aren't compared. */
  of_nodes: number;
  /** The first record there is; what it was to know of those before is gone where this isn't 1. */
  first: number;
}

export interface ToldOfBehavior {
  differing: (one: OddDifferently) => void;
  unreadable: (one: UnreadableRecord) => void;
  progress: (so_far: ReplayProgress) => void;
}

const LESSONS_MAX = 512;

/** Derives the assessments of all records again, and reports in the records' order. There is no range: each rests on all before it. */
export async function rederive(
  folder: string,
  { algorithm, begin }: Rederiving,
  timers: Pick<Timers, "turnEnd">,
  told: ToldOfBehavior,
): Promise<RederivedCounts> {
  const first = segmentsOf(folder)[0]?.first ?? 1;
  const counts: RederivedCounts = { actions: 0, identical: 0, differing: 0, odd: 0, unreadable: 0, other_algorithm: 0, of_nodes: 0, first };
  let [profile, agents_max]: [Rederived | null, number] = [null, 0];
  let apart: "other_algorithm" | "of_nodes" | null = null;
  let told_of = 0;
  for (const { seq, lesson } of lessons(folder, 1)) {
    if (++told_of % LESSONS_MAX === 0) {
      told.progress({ records: seq - first + 1, seq });
      await othersTurn(timers);
    }
    if (lesson.of === "unreadable") {
      counts.unreadable++;
      told.unreadable({ seq, why: lesson.why });
    } else if (lesson.of === "started") {
      if (lesson.behavior === null) continue;
      apart = lesson.behavior.of_nodes === true ? "of_nodes" : lesson.behavior.algorithm === algorithm ? null : "other_algorithm";
      if (profile === null || lesson.behavior.agents_max !== agents_max) {
        agents_max = lesson.behavior.agents_max;
        profile = begin(agents_max, profile);
      }
    } else {
      profile ??= begin((agents_max = AGENTS_MAX), null);
      if (lesson.of === "act" && !lesson.handed_in) compare(profile, seq, lesson, apart, counts, told);
      profile.tell(lesson);
    }
  }
  return counts;
}

/** Agents of a profile if no record says how many: the service's default. 10,000. */
const AGENTS_MAX = 10_000;

function compare(
  profile: Rederived,
  seq: number,
  { act, assessed: was }: { act: Act; assessed: Assessment },
  apart: "other_algorithm" | "of_nodes" | null,
  counts: RederivedCounts,
  told: ToldOfBehavior,
): void {
  counts.actions++;
  if (apart !== null) {
    counts[apart]++;
    return;
  }
  const now = profile.assess(act);
  if (canonical(now) === canonical(was)) {
    counts.identical++;
    if (now.risk > 0 || now.reasons.length > 0) counts.odd++;
    return;
  }
  counts.differing++;
  told.differing({ seq, agent: act.agent, was, now });
}
