/**
 * Asks a decision point before an agent acts, and sees to it that nothing runs without a whole, valid answer that permits it. There
 * is no option that changes that: every way to fail ends in `Denied` or `Undecided`.
 */
import type { Answer, IssueTask, NoticeAnswer, ReportNotice, TaskCreated, TaskFactAnswer } from "../contract/index.js";
import { AskedAction, type Action } from "./action.js";
import { readAnswer } from "./answer.js";
import { Undecided } from "./errors.js";
import { Follower } from "./follower.js";
import { Guarded, type GuardOptions, type Permitted } from "./guarded.js";
import type { Heard } from "./heard.js";
import { Held } from "./held.js";
import type { Handlers } from "./obligations.js";
import { checkNames, checkOptions, readLimits, readTransport, type ClientOptions, type Limits, type LocalOptions } from "./options.js";
import { Outcomes } from "./outcomes.js";
import { outside as machine, type Outside } from "./outside.js";
import { Questions } from "./questions.js";
import { Transport, type Carrier } from "./transport.js";

export interface DecideOptions {
  /** Instead of the client's. */
  deadline_ms?: number;
  /** Whoever calls may lose interest. */
  signal?: AbortSignal;
  /** A facts revision that the decision has to have seen. */
  at_least?: number;
}

/** Options of `ready`. */
export type ReadyOptions = Pick<DecideOptions, "deadline_ms" | "signal">;

const READY: Record<keyof ReadyOptions, true> = { deadline_ms: true, signal: true };
const DECIDE: Record<keyof DecideOptions, true> = { deadline_ms: true, signal: true, at_least: true };

/** What decides in the same process, in the place of a service. */
export interface Local {
  carrier: Pick<Carrier, "send">;
  heard: Heard;
}

/** Of a task. */
const FACT_BYTES_MAX = 1024 * 1024;
/** Ids of decisions that are remembered, so that none is taken twice. */
const SEEN_MAX = 8192;

export class RemitClient {
  readonly #limits: Limits;
  readonly #handlers: Handlers;
  readonly #outside: Outside;
  readonly #carrier: Pick<Carrier, "send">;
  readonly #follower: Heard;
  readonly #questions: Questions;
  readonly #outcomes: Outcomes;
  /** Requests of this client are named by it: an answer from before its start is to none of them. */
  readonly #start: string;
  #asked = 0;
  readonly #seen = new Set<string>();
  /** Answers that are this client's own to act on. */
  readonly #held = new WeakSet<Held>();

  /**
   * Nothing is connected until something is asked.
   * @throws TypeError for an option that there isn't, or that can't be meant
   */
  constructor(options: ClientOptions, outside?: Outside);
  constructor(options: LocalOptions, outside: Outside, local: Local);
  constructor(options: ClientOptions | LocalOptions, outside: Outside = machine, local?: Local) {
    checkOptions(options, local !== undefined);
    const { limits, handlers } = readLimits(options);
    const { carrier, heard } = local ?? remote(options as ClientOptions, limits, outside);
    this.#carrier = carrier;
    this.#limits = limits;
    this.#handlers = handlers;
    this.#outside = outside;
    this.#follower = heard;
    this.#questions = new Questions(limits, carrier, outside);
    this.#outcomes = new Outcomes(carrier, outside, limits.outcomes_max);
    this.#start = outside.uuid();
  }

  /** How many outcomes could not be reported. */
  get outcomes_lost(): number {
    return this.#outcomes.lost;
  }

  /**
   * Decides, meets obligations, runs, and reports what became of it. What runs is given the action as it was decided, with
   * arguments set as the answer says, and a signal that fires when what permitted it is taken back.
   * @returns what `run` does, with the fields taken out that the answer says
   * @throws Denied, Undecided; TypeError for an option that can't be meant; and what `run` throws
   */
  async guard<T>(action: Action, run: (permitted: Permitted) => T | Promise<T>, options: GuardOptions = {}): Promise<T> {
    return this.#guarded(action, options).through(run);
  }

  /**
   * A decision, whatever it is. Many at once go together, in as few requests as there is room for.
   * @throws Undecided; TypeError for an option that there isn't
   */
  async decide(action: Action, options: DecideOptions = {}): Promise<Held> {
    checkNames(options, DECIDE);
    return this.#ask(new AskedAction(action, this.#outside.sha256), options);
  }

  /**
   * As `guard`, on an answer that was kept: once, while it is valid, and only if all changes since have been heard.
   * @throws Denied, Undecided; and what `run` throws
   */
  async act<T>(held: Held, run: (permitted: Permitted) => T | Promise<T>, options: GuardOptions = {}): Promise<T> {
    if (!this.#held.has(held)) throw new Undecided("answer_foreign");
    return this.#guarded(held.asked, options).on(held, run);
  }

  /** Gives an agent a task; for hosts, whose token has scope `remit:register`. @throws Undecided */
  async createTask(task: IssueTask): Promise<TaskCreated> {
    return (await this.#change("POST", "tasks", task)) as TaskCreated;
  }

  /** Ends a task, and with it what it permitted. @throws Undecided */
  async endTask(id: string, reason?: string): Promise<TaskFactAnswer> {
    const body = { ended: true, ...(reason !== undefined && { reason }) };
    return (await this.#change("PATCH", `tasks/${encodeURIComponent(id)}`, body)) as TaskFactAnswer;
  }

  /** Reports that enforcement isn't as it should be: a finding. @throws Undecided */
  async report(notice: ReportNotice): Promise<NoticeAnswer> {
    return (await this.#change("POST", "notices", notice)) as NoticeAnswer;
  }

  /** Resolves once changes are heard. @throws Undecided `deadline`, `cancelled`, `closed` */
  async ready(options: ReadyOptions = {}): Promise<void> {
    checkNames(options, READY);
    const { deadline_ms = this.#limits.deadline_ms, signal } = options;
    this.#follower.start();
    await this.#follower.ready(deadline_ms, signal);
  }

  /** Asks for nothing more. Resolves when the outcomes are reported or lost. */
  async close(): Promise<void> {
    this.#questions.close();
    this.#follower.close();
    await this.#outcomes.close();
  }

  async #change(method: "POST" | "PATCH", path: string, said: object): Promise<unknown> {
    const exchange = {
      method,
      path,
      body: JSON.stringify(said),
      ms: this.#limits.deadline_ms,
      answer_bytes_max: FACT_BYTES_MAX,
    };
    return (await this.#carrier.send({ ...exchange, creates: method === "POST" })).value;
  }

  #guarded(action: Action | AskedAction, options: GuardOptions): Guarded {
    return new Guarded(action, options, {
      ask: (asked, deciding) => this.#ask(asked, deciding),
      follower: this.#follower,
      outcomes: this.#outcomes,
      outside: this.#outside,
      handlers: this.#handlers,
      deadline_ms: this.#limits.deadline_ms,
    });
  }

  async #ask(asked: AskedAction, options: DecideOptions): Promise<Held> {
    const { deadline_ms = this.#limits.deadline_ms, signal, at_least = null } = options;
    if (this.#limits.follow) this.#follower.start();
    const id = `${this.#start}-${++this.#asked}`;
    const { mark } = this.#follower;
    const { value, sent_ms } = await this.#questions.ask(asked.request(id, at_least), deadline_ms, signal);
    const answer = readAnswer(value);
    if (answer.request_id !== id) throw new Undecided("answer_foreign");
    if (answer.action_digest !== (await asked.digest)) throw new Undecided("answer_other_action");
    this.#remember(answer);
    const held = new Held({ answer, asked, sent_ms, mark }, this.#follower, this.#outside);
    this.#held.add(held);
    return held;
  }

  /** @throws Undecided `answer_replayed` */
  #remember({ decision_id }: Answer): void {
    if (this.#seen.has(decision_id)) throw new Undecided("answer_replayed");
    this.#seen.add(decision_id);
    if (this.#seen.size <= SEEN_MAX) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}

function remote(options: ClientOptions, { deadline_ms }: Limits, outside: Outside): Local {
  const carrier = new Transport(readTransport(options), outside);
  return { carrier, heard: new Follower(carrier, outside, deadline_ms) };
}
