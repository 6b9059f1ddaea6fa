/** Decides what an application asks, in its own process; and is to `@remit-pdp/client` what a service is. */
import { Undecided, type ProblemSaid } from "../client/errors.js";
import type { Carrier, ClientExchange, TransportAnswer } from "../client/transport.js";
import { Problem, REQUEST_LIMITS, type Answer, type DecideRequest, type ReportOutcome } from "../contract/index.js";
import type { Decided, Decider } from "../decision/decide.js";
import { expired } from "../decision/intake.js";
import type { OutcomeReports } from "../decision/outcomes.js";
import type { Caller, Engine } from "../decision/ports.js";
import { readAction } from "../decision/read.js";
import { pause, type Clock, type Timers } from "../system/index.js";
import { Elsewhere, isForService } from "./elsewhere.js";
import { copyOf } from "./action_copy.js";
import { notReady, type Failing } from "./not_ready.js";
import type { FactsSource } from "./sources.js";

const READY_LOOK_MS = 10;
const NONE_CAME = { code: null, detail: "none has come" };
const OUTCOME = /^decisions\/([0-9a-f-]{36})\/outcome$/;

export class InProcess implements Pick<Carrier, "send"> {
  readonly #decider: Decider;
  readonly #source: FactsSource;
  readonly #outcomes: OutcomeReports;
  readonly #engine: Engine;
  readonly #clock: Clock;
  #closed = false;

  constructor(decider: Decider, source: FactsSource, outcomes: OutcomeReports, engine: Engine, { clock }: { clock: Clock }) {
    this.#decider = decider;
    this.#source = source;
    this.#outcomes = outcomes;
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Resolves once there is a bundle, and facts to decide on. @throws NotReady */
  async ready(ms: number, timers: Timers, whyNoBundle: () => Failing | null): Promise<void> {
    const until = this.#clock.monotonic() + ms;
    while (!this.#isReady()) {
      if (this.#clock.monotonic() >= until) {
        const { active } = this.#engine;
        throw notReady(ms, [
          ...(active === null ? [{ what: "no bundle is active", why: whyNoBundle() ?? NONE_CAME }] : []),
          ...(active !== null && expired(active, this.#clock.wall()) ? [{ what: "the bundle has expired", why: null }] : []),
          ...(this.#hasFacts() ? [] : [{ what: "facts are not known", why: this.#source.failing() }]),
        ]);
      }
      await pause(timers, READY_LOOK_MS);
    }
  }

  #isReady(): boolean {
    const { active } = this.#engine;
    if (active === null || expired(active, this.#clock.wall())) return false;
    return this.#hasFacts();
  }

  #hasFacts(): boolean {
    return this.#source.caller() !== null && !this.#source.facts.stale;
  }

  /** @throws Undecided */
  decide(given: unknown): Promise<Answer> {
    try {
      return this.#decide(copyOf(given, REQUEST_LIMITS)).catch(refused);
    } catch (cause) {
      return Promise.reject(undecided(cause));
    }
  }

  /** @throws Undecided */
  async decideBatch(given: readonly unknown[]): Promise<Answer[]> {
    try {
      if (!Array.isArray(given)) throw new Problem("field_type", { field: "/actions", expected: "a list of actions" });
      const asked = given.map((one, item) => inItem(item, () => copyOf(one, REQUEST_LIMITS)));
      const { forwarder } = this.#source;
      const elsewhere = forwarder === null ? [] : [...asked.keys()].filter((item) => this.#isForService(asked[item]));
      if (elsewhere.length === 0) {
        const answers = (await this.#decider.decideAll(asked, this.#caller())).map(answerOf);
        if (answers.every(({ wait }) => wait === undefined)) return answers;
        return await Promise.all(answers.map((answer, item) => this.#approvable(answer, asked[item])));
      }
      return await this.#decideApart(asked, new Set(elsewhere));
    } catch (cause) {
      throw undecided(cause);
    }
  }

  /** Resolves once facts are as new as this. @throws Undecided `deadline` */
  async reached(revision: number, ms: number): Promise<void> {
    const until = this.#clock.monotonic() + ms;
    while (!(await this.#source.all.reached(revision))) {
      if (this.#clock.monotonic() >= until) throw new Undecided("deadline");
    }
  }

  /** Decides no more; what became of actions is still recorded. */
  close(): void {
    this.#closed = true;
  }

  /** Answers what a client would send to a service. @throws Undecided */
  async send(exchange: ClientExchange): Promise<TransportAnswer> {
    const { path, body } = exchange;
    const sent_ms = this.#clock.monotonic();
    const decision = OUTCOME.exec(path)?.[1];
    try {
      if (decision === undefined) return { value: await this.#answer(path, JSON.parse(body) as unknown), sent_ms };
      // Who gave the answer has it on record.
      const { forwarder } = this.#source;
      if (forwarder?.gave(decision) === true) return await forwarder.tell(exchange);
      const outcome = JSON.parse(body) as ReportOutcome;
      return { value: await this.#outcomes.report(decision, this.#knownCaller().id, outcome), sent_ms };
    } catch (cause) {
      throw undecided(cause);
    }
  }

  async #answer(path: string, asked: unknown): Promise<unknown> {
    if (path === "decide") return this.#decide(copyOf(asked, REQUEST_LIMITS));
    if (path === "decide/batch") {
      const { actions } = asked as { actions: unknown[] };
      return { answers: await this.decideBatch(actions) };
    }
    throw new Problem("not_found");
  }

  async #decide(asked: unknown): Promise<Answer> {
    const { forwarder } = this.#source;
    if (forwarder === null) return answerOf(await this.#decider.decideAction(asked, this.#caller()));
    if (this.#isForService(asked)) return forwarder.ask(asked as DecideRequest);
    try {
      const { answer } = await this.#decider.decideAction(asked, this.#caller());
      return answer.wait === undefined ? answer : await this.#approvable(answer, asked);
    } catch (cause) {
      if (cause instanceof Elsewhere) return forwarder.ask(asked as DecideRequest);
      throw cause;
    }
  }

  /** Some here and some at the service, once all are known to be readable: one that isn't refuses the whole. */
  async #decideApart(asked: readonly unknown[], elsewhere: ReadonlySet<number>): Promise<Answer[]> {
    const { intake } = this.#decider;
    const vocabulary = intake.vocabularyOf(intake.activePolicy());
    for (const [item, one] of asked.entries()) inItem(item, () => readAction(one, vocabulary, ofNoTask));
    const here = asked.filter((_, item) => !elsewhere.has(item));
    const [decided, answers] = await Promise.all([
      here.length === 0 ? [] : this.#decider.decideAll(here, this.#caller()),
      Promise.all([...elsewhere].map(async (item) => [item, await this.#forward(asked[item], item)] as const)),
    ]);
    const there = new Map(answers);
    const rest = decided.values();
    return Promise.all(
      asked.map(async (one, item) => {
        const answer = there.get(item);
        return answer ?? this.#approvable(answerOf(rest.next().value as Decided), one);
      }),
    );
  }

  /**
   * Lets the service decide as well if an action waits for an approver: only an action that the service has seen itself can be approved. If
   * it is unreachable, the answer here is returned, and no approver sees the action.
   */
  async #approvable(answer: Answer, asked: unknown): Promise<Answer> {
    const { forwarder } = this.#source;
    if (answer.wait?.for !== "approval" || forwarder === null) return answer;
    return forwarder.ask(asked as DecideRequest).catch(() => answer);
  }

  async #forward(asked: unknown, item: number): Promise<Answer> {
    const { forwarder } = this.#source;
    if (forwarder === null) throw new Problem("internal");
    try {
      return await forwarder.ask(asked as DecideRequest);
    } catch (cause) {
      if (!(cause instanceof Undecided) || cause.problem === null) throw cause;
      throw new Undecided("problem", { cause }, { ...cause.problem, item });
    }
  }

  #isForService(asked: unknown): boolean {
    return isForService(asked, this.#source.all, this.#clock.wall(), this.#source.counts());
  }

  #caller(): Caller {
    if (this.#closed) throw new Undecided("closed");
    return this.#knownCaller();
  }

  #knownCaller(): Caller {
    const caller = this.#source.caller();
    if (caller === null) throw new Problem("facts_behind");
    return caller;
  }
}

function answerOf({ answer }: Decided): Answer {
  return answer;
}

function ofNoTask(): ReturnType<Parameters<typeof readAction>[2]> {
  return { task: "", agent: "", purpose: "", token: { jti: null, issued_ms: null, expires_ms: Infinity } };
}

/** Says of a problem which item it is in. */
function inItem<T>(item: number, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    const field = `/actions/${item}${cause.detail.field ?? ""}`;
    throw new Problem(cause.code, { ...cause.detail, field, item }, { cause });
  }
}

function refused(cause: unknown): never {
  throw undecided(cause);
}

/** Whatever it is, nothing was decided. */
function undecided(cause: unknown): Undecided {
  if (cause instanceof Undecided) return cause;
  const problem = cause instanceof Problem ? cause : new Problem(cause instanceof Elsewhere ? "facts_behind" : "internal");
  return new Undecided("problem", { cause }, problem.toJSON() as unknown as ProblemSaid);
}
