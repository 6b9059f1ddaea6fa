/** From what came over the network to an answer: its form is checked, since something else than the service may have sent it. */
import type { Answer } from "../contract/index.js";
import { Undecided } from "./errors.js";

/** No bundle's answers last longer. */
const VALID_FOR_MS_MAX = 60_000;
const DECISION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

type Members = Record<string, unknown>;

/**
 * Members that it doesn't know are passed over: what narrows an answer is an obligation, and those are a closed catalogue.
 * @throws Undecided `answer_unreadable`, `answer_contradictory`
 */
export function readAnswer(value: unknown): Answer {
  if (!isAnswer(value)) throw new Undecided("answer_unreadable");
  const { decision, proceed, wait } = value;
  if (proceed ? decision === "deny" || wait !== undefined : decision === "allow") throw new Undecided("answer_contradictory");
  return value;
}

function isAnswer(value: unknown): value is Answer {
  if (!isObject(value)) return false;
  const { decision, decision_id, request_id, wait, tell_agent, finding, reasons, obligations, policy } = value;
  return (
    (decision === "allow" || decision === "deny" || decision === "flag") &&
    typeof value["proceed"] === "boolean" &&
    (wait === undefined || (isObject(wait) && typeof wait["for"] === "string" && typeof wait["until"] === "string")) &&
    typeof decision_id === "string" &&
    DECISION_ID.test(decision_id) &&
    (request_id === undefined || typeof request_id === "string") &&
    typeof value["action_digest"] === "string" &&
    isCount(value["valid_for_ms"]) &&
    value["valid_for_ms"] <= VALID_FOR_MS_MAX &&
    Array.isArray(reasons) &&
    reasons.every((reason) => isObject(reason) && typeof reason["code"] === "string") &&
    (tell_agent === undefined || typeof tell_agent === "string") &&
    (finding === undefined || typeof finding === "string") &&
    Array.isArray(obligations) &&
    isObject(policy) &&
    isCount(value["facts_revision"])
  );
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
