/**
 * Learns the baselines, in a standby, from records that another process writes, so that a start has only the last of them to read. If it
 * finds anything that a start would have to report, it leaves everything to the start.
 */
import { records, type FoldedRecord } from "../audit/log/fold.js";
import { segmentsOf } from "../audit/log/record_lines.js";
import { errorMessage } from "../system/error_message.js";
import type { Clock } from "../system/index.js";
import { BEHIND_RECORDS, tell, type LearnedProfile, type Learners } from "./recorded_profile.js";
import { readSnapshot } from "./snapshot_file.js";

/** The clock is looked at after so many records. */
const RECORDS_MAX = 32;

export class ProfileAhead {
  readonly #learners: Learners;
  readonly #folder: string;
  readonly #file: string;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #leaves: (why: string) => void;
  #learned: LearnedProfile | null = null;
  /** Place at which the next record begins, if known. */
  #end: FoldedRecord["end"] | undefined;
  #covered = 0;
  /** Left to the start. */
  #left = false;

  /**
   * @param file of the snapshot, which is where it begins
   * @param leaves told once, where all of it is left to the start before that comes
   */
  constructor(
    learners: Learners,
    { folder, file }: { folder: string; file: string },
    clock: Pick<Clock, "monotonic">,
    leaves: (why: string) => void,
  ) {
    this.#learners = learners;
    this.#folder = folder;
    this.#file = file;
    this.#clock = clock;
    this.#leaves = leaves;
  }

  /** Records up to this one are there to stay. */
  cover(seq: number): void {
    this.#covered = seq;
  }

  /** Learns for so long at most. */
  advance(ms: number): void {
    if (this.#left || this.#covered <= (this.#learned?.seq ?? 0)) return;
    try {
      this.#learned ??= this.#begun();
      this.#advance(this.#learned, this.#clock.monotonic() + ms);
    } catch (cause) {
      this.#leave(errorMessage(cause));
    }
  }

  /**
   * Returns what it has learned of a log of so many records, which is the caller's from then on; null if that was another log, or if a
   * snapshot is likely to be further on.
   */
  take(recordsNow: number): LearnedProfile | null {
    const learned = this.#learned;
    this.#left = true;
    this.#learned = null;
    if (learned === null || learned.seq > recordsNow) return null;
    return recordsNow - learned.seq <= BEHIND_RECORDS ? learned : null;
  }

  #leave(why: string): void {
    if (this.#left) return;
    this.#left = true;
    this.#learned = null;
    this.#leaves(why);
  }

  #begun(): LearnedProfile {
    const bytes = readSnapshot(this.#file);
    if (bytes === null) return { profile: this.#learners.begin(), seq: 0, kept: { seq: 0, bytes: 0 } };
    const { profile, seq } = this.#learners.restore(bytes);
    return { profile, seq, kept: { seq, bytes: bytes.length } };
  }

  /** @throws Error saying what of it can't be learned from */
  #advance(learned: LearnedProfile, until: number): void {
    const from = learned.seq + 1;
    if ((segmentsOf(this.#folder)[0]?.first ?? 1) > from) throw new Error(`record ${from} has been dropped`);
    let count = 0;
    for (const { seq, end, lesson } of records(this.#folder, from, this.#covered, this.#end)) {
      if (lesson?.of === "unreadable") throw new Error(`record ${seq} can't be read`);
      if (lesson !== null && lesson.of !== "started") tell(learned.profile, lesson);
      learned.seq = seq;
      this.#end = end;
      if (++count % RECORDS_MAX === 0 && this.#clock.monotonic() >= until) return;
    }
  }
}
