/** Bundles of a simulated node: what it decides by, and the archives that the nodes share. Verifying takes a while; there is no policy in them. */
import type * as feeds from "../../../src/service/feed_bundles.js";
import { BundleError } from "../../../src/bundle/errors.js";
import type { PolicyIdentity } from "../../../src/contract/index.js";
import type { StoredObject } from "../../../src/store/nats_objects.js";
import { StoreUnavailable } from "../../../src/store/store.js";
import type { Logger } from "../../../src/system/logger.js";
import type { Wire } from "./store.js";

export const BUNDLE = "b";
export const BEHIND_MS = 3000;
const VERIFIED_MS = 60;
const OBJECT_MS = 400;

export const digestOf = (sequence: number): string => `sha256:${String(sequence).padStart(64, "0")}`;
export const identityOf = (sequence: number): PolicyIdentity => ({ bundle: BUNDLE, revision: "r", sequence, digest: digestOf(sequence) });

const silent = new Proxy({}, { get: () => () => undefined }) as unknown as Logger;

/** Archives in the servers, the newest last. */
export type SharedArchives = Map<string, Uint8Array>;

/** What a node decides by. */
export class SimulatedBundles {
  readonly feed: feeds.FeedBundles;
  /** Identity by which it decides. */
  active: PolicyIdentity;
  readonly parts: feeds.FeedBundlesParts;
  readonly #wire: Wire;

  constructor(
    Feed: typeof feeds.FeedBundles,
    opening: ConstructorParameters<typeof feeds.FeedBundles>[1],
    wire: Wire & ConstructorParameters<typeof feeds.FeedBundles>[2] & { below: (n: number) => number },
    archives: SharedArchives,
    sequence: number,
  ) {
    this.#wire = wire;
    this.active = identityOf(sequence);
    this.feed = new Feed({ name: BUNDLE, behind_ms_max: BEHIND_MS }, opening, wire, silent);
    const verified = (bytes: Uint8Array): Promise<PolicyIdentity> =>
      new Promise((resolve) => {
        wire.timers.after(wire.below(VERIFIED_MS), () => {
          resolve(identityOf(bytes[0] ?? 0));
        });
      });
    const policyOf = (identity: PolicyIdentity): never => ({ identity }) as never;
    this.parts = {
      source: {
        pull: async (bytes) => {
          const identity = await verified(bytes);
          await this.feed.permits(identity);
          if (identity.sequence < this.active.sequence) throw new BundleError("bundle_older");
          if (identity.digest === this.active.digest) return identity;
          this.active = identity;
          this.feed.activated();
          return identity;
        },
        prove: verified,
        stage: () => Promise.reject(new Error("nothing is staged here")),
      },
      kept: { find: () => Promise.resolve(null) },
      engine: Object.defineProperty({ active: null }, "active", { get: () => policyOf(this.active) }),
      objects: {
        put: (name, bytes) => this.#asked(() => void archives.set(name, bytes)),
        get: (name) => this.#asked(() => archives.get(name) ?? null),
        list: () => this.#asked(() => [...archives.keys()].reverse().map((name) => ({ name }) as StoredObject)),
        remove: (name) => this.#asked(() => void archives.delete(name)),
      },
    };
  }

  #asked<T>(act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#wire.timers.after(OBJECT_MS, () => {
        reject(new StoreUnavailable("no server has answered"));
      });
      this.#wire.send(() => {
        const found = act();
        this.#wire.answer(() => {
          resolve(found);
        });
      });
    });
  }
}
