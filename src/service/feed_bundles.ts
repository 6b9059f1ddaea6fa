/** Activation of bundles by the feed of a cluster, as a service has it: the archives in the cluster's object store, what the feed names, and publishing. */
import { BundleError } from "../bundle/errors.js";
import { ITSELF } from "../behavior/adjustments.js";
import { BundleFeed, type NamedBundleFailing } from "../cluster/bundle_feed.js";
import {
  Problem,
  type BundleActivation,
  type FleetBundlesAnswer,
  type NamedBundle,
  type PolicyIdentity,
  type PublishAnswer,
} from "../contract/index.js";
import type { Commands } from "../facts/commands.js";
import type { Attribution } from "../facts/ledger.js";
import type { Notices } from "../findings/notices.js";
import type { PolicyEngine } from "../policy/engine.js";
import type { KeptArchives } from "../policy/kept_archives.js";
import type { BundleSource } from "../policy/source.js";
import type { Change, Store } from "../store/store.js";
import type { NatsObjects } from "../store/nats_objects.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

/** Archives that stay in the object store beside those that are active somewhere. */
export const OBJECTS_KEPT = 4;
const LOOK_EVERY_MS = 1000;
const CHANGES_AT_ONCE = 1000;

/** Objects as bundles need them. */
export type BundleObjects = Pick<NatsObjects, "put" | "get" | "list" | "remove">;

export interface FeedBundlesOptions {
  /** Name of the bundle. */
  name: string;
  behind_ms_max: number;
}

export interface FeedBundlesParts {
  source: Pick<BundleSource, "pull" | "prove">;
  kept: Pick<KeptArchives, "find">;
  engine: Pick<PolicyEngine, "active">;
  objects: BundleObjects;
}

/** The node of a cluster, as far as activations need it. */
export interface ActivatingNode {
  /** True while it may allow by its lease. */
  readonly holdsLease: boolean;
  readonly bundles: FleetBundlesAnswer;
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
  #feed: BundleFeed | null = null;
  #commands: Commands | null = null;
  #node: ActivatingNode | null = null;
  #reported: (why: NamedBundleFailing, named: BundleActivation) => void = () => undefined;

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
    const feed = new BundleFeed({
      system: this.#system,
      behind_ms_max: this.#options.behind_ms_max,
      running: () => engine.active?.identity ?? null,
      holdsLease: () => this.#node?.holdsLease === true,
      fetch: async (digest) => (await kept.find(digest)) ?? (await objects.get(digest)),
      activate: (bytes) => source.pull(bytes, "cluster"),
      events: {
        failing: (why, named) => {
          const { code, message: detail } = why;
          report(this.#logger, "named_bundle_unavailable", { code, detail, digest: named.digest, sequence: named.sequence });
          this.#reported(why, named);
        },
        done: (revision) => {
          this.#node?.activated(revision);
        },
      },
    });
    this.#feed = feed;
    const before = await this.#before;
    if (before === null) return;
    feed.take(before.value as unknown as BundleActivation, before.revision);
    await feed.attempted();
  }

  /** Follows what the feed names from now on. @returns ends it */
  follow(commands: Commands): () => void {
    this.#commands = commands;
    const key = `bundle/${this.#options.name}`;
    const stop = commands.ledger.listen((notice) => {
      if (notice.key === key && notice.revision !== null) this.#feed?.take(notice.value as unknown as BundleActivation, notice.revision);
    });
    const now = commands.registry.bundle(this.#options.name);
    if (now !== undefined) this.#feed?.take(now, now.facts_revision);
    return () => {
      stop();
      this.#feed?.close();
    };
  }

  /** Joins the node that acknowledges activations. */
  join(node: ActivatingNode): void {
    this.#node = node;
  }

  isPending(revision: number): boolean {
    return this.#feed?.isPending(revision) === true;
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
  }

  /** Named bundle, with the nodes that decide by another. */
  named(running: FleetBundlesAnswer["running"]): NamedBundle | null {
    const status = this.#feed?.status ?? null;
    if (status === null) return null;
    const others = running.filter(({ digest }) => digest !== status.digest);
    return { ...status, waiting_for: others.flatMap(({ nodes }) => nodes).sort() };
  }

  /**
   * Publishes a bundle for all nodes: tries it here, stores it for the others, and names it in the feed.
   * @throws BundleError as a publication; Problem `bundle_refused`, `store_unavailable`, `outcome_unknown`, and those of the log
   */
  async publish(bytes: Uint8Array, act: Attribution): Promise<Pick<PublishAnswer, "running" | "in_force" | "fleet">> {
    const [parts, feed, commands, node] = [this.#parts, this.#feed, this.#commands, this.#node];
    if (parts === null || feed === null || commands === null || node === null) throw new Problem("store_unavailable");
    const { bundle, digest, sequence, revision } = await parts.source.prove(bytes);
    await parts.objects.put(digest, bytes).catch((cause: unknown) => {
      throw new Problem("store_unavailable", {}, { cause });
    });
    feed.give(digest, bytes);
    const named = await commands.nameBundle({ id: bundle, digest, sequence, revision }, act);
    await feed.attempted();
    const running = parts.engine.active?.identity;
    if (running === undefined) throw new Problem("bundle_missing");
    const where = await node.inForce(named);
    void this.#tidy(parts.objects, node).catch((cause: unknown) => {
      report(this.#logger, "bundle_objects_not_removed", { detail: cause instanceof Error ? cause.message : String(cause) });
    });
    return { running, ...where };
  }

  /** Reports when the named bundle isn't available, as findings and in the log. @returns ends it */
  watch(notices: Pick<Notices, "note">): () => void {
    const note = (message: string, detail: Record<string, unknown>): void => {
      notices.note({ code: "policy_unavailable", caller: ITSELF, agent: null, purpose: null, message, detail }).catch(() => {
        // The log itself reports that it can't be written.
      });
    };
    const refused = ({ code, message }: NamedBundleFailing, { digest, sequence }: BundleActivation): void => {
      note(`this node can't have the bundle that the cluster's feed names: ${message}`, { failing: code, digest, sequence });
    };
    this.#reported = refused;
    const status = this.#feed?.status ?? null;
    if (status !== null && status.failing !== null) refused(status.failing, status);
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

  /** Removes archives that no live node decides by, but for the last few. */
  async #tidy(objects: BundleObjects, node: ActivatingNode): Promise<void> {
    const needed = new Set([this.#feed?.digest, ...node.bundles.running.map(({ digest }) => digest)]);
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
