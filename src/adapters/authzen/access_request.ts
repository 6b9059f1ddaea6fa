/**
 * AuthZEN's access request and approval profile (draft), over what there is anyway: a flag that waits is a finding with an action that a
 * person can approve, and an approval is a grant of that one action. A task is the decision that waits, seen from outside: nothing of it
 * is kept here, so it is the same after a restart, and on whichever service is asked.
 */
import { hash } from "node:crypto";
import { Problem, type Answer } from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import { evaluatedAt } from "./answer.js";

/** Lookups and commands of other parts that access requests need. */
export interface Approvals {
  /** @returns null where no decision on record has this id @throws Problem `index_unavailable` */
  decision: (id: string) => Promise<ApprovableDecision | null>;
  /** The digests of an action that waits, which its record may mask; null if they aren't known any more. */
  digestsOf: (answer: Answer) => { action_digest: string; approval_digest: string } | null;
  grant: (id: string) => ApprovalGrant | undefined;
  /** Approvals of this agent's actions, as far as they are known still. */
  approvalsOf: (agent: string) => ApprovalGrant[];
  /** Returns people's verdict on a finding; null if nobody has judged it. */
  verdict: (finding: string) => Promise<"expected" | "misuse" | "policy_gap" | null>;
  now: () => number;
}

export interface ApprovableDecision {
  caller: string;
  agent: string;
  answer: Answer;
}

export interface ApprovalGrant {
  id: string;
  agent: string | null;
  approval?: { digest: string };
  state: "live" | "unapproved" | "not_yet_valid" | "expired" | "used_up" | "revoked" | "ended";
  /** RFC 3339, when it was given and until when it holds. */
  not_before: string;
  expires: string;
}

const table = {
  not_requestable: { status: 400, title: "what was decided is not for anybody to approve" },
  expired_denial: { status: 410, title: "the denial can no longer be asked about" },
  invalid_denial_binding: { status: 400, title: "this is not what was denied, or not to this caller" },
  duplicate_request: { status: 409, title: "another request has this idempotency key" },
  unknown_task: { status: 404, title: "there is no such task" },
} as const;

/** Section "Errors" of the profile. */
export class AccessRequestError extends Error {
  override readonly name = "AccessRequestError";

  constructor(readonly code: keyof typeof table) {
    super(table[code].title);
  }

  get status(): number {
    return table[this.code].status;
  }

  /** RFC 9457 */
  toJSON(): object {
    return { type: `urn:openid:authzen:access-request:error:${this.code}`, ...table[this.code] };
  }
}

/** Denied evaluation, echoed as it was answered. */
export interface Denial {
  evaluation_id: string;
  expires_at: string;
}

/** @throws Problem of its form, AccessRequestError */
export function readDenial(asked: unknown): Denial {
  const body = asked as { denial?: unknown; items?: unknown };
  // Each would need a decision of its own, and none here stands for several.
  if (body.items !== undefined) throw new AccessRequestError("not_requestable");
  const { denial } = body;
  if (typeof denial !== "object" || denial === null)
    throw new Problem("field_missing", { field: "/denial", expected: "the denial that was answered" });
  const { evaluation_id, expires_at } = denial as Record<string, unknown>;
  // No tokens are given for this, so none is known.
  if (typeof evaluation_id !== "string") throw new AccessRequestError("invalid_denial_binding");
  if (typeof expires_at !== "string")
    throw new Problem("field_missing", { field: "/denial/expires_at", expected: "the time that was answered" });
  return { evaluation_id, expires_at };
}

export interface AccessRequestTask {
  id: string;
  status: "pending" | "approved" | "denied" | "expired";
  status_endpoint: string;
  expires_at: string;
}

export interface TaskAnswer {
  task: AccessRequestTask;
  result?: { mode: "reevaluate"; approval: { id: string; approved_at: string; approved_until: string } };
}

const TASK = /^arq_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
/** Keys of submissions remembered; what they submitted can be submitted again without them too. */
const KEYS_MAX = 10_000;

export class AccessRequests {
  readonly #approvals: Approvals;
  readonly #endpoint: string;
  /** Digests of callers and their keys, and of what they sent. */
  readonly #keys = new Map<string, string>();

  constructor(approvals: Approvals, endpoint: string) {
    this.#approvals = approvals;
    this.#endpoint = endpoint;
  }

  /**
   * @param digest of the action that is asked for
   * @param key the caller's own for this request, and `body` what it was sent with; null: none
   * @throws AccessRequestError, Problem `index_unavailable`
   */
  async submit(denial: Denial, digest: string, caller: Caller, key: { key: string; body: string } | null): Promise<TaskAnswer> {
    const known = key === null ? null : hash("sha256", JSON.stringify([caller.id, key.key]));
    if (known !== null && (this.#keys.get(known) ?? key?.body) !== key?.body) throw new AccessRequestError("duplicate_request");
    const found = await this.#decision(denial.evaluation_id, caller);
    if (found === null) throw new AccessRequestError("invalid_denial_binding");
    const { answer } = found;
    if (answer.wait?.for !== "approval") throw new AccessRequestError("not_requestable");
    if (answer.wait.until !== denial.expires_at) throw new AccessRequestError("invalid_denial_binding");
    if (this.#approvals.digestsOf(answer)?.action_digest !== digest) throw new AccessRequestError("invalid_denial_binding");
    if (Date.parse(answer.wait.until) <= this.#approvals.now()) throw new AccessRequestError("expired_denial");
    if (known !== null && key !== null) this.#remember(known, key.body);
    return this.#task(found, answer.wait.until);
  }

  /** @throws AccessRequestError `unknown_task`, Problem `index_unavailable` */
  async status(id: string, caller: Caller): Promise<TaskAnswer> {
    const [, decision = ""] = TASK.exec(id) ?? [];
    const found = decision === "" ? null : await this.#decision(decision, caller);
    if (found?.answer.wait?.for !== "approval") throw new AccessRequestError("unknown_task");
    return this.#task(found, found.answer.wait.until);
  }

  /** Returns the decision of this id; null if it is unknown, or another caller's. */
  async #decision(id: string, caller: Caller): Promise<ApprovableDecision | null> {
    const found = await this.#approvals.decision(id);
    return found?.caller === caller.id ? found : null;
  }

  async #task({ agent, answer }: ApprovableDecision, until: string): Promise<TaskAnswer> {
    const { verdict, now } = this.#approvals;
    const id = `arq_${answer.decision_id}`;
    const task = (status: AccessRequestTask["status"]): AccessRequestTask => ({
      id,
      status,
      status_endpoint: `${this.#endpoint}/${id}`,
      expires_at: until,
    });
    const approval = this.#approvalOf(agent, answer, until);
    if (approval !== undefined) {
      const { not_before, expires } = approval;
      return {
        task: task("approved"),
        result: { mode: "reevaluate", approval: { id: approval.id, approved_at: not_before, approved_until: expires } },
      };
    }
    const said = answer.finding === undefined ? null : await verdict(answer.finding);
    if (said === "misuse" || said === "policy_gap") return { task: task("denied") };
    return { task: task(Date.parse(until) <= now() ? "expired" : "pending") };
  }

  /** The first since: an action that is asked about again and again waits once, and is approved for all who wait for it. */
  #approvalOf(agent: string, answer: Answer, until: string): ApprovalGrant | undefined {
    const digests = this.#approvals.digestsOf(answer);
    if (digests === null) return undefined;
    const [from, to] = [Date.parse(evaluatedAt(answer.decision_id)), Date.parse(until)];
    const since = this.#approvals.approvalsOf(agent).filter(({ not_before, approval, state }) => {
      const at = Date.parse(not_before);
      return approval?.digest === digests.approval_digest && state !== "unapproved" && at >= from && at <= to;
    });
    return since.sort((a, b) => Date.parse(a.not_before) - Date.parse(b.not_before))[0];
  }

  #remember(key: string, body: string): void {
    this.#keys.set(key, body);
    if (this.#keys.size <= KEYS_MAX) return;
    const [oldest] = this.#keys.keys();
    if (oldest !== undefined) this.#keys.delete(oldest);
  }
}

/**
 * Returns what an evaluation says of the approval that the request names. It is never looked at to decide: an approval is a grant of one
 * action, and lifts what a grant lifts, whether the request names it or not.
 * @param given `context.approval` of the request
 */
export function approvalSays(answer: Answer, agent: string, given: unknown, { grant }: Approvals): Record<string, unknown> {
  const { id } = (typeof given === "object" && given !== null ? given : {}) as { id?: unknown };
  const approval = typeof id === "string" ? grant(id) : undefined;
  const isUsed = answer.reasons.some(({ code, params }) => code === "granted" && params["grant"] === id);
  if (answer.proceed) return isUsed && approval !== undefined ? { approval: { id, approved_until: approval.expires } } : {};
  if (approval === undefined) return { reason: "approval_unverifiable", next_action: "none" };
  // What can't be asked for again can't be had by asking.
  if (answer.wait?.for !== "approval") return { reason: "policy_denied", next_action: "none" };
  if (approval.agent !== agent || approval.approval?.digest !== answer.wait.approval_digest)
    return { reason: "out_of_scope", next_action: "request" };
  return { reason: approval.state === "live" ? "policy_denied" : "approval_expired", next_action: "request" };
}
