/** When the answers of a gRPC connection are with the kernel, as far as can be known of what HTTP/2 writes. */
import type { Socket } from "node:net";
import type { Timers } from "../system/index.js";

/** End of a call: its whole answer was handed on, it was cancelled, or its connection is gone. Reported once. */
export class Over {
  #is = false;
  #told: (() => void)[] = [];

  get is(): boolean {
    return this.#is;
  }

  happen(): void {
    this.#is = true;
    for (const tell of this.#told) tell();
    this.#told = [];
  }

  then(tell: () => void): void {
    if (this.#is) tell();
    else this.#told.push(tell);
  }
}

/** Interval at which a connection's other side is looked at for whether it has gone on taking what it is sent. */
const LOOK_MS = 5;

/** A connection, and what waits for all that was written to it to be with the kernel. */
export class GrpcConnection {
  readonly #timers: Timers;
  readonly #due = new Set<() => void>();
  #fresh: (() => void)[] = [];
  #settling: (() => void)[] = [];
  #looking = false;

  constructor(
    readonly socket: Socket,
    timers: Timers,
  ) {
    this.#timers = timers;
  }

  /** @param sent called once the answer of the call is with the kernel, or never will be */
  begin(over: Over, sent: () => void): void {
    this.#due.add(sent);
    over.then(() => {
      this.#whenIdle(() => {
        this.#due.delete(sent);
        sent();
      });
    });
  }

  /**
   * Calls back once nothing has been queued for two turns: what a call has handed on is written within a turn, so it is with the kernel
   * then.
   */
  #whenIdle(call: () => void): void {
    this.#fresh.push(call);
    if (this.#looking) return;
    this.#looking = true;
    this.#timers.turnEnd(() => {
      this.#look();
    });
  }

  closed(): void {
    for (const sent of this.#due) sent();
    this.#due.clear();
  }

  #look(): void {
    if (this.socket.destroyed) return;
    const isIdle = queued(this.socket) === 0;
    if (isIdle) {
      for (const call of this.#settling) call();
      this.#settling = this.#fresh;
      this.#fresh = [];
    }
    this.#looking = this.#settling.length + this.#fresh.length > 0;
    const again = (): void => {
      this.#look();
    };
    if (!this.#looking) return;
    if (isIdle) this.#timers.turnEnd(again);
    else this.#timers.after(LOOK_MS, again);
  }
}

/**
 * Bytes that wait for the kernel. HTTP/2 writes past the socket, which doesn't count them; what does is no public interface, and where it isn't
 * there nothing is ever known to have left: a barrier then cuts the connection.
 */
function queued(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: unknown } | null };
  return typeof handle?.writeQueueSize === "number" ? handle.writeQueueSize : Infinity;
}
