/**
 * Handles people's verdicts on findings, and what follows from them. A finding's state is a fact: stored, recorded, and changed only by a
 * caller that has seen the state before. Restrictions come before the verdict, so that no crash leaves a misuse on file whose agent goes
 * on.
 */
import {
  FINDING_STATES,
  Problem,
  type Act,
  type ApproveFinding,
  type ChangeAgent,
  type CreateRevocation,
  type DecisionRecord,
  type Finding,
  type FindingState,
  type FindingStateName,
  type FoundRecord,
  type GrantAnswer,
  type InForce,
  type JudgeFinding,
  type JudgedFinding,
  type Purpose,
} from "../contract/index.js";
import { areSimilar } from "../contract/similar.js";
import type { Clock } from "../system/index.js";
import type { Findings } from "./findings.js";
import type { HeldActions, HeldAction } from "./held_actions.js";
import { proposalOf, type FindingAction } from "./proposal.js";
import { principalsOf } from "./waiting_action.js";

interface Changed {
  in_force: InForce | null;
}

/** Facts that a verdict may change: what agents may do. */
export interface VerdictFacts {
  readonly ledger: {
    inTurn<T>(of: string, act: () => Promise<T>): Promise<T>;
    commit(
      writes: readonly { key: string; expected: number; value: unknown; by: string; reason: string | null; change: string }[],
    ): Promise<void>;
  };
  readonly registry: { finding(id: string): { revision: number } | undefined };
  changeAgent(id: string, asked: ChangeAgent, expected: number | null, by: string): Promise<Changed>;
  revoke(asked: CreateRevocation, by: string): Promise<Changed>;
  approve(asked: ApproveAction, by: string): Promise<{ created: boolean; fact: GrantAnswer }>;
}

/** An approval as facts take it. */
interface ApproveAction {
  agent: string;
  decision: string;
  action_digest: string;
  approval_digest: string;
  quorum: number;
  reason: string;
  expires_ms: number;
}

/** A caller that looks into findings. */
export interface Reviewer {
  id: string;
  /** Roles of the caller in `callers`. */
  roles: ReadonlySet<string>;
}

/** The active policy, as far as it says who approves. */
export interface ApprovingPolicy {
  identity: { digest: string };
  purposes: ReadonlyMap<string, Pick<Purpose, "approvers">>;
}

export interface VerdictDeps {
  findings: Pick<Findings, "get">;
  facts: VerdictFacts;
  held: Pick<HeldActions, "of">;
  clock: Clock;
  policy: () => ApprovingPolicy | null;
  /**
   * Records of a finding's actions, the oldest first, at most so many.
   * @throws Problem `index_unavailable`
   */
  recordsOf: (finding: Finding, max: number) => Promise<readonly FoundRecord[]>;
  /** Returns the action as the profile learned it; null if the profile learned nothing from it. */
  actOf: (record: DecisionRecord) => Act | null;
  limits: VerdictLimits;
}

/** Bounds of a verdict that is said of a part of a finding of several nodes. */
export interface PartOptions {
  /** True for all parts but one: the whole's verdict moves thresholds once. */
  isPart?: boolean | undefined;
  /** Decisions whose actions the whole shows as waiting; nobody has seen that others wait. Undefined: all of this finding's. */
  shown?: readonly string[] | undefined;
}

export interface VerdictLimits {
  /** Time for which what was approved may be done. */
  approval_lasts_ms: number;
}

/** States that each state may change to. A closed finding is reopened before it is judged again, so that nobody overrules by accident. */
const NEXT: Readonly<Record<FindingStateName, readonly FindingStateName[]>> = {
  open: ["in_review", "expected", "misuse", "policy_gap"],
  in_review: ["open", "expected", "misuse", "policy_gap"],
  expected: ["open"],
  misuse: ["open"],
  policy_gap: ["open"],
};

/** Why what waits isn't granted, although it was as it should be: there is no such agent any more, or no room. */
const NOT_GRANTED: ReadonlySet<string> = new Set(["fact_invalid", "facts_full", "approver_not_permitted"]);
/** Records that a verdict looks at. */
const RECORDS_MAX = 1000;
/** Distinct actions that one verdict teaches. */
const TAUGHT_MAX = 32;
const HOUR_MS = 3_600_000;

export class Verdicts {
  readonly #deps: VerdictDeps;

  constructor(deps: VerdictDeps) {
    this.#deps = deps;
  }

  /**
   * @param expected the revision that this is said of
   * @throws Problem `finding_not_found`, `revision_required`, `revision_stale`, `finding_state`, `field_invalid`, and those of
   * what follows from it
   */
  async judge(
    id: string,
    asked: JudgeFinding,
    expected: number | null,
    reviewer: Reviewer,
    { isPart = false, shown }: PartOptions = {},
  ): Promise<JudgedFinding> {
    const { findings, facts } = this.#deps;
    const by = reviewer.id;
    const finding = await findings.get(id);
    checkVerdict(finding, asked, expected);
    // What takes long first: others may judge meanwhile.
    const { isOthers, ...said } = await this.#said(finding, asked, reviewer);
    const key = `finding/${id}`;
    return facts.ledger.inTurn(key, async () => {
      const revision = facts.registry.finding(id)?.revision ?? 0;
      if (revision !== expected) throw new Problem("revision_stale", { expected: String(revision) });
      const in_force = asked.state === "misuse" ? await this.#keepOut(finding, asked, by) : null;
      const grants = asked.state === "expected" ? await this.#approveAll(finding, asked.reason, reviewer, shown) : [];
      const value: FindingState = {
        ...said,
        id,
        agent: finding.agent,
        state: asked.state,
        reason: asked.reason,
        by,
        at: new Date(this.#deps.clock.wall()).toISOString(),
        grants,
        // What a part moved before it was one is taken back with it.
        ...((!isPart || asked.state === "open") && calibrating(finding, asked.state, isOthers)),
      };
      const change = asked.state === "open" ? "finding_reopened" : `finding_${asked.state}`;
      await facts.ledger.commit([{ key, expected, value, by, reason: asked.reason, change }]);
      const judged = await findings.get(id);
      return in_force === null ? judged : { ...judged, in_force };
    });
  }

  /**
   * Approves one action that waits: asked for again within a while, it is permitted once, as soon as as many have approved it as its
   * purpose says.
   * @throws Problem `finding_not_found`, `approval_none`, `approver_not_permitted`, and those of a grant
   */
  async approve(id: string, { decision, reason }: ApproveFinding, reviewer: Reviewer): Promise<{ created: boolean; fact: GrantAnswer }> {
    const finding = await this.#deps.findings.get(id);
    // What was found to be misuse is looked into anew before any of it is let through.
    const waiting = finding.state === "misuse" ? [] : this.#waiting(finding);
    const one = waiting.find(({ decision_id }) => decision_id === decision);
    if (one === undefined) throw new Problem("approval_none", { field: "/decision" });
    checkApprover(one, finding.agent, reviewer);
    return this.#grant(finding, one, reason, reviewer.id);
  }

  /** @returns with `isOthers`: some of it was neither asked for by the reviewer, nor for the reviewer */
  async #said(
    finding: Finding,
    { state, propose = "allow", keep_out = "suspend" }: JudgeFinding,
    reviewer: Reviewer,
  ): Promise<Pick<FindingState, "teaches" | "kept_out" | "proposal"> & { isOthers: boolean }> {
    const { recordsOf, actOf } = this.#deps;
    const nothing = { teaches: [], kept_out: null, proposal: null, isOthers: true };
    if (state === "expected") {
      // Those that were seen: more may have come while they were read.
      const records = (await recordsOf(finding, RECORDS_MAX)).slice(0, finding.actions.all);
      const judged = records.flatMap(({ record }) => (isJudged(record) && !isOwn(record, finding.agent, reviewer) ? [record] : []));
      return { ...nothing, isOthers: judged.length > 0, teaches: distinct(judged.flatMap((record) => actOf(record) ?? [])) };
    }
    if (state === "misuse" && finding.agent !== null) return { ...nothing, kept_out: keep_out === "revoke" ? "revoked" : "suspended" };
    if (state !== "policy_gap") return nothing;
    const done = (await recordsOf(finding, RECORDS_MAX)).flatMap(({ record, action }): FindingAction[] =>
      isJudged(record) && action !== null
        ? [{ action, relation: actOf(record)?.relation ?? "unknown", decision_id: record.answer.decision_id }]
        : [],
    );
    return { ...nothing, proposal: proposalOf(finding, propose, done) };
  }

  /** It holds before this returns, whatever the store does. */
  async #keepOut({ agent }: Finding, { keep_out = "suspend", reason }: JudgeFinding, by: string): Promise<InForce | null> {
    const { facts } = this.#deps;
    // Whoever nobody has registered may do nothing as it is.
    if (agent === null) return null;
    const { in_force } =
      keep_out === "revoke"
        ? await facts.revoke({ scope: { agent }, reason }, by)
        : await facts.changeAgent(agent, { status: "suspended", reason }, null, by);
    return in_force;
  }

  /** Approves what this reviewer may, for an agent that is still there, if uses can be counted. */
  async #approveAll(finding: Finding, reason: string, reviewer: Reviewer, shown?: readonly string[]): Promise<string[]> {
    const grants: string[] = [];
    for (const waiting of this.#waiting(finding)) {
      if (shown?.includes(waiting.decision_id) === false) continue;
      try {
        checkApprover(waiting, finding.agent, reviewer);
        grants.push((await this.#grant(finding, waiting, reason, reviewer.id)).fact.id);
      } catch (cause) {
        if (!(cause instanceof Problem && NOT_GRANTED.has(cause.code))) throw cause;
      }
    }
    return grants;
  }

  /** Returns what waits and can be approved: decided by the bundle that is active, with digests that are known. */
  #waiting({ waiting, agent }: Finding): Waiting[] {
    const { clock, held, policy } = this.#deps;
    const now = clock.wall();
    const active = policy();
    if (agent === null || active === null) return [];
    return waiting.flatMap((one): Waiting[] => {
      const known = held.of(one);
      if (known === null || one.policy !== active.identity.digest || Date.parse(one.until) <= now) return [];
      const { roles = [], quorum = 1 } = active.purposes.get(one.purpose)?.approvers ?? {};
      return [{ ...one, ...known, roles, quorum }];
    });
  }

  /** An approval of the same decision by the same caller is one, however often it is sent. */
  async #grant(
    { agent }: Finding,
    { decision_id, action_digest, approval_digest, quorum }: Waiting,
    reason: string,
    by: string,
  ): Promise<{ created: boolean; fact: GrantAnswer }> {
    const { facts, clock, limits } = this.#deps;
    const expires_ms = clock.wall() + limits.approval_lasts_ms;
    return facts.approve({ agent: agent ?? "", decision: decision_id, action_digest, approval_digest, quorum, reason, expires_ms }, by);
  }
}

/** Persons that can approve an action. */
export interface ToApprove {
  /** Caller that asked, who can't. */
  caller: string;
  /** Persons that it is for, who can't either. */
  principals: readonly string[];
  /** Roles of which an approver has to have one; empty: any reviewer. */
  roles: readonly string[];
}

/** An action that can be approved, and by whom. */
interface Waiting extends HeldAction, ToApprove {
  decision_id: string;
  quorum: number;
}

/** Name of an issuer, which stands before the subjects of its callers where several have callers; persons are named without it. */
export const ISSUER = /^[a-z0-9._-]{1,64}:/;

/**
 * Returns who would have to approve an action in place of this reviewer; null if the reviewer can.
 * @param agent agent that asked; null if it isn't registered
 */
export function wantedApprover({ caller, principals, roles }: ToApprove, agent: string | null, reviewer: Reviewer): string | null {
  // Identity providers differ in case: a name that reads as theirs may be theirs.
  const names = [reviewer.id, reviewer.id.replace(ISSUER, "")];
  const isReviewer = (name: string): boolean => names.some((own) => areSimilar(own, name));
  if (areSimilar(reviewer.id, caller) || (agent !== null && isReviewer(agent)) || principals.some(isReviewer))
    return "neither the caller that asked, nor the agent, nor the person it is for";
  if (roles.length > 0 && !roles.some((role) => reviewer.roles.has(role))) return `a caller with the role ${roles.join(" or ")}`;
  return null;
}

/** Returns whether the reviewer asked for an action, did it, or is a person that it was for; a verdict of theirs teaches nothing of it. */
function isOwn(record: VerdictRecord, agent: string | null, reviewer: Reviewer): boolean {
  const principals = principalsOf(record) ?? [];
  return wantedApprover({ caller: record.caller, principals, roles: [] }, agent, reviewer) !== null;
}

/** @throws Problem `approver_not_permitted` */
function checkApprover(waiting: Waiting, agent: string | null, reviewer: Reviewer): void {
  const expected = wantedApprover(waiting, agent, reviewer);
  if (expected !== null) throw new Problem("approver_not_permitted", { expected }, { caller: reviewer.id });
}

/**
 * Rejects a verdict that can't be said of this finding now.
 * @throws Problem `revision_required`, `revision_stale`, `finding_state`, `field_invalid`, `field_missing`
 */
export function checkVerdict(finding: Finding, asked: JudgeFinding, expected: number | null): asserts expected is number {
  checkOptions(asked);
  if (expected === null) throw new Problem("revision_required");
  checkState(finding, expected, asked.state);
  checkSeen(finding, asked.seen);
}

function checkOptions({ state, keep_out, propose, seen }: JudgeFinding): void {
  if (keep_out !== undefined && state !== "misuse")
    throw new Problem("field_invalid", { field: "/keep_out", expected: "only with the state `misuse`" });
  if (propose !== undefined && state !== "policy_gap")
    throw new Problem("field_invalid", { field: "/propose", expected: "only with the state `policy_gap`" });
  if (seen !== undefined && state !== "expected")
    throw new Problem("field_invalid", { field: "/seen", expected: "only with the state `expected`" });
  if (seen === undefined && state === "expected")
    throw new Problem("field_missing", { field: "/seen", expected: "how many actions were seen: `actions.all`" });
}

/** Rejects a verdict on fewer actions than the finding has by now: only what was looked at is approved and learned from. */
function checkSeen({ actions }: Finding, seen: number | undefined): void {
  if (seen !== undefined && seen !== actions.all) throw new Problem("revision_stale", { field: "/seen", expected: String(actions.all) });
}

function checkState({ state, revision }: Finding, expected: number, next: FindingStateName): void {
  if (revision !== expected) throw new Problem("revision_stale", { expected: String(revision) });
  if (NEXT[state].includes(next)) return;
  const may = FINDING_STATES.filter((one) => NEXT[state].includes(one));
  const expectedText = `${may.map((one) => `\`${one}\``).join(" or ")}, since it is \`${state}\``;
  throw new Problem("finding_state", { field: "/state", expected: expectedText });
}

/** Returns how a verdict moves its purpose's thresholds; a reopened finding takes back what its verdict moved. */
function calibrating({ about, purpose, verdict }: Finding, state: FindingStateName, isOthers: boolean): Pick<FindingState, "calibrates"> {
  if (about !== "behavior" || purpose === null) return {};
  if (state === "expected" && isOthers) return { calibrates: { purpose, expected: 1, misuse: 0 } };
  if (state === "misuse") return { calibrates: { purpose, expected: 0, misuse: 1 } };
  const before = verdict?.calibrates;
  return state !== "open" || before === undefined
    ? {}
    : { calibrates: { purpose, expected: 0 - before.expected, misuse: 0 - before.misuse } };
}

type VerdictRecord = Extract<FoundRecord["record"], { answer: unknown }>;

const isJudged = (record: FoundRecord["record"]): record is VerdictRecord => "answer" in record;

/** Returns acts that a person would call different: by verb, resource, source, relation and hour. The latest of each. */
function distinct(acts: readonly Act[]): Act[] {
  const byWhat = new Map<string, Act>();
  for (const act of acts) {
    const { verb, type, id, source, relation, time_ms } = act;
    byWhat.set(JSON.stringify([verb, type, id, source, relation, Math.floor(time_ms / HOUR_MS)]), act);
  }
  return [...byWhat.values()].slice(-TAUGHT_MAX);
}
