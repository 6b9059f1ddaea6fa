/**
 * Puts on record, with a finding, what the service has come upon by itself: that it narrowed or suspended an agent, and what several agents
 * of a group have in common. While the log can't take it, it is tried again: somebody has to be told.
 */
import type { BehaviorChannel, NoticeCode, SharedOddity } from "../contract/index.js";
import type { Timers } from "../system/index.js";
import type { DetectedNotice, Notices } from "./notices.js";

export type StopCode = Extract<NoticeCode, "narrowed_by_behavior" | "suspended_by_behavior">;

const RETRY_MS = 1000;
/** Most notices that wait for the log at once. */
const OWED_MAX = 10_000;

const DID: Readonly<Record<BehaviorChannel, string>> = {
  what: "do with {type} what they hardly ever do",
  resource: "use {type} resources that they don't know",
  source: "use {type} from sources that they aren't known from",
  hour: "use {type} at hours at which they hardly ever work",
  order: "use {type} in an order of steps that they don't take",
  rate: "use {type} more often than they ever do",
  fan_out: "use more {type} resources than they ever do",
  denies: "are denied more than they usually are, {type} last",
  ticket: "use {type} without a task, or on other subjects, where they hardly ever do",
  drift: "use more and more {type} resources",
  labels: "read more of what has labels than their tasks are about, {type} last",
};

export class OwnNotices {
  readonly #notices: Pick<Notices, "note">;
  readonly #timers: Pick<Timers, "after">;
  readonly #by: string;
  /** Notices that aren't on record, by what each is about. */
  readonly #owed = new Set<string>();
  #closed = false;

  constructor(notices: Pick<Notices, "note">, timers: Pick<Timers, "after">, by: string) {
    this.#notices = notices;
    this.#timers = timers;
    this.#by = by;
  }

  stopped(code: StopCode, agent: string, purpose: string, reason: string): void {
    const message = `agent ${agent} is ${code === "narrowed_by_behavior" ? "narrowed" : "suspended"}: ${reason}`;
    this.#owe(`${code} ${agent}`, { code, caller: this.#by, agent, purpose, message, detail: { reason } });
  }

  shared({ purpose, ...shared }: SharedOddity): void {
    const { kind, value, channel, type, agents, count, active, expected } = shared;
    const group = kind === "purpose" ? `purpose ${purpose}` : `${kind} ${value} in purpose ${purpose}`;
    const more = count > agents.length ? " …" : "";
    const message = `${count} of ${active} agents of ${group} ${DID[channel].replace("{type}", type)} today; ${expected} are expected: ${agents.join(", ")}${more}`;
    const detail = { ...shared };
    this.#owe(`${purpose} ${kind} ${channel} ${type} ${value}`, {
      ...{ code: "unusual_in_group", caller: this.#by, agent: null, purpose, message, detail },
    });
  }

  close(): void {
    this.#closed = true;
  }

  #owe(key: string, notice: DetectedNotice): void {
    if (this.#owed.has(key) || this.#owed.size >= OWED_MAX) return;
    this.#owed.add(key);
    void this.#try(key, notice);
  }

  async #try(key: string, notice: DetectedNotice): Promise<void> {
    try {
      await this.#notices.note(notice);
      this.#owed.delete(key);
    } catch {
      this.#timers.after(RETRY_MS, () => {
        if (!this.#closed) void this.#try(key, notice);
      });
    }
  }
}
