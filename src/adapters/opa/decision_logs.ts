/** Decision logs of other OPAs (`logs.EventV1`): what they permitted has been done, so each such event is an observed action. */
import type { ObservedAction } from "../../contract/index.js";
import { isObject } from "../../mapping/call_mapping.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import type { OpaMapping } from "./mapping.js";

export interface LoggedActions {
  lines: ObservedAction[];
  /** Decisions that permitted nothing: what they were about was not done. */
  passed_over: number;
  /** Events that make no action. */
  rejected: RejectedEvent[];
}

export interface RejectedEvent {
  decision_id: string;
  why: string;
}

/** Members of an action, in what a policy of ours is asked with, beside facts. */
const ACTION = ["agent", "purpose", "task", "verb", "resource", "related", "arguments", "context"] as const;
const ID_MAX = 128;

/** Results that permit, by the documents of a bundle of ours. */
const PERMITS: Readonly<Record<string, (result: unknown) => boolean>> = {
  "remit/decide": (result) => isObject(result) && result["proceed"] === true,
  "remit/allow": (result) => result === true,
  remit: (result) => isObject(result) && result["allow"] === true,
};

/** @param documents of the mapping, by their paths */
export function actionsIn(events: readonly unknown[], documents: OpaMapping): LoggedActions {
  const found: LoggedActions = { lines: [], passed_over: 0, rejected: [] };
  for (const event of events) {
    const line = actionIn(isObject(event) ? event : {}, documents);
    if (line === null) found.passed_over++;
    else if ("why" in line) found.rejected.push(line);
    else found.lines.push(line);
  }
  return found;
}

function actionIn(event: Readonly<Record<string, unknown>>, documents: OpaMapping): ObservedAction | RejectedEvent | null {
  const { decision_id: id, input, result, timestamp } = event;
  const path = typeof event["path"] === "string" ? event["path"].replace(/^\//, "") : "";
  const decision_id = typeof id === "string" ? id.slice(0, ID_MAX) : "";
  const document = documents.get(path);
  const permits = document === undefined ? (Object.hasOwn(PERMITS, path) ? PERMITS[path] : undefined) : document.permits.bind(document);
  if (permits === undefined) return { decision_id, why: "its path is no document of the mapping, nor of a bundle of this service" };
  if (!permits(result)) return null;
  const at = typeof timestamp === "string" ? Date.parse(timestamp) : NaN;
  if (Number.isNaN(at)) return { decision_id, why: "its timestamp is no time" };
  try {
    const action = document === undefined ? ownAction(input) : document.actionOf(input);
    return { ...action, ...(decision_id !== "" && { request_id: decision_id }), at: new Date(at).toISOString() };
  } catch (cause) {
    if (!(cause instanceof CallRefusal)) throw cause;
    return { decision_id, why: [cause.code, cause.argument].filter((part) => part !== null).join(" ") };
  }
}

/** The action of an input as a policy of ours has it (`{request, facts}`), or as `POST /decide` takes it; its schema is looked at later. */
function ownAction(input: unknown): ObservedAction {
  if (!isObject(input)) throw new CallRefusal("arguments_invalid");
  const request = isObject(input["request"]) ? input["request"] : input;
  return given(
    Object.fromEntries(ACTION.flatMap((name) => (Object.hasOwn(request, name) ? [[name, request[name]]] : []))),
  ) as ObservedAction;
}

/** Leaves out what is null, as a policy sees what wasn't given. */
function given(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = Object.entries(members).filter(([, value]) => value !== null);
  return Object.fromEntries(kept.map(([name, value]) => [name, name === "context" && isObject(value) ? given(value) : value]));
}
