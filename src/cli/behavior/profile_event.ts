/** A past event, as `remit profile score` reads it: one JSON object a line. */
import { parseTime, type Act, type ActOutcome } from "../../contract/index.js";

export class BadEvent extends Error {
  override readonly name = "BadEvent";
}

/** @throws BadEvent saying what is wrong with the line */
export function eventOf(line: string): { act: Act; outcome: ActOutcome } {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    throw new BadEvent("it is not JSON");
  }
  if (typeof event !== "object" || event === null || Array.isArray(event)) throw new BadEvent("it is not an object");
  const has = event as Record<string, unknown>;
  const task = optional(has, "ticket");
  const outcome = has["outcome"] ?? "allow";
  if (outcome !== "allow" && outcome !== "deny") throw new BadEvent("`outcome` is neither `allow` nor `deny`");
  const amount = has["n"] ?? 1;
  if (typeof amount !== "number" || !Number.isFinite(amount)) throw new BadEvent("`n` is not a number");
  return {
    act: {
      agent: required(has, "principal"),
      version: optional(has, "version") ?? "",
      owner: optional(has, "owner") ?? "",
      purpose: required(has, "purpose"),
      verb: required(has, "action"),
      verb_class: "read",
      type: required(has, "resource_type"),
      id: optional(has, "resource"),
      task,
      // What a task is about isn't in an event.
      relation: task === null ? "unknown" : "task",
      session: optional(has, "session"),
      source: optional(has, "source"),
      granted: optional(has, "grant") !== null,
      amount,
      time_ms: timeOf(has["ts"]),
      offset_ms: 0,
    },
    outcome,
  };
}

function timeOf(ts: unknown): number {
  const ms = typeof ts === "string" ? parseTime(ts) : ts;
  if (typeof ms === "number" && Number.isFinite(ms) && ms >= 0 && ms <= 8.64e15) return ms;
  throw new BadEvent("`ts` is not a time: milliseconds since the epoch, or RFC 3339");
}

function required(event: Record<string, unknown>, name: string): string {
  const value = event[name];
  if (typeof value === "string" && value !== "") return value;
  throw new BadEvent(value === undefined ? `\`${name}\` is missing` : `\`${name}\` is not a text with something in it`);
}

/** Null and left out are the same. */
function optional(event: Record<string, unknown>, name: string): string | null {
  const value = event[name] ?? null;
  if (value === null || typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new BadEvent(`\`${name}\` is neither a text nor null`);
}
