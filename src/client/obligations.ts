/** Obligations that an answer imposes. The catalogue is closed: an obligation that isn't known here can't be met. */
import type { Answer, Obligation } from "../contract/index.js";
import type { Action } from "./action.js";
import { within } from "./deadline.js";
import { Denied } from "./errors.js";
import type { Outside } from "./outside.js";

/** Handlers by which a host meets what only it can. What is left out can't be met, and the action doesn't run. */
export interface Handlers {
  /**
   * Asks someone to agree to this very action; true: they do. `text` is the sentence that the policy wants them asked, if it has one.
   * @default an action that has to be confirmed doesn't run
   */
  confirm?: (who: string, action: Action, signal: AbortSignal, text: string | null) => boolean | Promise<boolean>;
  /** Tells someone, before the action runs. @default an action that has to be told of doesn't run */
  notify?: (channel: string, action: Action, answer: Answer) => void | Promise<void>;
  /** Takes fields out of a result that isn't plain JSON. @default such a result isn't handed out */
  redact?: (result: unknown, fields: readonly string[]) => unknown;
}

export const REDACTED = "[redacted]";

/** Obligations of one action, from its answers: what was met once needn't be again while the action is the same. */
export class Obligations {
  readonly #handlers: Handlers;
  readonly #outside: Outside;
  readonly #met = new Set<string>();

  constructor(handlers: Handlers, outside: Outside) {
    this.#handlers = handlers;
    this.#outside = outside;
  }

  /**
   * Meets all that has to be met before the action runs.
   * @param ms time that people, and what tells them, may take
   * @returns whether that took time
   * @throws Denied `obligation_unknown`, `obligation_unmet`, `not_confirmed`
   */
  async meet(answer: Answer, action: Action, ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    let waited = false;
    for (const obligation of known(answer)) {
      if (obligation.type !== "confirm" && obligation.type !== "notify") continue;
      const name = JSON.stringify(obligation);
      if (this.#met.has(name)) continue;
      waited = true;
      await this.#one(obligation, answer, action, ms, signal);
      this.#met.add(name);
    }
    return waited;
  }

  async #one(
    obligation: Extract<Obligation, { type: "confirm" | "notify" }>,
    answer: Answer,
    action: Action,
    ms: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { confirm, notify } = this.#handlers;
    const handler = obligation.type === "confirm" ? confirm : notify;
    if (handler === undefined) throw new Denied("obligation_unmet", answer);
    let met: unknown;
    try {
      met = await within(this.#outside, ms, signal, async (over) =>
        obligation.type === "confirm"
          ? await confirm?.(obligation.with, action, over, obligation.text ?? null)
          : (await notify?.(obligation.channel, action, answer), true),
      );
    } catch (cause) {
      if (signal?.aborted === true) throw cause;
      throw new Denied(obligation.type === "confirm" ? "not_confirmed" : "obligation_unmet", answer, { cause });
    }
    if (met !== true) throw new Denied("not_confirmed", answer);
  }

  /** Returns the part of a result that the agent may see. @throws Denied `obligation_unmet` */
  async redact(answer: Answer, result: unknown): Promise<unknown> {
    const fields = fieldsOf(answer);
    if (fields.length === 0) return result;
    const { redact } = this.#handlers;
    try {
      return redact === undefined ? redacted(result, new Set(fields)) : await redact(result, fields);
    } catch (cause) {
      throw new Denied("obligation_unmet", answer, { cause });
    }
  }
}

/** @throws Denied `obligation_unknown`: another type, or one with members that say more than is known here */
export function known(answer: Answer): readonly Obligation[] {
  if (!answer.obligations.every(isKnown)) throw new Denied("obligation_unknown", answer);
  return answer.obligations;
}

function isKnown(obligation: unknown): obligation is Obligation {
  if (typeof obligation !== "object" || obligation === null) return false;
  const said = obligation as Record<string, unknown>;
  const has = (...names: string[]): boolean => Object.keys(said).sort().join() === ["type", ...names].sort().join();
  switch (said["type"]) {
    case "redact": {
      const { fields } = said;
      return has("fields") && Array.isArray(fields) && fields.length > 0 && fields.every((field) => typeof field === "string");
    }
    case "modify":
      return (
        has("argument", "value") && typeof said["argument"] === "string" && ["string", "number", "boolean"].includes(typeof said["value"])
      );
    case "confirm":
      return (has("with") || (has("with", "text") && typeof said["text"] === "string")) && typeof said["with"] === "string";
    case "notify":
      return has("channel") && typeof said["channel"] === "string";
    default:
      return false;
  }
}

/**
 * Returns the names of the fields that an answer redacts from a result.
 * @example
 * import { fieldsOf, redacted } from "@remit-pdp/client";
 *
 * const { answer } = await client.decide(action);
 * const shown = redacted({ id: "ada", iban: "DE02…" }, new Set(fieldsOf(answer)));
 */
export function fieldsOf({ obligations }: Answer): readonly string[] {
  return obligations.flatMap((obligation) => (obligation.type === "redact" ? obligation.fields : []));
}

/** The action with its arguments set as the answer says; the very same where it says nothing. */
export function modified(answer: Answer, action: Action): Action {
  const set = answer.obligations.flatMap((one) => (one.type === "modify" ? [[one.argument, one.value] as const] : []));
  if (set.length === 0) return action;
  return Object.freeze({ ...action, arguments: Object.freeze({ ...action.arguments, ...Object.fromEntries(set) }) });
}

/**
 * Returns a copy of a JSON value in which members of these names hold `[redacted]`, at any depth.
 * @throws TypeError for anything that isn't JSON, and for a text: a field could hide in it
 * @example
 * import assert from "node:assert/strict";
 * import { redacted } from "@remit-pdp/client";
 *
 * assert.deepEqual(redacted({ id: "ada", card: { iban: "DE02…" } }, new Set(["iban"])), { id: "ada", card: { iban: "[redacted]" } });
 */
export function redacted(value: unknown, fields: ReadonlySet<string>): unknown {
  if (value === null || value === undefined || typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value === "string") throw new TypeError("a text may hold the fields to be redacted");
  return without(value, fields);
}

function without(value: unknown, fields: ReadonlySet<string>): unknown {
  if (typeof value === "function" || typeof value === "symbol") throw new TypeError("not JSON");
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((member) => without(member, fields));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) throw new TypeError("not JSON");
  const members = Object.entries(value).map(([name, member]): [string, unknown] => [
    name,
    fields.has(name) ? REDACTED : without(member, fields),
  ]);
  return Object.fromEntries(members);
}
