/**
 * Pushes records to whoever follows them. Each follower goes through the index at its own pace, and waits in no queue: the next
 * records are fetched when those before have been taken.
 */
import type { ServerResponse } from "node:http";
import type { Following, RecordSearch, Told } from "../audit/index/search.js";
import {
  Problem,
  STREAM_ENDS,
  type EndEvent,
  type FollowingEvent,
  type RecordEventName,
  type RecordFilter,
  type RewoundEvent,
  type StreamEnd,
} from "../contract/index.js";
import type { Clock, Timers } from "../system/index.js";
import { eventText } from "./event_stream.js";
import { watchToken } from "./token_watch.js";

export interface RecordStreamLimits {
  followers_max: number;
  heartbeat_ms: number;
}

export interface RecordStreamsDeps {
  search: Pick<RecordSearch, "follow" | "durable">;
  system: { clock: Clock; timers: Timers };
  limits: RecordStreamLimits;
  /** Told of each stream that the service ends, and whose it was. */
  ended: (why: StreamEnd, caller: string) => void;
}

export interface RecordSubscription {
  filter: RecordFilter;
  /** The record to go on after; null: now. */
  after: number | null;
  caller: { id: string; token: { expires_ms: number } };
  /** @throws Problem once the token is no longer taken */
  authenticate: () => Promise<unknown>;
}

/** How long the last event may take to leave. */
const LINGER_MS = 1000;
/** How long a client is told to wait before it connects anew; not the same for all, or they would all come at once. */
const RETRY_MS = 1000;
const RETRY_SPREAD_MS = 2000;

export class RecordStreams {
  readonly #deps: RecordStreamsDeps;
  readonly #streams = new Set<RecordStream>();
  #opened = 0;
  #closed = false;

  constructor(deps: RecordStreamsDeps) {
    this.#deps = deps;
  }

  /** Followers now. */
  get size(): number {
    return this.#streams.size;
  }

  /**
   * Takes a follower in.
   * @returns what writes to the response, once its head is written
   * @throws Problem `subscribers_full`, `shutting_down`
   */
  open(response: ServerResponse, subscription: RecordSubscription): () => void {
    const { limits, ended } = this.#deps;
    if (this.#closed) throw new Problem("shutting_down");
    if (this.#streams.size >= limits.followers_max) throw new Problem("subscribers_full");
    const retry_ms = RETRY_MS + ((this.#opened++ * 37) % RETRY_SPREAD_MS);
    const stream = new RecordStream(response, subscription, this.#deps, retry_ms, (why) => {
      this.#streams.delete(stream);
      if (why !== null) ended(why, subscription.caller.id);
    });
    if (!stream.over) this.#streams.add(stream);
    return () => {
      stream.begin();
    };
  }

  /** Ends every stream, and takes no other. */
  close(): void {
    this.#closed = true;
    for (const stream of [...this.#streams]) stream.end("shutting_down");
  }
}

class RecordStream {
  over: boolean;
  readonly #response: ServerResponse;
  readonly #subscription: RecordSubscription;
  readonly #deps: RecordStreamsDeps;
  readonly #retryMs: number;
  readonly #left: (why: StreamEnd | null) => void;
  #following: Following | null = null;
  #begun = false;
  /** The last `id` that was written. */
  #lastId = 0;
  /** Whether what was written waits for the client. */
  #blocked = false;
  /** Whether it has waited since the last heartbeat. */
  #stalled = false;
  #cancels: (() => void)[] = [];

  /** @param left called once, with null where the client went */
  constructor(
    response: ServerResponse,
    subscription: RecordSubscription,
    deps: RecordStreamsDeps,
    retryMs: number,
    left: (why: StreamEnd | null) => void,
  ) {
    this.#response = response;
    this.#subscription = subscription;
    this.#deps = deps;
    this.#retryMs = retryMs;
    this.#left = left;
    this.over = response.destroyed;
    response.on("error", () => undefined);
    response.on("drain", () => {
      this.#blocked = false;
      this.#stalled = false;
      this.#following?.goOn();
    });
    response.once("close", () => {
      this.#finish(null);
      this.#stop();
    });
  }

  begin(): void {
    if (this.over) {
      this.#response.end();
      return;
    }
    const { search, limits, system } = this.#deps;
    const { filter, caller, authenticate } = this.#subscription;
    const { durable } = search;
    const asked = this.#subscription.after ?? durable;
    const after = Math.min(asked, durable);
    this.#begun = true;
    this.#write(`retry: ${this.#retryMs}\n\n`);
    if (asked > after) this.#tell("reset", { after } satisfies RewoundEvent, after);
    this.#tell("ready", { after, heartbeat_ms: limits.heartbeat_ms } satisfies FollowingEvent, after);
    this.#cancels.push(system.timers.every(limits.heartbeat_ms, () => { this.#beat(); })); // prettier-ignore
    const token = { expires_ms: caller.token.expires_ms, authenticate };
    this.#cancels.push(watchToken(token, limits.heartbeat_ms, system, (why) => { this.end(why); })); // prettier-ignore
    this.#following = search.follow(filter, after, (told) => {
      this.#take(told);
    });
  }

  /** Says why, and ends; a client that doesn't take it is cut off. */
  end(why: StreamEnd): void {
    if (this.over) return;
    this.#finish(why);
    if (!this.#begun) return;
    const data: EndEvent = { code: why, title: STREAM_ENDS[why] };
    this.#cancels.push(this.#deps.system.timers.after(LINGER_MS, () => this.#response.destroy()));
    this.#response.end(`retry: ${this.#retryMs}\n${eventText("end", JSON.stringify(data), null)}`);
  }

  #take({ items, seqs }: Told): void {
    if (this.over || items.length === 0) return;
    this.#lastId = seqs.at(-1) ?? this.#lastId;
    this.#write(items.map((json, i) => eventText("record" satisfies RecordEventName, json, seqs[i] ?? null)).join(""));
    if (!this.#blocked) this.#following?.goOn();
  }

  #tell(event: RecordEventName, data: object, id: number): void {
    this.#lastId = id;
    this.#write(eventText(event, JSON.stringify(data), id));
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#blocked = true;
  }

  #beat(): void {
    if (this.#blocked) {
      if (this.#stalled) this.end("subscriber_slow");
      this.#stalled = true;
      return;
    }
    // An id without data is kept by the client: it needn't go again through what it wasn't told.
    const after = this.#following?.after ?? 0;
    const moved = after > this.#lastId;
    if (moved) this.#lastId = after;
    this.#write(moved ? `:\nid: ${after}\n\n` : ":\n\n");
  }

  #finish(why: StreamEnd | null): void {
    if (this.over) return;
    this.over = true;
    this.#stop();
    this.#left(why);
  }

  #stop(): void {
    this.#following?.stop();
    this.#following = null;
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }
}
