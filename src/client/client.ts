/**
 * Asks a decision point before an agent acts, and sees to it that nothing runs without a whole, valid answer that permits it. There
 * is no option that changes that: every way to fail ends in `Denied` or `Undecided`.
 */
import type { Answer, IssueTask, NoticeAnswer, ReportNotice, TaskCreated, TaskFactAnswer } from "../contract/index.js";
import { AskedAction, type Action } from "./action.js";
import { readAnswer } from "./answer.js";
import { Undecided } from "./errors.js";
import { Follower } from "./follower.js";
import { Guarded, type GuardOptions, type Permitted } from "./guarded_action.js";
import type { ChangeReceiver } from "./change_receiver.js";
import { ActionOnHold } from "./action_on_hold.js";
import type { Handlers } from "./obligations.js";
import {
  checkNames,
  checkOptions,
  readLimits,
  readTransport,
  type ClientOptions,
  type Limits,
  type LocalOptions,
  type DecideOptions,
} from "./options.js";
import { OutcomeReporter } from "./outcomes.js";
import { outside as machine, type Outside } from "./outside.js";
import { Questions } from "./questions.js";
import { Transport, type Carrier } from "./transport.js";

/** Options of `ready`. */
export type ReadyOptions = Pick<DecideOptions, "deadline_ms" | "signal">;

const READY: Record<keyof ReadyOptions, true> = { deadline_ms: true, signal: true };
const DECIDE: Record<keyof DecideOptions, true> = { deadline_ms: true, signal: true, at_least: true };

/** Engine that decides in the same process instead of a service. */
export interface Local {
  carrier: Pick<Carrier, "send">;
  heard: ChangeReceiver;
}

/** Most bytes of an answer with a task. */
const FACT_BYTES_MAX = 1024 * 1024;
/** Ids of decisions that are remembered, so that none is taken twice. */
const SEEN_MAX = 8192;

/**
 * Client of one decision point. Nothing is connected until the first question.
 * @example
 * import { RemitClient } from "@remit-pdp/client";
 *
 * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
 * const customer = await remit.guard(action, ({ action }) => readCustomer(action.resource.id));
 * await remit.close();
 */
export class RemitClient {
  readonly #limits: Limits;
  readonly #handlers: Handlers;
  readonly #outside: Outside;
  readonly #carrier: Pick<Carrier, "send">;
  readonly #follower: ChangeReceiver;
  readonly #questions: Questions;
  readonly #outcomes: OutcomeReporter;
  /** Requests of this client are named by it: an answer from before its start is to none of them. */
  readonly #start: string;
  #asked = 0;
  readonly #seen = new Set<string>();
  /** Answers that are this client's own to act on. */
  readonly #held = new WeakSet<ActionOnHold>();

  /**
   * @throws OptionError `option_unknown`, `option_invalid`: a TypeError naming the option
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
    this.#outcomes = new OutcomeReporter(carrier, outside, limits.outcomes_max);
    this.#start = outside.uuid();
  }

  /** Number of outcomes that could not be reported. */
  get outcomes_lost(): number {
    return this.#outcomes.lost;
  }

  /**
   * Decides, meets obligations, runs, and reports the outcome. `run` receives the action as it was decided, with arguments set as the answer
   * says, and a signal that fires when the permission is taken back.
   * @returns the result of `run`, without the fields that the answer redacts
   * @throws Denied with a code of `DENIALS`; Undecided with a code of `NO_ANSWERS`; OptionError `option_unknown`, `option_invalid`; and whatever `run` throws
   * @example
   * import { RemitClient } from "@remit-pdp/client";
   *
   * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
   * const customer = await remit.guard(action, ({ action, signal }) => readCustomer(action.resource.id, signal), { deadline_ms: 2000 });
   */
  async guard<T>(action: Action, run: (permitted: Permitted) => T | Promise<T>, options: GuardOptions = {}): Promise<T> {
    return this.#guarded(action, options).through(run);
  }

  /**
   * Asks for a decision. Questions of the same turn go together, in as few requests as possible.
   * @returns the answer, whatever it is, to act on by `act`
   * @throws Undecided with a code of `NO_ANSWERS`; OptionError `option_unknown`
   * @example
   * import { RemitClient } from "@remit-pdp/client";
   *
   * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
   * const held = await remit.decide(action);
   * console.log(held.answer.decision, held.answer.reasons.map(({ code }) => code));
   */
  async decide(action: Action, options: DecideOptions = {}): Promise<ActionOnHold> {
    checkNames(options, DECIDE);
    return this.#ask(new AskedAction(action, this.#outside.sha256), options);
  }

  /**
   * Runs on an answer that was kept: once, while it is valid, and only if every change since has been received.
   * @returns the result of `run`, as `guard` does
   * @throws Denied; Undecided, `answer_foreign` for an answer of another client, `answer_used`, `answer_expired`, `answer_dropped`, `not_live`; OptionError; and whatever `run` throws
   * @example
   * import { RemitClient } from "@remit-pdp/client";
   *
   * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
   * await remit.ready();
   * const held = await remit.decide(action);
   * const customer = await remit.act(held, ({ action }) => readCustomer(action.resource.id));
   */
  async act<T>(held: ActionOnHold, run: (permitted: Permitted) => T | Promise<T>, options: GuardOptions = {}): Promise<T> {
    if (!this.#held.has(held)) throw new Undecided("answer_foreign");
    return this.#guarded(held.asked, options).on(held, run);
  }

  /**
   * Gives an agent a task; needs scope `remit:register`.
   * @returns the task with its revision and, if the service issues them, its token
   * @throws Undecided; with code `problem` its `problem` says why
   * @example
   * import { RemitClient } from "@remit-pdp/client";
   *
   * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
   * const task = await remit.createTask({
   *   id: "T-2",
   *   agent: "support-7",
   *   purpose: "customer_support",
   *   subjects: { ticket: ["TCK-82"], customer: ["bob"] },
   *   attributes: { topic: "billing" },
   *   expires: new Date(Date.now() + 3_600_000).toISOString(),
   * });
   */
  async createTask(task: IssueTask): Promise<TaskCreated> {
    return (await this.#change("POST", "tasks", task)) as TaskCreated;
  }

  /**
   * Ends a task, and with it what it permitted; needs scope `remit:register`.
   * @returns the task as it is then, with its revision
   * @throws Undecided; with code `problem` its `problem` says why
   * @example
   * import { RemitClient } from "@remit-pdp/client";
   *
   * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
   * const { id } = await remit.createTask({ id: "T-3", agent: "support-7", purpose: "customer_support", expires: new Date(Date.now() + 3_600_000).toISOString() });
   * await remit.endTask(id, "solved");
   */
  async endTask(id: string, reason?: string): Promise<TaskFactAnswer> {
    const body = { ended: true, ...(reason !== undefined && { reason }) };
    return (await this.#change("PATCH", `tasks/${encodeURIComponent(id)}`, body)) as TaskFactAnswer;
  }

  /**
   * Reports that enforcement isn't as it should be, which opens a finding.
   * @returns the finding's id
   * @throws Undecided; with code `problem` its `problem` says why
   * @example
   * import { RemitClient } from "@remit-pdp/client";
   *
   * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
   * await remit.report({ code: "tool_changed", agent: "support-7", purpose: "customer_support", server: "crm", tool: "get_customer", changed: ["description"] });
   */
  async report(notice: ReportNotice): Promise<NoticeAnswer> {
    return (await this.#change("POST", "notices", notice)) as NoticeAnswer;
  }

  /**
   * Resolves once changes are received, so that answers may be kept.
   * @throws Undecided `deadline`, `cancelled`, `closed`; OptionError `option_unknown`
   * @example
   * import { RemitClient } from "@remit-pdp/client";
   *
   * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
   * await remit.ready({ deadline_ms: 5000 });
   */
  async ready(options: ReadyOptions = {}): Promise<void> {
    checkNames(options, READY);
    const { deadline_ms = this.#limits.deadline_ms, signal } = options;
    this.#follower.start();
    await this.#follower.ready(deadline_ms, signal);
  }

  /**
   * Ends the client: nothing more is asked. Resolves once outcomes are reported or lost.
   * @example
   * import { RemitClient } from "@remit-pdp/client";
   *
   * const remit = new RemitClient({ url: "http://127.0.0.1:8181", token: () => currentToken() });
   * await remit.close();
   */
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

  async #ask(asked: AskedAction, options: DecideOptions): Promise<ActionOnHold> {
    const { deadline_ms = this.#limits.deadline_ms, signal, at_least = null } = options;
    if (this.#limits.follow) this.#follower.start();
    const id = `${this.#start}-${++this.#asked}`;
    const { mark } = this.#follower;
    const { value, sent_ms } = await this.#questions.ask(asked.request(id, at_least), deadline_ms, signal);
    const answer = readAnswer(value);
    if (answer.request_id !== id) throw new Undecided("answer_foreign");
    if (answer.action_digest !== (await asked.digest)) throw new Undecided("answer_other_action");
    this.#remember(answer);
    const held = new ActionOnHold({ answer, asked, sent_ms, mark }, this.#follower, this.#outside);
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
