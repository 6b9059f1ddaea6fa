/** A node of a cluster whose feed names bundles, with an object store in memory. */
import { BundleFeed } from "../../src/cluster/bundle_feed.js";
import type { BundleActivation, PolicyIdentity } from "../../src/contract/index.js";

export const BEHIND_MS = 1000;
export const digestOf = (sequence: number): string => `sha256:${String(sequence).padStart(64, "0")}`;
export const identity = (sequence: number): PolicyIdentity => ({ bundle: "b", revision: "r", sequence, digest: digestOf(sequence) });
export const named = (sequence: number, digest = digestOf(sequence)): BundleActivation => ({
  ...{ id: "b", digest, sequence, revision: "r", since: "2026-01-01T00:00:00.000Z", by: "ops", reason: null },
});
/** Lets everything that waits for no time go on. */
export const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A refusal with a code, as bundles have it. */
class Refusal extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

/** A node with what it runs, what can be fetched, and what its feed of bundles has told. */
export class BundleNode {
  now = 0;
  running: PolicyIdentity | null = identity(1);
  holdsLease = true;
  /** Sequences of archives that lie in the object store, by what they are named. */
  readonly stored = new Map<string, number>();
  refuses: string | null = null;
  readonly done: number[] = [];
  readonly failing: string[] = [];
  fetched = 0;
  timers: { at: number; call: () => void }[] = [];
  readonly feed: BundleFeed;

  constructor(Class = BundleFeed) {
    this.feed = new Class({
      system: {
        clock: { monotonic: () => this.now },
        timers: {
          after: (ms, call) => {
            const timer = { at: this.now + ms, call };
            this.timers.push(timer);
            return () => (this.timers = this.timers.filter((one) => one !== timer));
          },
        },
      },
      behind_ms_max: BEHIND_MS,
      running: () => this.running,
      holdsLease: () => this.holdsLease,
      fetch: (digest) => {
        this.fetched++;
        const sequence = this.stored.get(digest);
        return Promise.resolve(sequence === undefined ? null : Buffer.from([sequence]));
      },
      activate: (bytes) => {
        if (this.refuses !== null) return Promise.reject(new Refusal(this.refuses));
        const next = identity(bytes[0] ?? 0);
        if (next.digest !== this.feed.digest) return Promise.reject(new Refusal("bundle_not_named"));
        this.running = next;
        return Promise.resolve();
      },
      events: { failing: ({ code }) => this.failing.push(code), done: (revision) => this.done.push(revision) },
    });
  }

  store(sequence: number, as = digestOf(sequence)): void {
    this.stored.set(as, sequence);
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    const due = this.timers.filter(({ at }) => at <= this.now);
    this.timers = this.timers.filter(({ at }) => at > this.now);
    for (const { call } of due) call();
    await turns();
  }
}
