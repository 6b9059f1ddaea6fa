/**
 * The reasons that come from the service itself and from the library every bundle carries: what no bundle's catalogue
 * has to explain. Templates name what they show: `{agent}`, `{purpose}`, `{task}`, `{verb}`, `{type}`, `{id}`, `{resource}` (type and, where there is one, id), or a param.
 */
import type { Effect, Severity } from "./policy.js";

export interface BuiltinReason {
  effect: Effect;
  severity: Severity;
  message: string;
  tell_agent: string;
}

/**
 * Sentences that an agent is told of a flag whose author wrote none. Bundles have `unsaid`; an answer has one of the others in its place,
 * which say whether the action went ahead. Records of before have `unsaid`.
 */
export const FLAG_TOLD = {
  unsaid: "A person will look at this.",
  proceeds: "This goes ahead, and a person will look at it.",
  waits: "This was not done. A person will look at it first.",
} as const;

const notYou = "You are not permitted to do this.";
const notNow = "This cannot be decided now; nothing was done.";

const notUntilWidened = "You are not permitted to do this for now: only to read what your task is about, and not too often.";

const floor = {
  everything_revoked: { severity: "critical", message: "everything is revoked", tell_agent: notNow },
  token_revoked: { severity: "critical", message: "a token of this request is revoked", tell_agent: notYou },
  caller_revoked: { severity: "critical", message: "caller {caller} is revoked", tell_agent: notNow },
  caller_not_permitted: {
    severity: "high",
    message: "caller {caller} may not ask for agent {agent} and purpose {purpose}",
    tell_agent: notYou,
  },
  facts_stale: { severity: "high", message: "the facts are older than the bound", tell_agent: notNow },
  time_skew: {
    severity: "medium",
    message: "the claimed time is {skew_ms} ms from the host's clock, at most {limit_ms} are allowed",
    tell_agent: notYou,
  },
  agent_unknown: { severity: "high", message: "agent {agent} is not registered", tell_agent: notYou },
  agent_suspended: { severity: "high", message: "agent {agent} is suspended", tell_agent: notYou },
  agent_revoked: { severity: "critical", message: "agent {agent} is revoked", tell_agent: notYou },
  owner_revoked: {
    severity: "critical",
    message: "all agents of agent {agent}'s owner are revoked",
    tell_agent: notYou,
  },
  principal_revoked: {
    severity: "critical",
    message: "whom agent {agent} acts for is revoked, or was when its token was issued",
    tell_agent: notYou,
  },
  agent_token_required: {
    severity: "high",
    message: "agent {agent} must prove itself by a token",
    tell_agent: notYou,
  },
  agent_token_expired: { severity: "medium", message: "the token of agent {agent} has expired", tell_agent: notYou },
  agent_token_mismatch: {
    severity: "critical",
    message: "the agent's token is not one of agent {agent}",
    tell_agent: notYou,
  },
  agent_token_stale: {
    severity: "high",
    message: "the agent's token is older than agent {agent}'s registration",
    tell_agent: notYou,
  },
  actor_stopped: {
    severity: "high",
    message: "another agent that the agent's token names is stopped, or not for purpose {purpose}",
    tell_agent: notYou,
  },
  purpose_unknown: { severity: "medium", message: "the bundle has no purpose {purpose}", tell_agent: notYou },
  purpose_revoked: { severity: "critical", message: "purpose {purpose} is revoked", tell_agent: notYou },
  purpose_not_registered: {
    severity: "high",
    message: "agent {agent} is not registered for purpose {purpose}",
    tell_agent: notYou,
  },
  verb_unknown: { severity: "medium", message: "the vocabulary has no verb {verb}", tell_agent: notYou },
  type_unknown: { severity: "medium", message: "the vocabulary has no resource type {type}", tell_agent: notYou },
  task_required: {
    severity: "medium",
    message: "purpose {purpose} requires a task",
    tell_agent: "You need a task for this.",
  },
  task_unknown: { severity: "high", message: "task {task} is not known", tell_agent: notYou },
  task_token_mismatch: {
    severity: "critical",
    message: "the task's token was not issued for task {task}, agent {agent} and purpose {purpose}",
    tell_agent: notYou,
  },
  task_token_expired: {
    severity: "medium",
    message: "the token of task {task} has expired",
    tell_agent: "This task has ended.",
  },
  task_of_another_agent: {
    severity: "high",
    message: "task {task} was not given to agent {agent}",
    tell_agent: notYou,
  },
  task_of_another_purpose: {
    severity: "high",
    message: "task {task} was not given for purpose {purpose}",
    tell_agent: notYou,
  },
  task_revoked: { severity: "critical", message: "task {task} is revoked", tell_agent: "This task has ended." },
  task_ended: { severity: "medium", message: "task {task} has ended", tell_agent: "This task has ended." },
  task_expired: { severity: "medium", message: "task {task} has expired", tell_agent: "This task has ended." },
  principal_mismatch: {
    severity: "high",
    message: "the agent's token is for one person and task {task} is for another",
    tell_agent: notYou,
  },
  verb_not_in_task: { severity: "medium", message: "task {task} does not include the verb {verb}", tell_agent: notYou },
  narrowed_to_read: {
    severity: "medium",
    message: "agent {agent} is narrowed to verbs of class read, and {verb} isn't one",
    tell_agent: notUntilWidened,
  },
  narrowed_to_task: {
    severity: "high",
    message: "agent {agent} is narrowed to what its task is about, and nothing says that of {resource}",
    tell_agent: notUntilWidened,
  },
  narrowed_rate: {
    severity: "low",
    message: "agent {agent} is narrowed to {limit} actions a minute",
    tell_agent: "You are permitted fewer actions a minute for now; wait before you go on.",
  },
} as const satisfies Record<string, Omit<BuiltinReason, "effect">>;

export type FloorCode = keyof typeof floor;
export const FLOOR_CODES = Object.keys(floor) as FloorCode[];

const others: Record<string, BuiltinReason> = {
  evaluation_failed: {
    effect: "deny",
    severity: "high",
    message: "the policy could not be evaluated",
    tell_agent: notNow,
  },
  evaluation_budget: {
    effect: "deny",
    severity: "high",
    message: "the policy took too long and was stopped",
    tell_agent: notNow,
  },
  result_invalid: {
    effect: "deny",
    severity: "high",
    message: "the policy's answer does not have the agreed shape",
    tell_agent: notNow,
  },
  not_permitted: {
    effect: "deny",
    severity: "medium",
    message: "nothing permits {verb} on {type} for purpose {purpose}",
    tell_agent: notYou,
  },
  granted: { effect: "allow", severity: "info", message: "grant {grant} permits it", tell_agent: "" },
  grant_not_yet_valid: {
    effect: "deny",
    severity: "low",
    message: "grant {grant} is not valid yet",
    tell_agent: notYou,
  },
  grant_expired: { effect: "deny", severity: "low", message: "grant {grant} has expired", tell_agent: notYou },
  grant_used_up: { effect: "deny", severity: "low", message: "grant {grant} is used up", tell_agent: notYou },
  grant_revoked: { effect: "deny", severity: "low", message: "grant {grant} is revoked", tell_agent: notYou },
  grant_ended: { effect: "deny", severity: "low", message: "grant {grant} was ended", tell_agent: notYou },
  unusual: {
    effect: "log",
    severity: "low",
    message: "unusual for agent {agent} (risk {risk}): {why}",
    tell_agent: "",
  },
  unusual_flagged: {
    effect: "flag",
    severity: "high",
    message: "unusual for agent {agent} (risk {risk}): {why}",
    tell_agent: FLAG_TOLD.unsaid,
  },
  unusual_held: {
    effect: "flag",
    severity: "high",
    message: "unusual for agent {agent} (risk {risk}), and waits for a person: {why}",
    tell_agent: FLAG_TOLD.unsaid,
  },
  unusual_denied: {
    effect: "deny",
    severity: "critical",
    message: "too unusual for agent {agent} (risk {risk}): {why}",
    tell_agent: notYou,
  },
  flow_denied: {
    effect: "deny",
    severity: "high",
    message: "{argument} ({role}) comes from {writer}",
    tell_agent: "This rests on something that neither the user nor their own records say.",
  },
  flow_waits: {
    effect: "flag",
    severity: "medium",
    message: "{argument} ({role}) comes from {writer}, and waits for a person",
    tell_agent: "A person was asked whether this is what is meant.",
  },
  flow_flagged: {
    effect: "flag",
    severity: "medium",
    message: "{argument} ({role}) comes from {writer}, and a person looks at it later",
    tell_agent: FLAG_TOLD.unsaid,
  },
  flow_not_asked: {
    effect: "deny",
    severity: "high",
    message: "the instruction asks for nothing but looking, and others wrote what was read",
    tell_agent: "The user asked for nothing of this kind.",
  },
  outside_plan: {
    effect: "deny",
    severity: "high",
    message: "the task's plan has no such call",
    tell_agent: "This is no part of what was planned for the task.",
  },
  not_as_planned: {
    effect: "deny",
    severity: "high",
    message: "{argument} doesn't come from where the task's plan says",
    tell_agent: "This rests on something else than what was planned for the task.",
  },
  plan_used_up: {
    effect: "deny",
    severity: "high",
    message: "the task's plan has this call {max} times, and it was permitted {used} times",
    tell_agent: "This was tried as often as was planned for the task.",
  },
  plan_waits: {
    effect: "flag",
    severity: "medium",
    message: "{argument} stands beside others of its kind where the task's plan takes it from, and waits for a person",
    tell_agent: "A person was asked whether this is what is meant.",
  },
  flow_secret: {
    effect: "deny",
    severity: "critical",
    message: "{argument} ({role}) holds a secret of the user's",
    tell_agent: "This holds something that is not given away.",
  },
  flow_unknown: {
    effect: "deny",
    severity: "high",
    message: "nobody knows where the values of this action come from",
    tell_agent: "It could not be found out where this comes from.",
  },
  not_asked: {
    effect: "log",
    severity: "high",
    message: "agent {agent} did {verb} {resource} without having asked",
    tell_agent: "",
  },
  rule_without_metadata: {
    effect: "deny",
    severity: "high",
    message: "a rule without metadata fired",
    tell_agent: notYou,
  },
};

export const BUILTIN_REASONS: ReadonlyMap<string, BuiltinReason> = new Map<string, BuiltinReason>([
  ...Object.entries(floor).map(([code, reason]): [string, BuiltinReason] => [code, { effect: "deny", ...reason }]),
  ...Object.entries(others),
]);
