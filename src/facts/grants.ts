/** Checks and builds grants. */
import { parseTime, type Approval, type CreateGrant, type GrantFactState } from "../contract/index.js";
import { iso } from "./entities.js";
import { checkCanonical, refuse, span } from "./problems.js";
import { isLive } from "./tasks.js";
import type { CompileEntry, FactsLookup, KnownPolicy } from "./facts_lookup.js";

export interface GrantLimits {
  /** Furthest expiry from its beginning, and of its beginning from now. */
  grant_lifetime_max_ms: number;
  /** False where an answer may leave before its record is durable: a use that a crash gives back isn't counted. */
  counted_grants: boolean;
}

/** An action that waits, and who has to approve it. */
export interface ApproveAction {
  agent: string;
  /** The decision that waits. */
  decision: string;
  action_digest: string;
  approval_digest: string;
  /** Callers that have to approve. */
  quorum: number;
  reason: string;
  expires_ms: number;
}

const APPROVAL_ID = "approval-";

/** Returns the id of the grant that an approval becomes; no other grant's begins so. */
export const approvalId = (decision: string): string => APPROVAL_ID + decision;

/**
 * Returns the grant that a first approval makes: of one use, for the acting agent.
 * @throws Problem `fact_invalid`
 */
export function checkApproval(
  { agent, decision, action_digest, approval_digest, quorum, reason, expires_ms }: ApproveAction,
  first: Approval["given"][number],
  known: FactsLookup,
  { counted_grants }: Pick<GrantLimits, "counted_grants">,
  nowMs: number,
): GrantFactState {
  checkHolder(known, agent);
  if (!counted_grants) refuseCount();
  return {
    ...{ id: approvalId(decision), agent, task: null, entry: null, action_digest },
    approval: { decision, digest: approval_digest, quorum, given: [first] },
    ...{ reason, requested_by: agent, approved_by: first.by, not_before: iso(nowMs), expires: iso(expires_ms), uses: 1, ended: null },
  };
}

function checkHolder(known: FactsLookup, agent: string): void {
  const holder = known.agent(agent);
  if (holder === undefined || holder.status === "revoked") refuse("/agent", "a registered agent");
}

function refuseCount(): never {
  return refuse("/uses", "no count, since `log.durability` is `relaxed`");
}

/** @throws Problem `fact_invalid`, `identifier_not_canonical` */
export function checkNewGrant(
  asked: CreateGrant,
  known: FactsLookup,
  policy: KnownPolicy,
  compile: CompileEntry,
  { grant_lifetime_max_ms: lifetime, counted_grants }: GrantLimits,
  nowMs: number,
): GrantFactState {
  const { agent, task, entry } = asked;
  if ((agent === undefined) === (task === undefined)) refuse("/agent", "either `agent` or `task`");
  if (asked.id.startsWith(APPROVAL_ID)) refuse("/id", `an id that doesn't begin with \`${APPROVAL_ID}\`: approve the action that waits`);
  if (agent !== undefined) checkHolder(known, agent);
  if (task !== undefined) {
    const holder = known.task(task);
    if (holder === undefined || !isLive(holder, nowMs)) refuse("/task", "a live task");
  }
  if (asked.uses !== undefined && !counted_grants) refuseCount();
  checkCanonical(asked.requested_by, "/requested_by");
  checkCanonical(asked.approved_by, "/approved_by");
  const not_before = asked.not_before === undefined ? nowMs : time(asked.not_before, "/not_before");
  const expires = time(asked.expires, "/expires");
  if (not_before > nowMs + lifetime) refuse("/not_before", `a time at most ${span(lifetime)} from now`);
  if (expires <= nowMs) refuse("/expires", "a time to come");
  if (expires <= not_before) refuse("/expires", "later than `not_before`");
  if (expires > Math.max(nowMs, not_before) + lifetime) {
    refuse("/expires", `at most ${span(lifetime)} from when it begins`);
  }
  const compiled = compile(entry, policy.vocabulary);
  if ("field" in compiled) refuse(`/entry${compiled.field}`, compiled.expected);
  return {
    id: asked.id,
    agent: agent ?? null,
    task: task ?? null,
    entry,
    action_digest: null,
    reason: asked.reason,
    requested_by: asked.requested_by,
    approved_by: asked.approved_by,
    not_before: iso(not_before),
    expires: iso(expires),
    uses: asked.uses ?? null,
    ended: null,
  };
}

function time(text: string, field: string): number {
  return parseTime(text) ?? refuse(field, "an RFC 3339 date-time");
}
