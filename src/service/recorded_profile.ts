/**
 * The profile of a service: at every moment the result of all records in the log so far. A start has it from a snapshot and the
 * records behind it, and so has a service of whose records some didn't reach the disk.
 */
import { lessonOfDeed, lessons, mayTell, type Lesson } from "../audit/log/fold.js";
import type { Portrait } from "../behavior/portrait.js";
import { segmentsOf } from "../audit/log/record_lines.js";
import {
  NOTHING_ODD,
  type Act,
  type ActOutcome,
  type Assessment,
  type Calibration,
  type SharedOddity,
  type VerdictCounts,
} from "../contract/index.js";
import { readFactsText } from "../decision/facts_record.js";
import type { KeptProfile, Log, Profile } from "../decision/ports.js";
import { errorMessage } from "../system/error_message.js";
import { othersTurn, pause, type Timers } from "../system/index.js";
import { OwnLessons, type OwnLesson } from "./own_lessons.js";
import { readSnapshot, writeSnapshot, type SnapshotPieces } from "./snapshot_file.js";

/** Part of `src/behavior` whose state is kept. */
export interface Learner extends Profile {
  /** Learns from an act. @returns the oddness that several agents of a group share with it; null: none, or none that is new */
  learn(act: Act, outcome: ActOutcome): SharedOddity | null;
  /** Learns an action that a person marked as expected. */
  markExpected(act: Act): void;
  /** Moves a purpose's thresholds by a person's verdict. */
  calibrate(purpose: string, counts: VerdictCounts, now_ms: number): void;
  calibrationOf(purpose: string): Calibration;
  /** Clears the evidence held against an agent. */
  forgive(agent: string): void;
  /** Rolls habits back to the newest checkpoint that is not after `to_ms`. */
  rollBack(agent: string, to_ms: number): unknown;
  /** Times of the checkpoints, in milliseconds, the earliest first. */
  checkpointsOf(agent: string): readonly number[];
  /** Describes an agent's habits; null if nothing is known of it. */
  portrait(agent: string): Portrait | null;
  readonly agents: { readonly size: number };
  /** Last record that it has learned from, of each other node's log. */
  readonly followed: Map<string, number>;
  /** Time of the latest act of an agent, milliseconds since the epoch; 0 if nothing is known of it. */
  lastOf(agent: string): number;
  riskOf(agent: string, now_ms: number): number;
  /** Begins a snapshot of this very moment, which is that of record `seq`. */
  beginSnapshot(seq: number): SnapshotPieces;
}

export interface Learners {
  begin(): Learner;
  /** @throws Error saying why these bytes are no snapshot that it can go on from */
  restore(bytes: Uint8Array): Omit<LearnedProfile, "kept">;
}

/** The log, as far as it has to be followed. */
export interface KeptLog extends Log {
  readonly seq: number;
  readonly durable: number;
  readonly healthy: boolean;
}

export interface KeptOptions {
  /** Folder of the records. */
  folder: string;
  /** File of the snapshot. */
  file: string;
  snapshot_ms: number;
  /** Returns what was learned of a log of so many records, to be used instead of the snapshot; null: nothing. Called once. */
  ahead?: ((records: number) => LearnedProfile | null) | undefined;
}

/** A profile, and the record up to which it has learned. */
export interface LearnedProfile {
  profile: Learner;
  seq: number;
  /** The snapshot that it went on from, of record `seq`. */
  kept: { seq: number; bytes: number };
}

export interface KeptEvents {
  /** It knows what the records tell, up to `seq`, of which it had those up to `read` from a snapshot, or from who had read ahead. */
  ready(seq: number, read: number): void;
  /** A snapshot that it can't go on from: the records are read from the first on. */
  refused(detail: string): void;
  /** Called if what was before `seq` is in no snapshot and no longer among the records. */
  forgotten(seq: number): void;
  unreadable(seq: number, why: string): void;
  unsaved(detail: string): void;
}

/** Lessons learned at a time; others have their turn between them. */
const LESSONS_MAX = 256;
/**
 * A snapshot is due after so many records too: a start reads what comes after it, some 15 µs each. Of a large profile it is due less
 * often, so that it takes no more of the disk than a third of what records do.
 */
export const BEHIND_RECORDS = 20_000;
const BYTES_A_RECORD = 512;
/** Agents written at a time. */
const SLICE_AGENTS = 32;
const LOOK_MS = 20;
const RISK_MAX = 100;

export class RecordedProfile implements KeptProfile {
  readonly learns = true;
  readonly #learners: Learners;
  readonly #log: KeptLog;
  readonly #timers: Timers;
  readonly #options: KeptOptions;
  readonly #events: KeptEvents;
  #profile: Learner;
  #ready = false;
  /** Counts profiles that were given up, so that a snapshot of one is never completed. */
  #givenUp = 0;
  /** True if it has learned something that is in no snapshot. */
  #changed = false;
  #saving: Promise<void> | null = null;
  /** The record with which a snapshot is due. */
  #due = Infinity;
  #making: Promise<void> | null = null;
  #closed = false;
  #listener: ((shared: SharedOddity) => void) | null = null;
  #own: OwnLessons | null = null;
  #stopSaving = (): void => undefined;

  /** Resolves when it knows what the records tell. */
  static async open(learners: Learners, log: KeptLog, timers: Timers, options: KeptOptions, events: KeptEvents): Promise<RecordedProfile> {
    const kept = new RecordedProfile(learners, log, timers, options, events);
    await kept.#make(options.ahead?.(log.seq) ?? null);
    kept.#stopSaving = timers.every(options.snapshot_ms, () => {
      void kept.save();
    });
    return kept;
  }

  private constructor(learners: Learners, log: KeptLog, timers: Timers, options: KeptOptions, events: KeptEvents) {
    this.#learners = learners;
    this.#log = log;
    this.#timers = timers;
    this.#options = options;
    this.#events = events;
    this.#profile = learners.begin();
  }

  get ready(): boolean {
    return this.#ready;
  }

  assess(act: Act): Assessment {
    return this.#ready ? this.#profile.assess(act) : NOTHING_ODD;
  }

  learn(act: Act, outcome: ActOutcome): void {
    if (!this.#ready) return;
    this.#learn(act, outcome);
    this.#own?.add({ of: "act", act, outcome });
    if (this.#log.seq < this.#due) return;
    this.#due = Infinity;
    // What the log took in this turn may not be learned yet, and a snapshot is of a whole record.
    void othersTurn(this.#timers).then(() => this.save());
  }

  /** Returns what it learns from its own log, for other nodes to learn: kept from the first call on. */
  lessons(): OwnLessons {
    this.#own ??= new OwnLessons(this.#log, this.#options.folder, this.#timers);
    return this.#own;
  }

  /** Returns up to which of its records it has learned from another node. */
  followedTo(node: string): number {
    return this.#profile.followed.get(node) ?? 0;
  }

  /** Another node's log goes on from there. */
  followOn(node: string, seq: number): void {
    if (!this.#ready || this.followedTo(node) === seq) return;
    this.#profile.followed.set(node, seq);
    this.#changed = true;
  }

  /**
   * Learns what another node's log tells.
   * @param isNews false for what is long over: what several agents had in common then was found then
   */
  follow(lesson: OwnLesson, isNews = true): void {
    if (!this.#ready) return;
    if (isNews && lesson.of === "act") this.#learn(lesson.act, lesson.outcome);
    else tell(this.#profile, lesson);
    this.#changed = true;
  }

  lastOf(agent: string): number {
    return this.#profile.lastOf(agent);
  }

  #learn(act: Act, outcome: ActOutcome): void {
    const shared = this.#profile.learn(act, outcome);
    if (shared !== null) this.#listener?.(shared);
    this.#changed = true;
  }

  /** Calls with what several agents of a group have in common, once each; what the records told before isn't new. */
  whenShared(listener: (shared: SharedOddity) => void): void {
    this.#listener = listener;
  }

  /** Returns the risk; 100 until the profile is ready. */
  riskOf(agent: string, nowMs: number): number {
    return this.#ready ? this.#profile.riskOf(agent, nowMs) : RISK_MAX;
  }

  unrecorded(): void {
    if (!this.#ready || this.#closed) return;
    this.#ready = false;
    this.#givenUp++;
    this.#own?.lost();
    this.#making = this.#make();
  }

  /** Returns how verdicts have moved a purpose's thresholds; while that isn't known, as if there were none. */
  calibrationOf(purpose: string): Calibration {
    return this.#ready ? this.#profile.calibrationOf(purpose) : { expected: 0, misuse: 0, score: 0 };
  }

  /** Agents of which something is known. */
  get known(): number {
    return this.#profile.agents.size;
  }

  /** Describes an agent's habits; null if nothing is known of it, or not yet. */
  portrait(agent: string): Portrait | null {
    return this.#ready ? this.#profile.portrait(agent) : null;
  }

  /** To when an agent's habits can be rolled back. While it isn't known, to nothing. */
  checkpointsOf(agent: string): readonly number[] {
    return this.#ready ? this.#profile.checkpointsOf(agent) : [];
  }

  /** The log as what people do is written to it: what that tells is learned at its place among the records. */
  get log(): Log {
    return {
      append: (before, after, beside) => {
        const { seq } = this.#log;
        const recorded = this.#log.append(before, after, beside);
        if (this.#log.seq === seq || !(mayTell(before) || mayTell(after))) return recorded;
        const lesson = lessonOfDeed(readFactsText({ before, after, beside }));
        if (lesson === null) return recorded;
        if (this.#ready) {
          tell(this.#profile, lesson);
          this.#changed = true;
          // Never an act: those are decided, and learned beside their records.
          if (lesson.of !== "act") this.#own?.add(lesson);
        }
        return recorded.catch((cause: unknown) => {
          this.unrecorded();
          throw cause;
        });
      },
    };
  }

  /** Resolves when what it knows is in a snapshot on disk, or can't be; at once where it is already. */
  save(): Promise<void> {
    this.#saving ??= this.#save().finally(() => {
      this.#saving = null;
    });
    return this.#saving;
  }

  async close(): Promise<void> {
    this.#stopSaving();
    await this.#saving;
    await this.save();
    this.#closed = true;
    await this.#making;
  }

  async #save(): Promise<void> {
    if (!this.#ready || !this.#changed) return;
    this.#changed = false;
    const [{ seq }, givenUp] = [this.#log, this.#givenUp];
    let bytes = 0;
    // A record that isn't on disk may never be.
    const isGood = async (): Promise<boolean> => {
      while (this.#givenUp === givenUp && this.#log.healthy && this.#log.durable < seq) await pause(this.#timers, LOOK_MS);
      return this.#givenUp === givenUp && this.#log.durable >= seq;
    };
    try {
      const turn = (): Promise<void> => othersTurn(this.#timers);
      const written = await writeSnapshot(this.#options.file, this.#profile.beginSnapshot(seq), SLICE_AGENTS, turn, isGood);
      this.#changed ||= written === null;
      bytes = written ?? 0;
    } catch (cause) {
      this.#changed = true;
      this.#events.unsaved(errorMessage(cause));
    }
    this.#dueAfter(seq, bytes);
  }

  #dueAfter(seq: number, snapshotBytes: number): void {
    this.#due = seq + Math.max(BEHIND_RECORDS, snapshotBytes / BYTES_A_RECORD);
  }

  /** From the snapshot and the records behind it, until there are no more. */
  async #make(ahead: LearnedProfile | null = null): Promise<void> {
    await this.#durable();
    const { profile, seq: read, kept } = ahead ?? this.#restored();
    let told = read;
    while (!this.#closed && told < this.#log.seq) {
      const { seq } = this.#log;
      await this.#fold(profile, told + 1, seq);
      told = seq;
      await this.#durable();
    }
    if (this.#closed) return;
    this.#profile = profile;
    this.#changed = told > kept.seq;
    this.#ready = true;
    this.#dueAfter(kept.seq, kept.bytes);
    this.#events.ready(told, read);
  }

  /** Resolves when all that the log has taken is on disk: what isn't may never be. */
  async #durable(): Promise<void> {
    while (!this.#closed && (!this.#log.healthy || this.#log.durable < this.#log.seq)) await pause(this.#timers, LOOK_MS);
  }

  #restored(): LearnedProfile {
    const begun = { profile: this.#learners.begin(), seq: 0, kept: { seq: 0, bytes: 0 } };
    try {
      const bytes = readSnapshot(this.#options.file);
      if (bytes === null) return begun;
      const restored = this.#learners.restore(bytes);
      if (restored.seq <= this.#log.seq) return { ...restored, kept: { seq: restored.seq, bytes: bytes.length } };
      this.#events.refused(`it has record ${restored.seq}, and the log ends at ${this.#log.seq}`);
    } catch (cause) {
      this.#events.refused(errorMessage(cause));
    }
    return begun;
  }

  async #fold(profile: Learner, from: number, to: number): Promise<void> {
    const first = segmentsOf(this.#options.folder)[0]?.first ?? from;
    if (first > from) this.#events.forgotten(first);
    let learned = 0;
    for (const { seq, lesson } of lessons(this.#options.folder, from, to)) {
      if (lesson.of === "unreadable") this.#events.unreadable(seq, lesson.why);
      else if (lesson.of !== "started") tell(profile, lesson);
      if (++learned % LESSONS_MAX === 0) await othersTurn(this.#timers);
    }
  }
}

export function tell(
  profile: Pick<Learner, "learn" | "markExpected" | "calibrate" | "forgive" | "rollBack">,
  lesson: Lesson | OwnLesson,
): void {
  switch (lesson.of) {
    case "act":
      profile.learn(lesson.act, lesson.outcome);
      return;
    case "expected":
      for (const act of lesson.acts) profile.markExpected(act);
      return;
    case "judged": {
      const { purpose, ...counts } = lesson.calibrates;
      for (const act of lesson.acts) profile.markExpected(act);
      profile.calibrate(purpose, counts, lesson.time_ms);
      return;
    }
    case "forgiven":
      profile.forgive(lesson.agent);
      return;
    case "rolled_back":
      profile.rollBack(lesson.agent, lesson.to_ms);
  }
}
