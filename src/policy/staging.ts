/**
 * A second bundle beside the active one: in shadow it decides nothing and is compared; with a share it decides for some agents, and the active
 * one is compared. Too many differences or failures end the stage by itself, and the active bundle decides for all again.
 */
import { createHash } from "node:crypto";
import { canonical, type PolicyIdentity } from "../contract/index.js";
import { BundleError } from "../bundle/errors.js";
import { concludeBeside } from "../decision/beside.js";
import type { ActivePolicy } from "../decision/ports.js";
import type { Clock, Timers } from "../system/index.js";
import type { Attempt, Conclusion } from "../decision/question.js";
import type { PolicyStage } from "../decision/pdp.js";

export interface StageLimits {
  /** Comparisons before differences can end a stage. */
  compared_min: number;
  /** Percentage of comparisons that may differ in the decision. */
  flips_percent_max: number;
  /** Failed evaluations of the staged bundle. */
  errors_max: number;
}

/** One kind of difference, of one agent. */
export interface StageDifference {
  /** Decision of the active bundle. */
  from: Conclusion["decision"];
  /** Decision of the staged bundle. */
  to: Conclusion["decision"];
  /** First reason of the staged bundle. */
  reason: string;
  agent: string;
  count: number;
}

export interface StageStatus {
  identity: PolicyIdentity;
  /** Percentage of the agents that it decides for; 0 in shadow. */
  share: number;
  since_ms: number;
  /** Decisions that both bundles were asked about. */
  compared: number;
  /** Comparisons whose decision, or whether it proceeds, differs. */
  flips: number;
  /** Comparisons with the same decision and other reasons. */
  other_reasons: number;
  /** Evaluations of the staged bundle that failed. */
  errors: number;
  /** Decisions that weren't compared, since too many were waiting. */
  skipped: number;
  /** Most frequent first, at most 100. */
  differences: StageDifference[];
}

/** Reason for the end of a stage. `flips`, `errors`, `expired`: by itself. */
export type StageEnd = "flips" | "errors" | "expired" | "activated" | "replaced" | "dropped" | "stopped";

export interface StagingOptions {
  clock: Clock;
  timers: Pick<Timers, "turnEnd">;
  limits: StageLimits;
  ended: (why: StageEnd, status: StageStatus) => void;
}

interface Stage {
  candidate: ActivePolicy;
  active: ActivePolicy;
  status: StageStatus;
  differences: Map<string, StageDifference>;
}

/** Attempts that wait to be compared; each keeps its facts and inputs. */
const WAITING_MAX = 1_000;
/** Milliseconds after which comparing leaves others their turn. */
const TURN_MS_MAX = 2;
/** Kinds of differences that are told apart; further ones count in the totals alone. */
const DIFFERENCES_MAX = 10_000;
const REPORTED_MAX = 100;
const BUCKETS = 2 ** 32;
const FAILURES: ReadonlySet<string> = new Set(["evaluation_failed", "evaluation_budget", "result_invalid"]);

export class Staging implements PolicyStage {
  readonly #options: StagingOptions;
  #stage: Stage | null = null;
  #waiting: Attempt[] = [];
  #isComparing = false;

  constructor(options: StagingOptions) {
    this.#options = options;
  }

  get status(): StageStatus | null {
    const stage = this.#stage;
    if (stage === null) return null;
    const differences = [...stage.differences.values()].sort((a, b) => b.count - a.count).slice(0, REPORTED_MAX);
    return { ...stage.status, differences };
  }

  /**
   * Begins a stage, or moves it on with new counts.
   * @param share percentage of the agents that the candidate decides for; 0 is shadow
   * @throws BundleError `stage_vocabulary` if the candidate reads requests by another vocabulary than the active bundle
   */
  begin(candidate: ActivePolicy, active: ActivePolicy, share: number): void {
    checkStage(candidate, active);
    this.end("replaced");
    const status: StageStatus = {
      ...{ identity: candidate.identity, share, since_ms: this.#options.clock.wall() },
      ...{ compared: 0, flips: 0, other_reasons: 0, errors: 0, skipped: 0, differences: [] },
    };
    this.#stage = { candidate, active, status, differences: new Map() };
  }

  /** Ends the stage, if there is one: the active bundle decides for all. */
  end(why: StageEnd): void {
    const { status } = this;
    this.#stage = null;
    this.#waiting = [];
    if (status !== null) this.#options.ended(why, status);
  }

  policyFor(agent: string, active: ActivePolicy): ActivePolicy {
    const stage = this.#stage;
    if (stage === null || stage.active !== active || stage.status.share === 0) return active;
    const { expires_ms } = stage.candidate;
    if (expires_ms !== null && this.#options.clock.wall() >= expires_ms) {
      this.end("expired");
      return active;
    }
    return isInShare(agent, stage.status.share) ? stage.candidate : active;
  }

  decided(attempt: Attempt): void {
    const stage = this.#stage;
    if (stage === null) return;
    const { policy } = attempt.question;
    if (policy !== stage.active && policy !== stage.candidate) return;
    if (this.#waiting.length >= WAITING_MAX) {
      stage.status.skipped++;
      return;
    }
    this.#waiting.push(attempt);
    this.#compareLater();
  }

  #compareLater(): void {
    if (this.#isComparing) return;
    this.#isComparing = true;
    this.#options.timers.turnEnd(() => {
      this.#isComparing = false;
      this.#compareSome();
      if (this.#waiting.length > 0) this.#compareLater();
    });
  }

  #compareSome(): void {
    const { clock } = this.#options;
    const began = clock.monotonic();
    let done = 0;
    for (const attempt of this.#waiting) {
      const stage = this.#stage;
      if (stage === null) return;
      done++;
      try {
        this.#compare(stage, attempt);
      } catch {
        // Nobody waits for a comparison: whatever it meets counts against the staged bundle, and ends no process.
        stage.status.errors++;
        this.#judge(stage.status);
      }
      if (clock.monotonic() - began >= TURN_MS_MAX) break;
    }
    this.#waiting.splice(0, done);
  }

  #compare({ candidate, active, status, differences }: Stage, attempt: Attempt): void {
    const { policy, action } = attempt.question;
    const isCandidates = policy === candidate;
    if (!isCandidates && policy !== active) return;
    const other = concludeBeside(attempt, isCandidates ? active : candidate);
    const [before, after] = isCandidates ? [other, attempt.conclusion] : [attempt.conclusion, other];
    status.compared++;
    const reason = after.reasons[0]?.code ?? "";
    if (FAILURES.has(reason)) status.errors++;
    if (before.decision !== after.decision || before.proceed !== after.proceed) {
      status.flips++;
      count(differences, { from: before.decision, to: after.decision, reason, agent: action.request.agent, count: 1 });
    } else if (codesOf(before) !== codesOf(after)) status.other_reasons++;
    this.#judge(status);
  }

  #judge({ compared, flips, errors }: StageStatus): void {
    const { compared_min, flips_percent_max, errors_max } = this.#options.limits;
    if (errors > errors_max) this.end("errors");
    else if (compared >= compared_min && flips * 100 > compared * flips_percent_max) this.end("flips");
  }
}

/** @throws BundleError `stage_vocabulary` if the candidate reads requests by another vocabulary than the active bundle */
export function checkStage(candidate: ActivePolicy, active: ActivePolicy): void {
  if (canonical(candidate.vocabulary) !== canonical(active.vocabulary)) throw new BundleError("stage_vocabulary");
}

function count(differences: Map<string, StageDifference>, difference: StageDifference): void {
  const { from, to, reason, agent } = difference;
  const key = JSON.stringify([from, to, reason, agent]);
  const known = differences.get(key);
  if (known !== undefined) known.count++;
  else if (differences.size < DIFFERENCES_MAX) differences.set(key, difference);
}

function codesOf({ reasons }: Conclusion): string {
  return reasons.map(({ code }) => code).join(" ");
}

/** Returns true if the agent is in so many per cent. The same agents everywhere, and those of a smaller share are in every larger one. */
export function isInShare(agent: string, share: number): boolean {
  return createHash("sha256").update(agent).digest().readUInt32BE(0) < (share / 100) * BUCKETS;
}
