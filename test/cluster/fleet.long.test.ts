import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import { Child, sleep, type Told } from "../service/child.js";
import { skip } from "../skip.js";
import { allowedByAll, decided, registered, until } from "./asking.js";
import { chaos } from "./chaos.js";
import { ClusterNode } from "./nodes.js";
import { EXPIRES, actionOf, agentNamed } from "./requests.js";

/** Long enough for ticks of a process that waits for its turn; a claim waits for half of it before it is answered. */
const LEASE_MS = 4000;
/** Milliseconds for which a process may take to end. */
const END_MS = 60_000;
interface Fleet {
  acknowledged: { node: string; ms: number }[];
  expired: string[];
  waiting_for: string[];
  took_ms: number | null;
}
const fleetIn = ({ body }: Told): Fleet & { in_force: string } => ({ ...(body["fleet"] as Fleet), in_force: body["in_force"] as string });

describe("three services that are one cluster", function () {
  let folder: string;
  let servers: NatsServer[] = [];
  let nodes: ClusterNode[] = [];
  const [a, b, c] = [0, 1, 2].map((i) => (): ClusterNode => {
    const node = nodes[i];
    if (node === undefined) throw new Error(`node ${i} isn't there`);
    return node;
  }) as [() => ClusterNode, () => ClusterNode, () => ClusterNode];

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), "remit-cluster-"));
    try {
      servers = await startNats(3, join(folder, "nats"));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
    const options = { lease_ms: LEASE_MS, fleet_within_ms: LEASE_MS / 2, replicas: 3 };
    for (const name of ["a", "b", "c"]) nodes.push(await ClusterNode.start(name, folder, servers, options));
    for (const { child } of nodes) await child.ready();
  });
  after(async () => {
    for (const node of nodes) await node.close();
    nodes = [];
    await stopNats(servers);
    rmSync(folder, { recursive: true, force: true });
  });

  let agents = 0;
  /** Registers an agent with a task at one node, and waits until all allow its action. */
  const allowed = async (): Promise<string> => {
    const agent = `agent-${++agents}`;
    await registered(a(), agent);
    await allowedByAll(nodes, agent);
    return agent;
  };
  const revoke = (node: ClusterNode, agent: string): Promise<Told> =>
    node.child.told("POST", "/revocations", { scope: { agent }, reason: "tests" });
  const standing = async (node: ClusterNode, agent: string): Promise<ReturnType<typeof fleetIn>> =>
    fleetIn(await node.child.told("GET", `/revocations/agent/${agent}`));
  /** Waits until a node denies with a code; nothing that is asked once a lease has passed since the call may be allowed. */
  const denies = async (child: Child, agent: string, code: string, what: string): Promise<void> => {
    const began = performance.now();
    await until(async () => {
      const asked = performance.now() - began;
      const found = await decided(child, agent);
      if (found === "allow") expect(asked, `${what}: allowed, asked so many ms after`).to.be.below(LEASE_MS);
      return found === code;
    }, what);
  };

  it("know one another, and have the same digest over the same facts", async () => {
    await allowed();
    await until(async () => {
      const answers = await Promise.all(nodes.map(({ child }) => child.told("GET", "/cluster")));
      return (
        answers.every(({ body }) => (body["nodes"] as unknown[]).length === 3) &&
        new Set(answers.map(({ body }) => body["chain"])).size === 1
      );
    }, "three nodes of one chain");
  });

  it("revoke everywhere: each acknowledges, and none allows once that is answered", async () => {
    // A claim counts the nodes from before a start for as long as a lease.
    await sleep(LEASE_MS * 1.1);
    for (const node of nodes) {
      const agent = await allowed();
      const told = await revoke(node, agent);
      const { in_force, acknowledged, expired, waiting_for } = fleetIn(told);
      expect([in_force, acknowledged.map((one) => one.node), expired, waiting_for], told.text).to.deep.equal([
        "fleet",
        ["a", "b", "c"],
        [],
        [],
      ]);
      for (const { child } of nodes) expect(await decided(child, agent)).to.equal("agent_revoked");
    }
  });

  it("give a credential to one agent, whoever registers it where at once", async () => {
    for (let round = 0; round < 10; round++) {
      const credentials = [{ issuer: "https://issuer.localhost", subject: `subject-${round}` }];
      const told = await Promise.all(
        nodes.map(({ child, name }) => child.told("POST", "/agents", agentNamed(`twin-${round}-${name}`, { credentials }))),
      );
      const created = told.filter(({ status }) => status === 201);
      expect(created.length, told.map(({ text }) => text).join("\n")).to.equal(1);
    }
  });

  it("wait for a frozen node for as long as its lease, then say that it has ended", async () => {
    const agent = await allowed();
    c().freeze(true);
    const began = performance.now();
    try {
      const told = await revoke(a(), agent);
      expect(fleetIn(told).in_force).to.equal("node");
      expect(fleetIn(told).waiting_for).to.include("c");
      await until(async () => (await standing(a(), agent)).in_force === "fleet", "in force on the fleet");
      // The lease runs from its last tick, of which there are five in its time.
      expect(performance.now() - began).to.be.above(LEASE_MS / 2);
      expect((await standing(a(), agent)).expired).to.deep.equal(["c"]);
      expect((await revoke(b(), agent)).body["in_force"], "asked again, of another").to.equal("fleet");
    } finally {
      c().freeze(false);
    }
    await until(async () => (await decided(c().child, agent)) === "agent_revoked", "node c knows it");
  });

  for (const fault of ["cut", "hang"] as const)
    it(`deny on a node whose links are ${fault === "cut" ? "cut" : "hanging"} once its lease is over, and allow again when they are back`, async () => {
      const agent = await allowed();
      c()[fault]();
      await denies(c().child, agent, "facts_stale", "node c denies");
      expect((await c().child.told("GET", "/readyz")).status).to.equal(503);
      await until(async () => (await decided(a().child, agent)) === "allow", "another node allows");
      const told = await revoke(a(), agent);
      if (fleetIn(told).in_force === "node")
        await until(async () => (await standing(a(), agent)).in_force === "fleet", "in force on the fleet");
      expect(await decided(c().child, agent)).not.to.equal("allow");
      c().heal();
      await until(async () => (await decided(c().child, agent)) === "agent_revoked", "node c is back");
    });

  it("don't wait for a node that has stopped in order", async () => {
    const agent = await allowed();
    expect(await c().child.stop()).to.equal(0);
    expect(fleetIn(await revoke(a(), agent))).to.deep.include({ in_force: "fleet", expired: [], waiting_for: [] });
    await c().again();
    expect(await decided(c().child, agent)).to.equal("agent_revoked");
  });

  it("take no request after a start before they may allow, so that a client asks another node meanwhile", async () => {
    const agent = await allowed();
    for (let start = 0; start < 3; start++) {
      await c().child.stop();
      c().begin();
      const answers = new Set<string>();
      await until(async () => answers.add(await decided(c().child, agent)).has("allow"), "node c allows");
      expect([...answers], "what was answered").to.deep.equal(["nothing", "allow"]);
      const { said } = c().child;
      expect(said.indexOf("lease_held"), said).to.be.within(0, said.indexOf("service_listening"));
    }
  });

  it("hold a revocation on every node while the servers have no leader, and claim it once they have", async () => {
    const agent = await allowed();
    const quorum = servers.slice(0, 2);
    try {
      for (const server of quorum) await server.kill();
      const told = await revoke(a(), agent);
      expect(told.body).to.deep.include({ in_force: "node", durable: false });
      // A node whose server was killed hears of it once it is connected again, or its lease is over first.
      for (const { name, child } of nodes)
        await until(async () => (await decided(child, agent)) !== "allow", `node ${name} allows it no more`);
      await until(async () => (await decided(b().child, agent)) === "facts_stale", "node b denies everything");
    } finally {
      for (const server of quorum) server.start();
      for (const server of quorum) await server.ready();
    }
    await until(async () => (await revoke(a(), agent)).body["in_force"] === "fleet", "in force on the fleet");
    await until(async () => (await decided(b().child, agent)) === "agent_revoked", "node b decides again");
  });

  it("allow nothing after a claim while nodes are frozen, killed and cut off, one way too, and servers killed and frozen", async () => {
    const found = await chaos(nodes, servers, { seed: Date.now(), lease_ms: LEASE_MS, ms: 35_000, rate: 300, revoke_every_ms: 500 });
    expect(found.violations).to.deep.equal([]);
    expect(found.unclaimed).to.deep.equal([]);
    expect(found.claims).to.be.above(10);
    expect(found.allowed).to.be.above(100);
  });

  it("search the records of all of them, and name those that don't answer", async () => {
    interface Page {
      items: { node: string; record: { answer: { decision_id: string } } }[];
      next: string | null;
      nodes: { missing: string[] };
    }
    const agent = await allowed();
    const made = new Map<string, string>();
    for (let i = 0; i < 9; i++) {
      const node = nodes[i % 3] as ClusterNode;
      const told = await node.child.told("POST", "/decide", actionOf(agent));
      made.set(told.body["decision_id"] as string, node.name);
    }
    // What was decided while each node came to know the agent is there too.
    const search = `/decisions?agent=${agent}&order=oldest&limit=4`;
    const all = async (): Promise<Map<string, string>> => {
      const found = new Map<string, string>();
      for (let next: string | null = ""; next !== null;) {
        const { body } = await b().child.told("GET", `${search}${next === "" ? "" : `&cursor=${next}`}`);
        const page = body as unknown as Page;
        expect(page.nodes.missing).to.deep.equal([]);
        for (const { node, record } of page.items) {
          expect(found.has(record.answer.decision_id), "found twice").to.equal(false);
          found.set(record.answer.decision_id, node);
        }
        next = page.next;
      }
      return found;
    };
    await until(async () => {
      const found = await all();
      return [...made].every(([id, node]) => found.get(id) === node);
    }, "each decision is found on the node that made it");
    const summary = await a().child.told("GET", `/decisions/summary?agent=${agent}&by=agent`);
    const { records } = summary.body as { records: number };
    expect(records).to.equal((await all()).size);
    const [id = "", node = ""] = [...made].find(([, name]) => name === "a") ?? [];
    expect((await c().child.told("GET", `/decisions/${id}`)).body["node"]).to.equal(node);
    expect((await c().child.told("GET", `/decisions/${id}?node=c`)).status).to.equal(404);
    for (const { child } of nodes) {
      const { body } = await child.told("GET", `/decisions/${id}/receipt`);
      expect(body["record"]).to.include(id);
    }
    for (const told of [b(), a(), c()])
      expect((await told.child.told("POST", `/decisions/${id}/outcome`, { outcome: "done" })).body, `told node ${told.name}`).to.include({
        outcome: "done",
        decision_id: id,
      });
    expect((await c().child.told("POST", `/decisions/${id}/outcome`, { outcome: "failed" })).outcome).to.equal("409 outcome_exists");
    expect((await a().child.told("GET", `/decisions?agent=${agent}&node=nobody`)).outcome).to.match(/^400 parameter_invalid/);
    c().freeze(true);
    try {
      const { body } = await a().child.told("GET", search);
      expect((body as unknown as Page).nodes.missing).to.deep.equal(["c"]);
    } finally {
      c().freeze(false);
    }
  });

  it("permit no more by a grant than it has uses, whichever nodes are asked at once and killed meanwhile", async () => {
    const agent = await allowed();
    const USES = 3;
    let allowedOnce = 0;
    for (let round = 0; round < Number(process.env["REMIT_GRANTS"] ?? 4); round++) {
      const [id, customer] = [`G-${round}`, `other-${round}`];
      const who = { reason: "tests", requested_by: "ada", approved_by: "bob" };
      const grant = { id, agent, entry: { read: "invoice", about: "other", when: { customer } }, uses: USES, ...who, expires: EXPIRES };
      await until(async () => (await a().child.told("POST", "/grants", grant)).status <= 201, "a grant is given");
      const action = { ...actionOf(agent), resource: { type: "invoice", id: `INV-${round}`, attributes: { customer } } };
      const ask = async (node: ClusterNode): Promise<boolean> => {
        const told = await node.child.ask("POST", "/decide", { body: action });
        const { proceed = false, reasons = [] } = (told?.body ?? {}) as { proceed?: boolean; reasons?: { code: string }[] };
        return proceed && reasons.some(({ code }) => code === "granted");
      };
      const asked = Array.from({ length: 24 }, (_, i) => ask(nodes[i % nodes.length] as ClusterNode));
      if (round % 2 === 1) await c().child.kill();
      const permitted = (await Promise.all(asked)).filter(Boolean).length;
      if (round % 2 === 1) await c().again();
      expect(permitted, `round ${round}`).to.be.at.most(USES);
      allowedOnce += permitted;
      await until(async () => {
        const { body } = await b().child.told("GET", `/grants/${id}`);
        const taken = Object.values((body["taken"] ?? {}) as Record<string, number>).reduce((sum, uses) => sum + uses, 0);
        expect(taken, `round ${round}: taken`).to.be.at.most(USES);
        return taken >= permitted;
      }, "each node knows what was taken");
      let more = 0;
      for (let i = 0; i < 2 * USES; i++) for (const node of nodes) more += Number(await ask(node));
      expect(permitted + more, `round ${round}: with those asked afterwards`).to.be.at.most(USES);
    }
    expect(allowedOnce).to.be.above(0);
  });

  it("stop allowing in a process whose name another has taken, which goes on", async () => {
    const agent = await allowed();
    const other = await ClusterNode.start("c", join(folder, "other"), servers, { lease_ms: LEASE_MS, replicas: 3 });
    try {
      await other.child.ready();
      await until(async () => (await decided(c().child, agent)) === "facts_stale", "the earlier process denies");
      expect((await c().child.told("GET", "/cluster")).body["ended"]).to.equal("node_name_taken");
      await until(async () => (await decided(other.child, agent)) === "allow", "the later process allows");
    } finally {
      await other.close();
      await c().child.kill();
      await c().again();
    }
  });

  it("stop allowing on a node that has read another feed before, and say so", async () => {
    const agent = await allowed();
    await sleep(100);
    expect(await c().child.stop()).to.equal(0);
    const file = join(c().place.records, "cluster.json");
    const kept = readFileSync(file, "utf8");
    const place = JSON.parse(kept) as { chain: string };
    writeFileSync(file, JSON.stringify({ ...place, chain: "f".repeat(64) }));
    c().child = new Child(c().place);
    try {
      await c().child.says("feed_forked");
      await until(async () => (await c().child.ask("GET", "/cluster")) !== null, "node c answers");
      expect(await decided(c().child, agent)).to.equal("facts_stale");
    } finally {
      await c().child.kill();
      writeFileSync(file, kept);
      await c().again();
    }
  });

  it("let another server lead the second feed when one leads both", async () => {
    const connection = await connect({ servers: servers.map(({ url }) => url) });
    try {
      const jsm = await jetstreamManager(connection);
      const [facts, copies] = ["REMIT_tests", "REMIT_tests_COPIES"] as const;
      const leaderOf = async (stream: string): Promise<string> => (await jsm.streams.info(stream).catch(() => null))?.cluster?.leader ?? "";
      await until(async () => {
        const leader = await leaderOf(copies);
        if ((await leaderOf(facts)) === leader) return true;
        const wanted = JSON.stringify({ placement: { preferred: leader } });
        await connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${facts}`, wanted, { timeout: 2000 }).catch(() => undefined);
        return false;
      }, "one server leads both");
      await until(async () => {
        const leaders = [await leaderOf(facts), await leaderOf(copies)];
        return !leaders.includes("") && leaders[0] !== leaders[1];
      }, "another leads the second feed");
    } finally {
      await connection.close();
    }
  });

  it("stop allowing when the feed is deleted and made anew", async () => {
    const agent = await allowed();
    const connection = await connect({ servers: servers.map(({ url }) => url) });
    const jsm = await jetstreamManager(connection);
    const { config } = await jsm.streams.info("REMIT_tests");
    await jsm.streams.delete("REMIT_tests");
    await jsm.streams.add({ ...config, metadata: {} });
    await connection.close();
    for (const { child } of nodes) await until(async () => (await decided(child, agent)) === "facts_stale", "each node denies");
    for (const { child } of nodes)
      await until(async () => {
        // Whichever a node finds first: another stream, or its own ticks at places that it has passed.
        const { ended } = (await child.told("GET", "/cluster")).body;
        return ended === "feed_other" || ended === "feed_forked";
      }, "each says why");
    await c().child.kill();
    // Its records have changes that the feed lacks.
    c().child = new Child(c().place);
    expect(await c().child.exit(END_MS)).not.to.equal(0);
  });
});
