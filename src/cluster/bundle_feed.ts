/**
 * Activation of bundles by the feed of a cluster: a node fetches what the feed names, verifies it as any publication, and activates it.
 * Neither the feed nor the servers are believed. A node that can't have the named bundle goes on with the one that it has, for a bounded
 * time and within the lease that it held when it read of it; after that it allows nothing.
 */
import type { BundleActivation, NamedBundle, PolicyIdentity } from "../contract/index.js";
import type { Clock, Timers } from "../system/index.js";
import { backOffMs } from "../system/attempts.js";

/** Why a node can't have the bundle that the feed names. */
export type NamedBundleFailing = NonNullable<NamedBundle["failing"]>;

export interface BundleFeedDeps {
  system: { clock: Pick<Clock, "monotonic">; timers: Pick<Timers, "after"> };
  /** Milliseconds for which a node may go on without the named bundle. */
  behind_ms_max: number;
  running: () => PolicyIdentity | null;
  /** Returns true while this node may allow by its lease. */
  holdsLease: () => boolean;
  /** Returns an archive that may be the one of this digest; null if nobody has one. */
  fetch: (digest: string) => Promise<Uint8Array | null>;
  /** Verifies a bundle and activates it, unless it isn't the named one. */
  activate: (bytes: Uint8Array) => Promise<unknown>;
  events: BundleFeedEvents;
}

export interface BundleFeedEvents {
  /** Reports why the named bundle isn't available, once per reason. */
  failing(why: NamedBundleFailing, named: BundleActivation): void;
  /** Reports that this node decides by what a change named, or by a later one. */
  done(revision: number): void;
}

const RETRY = { retry_ms: 250, retry_max_ms: 30_000 };
const DIGEST = /^sha256:[0-9a-f]{64}$/;
export const BUNDLE_UNREACHABLE = "bundle_unreachable";

interface NamedChange extends BundleActivation {
  facts_revision: number;
}

export class BundleFeed {
  readonly #deps: BundleFeedDeps;
  #named: NamedChange | null = null;
  /** Since when this node has been without what the feed names, and whether it may allow meanwhile. */
  #behind: { since: number; mayAllow: boolean } | null = null;
  /** Revisions of changes that this node hasn't carried out. */
  readonly #due = new Set<number>();
  #failing: NamedBundleFailing | null = null;
  /** Archive that was published here, which needn't be fetched. */
  #given: { digest: string; bytes: Uint8Array } | null = null;
  #trying: Promise<void> | null = null;
  #tried: (() => void)[] = [];
  #wake: () => void = () => undefined;
  #closed = false;

  constructor(deps: BundleFeedDeps) {
    this.#deps = deps;
  }

  /** Takes what a change of the feed names, in the order of the feed. */
  take(named: BundleActivation, revision: number): void {
    if (this.#named !== null && revision <= this.#named.facts_revision) return;
    this.#named = { ...named, facts_revision: revision };
    this.#failing = null;
    this.#due.add(revision);
    if (this.#decidesByNamed) {
      this.#settle();
      return;
    }
    this.#behind ??= { since: this.#deps.system.clock.monotonic(), mayAllow: this.#deps.holdsLease() };
    this.look();
  }

  /** Keeps an archive that was published here, so that it needn't be fetched. */
  give(digest: string, bytes: Uint8Array): void {
    this.#given = { digest, bytes };
  }

  /** Looks again: another bundle may have become active. */
  look(): void {
    this.#wake();
    this.#trying ??= this.#try().finally(() => {
      this.#trying = null;
      // What was named in the turn in which it ended.
      if (this.#behind !== null && !this.#closed) this.look();
    });
  }

  /** Resolves when the named bundle decides, or an attempt has failed. */
  async attempted(): Promise<void> {
    if (this.#behind === null || this.#failing !== null) return;
    await new Promise<void>((resolve) => this.#tried.push(resolve));
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
  get status(): Omit<NamedBundle, "waiting_for"> | null {
    if (this.#named === null) return null;
    const { since = null } = this.#behind ?? {};
    const behind_ms = since === null ? null : Math.round(this.#deps.system.clock.monotonic() - since);
    return { ...this.#named, behind_ms, failing: this.#failing };
  }

  close(): void {
    this.#closed = true;
    this.#wake();
    this.#answerAttempted();
  }

  get #decidesByNamed(): boolean {
    return this.#named !== null && this.#deps.running()?.digest === this.#named.digest;
  }

  async #try(): Promise<void> {
    let failures = 0;
    for (let named = this.#named; named !== null && !this.#closed; named = this.#named) {
      if (this.#decidesByNamed) {
        this.#settle();
        return;
      }
      const failing = await this.#attempt(named);
      if (this.#named !== named) {
        failures = 0;
        continue;
      }
      if (failing === null) continue;
      if (failing.code !== this.#failing?.code) this.#deps.events.failing(failing, named);
      this.#failing = failing;
      this.#answerAttempted();
      await this.#pause(backOffMs(RETRY, ++failures));
    }
  }

  async #attempt({ digest }: BundleActivation): Promise<NamedBundleFailing | null> {
    try {
      const bytes = !DIGEST.test(digest) ? null : this.#given?.digest === digest ? this.#given.bytes : await this.#deps.fetch(digest);
      if (bytes === null) return { code: BUNDLE_UNREACHABLE, message: `no archive of ${digest} is in the cluster's object store` };
      await this.#deps.activate(bytes);
      return this.#decidesByNamed || this.#named?.digest !== digest ? null : { code: "internal", message: "another bundle is active" };
    } catch (cause) {
      const { code } = cause as { code?: unknown };
      return {
        code: typeof code === "string" ? code : BUNDLE_UNREACHABLE,
        message: cause instanceof Error ? cause.message : String(cause),
      };
    }
  }

  #settle(): void {
    this.#behind = null;
    this.#failing = null;
    this.#given = null;
    const due = [...this.#due];
    this.#due.clear();
    for (const revision of due) this.#deps.events.done(revision);
    this.#answerAttempted();
  }

  #answerAttempted(): void {
    for (const resolve of this.#tried.splice(0)) resolve();
  }

  async #pause(ms: number): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.system.timers.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}
