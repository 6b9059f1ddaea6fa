import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Objm, type ObjectStore } from "@nats-io/obj";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import type { BundlesAnswer, NamedBundle, PublishAnswer } from "../../src/contract/index.js";
import { isInShare } from "../../src/policy/staging.js";
import { OBJECTS_KEPT } from "../../src/service/feed_bundles.js";
import { NatsStore } from "../../src/store/nats.js";
import { system } from "../../src/system/index.js";
import { KEY, NAME, STRANGER, archive, content, publicPem, signed } from "../bundle/support.js";
import { AGENT, REQUEST } from "../http/running.js";
import { VerdictBundles } from "../service/swaps.js";
import { sleep, type Told } from "../service/child.js";
import { skip } from "../skip.js";
import { ClusterNode } from "./nodes.js";

const LEASE_MS = 4000;
const BEHIND_MS = 3000;
/** Comparisons after which a stage that differs ends by itself. */
const COMPARED_MIN = 200;
const PATIENCE_MS = 60_000;
const TYPE = "application/gzip";

describe("bundles that the feed of a cluster activates", function () {
  let folder: string;
  let servers: NatsServer[] = [];
  let bundles: VerdictBundles;
  let connection: NatsConnection;
  let objects: ObjectStore;
  const nodes: ClusterNode[] = [];
  const [a, b, c] = [0, 1, 2].map((i) => (): ClusterNode => nodes[i] as ClusterNode) as [
    () => ClusterNode,
    () => ClusterNode,
    () => ClusterNode,
  ];
  /** Sequence of the bundle that was published last. */
  let last = 0;

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), "remit-activation-"));
    try {
      servers = await startNats(3, join(folder, "nats"));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
    bundles = await VerdictBundles.open();
    const first = await bundles.make(0);
    for (const name of ["a", "b", "c"]) {
      const own = join(folder, name);
      mkdirSync(own);
      writeFileSync(join(own, "bundle.pem"), publicPem(KEY));
      writeFileSync(join(own, "bundle.tar.gz"), first);
      const bundle = {
        name: NAME,
        path: join(own, "bundle.tar.gz"),
        keys: [join(own, "bundle.pem")],
        state_dir: join(own, "state"),
        poll_ms: 100,
        stage: { compared_min: COMPARED_MIN },
      };
      const more = { bundles: "feed", bundle_behind_ms: BEHIND_MS };
      const options = { lease_ms: LEASE_MS, fleet_within_ms: 2 * LEASE_MS, replicas: 3, more, sections: { bundle } };
      nodes.push(await ClusterNode.start(name, folder, servers, options));
    }
    for (const { child } of nodes) await child.ready();
    await until(
      async () => (await a().child.told("POST", "/agents", { id: REQUEST.agent, ...AGENT })).status <= 201,
      "an agent is registered",
    );
    connection = await connect({ servers: servers.map(({ url }) => url) });
  });
  after(async () => {
    for (const node of nodes) await node.close();
    await connection.close();
    await stopNats(servers);
    rmSync(folder, { recursive: true, force: true });
  });

  const until = async (holds: () => Promise<boolean>, what: string): Promise<void> => {
    const began = performance.now();
    while (!(await holds())) {
      if (performance.now() - began > PATIENCE_MS)
        throw new Error(`${what}: not within ${PATIENCE_MS} ms; ${nodes.map(({ child }) => child.said.slice(-3000)).join("\n---\n")}`);
      await sleep(20);
    }
  };
  const publish = async (node: ClusterNode, bytes: Buffer, query = ""): Promise<Told> => {
    const told = await node.child.ask("POST", `/bundles?reason=tests${query}`, { body: bytes, type: TYPE });
    if (told === null) throw new Error(`no answer: ${node.child.said}`);
    return told;
  };
  const publishNext = async (node: ClusterNode): Promise<PublishAnswer> => {
    const told = await publish(node, await bundles.make(++last));
    expect(told.status, told.text).to.equal(200);
    return told.body as unknown as PublishAnswer;
  };
  const seen = async (node: ClusterNode): Promise<BundlesAnswer> =>
    (await node.child.told("GET", "/bundles")).body as unknown as BundlesAnswer;
  /** Sequence by which a node decides, with the decision; or the code of why it denies whatever the bundle says. */
  const decided = async (node: ClusterNode, agent: string = REQUEST.agent): Promise<string> => {
    const told = await node.child.ask("POST", "/decide", { body: { ...REQUEST, agent } });
    if (told?.status !== 200) return told?.outcome ?? "nothing";
    const { decision, policy, reasons } = told.body as { decision: string; policy: { sequence: number }; reasons: { code: string }[] };
    return reasons[0]?.code === "facts_stale" ? "facts_stale" : `${decision} ${policy.sequence}`;
  };
  const isReady = async (node: ClusterNode): Promise<boolean> => (await node.child.ask("GET", "/readyz"))?.status === 200;
  /** Writes into the feed, past every node. */
  const write = async (key: string, value: Record<string, string | number | null>): Promise<void> => {
    const store = await NatsStore.open(
      {
        ...{ name: "tests", connection: { servers: servers.map(({ url }) => url) }, replicas: 3, marks_kept_s: 300 },
        ...{ unsure_after_ms: 10_000, guarded: ["agent"], isCopied: () => false },
      },
      system,
      { unavailable: () => undefined, ready: () => undefined, broken: () => undefined },
    );
    const [by, time] = ["mallory", new Date().toISOString()];
    const expected = (await store.changes(0, 1000, { key })).at(-1)?.revision ?? 0;
    await store.write([{ key, expected, value, by, time, reason: null, change: "bundle_named" }]);
    await store.close();
  };

  const verdict = (sequence: number): string => `${sequence % 2 === 0 ? "allow" : "deny"} ${sequence}`;

  it("decide on every node once that is answered, on record with who has published them and why", async () => {
    // A claim counts the nodes from before a start for as long as a lease.
    await sleep(LEASE_MS * 1.1);
    expect((await seen(b())).fleet?.named, "before the first").to.equal(null);
    for (const node of [a(), b()]) {
      const answer = await publishNext(node);
      expect([answer.in_force, answer.fleet?.acknowledged.map((one) => one.node), answer.fleet?.waiting_for]).to.deep.equal([
        "fleet",
        ["a", "b", "c"],
        [],
      ]);
      for (const one of nodes) expect(await decided(one)).to.equal(verdict(last));
    }
    const { named } = (await seen(c())).fleet ?? {};
    expect([named?.sequence, named?.by, named?.reason, named?.behind_ms]).to.deep.equal([last, "tests", "tests", null]);
    for (const node of nodes) {
      const { body } = await node.child.told(
        "GET",
        `/decisions?kind=facts&node=${node.name}&key=${encodeURIComponent(`bundle/${NAME}`)}&limit=5`,
      );
      const found = (body["items"] as { record: Record<string, unknown> }[]).map(({ record }) => record);
      expect(found.map((record) => [record["change"], record["caller"], record["reason"]])[0]).to.deep.equal([
        "bundle_named",
        "tests",
        "tests",
      ]);
    }
  });

  it("are refused everywhere when they are older, changed or forged, and change nothing", async () => {
    const older = await publish(c(), await bundles.make(last - 1));
    expect([older.outcome, older.body["reason"]]).to.deep.equal(["422 bundle_refused", "bundle_older"]);
    const forged = await publish(b(), await archive(signed(content({ sequence: last + 1, expires: null }), STRANGER)));
    expect([forged.outcome, forged.body["reason"]]).to.deep.equal(["422 bundle_refused", "signature_key_unknown"]);
    for (const node of nodes) expect(await decided(node)).to.equal(verdict(last));
    expect((await seen(a())).fleet?.named?.sequence).to.equal(last);
  });

  it("aren't activated from a node's own path", async () => {
    writeFileSync(join(folder, "c", "bundle.tar.gz"), await bundles.make(last + 1));
    await until(async () => (await seen(c())).refused?.code === "bundle_not_named", "it is refused");
    expect(await decided(c())).to.equal(verdict(last));
  });

  it("are taken by a node that was killed when it starts again, before it allows anything", async () => {
    await b().child.kill();
    const answer = await publishNext(a());
    expect([answer.in_force, answer.fleet?.waiting_for, answer.fleet?.expired], "it may be back").to.deep.equal(["node", ["b"], []]);
    await b().again();
    expect(await decided(b())).to.equal(verdict(last));
    await until(async () => (await seen(a())).fleet?.named?.waiting_for.length === 0, "nobody is waited for");
    const again = await publish(a(), await bundles.make(last));
    expect(again.body["in_force"], again.text).to.equal("fleet");
  });

  it("hold up no other node while one is frozen, which decides by nothing else once it is back", async () => {
    await until(async () => (await seen(a())).fleet?.running.flatMap(({ nodes: on }) => on).length === 3, "three nodes are live");
    c().freeze(true);
    try {
      const { in_force, fleet } = await publishNext(b());
      expect(fleet?.acknowledged.map(({ node }) => node)).to.not.include("c");
      // On a busy machine its lease is over before this is answered, or even before it was asked for.
      if (in_force !== "fleet") expect(fleet?.waiting_for).to.deep.equal(["c"]);
      for (const node of [a(), b()]) expect(await decided(node)).to.equal(verdict(last));
      await sleep(LEASE_MS);
    } finally {
      c().freeze(false);
    }
    const found: string[] = [];
    await until(async () => {
      found.push(await decided(c()));
      return found.at(-1) === verdict(last);
    }, "it decides by the new one");
    expect(found.filter((one) => /^(allow|deny) /.test(one) && one !== verdict(last))).to.deep.equal([]);
  });

  it("are tried on every node by one call, for the same agents, until one call ends that", async () => {
    await until(async () => (await seen(a())).fleet?.running.flatMap(({ nodes: on }) => on).length === 3, "three nodes are live");
    const agents = Array.from({ length: 12 }, (_, i) => `sharing-${i}`);
    for (const id of agents) expect((await a().child.told("POST", "/agents", { id, ...AGENT })).status).to.equal(201);
    const told = await publish(b(), await bundles.make(last + 1), "&stage=50");
    expect(told.status, told.text).to.equal(200);
    const answer = told.body as unknown as PublishAnswer;
    expect([answer.in_force, answer.fleet?.acknowledged.map(({ node }) => node), answer.staged?.sequence]).to.deep.equal([
      "fleet",
      ["a", "b", "c"],
      last + 1,
    ]);
    const expected = agents.map((agent) => verdict(isInShare(agent, 50) ? last + 1 : last));
    expect(new Set(expected).size, "some of each").to.equal(2);
    const byAll = (node: ClusterNode): Promise<string[]> => Promise.all(agents.map((agent) => decided(node, agent)));
    const isExpected = (node: ClusterNode): Promise<void> =>
      until(async () => {
        const found = await byAll(node);
        // A busy machine may let its lease run out; whatever else it says has to be right.
        for (const [i, one] of found.entries()) if (one !== "facts_stale") expect(one).to.equal(expected[i]);
        return !found.includes("facts_stale");
      }, `${node.name} decides for each agent as it should`);
    for (const node of nodes) await isExpected(node);
    const staged = async (): Promise<NonNullable<NamedBundle["staged"]> | undefined> => (await seen(c())).fleet?.named?.staged ?? undefined;
    await until(async () => (await staged())?.waiting_for.length === 0, "each says in its ticks that it tries it");
    expect(await staged()).to.deep.include({ share: 50, sequence: last + 1, by: "tests", reason: "tests", failing: null });
    for (const node of nodes)
      await until(async () => {
        const { staged: whole } = await seen(node);
        // Each of three nodes has decided once for each agent at least.
        return whole?.missing?.length === 0 && whole.compared >= 3 * agents.length;
      }, `${node.name} shows what the stage has come to on all`);

    await c().child.kill();
    await c().again();
    // From its first answers on.
    await isExpected(c());

    expect((await c().child.told("POST", "/bundles/staged/drop?reason=enough")).status).to.equal(200);
    for (const node of nodes)
      await until(async () => (await byAll(node)).every((one) => one === verdict(last)), "the named one decides for all");
    expect((await seen(a())).fleet?.named?.staged).to.equal(null);
    await until(async () => {
      const { body } = await a().child.told("GET", `/decisions?kind=facts&node=a&key=${encodeURIComponent(`bundle/${NAME}`)}&limit=2`);
      const records = (body["items"] as { record: Record<string, unknown> }[]).map(({ record }) => [record["change"], record["reason"]]);
      return JSON.stringify(records) === '[["bundle_stage_ended","enough"],["bundle_staged","tests"]]';
    }, "both are on record, with why");
    expect((await a().child.told("POST", "/bundles/staged/drop")).status, "there is none").to.equal(404);
  });

  it("are tried nowhere any more once one node has seen too many differences", async () => {
    const told = await publish(a(), await bundles.make(last + 1), "&stage=shadow");
    expect(told.status, told.text).to.equal(200);
    await until(async () => {
      const found = await decided(c());
      // A busy machine may let its lease run out.
      if (found !== "facts_stale") expect(found).to.equal(verdict(last));
      return c().child.said.includes('"event":"bundle_stage_dropped"');
    }, "it has seen enough");
    for (const node of nodes)
      await until(async () => {
        const { staged, fleet } = await seen(node);
        return staged === null && fleet?.named?.staged === null;
      }, "it has ended");
    await until(async () => {
      const { body } = await b().child.told("GET", `/decisions?kind=facts&node=b&key=${encodeURIComponent(`bundle/${NAME}`)}&limit=1`);
      const [{ record }] = body["items"] as [{ record: Record<string, unknown> }];
      return record["change"] === "bundle_stage_ended" && record["caller"] === "remit" && record["reason"] === "flips";
    }, "it is on record on every node, with why");
    await publishNext(b());
    for (const node of nodes) expect(await decided(node)).to.equal(verdict(last));
  });

  it("that are altered in the object store aren't activated by a node that starts: it allows nothing, and says why", async () => {
    objects = await new Objm(connection).open("remit-bundles-tests");
    await c().child.stop();
    await publishNext(a());
    const digest = bundles.digests.get(last) ?? "";
    const good = await objects.getBlob(digest);
    await objects.putBlob({ name: digest }, await archive(signed(content({ sequence: last, expires: null }), STRANGER)));
    c().begin();
    await c().child.says('"event":"named_bundle_unavailable"');
    await until(async () => (await decided(c())) === "503 bundle_missing", "it decides nothing");
    expect(await isReady(c())).to.equal(false);
    const { named } = (await seen(c())).fleet ?? {};
    expect([named?.failing?.code, (await seen(c())).running]).to.deep.equal(["signature_key_unknown", null]);
    await until(async () => {
      const { body } = await c().child.told("GET", "/findings");
      return JSON.stringify(body).includes("policy_unavailable");
    }, "it is a finding");
    for (const node of [a(), b()]) expect(await decided(node)).to.equal(verdict(last));
    await objects.putBlob({ name: digest }, good);
    await until(async () => (await decided(c())) === verdict(last), "it has the good one");
    expect(await isReady(c())).to.equal(true);
  });

  /** Names a bundle in the feed, past every node. */
  const name = (sequence: number, digest: string): Promise<void> =>
    write(`bundle/${NAME}`, { id: NAME, digest, sequence, revision: "r", since: new Date().toISOString(), by: "mallory", reason: null });
  it("take nobody back when somebody writes an earlier one into the feed: each node goes on with what it has", async () => {
    await name(last - 2, bundles.digests.get(last - 2) ?? "");
    for (const node of nodes) await until(async () => (await seen(node)).fleet?.named?.failing?.code === "bundle_older", "it is refused");
    await sleep(BEHIND_MS * 1.5);
    for (const node of nodes) expect(await decided(node)).to.equal(verdict(last));
    const answer = await publishNext(a());
    expect(answer.in_force).to.equal("fleet");
  });

  it("are waited for when somebody names one that nobody has, as long as is allowed; then nothing is allowed until there is a good one", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    if (last % 2 === 1) await publishNext(a());
    const began = performance.now();
    await name(last + 1, digest);
    for (const node of nodes) {
      await until(async () => {
        const asked = performance.now();
        const found = await decided(node);
        if (found !== "facts_stale") expect(found, `asked ${asked - began} ms after`).to.equal(verdict(last));
        return found === "facts_stale";
      }, "it denies");
      expect(performance.now() - began).to.be.above(BEHIND_MS);
      await node.child.says('"event":"named_bundle_behind"');
      expect(await isReady(node)).to.equal(false);
      expect((await seen(node)).fleet?.named?.failing?.code).to.equal("bundle_unreachable");
    }
    last += 1;
    await publishNext(b());
    for (const node of nodes) await until(async () => (await decided(node)) === verdict(last), "it decides again");
  });

  it("are kept by the servers in a bounded number", async () => {
    for (let i = 0; i < OBJECTS_KEPT + 2; i++) await publishNext(nodes[i % 3] as ClusterNode);
    await until(async () => (await objects.list()).length <= OBJECTS_KEPT + 1, "old ones are removed");
    expect((await objects.list()).some((one) => one.name === bundles.digests.get(last))).to.equal(true);
  });

  it("are activated while a server is down, and nothing at all is allowed by a node that can't read what a later version names", async () => {
    await servers[0]?.kill();
    await until(async () => {
      const told = await publish(a(), await bundles.make(last + 1));
      return told.status === 200;
    }, "it is published");
    last += 1;
    for (const node of nodes) await until(async () => (await decided(node)) === verdict(last), "it decides");
    await write("pack/later", { of: "a later version" });
    for (const node of nodes) {
      await node.child.says('"code":"feed_unreadable"');
      await until(async () => (await decided(node)) === "facts_stale", "it denies");
      expect((await node.child.told("GET", "/cluster")).body["ended"]).to.equal("feed_unreadable");
    }
  });
});
