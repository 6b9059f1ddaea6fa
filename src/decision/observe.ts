/**
 * What agents did without having asked: lines of a stream, each judged as a decision would be, on the facts of that moment,
 * and recorded in the order in which they came. Nothing that is said of them permits anything.
 *
 * A stream is worked off in slices, few at once over all streams, and others have their turn between them. What waits is
 * bounded: who reads the stream waits for `take`, and so does its sender.
 */
import {
  ObservedAction,
  Problem,
  parseTime,
  type Act,
  type ObservedAnswer,
  type ProblemCode,
  type RefusedLine,
} from "../contract/index.js";
import { schemas } from "../system/schemas.js";
import type { System } from "../system/index.js";
import { TRIES_MAX, type Begun, type Concluded, type Steps, type Written } from "./decide.js";
import { evaluateEach } from "./evaluate.js";
import type { Asker } from "./gather.js";
import type { ActivePolicy, Caller, Evaluation } from "./ports.js";
import { Lines, isBlank } from "./lines.js";
import { checkEnvelope, readChecked, type Action } from "./read.js";
import type { Happened } from "./record.js";
import { scan, type ScanLimits } from "./scan.js";

export interface ObserveLimits extends ScanLimits {
  /** Bytes of one line. */
  line_bytes_max: number;
  /** Lines and bytes of one stream. */
  lines_max: number;
  bytes_max: number;
  /** Lines of one stream that may be refused. */
  refused_max: number;
  /** How long ago what is observed may have happened, and how far ahead of the host's clock its reporter's may be. */
  age_max_ms: number;
  time_skew_max_ms: number;
}

/** The log, of whose queue half is left to decisions. */
export interface ObserveLog {
  /** As `Log`'s `append`, of several that are on disk together or not at all. */
  appendAll(entries: readonly Written["entry"][]): Promise<void>;
  /** Of the last record that was handed in. */
  readonly seq: number;
  readonly queue: { records: number; bytes: number };
  readonly queue_max: { records: number; bytes: number };
}

export interface ObserverDeps {
  steps: Steps;
  log: ObserveLog;
  system: Pick<System, "clock" | "timers">;
  limits: ObserveLimits;
}

export interface Observer {
  /** @param asked looks for the decisions of what should have been asked before; left out: nothing should have been */
  begin(caller: Caller, asked?: AskedBefore): Observation;
}

/**
 * Whether a line's action had been permitted before it was done: then it is on record as that decision, and is not judged again.
 * Null where it need not have been asked.
 * @throws Problem where that can't be told now
 */
export type AskedBefore = (line: number, act: Act) => Promise<boolean | null>;

/** Lines judged together: others wait no longer than for a few of these. */
const SLICE_LINES = 32;
/**
 * Slices under way, over all streams, until they are on disk: one is read while another is evaluated or written. More would
 * be no faster on one core, and a decision that comes then waits for all of them.
 */
const SLICES_MAX = 2;
/** Decisions that are looked for at once: others search too. */
const LOOKED_FOR_MAX = 8;
/** How often a full log is looked at, and how long it may stay full. */
const LOG_LOOK_MS = 5;
const LOG_FULL_MS_MAX = 10_000;

const ajv = schemas({ strictTypes: false, ownProperties: true });
const validLine = ajv.compile<ObservedAction>(ObservedAction);

export function observer(deps: ObserverDeps): Observer {
  const gate = new Gate(SLICES_MAX);
  return { begin: (caller, asked) => new Observation(deps, gate, caller, asked ?? null) };
}

/** A line that could be read. */
interface Read {
  line: number;
  action: Action;
  happened: Happened;
}

/** Lines that are recorded together. */
type Group = { line: number; written: Written }[];

interface Slice {
  policy: ActivePolicy;
  reads: Read[];
  askers: Asker[];
  asked_ms: number;
  /** A line's share. */
  read_ms: number;
}

export class Observation {
  readonly #deps: ObserverDeps;
  readonly #gate: Gate;
  readonly #caller: Caller;
  readonly #askedBefore: AskedBefore | null;
  /** Of lines that bring no proof of their own. */
  readonly #asker: Asker;
  readonly #lines: Lines;
  readonly #refused: RefusedLine[] = [];
  readonly #accepted = { lines: 0, not_permitted: 0, flagged: 0 };
  readonly #minutes = new Minutes();
  #line = 0;
  #bytes = 0;
  /** The last line that the log was given. */
  #handedTo = 0;
  #recordedTo: number | null = null;
  #stopped: { line: number; code: ProblemCode } | null = null;
  /** Resolves when the slice before has been handed over. */
  #handedOver: Promise<void> = Promise.resolve();
  /** Resolves when all that has been handed over is on disk, or isn't and never will be. */
  #written: Promise<void> = Promise.resolve();

  constructor(deps: ObserverDeps, gate: Gate, caller: Caller, askedBefore: AskedBefore | null) {
    this.#deps = deps;
    this.#gate = gate;
    this.#caller = caller;
    this.#askedBefore = askedBefore;
    this.#asker = { caller, agent_proof: null };
    this.#lines = new Lines(deps.limits.line_bytes_max);
  }

  /** Whether no more is taken. */
  get stopped(): boolean {
    return this.#stopped !== null;
  }

  /** Judges the lines that this completes, and resolves when more may come. */
  async take(chunk: Buffer): Promise<void> {
    const { bytes_max } = this.#deps.limits;
    this.#lines.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > bytes_max) this.stop("body_too_large");
    while (this.#lines.more && this.#stopped === null) await this.#next(false);
  }

  /** No more comes. A last line needs no newline. Resolves when all that was taken is on disk, with what became of it. */
  async end(): Promise<ObservedAnswer> {
    if (this.#stopped === null) await this.#next(true);
    await this.#handedOver;
    await this.#written;
    const stopped = this.#stopped;
    const refused = this.#refused.filter(({ line }) => line < (stopped?.line ?? Infinity));
    return {
      accepted: this.#accepted.lines,
      not_permitted: this.#accepted.not_permitted,
      flagged: this.#accepted.flagged,
      refused: refused.sort((a, b) => a.line - b.line),
      ...(this.#recordedTo !== null && { recorded_to: this.#recordedTo }),
      stopped,
    };
  }

  /** Takes no line from the one that is read next on; or from an earlier one on, where that wasn't taken. */
  stop(code: ProblemCode, line = this.#line + 1): void {
    if (this.#stopped === null || line < this.#stopped.line) this.#stopped = { line, code };
  }

  /** Reads a slice and sets about judging it, when there is room for one. */
  async #next(last: boolean): Promise<void> {
    const slice = this.#read(last);
    if (slice === null) {
      // Lines that are passed over or refused cost time too.
      await new Promise<void>((resolve) => {
        this.#deps.system.timers.turnEnd(resolve);
      });
      return;
    }
    await this.#identify(slice);
    await this.#gate.enter();
    const handedOver = this.#judge(slice, this.#handedOver);
    this.#handedOver = handedOver;
    handedOver.then(
      () => {
        this.#leave();
      },
      () => {
        // Whatever it is, nothing that follows may be taken for recorded; who waits for the end is told what it was.
        this.stop("internal", this.#handedTo + 1);
        this.#leave();
      },
    );
  }

  /** When all that was handed over is on disk, and others have had their turn. */
  #leave(): void {
    void this.#written.then(() => {
      this.#deps.system.timers.turnEnd(() => {
        this.#gate.leave();
      });
    });
  }

  /** Up to a slice of the lines that are there; null where none of them is good. */
  #read(last: boolean): Slice | null {
    const { steps, system, limits } = this.#deps;
    const [asked_ms, began] = [system.clock.wall(), system.clock.monotonic()];
    let policy: ActivePolicy;
    try {
      if (asked_ms >= this.#caller.token.expires_ms) throw new Problem("token_expired");
      policy = steps.activePolicy();
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      this.stop(cause.code);
      return null;
    }
    const reads: Read[] = [];
    for (let lines = 0; lines < SLICE_LINES; lines++) {
      const bytes = last ? this.#lines.rest() : this.#lines.next();
      if (bytes === null) break;
      if (this.#line === limits.lines_max) {
        this.stop("lines_too_many");
        break;
      }
      this.#line++;
      if (bytes !== "too_long" && isBlank(bytes)) continue;
      const read = this.#readLine(bytes, policy, asked_ms);
      if (read !== null) reads.push(read);
      if (this.#stopped !== null) break;
    }
    if (reads.length === 0) return null;
    const read_ms = (system.clock.monotonic() - began) / reads.length;
    return { policy, reads, askers: [], asked_ms, read_ms };
  }

  #readLine(bytes: Buffer | "too_long", policy: ActivePolicy, nowMs: number): Read | null {
    const { steps, limits } = this.#deps;
    const line = this.#line;
    try {
      if (bytes === "too_long") {
        throw new Problem("line_too_long", { expected: `at most ${limits.line_bytes_max} bytes` });
      }
      const asked: unknown = JSON.parse(scan(bytes, limits));
      checkEnvelope(validLine, asked);
      const { at, at_ms } = this.#readAt(asked.at, nowMs);
      const happened = { at, at_ms, outcome: asked.outcome ?? null };
      return { line, action: readChecked(asked, steps.vocabularyOf(policy), steps.taskProof), happened };
    } catch (cause) {
      this.#refuse(line, cause);
      return null;
    }
  }

  #readAt(text: string, nowMs: number): Pick<Happened, "at" | "at_ms"> {
    const { age_max_ms, time_skew_max_ms } = this.#deps.limits;
    const ms = this.#minutes.read(text) ?? parseTime(text);
    const field = "/at";
    if (ms === null) throw new Problem("time_invalid", { field, expected: "an RFC 3339 date-time that exists" });
    if (ms < nowMs - age_max_ms) throw new Problem("time_invalid", { field, expected: `at most ${age_max_ms} ms ago` });
    if (ms > nowMs + time_skew_max_ms) {
      throw new Problem("time_invalid", { field, expected: `at most ${time_skew_max_ms} ms from now` });
    }
    return { at: isUtcMs(text) ? text : new Date(ms).toISOString(), at_ms: ms };
  }

  #refuse(line: number, cause: unknown): void {
    if (!(cause instanceof Problem)) throw cause;
    const { field, expected } = cause.detail;
    const refused = { line, code: cause.code, ...(field !== undefined && { field }), ...(expected !== undefined && { expected }) };
    this.#refused.push(refused);
    if (this.#refused.length === this.#deps.limits.refused_max) this.stop("refused_too_many");
  }

  /** Takes out of the slice those whose proofs are none, or that name facts which don't come. */
  async #identify(slice: Slice): Promise<void> {
    const { steps } = this.#deps;
    const found = slice.reads.map(({ action }) => {
      const asker = steps.askerOf(action, this.#caller);
      if (asker instanceof Promise) asker.catch(() => undefined);
      return asker;
    });
    const reads: Read[] = [];
    for (const [i, read] of slice.reads.entries()) {
      const asker = found[i];
      if (asker === undefined) break;
      try {
        slice.askers.push(asker instanceof Promise ? await asker : asker);
        reads.push(read);
      } catch (cause) {
        this.#refuse(read.line, cause);
      }
    }
    slice.reads = reads;
  }

  async #judge(slice: Slice, before: Promise<void>): Promise<void> {
    const { steps, system } = this.#deps;
    const { policy, asked_ms, read_ms } = slice;
    const began = system.clock.monotonic();
    const all = slice.reads.map(({ action, happened }, i) => steps.begin(action, slice.askers[i] ?? this.#asker, policy, happened));
    const { reads, askers, begun } = await this.#unasked(slice, all);
    const evaluations = await evaluateEach(policy, begun);
    const evaluate = (system.clock.monotonic() - began) / Math.max(1, reads.length);
    await before;
    await this.#logHasRoom(reads[0]?.line);
    const times = { asked: asked_ms, read: read_ms, evaluate };
    let group: Group = [];
    try {
      for (const [i, { line, action, happened }] of reads.entries()) {
        const [asker, one] = [askers[i] ?? this.#asker, begun[i]];
        if (one === undefined) break;
        let concluded: Concluded = steps.finish(one, evaluations[i] ?? NONE, action, asker, policy);
        let leave = (): void => undefined;
        try {
          for (let tries = 1; !steps.stands(concluded, action, asker, policy); tries++) {
            // What is concluded stands now, and may not when this has been asked again.
            this.#handOver(group);
            group = [];
            if (tries === TRIES_MAX) throw new Problem("facts_behind");
            if (tries === 1) leave = await steps.enter(action);
            concluded = await steps.ask(action, asker, policy, happened);
          }
          if (this.#stopped !== null && line >= this.#stopped.line) break;
          group.push({ line, written: steps.record(action, asker, policy, concluded, times, happened) });
        } catch (cause) {
          if (!(cause instanceof Problem)) throw cause;
          this.stop(cause.code, line);
          break;
        } finally {
          leave();
        }
      }
    } finally {
      // Whatever ended it: what was learned is on record.
      this.#handOver(group);
    }
  }

  /** Leaves out what had been asked before, and says of the rest whether it should have been. */
  async #unasked(
    { reads, askers }: Slice,
    begun: readonly Begun[],
  ): Promise<Pick<Slice, "reads" | "askers"> & { begun: readonly Begun[] }> {
    const askedBefore = this.#askedBefore;
    if (askedBefore === null) return { reads, askers, begun };
    const left = { reads: [] as Read[], askers: [] as Asker[], begun: [] as Begun[] };
    for (let from = 0; from < reads.length; from += LOOKED_FOR_MAX) {
      const some = reads.slice(from, from + LOOKED_FOR_MAX);
      const found = await Promise.all(some.map((read, i) => this.#wasAsked(askedBefore, read, begun[from + i])));
      for (const [i, read] of some.entries()) {
        const one = begun[from + i];
        const asked = found[i];
        if (one === undefined || asked === undefined) return left;
        if (asked === true) continue;
        read.happened.unasked = asked === false;
        left.reads.push(read);
        left.askers.push(askers[from + i] ?? this.#asker);
        left.begun.push(one);
      }
    }
    return left;
  }

  /** Undefined where that can't be told: nothing is taken from there on. */
  async #wasAsked(askedBefore: AskedBefore, { line }: Read, begun: Begun | undefined): Promise<boolean | null | undefined> {
    if (begun === undefined) return undefined;
    try {
      return await askedBefore(line, begun.noticed.act);
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      this.stop(cause.code, line);
      return undefined;
    }
  }

  #handOver(group: Group): void {
    const [first, last] = [group[0], group.at(-1)];
    if (first === undefined || last === undefined) return;
    const { log, steps } = this.#deps;
    this.#handedTo = last.line;
    const recorded = log.appendAll(group.map(({ written }) => written.entry));
    const { seq } = log;
    // No more of them is held on to than is needed once they are on disk: many wait for that at a time.
    const { line } = first;
    const lines = group.length;
    const denied = group.filter(({ written }) => written.answer.decision === "deny").length;
    const flagged = group.filter(({ written }) => written.answer.decision === "flag").length;
    const written = group.map(({ written: { task, answer } }) => ({ task, answer }));
    // The log resolves and rejects in the order in which it was given the records.
    this.#written = recorded.then(
      () => {
        this.#accepted.lines += lines;
        this.#accepted.not_permitted += denied;
        this.#accepted.flagged += flagged;
        this.#recordedTo = seq;
      },
      (cause: unknown) => {
        for (const one of written) steps.unrecorded(one);
        this.stop(cause instanceof Problem ? cause.code : "internal", line);
      },
    );
  }

  /** As long as decisions need what is left of the log's queue, nothing more is put into it. */
  async #logHasRoom(line: number | undefined): Promise<void> {
    const { log, system } = this.#deps;
    const until = system.clock.monotonic() + LOG_FULL_MS_MAX;
    const isFull = (): boolean => log.queue.records > log.queue_max.records / 2 || log.queue.bytes > log.queue_max.bytes / 2;
    while (isFull()) {
      if (system.clock.monotonic() >= until) {
        this.stop("log_backlog", line);
        return;
      }
      await new Promise<void>((resolve) => {
        system.timers.after(LOG_LOOK_MS, resolve);
      });
    }
  }
}

const NONE: readonly Evaluation[] = [];

const UTC_MS_LENGTH = "2026-03-03T09:15:00.000Z".length;
const MINUTE_LENGTH = "2026-03-03T09:15".length;
const ZERO = 0x30;

/** Whether a date-time that exists is spelled as records spell it. */
function isUtcMs(text: string): boolean {
  return text.length === UTC_MS_LENGTH && text[10] === "T" && text[19] === "." && text.endsWith("Z");
}

/** Reads times as records spell them, each minute of them once as `parseTime` does: a stream is of few. */
class Minutes {
  #minute = "";
  #ms = 0;

  /** Null where `parseTime` has to read it. */
  read(text: string): number | null {
    if (!isUtcMs(text) || text[16] !== ":") return null;
    if (!text.startsWith(this.#minute) || this.#minute === "") {
      const minute = text.slice(0, MINUTE_LENGTH);
      const ms = parseTime(`${minute}:00.000Z`);
      if (ms === null) return null;
      this.#minute = minute;
      this.#ms = ms;
    }
    const [seconds, ms] = [digits(text, 17, 2), digits(text, 20, 3)];
    return seconds === null || ms === null || seconds > 59 ? null : this.#ms + seconds * 1000 + ms;
  }
}

function digits(text: string, from: number, count: number): number | null {
  let value = 0;
  for (let i = from; i < from + count; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return null;
    value = value * 10 + digit;
  }
  return value;
}

/** Lets in so many at once, in the order in which they came. */
class Gate {
  #free: number;
  /** No more than there are streams. */
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async enter(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
