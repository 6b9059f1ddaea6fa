/** Repeats attempts at a goal until it is reached, with growing pauses; each kind of failure is reported once. */
import type { NamedBundle } from "../contract/index.js";
import { backOffMs } from "../system/attempts.js";
import { errorMessage } from "../system/error_message.js";
import type { Timers } from "../system/index.js";

/** Reason for which an attempt has failed. */
export type Failure = NonNullable<NamedBundle["failing"]>;

export interface PursuitDeps<W> {
  timers: Pick<Timers, "after">;
  /** Returns what is wanted now; null: nothing, or not yet. Another object is another wish. */
  wanted: () => W | null;
  isMet: (wanted: W) => boolean;
  /** Makes one attempt. @throws any error: its `code` is reported, or `unreachable` if it has none */
  attempt: (wanted: W) => Promise<void>;
  /** Takes note that it has come about. Nothing is wanted after that. */
  met: () => void;
  failing: (why: Failure, wanted: W) => void;
  /** Code of a failure that has none of its own. */
  unreachable: string;
}

const RETRY = { retry_ms: 250, retry_max_ms: 30_000 };

export class Pursuit<W> {
  readonly #deps: PursuitDeps<W>;
  #failing: Failure | null = null;
  #trying: Promise<void> | null = null;
  #tried: (() => void)[] = [];
  #wake: () => void = () => undefined;
  #closed = false;

  constructor(deps: PursuitDeps<W>) {
    this.#deps = deps;
  }

  /** Why the last attempt has failed; null: none has, of what is wanted now. */
  get failing(): Failure | null {
    return this.#failing;
  }

  /** Takes that something else is wanted. */
  changed(): void {
    this.#failing = null;
    this.look();
  }

  /** Attempts it now rather than after a wait: it may go well by now, or have come about. */
  look(): void {
    this.#wake();
    this.#trying ??= this.#try().finally(() => {
      this.#trying = null;
      // What is wanted since the turn in which it ended.
      if (this.#deps.wanted() !== null && !this.#closed) this.look();
    });
  }

  /** Resolves when nothing is wanted any more, or an attempt has failed. */
  async attempted(): Promise<void> {
    if (this.#deps.wanted() === null || this.#failing !== null) return;
    await new Promise<void>((resolve) => this.#tried.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#wake();
    this.#answer();
  }

  async #try(): Promise<void> {
    const { wanted: wantedNow, isMet, met, failing: tell } = this.#deps;
    let failures = 0;
    for (let wanted = wantedNow(); wanted !== null && !this.#closed; wanted = wantedNow()) {
      if (isMet(wanted)) {
        this.#failing = null;
        met();
        continue;
      }
      const failing = await this.#attempt(wanted);
      if (wantedNow() !== wanted) {
        failures = 0;
        continue;
      }
      if (failing === null) continue;
      if (failing.code !== this.#failing?.code) tell(failing, wanted);
      this.#failing = failing;
      this.#answer();
      await this.#pause(backOffMs(RETRY, ++failures));
    }
    this.#answer();
  }

  async #attempt(wanted: W): Promise<Failure | null> {
    try {
      await this.#deps.attempt(wanted);
      if (this.#deps.isMet(wanted) || this.#deps.wanted() !== wanted) return null;
      return { code: "internal", message: "it was carried out, and doesn't hold" };
    } catch (cause) {
      const { code } = cause as { code?: unknown };
      return { code: typeof code === "string" ? code : this.#deps.unreachable, message: errorMessage(cause) };
    }
  }

  #answer(): void {
    for (const resolve of this.#tried.splice(0)) resolve();
  }

  async #pause(ms: number): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.timers.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}
