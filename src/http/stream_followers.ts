/**
 * One follower of a stream: its heartbeats, its token, its end. A subclass decides what is sent, and from where on: it fetches the next
 * events when the last have been taken, or queues them.
 */
import type { ServerResponse } from "node:http";
import { Problem, STREAM_ENDS, type EndEvent, type RevocationState, type StreamEnd } from "../contract/index.js";
import type { Clock, Timers } from "../system/index.js";
import { Places } from "../system/places.js";
import { watchToken } from "./token_watch.js";

/** Caller that follows a stream. */
export interface StreamFollower {
  id: string;
  token: { jti: string | null; expires_ms: number };
}

export interface FollowedStreamOptions {
  heartbeat_ms: number;
  /** Milliseconds that the client is told to wait before it reconnects. */
  retry_ms: number;
  system: { clock: Clock; timers: Timers };
  caller: StreamFollower;
  /** @throws Problem once the token is no longer taken */
  authenticate: () => Promise<unknown>;
}

/** Milliseconds in which the last event has to leave. */
const LINGER_MS = 1000;
const RETRY_MS = 1000;
const RETRY_SPREAD_MS = 2000;

/** Returns the milliseconds that the nth client waits before it reconnects; different for each, or all would come at once. */
const retryMs = (nth: number): number => RETRY_MS + ((nth * 37) % RETRY_SPREAD_MS);

export abstract class FollowedStream {
  over: boolean;
  /** True while written data waits for the client. */
  protected blocked = false;
  readonly #response: ServerResponse;
  readonly #options: FollowedStreamOptions;
  readonly #left: (why: StreamEnd | null) => void;
  #begun = false;
  /** True if data has waited since the last heartbeat. */
  #stalled = false;
  /** The last `id` that was written. */
  #lastId = "";
  #cancels: (() => void)[] = [];

  /** @param left called once, with null where the client went */
  constructor(response: ServerResponse, options: FollowedStreamOptions, left: (why: StreamEnd | null) => void) {
    this.#response = response;
    this.#options = options;
    this.#left = left;
    this.over = response.destroyed;
    response.on("error", () => undefined);
    response.on("drain", () => {
      this.blocked = false;
      this.#stalled = false;
      if (!this.over) this.goOn();
    });
    response.once("close", () => {
      this.#finish(null);
      this.#stop();
    });
  }

  /** Milliseconds between its heartbeats. */
  get heartbeat_ms(): number {
    return this.#options.heartbeat_ms;
  }

  begin(): void {
    if (this.over) {
      this.#response.end();
      return;
    }
    const { heartbeat_ms, retry_ms, system, caller, authenticate } = this.#options;
    this.#begun = true;
    this.write(`retry: ${retry_ms}\n\n`);
    this.#cancels.push(
      system.timers.every(heartbeat_ms, () => {
        this.#beat();
      }),
    );
    const token = { expires_ms: caller.token.expires_ms, authenticate };
    this.#cancels.push(
      watchToken(token, heartbeat_ms, system, (why) => {
        this.end(why);
      }),
    );
    this.start();
  }

  /** Ends it if its caller, or the token that it was opened with, is what was revoked. */
  revoked({ scope, of }: Pick<RevocationState, "scope" | "of">): void {
    const { id, token } = this.#options.caller;
    if (scope === "caller" && of === id) this.end("caller_revoked");
    else if (scope === "token" && of === token.jti) this.end("caller_token_revoked");
  }

  /** Says why, and ends; a client that doesn't take it is cut off. */
  end(why: StreamEnd): void {
    if (this.over) return;
    const left = why === "subscriber_slow" ? [] : this.unsent();
    this.#finish(why);
    if (!this.#begun) return;
    if (!this.isCurrent) {
      this.cut();
      return;
    }
    const data: EndEvent = { code: why, title: STREAM_ENDS[why] };
    this.#cancels.push(this.#options.system.timers.after(LINGER_MS, () => this.#response.destroy()));
    const last = Buffer.from(`retry: ${this.#options.retry_ms}\n${eventText("end", JSON.stringify(data), null)}`);
    this.#response.end(Buffer.concat([...left, last]));
  }

  /** Closes without an `end` event; the client connects again. */
  cut(): void {
    this.#response.destroy();
  }

  /** Sends the first event. */
  protected abstract start(): void;
  /** Sends what comes next, once the client has received what was sent. */
  protected abstract goOn(): void;
  /** Stops sending. */
  protected abstract cease(): void;
  /** The `id` up to which everything was told, or needn't be; empty before the first. */
  protected abstract get reached(): string;

  /** False if nothing may be sent any more, not even that it ends: a follower would take it as current. */
  protected get isCurrent(): boolean {
    return true;
  }

  /** Events that wait for the client, before the last one; none where a stream fetches what it tells. */
  protected unsent(): Buffer[] {
    return [];
  }

  protected tell(event: string, data: object, id: string | null): void {
    this.write(eventText(event, JSON.stringify(data), id));
    if (id !== null) this.told(id);
  }

  /** An event with this id was written. */
  protected told(id: string): void {
    this.#lastId = id;
  }

  protected write(text: string | Buffer): void {
    if (!this.isCurrent) {
      this.cut();
      return;
    }
    if (!this.#response.write(text)) this.blocked = true;
  }

  #beat(): void {
    if (!this.isCurrent) {
      this.cut();
      return;
    }
    if (this.blocked) {
      if (this.#stalled) this.end("subscriber_slow");
      this.#stalled = true;
      return;
    }
    // An id without data is kept by the client: it needn't go again through what it wasn't told.
    const { reached } = this;
    const moved = reached !== this.#lastId;
    this.#lastId = reached;
    this.write(moved ? `:\nid: ${reached}\n\n` : ":\n\n");
  }

  #finish(why: StreamEnd | null): void {
    if (this.over) return;
    this.over = true;
    this.#stop();
    this.#left(why);
  }

  #stop(): void {
    this.cease();
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }
}

/** @param json without a line break, as no part of an event may have one */
export function eventText(event: string, json: string, id: string | number | null): string {
  return `${id === null ? "" : `id: ${id}\n`}event: ${event}\ndata: ${json}\n\n`;
}

/** The followers of one kind of stream: so many at once, shared by callers, until none is taken any more. */
export class Followers<S extends FollowedStream> implements Iterable<S> {
  readonly #places: Places;
  readonly #ended: (why: StreamEnd, caller: string) => void;
  readonly #streams = new Set<S>();
  #opened = 0;
  #closed = false;

  /** @param ended told of each stream that the service ends, and whose it was */
  constructor(max: number, ended: (why: StreamEnd, caller: string) => void) {
    this.#places = new Places(max);
    this.#ended = ended;
  }

  /** Followers now. */
  get size(): number {
    return this.#streams.size;
  }

  [Symbol.iterator](): Iterator<S> {
    return this.#streams.values();
  }

  /**
   * Takes a follower in.
   * @returns what writes to the response, once its head is written
   * @throws Problem `subscribers_full`, `shutting_down`
   */
  open(caller: { id: string }, make: (retry_ms: number, left: (why: StreamEnd | null) => void) => S): () => void {
    if (this.#closed) throw new Problem("shutting_down");
    const leave = this.#places.take(caller.id, () => {
      stream.end("crowded_out");
    });
    if (leave === null) throw new Problem("subscribers_full");
    const stream = make(retryMs(this.#opened++), (why) => {
      this.#streams.delete(stream);
      leave();
      if (why !== null) this.#ended(why, caller.id);
    });
    if (stream.over) leave();
    else this.#streams.add(stream);
    return () => {
      stream.begin();
    };
  }

  /** Ends the streams of a caller, or of a token, that is revoked: in the turn of the revocation. */
  revoked(revocation: Pick<RevocationState, "scope" | "of">): void {
    for (const stream of [...this.#streams]) stream.revoked(revocation);
  }

  /** Ends every stream, and takes no other. */
  close(): void {
    this.#closed = true;
    for (const stream of [...this.#streams]) stream.end("shutting_down");
  }
}
