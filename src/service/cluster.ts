/** A service as a node of a cluster: its store on the shared servers, its lease, and what the rooms around need of both. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { credsAuthenticator } from "@nats-io/transport-node";
import { nodeFiles } from "../audit/log/files.js";
import { FleetBundles, type DecidingBundle, type NodeBundle } from "../cluster/bundles.js";
import { FeedRead } from "../cluster/feed_read.js";
import { Homes } from "../cluster/home.js";
import type { ChainLink } from "../cluster/chain.js";
import type { LeaseEnd } from "../cluster/lease.js";
import { Member, type FleetStanding as Standing } from "../cluster/member.js";
import type { NodeStage } from "../cluster/stage_feed.js";
import { natsLink, natsQuestions } from "../cluster/nats_link.js";
import { NodeQuestions, type NodeAnswers } from "../cluster/questions.js";
import { Problem, type ClusterAnswer, type FleetBundlesAnswer, type InForce } from "../contract/index.js";
import type { Facts } from "../decision/ports.js";
import { ITSELF } from "../behavior/adjustments.js";
import { factsOf } from "../facts/current_facts.js";
import type { Commands } from "../facts/commands.js";
import { processOf } from "../facts/held_grants.js";
import { restrictionOf } from "../facts/narrowing.js";
import type { OtherNodes } from "../facts/other_nodes.js";
import { SharedUses } from "../facts/shared_uses.js";
import type { FindTask } from "./flow.js";
import { NatsObjects } from "../store/nats_objects.js";
import { NatsStore, type StreamsSeen } from "../store/nats.js";
import type { Change } from "../store/store.js";
import type { Config } from "../system/config.js";
import { errorMessage } from "../system/error_message.js";
import type { System, Timers } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { readBytes } from "../system/read_file.js";
import { NodeFlow } from "./shared_flow.js";
import type { AskedNodes } from "../http/asked_nodes.js";
import type { ClusterRoom } from "../http/rooms.js";
import { OBJECTS_KEPT, type ActivatingNode, type FeedBundles } from "./feed_bundles.js";

type ClusterConfig = NonNullable<Config["cluster"]>;

/** Ticks are kept for longer than any lease lasts. */
const MARKS_KEPT_S = 300;
const UNSURE_AFTER_MS = 10_000;
/** Interval at which the feed is compared with what was read of it, and its place written down. */
const LOOK_EVERY_MS = 5000;
const TELL_EVERY_MS = 100;
/** Agents' ids and credentials differ from those of every other. */
const GUARDED = ["agent"];
/** A server that leads the bucket may have ended just now. */
const OBJECT_WITHIN_MS = 15_000;
const PLACE = "cluster.json";
/** Names of the feeds, in the order in which a node numbers them. */
const FEED_NAMES = ["facts", "restrictions"] as const;

const ENDED: Record<LeaseEnd, string> = {
  left: "this node leaves the cluster",
  node_dismissed: "somebody has said that this node is gone for good; nothing is allowed here any more",
  node_name_taken: "another process has the name of this node, and has started later; nothing is allowed here any more",
  feed_forked: "this node has read another feed of facts than the others, or than itself before; nothing is allowed here any more",
  feed_other: "a feed of facts was deleted or replaced; nothing is allowed here any more",
  feed_unreadable: "a feed of facts has something that this version can't read; nothing is allowed here any more",
  cluster_too_large: "more nodes are live than `cluster.nodes_max`; nothing is allowed here any more",
};

/** FeedPlace in the feed at which an earlier start of this node has stopped reading. */
interface FeedPlace extends ChainLink {
  feed: string;
}

export interface SharedStoreEvents {
  /** The store can't be read on. */
  broken: () => void;
  /** A connection that was lost is there again. */
  connected: () => void;
}

/** Connects to the servers of the cluster. @throws StoreUnavailable */
export function openSharedStore(
  { name, nats }: ClusterConfig,
  system: Pick<System, "clock" | "timers">,
  logger: Logger,
  { broken, connected }: SharedStoreEvents,
): Promise<NatsStore> {
  const { servers, credentials, ca, cert, key, replicas } = nats;
  const text = (file: string): string => Buffer.from(readBytes(file)).toString("utf8");
  const tls = {
    ...(ca !== undefined && { ca: text(ca) }),
    ...(cert !== undefined && { cert: text(cert) }),
    ...(key !== undefined && { key: text(key) }),
  };
  const connection = {
    servers: [...servers],
    ...(Object.keys(tls).length > 0 && { tls }),
    ...(credentials !== undefined && { authenticator: credsAuthenticator(readBytes(credentials)) }),
  };
  const options = { name, connection, replicas, marks_kept_s: MARKS_KEPT_S, unsure_after_ms: UNSURE_AFTER_MS, guarded: GUARDED, isCopied };
  return NatsStore.open(options, system, {
    unavailable: (detail) => {
      report(logger, "store_unavailable", { code: "store_unavailable", detail });
    },
    ready: (revision) => {
      report(logger, "store_ready", { revision });
      connected();
    },
    broken: (cause) => {
      report(logger, "lease_ended", { code: "feed_unreadable", reason: ENDED.feed_unreadable, detail: cause.message });
      broken();
    },
  });
}

/** Returns the archives of bundles that the nodes share. Nothing is created before one is published. */
export function sharedObjects({ cluster, bundle }: Config, store: NatsStore, timers: Timers): NatsObjects | null {
  if (cluster?.bundles !== "feed") return null;
  const bucket = `remit-bundles-${cluster.name}`;
  // One is replaced while those that all nodes run are kept.
  const bucket_bytes_max = (OBJECTS_KEPT + cluster.nodes_max + 2) * bundle.bytes_max;
  const { replicas } = cluster.nats;
  const options = { bucket, replicas, bucket_bytes_max, bytes_max: bundle.bytes_max, within_ms: OBJECT_WITHIN_MS };
  return new NatsObjects(store.connection, options, timers);
}

/** Returns true for what the second feed carries: whatever is claimed of the whole fleet. */
const isCopied = ({ change, value }: Change): boolean => restrictionOf(change, value) !== null;

const isActivation = ({ key }: Change): boolean => key.startsWith("bundle/");

/**
 * Returns what has to be told of the changes that a start reads, and what a node then knows of them.
 * @param directory of this node's log
 * @throws Error if the feed is another than the one that this node has followed before
 */
export function readingOf(
  directory: string,
  store: Pick<NatsStore, "id">,
): { read: FeedRead; passing: (changes: readonly Change[]) => void } {
  const before = placeIn(directory);
  if (before !== null && before.feed !== store.id) throw new Error(`${ENDED.feed_other} (${join(directory, PLACE)} names the one before)`);
  const read = new FeedRead(before);
  const passing = (changes: readonly Change[]): void => {
    for (const change of changes) read.past(change, isCopied(change) || isActivation(change));
  };
  return { read, passing };
}

export interface NodeParts {
  config: ClusterConfig;
  /** Folder of this node's log. */
  directory: string;
  store: NatsStore;
  /** Feed of facts as far as the start has read it. */
  read: FeedRead;
  commands: Commands;
  landed: () => Promise<void>;
  bundle: () => DecidingBundle | null;
  staged: () => NodeStage | null;
  /** Activation by the feed; null: each node activates by itself. */
  activation: FeedBundles | null;
  version: string;
  incarnation: string;
  system: System;
  logger: Logger;
  /** Returns false while this node has yet to learn what the others have decided. */
  hasLearned: () => boolean;
  /** Returns how far it has learned what the others decided; null if it learns nothing. */
  lessons: () => ClusterAnswer["lessons"];
  /** Writes on record that a change is in force on the fleet. */
  record: (action: string, detail: Record<string, unknown>) => Promise<unknown>;
}

export class ClusterNode implements OtherNodes, ClusterRoom, ActivatingNode {
  /** Facts as decisions see them: stale without a lease. */
  readonly facts: Facts;
  readonly #parts: NodeParts;
  readonly #member: Member;
  readonly #uses: SharedUses;
  readonly #questions: NodeQuestions;
  readonly #bundles: FleetBundles;
  readonly #homes = new Homes(() => this.live);
  readonly #stopLooking: () => void;
  /** Resolves when this node may allow, or has ended, or a lease's time has passed: who asked before would be denied what he may do. */
  readonly began: Promise<void>;
  #leaders: StreamsSeen["leaders"] = [null, null];

  /**
   * Joins the cluster: sends ticks from now on, and allows once one has come back.
   */
  constructor(parts: NodeParts) {
    const { config, store, commands, landed, bundle, staged, activation, version, incarnation, system, logger, read } = parts;
    this.#parts = parts;
    let begin = (): void => undefined;
    this.began = new Promise((resolve) => (begin = resolve));
    system.timers.after(config.lease_ms, begin);
    this.#member = new Member(
      {
        ...{ store, system, landed, bundle, staged, read, isCopied },
        copies: store.copies,
        link: natsLink(store.connection, config.name),
        revision: () => commands.registry.revision,
        isWork: isActivation,
        // A node that activates by itself has nothing to say of what the feed names.
        isPending: activation === null ? undefined : (revision) => activation.isPending(revision),
        hold: (hold) => {
          commands.adopt(hold);
        },
        holdAhead: (change) => commands.holdAhead(change),
        events: {
          held: () => {
            activation?.leaseBegan();
            begin();
            report(logger, "lease_held", { node: config.node });
          },
          ended: (why) => {
            begin();
            if (why === "left") report(logger, "lease_left", { node: config.node });
            else report(logger, "lease_ended", { code: why, reason: ENDED[why], node: config.node });
          },
          claimed: (revision, { acknowledged, expired }, took_ms, isWork) => {
            const action = isWork ? "bundle_activated_on_fleet" : "revoked_on_fleet";
            void parts.record(action, { revision, acknowledged, expired, took_ms }).catch(() => undefined);
          },
        },
      },
      { ...config, version, start: { incarnation, opened_at: store.opened_at } },
    );
    const { registry, ledger } = commands;
    this.#uses = new SharedUses({
      ...{ node: config.node, process: processOf(config.node, incarnation), registry, ledger, timers: system.timers, by: ITSELF },
      burned: (grant, uses) => {
        report(logger, "grant_uses_burned", { grant, uses });
      },
    });
    this.#bundles = new FleetBundles(system.clock);
    this.#questions = new NodeQuestions(natsQuestions(store.connection, config.name), config.node, system.timers);
    this.facts = factsOf({
      registry: () => commands.registry,
      reserve: (ids) => this.#uses.reserve(ids),
      isStale: () => this.#member.tenure === null || activation?.isBehind === true || !parts.hasLearned(),
      lease: () => this.#member.tenure,
    });
    this.#member.start();
    this.#stopLooking = system.timers.every(LOOK_EVERY_MS, () => {
      void this.#look();
    });
  }

  /** Renews the lease after an outage at once, rather than when the next tick is due. */
  connected(): void {
    this.#member.lease.tick();
  }

  get holdsLease(): boolean {
    return this.#member.tenure !== null;
  }

  /** Milliseconds for which this node may allow; 0 if it may not. */
  get lease_left_ms(): number {
    if (this.#parts.activation?.isBehind === true) return 0;
    return Math.max(0, this.#member.tenure?.left_ms ?? 0);
  }

  /** Id of the feed of facts. */
  get feed(): string {
    return this.#parts.store.id;
  }

  get name(): string {
    return this.#parts.config.node;
  }

  get live(): readonly string[] {
    return this.#member.live;
  }

  /** Parts into which a narrowed agent's rate is divided now, of which one is this node's; infinite: it has none. */
  get rate_parts(): number {
    return this.#member.rate_parts;
  }

  /** Returns whether this node does what one of them has to do for a key. */
  isHome(key: string): boolean {
    return this.#homes.of(key) === this.name;
  }

  /** Nodes that can't be asked, and may be back. */
  get silent(): readonly string[] {
    return this.#member.silent.map(({ node }) => node);
  }

  /** Bundles that the live nodes run. */
  get bundles(): FleetBundlesAnswer {
    const nodes = this.nodeBundles;
    const { running, differ_ms } = this.#bundles.look(nodes);
    const { activation } = this.#parts;
    return { same: differ_ms === null, differ_ms, running, ...(activation !== null && { named: activation.named(nodes) }) };
  }

  get nodeBundles(): readonly NodeBundle[] {
    return this.#member.nodes;
  }

  /** Returns a node that is silent. @throws Problem `node_not_found`; `node_live` while its lease may run */
  silentNode(node: string): ClusterAnswer["silent"][number] {
    const { live, silent } = this.#member;
    const found = silent.find((one) => one.node === node);
    if (found === undefined) throw new Problem(live.includes(node) ? "node_live" : "node_not_found", { field: "id" });
    return found;
  }

  /** Has a silent node count as gone. @throws Problem as `silentNode` */
  dismiss(node: string): void {
    this.#member.dismiss(this.silentNode(node));
  }

  /** Nodes as they are asked about what only they have. This one is among them even where it is cut off from the others. */
  get asked(): AskedNodes {
    const { name } = this;
    const member = this.#member;
    return {
      name,
      get live() {
        return [...new Set([name, ...member.live])].sort();
      },
      get silent() {
        return member.silent.map(({ node }) => node);
      },
      ask: (...given) => this.ask(...given),
    };
  }

  /** Opens the memory of tasks that the nodes share. */
  flow(find: FindTask): NodeFlow {
    const { store, system, logger, config } = this.#parts;
    return new NodeFlow({
      states: store.states,
      clock: system.clock,
      timers: system.timers,
      find,
      unwritten: (scopes, detail) => {
        report(logger, "history_unwritten", { scopes, detail });
      },
      isFirst: () => this.live[0] === config.node,
    });
  }

  /** Asks nodes about what only they have. */
  ask(question: string, of: readonly string[], enough?: (answer: string | null) => boolean, within_ms?: number): Promise<NodeAnswers> {
    return this.#questions.ask(question, of, enough, within_ms);
  }

  /** Answers what other nodes ask. @param answer rejects where this node can't answer */
  serve(answer: (question: string) => Promise<string | null>): void {
    this.#questions.serve(answer);
  }

  get answer(): ClusterAnswer {
    const { name, node, lease_ms, nodes_max } = this.#parts.config;
    const { incarnation, commands } = this.#parts;
    return {
      ...{ name, node, incarnation, lease_ms, nodes_max },
      lease_left_ms: Math.floor(this.lease_left_ms),
      ended: this.#member.lease.end,
      facts_revision: commands.registry.revision,
      chain: this.#member.chain.chain,
      feeds: this.feeds,
      nodes: this.#member.nodes,
      silent: this.#member.silent,
      bundles: this.bundles,
      lessons: this.#parts.lessons(),
    };
  }

  /** Feeds as this node reads them, with the servers that led them when that was last looked for. */
  get feeds(): ClusterAnswer["feeds"] {
    return this.#member.feeds.map(({ silent_ms }, i) => ({ feed: FEED_NAMES[i] ?? "facts", leader: this.#leaders[i] ?? null, silent_ms }));
  }

  /** Restrictions that the second feed lacks. */
  get uncopied(): number {
    return this.#member.missing;
  }

  /** Tells the others again until it is durable: a node may be connecting to another server just now. */
  tell(hold: Parameters<OtherNodes["tell"]>[0]): void {
    if (this.#member.lease.end !== null) return;
    this.#member.tell(hold);
    this.#parts.system.timers.after(TELL_EVERY_MS, () => {
      if (this.#parts.commands.registry.isHeld(hold.key)) this.tell(hold);
    });
  }

  async inForce(revision: number): Promise<Pick<InForce, "in_force" | "fleet">> {
    return fleetOf(await this.#member.inForce(revision));
  }

  activated(revision: number): void {
    this.#member.done(revision);
  }

  standing(revision: number | null): Pick<InForce, "in_force" | "fleet"> | null {
    if (revision === null)
      return { in_force: "node", fleet: { acknowledged: [], expired: [], waiting_for: [...this.live], took_ms: null } };
    const standing = this.#member.standing(revision);
    return standing && fleetOf(standing);
  }

  /** Ends this node's lease for good: it can't read on. */
  broken(): void {
    this.#member.lease.finish("feed_unreadable");
  }

  /** Leaves the cluster, once nothing is answered any more: others needn't wait for this node. */
  async leave(): Promise<void> {
    this.#stopLooking();
    this.#questions.close();
    await this.#uses.close();
    this.#member.leave();
    this.#keepPlace();
  }

  async #look(): Promise<void> {
    try {
      const { areSame, leaders } = await this.#parts.store.look();
      this.#leaders = leaders;
      if (!areSame) this.#member.lease.finish("feed_other");
      else await this.#keepApart(leaders);
    } catch {
      // Nobody can say now; without the servers the lease ends by itself.
    }
    if (this.#member.lease.end === null) this.#keepPlace();
  }

  /** Lets another server lead the second feed where one leads both: its end would stop both. */
  async #keepApart([facts, copies]: StreamsSeen["leaders"]): Promise<void> {
    const { config, store } = this.#parts;
    if (facts === null || facts !== copies || config.nats.replicas === 1 || this.live[0] !== config.node) return;
    await store.copies.moveLeader();
    report(this.#parts.logger, "feed_leader_moved", { server: facts });
  }

  #keepPlace(): void {
    const place: FeedPlace = { feed: this.#parts.store.id, ...this.#member.chain };
    try {
      nodeFiles(this.#parts.directory).replace(PLACE, Buffer.from(`${JSON.stringify(place)}\n`));
    } catch (cause) {
      report(this.#parts.logger, "feed_place_unsaved", { detail: errorMessage(cause) });
    }
  }
}

function fleetOf({ in_force, ...fleet }: Standing): Pick<InForce, "in_force" | "fleet"> {
  return { in_force, fleet };
}

/** Returns where an earlier start has stopped reading; null if there was none. @throws Error for a file that can't be right */
function placeIn(directory: string): FeedPlace | null {
  const file = join(directory, PLACE);
  if (!existsSync(file)) return null;
  try {
    const { feed, revision, chain } = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    if (typeof feed === "string" && Number.isSafeInteger(revision) && typeof chain === "string")
      return { feed, revision: revision as number, chain };
  } catch {
    // Said below.
  }
  throw new Error(`${file} is damaged: it names the feed that this node has followed, and how far`);
}
