/**
 * An action as the profile sees it. Whatever it is told stands in the record too, so that the records alone tell it the same:
 * what the request and the facts don't say is the record's `act`.
 */
import { NOTHING_ODD, type Act, type ActOutcome, type ActRecord, type Answer, type FloorCode } from "../contract/index.js";
import type { Gathered } from "./situation.js";
import { offsetOf } from "./local_time.js";
import type { Masks } from "./ports.js";
import { relationOf } from "./relation.js";
import type { ScoredAction, Question } from "./question.js";

/**
 * Returns the act; the time of an observed one is when it happened, as its reporter says.
 * @param evaluated false if the floor refuses
 */
export function actOf(
  { action: { request, verb, type }, policy, happened }: Question,
  { levels }: Gathered,
  masks: Masks | undefined,
  evaluated: boolean,
): Act {
  const { situation, grants } = levels[0];
  const { agent, now_ms, purpose, task } = situation;
  const { resource, context } = request;
  const relation = relationOf(resource, type, task);
  const zone = purpose?.hours?.zone;
  const time_ms = happened === null ? now_ms : Math.min(now_ms, happened.at_ms);
  const act: Act = {
    // The fact's own text, where there is one: it is looked up by some ten times, and one text is told from others by where it is.
    agent: agent?.id ?? request.agent,
    version: agent?.version ?? "",
    owner: agent?.owner ?? "",
    purpose: request.purpose,
    verb: request.verb,
    // What nobody knows is taken for the gravest.
    verb_class: verb?.class ?? "admin",
    type: resource.type,
    id: resource.id,
    task: request.task,
    relation,
    session: context.session,
    source: context.source,
    // A person has approved this very action; a grant of such actions says nothing of how many, when and in what order.
    granted: evaluated && grants.some(({ state, input }) => state === "live" && input.exact),
    amount: 1,
    time_ms,
    offset_ms: zone === undefined ? 0 : offsetOf(policy.zones?.[zone], time_ms),
  };
  const labels = type?.flow?.labels;
  if (labels !== undefined && labels.length > 0) act.labels = labels;
  if (policy.vocabulary.masks === undefined || masks === undefined) return act;
  return Object.assign(act, masks.names(policy, now_ms, act));
}

/** Refusals that say nothing of what the agent does: it may not have asked at all, or may do nothing whatever it is. */
const NOT_ITS_OWN: ReadonlySet<string> = new Set<FloorCode>([
  "everything_revoked",
  "token_revoked",
  "caller_revoked",
  "caller_not_permitted",
  "facts_stale",
  "agent_unknown",
  "agent_revoked",
  "owner_revoked",
  "principal_revoked",
  "agent_suspended",
  "agent_token_required",
  "agent_token_expired",
  "agent_token_mismatch",
  "agent_token_stale",
  "actor_stopped",
]);

/** Returns true if a refusal of the floor reveals something about its agent. */
export function isItsOwn(code: string): boolean {
  return !NOT_ITS_OWN.has(code);
}

/** Returns the outcome of an act, as far as its answer goes. */
export function outcomeOf({ decision, reasons }: Pick<Answer, "decision" | "reasons">): ActOutcome {
  if (decision !== "allow") return decision;
  return reasons.some(({ effect }) => effect === "log") ? "log" : "allow";
}

/** Returns the record's `act`. Without an input to look them up in, it has the agent's owner and version as well, and what it was found to be where that is odd. */
export function actRecord({ act, assessed }: ScoredAction, floored: boolean): ActRecord {
  const { granted, labels, offset_ms, owner, relation, verb_class, version } = act;
  const isOdd = floored && assessed !== NOTHING_ODD;
  return {
    ...(isOdd && { behavior: { ...assessed, channels: sorted(assessed.channels) } }),
    class: verb_class,
    ...(granted && { granted: true }),
    ...(labels !== undefined && { labels: [...labels] }),
    ...(offset_ms !== 0 && { offset_ms }),
    ...(floored && owner !== "" && { owner }),
    relation,
    ...(floored && { version }),
  };
}

function sorted<T>(members: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)));
}
