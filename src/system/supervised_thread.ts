/** A thread that is started again whenever it dies, until its owner closes it. */
import type { Timers } from "./index.js";
import type { Thread } from "./thread.js";

export interface ThreadOwner<From> {
  /** Receives what the thread says, but that it has closed. */
  received(message: Exclude<From, { kind: "closed" }>): void;
  /** Learns that the thread died, before it is started again; while it is being closed too, and then it isn't. */
  died(cause: Error): void;
}

export class SupervisedThread<To, From extends { kind: string }> {
  readonly #spawn: () => Thread<To, From>;
  readonly #owner: ThreadOwner<From>;
  readonly #timers: Pick<Timers, "after">;
  readonly #restartMs: number;
  #thread: Thread<To, From> | null = null;
  #cancelRestart: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #closed: () => void = () => undefined;

  /** @param restartMs milliseconds from a death to the next start */
  constructor(spawn: () => Thread<To, From>, owner: ThreadOwner<From>, timers: Pick<Timers, "after">, restartMs: number) {
    this.#spawn = spawn;
    this.#owner = owner;
    this.#timers = timers;
    this.#restartMs = restartMs;
    this.#start();
  }

  /** True once its owner has closed or ended it. */
  get closing(): boolean {
    return this.#closing !== null;
  }

  /** True while there is a thread; what is posted without one is dropped. */
  get running(): boolean {
    return this.#thread !== null;
  }

  post(message: To): void {
    this.#thread?.postMessage(message);
  }

  /**
   * Asks the thread to end; resolves when it has, or has died of it.
   * @param farewell message that it answers by `{kind: "closed"}`
   */
  close(farewell: To): Promise<void> {
    return this.#close(() => {
      this.post(farewell);
    });
  }

  /** Ends a thread that has nothing to lose, at once; resolves when it is gone. */
  end(): Promise<void> {
    return this.#close((thread) => {
      thread.terminate();
    });
  }

  #close(ask: (thread: Thread<To, From>) => void): Promise<void> {
    if (this.#closing !== null) return this.#closing;
    this.#closing = new Promise((resolve) => {
      this.#closed = resolve;
    });
    this.#cancelRestart?.();
    if (this.#thread === null) this.#closed();
    else ask(this.#thread);
    return this.#closing;
  }

  #start(): void {
    const thread = this.#spawn();
    this.#thread = thread;
    thread.onMessage((message) => {
      // What is still under way from one that died says nothing of its successor.
      if (this.#thread !== thread) return;
      if (message.kind === "closed") this.#closed();
      else this.#owner.received(message as Exclude<From, { kind: "closed" }>);
    });
    thread.onDeath((cause) => {
      // A process that can't be sent to and then exits reports its death twice.
      if (this.#thread !== thread) return;
      this.#thread = null;
      this.#owner.died(cause);
      if (this.#closing !== null) this.#closed();
      else
        this.#cancelRestart = this.#timers.after(this.#restartMs, () => {
          this.#cancelRestart = null;
          this.#start();
        });
    });
  }
}
