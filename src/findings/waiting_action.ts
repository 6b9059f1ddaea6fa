/** Prepares what a finding shows of an action that waits: enough to approve it, cut to length, and harmless wherever it is shown. */
import { escapeUnseen, pointerToken, type Finding } from "../contract/index.js";
import type { FindingRecord } from "./finding_record.js";

export type WaitingAction = Finding["waiting"][number];

/** Fields that are shown, and UTF-16 units of one value and of all. */
const FIELDS_MAX = 32;
const VALUE_LENGTH_MAX = 256;
const FIELDS_LENGTH_MAX = 2048;

interface Level {
  request?: Readonly<Record<string, unknown>>;
  facts?: { principal?: unknown };
}

/** Returns the waiting action of a record; null unless it waits for approval. */
export function waitingOf({ action, record }: FindingRecord): WaitingAction | null {
  const { answer, caller, input } = record;
  const { wait, decision_id, action_digest } = answer;
  if (wait?.for !== "approval" || wait.approval_digest === undefined) return null;
  const { request = null } = (input ?? {}) as Level;
  return {
    decision_id,
    action_digest,
    approval_digest: wait.approval_digest,
    until: wait.until,
    purpose: action?.purpose ?? "",
    policy: answer.policy.digest,
    caller,
    principals: principalsOf(record),
    ...shownOf(request),
  };
}

/** Returns the persons that an action was for; null if the request was too large for its record, and stands beside it. */
export function principalsOf({ input, ancestors = [], proof }: FindingRecord["record"]): string[] | null {
  const level = (input ?? {}) as Level;
  if (level.request === undefined) return null;
  const persons = [level, ...(ancestors as readonly Level[])].map(({ facts }) => facts?.principal);
  return [...new Set([...persons, proof?.principal?.subject].filter((one) => typeof one === "string"))];
}

const SHOWN = ["verb", "resource", "related", "arguments", "purpose", "task", "context"];

function shownOf(request: Readonly<Record<string, unknown>> | null): Pick<WaitingAction, "fields" | "more"> {
  const fields: WaitingAction["fields"] = [];
  if (request === null) return { fields, more: null };
  let [room, more] = [FIELDS_LENGTH_MAX, 0];
  for (const [field, value] of SHOWN.flatMap((name) => leaves(`/${name}`, request[name]))) {
    const shown = { field: harmless(field), value: harmless(JSON.stringify(value)) };
    room -= shown.field.length + shown.value.length;
    if (room < 0 || fields.length === FIELDS_MAX) more++;
    else fields.push(shown);
  }
  return { fields, more };
}

/** Values by their JSON pointers (RFC 6901); of those that nobody knows, none. */
function leaves(field: string, value: unknown): [field: string, value: unknown][] {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object" || Array.isArray(value)) return [[field, value]];
  return Object.entries(value).flatMap(([name, member]) => leaves(`${field}/${pointerToken(name)}`, member));
}

/** Escapes what can't be seen, after it was cut: what is shown is what is there. */
function harmless(text: string): string {
  const isCut = text.length > VALUE_LENGTH_MAX;
  const kept = isCut ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
  return escapeUnseen(kept);
}
