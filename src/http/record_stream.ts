/**
 * Pushes records to whoever follows them. Each follower goes through the index at its own pace, and waits in no queue: the next
 * records are fetched when those before have been taken.
 */
import type { ServerResponse } from "node:http";
import type { Following, RecordSearch, MatchedPage } from "../records/search.js";
import {
  type FollowingEvent,
  type RecordEventName,
  type RecordFilter,
  type RevocationState,
  type RewoundEvent,
  type StreamEnd,
} from "../contract/index.js";
import type { Clock, Timers } from "../system/index.js";
import { FleetStream, type FleetSubscription } from "./fleet_stream.js";
import { Followers, FollowedStream, eventText, type StreamFollower } from "./stream_followers.js";

export interface RecordStreamLimits {
  followers_max: number;
  heartbeat_ms: number;
}

export interface RecordStreamsDeps {
  search: Pick<RecordSearch, "durable" | "follow" | "hurry">;
  system: { clock: Clock; timers: Timers };
  limits: RecordStreamLimits;
  /** Called for each stream that the service ends, with its caller. */
  ended: (why: StreamEnd, caller: string) => void;
}

export interface RecordSubscription {
  filter: RecordFilter;
  /** The record to go on after; null: now. */
  after: number | null;
  caller: StreamFollower;
  /** @throws Problem once the token is no longer taken */
  authenticate: () => Promise<unknown>;
}

export class RecordStreams {
  readonly #deps: RecordStreamsDeps;
  readonly #followers: Followers<FollowedStream>;

  constructor(deps: RecordStreamsDeps) {
    this.#deps = deps;
    this.#followers = new Followers(deps.limits.followers_max, deps.ended);
  }

  /** Followers now. */
  get size(): number {
    return this.#followers.size;
  }

  /** @throws Problem `subscribers_full`, `shutting_down` */
  open(response: ServerResponse, subscription: RecordSubscription): () => void {
    return this.#followers.open(
      subscription.caller,
      (retry_ms, left) => new RecordStream(response, subscription, this.#deps, retry_ms, left),
    );
  }

  /** Follows the records of all nodes of a cluster. @throws Problem `subscribers_full`, `shutting_down` */
  openFleet(response: ServerResponse, subscription: FleetSubscription): () => void {
    const { system, limits } = this.#deps;
    return this.#followers.open(
      subscription.caller,
      (retry_ms, left) => new FleetStream(response, subscription, { system, ...limits }, retry_ms, left),
    );
  }

  /** Ends followers like `Followers.revoked`. */
  revoked(revocation: Pick<RevocationState, "scope" | "of">): void {
    this.#followers.revoked(revocation);
  }

  /** Ends every stream, and takes no other. */
  close(): void {
    this.#followers.close();
  }
}

class RecordStream extends FollowedStream {
  readonly #subscription: RecordSubscription;
  readonly #search: RecordStreamsDeps["search"];
  #following: Following | null = null;
  #after = 0;

  constructor(
    response: ServerResponse,
    subscription: RecordSubscription,
    { search, system, limits: { heartbeat_ms } }: RecordStreamsDeps,
    retry_ms: number,
    left: (why: StreamEnd | null) => void,
  ) {
    super(response, { heartbeat_ms, retry_ms, system, ...subscription }, left);
    this.#subscription = subscription;
    this.#search = search;
  }

  protected start(): void {
    const { filter } = this.#subscription;
    const { durable } = this.#search;
    const asked = this.#subscription.after ?? durable;
    const after = Math.min(asked, durable);
    this.#after = after;
    if (asked > after) this.#tellPlace("reset", { after } satisfies RewoundEvent);
    this.#tellPlace("ready", { after, heartbeat_ms: this.heartbeat_ms } satisfies FollowingEvent);
    this.#following = this.#search.follow(filter, after, (told) => {
      this.#take(told);
    });
    this.#search.hurry();
  }

  protected goOn(): void {
    this.#following?.goOn();
  }

  protected cease(): void {
    this.#after = this.#following?.after ?? this.#after;
    this.#following?.stop();
    this.#following = null;
  }

  protected get reached(): string {
    return String(this.#following?.after ?? this.#after);
  }

  #take({ items, seqs }: MatchedPage): void {
    if (this.over || items.length === 0) return;
    const last = seqs.at(-1);
    this.write(items.map((json, i) => eventText("record" satisfies RecordEventName, json, seqs[i] ?? null)).join(""));
    if (last !== undefined) this.told(String(last));
    if (!this.blocked) this.goOn();
  }

  #tellPlace(event: RecordEventName, data: object): void {
    this.tell(event, data, String(this.#after));
  }
}
