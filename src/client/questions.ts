/**
 * Asks for decisions: one by one while a request is free, together while none is, so that the more is asked at once the less each costs.
 * Actions of a batch have nothing else in common: if one is refused, the others aren't affected.
 */
import { within } from "./deadline.js";
import { Undecided, type ProblemSaid } from "./errors.js";
import type { Outside } from "./outside.js";
import type { Carrier, TransportAnswer } from "./transport.js";

export interface QuestionLimits {
  /** Under way at once. */
  requests_max: number;
  /** Calls that wait for a request. */
  queue_max: number;
  batch_actions_max: number;
}

interface Question {
  text: string;
  /** Monotonic. */
  until: number;
  resolve: (received: TransportAnswer) => void;
  reject: (error: unknown) => void;
  /** True once no caller waits for the answer. */
  left: boolean;
}

/** Most bytes of one answer: twice the longest that the service writes. */
const ANSWER_BYTES_MAX = 128 * 1024;
/** Most characters of a batch, within the service's default limit. */
const BATCH_LENGTH_MAX = 512 * 1024;
/** Longest request, in characters, that goes into a batch: a longer one may not fit, and would have the others refused with it. */
const ALONE_LENGTH = 32 * 1024;
/** Problem codes that one action of a batch may have caused although their status blames the service. */
const OF_ONE: ReadonlySet<string> = new Set(["facts_behind", "grant_uncounted", "history_unavailable", "keys_unavailable"]);

export class Questions {
  readonly #limits: QuestionLimits;
  readonly #transport: Pick<Carrier, "send">;
  readonly #outside: Outside;
  #waiting: Question[] = [];
  #asking = 0;
  #planned = false;
  #closed = false;

  constructor(limits: QuestionLimits, transport: Pick<Carrier, "send">, outside: Outside) {
    this.#limits = limits;
    this.#transport = transport;
    this.#outside = outside;
  }

  /**
   * @param text a request, as JSON
   * @throws Undecided
   */
  ask(text: string, ms: number, signal?: AbortSignal): Promise<TransportAnswer> {
    if (this.#closed) return Promise.reject(new Undecided("closed"));
    if (this.#waiting.length >= this.#limits.queue_max) return Promise.reject(new Undecided("queue_full"));
    return within(this.#outside, ms, signal, (over) => {
      const until = this.#outside.monotonic() + ms;
      return new Promise((resolve, reject) => {
        const question: Question = { text, until, resolve, reject, left: false };
        over.addEventListener("abort", () => {
          question.left = true;
        });
        this.#waiting.push(question);
        this.#plan();
      });
    });
  }

  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Undecided("closed"));
  }

  /** Plans to send what is asked in this turn, together. */
  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      while (this.#asking < this.#limits.requests_max) {
        const group = this.#next();
        if (group.length === 0) break;
        this.#asking++;
        void this.#askGroup(group).finally(() => {
          this.#asking--;
          this.#plan();
        });
      }
    });
  }

  #next(): Question[] {
    const group: Question[] = [];
    let length = 0;
    let taken = 0;
    for (const question of this.#waiting) {
      if (group.length === this.#limits.batch_actions_max) break;
      if (!question.left) {
        const alone = question.text.length > ALONE_LENGTH;
        if (group.length > 0 && (alone || length + question.text.length > BATCH_LENGTH_MAX)) break;
        group.push(question);
        length += question.text.length;
        if (alone) {
          taken++;
          break;
        }
      }
      taken++;
    }
    this.#waiting.splice(0, taken);
    return group;
  }

  /** Settles each. */
  async #askGroup(group: readonly Question[]): Promise<void> {
    const [first] = group;
    if (first !== undefined && group.length === 1) {
      await this.#askAlone(first);
      return;
    }
    try {
      const { value, sent_ms } = await this.#post("decide/batch", `{"actions":[${group.map(({ text }) => text).join(",")}]}`, group);
      const { answers } = (value ?? {}) as { answers?: unknown };
      if (!Array.isArray(answers) || answers.length !== group.length) throw new Undecided("answer_unreadable");
      for (const [i, { resolve }] of group.entries()) resolve({ value: answers[i] as unknown, sent_ms });
    } catch (error) {
      const culprit = culpritOf(error);
      if (culprit === null) {
        for (const { reject } of group) reject(error);
        return;
      }
      // Each by itself, save for the one that was named.
      const named = group.find((_, i) => i === culprit.item);
      named?.reject(new Undecided("problem", {}, culprit));
      await Promise.all(group.filter((question) => question !== named).map((question) => this.#askAlone(question)));
    }
  }

  async #askAlone(question: Question): Promise<void> {
    if (question.left) return;
    try {
      question.resolve(await this.#post("decide", question.text, [question]));
    } catch (error) {
      question.reject(error);
    }
  }

  #post(path: string, body: string, group: readonly Question[]): Promise<TransportAnswer> {
    const ms = Math.max(...group.map(({ until }) => until)) - this.#outside.monotonic();
    return this.#transport.send({ path, body, ms, answer_bytes_max: ANSWER_BYTES_MAX * group.length });
  }
}

/** The problem of a batch that one of its actions may be to blame for, told as of that action; null where none is. */
function culpritOf(error: unknown): ProblemSaid | null {
  const problem = error instanceof Undecided ? error.problem : null;
  if (problem === null || (problem.status >= 500 && !OF_ONE.has(problem.code))) return null;
  if (problem.field === "authorization") return null;
  const field = problem.field?.replace(/^\/actions\/\d+/, "");
  return { ...problem, ...(field !== undefined && { field }) };
}
