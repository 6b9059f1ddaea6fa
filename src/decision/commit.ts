/**
 * From a conclusion to a record: takes what is counted, hands the record to the log, learns. All of it happens in the turn of the
 * attempt, so records are in the order of the decisions and each decision has seen those before it.
 */
import { Problem, type Answer, type SeenRecord } from "../contract/index.js";
import { uuid7 } from "../system/uuid.js";
import { actRecord, outcomeOf } from "./act.js";
import { answerOf, opensFinding } from "./answer.js";
import { answerText } from "./canonical_texts.js";
import { Chain } from "./chain.js";
import type { Pdp, WrittenDecision } from "./pdp.js";
import type { AnswerTime } from "./ports.js";
import { recordText, type RecordedAttempt } from "./record.js";
import type { Attempt } from "./question.js";
import type { Decided } from "./decider.js";

/** A decision that was handed to the log and waits for the disk. Nothing that it was decided by is kept meanwhile. */
export interface Committed {
  task: string | null;
  answer: Answer;
  text: string;
  caller: string;
  purpose: string | null;
  agent: string;
  trace: string | null;
  uses: readonly string[];
  lease: AnswerTime | null;
  /** True if the log accepted the record, and the profile has learned from it. */
  accepted: boolean;
  read_ms: number;
  evaluate_ms: number;
  /** When the record was handed over, on the monotonic clock. */
  committed: number;
  /** Resolves when the record is on disk. */
  recorded: Promise<void>;
}

export class Committer {
  readonly #pdp: Pdp;
  /** Returns the id of another decision. */
  readonly newId: () => string;
  /** The last decision of each task. */
  readonly #chain: Chain;

  constructor(pdp: Pdp) {
    this.#pdp = pdp;
    this.newId = uuid7(pdp.system.clock, pdp.system.random);
    this.#chain = pdp.chain ?? new Chain(pdp.limits.chained_tasks_max);
  }

  /** @throws Problem `log_unavailable`, `log_backlog`; nothing was decided then */
  commit(attempt: Attempt, id?: string): Committed {
    const { facts, log, system } = this.#pdp;
    const { question, uses, evaluate_ms } = attempt;
    this.#take(attempt);
    let written: WrittenDecision | null = null;
    let accepted = false;
    try {
      written = this.#write(attempt, null, id);
      const { before, after, beside } = written.entry;
      const { seq } = log;
      const recorded = log.append(before, after, beside);
      accepted = log.seq !== seq;
      // A record that the log rejects has never been: nothing is learned from it.
      if (accepted) {
        if (attempt.flow !== null && written.answer.proceed) this.#pdp.flow?.permitted(written.answer.decision_id, attempt.flow);
        this.#learn(attempt, written.answer);
      }
      const { task, answer, text } = written;
      const { agent, context, purpose: named } = question.action.request;
      const purpose = attempt.gathered.levels[0].situation.purpose === undefined ? null : named;
      const caller = question.asker.caller.id;
      const committed = system.clock.monotonic();
      const { lease } = attempt.gathered;
      const { trace } = context;
      const { read_ms } = question;
      // Written out: spreading a part of it costs every decision 15 µs.
      return { task, answer, text, caller, purpose, agent, trace, uses, lease, accepted, read_ms, evaluate_ms, committed, recorded };
    } catch (cause) {
      facts.giveBack(uses);
      if (written !== null) this.unrecorded(written, accepted);
      throw cause;
    }
  }

  /** Resolves when the record is on disk: no answer leaves without it. @throws Problem `answer_late`, and those of the log */
  async durable(committed: Committed): Promise<Decided> {
    const { answer, text, purpose, agent, trace, caller, lease, read_ms, evaluate_ms } = committed;
    try {
      await committed.recorded;
    } catch (cause) {
      this.#pdp.facts.giveBack(committed.uses);
      this.unrecorded(committed, committed.accepted);
      throw cause;
    }
    if (this.isLate(committed)) {
      this.withhold(answer);
      throw new Problem("answer_late");
    }
    this.#pdp.decided?.(answer.decision_id, caller, answer.proceed);
    const record = this.#pdp.system.clock.monotonic() - committed.committed;
    return { answer, text, purpose, agent, trace, lease, stages: { read: read_ms, evaluate: evaluate_ms, record } };
  }

  /** True for an answer that permits and comes too late: what it was decided by may have been revoked since, everywhere. */
  isLate({ answer, lease }: Pick<Committed, "answer" | "lease">): boolean {
    return lease !== null && answer.proceed && lease.left_ms <= 0;
  }

  /** Takes back what an answer permits: nobody receives it. */
  withhold({ decision_id, proceed }: Pick<Answer, "decision_id" | "proceed">): void {
    if (!proceed) return;
    this.#pdp.flow?.notMade(decision_id);
    this.#pdp.withheld?.(decision_id);
  }

  /** Writes the record of an observed action and learns from it; the caller appends it in the same turn. @throws Problem of masks */
  observed(attempt: Attempt): WrittenDecision {
    const { flow } = this.#pdp;
    const { flow: note, question } = attempt;
    const returned = question.happened?.returned ?? null;
    const decisionId = this.newId();
    const seen = note === null || returned === null ? null : (flow?.seenIn(decisionId, note, returned) ?? null);
    const written = this.#write(attempt, seen, decisionId);
    // It has happened, whatever is thought of it.
    if (note !== null) flow?.permitted(decisionId, note, seen ?? undefined);
    this.#learn(attempt, written.answer);
    return written;
  }

  /**
   * Undoes what was kept of a record that did not reach the disk: no later record names it.
   * @param learned whether the profile has learned from it
   */
  unrecorded({ answer: { decision_id, finding }, task }: Pick<WrittenDecision, "answer" | "task">, learned = true): void {
    this.#chain.broken(task);
    this.#pdp.flow?.notMade(decision_id);
    if (finding?.startsWith(`F-${decision_id}`) === true) this.#pdp.findings?.unrecorded(decision_id);
    if (learned) this.#pdp.profile.unrecorded();
  }

  /**
   * Takes what is counted, all or nothing: uses of grants, and one action of each narrowed agent. The facts say in this very turn that
   * there is something to take, so a refusal is a contradiction in them, and nothing is decided on that.
   */
  #take({ question: { kind }, gathered: { levels }, conclusion, uses }: Attempt): void {
    const { facts } = this.#pdp;
    if (!facts.take(uses)) throw new Problem("facts_behind");
    if (!conclusion.proceed || kind === "observed") return;
    const narrowed = levels.flatMap(({ situation: { agent_id, narrowed } }) => (narrowed === null ? [] : [agent_id]));
    if (narrowed.length === 0 || facts.spend([...new Set(narrowed)], levels[0].situation.now_ms)) return;
    facts.giveBack(uses);
    throw new Problem("facts_behind");
  }

  #learn({ question, scored: { act, assessed, own }, approval }: Attempt, answer: Answer): void {
    // Only an agent's own actions teach.
    if (!own) return;
    this.#pdp.profile.learn(act, outcomeOf(answer));
    this.#pdp.settled?.(act, assessed, answer, question.kind, approval);
  }

  #write(attempt: Attempt, seen: SeenRecord | null, id = this.newId()): WrittenDecision {
    const { profile, limits } = this.#pdp;
    const { question, inputs, scored } = attempt;
    const { task } = question.action.request;
    const answer = answerOf(id, attempt, limits.approval_wait_ms);
    try {
      const finding = this.#findingOf(answer, attempt);
      if (finding !== null) answer.finding = finding;
      const text = answerText(answer);
      const act = profile.learns && scored.own ? actRecord(scored, inputs.length === 0) : null;
      const entry = recordText({
        attempt,
        act,
        answer,
        answer_text: text,
        mask: this.#maskOf(attempt),
        previous: this.#chain.next(task, id),
        seen,
      });
      return { task, answer, text, entry };
    } catch (cause) {
      this.unrecorded({ task, answer }, false);
      throw cause;
    }
  }

  #findingOf({ decision, decision_id, reasons }: Answer, { question: { kind }, scored: { act }, gathered }: Attempt): string | null {
    const { findings } = this.#pdp;
    const opens = opensFinding({ decision, reasons }, kind);
    if (findings === undefined) return opens ? `F-${decision_id}` : null;
    const { agent, now_ms } = gathered.levels[0].situation;
    const { purpose, verb, type, id } = act;
    const known = agent !== undefined;
    return findings.place({
      decision_id,
      kind,
      agent: act.agent,
      known,
      purpose,
      verb,
      type,
      id,
      time_ms: now_ms,
      decision,
      reasons,
      opens,
    });
  }

  #maskOf({ question: { policy }, gathered }: Attempt): RecordedAttempt["mask"] {
    const { masks } = this.#pdp;
    const { now_ms } = gathered.levels[0].situation;
    return policy.vocabulary.masks === undefined || masks === undefined ? null : (record) => masks.mask(policy, now_ms, record);
  }
}
