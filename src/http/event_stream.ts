/** One subscriber of changes: its queue, its heartbeats, its token, its end. */
import type { ServerResponse } from "node:http";
import type { EventName, ReadyEvent, StreamEnd } from "../contract/index.js";
import type { Reach, Sight, ReachedTask } from "../facts/reach.js";
import type { Clock, Timers } from "../system/index.js";
import { eventText, FollowedStream } from "./stream_followers.js";

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
  chain: readonly ReachedTask[] | null;
  /** The revision to go on after; null: now. */
  after: number | null;
  /** Present if it receives the value of each key, whomever that concerns; null: only what concerns it. */
  values: NonNullable<ReadyEvent["caller"]> | null;
  /** Returns false while the values that this service has may be old. Left out: they never are. */
  isCurrent?: () => boolean;
  /** Interval at which it wants to hear something; null: as often as others. */
  heartbeat_ms: number | null;
  caller: { id: string; token: { jti: string | null; expires_ms: number } };
  /** @throws Problem once the token is no longer taken */
  authenticate: () => Promise<unknown>;
}

export interface StreamedChange {
  /** Key that it belongs to; null: it is no change of facts. */
  key: string | null;
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
export class EventBatch {
  #whole: Buffer | null = null;
  #values: Buffer | null = null;

  /** @param to revision of the last durable change among these, sent to anybody or not; null without one */
  constructor(
    readonly told: readonly StreamedChange[],
    readonly to: number | null,
  ) {}

  /** Made once: most subscribers are told all of it. */
  textOf(told: readonly StreamedChange[]): Buffer {
    if (told.length < this.told.length) return joined(told.map(({ text }) => text));
    return (this.#whole ??= joined(told.map(({ text }) => text)));
  }

  /** Returns the events like `textOf`, each after the value of its key. */
  valuesOf(told: readonly StreamedChange[]): Buffer {
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
  /** Called when it has begun: tells it what it begins with. */
  begun: (stream: EventStream) => void;
}

/** One subscriber. Its queue holds what everybody's does, by reference. */
export class EventStream extends FollowedStream {
  /** The last durable revision that it was told, or needn't be. */
  cursor: number;
  /** Number of facts in the snapshot; null without a snapshot. */
  facts: number | null = null;
  readonly #subscription: Subscription;
  readonly #limits: EventLimits;
  readonly #onBegun: (stream: EventStream) => void;
  #begun = false;
  #live = false;
  /** The last revision that it was sent as an `id`; null before the first. */
  #sent: number | null = null;
  #queue: { text: Buffer; events: number }[] = [];
  #queuedEvents = 0;
  #queuedBytes = 0;
  #waiting: (() => void)[] = [];

  /** @param left called once, with null where the client went */
  constructor(response: ServerResponse, subscription: Subscription, options: StreamOptions, left: (why: StreamEnd | null) => void) {
    const { limits, system, retry_ms, begun } = options;
    const heartbeat_ms = Math.min(subscription.heartbeat_ms ?? Infinity, limits.heartbeat_ms);
    const { caller, authenticate } = subscription;
    super(response, { heartbeat_ms, retry_ms, system, caller, authenticate }, left);
    this.#subscription = subscription;
    this.#limits = limits;
    this.#onBegun = begun;
    this.cursor = subscription.after ?? 0;
  }

  get after(): number | null {
    return this.#subscription.after;
  }

  protected override get isCurrent(): boolean {
    return this.#subscription.isCurrent?.() !== false;
  }

  get caller(): Subscription["caller"] {
    return this.#subscription.caller;
  }

  get values(): Subscription["values"] {
    return this.#subscription.values;
  }

  /** Takes what concerns it of what has just happened. @returns what it was sent, or has in its queue */
  take(batch: EventBatch): readonly StreamedChange[] {
    if (!this.#begun || this.over) return [];
    // While it catches up, what is durable is still to be read; what isn't is in no store.
    const fresh = batch.told.filter(({ revision }) => revision === null || (this.#live && revision > this.cursor));
    const sent = this.#send(batch, fresh);
    if (this.#live) this.cursor = Math.max(this.cursor, batch.to ?? 0);
    for (const { revoked } of batch.told) if (revoked !== null) this.revoked(revoked);
    return sent;
  }

  /** Takes what concerns it of what was read from the store. */
  replay(batch: EventBatch): void {
    this.#send(batch, batch.told);
    this.cursor = batch.to ?? this.cursor;
  }

  goLive(revision: number, ready: ReadyEvent): void {
    this.cursor = revision;
    this.#live = true;
    this.say("ready", ready, revision);
  }

  say(event: EventName, data: object, id: number | null): void {
    if (id !== null) this.#sentTo(id);
    this.#put(textOf(event, data, id), 1);
  }

  /** Writes what keys hold; all of it is known up to `to` once the last has come. */
  tellFacts(facts: readonly Buffer[], to: number): void {
    if (facts.length > 0) this.#put(Buffer.concat(facts), facts.length);
    this.cursor = to;
  }

  /** Resolves when everything so far has been handed to the kernel, or never will be. */
  taken(): Promise<void> {
    if (!this.blocked || this.over) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  protected start(): void {
    this.#begun = true;
    this.#onBegun(this);
  }

  protected goOn(): void {
    while (!this.blocked && !this.over) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#queuedEvents -= next.events;
      this.#queuedBytes -= next.text.length;
      this.write(next.text);
    }
    if (!this.blocked) this.#release();
  }

  protected cease(): void {
    this.#queue = [];
    this.#release();
  }

  protected override unsent(): Buffer[] {
    return this.#queue.map(({ text }) => text);
  }

  /** Empty until an `id` was sent: a client that reconnects amid a snapshot has to begin from the start. */
  protected get reached(): string {
    return this.#sent === null ? "" : String(Math.max(this.cursor, this.#sent));
  }

  #send(batch: EventBatch, told: readonly StreamedChange[]): readonly StreamedChange[] {
    const { chain, sight, values } = this.#subscription;
    const concerned = told.filter(
      ({ text, reach }) =>
        values !== null || (text !== null && (reach === null || (chain === null ? reach.concerns(sight) : reach.hits(chain)))),
    );
    if (concerned.length === 0) return concerned;
    const last = concerned.findLast(({ revision }) => revision !== null)?.revision ?? null;
    if (last !== null) this.#sentTo(last);
    const unnamed = (one: StreamedChange): boolean => one.unnamed !== null && one.reach?.isNamedTo(sight) === false;
    if (values !== null) this.#put(batch.valuesOf(concerned), concerned.length);
    else if (!concerned.some(unnamed)) this.#put(batch.textOf(concerned), concerned.length);
    else this.#put(joined(concerned.map((one) => (unnamed(one) ? one.unnamed : one.text))), concerned.length);
    return concerned;
  }

  #sentTo(revision: number): void {
    this.#sent = revision;
    this.told(String(revision));
  }

  #release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }

  #put(text: Buffer, events: number): void {
    if (this.over) return;
    if (!this.blocked) {
      this.write(text);
      return;
    }
    const { queue_events_max, queue_bytes_max } = this.#limits;
    this.#queue.push({ text, events });
    this.#queuedEvents += events;
    this.#queuedBytes += text.length;
    if (this.#queuedEvents > queue_events_max || this.#queuedBytes > queue_bytes_max) this.end("subscriber_slow");
  }
}

/** One event, as a stream has it. */
export function textOf(event: EventName, data: object, id: number | null): Buffer {
  return Buffer.from(eventText(event, JSON.stringify(data), id));
}
