/**
 * The digests of actions that wait for approval. A record may have something else in their place (what a digest covers may be
 * masked), and an approval is for the very action; so after a restart, what is masked can't be approved any more.
 */
import type { Answer } from "../contract/index.js";

/** The one that waits longest is forgotten first. */
const HELD_MAX = 10_000;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

export class Held {
  readonly #digests = new Map<string, string>();

  /** In the turn in which its record is handed over. */
  settled({ wait, decision_id, action_digest }: Pick<Answer, "wait" | "decision_id" | "action_digest">): void {
    if (wait?.for !== "approval") return;
    this.#digests.set(decision_id, action_digest);
    if (this.#digests.size <= HELD_MAX) return;
    const [oldest] = this.#digests.keys();
    if (oldest !== undefined) this.#digests.delete(oldest);
  }

  /** @param recorded what the record has; null where neither is the digest */
  digestOf(decisionId: string, recorded: string): string | null {
    return this.#digests.get(decisionId) ?? (DIGEST.test(recorded) ? recorded : null);
  }
}
