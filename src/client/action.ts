/** An action as it was asked about: a copy that nobody can change, so that what runs is what was decided. */
import { canonicalAction, type DecideRequest } from "../contract/index.js";
import { unprovenClaims } from "./claims.js";
import { Undecided } from "./errors.js";
import type { Outside } from "./outside.js";

/** Action that an agent is about to do. The client sets the request ids. */
export type Action = Omit<DecideRequest, "request_id" | "time" | "at_least">;

export class AskedAction {
  /** Frozen, as the service reads it. */
  readonly action: Action;
  /** Task as the action names it, or else the subject of its task token; null: no task. */
  readonly task: string | null;
  readonly #given: Action;
  readonly #text: string;
  /** Digest that the answer's `action_digest` must equal. */
  readonly digest: Promise<string>;

  /** @throws Undecided `action_unreadable` for what no JSON can say */
  constructor(action: Action, sha256?: Outside["sha256"]) {
    this.#given = action;
    try {
      this.#text = JSON.stringify(action);
      this.action = frozen(JSON.parse(this.#text)) as Action;
      this.task = this.action.task ?? taskOf(this.action.task_token);
      this.digest = digestOf(canonicalAction(this.action, this.task), sha256);
    } catch (cause) {
      throw new Undecided("action_unreadable", { cause });
    }
    this.digest.catch(() => undefined);
  }

  /** Returns false if the caller has changed any part of the action that it passed, not only its arguments. */
  get unchanged(): boolean {
    try {
      return JSON.stringify(this.#given) === this.#text;
    } catch {
      return false;
    }
  }

  /** The body of a request about it. */
  request(id: string, atLeast: number | null): string {
    const revision = atLeast === null ? "" : `"at_least":${atLeast},`;
    return `{"request_id":${JSON.stringify(id)},${revision}${this.#text.slice(1)}`;
  }
}

async function digestOf(text: string, sha256: Outside["sha256"]): Promise<string> {
  return `sha256:${sha256 === undefined ? await webSha256(text) : sha256(text)}`;
}

async function webSha256(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The task that a task token stands for. Only what the digest has to be depends on it. */
function taskOf(token: string | undefined): string | null {
  const sub = token === undefined ? undefined : unprovenClaims(token)?.["sub"];
  return typeof sub === "string" ? sub : null;
}

function frozen(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}
