/**
 * Pushes findings to whoever follows them, each as it is when it is told. A follower that is slow, or was away, waits in no
 * queue: it hears of each finding once, however often that has changed meanwhile.
 */
import type { ServerResponse } from "node:http";
import {
  type Finding,
  type FindingEventName,
  type FindingNews,
  type FindingsReady,
  type FindingsReset,
  type RevocationState,
  type StreamEnd,
} from "../contract/index.js";
import type { Findings, FindingsFilter, ReaderPlace } from "../findings/findings.js";
import type { Clock, Timers } from "../system/index.js";
import { placeText } from "./finding_places.js";
import { FleetStream, type FleetSubscription } from "./fleet_stream.js";
import { Followers, FollowedStream, eventText, type StreamFollower } from "./stream_followers.js";

export interface FindingStreamsDeps {
  findings: Pick<Findings, "news" | "now" | "listen">;
  system: { clock: Clock; timers: Timers };
  limits: { followers_max: number; heartbeat_ms: number };
  /** Called for each stream that the service ends, with its caller. */
  ended: (why: StreamEnd, caller: string) => void;
}

export interface FindingSubscription {
  filter: FindingsFilter;
  /** Returns true if this follower may receive the finding. */
  sees: (finding: Finding) => boolean;
  /** Place to go on from; null: now. */
  after: ReaderPlace | null;
  caller: StreamFollower;
  /** @throws Problem once the token is no longer taken */
  authenticate: () => Promise<unknown>;
}

/** Findings told at once. */
const AT_ONCE = 100;
/** Milliseconds for which news gathers: a burst of one finding is one event. */
const GATHER_MS = 100;

export class FindingStreams {
  readonly #deps: FindingStreamsDeps;
  readonly #followers: Followers<FollowedStream>;
  readonly #unlisten: () => void;
  #planned = false;

  constructor(deps: FindingStreamsDeps) {
    this.#deps = deps;
    this.#followers = new Followers(deps.limits.followers_max, deps.ended);
    this.#unlisten = deps.findings.listen(() => {
      this.#plan();
    });
  }

  /** Followers now. */
  get size(): number {
    return this.#followers.size;
  }

  /** @throws Problem `subscribers_full`, `shutting_down` */
  open(response: ServerResponse, subscription: FindingSubscription): () => void {
    return this.#followers.open(
      subscription.caller,
      (retry_ms, left) => new FindingStream(response, subscription, this.#deps, retry_ms, left),
    );
  }

  /** Follows the findings of all nodes of a cluster. @throws Problem `subscribers_full`, `shutting_down` */
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
    this.#unlisten();
    this.#followers.close();
  }

  #plan(): void {
    if (this.#planned || this.size === 0) return;
    this.#planned = true;
    this.#deps.system.timers.after(GATHER_MS, () => {
      this.#planned = false;
      for (const stream of this.#followers) if (stream instanceof FindingStream) stream.look();
    });
  }
}

class FindingStream extends FollowedStream {
  readonly #subscription: FindingSubscription;
  readonly #findings: FindingStreamsDeps["findings"];
  #after: ReaderPlace = { seq: 0, revision: 0 };
  #begun = false;

  constructor(
    response: ServerResponse,
    subscription: FindingSubscription,
    { findings, system, limits: { heartbeat_ms } }: FindingStreamsDeps,
    retry_ms: number,
    left: (why: StreamEnd | null) => void,
  ) {
    super(response, { heartbeat_ms, retry_ms, system, ...subscription }, left);
    this.#subscription = subscription;
    this.#findings = findings;
  }

  /** There may be news. */
  look(): void {
    while (this.#begun && !this.over && !this.blocked) {
      const { filter, sees } = this.#subscription;
      const { news, to } = this.#findings.news(this.#after, AT_ONCE, filter);
      const isAll = to.seq === this.#after.seq && to.revision === this.#after.revision;
      this.#after = to;
      const told = news.filter(({ finding }) => sees(finding));
      const texts = told.map(({ change, finding }, i) => {
        const data = JSON.stringify({ change, finding } satisfies FindingNews);
        // Up to where it was told holds with the last of them.
        return eventText("finding" satisfies FindingEventName, data, i === told.length - 1 ? placeText(to) : null);
      });
      if (texts.length > 0) {
        this.write(texts.join(""));
        this.told(placeText(to));
      }
      if (isAll) return;
    }
  }

  protected start(): void {
    const { now } = this.#findings;
    const asked = this.#subscription.after ?? now;
    const isOurs = asked.seq <= now.seq && asked.revision <= now.revision;
    this.#after = isOurs ? asked : now;
    const after = placeText(this.#after);
    if (!isOurs) this.tell("reset" satisfies FindingEventName, { after } satisfies FindingsReset, after);
    const ready: FindingsReady = { after, heartbeat_ms: this.heartbeat_ms };
    this.tell("ready" satisfies FindingEventName, ready, after);
    this.#begun = true;
    this.look();
  }

  protected goOn(): void {
    this.look();
  }

  protected cease(): void {
    this.#begun = false;
  }

  protected get reached(): string {
    return placeText(this.#after);
  }
}
