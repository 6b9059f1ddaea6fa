/**
 * The digests of actions that wait for approval. A record may have something else in their place (what they cover may be
 * masked), and an approval is for the very action; so after a restart, what is masked can't be approved any more.
 */
import type { Answer } from "../contract/index.js";
import { FairMap } from "../system/fair_map.js";

/** Actions that are kept; beyond, the agent with most loses its oldest. 10,000. */
export const HELD_MAX = 10_000;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Facts about an action that waits, beside its record. */
export interface HeldAction {
  action_digest: string;
  approval_digest: string;
  /** Persons that it is for. */
  principals: readonly string[];
}

/** An action that waits, as its record has it: `principals` is null if the record lacks the request. */
type Waiting = Pick<HeldAction, "action_digest" | "approval_digest"> & { decision_id: string; principals: readonly string[] | null };

export class HeldActions {
  readonly #actions: FairMap<HeldAction>;

  constructor(held_max = HELD_MAX) {
    this.#actions = new FairMap(held_max);
  }

  get size(): number {
    return this.#actions.size;
  }

  /** Takes in the answer of an agent's action, in the turn in which its record is handed over. */
  settled(
    agent: string,
    { decision_id, action_digest, wait }: Pick<Answer, "wait" | "decision_id" | "action_digest">,
    principals: readonly string[],
  ): void {
    if (wait?.approval_digest === undefined) return;
    this.#actions.set(agent, decision_id, { action_digest, approval_digest: wait.approval_digest, principals });
  }

  /** @returns null if nothing but its record is known, and that has masked the digests or lacks the request */
  of({ decision_id, action_digest, approval_digest, principals }: Waiting): HeldAction | null {
    const held = this.#actions.get(decision_id);
    if (held !== undefined) return held;
    if (principals === null || !DIGEST.test(action_digest) || !DIGEST.test(approval_digest)) return null;
    return { action_digest, approval_digest, principals };
  }
}
