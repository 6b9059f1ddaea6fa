/**
 * Pushes changes to whoever follows them: each change is written out once, and handed to all whom it concerns in a later turn
 * than the one that made it, some at a time. A change waits for no subscriber, and a subscriber for no other.
 */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import {
  Problem,
  type AskEcho,
  type ChangeEvent,
  type EchoEvent,
  type FactEvent,
  type PolicyIdentity,
  type ReadyEvent,
  type ResetEvent,
  type SnapshotEvent,
  type StreamEnd,
} from "../contract/index.js";
import type { Commands } from "../facts/commands.js";
import { HandedOn, Reach, type ReachedTask } from "../facts/reach.js";
import { split, type Notice } from "../facts/registry.js";
import type { Change } from "../store/store.js";
import type { FactFollowers } from "../facts/restrictions.js";
import { pause, type Clock, type Timers } from "../system/index.js";
import { Recent } from "../system/recent.js";
import { EventBatch, EventStream, textOf, type EventLimits, type Subscription, type StreamedChange } from "./event_stream.js";
import { Followers } from "./stream_followers.js";

export interface EventStreamsDeps {
  commands: Commands;
  system: { clock: Clock; timers: Timers };
  policy: () => PolicyIdentity | null;
  limits: EventLimits;
  /** Returns true if the active bundle masks the principals of tasks: then only callers that decide elsewhere receive their names. */
  masksPrincipals: () => boolean;
  /** Facts that this service shares with the other nodes of its cluster. Left out, or null: it decides alone. */
  shared?: () => { feed: string } | null;
  /** Called for each stream that the service ends, with its caller. */
  ended: (why: StreamEnd, caller: string) => void;
}

/** Subscribers that are written to in one turn of the event loop. */
const AT_ONCE = 64;
/** Changes read from the store at once, one page at a time for all: a revocation waits for the same store. */
const PAGE = 100;
/** After a whole page: whoever has missed a million changes leaves most of the time to decisions. */
const PAGE_PAUSE_MS = 2;
const STORE_RETRY_MS = 250;
/** Changes of which it is remembered how many streams were sent them: an answer asks for its own within seconds. */
const COUNTED_MAX = 2000;
/** Changes that don't narrow; all others may. */
const WIDENS: ReadonlySet<string> = new Set([
  "agent_created",
  "agent_restored",
  "agent_widened",
  "task_created",
  "task_changed",
  "task_labels_lowered",
  "grant_created",
  "grant_approved",
  "revocation_lifted",
]);

export class EventStreams implements FactFollowers {
  readonly #deps: EventStreamsDeps;
  readonly #handedOn: HandedOn;
  readonly #streams: Followers<EventStream>;
  /** Changes by key that hold and aren't durable: new subscribers have to receive them too. */
  readonly #held = new Map<string, Notice>();
  /** Streams that were sent what holds of a key and wasn't durable. */
  readonly #counts = new Recent<number>(COUNTED_MAX);
  #fresh: (Notice | { policy: PolicyIdentity })[] = [];
  /** Streams of values by their ids; only in a cluster. */
  readonly #byId = new Map<string, EventStream>();
  readonly #ids = new WeakMap<EventStream, string>();
  #echoes: { stream: EventStream; nonce: string }[] = [];
  #delivering = false;
  #reading: Promise<unknown> = Promise.resolve();
  /** Id of this run of the service, sent with `ready`: what is followed doesn't survive a restart without being asked for again. */
  readonly #start = randomUUID();
  readonly #digestKey = randomBytes(32);
  readonly #unlisten: () => void;

  constructor(deps: EventStreamsDeps) {
    this.#deps = deps;
    this.#streams = new Followers(deps.limits.subscribers_max, deps.ended);
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
    const { limits, system } = this.#deps;
    const begun = (stream: EventStream): void => {
      this.#begin(stream);
    };
    return this.#streams.open(
      subscription.caller,
      (retry_ms, left) => new EventStream(response, subscription, { limits, system, retry_ms, begun }, left),
    );
  }

  /** Number of streams to which the last change of a key that narrowed has been sent so far. */
  told(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /**
   * Writes an echo to a stream, behind all that this service knows by now.
   * @throws Problem `echo_stream_none`
   */
  echo(caller: string, { stream: id, nonce }: AskEcho): void {
    const stream = this.#byId.get(id);
    if (stream === undefined || stream.over || stream.caller.id !== caller) throw new Problem("echo_stream_none", { field: "/stream" });
    if (this.#delivering) this.#echoes.push({ stream, nonce });
    else echoTo(stream, nonce);
  }

  /** Tells everyone that another bundle decides from now on. */
  policyActivated(policy: PolicyIdentity): void {
    this.#plan({ policy });
  }

  /** Ends every stream, and takes no other. */
  close(): void {
    this.#unlisten();
    this.#streams.close();
  }

  /** Receives a change in its own turn, which nothing here may hold up. */
  #take(notice: Notice): void {
    if (notice.key.startsWith("task/")) this.#handedOn.add(notice.value as unknown as ReachedTask & { parent: string | null });
    if (notice.revision === null) {
      this.#held.set(notice.key, notice);
      this.#counts.set(notice.key, 0);
    } else if (!this.#deps.commands.registry.isHeld(notice.key)) this.#held.delete(notice.key);
    this.#plan(notice);
  }

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
    // What was asked for until now is behind what has come until now.
    const echoes = this.#echoes;
    this.#echoes = [];
    const streams = [...this.#streams];
    const some = (): void => {
      for (const stream of streams.splice(0, AT_ONCE)) this.#hand(stream, batch);
      if (streams.length > 0) {
        this.#later(some);
        return;
      }
      for (const { stream, nonce } of echoes) echoTo(stream, nonce);
      if (this.#fresh.length === 0 && this.#echoes.length === 0) this.#delivering = false;
      else
        this.#later(() => {
          this.#deliver();
        });
    };
    some();
  }

  #hand(stream: EventStream, batch: EventBatch): void {
    for (const { key, revision } of stream.take(batch)) if (key !== null && revision === null) this.#counts.set(key, this.told(key) + 1);
  }

  #begin(stream: EventStream): void {
    const { registry } = this.#deps.commands;
    const now = registry.revision;
    const { after } = stream;
    const snapshot = after === null && stream.values !== null;
    const gaps = (this.#deps.shared?.() ?? null) !== null;
    if (snapshot) stream.say("snapshot", { facts_revision: now, ...(gaps && { gaps }) } satisfies SnapshotEvent, null);
    // First of all what has to stop something now; its durable event is still to come.
    for (const [key, notice] of this.#held) {
      if (!registry.isHeld(key)) this.#held.delete(key);
      else this.#hand(stream, this.#batch([notice]));
    }
    if (snapshot) {
      void this.#snapshot(stream, now);
      return;
    }
    if (after !== null && after < now) {
      void this.#replay(stream);
      return;
    }
    if (after !== null && after > now) stream.say("reset", { facts_revision: now } satisfies ResetEvent, now);
    this.#goLive(stream);
  }

  #goLive(stream: EventStream): void {
    const { commands, limits, policy } = this.#deps;
    const { revision } = commands.registry;
    const ready: ReadyEvent = { facts_revision: revision, heartbeat_ms: limits.heartbeat_ms, policy: policy() };
    if (stream.values !== null) {
      ready.heartbeat_ms = stream.heartbeat_ms;
      ready.caller = stream.values;
      ready.start = this.#start;
      const shared = this.#deps.shared?.() ?? null;
      if (shared !== null) ready.shared = { feed: shared.feed, stream: this.#idOf(stream) };
      if (stream.facts !== null) ready.facts = stream.facts;
    }
    stream.goLive(revision, ready);
  }

  #idOf(stream: EventStream): string {
    const known = this.#ids.get(stream);
    if (known !== undefined) return known;
    const id = randomUUID();
    this.#ids.set(stream, id);
    for (const [other, one] of this.#byId) if (one.over) this.#byId.delete(other);
    this.#byId.set(id, stream);
    return id;
  }

  /** Sends the value of each key as of one revision; later changes follow behind it. */
  async #snapshot(stream: EventStream, to: number): Promise<void> {
    let facts = 0;
    try {
      const entries = this.#deps.commands.deps.store.entries()[Symbol.asyncIterator]();
      for (let some = await this.#nextOf(entries); some.done !== true; some = await this.#nextOf(entries)) {
        for (let at = 0; at < some.value.length; at += PAGE) {
          await stream.taken();
          if (stream.over) return;
          const page = some.value.slice(at, at + PAGE).filter(({ revision }) => revision <= to);
          stream.tellFacts(
            page.map((change) => factText(change, null)),
            page.at(-1)?.revision ?? stream.cursor,
          );
          facts += page.length;
          if (page.length === PAGE) await pause(this.#deps.system.timers, PAGE_PAUSE_MS);
        }
      }
    } catch {
      // The store can't be read now: half of it is worth nothing.
      stream.cut();
      return;
    }
    stream.tellFacts([], to);
    stream.facts = facts;
    await this.#replay(stream);
  }

  /** Returns the next entries, in turn with all others that read: a revocation waits for the same store. */
  #nextOf(entries: AsyncIterator<Change[]>): Promise<IteratorResult<Change[]>> {
    const next = this.#reading.then(() => entries.next());
    this.#reading = next.catch(() => undefined);
    return next;
  }

  /** Sends the store's changes after the stream's cursor, up to those in memory: from there on it receives each change. */
  async #replay(stream: EventStream): Promise<void> {
    const { registry } = this.#deps.commands;
    while (!stream.over && stream.cursor < registry.revision) {
      await stream.taken();
      const changes = await this.#read(stream);
      // The store may be ahead of memory for a moment.
      const known = changes.filter(({ revision }) => revision <= registry.revision);
      if (known.length === 0) await pause(this.#deps.system.timers, STORE_RETRY_MS);
      else stream.replay(this.#batch(known));
    }
    if (!stream.over) this.#goLive(stream);
  }

  /** Reads the next changes; none if the store can't be read now. */
  #read(stream: EventStream): Promise<Change[]> {
    const page = this.#reading.then(async () => {
      if (stream.over) return [];
      const { items } = await this.#deps.commands.events(stream.cursor, PAGE).catch(() => ({ items: [] }));
      return items as Change[];
    });
    this.#reading = page.then((changes) => (changes.length === PAGE ? pause(this.#deps.system.timers, PAGE_PAUSE_MS) : undefined));
    return page;
  }

  #batch(fresh: readonly (Notice | { policy: PolicyIdentity })[]): EventBatch {
    const last = fresh.findLast((one): one is Change => "key" in one && one.revision !== null);
    return new EventBatch(
      fresh.map((one) => this.#told(one)),
      last?.revision ?? null,
    );
  }

  #told(fresh: Notice | { policy: PolicyIdentity }): StreamedChange {
    if ("policy" in fresh) {
      const { bundle, revision, sequence, digest } = fresh.policy;
      const text = textOf("policy", { bundle, revision, sequence, digest }, null);
      return { key: null, revision: null, text, unnamed: null, fact: null, reach: null, revoked: null };
    }
    const { key, change, revision, time } = fresh;
    const reach = Reach.of(fresh, this.#deps.commands.registry, this.#handedOn);
    if (reach === null) return { key, revision, text: null, unnamed: null, fact: () => factText(fresh, revision), reach, revoked: null };
    const { scope, of, work } = reach;
    const narrows = !WIDENS.has(change);
    const data: ChangeEvent = { revision, durable: revision !== null, change, narrows, key, scope, of, ...work, time };
    const revoked = (scope === "token" || scope === "caller") && narrows ? { scope, of } : null;
    const named = textOf("change", data, revision);
    const unnamed = scope === "principal" ? textOf("change", this.#withoutName(data), revision) : null;
    const text = unnamed !== null && this.#deps.masksPrincipals() ? unnamed : named;
    // The id comes with the last of the two: who has the one without the other is told both again.
    return { key, revision, text, unnamed, fact: () => factText(fresh, null), reach, revoked };
  }

  /** Returns an event about a person with a digest for the name. Its key is this service's and forgotten with it, so no name can be tried. */
  #withoutName({ key, of, ...rest }: ChangeEvent): ChangeEvent {
    const digest = `sha256:${createHmac("sha256", this.#digestKey).update(of).digest("hex")}`;
    const kinds = key.split("/", 2);
    return { ...rest, key: [...kinds, digest].join("/"), of: digest };
  }

  #later(call: () => void): void {
    this.#deps.system.timers.turnEnd(call);
  }
}

function echoTo(stream: EventStream, nonce: string): void {
  stream.say("echo", { nonce, facts_revision: stream.cursor } satisfies EchoEvent, null);
}

/** Returns the event with a fact's value; for facts that no decision reads, only that it has changed. */
function factText({ change, key, revision, value }: Notice, id: number | null): Buffer {
  const [kind] = split(key);
  const fact: FactEvent = { revision, change, key, value: UNREAD.has(kind) ? null : value };
  return textOf("fact", fact, id);
}
const UNREAD: ReadonlySet<string> = new Set(["finding", "import"]);
