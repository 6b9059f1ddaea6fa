/** A node of a cluster whose feed names bundles, with an object store in memory. */
import { BundleArchives } from "../../src/cluster/bundle_archives.js";
import { BundleFeed } from "../../src/cluster/bundle_feed.js";
import { StageFeed, type NodeStage } from "../../src/cluster/stage_feed.js";
import type { BundleActivation, PolicyIdentity, StagedActivation } from "../../src/contract/index.js";

export const BEHIND_MS = 1000;
export const digestOf = (sequence: number): string => `sha256:${String(sequence).padStart(64, "0")}`;
export const identity = (sequence: number): PolicyIdentity => ({ bundle: "b", revision: "r", sequence, digest: digestOf(sequence) });
export const named = (sequence: number, digest = digestOf(sequence)): BundleActivation => ({
  ...{ id: "b", digest, sequence, revision: "r", since: "2026-01-01T00:00:00.000Z", by: "ops", reason: null },
});
/** The first bundle named, and another staged beside it. */
export const staged = (sequence: number, share = 10, digest = digestOf(sequence)): BundleActivation & { staged: StagedActivation } => ({
  ...named(1),
  staged: { digest, sequence, revision: "r", share, since: "2026-01-02T00:00:00.000Z", by: "ops", reason: null },
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
  stage: NodeStage | null = null;
  readonly stageDone: number[] = [];
  readonly stageFailing: string[] = [];
  readonly archives: BundleArchives;
  readonly feed: BundleFeed;
  readonly stages: StageFeed;

  constructor({ Feed = BundleFeed, Archives = BundleArchives, Stages = StageFeed } = {}) {
    this.archives = new Archives([
      (digest) => {
        this.fetched++;
        const sequence = this.stored.get(digest);
        return Promise.resolve(sequence === undefined ? null : Buffer.from([sequence]));
      },
    ]);
    const fetch = (digest: string): Promise<Uint8Array> => this.archives.find(digest);
    const timers = {
      after: (ms: number, call: () => void) => {
        const timer = { at: this.now + ms, call };
        this.timers.push(timer);
        return () => (this.timers = this.timers.filter((one) => one !== timer));
      },
    };
    this.stages = new Stages({
      ...{ timers, fetch, running: () => this.running, staged: () => this.stage },
      begin: (bytes, { digest, share }) => {
        if (this.refuses !== null) return Promise.reject(new Refusal(this.refuses));
        const found = digestOf(bytes[0] ?? 0);
        if (found !== digest) return Promise.reject(new Refusal("bundle_not_named"));
        this.stage = { digest, share };
        return Promise.resolve();
      },
      end: () => {
        this.stage = null;
      },
      events: { failing: ({ code }) => this.stageFailing.push(code), done: (revision) => this.stageDone.push(revision) },
    });
    this.feed = new Feed({
      system: { clock: { monotonic: () => this.now }, timers },
      behind_ms_max: BEHIND_MS,
      running: () => this.running,
      holdsLease: () => this.holdsLease,
      fetch,
      activate: (bytes) => {
        if (this.refuses !== null) return Promise.reject(new Refusal(this.refuses));
        const next = identity(bytes[0] ?? 0);
        if (next.digest !== this.feed.digest) return Promise.reject(new Refusal("bundle_not_named"));
        this.activate(next);
        return Promise.resolve();
      },
      events: { failing: ({ code }) => this.failing.push(code), done: (revision) => this.done.push(revision) },
    });
  }

  /** Decides by another bundle from now on, which ends a stage. */
  activate(next: PolicyIdentity): void {
    this.running = next;
    this.stage = null;
    this.stages.look();
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
