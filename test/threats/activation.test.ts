import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TrustedStore } from "../../src/bundle/trusted_store.js";
import { FeedRead } from "../../src/cluster/feed_read.js";
import type { Fleet as OwnFleet, FleetClaim } from "../../src/cluster/fleet.js";
import type { Lease as OwnLease } from "../../src/cluster/lease.js";
import type { Member as OwnMember } from "../../src/cluster/member.js";
import type { BundleActivation } from "../../src/contract/index.js";
import type { ActivePolicy } from "../../src/decision/ports.js";
import { PolicyEngine } from "../../src/policy/engine.js";
import { BundleSource } from "../../src/policy/source.js";
import type { BundleObjects } from "../../src/service/feed_bundles.js";
import type { Change } from "../../src/store/store.js";
import type { Clock } from "../../src/system/index.js";
import { KEYS, NAME, NOW_MS, bundleBytes, verified } from "../bundle/support.js";
import { BEHIND_MS, BundleNode, digestOf, named, staged, turns } from "../cluster/bundle_node.js";
import { Feed } from "../cluster/feed.js";
import { StillTimers, World as FactsWorld } from "../facts/world.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const LEASE_MS = 1000;
const TIME = "2026-01-01T00:00:00.000Z";
const naming = (revision: number, digest: string, sequence: number): Change => ({
  ...{ revision, key: `bundle/${NAME}`, by: "ops", time: TIME, reason: null, change: "bundle_named" },
  value: { id: NAME, digest, sequence, revision: "r", since: TIME, by: "ops", reason: null },
});

threat("H7", "a node decides by the bundle that the feed names, which it verifies itself, and by no other", {
  async check(tree) {
    const { FeedBundles } = await tree("service/feed_bundles.js");
    const { BundleSource } = await tree("policy/source.js");
    const { BundleArchives } = await tree("cluster/bundle_archives.js");
    const { Commands } = await tree("facts/commands.js");
    const folder = await mkdtemp(join(tmpdir(), "remit-named-"));
    try {
      // One that is good, and that the feed doesn't name.
      const wanted = (await verified({ sequence: 12 })).identity;
      const store = { changes: () => Promise.resolve([naming(7, wanted.digest, wanted.sequence)]) };
      const system = { clock: { monotonic: () => 0, wall: () => NOW_MS }, timers: new StillTimers() };
      const feed = new FeedBundles({ name: NAME, behind_ms_max: 1000 }, Promise.resolve({ store }), system, silent);
      const engine = new PolicyEngine({ trusted: await TrustedStore.open(join(folder, "state")), clock: system.clock });
      const path = join(folder, "bundle.tar.gz");
      const source = new BundleSource({
        ...{ path, name: NAME, trust: () => ({ keys: KEYS }), engine, ...system, poll_ms: 1000 },
        permits: (identity) => feed.permits(identity),
      });
      await writeFile(path, await bundleBytes({ sequence: 12 }));
      await source.check();
      if (engine.active?.identity.digest !== wanted.digest) throw new Error("the named bundle isn't activated");
      await writeFile(path, await bundleBytes({ sequence: 13 }));
      await source.check();
      await source.pull(await bundleBytes({ sequence: 14 }), "cluster").catch(() => undefined);
      const { sequence } = engine.active.identity;
      if (sequence !== 12) return `it decides by sequence ${sequence}, which the feed doesn't name`;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    // A name that leads out of the store's names is no digest.
    const node = new BundleNode({ Archives: BundleArchives });
    node.feed.take(named(2, "../sha256"), 10);
    await node.feed.attempted();
    if (node.fetched > 0) return "it fetches by what is no digest";
    // The facts themselves lead forward only.
    const world = await new FactsWorld().open(0, Commands);
    const act = { by: "ops", reason: null };
    const bundle = (at: number): Parameters<typeof world.bundles.name>[0] => ({
      ...{ id: NAME, digest: digestOf(at), sequence: at, revision: "r" },
    });
    await world.bundles.name(bundle(5), act);
    await world.bundles.name(bundle(4), act).catch(() => undefined);
    const { sequence } = world.registry.bundle(NAME) ?? { sequence: 0 };
    return sequence === 5 ? null : `the feed names sequence ${sequence} after 5`;
  },
  without: {
    "another bundle being refused": [cut.refusal("service/feed_bundles.js", "permits", "bundle_not_named")],
    "a look at what the feed names": [cut.call("policy/source.js", "#activate", "permits", "undefined")],
    "a digest's form": [cut.always("cluster/bundle_archives.js", "find", "DIGEST")],
    "going forward only": [cut.refusal("facts/bundle_commands.js", "name", "bundle_refused")],
  },
});

/** Returns true if a lease that is over begins again by a tick that the second feed brings. */
function isRenewedByCopies(Lease: typeof OwnLease, clock: Clock, end: () => void): boolean {
  const start = { incarnation: "b-1", opened_at: 0 };
  const timers = { after: () => () => undefined, every: () => () => undefined, turnEnd: () => undefined };
  const lease = new Lease(
    { clock, timers },
    { start, lease_ms: LEASE_MS },
    { send: () => undefined, held: () => undefined, ended: () => undefined },
  );
  lease.start();
  lease.returned(0, start, 1);
  end();
  lease.tick();
  lease.returned(1, start, 2);
  return lease.tenure !== null;
}

threat("H8", "a node without the named bundle allows for a bounded time within its lease, and acknowledges nothing", {
  async check(tree) {
    const { BundleFeed } = await tree("cluster/bundle_feed.js");
    const { Fleet } = await tree("cluster/fleet.js");
    const { Lease } = await tree("cluster/lease.js");
    const { Member } = await tree("cluster/member.js");
    const missing = async (prepare: (node: BundleNode) => void): Promise<BundleNode> => {
      const node = new BundleNode({ Feed: BundleFeed });
      prepare(node);
      await turns();
      return node;
    };
    const take = (node: BundleNode): void => {
      node.feed.take(named(2), 10);
    };
    const late = await missing(take);
    const isBehind = (): boolean => late.feed.isBehind;
    if (isBehind()) throw new Error("it never allows");
    await late.pass(BEHIND_MS + 1);
    if (!isBehind()) return "it allows for longer than it may be without the bundle";
    const started = await missing((node) => {
      node.holdsLease = false;
      take(node);
    });
    if (!started.feed.isBehind) return "it allows after a start, without the bundle";
    const thawed = await missing((node) => {
      take(node);
      node.feed.leaseBegan();
    });
    if (!thawed.feed.isBehind) return "it allows under another lease, without the bundle";

    let now = 0;
    const clock = { monotonic: () => now, wall: () => now };
    /** Whether the named bundle is claimed to decide on node a as well, after something that isn't its acknowledgement. */
    const isClaimed = (
      before: (fleet: OwnFleet) => void,
      after: (fleet: OwnFleet, claim: FleetClaim) => void,
      feedsRead: readonly number[] = [0, 1],
    ): boolean => {
      const fleet = new Fleet(clock, { lease_ms: LEASE_MS, feeds: 2 });
      before(fleet);
      const claim = fleet.claim(() => true);
      for (const feed of [0, 1]) claim.committed(feed);
      after(fleet, claim);
      now++;
      for (const feed of feedsRead) fleet.brought(feed, now);
      return claim.holds;
    };
    const tick = (fleet: OwnFleet, feed: number, start: number): void => {
      fleet.seen(feed, { node: "a", incarnation: `a-${start}`, opened_at: start, leaving: false });
    };
    const known = (fleet: OwnFleet): void => {
      now += 2 * LEASE_MS;
      tick(fleet, 0, 1);
    };
    const isSilent = (): void => void (now += 10 * LEASE_MS);
    if (isClaimed(known, isSilent)) return "it is claimed of a silent node";
    const dismissed = isClaimed(known, (fleet) => {
      fleet.gone(0, "a-1");
      isSilent();
    });
    if (dismissed) return "it is claimed of a node whose dismissal one feed has";
    const replaced = (ticks: (fleet: OwnFleet) => void): boolean =>
      isClaimed(known, (fleet, claim) => {
        isSilent();
        ticks(fleet);
        claim.landed({ node: "a", incarnation: "a-2" });
      });
    if (
      replaced((fleet) => {
        tick(fleet, 0, 2);
      })
    )
      return "it is claimed of an earlier start that needn't have read of the later one";
    const renewed = replaced((fleet) => {
      for (const feed of [0, 1]) tick(fleet, feed, 2);
      tick(fleet, 1, 1);
    });
    if (renewed) return "it is claimed within the lease of an earlier start";
    const alone = (): void => void (now += 2 * LEASE_MS);
    const unseen = isClaimed(alone, (fleet) => {
      tick(fleet, 0, 1);
      isSilent();
    });
    if (unseen) return "it is claimed of a node of which nothing was read before";
    if (!isClaimed(alone, isSilent)) throw new Error("it is claimed of nobody");
    if (isClaimed(alone, isSilent, [0])) return "it is claimed while the second feed may have a tick of somebody else";
    if (isRenewedByCopies(Lease, clock, () => void (now += 2 * LEASE_MS))) return "a lease that was over begins again by the second feed";
    return acknowledged(Member) ? "it is acknowledged before it decides" : null;
  },
  without: {
    "a bound": [cut.text("cluster/bundle_feed.js", "isBehind", "> this.#deps.behind_ms_max", "> Infinity")],
    "a start counting": [cut.text("cluster/bundle_feed.js", "take", "this.#deps.holdsLease()", "true")],
    "another lease counting": [cut.text("cluster/bundle_feed.js", "leaseBegan", "mayAllow = false", "mayAllow = true")],
    "silence counting for nothing": [cut.always("cluster/fleet.js", "#mayAllow", "UNKNOWN_NODE")],
    "a dismissal being in both feeds": [cut.text("cluster/fleet.js", "#mayAllow", "this.#gone.every(", "this.#gone.some(")],
    "a later start being seen in both feeds": [cut.text("cluster/fleet.js", "#isReplaced", "this.#seen.every(", "this.#seen.some(")],
    "nodes that are seen later counting": [
      cut.text("cluster/fleet.js", "#waited", "tick.node !== UNKNOWN_NODE", "this.#before.has(incarnation)"),
    ],
    "each feed being read up to a later tick": [cut.text("cluster/fleet.js", "#knowsAll", "sent > since", "true")],
    "ticks after it counting": [cut.text("cluster/fleet.js", "#waited", "!this.#isWork()", "true")],
    "all facts being here before a lease begins again": [cut.text("cluster/lease.js", "returned", "!held && feed !== FACTS_FEED", "false")],
    "its acknowledgement being held": [
      cut.text("cluster/member.js", "#acknowledge", "isPending?.(revision) ?? this.#work.has(revision)", "false"),
    ],
  },
});

threat("H14", "a bundle that all nodes try is the one that was staged, beside the named one alone, until it ends anywhere", {
  async check(tree) {
    const { FeedBundles } = await tree("service/feed_bundles.js");
    const { StageFeed } = await tree("cluster/stage_feed.js");
    const { Commands } = await tree("facts/commands.js");
    const folder = await mkdtemp(join(tmpdir(), "remit-staged-"));
    try {
      const world = new FactsWorld();
      const commands = await world.open(0, Commands);
      const system = { clock: { monotonic: () => 0, wall: () => NOW_MS }, timers: new StillTimers() };
      const feed = new FeedBundles({ name: NAME, behind_ms_max: 1000 }, Promise.resolve(world), system, silent);
      const engine = new PolicyEngine({ trusted: await TrustedStore.open(join(folder, "state")), clock: system.clock });
      const path = join(folder, "bundle.tar.gz");
      const source = new BundleSource({ ...{ path, name: NAME, trust: () => ({ keys: KEYS }), engine, ...system, poll_ms: 1000 } });
      await writeFile(path, await bundleBytes({ sequence: 12 }));
      await source.check();
      const beside = engine.active?.identity.digest ?? "";
      const [wanted, other] = [(await verified({ sequence: 13 })).identity, await bundleBytes({ sequence: 14 })];
      // Under the name of the one that is staged lies another, which is as good.
      const objects = { get: () => Promise.resolve(other) } as unknown as BundleObjects;
      await feed.begin({ source, engine, objects, kept: { find: () => Promise.resolve(null) } });
      const tried: number[] = [];
      const staging = { begin: ({ identity }: ActivePolicy) => tried.push(identity.sequence), end: () => undefined, status: null };
      const stop = feed.follow(commands, staging);
      const acknowledged: number[] = [];
      const bundles = { same: true, differ_ms: null, running: [] };
      const inForce = () => Promise.resolve({});
      feed.join({ holdsLease: true, bundles, nodeBundles: [], inForce, activated: (revision) => acknowledged.push(revision) });
      const act = { by: "ops", reason: null };
      await commands.bundles.name({ id: NAME, digest: beside, sequence: 12, revision: "r" }, act);
      const staged = { digest: wanted.digest, sequence: 13, revision: "r", share: 10 };
      await commands.bundles.stage(NAME, digestOf(11), staged, act).catch(() => undefined);
      if (commands.registry.bundle(NAME)?.staged !== undefined) return "it is to be tried beside a bundle that isn't named";
      const revision = await commands.bundles.stage(NAME, beside, staged, act);
      await feed.attempted();
      const failing = feed.named([])?.staged?.failing?.code;
      stop();
      if (tried.length > 0) return `sequence ${tried.join(", ")} is tried, where 13 was staged`;
      if (acknowledged.includes(revision)) return "it is acknowledged where it isn't tried";
      if (failing !== "bundle_not_named") throw new Error(`it can't be tried: ${failing ?? "nothing said"}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }

    const tries = ({ stage }: BundleNode): boolean => stage !== null;
    const taking = async (change: BundleActivation): Promise<BundleNode> => {
      const node = new BundleNode({ Stages: StageFeed });
      node.store(2);
      node.stages.take(change, 10);
      await turns();
      return node;
    };
    const early = await taking({ ...staged(2), ...named(3), staged: staged(2).staged });
    if (tries(early)) return "it is tried beside another than the named one";
    if (!early.stages.isPending(10)) return "it is said to be tried before it is";
    const ended = await taking(staged(2));
    if (!tries(ended)) throw new Error("it isn't tried");
    ended.stages.take(named(1), 11);
    if (tries(ended)) return "it goes on here where it has ended for all";
    const over = await taking(staged(2));
    over.stage = null;
    over.stages.ended(digestOf(2));
    over.stages.look();
    await turns();
    return tries(over) ? "it begins again where it has ended by itself" : null;
  },
  without: {
    "its digest": [cut.refusal("service/feed_bundles.js", "#stagesBy", "bundle_not_named")],
    "a look at what is named": [cut.refusal("facts/bundle_commands.js", "stage", "bundle_refused")],
    "the named one being active": [cut.text("cluster/stage_feed.js", "wanted", "deps.running()?.digest !== this.#beside", "false")],
    "its acknowledgement being held": [cut.text("cluster/stage_feed.js", "isPending", "this.#due.has(revision)", "false")],
    "both of a change being taken first": [cut.never("service/feed_bundles.js", "#carriedOut", "#takenOut")],
    "its end for all": [cut.call("cluster/stage_feed.js", "take", "end", "undefined")],
    "its own end": [cut.text("cluster/stage_feed.js", "ended", "this.#over = this.#staged", "undefined")],
  },
});

/** Returns true if a member that hasn't carried out what a change asks for acknowledges it when it is asked. */
function acknowledged(Member: typeof OwnMember): boolean {
  const feed = new Feed();
  const messages: string[] = [];
  let hear = (_: string): void => undefined;
  const none = () => () => undefined;
  const member = new Member(
    {
      ...{
        store: feed,
        revision: () => 1,
        landed: () =>
          ({
            then: (call: () => void) => {
              call();
            },
          }) as unknown as Promise<void>,
      },
      ...{
        bundle: () => null,
        staged: () => null,
        hold: () => undefined,
        read: new FeedRead(null),
        copies: new Feed().copies,
        isCopied: () => false,
        holdAhead: () => true,
      },
      ...{ isWork: ({ key }: Change) => key.startsWith("bundle/"), isPending: (revision: number) => revision === 1 },
      link: {
        send: ({ kind }) => messages.push(kind),
        receive: (take) => {
          hear = take;
          return () => undefined;
        },
      },
      system: { clock: { monotonic: () => 0, wall: () => 0 }, timers: { after: none, every: none, turnEnd: () => undefined } },
      events: { held: () => undefined, ended: () => undefined, claimed: () => undefined },
    },
    { ...{ node: "a", start: { incarnation: "a-1", opened_at: 0 }, lease_ms: 1000, fleet_within_ms: 1, nodes_max: 9 }, version: "1" },
  );
  member.start();
  feed.add(naming(1, digestOf(2), 2));
  hear(JSON.stringify({ kind: "ask", revision: 1 }));
  return messages.includes("landed");
}
