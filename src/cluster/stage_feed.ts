/**
 * Stages of bundles by the feed of a cluster: a node fetches what the feed has staged, verifies it as any publication, and tries it beside
 * the named bundle once it decides by that. A node that can't have it decides by the named one alone, and acknowledges nothing.
 */
import type { BundleActivation, PolicyIdentity, StagedActivation, StagedOnFleet } from "../contract/index.js";
import type { Timers } from "../system/index.js";
import { BUNDLE_UNREACHABLE } from "./bundle_feed.js";
import { Pursuit, type Failure } from "./pursuit.js";

/** Bundle that is staged on a node, and the percentage of the agents for which it decides there. */
export interface NodeStage {
  digest: string;
  share: number;
}

export interface StageFeedDeps {
  timers: Pick<Timers, "after">;
  running: () => PolicyIdentity | null;
  staged: () => NodeStage | null;
  /** Returns the archive of a digest. @throws BundleUnreachable, or what the store throws */
  fetch: (digest: string) => Promise<Uint8Array>;
  /** Verifies a bundle and begins its stage beside the running one, unless it isn't the wanted one. */
  begin: (bytes: Uint8Array, wanted: NodeStage) => Promise<void>;
  /** Ends the stage that there is. */
  end: () => void;
  events: {
    /** Reports why the staged bundle isn't available, once per reason. */
    failing(why: Failure, staged: StagedActivation): void;
    /** Reports that this node has carried out what a change says of a stage, or a later one. */
    done(revision: number): void;
  };
}

export class StageFeed {
  readonly #deps: StageFeedDeps;
  readonly #pursuit: Pursuit<StagedActivation>;
  #taken = 0;
  /** Digest of the bundle beside which it is staged. */
  #beside: string | null = null;
  #staged: StagedActivation | null = null;
  /** Stage that has ended here by itself, and isn't begun again. */
  #over: StagedActivation | null = null;
  /** Revisions of changes that this node hasn't carried out. */
  readonly #due = new Set<number>();

  constructor(deps: StageFeedDeps) {
    this.#deps = deps;
    this.#pursuit = new Pursuit({
      timers: deps.timers,
      // Once the named bundle decides: until then there is nothing beside which it could be tried.
      wanted: () => (this.#due.size === 0 || deps.running()?.digest !== this.#beside ? null : this.#staged),
      isMet: (staged) => this.#isOn(staged),
      attempt: async ({ digest, share }) => {
        await deps.begin(await deps.fetch(digest), { digest, share });
      },
      met: () => {
        this.#settle();
      },
      failing: (why, staged) => {
        deps.events.failing(why, staged);
      },
      unreachable: BUNDLE_UNREACHABLE,
    });
  }

  /** Takes what a change of the feed says, in the order of the feed. */
  take({ digest, ...named }: BundleActivation, revision: number): void {
    if (revision <= this.#taken) return;
    const staged = named.staged ?? null;
    this.#taken = revision;
    this.#beside = digest;
    this.#staged = staged;
    this.#over = null;
    this.#due.add(revision);
    if (staged === null) {
      // A stage beside an earlier bundle ends when the named one becomes active.
      if (this.#deps.running()?.digest === digest && this.#deps.staged() !== null) this.#deps.end();
      this.#settle();
    }
    this.#pursuit.changed();
  }

  /** Looks again: another bundle may have become active, which ends each stage. */
  look(): void {
    if (this.#staged !== null && !this.#isOn(this.#staged)) this.#due.add(this.#taken);
    this.#pursuit.look();
  }

  /** Takes that the stage has ended here by itself. */
  ended(digest: string): void {
    if (this.#staged?.digest !== digest) return;
    this.#over = this.#staged;
    this.#settle();
  }

  /** Resolves when the stage has begun, or an attempt has failed. */
  attempted(): Promise<void> {
    return this.#pursuit.attempted();
  }

  /** Returns true while what the change of this revision says isn't carried out here. */
  isPending(revision: number): boolean {
    return this.#due.has(revision);
  }

  /** Bundle that the feed has staged, and why this node can't have it; null if none is. */
  get status(): Omit<StagedOnFleet, "waiting_for"> | null {
    return this.#staged && { ...this.#staged, failing: this.#pursuit.failing };
  }

  close(): void {
    this.#pursuit.close();
  }

  #isOn(wanted: StagedActivation): boolean {
    if (wanted === this.#over) return true;
    const staged = this.#deps.staged();
    return staged !== null && staged.digest === wanted.digest && staged.share === wanted.share;
  }

  #settle(): void {
    const due = [...this.#due];
    this.#due.clear();
    for (const revision of due) this.#deps.events.done(revision);
  }
}
