/**
 * A stream of what comes on all nodes of a cluster. Each node is asked for what comes after the place up to which it was read; a node that
 * doesn't answer is named, and gone on with from that place once it answers again.
 */
import type { ServerResponse } from "node:http";
import type { FindingEventName, FindingNews, FollowedNodes, RecordEventName, StreamEnd } from "../contract/index.js";
import type { FindingsFilter } from "../findings/findings.js";
import type { Sight } from "../facts/reach.js";
import type { Clock, Timers } from "../system/index.js";
import type { AskedNodes } from "./asked_nodes.js";
import { FollowedStream, eventText, type StreamFollower } from "./stream_followers.js";
import { FOLLOW, type StreamPart, type StreamQuestion } from "./stream_questions.js";

/** Place up to which each node was read, by its name. */
export type NodePlaces = Readonly<Record<string, string>>;

const MARK = "m";
const PLACE = /^\d{1,15}(?:-\d{1,15})?$/;

/** Text of an event's id. */
export const nodePlacesText = (places: NodePlaces): string => MARK + Buffer.from(JSON.stringify(places)).toString("base64url");

/** Pattern of `nodePlacesText`. */
export const NODE_PLACES = `^${MARK}[A-Za-z0-9_-]{1,8192}$`;

/** Null for what is no text of places. */
export function readNodePlaces(text: string): NodePlaces | null {
  if (!new RegExp(NODE_PLACES).test(text)) return null;
  try {
    const value = JSON.parse(Buffer.from(text.slice(MARK.length), "base64url").toString("utf8")) as unknown;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    return Object.values(value).every((place) => typeof place === "string" && PLACE.test(place)) ? (value as NodePlaces) : null;
  } catch {
    return null;
  }
}

/** Nodes that are followed, and how this one is asked. */
export interface FollowedFleet {
  nodes: AskedNodes;
  /** Answers what stands behind `FOLLOW`. */
  own: (question: string) => Promise<string>;
  /** Returns news of findings that nodes have parts of as news of each whole that a filter asks for. */
  wholeNews: (news: readonly FindingNews[], filter: FindingsFilter) => Promise<FindingNews[]>;
}

export interface FleetSubscription {
  fleet: FollowedFleet;
  /** Findings that are followed; null: records are. */
  findings: FindingsFilter | null;
  /** Path and query, without where it begins. */
  url: string;
  sight: Sight;
  /** Place to go on from; null: now. */
  after: NodePlaces | null;
  caller: StreamFollower;
  /** @throws Problem once the token is no longer taken */
  authenticate: () => Promise<unknown>;
}

/** Milliseconds until a node that hasn't answered is asked again, and until a node that is new is noticed. */
const AGAIN_MS = 1000;

export class FleetStream extends FollowedStream {
  readonly #subscription: FleetSubscription;
  readonly #timers: Timers;
  readonly #clock: Clock;
  /** When the stream began, milliseconds since the epoch: a node that is noticed later is read from then on. Null before. */
  #since: number | null = null;
  readonly #places = new Map<string, string>();
  readonly #followed = new Set<string>();
  readonly #missing = new Set<string>();
  /** `#missing` as the client was told of it last. */
  #toldMissing = "[]";
  #begun = false;
  #cancels: (() => void)[] = [];
  /** Called when the client has read, or the stream is over. */
  #wakes = new Set<() => void>();

  constructor(
    response: ServerResponse,
    subscription: FleetSubscription,
    { system, heartbeat_ms }: { system: { clock: Clock; timers: Timers }; heartbeat_ms: number },
    retry_ms: number,
    left: (why: StreamEnd | null) => void,
  ) {
    super(response, { heartbeat_ms, retry_ms, system, ...subscription }, left);
    this.#subscription = subscription;
    this.#timers = system.timers;
    this.#clock = system.clock;
  }

  protected start(): void {
    for (const [node, place] of Object.entries(this.#subscription.after ?? {})) this.#places.set(node, place);
    void this.#begin();
  }

  protected goOn(): void {
    this.#wake();
  }

  protected cease(): void {
    this.#begun = false;
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
    this.#wake();
  }

  protected get reached(): string {
    return this.#begun ? this.#text : "";
  }

  get #event(): RecordEventName | FindingEventName {
    return this.#subscription.findings === null ? "record" : "finding";
  }

  get #text(): string {
    return nodePlacesText(Object.fromEntries(this.#places));
  }

  /** Place as `ready` and `reset` have it: of records this node's own. */
  get #after(): string | number {
    const { findings, fleet } = this.#subscription;
    return findings === null ? Number(this.#places.get(fleet.nodes.name) ?? 0) : this.#text;
  }

  /** Finds out where each node is now, and begins there. */
  async #begin(): Promise<void> {
    const { live } = this.#subscription.fleet.nodes;
    const since = this.#clock.wall();
    const unplaced = live.filter((node) => !this.#places.has(node));
    await Promise.all(
      unplaced.map(async (node) => {
        this.#take(node, await this.#ask(node, null));
      }),
    );
    if (this.over) return;
    const { heartbeat_ms } = this;
    this.tell("ready", { after: this.#after, heartbeat_ms }, this.#text);
    this.#begun = true;
    this.#since = since;
    const { silent } = this.#subscription.fleet.nodes;
    for (const node of [...silent, ...this.#places.keys()]) if (!live.includes(node)) this.#missing.add(node);
    this.#tellMissing();
    this.#look();
    this.#cancels.push(
      this.#timers.every(AGAIN_MS, () => {
        this.#look();
      }),
    );
  }

  /** Follows nodes that are new. */
  #look(): void {
    for (const node of this.#subscription.fleet.nodes.live)
      if (!this.#followed.has(node)) {
        this.#followed.add(node);
        void this.#follow(node);
      }
  }

  async #follow(node: string): Promise<void> {
    while (!this.over) {
      const part = await this.#ask(node, this.#places.get(node) ?? null);
      this.#take(node, part);
      this.#tellMissing();
      if (part === null) await this.#pause(AGAIN_MS);
      else await this.#drained();
      // One that isn't live any more is followed again once it is.
      if (part === null && !this.#subscription.fleet.nodes.live.includes(node)) break;
    }
    this.#followed.delete(node);
  }

  /** Resolves once the client has read what was sent, or the stream is over. */
  async #drained(): Promise<void> {
    while (this.blocked && !this.over) await this.#pause(null);
  }

  /** Takes a node's answer; null: it has given none. */
  #take(node: string, part: StreamPart | null): void {
    if (this.over) return;
    if (part === null) {
      this.#missing.add(node);
      return;
    }
    this.#missing.delete(node);
    const { events, to, reset } = part;
    if (reset && this.#begun) {
      this.#places.set(node, to);
      this.tell("reset", { after: this.#after }, this.#text);
    }
    const texts = events.map(({ json, place }) => {
      if (place !== null) this.#places.set(node, place);
      return eventText(this.#event, json, place === null ? null : this.#text);
    });
    if (texts.length > 0) {
      this.write(texts.join(""));
      this.told(this.#text);
    }
    // What was looked at and isn't told of is behind it too: a heartbeat says so.
    this.#places.set(node, to);
  }

  #tellMissing(): void {
    const missing = [...this.#missing].sort();
    const text = JSON.stringify(missing);
    if (text === this.#toldMissing || this.over) return;
    this.#toldMissing = text;
    this.tell("nodes", { missing } satisfies FollowedNodes, null);
  }

  /** Returns null if the node doesn't answer. */
  async #ask(node: string, after: string | null): Promise<StreamPart | null> {
    const { findings, fleet, url, sight } = this.#subscription;
    const { nodes, own } = fleet;
    const sent = { agents: sight.agents && [...sight.agents], purposes: sight.purposes && [...sight.purposes] };
    const question = JSON.stringify({ url, after, since: this.#since, sight: sent } satisfies StreamQuestion);
    try {
      const text = node === nodes.name ? await own(question) : (await nodes.ask(FOLLOW + question, [node])).answers.get(node);
      const part = typeof text === "string" ? (JSON.parse(text) as StreamPart) : null;
      if (part === null || findings === null || part.events.length === 0) return part;
      const whole = await fleet.wholeNews(
        part.events.map(({ json }) => JSON.parse(json) as FindingNews),
        findings,
      );
      return { ...part, events: whole.map((news, i) => ({ json: JSON.stringify(news), place: i === whole.length - 1 ? part.to : null })) };
    } catch {
      // This node can't say now either: it is asked again.
      return null;
    }
  }

  /** @param ms null: until the client has read */
  #pause(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      let cancel = (): void => undefined;
      const wake = (): void => {
        cancel();
        this.#wakes.delete(wake);
        resolve();
      };
      this.#wakes.add(wake);
      if (ms !== null) cancel = this.#timers.after(ms, wake);
      if (this.over) wake();
    });
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }
}
