/** Checks and builds tasks, also those that are handed on. */
import {
  TASK_LEVELS_MAX,
  parseTime,
  planFault,
  type AmendTask,
  type IssueTask,
  type TaskPlan,
  type TaskState,
  type Vocabulary,
} from "../contract/index.js";
import { iso, type TaskFact } from "./entities.js";
import { checkAttributes, checkSubjects, named } from "./fields.js";
import { checkCanonical, refuse, span } from "./problems.js";
import type { FactsLookup, KnownPolicy } from "./facts_lookup.js";

export interface TaskLimits {
  /** Furthest expiry from now. */
  task_lifetime_max_ms: number;
  /** Levels of tasks handed on below the first. */
  task_depth_max: number;
}

/** Task as it was asked for; without `expires` it is from an import, and ends when it is ended. */
export type TaskAsked = Omit<IssueTask, "expires"> & { expires?: string; ended?: boolean };

/**
 * @throws Problem `fact_invalid`, `identifier_not_canonical`, `task_wider_than_parent`, `parent_not_live`,
 * `delegation_not_permitted`, `delegation_too_deep`
 */
export function checkNewTask(asked: TaskAsked, known: FactsLookup, policy: KnownPolicy, limits: TaskLimits, nowMs: number): TaskState {
  checkHolder(asked, known);
  const expires_ms = asked.expires === undefined ? null : checkExpiry(asked.expires, limits, nowMs);
  const { vocabulary } = policy;
  const subjects = asked.subjects ?? {};
  checkSubjects(vocabulary, subjects);
  for (const [i, verb] of (asked.verbs ?? []).entries()) {
    if (!Object.hasOwn(vocabulary.verbs, verb)) {
      refuse(`/verbs/${i}`, `a verb of the vocabulary: ${named(Object.keys(vocabulary.verbs))}`);
    }
  }
  if (typeof asked.principal === "string") checkCanonical(asked.principal, "/principal");
  checkAttributes(vocabulary.task.attributes, asked.attributes ?? {});
  if (asked.plan !== undefined) checkPlan(asked.plan, asked.parent ?? null, vocabulary);
  const task: TaskState = {
    id: asked.id,
    agent: asked.agent,
    purpose: asked.purpose,
    parent: asked.parent ?? null,
    principal: asked.principal ?? null,
    subjects,
    attributes: asked.attributes ?? {},
    verbs: asked.verbs ?? null,
    ...(asked.plan !== undefined && { plan: asked.plan }),
    expires: expires_ms === null ? null : iso(expires_ms),
    ended: asked.ended === true ? { at: iso(nowMs), reason: null } : null,
  };
  return task.parent === null ? task : checkHandedOn(task, task.parent, asked, known, limits, nowMs);
}

function checkHolder(asked: TaskAsked, known: FactsLookup): void {
  const agent = known.agent(asked.agent);
  if (agent === undefined || agent.status === "revoked") refuse("/agent", "a registered agent");
  if (!agent.purposes.has(asked.purpose)) refuse("/purpose", "a purpose that the agent is registered for");
}

/** A plan is of the whole chain, so that whoever hands a task on can't widen it. */
function checkPlan(plan: TaskPlan, parent: string | null, vocabulary: Vocabulary): void {
  if (parent !== null) refuse("/plan", "no plan on a task that is handed on: it has that of the first");
  const fault = planFault(plan, vocabulary);
  if (fault !== null) refuse(["/plan", ...fault.at].join("/"), fault.expected);
}

function checkExpiry(expires: string, { task_lifetime_max_ms: lifetime }: TaskLimits, nowMs: number): number {
  const expires_ms = parseTime(expires) ?? refuse("/expires", "an RFC 3339 date-time");
  if (expires_ms <= nowMs) refuse("/expires", "a time to come");
  if (expires_ms > nowMs + lifetime) refuse("/expires", `a time at most ${span(lifetime)} from now`);
  return expires_ms;
}

/** Checks a task that is handed on. Members that it leaves out are the parent's, except for subjects: those are named or missing. */
function checkHandedOn(
  task: TaskState,
  parentId: string,
  asked: TaskAsked,
  known: FactsLookup,
  limits: TaskLimits,
  nowMs: number,
): TaskState {
  const parent = known.task(parentId);
  if (parent === undefined || parentId === task.id) refuse("/parent", "a task that is known, and not this one");
  if (!isChainLive(parent, known, nowMs)) refuse("/parent", "a live task", "parent_not_live");
  if (depthOf(parent, known) >= limits.task_depth_max) {
    refuse("/parent", `a task at most ${limits.task_depth_max - 1} levels below the first`, "delegation_too_deep");
  }
  if (task.purpose !== parent.purpose) refuse("/purpose", "the parent's purpose", "task_wider_than_parent");
  const giver = known.agent(parent.agent);
  if (giver?.status !== "active" || known.revoked("agent", parent.agent)) {
    refuse("/parent", "a task of an active agent", "parent_not_live");
  }
  if (!giver.delegates.has(task.purpose)) {
    refuse("/parent", "a task of an agent that may hand this purpose on", "delegation_not_permitted");
  }
  if (asked.principal !== undefined && task.principal !== parent.principal) {
    refuse("/principal", "the parent's principal", "task_wider_than_parent");
  }
  const wider = widerSubject(task.subjects, parent);
  if (wider !== null) refuse(`/subjects/${wider}`, "subjects that the parent has", "task_wider_than_parent");
  const narrowed: TaskState = {
    ...task,
    principal: parent.principal,
    verbs: task.verbs ?? (parent.verbs === null ? null : [...parent.verbs]),
    expires: task.expires ?? (parent.expires_ms === null ? null : iso(parent.expires_ms)),
  };
  const verb = (narrowed.verbs ?? []).findIndex((one) => parent.verbs?.has(one) === false);
  if (verb >= 0) refuse(`/verbs/${verb}`, "a verb that the parent has", "task_wider_than_parent");
  if (parent.expires_ms !== null && Date.parse(narrowed.expires ?? "") > parent.expires_ms) {
    refuse("/expires", "no later than the parent's expiry", "task_wider_than_parent");
  }
  return narrowed;
}

/**
 * Rejects a lowering of labels that isn't said alone and with its reason, or of labels that nothing gives. Labels are the whole chain's.
 * @throws Problem `fact_invalid`
 */
export function checkLowering(task: TaskFact, asked: AmendTask, { vocabulary }: KnownPolicy): void {
  for (const field of ["subjects", "attributes", "ended"] as const)
    if (asked[field] !== undefined) refuse(`/${field}`, "not with `lowers`");
  if (asked.reason === undefined) refuse("/reason", "why labels are lowered");
  if (task.parent !== null) refuse("/lowers", "nothing on a task that is handed on: its labels are those of the first");
  const known = new Set(Object.values(vocabulary.types).flatMap(({ flow }) => flow?.labels ?? []));
  for (const [i, label] of (asked.lowers ?? []).entries())
    if (!known.has(label)) refuse(`/lowers/${i}`, `a label that a type gives: ${named([...known])}`);
}

/**
 * The subjects with others added.
 * @throws Problem `fact_invalid`, `identifier_not_canonical`, `task_wider_than_parent`
 */
export function checkAddedSubjects(
  task: TaskFact,
  added: Record<string, readonly string[]>,
  known: FactsLookup,
  policy: KnownPolicy,
): Record<string, string[]> {
  const subjects: Record<string, string[]> = {};
  for (const [type, ids] of [...Object.entries(task.subjects), ...Object.entries(added)]) {
    subjects[type] = [...new Set([...(subjects[type] ?? []), ...ids])];
  }
  checkSubjects(policy.vocabulary, subjects);
  if (task.parent === null) return subjects;
  const parent = known.task(task.parent);
  const wider = parent === undefined ? (Object.keys(added)[0] ?? null) : widerSubject(subjects, parent);
  if (wider !== null) refuse(`/subjects/${wider}`, "subjects that the parent has", "task_wider_than_parent");
  return subjects;
}

/** A subject type of which the parent lacks an id. */
function widerSubject(subjects: Record<string, readonly string[]>, parent: TaskFact): string | null {
  for (const [type, ids] of Object.entries(subjects)) {
    const of = Object.hasOwn(parent.subjects, type) ? (parent.subjects[type] ?? []) : [];
    if (!ids.every((id) => of.includes(id))) return type;
  }
  return null;
}

function depthOf(task: TaskFact, known: FactsLookup): number {
  let depth = 0;
  for (let at: TaskFact | undefined = task; at !== undefined && at.parent !== null; at = known.task(at.parent)) depth++;
  return depth;
}

export function isLive(task: TaskFact, nowMs: number): boolean {
  return !task.ended && (task.expires_ms === null || nowMs < task.expires_ms);
}

/**
 * Returns true if a task and all its ancestors are live. A chain with more levels than decisions look at isn't: one from a damaged store
 * could go round in a circle.
 */
function isChainLive(task: TaskFact, known: FactsLookup, nowMs: number): boolean {
  let at: TaskFact | undefined = task;
  for (let level = 0; level < TASK_LEVELS_MAX; level++) {
    if (at === undefined || !isLive(at, nowMs) || known.revoked("task", at.id)) return false;
    if (at.parent === null) return true;
    at = known.task(at.parent);
  }
  return false;
}
