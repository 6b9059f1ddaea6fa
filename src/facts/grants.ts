/** What a grant may be. */
import { parseTime, type CreateGrant, type GrantFactState } from "../contract/index.js";
import { iso } from "./entities.js";
import { checkCanonical, refuse, span } from "./problems.js";
import type { CompileEntry, Known, KnownPolicy } from "./registry.js";
import { isLive } from "./tasks.js";

export interface GrantLimits {
  /** Furthest expiry from its beginning, and of its beginning from now. */
  grant_lifetime_max_ms: number;
  /** False where an answer may leave before its record is durable: a use that a crash gives back isn't counted. */
  counted_grants: boolean;
}

/** @throws Problem `fact_invalid`, `identifier_not_canonical` */
export function checkNewGrant(
  asked: CreateGrant,
  known: Known,
  policy: KnownPolicy,
  compile: CompileEntry,
  { grant_lifetime_max_ms: lifetime, counted_grants }: GrantLimits,
  nowMs: number,
): GrantFactState {
  const { agent, task, entry, action_digest } = asked;
  if ((agent === undefined) === (task === undefined)) refuse("/agent", "either `agent` or `task`");
  if ((entry === undefined) === (action_digest === undefined)) refuse("/entry", "either `entry` or `action_digest`");
  if (agent !== undefined) {
    const holder = known.agent(agent);
    if (holder === undefined || holder.status === "revoked") refuse("/agent", "a registered agent");
  }
  if (task !== undefined) {
    const holder = known.task(task);
    if (holder === undefined || !isLive(holder, nowMs)) refuse("/task", "a live task");
  }
  if (asked.uses !== undefined && !counted_grants) refuse("/uses", "no count, since `log.durability` is `relaxed`");
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
  if (entry !== undefined) {
    const compiled = compile(entry, policy.vocabulary);
    if ("field" in compiled) refuse(`/entry${compiled.field}`, compiled.expected);
  }
  return {
    id: asked.id,
    agent: agent ?? null,
    task: task ?? null,
    entry: entry ?? null,
    action_digest: action_digest ?? null,
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
