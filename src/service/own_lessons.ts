/**
 * Lessons of this node's own log, for the other nodes of its cluster: the latest from memory, earlier ones from the records. None is given
 * out before its record is on disk, since what isn't may never be.
 */
import { records, type FoldedRecord, type Lesson } from "../audit/log/fold.js";
import type { Act, ActOutcome } from "../contract/index.js";
import { othersTurn, type Timers } from "../system/index.js";

/** Lesson without what the node that decided made of it: each node judges by what it knows itself. */
export type OwnLesson = { of: "act"; act: Act; outcome: ActOutcome } | Exclude<Lesson, { of: "act" }>;

/** Lesson, and the record from which on it counts as learned; several may have the same. */
export type PlacedLesson = readonly [seq: number, lesson: OwnLesson];

/** Lessons after a place in a log, in their order. */
export interface LessonPage {
  v: 1;
  /** Place up to which these are all there are. */
  through: number;
  /** True if more are there already. */
  more: boolean;
  lessons: PlacedLesson[];
}

/** The log, as far as its lessons follow from it. */
interface PlacedLog {
  readonly seq: number;
  readonly durable: number;
}

/** Lessons kept in memory: about a quarter of a kilobyte each. */
const KEPT_MAX = 20_000;
/** Lessons of a page, but for those of one turn, which are never parted. */
const PAGE_LESSONS = 500;
/** Records that are looked at for a page, and those that are read before others have their turn. */
const PAGE_RECORDS = 10_000;
const TURN_RECORDS = 64;
/** Ends of pages that are remembered: other nodes read on from there. */
const ENDS_MAX = 100;
/** Stands for the place of what was learned in this turn: its record may be handed to the log later in it. */
const NOT_PLACED = Infinity;

export class OwnLessons {
  readonly #log: PlacedLog;
  readonly #folder: string;
  readonly #timers: Pick<Timers, "turnEnd">;
  #kept: { seq: number; lesson: OwnLesson }[] = [];
  /** Place up to which lessons are no longer, or never were, in memory; infinite: all have to be read. */
  #before: number;
  /** Places on disk behind the records up to which pages were read: a segment isn't read from its beginning for each page. */
  readonly #ends = new Map<number, FoldedRecord["end"]>();
  #isPlacing = false;

  constructor(log: PlacedLog, folder: string, timers: Pick<Timers, "turnEnd">) {
    this.#log = log;
    this.#folder = folder;
    this.#timers = timers;
    this.#before = log.seq;
  }

  add(lesson: OwnLesson): void {
    this.#kept.push({ seq: NOT_PLACED, lesson });
    if (this.#isPlacing) return;
    this.#isPlacing = true;
    this.#timers.turnEnd(() => {
      this.#isPlacing = false;
      this.#place();
    });
  }

  /** Gives up what is in memory: the numbers of records that were not on disk are given to others. */
  lost(): void {
    this.#kept = [];
    this.#before = NOT_PLACED;
  }

  /** Returns what comes after a place, as far as it is on disk. @throws Error if the records can't be read */
  async after(seq: number): Promise<LessonPage> {
    const { durable } = this.#log;
    // A log that ends before that is another one.
    if (seq > this.#log.seq) return { v: 1, through: 0, more: durable > 0, lessons: [] };
    return seq < this.#before ? await this.#read(seq, Math.min(durable, this.#before)) : this.#remembered(seq, durable);
  }

  /** Called in a turn of its own, in which all that was learned is in the hands of the log. */
  #place(): void {
    const { seq } = this.#log;
    if (this.#before === NOT_PLACED && this.#kept.length > 0) {
      // The first since what was in memory was given up: records meanwhile, of which nothing was added, are read too.
      this.#kept = [];
      this.#before = seq;
    }
    for (let i = this.#kept.length - 1; i >= 0; i--) {
      const kept = this.#kept[i];
      if (kept?.seq !== NOT_PLACED) break;
      kept.seq = seq;
    }
    // Cut seldom, and by half: each cut copies the rest.
    if (this.#kept.length <= 2 * KEPT_MAX) return;
    this.#before = this.#kept[this.#kept.length - KEPT_MAX - 1]?.seq ?? seq;
    this.#kept.splice(0, firstAfter(this.#kept, this.#before));
  }

  #remembered(after: number, durable: number): LessonPage {
    const page: LessonPage = { v: 1, through: after, more: false, lessons: [] };
    for (let i = firstAfter(this.#kept, after); i < this.#kept.length; i++) {
      const { seq, lesson } = this.#kept[i] ?? { seq: NOT_PLACED };
      if (seq > durable || lesson === undefined) return page;
      if (page.lessons.length >= PAGE_LESSONS && seq > page.through) return { ...page, more: true };
      page.lessons.push([seq, lesson]);
      page.through = seq;
    }
    return page;
  }

  async #read(after: number, to: number): Promise<LessonPage> {
    const last = Math.min(to, after + PAGE_RECORDS);
    const page: LessonPage = { v: 1, through: Math.max(after, last), more: last < this.#log.durable, lessons: [] };
    if (last <= after) return page;
    let reached: Pick<FoldedRecord, "seq" | "end"> | null = null;
    let read = 0;
    for (const { seq, lesson, end } of records(this.#folder, after + 1, last, this.#ends.get(after))) {
      if (lesson?.of !== "unreadable") reached = { seq, end };
      const own = lesson && ownOf(lesson);
      if (own !== null) page.lessons.push([seq, own]);
      if (page.lessons.length === PAGE_LESSONS) {
        page.through = seq;
        page.more = true;
        break;
      }
      if (++read % TURN_RECORDS !== 0) continue;
      await othersTurn(this.#timers);
    }
    if (reached?.seq === page.through) this.#remember(reached.seq, reached.end);
    return page;
  }

  #remember(seq: number, end: FoldedRecord["end"]): void {
    this.#ends.delete(seq);
    this.#ends.set(seq, end);
    if (this.#ends.size <= ENDS_MAX) return;
    const [oldest] = this.#ends.keys();
    if (oldest !== undefined) this.#ends.delete(oldest);
  }
}

/** Returns the index of the first that is after a place; they are in order. */
function firstAfter(kept: readonly { seq: number }[], after: number): number {
  let [from, to] = [0, kept.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((kept[middle]?.seq ?? NOT_PLACED) > after) to = middle;
    else from = middle + 1;
  }
  return from;
}

function ownOf(lesson: FoldedRecord["lesson"]): OwnLesson | null {
  if (lesson.of === "act") return { of: "act", act: lesson.act, outcome: lesson.outcome };
  return lesson.of === "started" || lesson.of === "unreadable" ? null : lesson;
}
