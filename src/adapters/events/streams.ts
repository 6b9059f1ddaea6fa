/**
 * The streams that others have of what happens here (SSF 1.0): their configuration, what is pushed to them (RFC 8935) and what they
 * poll (RFC 8936). Each goes on where it was, also after a restart, and hears of everything at least once, in order.
 */
import { Problem, clip, type ProblemCode } from "../../contract/index.js";
import {
  POLL_METHOD,
  type ChangeStream,
  type ChangeStreamStatus,
  type CreateStream,
  type PollStream,
  type PolledEvents,
  type StreamAnswer,
  type ToldStream,
  type VerifyStream,
} from "../../contract/security_events.js";
import type { System } from "../../system/index.js";
import { SSF } from "./event_types.js";
import type { Exchange } from "../../system/exchange.js";
import { PendingEvents, type ChangeFeed, type PendingEvent } from "./feed.js";
import { Pusher } from "./pusher.js";
import type { RetryOptions } from "../../system/attempts.js";
import { errorMessage } from "../../system/error_message.js";
import type { SetSigner } from "./signer.js";
import type { KeptStream, StreamStore } from "./stream_store.js";
import { TOLD_TYPES, eventsOf, isSubject, jtiOf, type TellableChange, type TellingContext } from "./told_events.js";

export interface StreamsOptions extends RetryOptions {
  issuer: string;
  push_endpoints: readonly string[];
  streams_max: number;
  subjects_max: number;
  pending_max: number;
  poll_wait_ms: number;
  polls_max: number;
  verification_min_s: number;
}

export interface StreamsDeps {
  feed: ChangeFeed<TellableChange>;
  telling: TellingContext;
  /** Returns true if a caller may receive a change. */
  mayHear: (caller: string, change: TellableChange) => boolean;
  signer: SetSigner;
  store: StreamStore;
  /** Returns the URL at which a stream's polls are answered. */
  pollUrl: (id: string) => string;
  /** Something that sends to a push endpoint. */
  exchangerTo: (url: string) => { exchange: Exchange; close: () => void };
  system: System;
  newId: () => string;
  events: StreamsEvents;
}

export interface StreamsEvents {
  /** Once per change of how pushing fails. */
  failing(stream: string, detail: string): void;
  delivering(stream: string): void;
  /** Its receiver can do nothing with this event. */
  setAside(stream: string, jti: string, detail: string): void;
  /** Called when a stream's place is unknown, or can't be stored: events are sent again, or not sent. */
  placeUnknown(stream: string, detail: string): void;
}

interface Stream {
  kept: KeptStream;
  pending: PendingEvents<TellableChange>;
  /** Place that was last written. */
  written: number;
  pusher: Pusher | null;
  pushing: Promise<void>;
  setAside: number;
  verifiedAt_ms: number;
  waiting: Set<() => void>;
  /** Polls that wait now. */
  polls: number;
}

const POLLED_DEFAULT = 100;
/** One that a receiver has given up may wait on beside its next; more of one stream would only take the room of others. */
const POLLS_OF_STREAM_MAX = 2;
/** Defaults for members that a stream's owner left out. */
const AS_NEW = {
  method: POLL_METHOD,
  endpoint_url: null,
  authorization: null,
  events_requested: null,
  description: null,
} as const;

export class Streams {
  readonly #options: StreamsOptions;
  readonly #deps: StreamsDeps;
  readonly #streams = new Map<string, Stream>();
  /** One change of configuration after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #polls = 0;
  #running = false;
  #closed = false;

  /** @throws StreamsDamaged, and whatever the disk says */
  static async open(options: StreamsOptions, deps: StreamsDeps): Promise<Streams> {
    const streams = new Streams(options, deps);
    for (const kept of await deps.store.read()) {
      const place = await deps.store.place(kept.id);
      // Not from the beginning of time: what it had heard before can be years of it.
      if (place === null) deps.events.placeUnknown(kept.id, "it goes on from now");
      streams.#add(kept, place ?? deps.feed.revision);
    }
    return streams;
  }

  private constructor(options: StreamsOptions, deps: StreamsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  get state(): ToldStream[] {
    return [...this.#streams.values()].map(({ kept, pending, pusher, setAside }) => ({
      stream_id: kept.id,
      caller: kept.caller,
      method: kept.method,
      status: kept.status,
      pending: pending.size,
      behind: pending.behind,
      failing: pusher?.failing ?? false,
      set_aside: setAside,
    }));
  }

  /** Returns true once nothing more is sent. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Begins to push. */
  start(): void {
    this.#running = true;
    for (const stream of this.#streams.values()) this.#startPushing(stream);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { pusher, waiting } of this.#streams.values()) {
      pusher?.stop();
      for (const wake of waiting) wake();
    }
    await Promise.all([...this.#streams.values()].map(({ pushing }) => pushing));
    await this.#deps.store.settled();
  }

  /** Facts have changed. */
  news(): void {
    for (const { pusher, waiting } of this.#streams.values()) {
      pusher?.wake();
      for (const wake of waiting) wake();
    }
  }

  /** @throws Problem `stream_exists`, `streams_full`, `push_endpoint_refused`, `field_invalid` */
  create(asked: CreateStream, caller: string): Promise<StreamAnswer> {
    return this.#inTurn(async () => {
      if (this.#ofCaller(caller) !== undefined) throw new Problem("stream_exists");
      if (this.#streams.size >= this.#options.streams_max) throw new Problem("streams_full");
      const id = this.#deps.newId();
      const blank: KeptStream = { ...AS_NEW, id, caller, status: "enabled", reason: null, removed: [] };
      const kept = this.#replaced(blank, asked, blank);
      const place = this.#deps.feed.revision;
      await this.#deps.store.writePlace(id, place);
      await this.#write([...this.#all(), kept]);
      this.#startPushing(this.#add(kept, place));
      return this.#answer(kept);
    });
  }

  /** @throws Problem `stream_not_found` */
  read(id: string, caller: string): StreamAnswer {
    return this.#answer(this.#of(id, caller).kept);
  }

  readAll(caller: string): StreamAnswer[] {
    const stream = this.#ofCaller(caller);
    return stream === undefined ? [] : [this.#answer(stream.kept)];
  }

  /**
   * @param whole what isn't given is as for a new stream; else it stays
   * @throws Problem `stream_not_found`, `push_endpoint_refused`, `field_invalid`
   */
  change(asked: ChangeStream, whole: boolean, caller: string): Promise<StreamAnswer> {
    return this.#inTurn(async () => {
      const stream = this.#of(asked.stream_id, caller);
      const before = stream.kept;
      checkGiven(asked, this.#answer(before));
      const base = whole ? { ...before, ...AS_NEW } : before;
      const kept = this.#replaced(base, asked, before);
      await this.#write(this.#all().map((one) => (one === before ? kept : one)));
      await this.#restart(stream, kept);
      return this.#answer(kept);
    });
  }

  /** @throws Problem `stream_not_found` */
  delete(id: string, caller: string): Promise<void> {
    return this.#inTurn(async () => {
      const stream = this.#of(id, caller);
      await this.#write(this.#all().filter((one) => one !== stream.kept));
      this.#streams.delete(id);
      stream.pusher?.stop();
      for (const wake of stream.waiting) wake();
      await stream.pushing;
      await this.#deps.store.forget(id);
    });
  }

  /** @throws Problem `stream_not_found` */
  status(id: string, caller: string): ChangeStreamStatus {
    const { status, reason } = this.#of(id, caller).kept;
    return { stream_id: id, status, ...(reason === null ? {} : { reason }) };
  }

  /** @throws Problem `stream_not_found` */
  changeStatus(asked: ChangeStreamStatus, caller: string): Promise<ChangeStreamStatus> {
    const { stream_id, status, reason = null } = asked;
    return this.#inTurn(async () => {
      const stream = this.#of(stream_id, caller);
      const before = stream.kept;
      // What happened while it was disabled isn't told.
      if (before.status === "disabled" || status === "disabled") stream.pending.skip();
      const kept = { ...before, status, reason };
      await this.#write(this.#all().map((one) => (one === before ? kept : one)));
      await this.#restart(stream, kept);
      return this.status(stream_id, caller);
    });
  }

  /**
   * Tells it of a subject again, or no longer: of all it is told at first.
   * @throws Problem `stream_not_found`, `streams_full`
   */
  changeSubject(id: string, subject: Record<string, unknown>, told: boolean, caller: string): Promise<void> {
    return this.#inTurn(async () => {
      const stream = this.#of(id, caller);
      const before = stream.kept;
      const others = before.removed.filter((one) => !isSubject(one, subject) || !isSubject(subject, one));
      const removed = told ? others : [...others, subject];
      if (removed.length > Math.max(this.#options.subjects_max, before.removed.length)) throw new Problem("streams_full");
      const kept = { ...before, removed };
      await this.#write(this.#all().map((one) => (one === before ? kept : one)));
      await this.#restart(stream, kept);
    });
  }

  /**
   * Tells it a verification event, next of all.
   * @throws Problem `stream_not_found`, `verification_too_soon`
   */
  verify({ stream_id: id, state }: VerifyStream, caller: string): void {
    const stream = this.#of(id, caller);
    const { clock } = this.#deps.system;
    const now_ms = clock.monotonic();
    if (now_ms - stream.verifiedAt_ms < this.#options.verification_min_s * 1000) throw new Problem("verification_too_soon");
    stream.verifiedAt_ms = now_ms;
    const type = `${SSF}verification`;
    const event = { type, event: state === undefined ? {} : { state }, sub_id: { format: "opaque", id } };
    stream.pending.add({ jti: this.#deps.newId(), revision: null, issued_s: Math.floor(clock.wall() / 1000), event });
    this.#wake(stream);
  }

  /**
   * @param gone resolves where the caller waits no longer
   * @throws Problem `stream_not_found`, `subscribers_full`, `store_unavailable`
   */
  async poll(id: string, asked: PollStream, caller: string, gone: Promise<void>): Promise<PolledEvents> {
    const stream = this.#of(id, caller);
    if (stream.kept.method !== POLL_METHOD)
      throw new Problem("field_invalid", {
        field: "/stream_id",
        expected: "a stream that is polled: this one is pushed to its endpoint",
      });
    for (const jti of asked.ack ?? []) stream.pending.take(jti);
    for (const [jti, { err, description = "" }] of Object.entries(asked.setErrs ?? {}))
      if (stream.pending.take(jti)) this.#setAside(stream, jti, clip(`${err}: ${description}`, 512));
    this.#keepPlace(stream);
    const { maxEvents = POLLED_DEFAULT, returnImmediately = false } = asked;
    const count = Math.min(maxEvents, this.#options.pending_max);
    let events = await this.#next(stream, count);
    if (events.length === 0 && !returnImmediately && count > 0) {
      await this.#wait(stream, gone);
      events = await this.#next(stream, count);
    }
    const sets = Object.fromEntries(events.map((event) => [event.jti, this.#sign(stream.kept, event)]));
    const more = this.#isTold(stream) && stream.pending.size + stream.pending.behind > events.length;
    return { sets, ...(more && maxEvents > 0 ? { moreAvailable: true } : {}) };
  }

  async #wait(stream: Stream, gone: Promise<void>): Promise<void> {
    const { timers } = this.#deps.system;
    if (this.#polls >= this.#options.polls_max || stream.polls >= POLLS_OF_STREAM_MAX) throw new Problem("subscribers_full");
    this.#polls++;
    stream.polls++;
    let isOver = false;
    const until = timers.after(this.#options.poll_wait_ms, () => {
      isOver = true;
      for (const wake of stream.waiting) wake();
    });
    void gone.then(() => {
      isOver = true;
      for (const wake of stream.waiting) wake();
    });
    const isDone = (): boolean => isOver || this.#closed || !this.#streams.has(stream.kept.id);
    try {
      while (!isDone() && (await this.#next(stream, 1)).length === 0) {
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            stream.waiting.delete(wake);
            resolve();
          };
          stream.waiting.add(wake);
          // It may have come, or ended, meanwhile.
          if (isDone() || (this.#isTold(stream) && stream.pending.has)) wake();
        });
      }
    } finally {
      until();
      this.#polls--;
      stream.polls--;
    }
  }

  /** Returns the next events; none while the stream isn't enabled. */
  async #next(stream: Stream, count: number): Promise<PendingEvent[]> {
    if (!this.#isTold(stream) || count === 0) return [];
    const events = await stream.pending.first(count);
    if (events.length === 0) this.#keepPlace(stream);
    return events;
  }

  #isTold({ kept }: Stream): boolean {
    return kept.status === "enabled";
  }

  #sign({ caller }: KeptStream, { jti, revision, issued_s, event: { type, event, sub_id } }: PendingEvent): string {
    const txn = revision === null ? {} : { txn: `facts-${revision}` };
    const claims = { iss: this.#options.issuer, aud: caller, iat: issued_s, jti, ...txn, sub_id, events: { [type]: event } };
    return this.#deps.signer.sign(claims);
  }

  #add(kept: KeptStream, place: number): Stream {
    const stream: Stream = {
      kept,
      pending: this.#pendingOf(kept, place),
      written: place,
      pusher: null,
      pushing: Promise.resolve(),
      setAside: 0,
      verifiedAt_ms: -Infinity,
      waiting: new Set(),
      polls: 0,
    };
    this.#streams.set(kept.id, stream);
    return stream;
  }

  #pendingOf(kept: KeptStream, place: number): PendingEvents<TellableChange> {
    const { feed, telling, mayHear } = this.#deps;
    const { pending_max } = this.#options;
    return new PendingEvents(feed, place, pending_max, (change) => {
      if (!mayHear(kept.caller, change)) return [];
      return eventsOf(change, telling).flatMap((event, nth): PendingEvent[] => {
        if (kept.events_requested?.includes(event.type) === false) return [];
        if (kept.removed.some((subject) => isSubject(event.sub_id, subject))) return [];
        const issued_s = Math.floor(Date.parse(change.time) / 1000);
        return [{ jti: jtiOf(change, nth, kept.id), revision: change.revision, issued_s, event }];
      });
    });
  }

  /** Applies a new configuration to a stream: events not sent yet are derived again. */
  async #restart(stream: Stream, kept: KeptStream): Promise<void> {
    stream.pusher?.stop();
    await stream.pushing;
    const { place } = stream.pending;
    stream.kept = kept;
    stream.pending = this.#pendingOf(kept, place);
    this.#keepPlace(stream);
    this.#startPushing(stream);
    this.#wake(stream);
  }

  #startPushing(stream: Stream): void {
    const { kept } = stream;
    stream.pusher = null;
    if (!this.#running || this.#closed || kept.endpoint_url === null || kept.status !== "enabled") return;
    const { exchange, close } = this.#deps.exchangerTo(kept.endpoint_url);
    const { events, system } = this.#deps;
    const pusher = new Pusher(this.#options, kept.authorization, {
      next: async () => {
        const [event] = await this.#next(stream, 1);
        return event === undefined ? null : { jti: event.jti, token: this.#sign(kept, event) };
      },
      has: () => stream.pending.has,
      taken: (jti) => {
        stream.pending.take(jti);
        this.#keepPlace(stream);
      },
      setAside: (jti, detail) => {
        this.#setAside(stream, jti, detail);
      },
      failing: (detail) => {
        events.failing(kept.id, detail);
      },
      delivering: () => {
        events.delivering(kept.id);
      },
      exchange,
      close,
      system,
    });
    stream.pusher = pusher;
    stream.pushing = pusher.run();
  }

  #setAside(stream: Stream, jti: string, detail: string): void {
    stream.setAside++;
    this.#deps.events.setAside(stream.kept.id, jti, detail);
  }

  #wake({ pusher, waiting }: Stream): void {
    pusher?.wake();
    for (const wake of waiting) wake();
  }

  /** Behind what is told: after a crash something may be told again, and nothing is left out. */
  #keepPlace(stream: Stream): void {
    const { place } = stream.pending;
    if (place === stream.written || !this.#streams.has(stream.kept.id)) return;
    stream.written = place;
    this.#deps.store.writePlace(stream.kept.id, place).catch((cause: unknown) => {
      this.#deps.events.placeUnknown(stream.kept.id, errorMessage(cause));
    });
  }

  /** @throws Problem `push_endpoint_refused`, `field_invalid` */
  #replaced(base: KeptStream, { delivery, events_requested, description }: CreateStream, before: KeptStream): KeptStream {
    return {
      ...base,
      ...(delivery === undefined ? {} : this.#delivery(before, delivery)),
      ...(events_requested === undefined ? {} : { events_requested }),
      ...(description === undefined ? {} : { description }),
    };
  }

  #delivery({ id, endpoint_url: before, authorization: known }: KeptStream, asked: NonNullable<CreateStream["delivery"]>) {
    const { method, endpoint_url, authorization_header = null } = asked;
    if (method === POLL_METHOD) {
      if (endpoint_url !== undefined && endpoint_url !== this.#deps.pollUrl(id))
        throw invalid("/delivery/endpoint_url", "none: where it is polled is answered");
      return { method, endpoint_url: null, authorization: null };
    }
    if (endpoint_url === undefined) throw invalid("/delivery/endpoint_url", "where events are pushed to", "field_missing");
    // Only where the operator has said: whoever has a stream must not make this service ask anything of anyone.
    if (!this.#options.push_endpoints.includes(endpoint_url))
      throw new Problem("push_endpoint_refused", { field: "/delivery/endpoint_url" });
    // It is never answered, so that what is given back with a change hasn't got it.
    return { method, endpoint_url, authorization: authorization_header ?? (endpoint_url === before ? known : null) };
  }

  #answer({ id, caller, method, endpoint_url, events_requested, description }: KeptStream): StreamAnswer {
    return {
      stream_id: id,
      iss: this.#options.issuer,
      aud: caller,
      events_supported: [...TOLD_TYPES],
      ...(events_requested === null ? {} : { events_requested }),
      events_delivered: TOLD_TYPES.filter((type) => events_requested?.includes(type) !== false),
      delivery: { method, endpoint_url: endpoint_url ?? this.#deps.pollUrl(id) },
      min_verification_interval: this.#options.verification_min_s,
      ...(description === null ? {} : { description }),
    };
  }

  #all(): KeptStream[] {
    return [...this.#streams.values()].map(({ kept }) => kept);
  }

  #ofCaller(caller: string): Stream | undefined {
    return [...this.#streams.values()].find(({ kept }) => kept.caller === caller);
  }

  /** Another's isn't there. @throws Problem `stream_not_found` */
  #of(id: string, caller: string): Stream {
    const stream = this.#streams.get(id);
    if (stream?.kept.caller !== caller) throw new Problem("stream_not_found");
    return stream;
  }

  async #write(streams: readonly KeptStream[]): Promise<void> {
    try {
      await this.#deps.store.write(streams);
    } catch (cause) {
      throw new Problem("store_unavailable", {}, { cause });
    }
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act, act);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** Rejects changes of members that belong to the transmitter (SSF 1.0, section 8.1.1.3). */
function checkGiven(asked: ChangeStream, now: StreamAnswer): void {
  for (const name of ["iss", "aud", "min_verification_interval"] as const)
    if (asked[name] !== undefined && asked[name] !== now[name]) throw invalid(`/${name}`, "what it is");
  if (asked.events_supported !== undefined && !sameSet(asked.events_supported, now.events_supported))
    throw invalid("/events_supported", "what they are");
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}

function invalid(field: string, expected: string, code: ProblemCode = "field_invalid"): Problem {
  return new Problem(code, { field, expected });
}
