/**
 * What is usual, learned by a standby from records that another process writes, so that a start has only the last of them to read.
 * Where there is something that a start would have to say of what it finds, all of it is left to the start.
 */
import { lessons, type Told } from "../audit/fold.js";
import { segmentsOf } from "../audit/reading.js";
import type { Clock } from "../system/index.js";
import { tell, type Learned, type Learners } from "./kept_profile.js";
import { readSnapshot } from "./snapshot_file.js";

/** The clock is looked at after so many. */
const LESSONS_MAX = 32;

export class ProfileAhead {
  readonly #learners: Learners;
  readonly #folder: string;
  readonly #file: string;
  readonly #clock: Pick<Clock, "monotonic">;
  #learned: Learned | null = null;
  /** The last record that was learned from, and where the next one begins; null where that isn't known. */
  #last: Omit<Told, "lesson"> | null = null;
  #covered = 0;
  /** Left to the start. */
  #left = false;

  /** @param file of the snapshot, which is where it begins */
  constructor(learners: Learners, { folder, file }: { folder: string; file: string }, clock: Pick<Clock, "monotonic">) {
    this.#learners = learners;
    this.#folder = folder;
    this.#file = file;
    this.#clock = clock;
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
      this.#left = !this.#advance(this.#learned, this.#clock.monotonic() + ms);
    } catch {
      this.#left = true;
    }
    if (this.#left) this.#learned = null;
  }

  /**
   * What it has learned of a log of so many records, which is the caller's from then on; null where that isn't all that it was told of, or
   * is of another log.
   */
  take(records: number): Learned | null {
    const learned = this.#learned;
    this.#learned = null;
    this.#left = true;
    return learned !== null && learned.seq >= this.#covered && learned.seq <= records ? learned : null;
  }

  #begun(): Learned {
    const bytes = readSnapshot(this.#file);
    return bytes === null ? { profile: this.#learners.begin(), seq: 0 } : this.#learners.restore(bytes);
  }

  /** @returns whether there was nothing that can't be learned from */
  #advance(learned: Learned, until: number): boolean {
    const covered = this.#covered;
    const from = (this.#last?.seq ?? learned.seq) + 1;
    if ((segmentsOf(this.#folder)[0]?.first ?? 1) > from) return false;
    let count = 0;
    for (const { lesson, ...place } of lessons(this.#folder, from, covered, this.#last?.end)) {
      if (lesson.of === "unreadable") return false;
      if (lesson.of !== "started") tell(learned.profile, lesson);
      learned.seq = place.seq;
      this.#last = place;
      if (++count % LESSONS_MAX === 0 && this.#clock.monotonic() >= until) return true;
    }
    learned.seq = Math.max(learned.seq, covered);
    return true;
  }
}
