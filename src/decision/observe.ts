/**
 * Observed actions, which agents did without having asked: lines of a stream, each judged as a decision would be, on the facts of that
 * moment, and recorded in the order in which they came. Neither a report of them nor its answer permits anything.
 *
 * A stream is processed in slices, few at once over all streams, and others have their turn between them. What waits is bounded: the reader
 * of the stream waits for `take`, and so does its sender.
 */
import {
  ObservedAction,
  Problem,
  parseTime,
  type Act,
  type ObservedAnswer,
  type ProblemCode,
  type RefusedLine,
  type PolicyInput,
} from "../contract/index.js";
import { schemas } from "../system/schemas.js";
import { othersTurn, pause, type System } from "../system/index.js";
import type { WrittenDecision } from "./pdp.js";
import type { ActivePolicy, Caller } from "./ports.js";
import { Lines, isBlank } from "./lines.js";
import { checkEnvelope, readChecked, type ReadAction } from "./read.js";
import { scan, type ScanLimits } from "./scan.js";
import type { Question, ObservedEvent } from "./question.js";
import type { Decider } from "./decider.js";

export interface ObserveLimits extends ScanLimits {
  /** Bytes of one line. */
  line_bytes_max: number;
  /** Lines and bytes of one stream. */
  lines_max: number;
  bytes_max: number;
  /** Lines of one stream that may be refused. */
  refused_max: number;
  /** Age that an observed action may have, and time by which its reporter's clock may be ahead of the host's. */
  age_max_ms: number;
  time_skew_max_ms: number;
}

/** The log, of whose queue half is left to decisions. */
export interface ObserveLog {
  /** Appends several entries like `Log`'s `append`; they are on disk together or not at all. */
  appendAll(entries: readonly WrittenDecision["entry"][]): Promise<void>;
  /** Number of the last record that was appended. */
  readonly seq: number;
  readonly queue: { records: number; bytes: number };
  readonly queue_max: { records: number; bytes: number };
}

export interface ObserverDeps {
  decider: Pick<Decider, "intake" | "attempt" | "observed">;
  log: ObserveLog;
  system: Pick<System, "clock" | "timers">;
  limits: ObserveLimits;
}

export interface Observer {
  /** @param asked looks for the decisions of what should have been asked before; left out: nothing should have been */
  begin(caller: Caller, asked?: AskedBefore): Observation;
}

/**
 * Returns true if a line's action had been permitted before it was done: then it is on record as that decision, and is not judged again.
 * Null if it need not have been asked.
 * @throws Problem if that can't be determined now
 */
export type AskedBefore = (line: number, act: Act, request: PolicyInput["request"]) => Promise<boolean | null>;

/** Lines judged together: others wait no longer than for a few of these. */
const SLICE_LINES = 32;
/** Milliseconds after which a slice leaves others their turn. */
const TURN_MS_MAX = 5;
/**
 * Slices, over all streams, that are judged or not on disk yet: one is read while another is written. More would be no faster on one
 * core, and a decision that comes then waits for all of them.
 */
const SLICES_MAX = 2;
/** Decisions that are looked for at once: others search too. */
const LOOKED_FOR_MAX = 8;
/** Interval at which a full log is looked at, and time for which it may stay full. */
const LOG_LOOK_MS = 5;
const LOG_FULL_MS_MAX = 10_000;

const ajv = schemas({ strictTypes: false, ownProperties: true });
const validLine = ajv.compile<ObservedAction>(ObservedAction);

export function observer(deps: ObserverDeps): Observer {
  const gate = new Gate(SLICES_MAX);
  return { begin: (caller, asked) => new Observation(deps, gate, caller, asked ?? null) };
}

/** A line that could be read. */
interface ReadLine {
  line: number;
  action: ReadAction;
  happened: ObservedEvent;
}

/** A line with its question. */
interface AskedLine {
  line: number;
  question: Question;
}

/** Lines that are recorded together. */
type Group = { line: number; written: WrittenDecision }[];

interface Slice {
  policy: ActivePolicy;
  reads: ReadLine[];
  asked_ms: number;
  /** A line's share. */
  read_ms: number;
}

export class Observation {
  readonly #deps: ObserverDeps;
  readonly #gate: Gate;
  readonly #caller: Caller;
  readonly #askedBefore: AskedBefore | null;
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
  /** Error that broke the judging; null while nothing has. */
  #broken: { cause: unknown } | null = null;
  /** Resolves when all that has been handed over is on disk, or isn't and never will be. */
  #written: Promise<void> = Promise.resolve();

  constructor(deps: ObserverDeps, gate: Gate, caller: Caller, askedBefore: AskedBefore | null) {
    this.#deps = deps;
    this.#gate = gate;
    this.#caller = caller;
    this.#askedBefore = askedBefore;
    this.#lines = new Lines(deps.limits.line_bytes_max);
  }

  /** True if no more is accepted. */
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
    await this.#written;
    await this.#deps.decider.observed.known();
    if (this.#broken !== null) throw this.#broken.cause;
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
      await othersTurn(this.#deps.system.timers);
      return;
    }
    const asked = await this.#identified(slice);
    await this.#gate.enter();
    try {
      await this.#judge(await this.#withoutPermitted(asked));
    } catch (cause) {
      // Nothing that follows may count as recorded; whoever waits for the end gets the cause.
      this.#broken ??= { cause };
      this.stop("internal", this.#handedTo + 1);
    } finally {
      this.#leave();
    }
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
    const { decider, system, limits } = this.#deps;
    const [asked_ms, began] = [system.clock.wall(), system.clock.monotonic()];
    let policy: ActivePolicy;
    try {
      if (asked_ms >= this.#caller.token.expires_ms) throw new Problem("token_expired");
      policy = decider.intake.activePolicy();
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      this.stop(cause.code);
      return null;
    }
    const reads: ReadLine[] = [];
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
    return { policy, reads, asked_ms, read_ms };
  }

  #readLine(bytes: Buffer | "too_long", policy: ActivePolicy, nowMs: number): ReadLine | null {
    const { limits } = this.#deps;
    const { intake } = this.#deps.decider;
    const line = this.#line;
    try {
      if (bytes === "too_long") {
        throw new Problem("line_too_long", { expected: `at most ${limits.line_bytes_max} bytes` });
      }
      const asked: unknown = JSON.parse(scan(bytes, limits));
      checkEnvelope(validLine, asked);
      const { at, at_ms } = this.#readAt(asked.at, nowMs);
      const happened = { at, at_ms, outcome: asked.outcome ?? null, returned: asked.returned ?? null };
      return { line, action: readChecked(asked, intake.vocabularyOf(policy), intake.taskProof), happened };
    } catch (cause) {
      this.#refuse(line, cause);
      return null;
    }
  }

  #readAt(text: string, nowMs: number): Pick<ObservedEvent, "at" | "at_ms"> {
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

  /** Rejects lines whose proofs are invalid, or that name facts which don't come. */
  async #identified({ reads, policy, asked_ms, read_ms }: Slice): Promise<AskedLine[]> {
    const { intake } = this.#deps.decider;
    const vocabulary = intake.vocabularyOf(policy);
    const found = reads.map(({ action }) => {
      const asker = intake.askerOf(action, this.#caller);
      // A failure is met below; until then it must not count as a rejection that nobody handles.
      if (asker instanceof Promise) asker.catch(() => undefined);
      return asker;
    });
    const asked: AskedLine[] = [];
    for (const [i, { line, action, happened }] of reads.entries()) {
      const awaited = found[i];
      if (awaited === undefined) break;
      try {
        const asker = awaited instanceof Promise ? await awaited : awaited;
        asked.push({ line, question: { action, asker, policy, vocabulary, kind: "observed", happened, asked_ms, read_ms } });
      } catch (cause) {
        this.#refuse(line, cause);
      }
    }
    return asked;
  }

  /** Judges lines in order, each on the facts of its own turn, and hands over their records by the group. */
  async #judge(lines: readonly AskedLine[]): Promise<void> {
    const { decider, system } = this.#deps;
    await this.#logHasRoom(lines[0]?.line);
    let turn = system.clock.monotonic();
    let group: Group = [];
    try {
      for (const { line, question } of lines) {
        if (this.#stopped !== null && line >= this.#stopped.line) break;
        if (system.clock.monotonic() - turn >= TURN_MS_MAX) {
          this.#handOver(group);
          group = [];
          await othersTurn(this.#deps.system.timers);
          turn = system.clock.monotonic();
        }
        try {
          let attempt = decider.attempt(question);
          const reading = decider.observed.read(attempt);
          if (reading !== null) {
            // Records are handed over in the order in which they were written.
            this.#handOver(group);
            group = [];
            attempt = decider.attempt(question, await reading);
            turn = system.clock.monotonic();
          }
          group.push({ line, written: decider.observed.write(attempt) });
        } catch (cause) {
          if (!(cause instanceof Problem)) throw cause;
          this.stop(cause.code, line);
          break;
        }
      }
    } finally {
      // Whatever ended it: what was learned is on record.
      this.#handOver(group);
    }
  }

  /** Leaves out lines whose action had been permitted before, and marks those that should have been asked and weren't. */
  async #withoutPermitted(lines: readonly AskedLine[]): Promise<readonly AskedLine[]> {
    const askedBefore = this.#askedBefore;
    if (askedBefore === null) return lines;
    const left: AskedLine[] = [];
    for (let from = 0; from < lines.length; from += LOOKED_FOR_MAX) {
      const some = lines.slice(from, from + LOOKED_FOR_MAX);
      const found = await Promise.all(some.map((one) => this.#wasAsked(askedBefore, one)));
      for (const [i, { line, question }] of some.entries()) {
        const asked = found[i];
        if (asked === undefined) return left;
        if (asked === true) continue;
        const { happened } = question;
        left.push({ line, question: { ...question, happened: happened && { ...happened, unasked: asked === false } } });
      }
    }
    return left;
  }

  /** Returns undefined if that can't be told: no line is accepted from there on. */
  async #wasAsked(askedBefore: AskedBefore, { line, question }: AskedLine): Promise<boolean | null | undefined> {
    try {
      return await askedBefore(line, this.#deps.decider.attempt(question).scored.act, question.action.request);
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      this.stop(cause.code, line);
      return undefined;
    }
  }

  #handOver(group: Group): void {
    const [first, last] = [group[0], group.at(-1)];
    if (first === undefined || last === undefined) return;
    const { log, decider } = this.#deps;
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
        for (const one of written) decider.observed.unrecorded(one);
        this.stop(cause instanceof Problem ? cause.code : "internal", line);
      },
    );
  }

  /** Waits while decisions need what is left of the log's queue: until then nothing more is put into it. */
  async #logHasRoom(line: number | undefined): Promise<void> {
    const { log, system } = this.#deps;
    const until = system.clock.monotonic() + LOG_FULL_MS_MAX;
    const isFull = (): boolean => log.queue.records > log.queue_max.records / 2 || log.queue.bytes > log.queue_max.bytes / 2;
    while (isFull()) {
      if (system.clock.monotonic() >= until) {
        this.stop("log_backlog", line);
        return;
      }
      await pause(system.timers, LOG_LOOK_MS);
    }
  }
}

const UTC_MS_LENGTH = "2026-03-03T09:15:00.000Z".length;
const MINUTE_LENGTH = "2026-03-03T09:15".length;
const ZERO = 0x30;

/** Returns true if a date-time that exists is spelled as records spell it. */
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
