/**
 * Bundles by the feed of a cluster, as a service has them: the archives in the cluster's object store, what the feed names and what it has
 * staged, and publishing.
 */
import { BundleError } from "../bundle/errors.js";
import { ITSELF } from "../behavior/adjustments.js";
import { BundleArchives } from "../cluster/bundle_archives.js";
import { BundleFeed } from "../cluster/bundle_feed.js";
import type { NodeBundle } from "../cluster/bundles.js";
import { Pursuit, type Failure } from "../cluster/pursuit.js";
import { StageFeed } from "../cluster/stage_feed.js";
import {
  Problem,
  type BundleActivation,
  type FleetBundlesAnswer,
  type NamedBundle,
  type PolicyIdentity,
  type PublishAnswer,
  type StagedActivation,
} from "../contract/index.js";
import type { Commands } from "../facts/commands.js";
import type { Attribution } from "../facts/ledger.js";
import type { Notices } from "../findings/notices.js";
import type { PolicyEngine } from "../policy/engine.js";
import type { KeptArchives } from "../policy/kept_archives.js";
import type { BundleSource } from "../policy/source.js";
import { checkStage, type StageEnd, type Staging } from "../policy/staging.js";
import type { Change, Store } from "../store/store.js";
import type { NatsObjects } from "../store/nats_objects.js";
import { errorMessage } from "../system/error_message.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

/** Archives that stay in the object store beside those that are active somewhere. */
export const OBJECTS_KEPT = 4;
const LOOK_EVERY_MS = 1000;
const CHANGES_AT_ONCE = 1000;

/** Objects as bundles need them. */
export type BundleObjects = Pick<NatsObjects, "put" | "get" | "list" | "remove">;

/** Reports why this node can't have a bundle that the feed names or has staged. */
type Refused = (why: Failure, bundle: Pick<BundleActivation, "digest" | "sequence">, how: "names" | "has staged") => void;

/** Stage that has ended on this node by itself, by the change that had staged it. */
interface EndedStage {
  digest: string;
  why: StageEnd;
  revision: number;
}

export interface FeedBundlesOptions {
  /** Name of the bundle. */
  name: string;
  behind_ms_max: number;
}

export interface FeedBundlesParts {
  source: Pick<BundleSource, "pull" | "prove" | "stage">;
  kept: Pick<KeptArchives, "find">;
  engine: Pick<PolicyEngine, "active">;
  objects: BundleObjects;
}

/** The node of a cluster, as far as activations need it. */
export interface ActivatingNode {
  /** True while it may allow by its lease. */
  readonly holdsLease: boolean;
  readonly bundles: FleetBundlesAnswer;
  readonly nodeBundles: readonly NodeBundle[];
  inForce(revision: number): Promise<Pick<PublishAnswer, "in_force" | "fleet">>;
  /** Tells the others that what a change names decides here. */
  activated(revision: number): void;
}

export class FeedBundles {
  readonly #options: FeedBundlesOptions;
  readonly #system: Pick<System, "clock" | "timers">;
  readonly #logger: Logger;
  /** Change that had named a bundle last when this service started. */
  readonly #before: Promise<Change | null>;
  #parts: FeedBundlesParts | null = null;
  #archives: BundleArchives | null = null;
  #feed: BundleFeed | null = null;
  #stages: StageFeed | null = null;
  /** Stage that has ended here by itself. */
  #ended: EndedStage | null = null;
  /** Revisions that one of the two feeds has carried out while the other has yet to take a change; null otherwise. */
  #takenOut: number[] | null = null;
  #ending: Pursuit<EndedStage> | null = null;
  #commands: Commands | null = null;
  #node: ActivatingNode | null = null;
  #reported: Refused = () => undefined;

  /** @param opening the store that all nodes share */
  constructor(
    options: FeedBundlesOptions,
    opening: Promise<{ store: Pick<Store, "changes"> }>,
    system: Pick<System, "clock" | "timers">,
    logger: Logger,
  ) {
    this.#options = options;
    this.#system = system;
    this.#logger = logger;
    this.#before = opening.then(({ store }) => lastOf(store, `bundle/${options.name}`));
    // Told by whoever opens the store.
    this.#before.catch(() => undefined);
  }

  /** Refuses what the feed doesn't name, once it names anything. @throws BundleError `bundle_not_named` */
  async permits({ digest }: PolicyIdentity): Promise<void> {
    const named = this.#feed === null ? ((await this.#before)?.value as BundleActivation | undefined)?.digest : this.#feed.digest;
    if (named !== undefined && named !== null && named !== digest)
      throw new BundleError("bundle_not_named", { expected: named, found: digest });
  }

  /** Activates what the feed names, if that can be had now: facts are read by its vocabulary. */
  async begin(parts: FeedBundlesParts): Promise<void> {
    const { source, kept, engine, objects } = parts;
    this.#parts = parts;
    const archives = new BundleArchives([(digest) => kept.find(digest), (digest) => objects.get(digest)]);
    this.#archives = archives;
    const feed = new BundleFeed({
      system: this.#system,
      behind_ms_max: this.#options.behind_ms_max,
      running: () => engine.active?.identity ?? null,
      holdsLease: () => this.#node?.holdsLease === true,
      fetch: (digest) => archives.find(digest),
      activate: (bytes) => source.pull(bytes, "cluster"),
      events: {
        failing: (why, named) => {
          const { code, message: detail } = why;
          report(this.#logger, "named_bundle_unavailable", { code, detail, digest: named.digest, sequence: named.sequence });
          this.#reported(why, named, "names");
        },
        done: (revision) => {
          this.#carriedOut(revision);
        },
      },
    });
    this.#feed = feed;
    const before = await this.#before;
    if (before === null) return;
    feed.take(before.value as unknown as BundleActivation, before.revision);
    await feed.attempted();
  }

  /** Follows what the feed names and has staged from now on. @returns ends it */
  follow(commands: Commands, staging: Pick<Staging, "begin" | "end" | "status">): () => void {
    const { name } = this.#options;
    const { timers } = this.#system;
    this.#commands = commands;
    const [parts, archives] = [this.#parts, this.#archives];
    if (parts === null || archives === null) throw new Error("bundles are followed before they are begun");
    const stages = this.#stagesBy(staging, parts, archives);
    this.#stages = stages;
    const ending = new Pursuit({
      timers,
      // Until the feed says something else: whoever stages it once more means it.
      wanted: () => (commands.registry.bundle(name)?.facts_revision === this.#ended?.revision ? this.#ended : null),
      isMet: () => false,
      attempt: async ({ digest, why }) => {
        await commands.bundles.endStage(name, digest, { by: ITSELF, reason: why });
      },
      met: () => undefined,
      failing: () => undefined,
      unreachable: "store_unavailable",
    });
    this.#ending = ending;
    const take = (activation: BundleActivation, revision: number): void => {
      const carriedOut = (this.#takenOut = []);
      this.#feed?.take(activation, revision);
      stages.take(activation, revision);
      this.#takenOut = null;
      for (const one of carriedOut) this.#carriedOut(one);
    };
    const stop = commands.ledger.listen((notice) => {
      if (notice.key === `bundle/${name}` && notice.revision !== null) take(notice.value as unknown as BundleActivation, notice.revision);
    });
    const now = commands.registry.bundle(name);
    if (now !== undefined) take(now, now.facts_revision);
    return () => {
      stop();
      ending.close();
      stages.close();
      this.#feed?.close();
    };
  }

  /** Joins the node that acknowledges activations. */
  join(node: ActivatingNode): void {
    this.#node = node;
  }

  /** Resolves when the bundle that all nodes try is tried here, or can't be: its agents would be decided for differently from elsewhere. */
  async attempted(): Promise<void> {
    await this.#stages?.attempted();
  }

  isPending(revision: number): boolean {
    return this.#feed?.isPending(revision) === true || this.#stages?.isPending(revision) === true;
  }

  /** True if nothing may be allowed here until the named bundle is active. */
  get isBehind(): boolean {
    return this.#feed?.isBehind === true;
  }

  leaseBegan(): void {
    this.#feed?.leaseBegan();
  }

  /** Another bundle has become active here. */
  activated(): void {
    this.#feed?.look();
    this.#stages?.look();
  }

  /** The stage has ended here by itself: it does on all nodes. */
  stageEnded(why: StageEnd, digest: string): void {
    const named = this.#commands?.registry.bundle(this.#options.name);
    if (named?.staged?.digest !== digest) return;
    this.#ended = { digest, why, revision: named.facts_revision };
    this.#stages?.ended(digest);
    this.#ending?.look();
  }

  /** Named bundle, with the nodes that decide by another, and what is staged beside it, with those that don't try it. */
  named(nodes: readonly NodeBundle[]): NamedBundle | null {
    const status = this.#feed?.status ?? null;
    if (status === null) return null;
    const stage = this.#stages?.status ?? null;
    const without = (has: (node: NodeBundle) => boolean): string[] =>
      nodes
        .filter((node) => !has(node))
        .map(({ node }) => node)
        .sort();
    return {
      ...status,
      waiting_for: without(({ bundle }) => bundle === status.digest),
      staged: stage && {
        ...stage,
        waiting_for: without(({ staged }) => staged?.digest === stage.digest && staged.share === stage.share),
      },
    };
  }

  /**
   * Publishes a bundle for all nodes: tries it here, stores it for the others, and names it in the feed.
   * @throws BundleError as a publication; Problem `bundle_refused`, `store_unavailable`, `outcome_unknown`, and those of the log
   */
  async publish(bytes: Uint8Array, act: Attribution): Promise<Pick<PublishAnswer, "running" | "in_force" | "fleet">> {
    const { parts, archives, feed, commands, node } = this.#whole();
    const { bundle, digest, sequence, revision } = await parts.source.prove(bytes);
    await this.#store(digest, bytes);
    const named = await commands.bundles.name({ id: bundle, digest, sequence, revision }, act);
    await feed.attempted();
    archives.drop();
    const running = parts.engine.active?.identity;
    if (running === undefined) throw new Problem("bundle_missing");
    const where = await node.inForce(named);
    this.#tidyLater();
    return { running, ...where };
  }

  /**
   * Has all nodes try a bundle beside the named one: tries it here, stores it for the others, and says so in the feed.
   * @param share percentage of the agents that it decides for; 0 is shadow
   * @throws BundleError as a stage of one service; Problem `bundle_refused`, `store_unavailable`, `outcome_unknown`, and those of the log
   */
  async stage(bytes: Uint8Array, share: number, act: Attribution): Promise<Omit<PublishAnswer, "back">> {
    const { parts, archives, stages, commands, node } = this.#whole();
    const { candidate, active } = await parts.source.stage(bytes);
    checkStage(candidate, active);
    const { bundle, digest, sequence, revision } = candidate.identity;
    await this.#store(digest, bytes);
    const named = await commands.bundles.stage(bundle, active.identity.digest, { digest, sequence, revision, share }, act);
    await stages.attempted();
    archives.drop();
    const where = await node.inForce(named);
    this.#tidyLater();
    return { running: active.identity, staged: candidate.identity, ...where };
  }

  /** Bundle that all nodes try; null if they try nothing. */
  get staged(): StagedActivation | null {
    return this.#commands?.registry.bundle(this.#options.name)?.staged ?? null;
  }

  /**
   * Ends a stage on all nodes.
   * @returns when each has said so, or is waited for no longer
   * @throws Problem `store_unavailable`, `outcome_unknown`, and those of the log
   */
  async dropStaged(digest: string, act: Attribution): Promise<void> {
    const { commands, node } = this.#whole();
    await node.inForce(await commands.bundles.endStage(this.#options.name, digest, act));
  }

  #stagesBy(staging: Pick<Staging, "begin" | "end" | "status">, { source, engine }: FeedBundlesParts, archives: BundleArchives): StageFeed {
    return new StageFeed({
      timers: this.#system.timers,
      running: () => engine.active?.identity ?? null,
      staged: () => staging.status && { digest: staging.status.identity.digest, share: staging.status.share },
      fetch: (digest) => archives.find(digest),
      begin: async (bytes, { digest, share }) => {
        const { candidate, active } = await source.stage(bytes);
        const found = candidate.identity.digest;
        if (found !== digest) throw new BundleError("bundle_not_named", { expected: digest, found });
        staging.begin(candidate, active, share);
      },
      end: () => {
        staging.end("dropped");
      },
      events: {
        failing: (why, staged) => {
          const { code, message: detail } = why;
          report(this.#logger, "staged_bundle_unavailable", { code, detail, digest: staged.digest, sequence: staged.sequence });
          this.#reported(why, staged, "has staged");
        },
        done: (revision) => {
          this.#carriedOut(revision);
        },
      },
    });
  }

  #carriedOut(revision: number): void {
    if (this.#takenOut !== null) this.#takenOut.push(revision);
    else if (!this.isPending(revision)) this.#node?.activated(revision);
  }

  /** @throws Problem `store_unavailable` before all is there */
  #whole() {
    const [parts, archives, feed, stages] = [this.#parts, this.#archives, this.#feed, this.#stages];
    const [commands, node] = [this.#commands, this.#node];
    if (parts === null || archives === null || feed === null || stages === null || commands === null || node === null)
      throw new Problem("store_unavailable");
    return { parts, archives, feed, stages, commands, node };
  }

  /** Stores an archive for the others. @throws Problem `store_unavailable` */
  async #store(digest: string, bytes: Uint8Array): Promise<void> {
    const { parts, archives } = this.#whole();
    await parts.objects.put(digest, bytes).catch((cause: unknown) => {
      throw new Problem("store_unavailable", {}, { cause });
    });
    archives.give(digest, bytes);
  }

  /** Reports when the named bundle isn't available, as findings and in the log. @returns ends it */
  watch(notices: Pick<Notices, "note">): () => void {
    const note = (message: string, detail: Record<string, unknown>): void => {
      notices.note({ code: "policy_unavailable", caller: ITSELF, agent: null, purpose: null, message, detail }).catch(() => {
        // The log itself reports that it can't be written.
      });
    };
    const refused: Refused = ({ code, message }, { digest, sequence }, how) => {
      note(`this node can't have the bundle that the cluster's feed ${how}: ${message}`, { failing: code, digest, sequence });
    };
    this.#reported = refused;
    const [named, staged] = [this.#feed?.status ?? null, this.#stages?.status ?? null];
    if (named !== null && named.failing !== null) refused(named.failing, named, "names");
    if (staged !== null && staged.failing !== null) refused(staged.failing, staged, "has staged");
    let isReported = false;
    return this.#system.timers.every(LOOK_EVERY_MS, () => {
      const { isBehind } = this;
      const named = this.#feed?.status;
      if (isBehind && !isReported && named !== undefined && named !== null) {
        const { digest, sequence, behind_ms, failing } = named;
        report(this.#logger, "named_bundle_behind", { code: failing?.code ?? "bundle_unreachable", digest, sequence, behind_ms });
      }
      isReported = isBehind;
    });
  }

  #tidyLater(): void {
    void this.#tidy().catch((cause: unknown) => {
      report(this.#logger, "bundle_objects_not_removed", { detail: errorMessage(cause) });
    });
  }

  /** Removes archives that no live node decides by or tries, but for the last few. */
  async #tidy(): Promise<void> {
    const { parts, feed, node } = this.#whole();
    const { objects } = parts;
    const nodes = node.nodeBundles.flatMap(({ bundle, staged }) => [bundle, staged?.digest]);
    const needed = new Set([feed.digest, this.staged?.digest, ...nodes]);
    const stored = await objects.list();
    for (const { name } of stored.slice(OBJECTS_KEPT)) if (!needed.has(name)) await objects.remove(name);
  }
}

/** Returns the last change of a key; null if it has never changed. @throws StoreUnavailable */
async function lastOf(store: Pick<Store, "changes">, key: string): Promise<Change | null> {
  let last: Change | null = null;
  for (;;) {
    const changes = await store.changes(last?.revision ?? 0, CHANGES_AT_ONCE, { key });
    last = changes.at(-1) ?? last;
    if (changes.length < CHANGES_AT_ONCE) return last;
  }
}
