/**
 * Facts as a service has them, kept in step: what each key holds, then every change as it comes, in memory before the next decision.
 * When nothing has been heard for longer than the bound, they are stale, and the floor refuses; so they are until the stream has
 * caught up again.
 */
import { Connection } from "../client/connection.js";
import type { StreamedEvent } from "../client/event_source.js";
import type { Outside } from "../client/outside.js";
import type { Carrier } from "../client/transport.js";
import {
  canonical,
  type AskEcho,
  type ChangeEvent,
  type EchoEvent,
  type FactEvent,
  type PolicyIdentity,
  type ReadyEvent,
  type Scope,
  type SnapshotEvent,
} from "../contract/index.js";
import type { Caller, Facts } from "../decision/ports.js";
import { Registry } from "../facts/registry.js";
import type { Json } from "../store/store.js";
import type { Clock, System, Timers } from "../system/index.js";
import { factsOf } from "../facts/current_facts.js";
import { Freshness, type ClockTimes } from "./freshness.js";
import { LocalChanges } from "./local_changes.js";
import type { CompileEntry, KnownPolicy } from "../facts/facts_lookup.js";

/** Carrier of a feed. One that can't send follows no node of a cluster for long. */
export type FeedCarrier = Pick<Carrier, "open"> & Partial<Pick<Carrier, "send">>;

export interface FeedOptions {
  /** Time after the last word from the service for which facts may be decided on. */
  age_ms_max: number;
  /** Time for which an older bundle than the service's may decide. */
  behind_ms_max: number;
  /** Until a stream has begun. */
  head_ms: number;
}

export interface FeedEvents {
  /** Every change since is heard. */
  live(revision: number): void;
  /** Reports that nothing is received any more. */
  silent(): void;
  /** Reports events that can't be right: all facts are fetched again. */
  refused(detail: string): void;
}

/** Greatest length of an event: a value, and what is written around it. */
const EVENT_LENGTH_MAX = 512 * 1024;
/** Words of the service within the time that facts may be old. */
const HEARTBEATS = 4;
const HEARTBEAT_MS_MIN = 100;
const HEARTBEAT_MS_MAX = 60_000;
const FORGET_EVERY_MS = 60_000;
const ECHO_BYTES_MAX = 4096;
const NO_POLICY = { identity: null, since: 0 };

export class Feed {
  readonly heard: LocalChanges;
  readonly facts: Facts;
  readonly #system: { clock: Clock; timers: Timers };
  readonly #events: FeedEvents;
  readonly #connection: Connection;
  readonly #fresh: Freshness;
  readonly #make: () => Registry;
  readonly #stopForgetting: () => void;
  #registry: Registry;
  /** Filled while the one before is still decided on; `to` is what its first part is of. */
  #filling: { registry: Registry; to: number; facts: number } | null = null;
  #caller: (Caller & Rights) | null = null;
  /** Bundle by which the service reports that it decides, and since when. */
  #policy: { identity: PolicyIdentity | null; since: number } | null = null;
  readonly #running: () => PolicyIdentity | null;
  readonly #behind_ms_max: number;
  #start = "";
  #live = false;
  /** Something holds in memory that the service had not made durable. */
  #holds = false;
  /** True if revisions of the feed that is followed rise with gaps. */
  #gaps = false;
  /** When the stream that is followed was asked for. */
  #opened: ClockTimes;
  /** Stream of a node of a cluster, which proves by echoes how new its facts are; null: whatever is heard does. */
  #shared: NonNullable<ReadyEvent["shared"]> | null = null;
  /** Last revision of a feed that nodes share: another node must not be behind it. */
  #known: { feed: string; revision: number } | null = null;
  /** Echoes that were asked for, and when, the oldest first. */
  readonly #asked = new Map<string, ClockTimes>();
  #echoes = 0;
  readonly #carrier: FeedCarrier;
  readonly #age_ms_max: number;
  readonly #stopAsking: () => void;

  constructor(
    carrier: FeedCarrier,
    outside: Outside,
    system: Pick<System, "clock" | "timers">,
    policy: () => KnownPolicy | null,
    compile: CompileEntry,
    { age_ms_max, behind_ms_max, head_ms }: FeedOptions,
    running: () => PolicyIdentity | null,
    events: FeedEvents,
  ) {
    this.#system = system;
    this.#events = events;
    this.#running = running;
    this.#behind_ms_max = behind_ms_max;
    this.#make = () => new Registry(policy, compile, system.timers);
    this.#registry = this.#make();
    this.#fresh = new Freshness(system.clock, age_ms_max);
    this.heard = new LocalChanges(outside);
    const beat_ms = Math.min(HEARTBEAT_MS_MAX, Math.max(HEARTBEAT_MS_MIN, Math.floor(age_ms_max / HEARTBEATS)));
    const path = `events?values=true&heartbeat_ms=${beat_ms}`;
    this.#carrier = carrier;
    this.#age_ms_max = age_ms_max;
    this.#opened = this.#fresh.now;
    const opening: Pick<Carrier, "open"> = {
      open: (...given) => {
        this.#opened = this.#fresh.now;
        return carrier.open(...given);
      },
    };
    this.#connection = new Connection(
      opening,
      outside,
      { path, head_ms, event_length_max: EVENT_LENGTH_MAX },
      {
        take: (received) => this.#take(received),
        heard: () => {
          if (this.#live && this.#shared === null) this.#fresh.renew();
        },
        silent: () => {
          this.#silent();
        },
      },
    );
    this.facts = factsOf({
      registry: () => this.#registry,
      isStale: () => !this.#fresh.isFresh || this.#isBehind(),
    });
    this.#stopAsking = system.timers.every(beat_ms, () => {
      this.#askForEcho();
    });
    this.#stopForgetting = system.timers.every(FORGET_EVERY_MS, () => {
      const now = system.clock.wall();
      this.#registry.forget(now);
      this.#registry.forgetGrants(now);
    });
  }

  /** Caller that the service takes this engine for; null before it has reported that. */
  get caller(): (Caller & Rights) | null {
    return this.#caller;
  }

  get registry(): Registry {
    return this.#registry;
  }

  /** Last revision of the facts that nodes of a cluster share; 0 for a service that decides alone. */
  get sharedRevision(): number {
    return this.#known?.revision ?? 0;
  }

  get live(): boolean {
    return this.#live;
  }

  /** Age of facts; Infinity before there are any. */
  get age_ms(): number {
    return this.#fresh.age_ms;
  }

  start(): void {
    this.#connection.start();
  }

  close(): void {
    this.#stopAsking();
    this.#stopForgetting();
    this.#connection.close();
    this.heard.close();
  }

  /** @throws Error for what can't be, and the connection is given up */
  #take({ event, data }: StreamedEvent): number | null {
    const said: unknown = JSON.parse(data);
    if (typeof said !== "object" || said === null) throw this.#refused("it is no event");
    switch (event) {
      case "snapshot":
        this.#filling = { registry: this.#make(), to: revisionIn((said as SnapshotEvent).facts_revision), facts: 0 };
        this.#gaps = (said as SnapshotEvent).gaps === true;
        return null;
      case "fact":
        this.#fact(said as FactEvent);
        return null;
      case "change":
        if (this.#filling === null) this.heard.changed(said as ChangeEvent);
        return null;
      case "policy":
        this.#told(said as PolicyIdentity);
        return null;
      case "ready":
        this.#ready(said as ReadyEvent);
        return (said as ReadyEvent).heartbeat_ms;
      case "echo":
        this.#echoed(said as EchoEvent);
        return null;
      case "reset":
        throw this.#refused("the service has other facts than before");
      default:
        return null;
    }
  }

  /** The service's bundle: by an older one nothing is decided for long. */
  #told(policy: PolicyIdentity | null): void {
    if (policy?.digest === this.#policy?.identity?.digest) return;
    this.#policy = { identity: policy, since: this.#system.clock.monotonic() };
  }

  #isBehind(): boolean {
    const { identity, since } = this.#policy ?? NO_POLICY;
    const running = this.#running();
    if (identity === null || running === null || running.digest === identity.digest) return false;
    if (running.sequence > identity.sequence) return false;
    return this.#system.clock.monotonic() - since > this.#behind_ms_max;
  }

  #fact({ revision, key, value }: FactEvent): void {
    const { registry, to } = this.#filling ?? { registry: this.#registry, to: 0 };
    const change = { revision: revision ?? 0, key, value: value as Json, by: "", time: "", reason: null, change: "" };
    if (revision === null) {
      this.#holds = true;
      registry.hold(key, null, holding(value as Json));
      return;
    }
    // From the snapshot on, each is the next.
    const isNext = this.#gaps ? revision > registry.revision : revision === registry.revision + 1;
    if (revision > to && !isNext && registry.revision >= to) throw this.#refused(`revision ${revision} comes after ${registry.revision}`);
    registry.load(change, this.#system.clock.wall());
    if (this.#filling === null && this.#known !== null) this.#known.revision = Math.max(this.#known.revision, revision);
    if (this.#filling !== null && revision <= to) this.#filling.facts++;
  }

  /** Facts are as new as the oldest question that isn't answered: what comes on the stream may have been on its way for long. */
  #askForEcho(): void {
    if (this.#shared === null || !this.#live) return;
    const { stream } = this.#shared;
    const nonce = String(++this.#echoes);
    this.#asked.set(nonce, this.#fresh.now);
    for (const [oldest, { monotonic }] of this.#asked)
      if (this.#system.clock.monotonic() - monotonic > this.#age_ms_max) this.#asked.delete(oldest);
    const body = JSON.stringify({ stream, nonce } satisfies AskEcho);
    // Without an answer nothing is renewed: facts get stale.
    const exchange = { path: "events/echo", body, ms: this.#age_ms_max, answer_bytes_max: ECHO_BYTES_MAX, beside: true };
    void this.#carrier.send?.(exchange).catch(() => undefined);
  }

  #echoed({ nonce, facts_revision }: EchoEvent): void {
    const asked = this.#asked.get(nonce);
    if (asked === undefined) return;
    this.#asked.delete(nonce);
    if (this.#registry.revision !== facts_revision)
      throw this.#refused(`the service is at revision ${facts_revision}, and ${this.#registry.revision} is known`);
    if (this.#shared !== null) this.#known = { feed: this.#shared.feed, revision: facts_revision };
    this.#fresh.renew(asked);
  }

  #ready({ facts_revision, caller, facts, policy, start = "", shared }: ReadyEvent): void {
    // What was followed before may be of a store that is no more.
    if (this.#filling === null && start !== this.#start) throw this.#refused("the service has started anew");
    if (this.#filling !== null && facts !== this.#filling.facts)
      throw this.#refused(`of ${String(facts)} facts ${this.#filling.facts} have come`);
    const registry = this.#filling?.registry ?? this.#registry;
    if (registry.revision !== facts_revision)
      throw this.#refused(`the service is at revision ${facts_revision}, and ${registry.revision} is known`);
    if (caller === undefined) throw this.#refused("it does not say who we are");
    const { feed = null, revision = 0 } = this.#known ?? {};
    if (shared !== undefined && shared.feed === feed && facts_revision < revision)
      throw this.#refused(`the node is at revision ${facts_revision}, and another was at ${revision}`);
    for (const ids of Object.values(registry.ids)) ids.settle();
    const replaced = this.#filling !== null;
    if (replaced) {
      this.#registry = registry;
      this.#filling = null;
    }
    this.#start = start;
    this.#told(policy);
    this.#caller = callerOf(caller);
    this.#live = true;
    this.#shared = shared ?? null;
    this.#known = shared === undefined ? null : { feed: shared.feed, revision: facts_revision };
    this.#asked.clear();
    this.#fresh.renew(shared === undefined ? undefined : this.#opened);
    this.#askForEcho();
    if (replaced) this.heard.others(facts_revision);
    this.heard.hears(facts_revision);
    this.#events.live(facts_revision);
  }

  #silent(): void {
    // Half of a snapshot is none. And what was held may have gone with the service that held it.
    if (this.#filling !== null || this.#holds) this.#connection.forget();
    this.#filling = null;
    this.#holds = false;
    this.heard.hearsNothing();
    if (!this.#live) return;
    this.#live = false;
    this.#events.silent();
  }

  #refused(detail: string): Error {
    this.#connection.forget();
    this.#filling = null;
    this.#holds = true;
    this.#events.refused(detail);
    return new Error(detail);
  }
}

/** Lets a key hold this, until it does durably. */
function holding(value: Json): (durable: Json) => Json {
  const text = canonical(value);
  return (durable) => (canonical(durable) === text ? durable : value);
}

function callerOf({ id, agents, purposes, token }: NonNullable<ReadyEvent["caller"]>): Caller & Rights {
  return {
    id,
    scopes: new Set<Scope>(["remit:decide"]),
    token: { jti: token.jti, issued_ms: null, expires_ms: token.expires_ms },
    agents: agents === null ? null : new Set(agents),
    purposes: purposes === null ? null : new Set(purposes),
  };
}

/** For which agents and purposes somebody may ask; null: any. */
export interface Rights {
  agents: ReadonlySet<string> | null;
  purposes: ReadonlySet<string> | null;
}

function revisionIn(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError("it is no revision");
  return value as number;
}
