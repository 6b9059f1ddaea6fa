/** One guarded action, from asking to its outcome. `through` reads as the order in which things happen. */
import type { Answer, ReportOutcome, Returned } from "../contract/index.js";
import { AskedAction, type Action } from "./action.js";
import { within } from "./deadline.js";
import { DENIALS, Denied, Undecided, type DenialCode, type NoAnswerCode } from "./errors.js";
import { hits, type ChangeReceiver } from "./change_receiver.js";
import type { ActionOnHold } from "./action_on_hold.js";
import { Obligations, known, modified, type Handlers } from "./obligations.js";
import { checkNames, integer, type DecideOptions } from "./options.js";
import type { OutcomeReporter } from "./outcomes.js";
import type { Outside } from "./outside.js";
import { Running } from "./running_action.js";

export interface GuardOptions extends Handlers, DecideOptions {
  /** Milliseconds that people may take, to approve a flag that waits and to confirm. @default 0: no approval is waited for */
  wait_ms?: number;
  /** Called once, when the action begins to wait for an approval. @default none */
  waiting?: (answer: Answer) => void;
  /**
   * Takes apart what the action returned, so that the service knows where later values come from: `returnedOf` of `@remit-pdp/flow`. Nobody has
   * the result before the service has that. @default none: an agent that has read something is taken to have read anything
   */
  returned?: (result: unknown) => Returned;
}

const GUARD: Record<keyof GuardOptions, true> = {
  ...{ deadline_ms: true, signal: true, at_least: true, wait_ms: true, waiting: true, returned: true },
  ...{ confirm: true, notify: true, redact: true },
};

/** Argument of a guarded function: the permitted action, its answer and a signal. */
export interface Permitted {
  /** Action as decided, with its arguments set as the answer requires. Do this, and nothing else. */
  action: Action;
  answer: Answer;
  /** Fires when what permitted the action is taken back, and when whoever called cancels it. */
  signal: AbortSignal;
}

interface GuardedDeps {
  /** @throws Undecided */
  ask: (asked: AskedAction, options: DecideOptions) => Promise<ActionOnHold>;
  follower: ChangeReceiver;
  outcomes: OutcomeReporter;
  outside: Outside;
  handlers: Handlers;
  deadline_ms: number;
}

type Run<T> = (permitted: Permitted) => T | Promise<T>;

/** Answers that came too late, or that something has taken back, before one is taken for none. */
const ROUNDS_MAX = 4;
const WAIT_MS_MAX = 2 ** 31 - 1;
/** Intervals at which an approval is asked for: where nobody tells of it, and where somebody would. */
const POLL_MS = 2000;
const POLL_LIVE_MS = 15_000;
/** However many changes come. */
const POLL_MS_MIN = 200;

export class Guarded {
  readonly #action: Action | AskedAction;
  readonly #options: GuardOptions;
  readonly #deps: GuardedDeps;
  readonly #obligations: Obligations;
  readonly #deadline_ms: number;
  readonly #wait_ms: number;

  /** @throws TypeError for an option that there isn't, or that can't be meant */
  constructor(action: Action | AskedAction, options: GuardOptions, deps: GuardedDeps) {
    checkNames(options, GUARD);
    this.#action = action;
    this.#options = options;
    this.#deps = deps;
    this.#obligations = new Obligations({ ...deps.handlers, ...handlersOf(options) }, deps.outside);
    this.#deadline_ms = integer(options, "deadline_ms", deps.deadline_ms, 1, WAIT_MS_MAX);
    this.#wait_ms = integer(options, "wait_ms", 0, 0, WAIT_MS_MAX);
  }

  /** @throws Denied, Undecided; and what `run` throws */
  async through<T>(run: Run<T>): Promise<T> {
    const { outside } = this.#deps;
    const asked = this.#action instanceof AskedAction ? this.#action : new AskedAction(this.#action, outside.sha256);
    const waitUntil = outside.monotonic() + this.#wait_ms;
    let until = outside.monotonic() + this.#deadline_ms;
    let atLeast = this.#options.at_least ?? null;
    let told = false;
    for (let round = 1; ; round++) {
      const held = await this.#ask(asked, until - outside.monotonic(), atLeast);
      if (held.answer.wait?.for === "approval" && outside.monotonic() < waitUntil) {
        if (!told) this.#options.waiting?.(held.answer);
        told = true;
        atLeast = (await this.#approval(held, waitUntil)) ?? atLeast;
        until = outside.monotonic() + this.#deadline_ms;
        round = 0;
        continue;
      }
      const waited = await this.#met(held, run);
      const fault = this.#fault(held, !waited);
      if (fault === null) return this.#run(held, run);
      // People took their time: what they agreed to is asked about once more.
      if (waited) until = outside.monotonic() + this.#deadline_ms;
      if (round === ROUNDS_MAX) throw new Undecided(fault);
      if (fault === "not_live") await this.#live(until - outside.monotonic());
    }
  }

  /** On one answer, which was kept. @throws Denied, Undecided; and what `run` throws */
  async on<T>(held: ActionOnHold, run: Run<T>): Promise<T> {
    const early = this.#fault(held, false);
    if (early !== null) throw new Undecided(early);
    await this.#met(held, run);
    const fault = this.#fault(held, false);
    if (fault !== null) throw new Undecided(fault);
    return this.#run(held, run);
  }

  async #ask(asked: AskedAction, ms: number, atLeast: number | null): Promise<ActionOnHold> {
    const { signal } = this.#options;
    return this.#deps.ask(asked, {
      deadline_ms: Math.max(1, ms),
      ...(signal !== undefined && { signal }),
      ...(atLeast !== null && { at_least: atLeast }),
    });
  }

  /**
   * Why the answer is no longer one to act on; null: it is, in this very turn.
   * @throws Denied for what asking again wouldn't change
   */
  #fault(held: ActionOnHold, fresh: boolean): NoAnswerCode | null {
    const fault = this.#options.signal?.aborted === true ? "cancelled" : held.faultNow(fresh);
    if (fault !== null && fault !== "answer_used") this.#notAttempted(held);
    if (fault !== null && isDenial(fault)) throw new Denied(fault, held.answer);
    return fault;
  }

  /**
   * Meets what has to be met before the action runs.
   * @returns whether that took time
   * @throws Denied
   */
  async #met<T>(held: ActionOnHold, run: Run<T>): Promise<boolean> {
    const { answer, action } = held;
    try {
      if (!answer.proceed) throw new Denied(answer.decision === "flag" ? "waiting" : "denied", answer);
      const obligations = known(answer);
      // What takes no action would run with the arguments that it has from elsewhere.
      if (run.length === 0 && obligations.some(({ type }) => type === "modify")) throw new Denied("obligation_unmet", answer);
      const ms = Math.max(this.#wait_ms, this.#deadline_ms);
      return await this.#obligations.meet(answer, action, ms, this.#options.signal);
    } catch (error) {
      this.#notAttempted(held);
      throw error;
    }
  }

  /** Begins in the turn in which the answer was last looked at. */
  async #run<T>(held: ActionOnHold, run: Run<T>): Promise<T> {
    const { outside, follower, outcomes } = this.#deps;
    const { answer } = held;
    held.use();
    const controller = new AbortController();
    let stop = (): void => undefined;
    const stopped = new Promise<never>((_, reject) => {
      stop = () => {
        const denied = new Denied("stopped", answer);
        reject(denied);
        controller.abort(denied);
      };
    });
    const running = new Running(held, {
      follower,
      outside,
      ask: (atLeast) => this.#askAgain(held, atLeast),
      stop: () => {
        stop();
      },
    });
    const { signal } = this.#options;
    const cancelled = (): void => {
      controller.abort(new Undecided("cancelled"));
    };
    signal?.addEventListener("abort", cancelled, { once: true });
    const began = outside.monotonic();
    const permitted: Permitted = { action: modified(answer, held.action), answer, signal: controller.signal };
    // What a run that was stopped comes to is reported too: nobody can say that it did nothing.
    const over = (outcome: ReportOutcome["outcome"], returned?: Returned): Promise<void> => {
      running.end();
      signal?.removeEventListener("abort", cancelled);
      const took_ms = Math.max(0, outside.monotonic() - began);
      return outcomes.report(answer.decision_id, { outcome, took_ms, ...(returned !== undefined && { returned }) });
    };
    const takeApart = this.#options.returned;
    const work = (async () => {
      let result: T;
      try {
        result = await run(permitted);
      } catch (error) {
        void over("failed");
        throw error;
      }
      if (takeApart === undefined) {
        void over("done");
        return result;
      }
      let returned: Returned;
      try {
        returned = takeApart(result);
      } catch (error) {
        // The action was done. The service takes an answer that isn't reported for a stranger's.
        void over("done");
        throw error;
      }
      await over("done", returned);
      return result;
    })();
    work.catch(() => undefined);
    return (await this.#obligations.redact(answer, await Promise.race([work, stopped]))) as T;
  }

  async #askAgain(held: ActionOnHold, atLeast: number | null): Promise<ActionOnHold> {
    const again = await this.#ask(held.asked, this.#deadline_ms, atLeast);
    if (again.answer.proceed) {
      const detail = `asked again for ${held.answer.decision_id}`;
      void this.#deps.outcomes.report(again.answer.decision_id, { outcome: "not_attempted", detail });
    }
    return again;
  }

  /** Waits until something has happened that may have brought it. @returns the facts revision to be decided on, where one is known */
  async #approval(held: ActionOnHold, until: number): Promise<number | null> {
    const { follower, outside } = this.#deps;
    const { work } = held;
    const left = (): number => until - outside.monotonic();
    let end = (): void => undefined;
    const happened = new Promise<number | null>((resolve) => {
      end = follower.listen((one) => {
        if (one.what === "change" && hits(one.change, work)) resolve(one.change.revision);
        else if (one.what !== "change") resolve(null);
      });
      if (held.heardOf) resolve(null);
    });
    const ms = follower.covers(held.answer.facts_revision) ? POLL_LIVE_MS : POLL_MS;
    try {
      await this.#pause(Math.min(POLL_MS_MIN, left()));
      return await within(outside, Math.min(ms, left()), this.#options.signal, () => happened);
    } catch (error) {
      if (error instanceof Undecided && error.code === "deadline") return null;
      throw error;
    } finally {
      end();
    }
  }

  async #pause(ms: number): Promise<void> {
    const never = new Promise<never>(() => undefined);
    await within(this.#deps.outside, ms, this.#options.signal, () => never).catch((error: unknown) => {
      if (error instanceof Undecided && error.code === "deadline") return;
      throw error;
    });
  }

  async #live(ms: number): Promise<void> {
    try {
      await this.#deps.follower.ready(ms, this.#options.signal);
    } catch (cause) {
      throw new Undecided("not_live", { cause });
    }
  }

  #notAttempted({ answer }: ActionOnHold): void {
    if (answer.proceed) void this.#deps.outcomes.report(answer.decision_id, { outcome: "not_attempted" });
  }
}

function isDenial(code: DenialCode | NoAnswerCode): code is DenialCode {
  return Object.hasOwn(DENIALS, code);
}

function handlersOf({ confirm, notify, redact }: GuardOptions): Handlers {
  return {
    ...(confirm !== undefined && { confirm }),
    ...(notify !== undefined && { notify }),
    ...(redact !== undefined && { redact }),
  };
}
