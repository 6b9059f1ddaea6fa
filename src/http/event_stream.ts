/** One subscriber of changes: its queue, its heartbeats, its token, its end. */
import type { ServerResponse } from "node:http";
import { STREAM_ENDS, type EndEvent, type EventName, type ReadyEvent, type StreamEnd } from "../contract/index.js";
import type { Reach, Sight, Work } from "../facts/reach.js";
import type { Clock, Timers } from "../system/index.js";
import { eventText } from "./pushed.js";
import { watchToken } from "./token_watch.js";

export interface EventLimits {
  subscribers_max: number;
  heartbeat_ms: number;
  /** Events, and their bytes, that wait for one subscriber. */
  queue_events_max: number;
  queue_bytes_max: number;
}

/** Subscription of a caller: what it follows, and from where on. */
export interface Subscription {
  sight: Sight;
  /** One task alone, and those that it was handed on from; null: all that is in sight. */
  chain: readonly Work[] | null;
  /** The revision to go on after; null: now. */
  after: number | null;
  /** Present if it receives the value of each key, whomever that concerns; null: only what concerns it. */
  values: NonNullable<ReadyEvent["caller"]> | null;
  /** How often it wants to hear something; null: as often as others. */
  heartbeat_ms: number | null;
  caller: { id: string; token: { jti: string | null; expires_ms: number } };
  /** @throws Problem once the token is no longer taken */
  authenticate: () => Promise<unknown>;
}

/** How long the last event may take to leave. */
const LINGER_MS = 1000;

export interface Told {
  /** Null for what has none: a change that isn't durable, another policy. */
  revision: number | null;
  /** Null: it concerns nobody. */
  text: Buffer | null;
  /** The same with a digest where a person is named, for who isn't told the name; null if nobody is named. */
  unnamed: Buffer | null;
  /** Value of its key, for subscribers that follow values; null: it belongs to no key. */
  fact: (() => Buffer) | null;
  /** Null: it concerns everyone. */
  reach: Reach | null;
  /** The `jti` of a token that it revokes. */
  revoked: { scope: "token" | "caller"; of: string } | null;
}

/** Events that go out together, the oldest first. */
export class Batch {
  #whole: Buffer | null = null;
  #values: Buffer | null = null;

  /** @param to revision of the last durable change among these, sent to anybody or not; null without one */
  constructor(
    readonly told: readonly Told[],
    readonly to: number | null,
  ) {}

  /** Made once: most subscribers are told all of it. */
  textOf(told: readonly Told[]): Buffer {
    if (told.length < this.told.length) return joined(told.map(({ text }) => text));
    return (this.#whole ??= joined(told.map(({ text }) => text)));
  }

  /** Returns the events like `textOf`, each after the value of its key. */
  valuesOf(told: readonly Told[]): Buffer {
    const both = (): Buffer => joined(told.flatMap(({ fact, text }) => [fact?.() ?? null, text]));
    return told.length < this.told.length ? both() : (this.#values ??= both());
  }
}

function joined(texts: readonly (Buffer | null)[]): Buffer {
  const written = texts.filter((text) => text !== null);
  return written.length === 1 && written[0] !== undefined ? written[0] : Buffer.concat(written);
}

interface StreamOptions {
  limits: EventLimits;
  system: { clock: Clock; timers: Timers };
  retry_ms: number;
}

/** One subscriber. Its queue holds what everybody's does, by reference. */
export class EventStream {
  /** The last durable revision that it was told, or needn't be. */
  cursor: number;
  over = false;
  /** Number of facts in the snapshot; null without a snapshot. */
  facts: number | null = null;
  readonly #response: ServerResponse;
  readonly #subscription: Subscription;
  readonly #options: StreamOptions;
  readonly #left: (why: StreamEnd | null) => void;
  #begun = false;
  #live = false;
  /** The last `id` that was written. */
  #lastId: number | null = null;
  /** True while written data waits for the client. */
  #blocked = false;
  /** True if data has waited since the last heartbeat. */
  #stalled = false;
  #queue: { text: Buffer; events: number }[] = [];
  #queuedEvents = 0;
  #queuedBytes = 0;
  #waiting: (() => void)[] = [];
  #cancels: (() => void)[] = [];

  /** @param left called once, with null where the client went */
  constructor(response: ServerResponse, subscription: Subscription, options: StreamOptions, left: (why: StreamEnd | null) => void) {
    this.#response = response;
    this.#subscription = subscription;
    this.#options = options;
    this.#left = left;
    this.cursor = subscription.after ?? 0;
    this.over = response.destroyed;
    response.on("error", () => undefined);
    response.on("drain", () => {
      this.#drain();
    });
    response.once("close", () => {
      this.#finish(null);
      this.#stop();
    });
  }

  get after(): number | null {
    return this.#subscription.after;
  }

  get heartbeat_ms(): number {
    return Math.min(this.#subscription.heartbeat_ms ?? Infinity, this.#options.limits.heartbeat_ms);
  }

  get values(): Subscription["values"] {
    return this.#subscription.values;
  }

  begin(): void {
    if (this.over) {
      this.#response.end();
      return;
    }
    const { system, retry_ms } = this.#options;
    this.#begun = true;
    this.#write(Buffer.from(`retry: ${retry_ms}\n\n`), 0);
    this.#cancels.push(
      system.timers.every(this.heartbeat_ms, () => {
        this.#beat();
      }),
    );
    this.#watchToken();
  }

  /** Takes what concerns it of what has just happened. */
  take(batch: Batch): void {
    if (!this.#begun || this.over) return;
    const { id, token } = this.#subscription.caller;
    // While it catches up, what is durable is still to be read; what isn't is in no store.
    const fresh = batch.told.filter(({ revision }) => revision === null || (this.#live && revision > this.cursor));
    this.#send(batch, fresh);
    if (this.#live) this.cursor = Math.max(this.cursor, batch.to ?? 0);
    for (const { revoked } of batch.told) {
      if (revoked?.scope === "token" && revoked.of === token.jti) this.end("caller_token_revoked");
      else if (revoked?.scope === "caller" && revoked.of === id) this.end("caller_revoked");
    }
  }

  /** Takes what concerns it of what was read from the store. */
  replay(batch: Batch): void {
    this.#send(batch, batch.told);
    this.cursor = batch.to ?? this.cursor;
  }

  goLive(revision: number, ready: ReadyEvent): void {
    this.cursor = revision;
    this.#live = true;
    this.tell("ready", ready, revision);
  }

  tell(event: EventName, data: object, id: number | null): void {
    this.#lastId = id ?? this.#lastId;
    this.#write(textOf(event, data, id), 1);
  }

  /** Writes what keys hold; all of it is known up to `to` once the last has come. */
  tellFacts(facts: readonly Buffer[], to: number): void {
    if (facts.length > 0) this.#write(Buffer.concat(facts), facts.length);
    this.cursor = to;
  }

  /** Without a word: it comes again. */
  cut(): void {
    this.#response.destroy();
  }

  /** Resolves when everything so far has been handed to the kernel, or never will be. */
  taken(): Promise<void> {
    if (!this.#blocked || this.over) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Says why, and ends; a client that doesn't take it is cut off. */
  end(why: StreamEnd): void {
    if (this.over) return;
    const left = why === "subscriber_slow" ? [] : this.#queue.map(({ text }) => text);
    this.#finish(why);
    if (!this.#begun) return;
    const data: EndEvent = { code: why, title: STREAM_ENDS[why] };
    const last = Buffer.from(`retry: ${this.#options.retry_ms}\n${textOf("end", data, null).toString()}`);
    this.#cancels.push(this.#options.system.timers.after(LINGER_MS, () => this.#response.destroy()));
    this.#response.end(Buffer.concat([...left, last]));
  }

  #send(batch: Batch, told: readonly Told[]): void {
    const { chain, sight, values } = this.#subscription;
    const concerned = told.filter(
      ({ text, reach }) =>
        values !== null || (text !== null && (reach === null || (chain === null ? reach.concerns(sight) : reach.hits(chain)))),
    );
    if (concerned.length === 0) return;
    this.#lastId = concerned.findLast(({ revision }) => revision !== null)?.revision ?? this.#lastId;
    const unnamed = (one: Told): boolean => one.unnamed !== null && one.reach?.isNamedTo(sight) === false;
    if (values !== null) this.#write(batch.valuesOf(concerned), concerned.length);
    else if (!concerned.some(unnamed)) this.#write(batch.textOf(concerned), concerned.length);
    else this.#write(joined(concerned.map((one) => (unnamed(one) ? one.unnamed : one.text))), concerned.length);
  }

  #write(text: Buffer, events: number): void {
    if (this.over) return;
    if (!this.#blocked) {
      this.#blocked = !this.#response.write(text);
      return;
    }
    const { queue_events_max, queue_bytes_max } = this.#options.limits;
    this.#queue.push({ text, events });
    this.#queuedEvents += events;
    this.#queuedBytes += text.length;
    if (this.#queuedEvents > queue_events_max || this.#queuedBytes > queue_bytes_max) this.end("subscriber_slow");
  }

  #drain(): void {
    this.#blocked = false;
    this.#stalled = false;
    while (!this.#blocked && !this.over) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#queuedEvents -= next.events;
      this.#queuedBytes -= next.text.length;
      this.#blocked = !this.#response.write(next.text);
    }
    if (!this.#blocked) this.#release();
  }

  #beat(): void {
    if (this.#blocked) {
      if (this.#stalled) this.end("subscriber_slow");
      this.#stalled = true;
      return;
    }
    // An id without data is kept by the client and shown to nobody: it needn't be told again what doesn't concern it.
    const moved = this.cursor > (this.#lastId ?? this.cursor);
    if (moved) this.#lastId = this.cursor;
    this.#write(Buffer.from(moved ? `:\nid: ${this.cursor}\n\n` : ":\n\n"), 0);
  }

  #watchToken(): void {
    const { limits, system } = this.#options;
    const { caller, authenticate } = this.#subscription;
    const token = { expires_ms: caller.token.expires_ms, authenticate };
    const cancel = watchToken(token, limits.heartbeat_ms, system, (why) => {
      this.end(why);
    });
    this.#cancels.push(cancel);
  }

  #finish(why: StreamEnd | null): void {
    if (this.over) return;
    this.over = true;
    this.#stop();
    this.#queue = [];
    this.#release();
    this.#left(why);
  }

  #stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }

  #release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }
}

/** One event, as a stream has it. */
export function textOf(event: EventName, data: object, id: number | null): Buffer {
  return Buffer.from(eventText(event, JSON.stringify(data), id));
}
