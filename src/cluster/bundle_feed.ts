/**
 * Activation of bundles by the feed of a cluster: a node fetches what the feed names, verifies it as any publication, and activates it.
 * Neither the feed nor the servers are believed. A node that can't have the named bundle goes on with the one that it has, for a bounded
 * time and within the lease that it held when it read of it; after that it allows nothing.
 */
import type { BundleActivation, NamedBundle, PolicyIdentity } from "../contract/index.js";
import type { Clock, Timers } from "../system/index.js";
import { Pursuit, type Failure } from "./pursuit.js";

export interface BundleFeedDeps {
  system: { clock: Pick<Clock, "monotonic">; timers: Pick<Timers, "after"> };
  /** Milliseconds for which a node may go on without the named bundle. */
  behind_ms_max: number;
  running: () => PolicyIdentity | null;
  /** Returns true while this node may allow by its lease. */
  holdsLease: () => boolean;
  /** Returns the archive of a digest. @throws BundleUnreachable, or what the store throws */
  fetch: (digest: string) => Promise<Uint8Array>;
  /** Verifies a bundle and activates it, unless it isn't the named one. */
  activate: (bytes: Uint8Array) => Promise<unknown>;
  events: BundleFeedEvents;
}

export interface BundleFeedEvents {
  /** Reports why the named bundle isn't available, once per reason. */
  failing(why: Failure, named: BundleActivation): void;
  /** Reports that this node decides by what a change named, or by a later one. */
  done(revision: number): void;
}

export const BUNDLE_UNREACHABLE = "bundle_unreachable";

interface NamedChange extends BundleActivation {
  facts_revision: number;
}

export class BundleFeed {
  readonly #deps: BundleFeedDeps;
  readonly #pursuit: Pursuit<NamedChange>;
  #named: NamedChange | null = null;
  /** Since when this node has been without what the feed names, and whether it may allow meanwhile. */
  #behind: { since: number; mayAllow: boolean } | null = null;
  /** Revisions of changes that this node hasn't carried out. */
  readonly #due = new Set<number>();

  constructor(deps: BundleFeedDeps) {
    this.#deps = deps;
    this.#pursuit = new Pursuit({
      timers: deps.system.timers,
      wanted: () => (this.#behind === null ? null : this.#named),
      isMet: () => this.#decidesByNamed,
      attempt: async ({ digest }) => {
        await deps.activate(await deps.fetch(digest));
      },
      met: () => {
        this.#settle();
      },
      failing: (why, named) => {
        deps.events.failing(why, named);
      },
      unreachable: BUNDLE_UNREACHABLE,
    });
  }

  /** Takes what a change of the feed names, in the order of the feed. */
  take(named: BundleActivation, revision: number): void {
    if (this.#named !== null && revision <= this.#named.facts_revision) return;
    this.#named = { ...named, facts_revision: revision };
    this.#due.add(revision);
    if (this.#decidesByNamed) this.#settle();
    else this.#behind ??= { since: this.#deps.system.clock.monotonic(), mayAllow: this.#deps.holdsLease() };
    this.#pursuit.changed();
  }

  /** Looks again: another bundle may have become active. */
  look(): void {
    this.#pursuit.look();
  }

  /** Resolves when the named bundle decides, or an attempt has failed. */
  attempted(): Promise<void> {
    return this.#pursuit.attempted();
  }

  /** Takes that a lease has begun: under a new one nothing is decided by what was before the named bundle. */
  leaseBegan(): void {
    if (this.#behind !== null) this.#behind.mayAllow = false;
  }

  /** Digest of the named bundle; null: none is named, and any good one may be activated. */
  get digest(): string | null {
    return this.#named?.digest ?? null;
  }

  /** Returns true while what the change of this revision names isn't carried out here. */
  isPending(revision: number): boolean {
    return this.#due.has(revision);
  }

  /** True if nothing may be allowed here, since the named bundle is missing for too long or from the start. */
  get isBehind(): boolean {
    if (this.#behind === null || this.#named === null) return false;
    const running = this.#deps.running();
    // Trust only moves forward, and a feed that names an earlier bundle takes nobody back.
    if (running !== null && (running.digest === this.#named.digest || running.sequence > this.#named.sequence)) return false;
    return !this.#behind.mayAllow || this.#deps.system.clock.monotonic() - this.#behind.since > this.#deps.behind_ms_max;
  }

  /** Named bundle, and how it stands on this node; null if none was named yet. */
  get status(): Omit<NamedBundle, "waiting_for" | "staged"> | null {
    if (this.#named === null) return null;
    const { id, digest, sequence, revision, since, by, reason, facts_revision } = this.#named;
    const behind_ms = this.#behind === null ? null : Math.round(this.#deps.system.clock.monotonic() - this.#behind.since);
    return { ...{ id, digest, sequence, revision, since, by, reason, facts_revision, behind_ms }, failing: this.#pursuit.failing };
  }

  close(): void {
    this.#pursuit.close();
  }

  get #decidesByNamed(): boolean {
    return this.#named !== null && this.#deps.running()?.digest === this.#named.digest;
  }

  #settle(): void {
    this.#behind = null;
    const due = [...this.#due];
    this.#due.clear();
    for (const revision of due) this.#deps.events.done(revision);
  }
}
