/** Compares a recorded answer with the conclusion of deciding again. */
import {
  FLAG_TOLD,
  canonical,
  pointerToken,
  type Answer,
  type DecisionRecord,
  type PolicyIdentity,
  type Reason,
} from "../contract/index.js";
import { opensFinding } from "../decision/answer.js";
import type { Conclusion } from "../decision/question.js";

/** One value that differs, by its JSON pointer into the answer; left out: it is not there. */
export interface ValueDifference {
  at: string;
  was?: unknown;
  now?: unknown;
}

/** Findings that a deny may belong to for what was denied before it. */
const LED_TO = /-(?:shopping|denials)$/;
/** Most differences reported of one record. */
const DIFFERENCES_MAX = 16;

/** Returns the differences in everything that a decision says; its ids, revisions and validity are excluded. */
export function differences(
  { answer, kind }: Pick<DecisionRecord, "answer" | "kind">,
  conclusion: Conclusion,
  policy: PolicyIdentity,
): ValueDifference[] {
  // What led to that finding are other actions too, which are no part of this record.
  const opens = opensFinding(conclusion, kind) || LED_TO.test(answer.finding ?? "");
  if ((answer.finding !== undefined) === opens && isPlainlyTheSame(answer, conclusion, policy)) return [];
  const was = {
    decision: answer.decision,
    finding: answer.finding !== undefined,
    obligations: answer.obligations,
    policy: answer.policy,
    proceed: answer.proceed,
    reasons: isSameReasons(answer.reasons, conclusion.reasons) ? conclusion.reasons : answer.reasons,
    tell_agent: isToldAlike(answer.tell_agent, conclusion.tell_agent) ? conclusion.tell_agent : answer.tell_agent,
    wait: answer.wait === undefined ? undefined : waitOf(answer.wait),
  };
  const now = {
    decision: conclusion.decision,
    finding: opens,
    obligations: conclusion.obligations,
    policy,
    proceed: conclusion.proceed,
    reasons: conclusion.reasons,
    tell_agent: conclusion.tell_agent,
    wait: conclusion.wait === null ? undefined : waitOf(conclusion.wait),
  };
  const found: ValueDifference[] = [];
  compare("", was, now, found);
  return found;
}

/** Nearly all are, and are told so without making anything of them. */
function isPlainlyTheSame(answer: Answer, conclusion: Conclusion, policy: PolicyIdentity): boolean {
  return (
    answer.decision === conclusion.decision &&
    answer.proceed === conclusion.proceed &&
    isToldAlike(answer.tell_agent, conclusion.tell_agent) &&
    waitText(answer.wait) === waitText(conclusion.wait) &&
    answer.policy.bundle === policy.bundle &&
    answer.policy.digest === policy.digest &&
    answer.policy.revision === policy.revision &&
    answer.policy.sequence === policy.sequence &&
    isSameReasons(answer.reasons, conclusion.reasons) &&
    (answer.obligations.length + conclusion.obligations.length === 0 || isSame(answer.obligations, conclusion.obligations))
  );
}

/** A record of before has the sentence that didn't say whether a flagged action went ahead. */
function isToldAlike(was: string | undefined, now: string | undefined): boolean {
  return was === now || (was === FLAG_TOLD.unsaid && (now === FLAG_TOLD.proceeds || now === FLAG_TOLD.waits));
}

/** All that they say, and their order. */
export function isSameReasons(was: readonly Reason[], now: readonly Reason[]): boolean {
  return was.length === now.length && was.every((reason, i) => isSameReason(reason, now[i]));
}

/** Member by member: nearly all are the same, and making texts of them would take longer than their decision. */
function isSameReason(was: Reason, now: Reason | undefined): boolean {
  return (
    was.code === now?.code &&
    was.effect === now.effect &&
    isSameMessage(was, now) &&
    was.severity === now.severity &&
    was.of === now.of &&
    isSame(was.params, now.params) &&
    Object.keys(was).length === Object.keys(now).length
  );
}

/** A record of before has the sentence that said "anyone's word" for what anyone could have written. */
function isSameMessage({ code, message, params }: Reason, now: Reason): boolean {
  if (message === now.message) return true;
  const { argument, role, writer } = params;
  return FLOW_CODES.includes(code) && message.startsWith(`${String(argument)} (${String(role)}) is ${String(writer)}'s word`);
}

const FLOW_CODES = ["flow_denied", "flow_waits", "flow_flagged"];

interface Waits {
  for: string;
  needs?: string[];
}

function waitText(wait: Waits | null | undefined): string {
  return wait === null || wait === undefined ? "" : JSON.stringify(waitOf(wait));
}

function waitOf(wait: Waits): Waits {
  return wait.needs === undefined ? { for: wait.for } : { for: wait.for, needs: wait.needs };
}

function compare(at: string, was: unknown, now: unknown, found: ValueDifference[]): void {
  if (found.length === DIFFERENCES_MAX || isSame(was, now)) return;
  if (!isObject(was) || !isObject(now) || Array.isArray(was) !== Array.isArray(now)) {
    found.push({ at, ...(was !== undefined && { was }), ...(now !== undefined && { now }) });
    return;
  }
  for (const key of new Set([...Object.keys(was), ...Object.keys(now)])) {
    compare(`${at}/${pointerToken(key)}`, own(was, key), own(now, key), found);
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && b !== undefined && canonical(a) === canonical(b));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function own(of: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(of, key) ? of[key] : undefined;
}
