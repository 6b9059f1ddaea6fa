/**
 * Puts each narrowing and suspension that the service makes by itself on record with a finding, in the turn in which it takes effect.
 * While the log can't take it, it is tried again: an agent must not be stopped without anybody being told.
 */
import type { NoticeCode } from "../contract/index.js";
import type { Timers } from "../system/index.js";
import type { Notices } from "./notices.js";

export type StopCode = Extract<NoticeCode, "narrowed_by_behavior" | "suspended_by_behavior">;

const RETRY_MS = 1000;

export class Stops {
  readonly #notices: Pick<Notices, "note">;
  readonly #timers: Pick<Timers, "after">;
  readonly #by: string;
  /** Stops whose notice isn't on record, by agent and code. */
  readonly #owed = new Set<string>();
  #closed = false;

  constructor(notices: Pick<Notices, "note">, timers: Pick<Timers, "after">, by: string) {
    this.#notices = notices;
    this.#timers = timers;
    this.#by = by;
  }

  note(code: StopCode, agent: string, purpose: string, reason: string): void {
    const key = `${code} ${agent}`;
    if (this.#owed.has(key)) return;
    this.#owed.add(key);
    void this.#try(key, code, agent, purpose, reason);
  }

  close(): void {
    this.#closed = true;
  }

  async #try(key: string, code: StopCode, agent: string, purpose: string, reason: string): Promise<void> {
    const message = `agent ${agent} is ${code === "narrowed_by_behavior" ? "narrowed" : "suspended"}: ${reason}`;
    try {
      await this.#notices.note({ code, caller: this.#by, agent, purpose, message, detail: { reason } });
      this.#owed.delete(key);
    } catch {
      if (this.#closed) return;
      this.#timers.after(RETRY_MS, () => {
        void this.#try(key, code, agent, purpose, reason);
      });
    }
  }
}
