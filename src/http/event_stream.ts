/**
 * Pushes changes to whoever follows them: each change is written out once, and handed to all whom it concerns in a later turn
 * than the one that made it, some at a time. A change waits for no subscriber, and a subscriber for no other.
 */
import type { ServerResponse } from "node:http";
import {
  Problem,
  STREAM_ENDS,
  type ChangeEvent,
  type EndEvent,
  type EventName,
  type PolicyIdentity,
  type ReadyEvent,
  type ResetEvent,
  type StreamEnd,
} from "../contract/index.js";
import type { Commands } from "../facts/commands.js";
import { HandedOn, Reach, type Sight, type Work } from "../facts/reach.js";
import type { Notice } from "../facts/registry.js";
import type { Change } from "../store/store.js";
import type { Clock, Timers } from "../system/index.js";

export interface EventLimits {
  subscribers_max: number;
  heartbeat_ms: number;
  /** Events, and their bytes, that wait for one subscriber. */
  queue_events_max: number;
  queue_bytes_max: number;
}

/** Who follows what, and from where on. */
export interface Subscription {
  sight: Sight;
  /** One task alone, and those that it was handed on from; null: all that is in sight. */
  chain: readonly Work[] | null;
  /** The revision to go on after; null: now. */
  after: number | null;
  caller: { id: string; token: { jti: string | null; expires_ms: number } };
  /** @throws Problem once the token is no longer taken */
  authenticate: () => Promise<unknown>;
}

export interface EventStreamsDeps {
  commands: Commands;
  system: { clock: Clock; timers: Timers };
  policy: () => PolicyIdentity | null;
  limits: EventLimits;
  /** Told of each stream that the service ends, and whose it was. */
  ended: (why: StreamEnd, caller: string) => void;
}

/** Subscribers that are written to in one turn of the event loop. */
const AT_ONCE = 64;
/** Changes read from the store at once, one page at a time for all: a revocation waits for the same store. */
const PAGE = 100;
/** After a whole page: whoever has missed a million changes leaves most of the time to decisions. */
const PAGE_PAUSE_MS = 2;
const STORE_RETRY_MS = 250;
/** How long a client is told to wait before it connects anew; not the same for all, or they would all come at once. */
const RETRY_MS = 1000;
const RETRY_SPREAD_MS = 2000;
/** How long the last event may take to leave. */
const LINGER_MS = 1000;
/** How often a token is looked at that is over but for the difference of clocks that is allowed. */
const TOKEN_MS_LEAST = 100;

/** What doesn't narrow; anything else may. */
const WIDENS: ReadonlySet<string> = new Set([
  "agent_created",
  "agent_restored",
  "task_created",
  "task_changed",
  "grant_created",
  "revocation_lifted",
]);

interface Told {
  /** Null for what has none: a change that isn't durable, another policy. */
  revision: number | null;
  text: Buffer;
  /** Null: it concerns everyone. */
  reach: Reach | null;
  /** The `jti` of a token that it revokes. */
  revoked: string | null;
}

export class EventStreams {
  readonly #deps: EventStreamsDeps;
  readonly #handedOn: HandedOn;
  readonly #streams = new Set<EventStream>();
  /** By key, what holds and isn't durable: whoever comes now has to hear of it too. */
  readonly #held = new Map<string, Notice>();
  #fresh: (Notice | { policy: PolicyIdentity })[] = [];
  #delivering = false;
  #reading: Promise<unknown> = Promise.resolve();
  #opened = 0;
  readonly #unlisten: () => void;
  #closed = false;

  constructor(deps: EventStreamsDeps) {
    this.#deps = deps;
    const { registry, ledger } = deps.commands;
    this.#handedOn = new HandedOn(registry);
    this.#unlisten = ledger.listen((notice) => {
      this.#take(notice);
    });
  }

  /** Subscribers now. */
  get size(): number {
    return this.#streams.size;
  }

  /**
   * Takes a subscriber in.
   * @returns what writes to the response, once its head is written
   * @throws Problem `subscribers_full`, `shutting_down`
   */
  open(response: ServerResponse, subscription: Subscription): () => void {
    const { limits, system, ended } = this.#deps;
    if (this.#closed) throw new Problem("shutting_down");
    if (this.#streams.size >= limits.subscribers_max) throw new Problem("subscribers_full");
    const retry_ms = RETRY_MS + ((this.#opened++ * 37) % RETRY_SPREAD_MS);
    const stream = new EventStream(response, subscription, { limits, system, retry_ms }, (why) => {
      this.#streams.delete(stream);
      if (why !== null) ended(why, subscription.caller.id);
    });
    if (!stream.over) this.#streams.add(stream);
    return () => {
      this.#begin(stream);
    };
  }

  /** Tells everyone that another bundle decides from now on. */
  policyActivated(policy: PolicyIdentity): void {
    this.#plan({ policy });
  }

  /** Ends every stream, and takes no other. */
  close(): void {
    this.#closed = true;
    this.#unlisten();
    for (const stream of [...this.#streams]) stream.end("shutting_down");
  }

  /** In the turn of the change, which nothing here may hold up. */
  #take(notice: Notice): void {
    if (notice.key.startsWith("task/")) this.#handedOn.add(notice.value as unknown as Work & { parent: string | null });
    if (notice.revision === null) this.#held.set(notice.key, notice);
    else if (!this.#deps.commands.registry.isHeld(notice.key)) this.#held.delete(notice.key);
    this.#plan(notice);
  } // prettier-ignore

  #plan(fresh: Notice | { policy: PolicyIdentity }): void {
    if (this.#streams.size === 0) return;
    this.#fresh.push(fresh);
    if (this.#delivering) return;
    this.#delivering = true;
    this.#later(() => {
      this.#deliver();
    });
  }

  #deliver(): void {
    const batch = this.#batch(this.#fresh);
    this.#fresh = [];
    const streams = [...this.#streams];
    const some = (): void => {
      for (const stream of streams.splice(0, AT_ONCE)) stream.take(batch);
      if (streams.length > 0) this.#later(some);
      else if (this.#fresh.length === 0) this.#delivering = false;
      else
        this.#later(() => {
          this.#deliver();
        });
    };
    some();
  }

  #begin(stream: EventStream): void {
    const { registry } = this.#deps.commands;
    stream.begin();
    // First of all what has to stop something now; its durable event is still to come.
    for (const [key, notice] of this.#held) {
      if (!registry.isHeld(key)) this.#held.delete(key);
      else stream.take(this.#batch([notice]));
    }
    const now = registry.revision;
    const { after } = stream;
    if (after !== null && after < now) {
      void this.#replay(stream);
      return;
    }
    if (after !== null && after > now) stream.tell("reset", { facts_revision: now } satisfies ResetEvent, now);
    this.#goLive(stream);
  }

  #goLive(stream: EventStream): void {
    const { commands, limits, policy } = this.#deps;
    const { revision } = commands.registry;
    const ready = { facts_revision: revision, heartbeat_ms: limits.heartbeat_ms, policy: policy() };
    stream.goLive(revision, ready);
  }

  /** What the store has after its cursor, up to what is in memory: from there on it hears of each change. */
  async #replay(stream: EventStream): Promise<void> {
    const { registry } = this.#deps.commands;
    while (!stream.over && stream.cursor < registry.revision) {
      await stream.taken();
      const changes = await this.#read(stream);
      // The store may be ahead of memory for a moment.
      const known = changes.filter(({ revision }) => revision <= registry.revision);
      if (known.length === 0) await this.#pause(STORE_RETRY_MS);
      else stream.replay(this.#batch(known));
    }
    if (!stream.over) this.#goLive(stream);
  }

  /** Nothing, where the store can't be read now. */
  #read(stream: EventStream): Promise<Change[]> {
    const page = this.#reading.then(async () => {
      if (stream.over) return [];
      const { items } = await this.#deps.commands.events(stream.cursor, PAGE).catch(() => ({ items: [] }));
      return items as Change[];
    });
    this.#reading = page.then((changes) => (changes.length === PAGE ? this.#pause(PAGE_PAUSE_MS) : undefined));
    return page;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.system.timers.after(ms, resolve);
    });
  }

  #batch(fresh: readonly (Notice | { policy: PolicyIdentity })[]): Batch {
    const last = fresh.findLast((one): one is Change => "key" in one && one.revision !== null);
    return new Batch(
      fresh.flatMap((one) => this.#told(one) ?? []),
      last?.revision ?? null,
    );
  }

  /** Null for what concerns nobody. */
  #told(fresh: Notice | { policy: PolicyIdentity }): Told | null {
    if ("policy" in fresh) {
      const { bundle, revision, sequence, digest } = fresh.policy;
      const text = textOf("policy", { bundle, revision, sequence, digest }, null);
      return { revision: null, text, reach: null, revoked: null };
    }
    const { key, change, revision, time } = fresh;
    const reach = Reach.of(fresh, this.#deps.commands.registry, this.#handedOn);
    if (reach === null) return null;
    const { scope, of, work } = reach;
    const narrows = !WIDENS.has(change);
    const data: ChangeEvent = { revision, durable: revision !== null, change, narrows, key, scope, of, ...work, time };
    const revoked = scope === "token" && narrows ? of : null;
    return { revision, text: textOf("change", data, revision), reach, revoked };
  }

  #later(call: () => void): void {
    this.#deps.system.timers.turnEnd(call);
  }
}

/** Events that go out together, the oldest first. */
class Batch {
  #whole: Buffer | null = null;

  /** @param to the last durable revision among what happened, told to anybody or not; null where there is none */
  constructor(
    readonly told: readonly Told[],
    readonly to: number | null,
  ) {}

  /** Made once: most subscribers are told all of it. */
  textOf(told: readonly Told[]): Buffer {
    if (told.length < this.told.length) return Buffer.concat(told.map(({ text }) => text));
    return (this.#whole ??= told.length === 1 && told[0] !== undefined ? told[0].text : Buffer.concat(told.map(({ text }) => text)));
  } // prettier-ignore
}

interface StreamOptions {
  limits: EventLimits;
  system: { clock: Clock; timers: Timers };
  retry_ms: number;
}

/** One subscriber. Its queue holds what everybody's does, by reference. */
class EventStream {
  /** The last durable revision that it was told, or needn't be. */
  cursor: number;
  over = false;
  readonly #response: ServerResponse;
  readonly #subscription: Subscription;
  readonly #options: StreamOptions;
  readonly #left: (why: StreamEnd | null) => void;
  #begun = false;
  #live = false;
  /** The last `id` that was written. */
  #lastId: number | null = null;
  /** Whether what was written waits for the client. */
  #blocked = false;
  /** Whether it has waited since the last heartbeat. */
  #stalled = false;
  #queue: { text: Buffer; events: number }[] = [];
  #queuedEvents = 0;
  #queuedBytes = 0;
  #waiting: (() => void)[] = [];
  #cancels: (() => void)[] = [];

  /** @param left called once, with null where the client went */
  constructor(
    response: ServerResponse,
    subscription: Subscription,
    options: StreamOptions,
    left: (why: StreamEnd | null) => void,
  ) {
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

  begin(): void {
    if (this.over) {
      this.#response.end();
      return;
    }
    const { limits, system, retry_ms } = this.#options;
    this.#begun = true;
    this.#write(Buffer.from(`retry: ${retry_ms}\n\n`), 0);
    this.#cancels.push(system.timers.every(limits.heartbeat_ms, () => { this.#beat(); })); // prettier-ignore
    this.#watchToken();
  }

  /** Takes what concerns it of what has just happened. */
  take(batch: Batch): void {
    if (!this.#begun || this.over) return;
    const { jti } = this.#subscription.caller.token;
    // While it catches up, what is durable is still to be read; what isn't is in no store.
    const fresh = batch.told.filter(
      ({ revision }) => revision === null || (this.#live && revision > this.cursor),
    );
    this.#send(batch, fresh);
    if (this.#live) this.cursor = Math.max(this.cursor, batch.to ?? 0);
    if (jti !== null && batch.told.some(({ revoked }) => revoked === jti)) this.end("caller_token_revoked");
  } // prettier-ignore

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

  tell(event: EventName, data: object, id: number): void {
    this.#lastId = id;
    this.#write(textOf(event, data, id), 1);
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
    const { chain, sight } = this.#subscription;
    const concerned = told.filter(
      ({ reach }) => reach === null || (chain === null ? reach.concerns(sight) : reach.hits(chain)),
    );
    if (concerned.length === 0) return;
    this.#lastId = concerned.findLast(({ revision }) => revision !== null)?.revision ?? this.#lastId;
    this.#write(batch.textOf(concerned), concerned.length);
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

  /** Looks at its token when it expires, and with each heartbeat: its issuer may have withdrawn the key. */
  #watchToken(): void {
    const { limits, system } = this.#options;
    const { caller, authenticate } = this.#subscription;
    const left_ms = Math.max(caller.token.expires_ms - system.clock.wall(), TOKEN_MS_LEAST);
    const cancel = system.timers.after(Math.min(left_ms, limits.heartbeat_ms), () => {
      this.#cancels = this.#cancels.filter((other) => other !== cancel);
      authenticate().then(
        () => {
          if (!this.over) this.#watchToken();
        },
        (cause: unknown) => {
          const code = cause instanceof Problem ? cause.code : "";
          this.end(code in STREAM_ENDS ? (code as StreamEnd) : "token_invalid");
        },
      );
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

/** One event, as a stream has it; none of its parts can hold a line break. */
function textOf(event: EventName, data: object, id: number | null): Buffer {
  const lines = [...(id === null ? [] : [`id: ${id}`]), `event: ${event}`, `data: ${JSON.stringify(data)}`];
  return Buffer.from(`${lines.join("\n")}\n\n`);
}
