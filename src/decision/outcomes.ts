/** Outcomes of decisions that permitted, as their callers report them: one outcome each, on disk before it is answered. */
import { Problem, RECORD_VERSION, canonical, type DecisionRecord, type OutcomeAnswer, type ReportOutcome } from "../contract/index.js";
import type { Clock } from "../system/index.js";
import { Recent } from "../system/recent.js";
import type { FlowOutcomes, Log } from "./ports.js";
import { besideIfLarge } from "./outcome_record.js";

/** A decision that is on record. */
export interface KnownDecision {
  caller: string;
  proceed: boolean;
  /** Null where none has been reported. */
  outcome: OutcomeAnswer | null;
  record?: DecisionRecord;
}

type Decision = Pick<KnownDecision, "caller" | "proceed">;

interface Reported {
  decision: Decision;
  answer: Promise<OutcomeAnswer>;
}

export interface OutcomesOptions {
  log: Log;
  clock: Pick<Clock, "wall">;
  /** Decisions that are remembered, so that most outcomes need no look into the records. */
  recent_max: number;
  /** Looks for a decision in the records; null where they have none of this id. Left out, only recent ones are known. */
  find?: (decisionId: string) => Promise<KnownDecision | null>;
  /** Remembers what calls returned. @default none */
  flow?: FlowOutcomes;
}

export class OutcomeReports {
  readonly #options: OutcomesOptions;
  readonly #decisions: Recent<Decision>;
  /**
   * Decisions whose outcome was reported, or its record is on its way. Such a decision is not among the others: it is never known without
   * its outcome.
   */
  readonly #reported: Recent<Reported>;
  /** The same for all decisions of a caller: what is remembered of one is little. */
  readonly #callers: Recent<{ permitted: Decision; refused: Decision }>;

  constructor(options: OutcomesOptions) {
    this.#options = options;
    this.#decisions = new Recent(options.recent_max);
    this.#reported = new Recent(Math.max(options.recent_max, REPORTED_MIN));
    this.#callers = new Recent(CALLERS_MAX);
  }

  /** Returns true if this decision is remembered. */
  knows(decisionId: string): boolean {
    return this.#reported.has(decisionId) || this.#decisions.has(decisionId);
  }

  /** Notes a decision that is on record. */
  remember(decisionId: string, caller: string, proceed: boolean): void {
    let of = this.#callers.get(caller);
    if (of === undefined) {
      of = { permitted: { caller, proceed: true }, refused: { caller, proceed: false } };
      this.#callers.set(caller, of);
    }
    this.#decisions.set(decisionId, proceed ? of.permitted : of.refused);
  }

  /**
   * Records an outcome. The same again is answered as the first time.
   * @throws Problem `decision_not_found`, `decision_not_permitted`, `outcome_exists`, `log_unavailable`, `log_backlog`
   */
  async report(decisionId: string, caller: string, asked: ReportOutcome): Promise<OutcomeAnswer> {
    const isKnown = this.#reported.has(decisionId) || this.#decisions.has(decisionId);
    const found = isKnown ? null : ((await this.#options.find?.(decisionId)) ?? null);
    // From here to the hand-over nothing else runs: of two that come at once, the second meets the first.
    const reported = this.#reported.get(decisionId);
    const decision = reported?.decision ?? this.#decisions.get(decisionId) ?? (found && { caller: found.caller, proceed: found.proceed });
    // Who may not know of it learns no more than who asks for one that never was.
    if (decision === null || decision.caller !== caller) throw new Problem("decision_not_found");
    if (!decision.proceed) throw new Problem("decision_not_permitted");
    const earlier = reported === undefined ? found?.outcome : await reported.answer;
    if (earlier === undefined || earlier === null) {
      // An earlier process has permitted it, and this one awaits nothing.
      if (found?.record !== undefined) this.#options.flow?.recall?.(found.record);
      return await this.#record(decisionId, decision, asked);
    }
    if (!isSame(earlier, asked))
      throw new Problem("outcome_exists", {
        expected: `\`${earlier.outcome}\`, as it was reported at ${earlier.time}`,
      });
    return earlier;
  }

  async #record(decisionId: string, decision: Decision, asked: ReportOutcome): Promise<OutcomeAnswer> {
    const { log, clock, flow } = this.#options;
    const { caller } = decision;
    const { returned, ...said } = asked;
    const answer = { decision_id: decisionId, ...said, time: new Date(clock.wall()).toISOString() };
    const lowering = said.outcome === "done" ? flow?.done(decisionId) : null;
    const seen = returned === undefined ? null : (flow?.returned(decisionId, returned) ?? null);
    const record = besideIfLarge({ ...answer, kind: "outcome", caller, v: RECORD_VERSION }, seen);
    const recorded = log.append(...record).then(async () => {
      // A use is given back once that is on record: without the record it may be reported as done yet.
      if (said.outcome === "not_attempted") flow?.notMade(decisionId);
      await flow?.settle?.(decisionId);
      return answer;
    });
    // Whatever is decided on it is on record behind it, and leaves only if this is there too.
    lowering?.lower();
    // At once: another that comes before the disk has it must not be recorded beside it.
    this.#reported.set(decisionId, { decision, answer: recorded });
    this.#decisions.delete(decisionId);
    try {
      return await recorded;
    } catch (cause) {
      lowering?.restore();
      flow?.discard?.(decisionId);
      this.#reported.delete(decisionId);
      this.#decisions.set(decisionId, decision);
      throw cause;
    }
  }
}

/** However few decisions are remembered: of two reports that come at once, the second has to meet the first. */
const REPORTED_MIN = 1024;
const CALLERS_MAX = 10_000;

/** Returned values are taken in once: the same outcome again is the same report. */
function isSame(earlier: OutcomeAnswer, { returned: _, ...asked }: ReportOutcome): boolean {
  const { outcome, took_ms, amount, detail } = earlier;
  return canonical({ outcome, took_ms, amount, detail }) === canonical(asked);
}
