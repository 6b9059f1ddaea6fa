import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import type { ApprovalList, BundlesAnswer, ClusterAnswer, FindingPage, ShownFinding } from "../../src/contract/index.js";
import { compileGrantEntry } from "../../src/bundle/grant_entry.js";
import { readTransport } from "../../src/client/options.js";
import { outside } from "../../src/client/outside.js";
import { Transport } from "../../src/client/transport.js";
import { Feed } from "../../src/embedded/feed.js";
import { system } from "../../src/system/index.js";
import { Follower } from "../http/following.js";
import type { Json } from "../service/child.js";
import { skip } from "../skip.js";
import { until } from "./asking.js";
import { ClusterNode } from "./nodes.js";

const PURPOSE = "customer_support";
/** Long enough for a question to a frozen node to end before its lease does. */
const LEASE_MS = 30_000;

describe("what one node of a cluster knows, seen from another", function () {
  let folder: string;
  let servers: NatsServer[] = [];
  const nodes: ClusterNode[] = [];
  const [a, b] = [0, 1].map((i) => (): ClusterNode => nodes[i] as ClusterNode) as [() => ClusterNode, () => ClusterNode];

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), "remit-nodes-"));
    try {
      servers = await startNats(1, join(folder, "nats"));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
    const options = { lease_ms: LEASE_MS, replicas: 1 };
    nodes.push(await ClusterNode.start("a", folder, servers, options));
    nodes.push(await ClusterNode.start("b", folder, servers, { ...options, trusts: a() }));
    for (const { child } of nodes) await child.ready();
  });
  after(async () => {
    for (const node of nodes) await node.close();
    await stopNats(servers);
    rmSync(folder, { recursive: true, force: true });
  });

  let agents = 0;
  /** Has an agent on node `a` do what waits for a person on node `b`. */
  const waiting = async (): Promise<{ agent: string; decision_id: string; finding: string }> => {
    const agent = `agent-${++agents}`;
    const task = {
      ...{ id: `T-${agent}`, agent, purpose: PURPOSE, principal: "ada", attributes: { topic: "billing" } },
      ...{ expires: new Date(Date.now() + 3_600_000).toISOString(), subjects: { ticket: ["TCK-1"], customer: ["ada"] } },
    };
    expect((await a().child.told("POST", "/agents", { id: agent, owner: "tests@example.com", purposes: [PURPOSE] })).status).to.equal(201);
    expect((await a().child.told("POST", "/tasks", task)).status).to.equal(201);
    const resource = { type: "invoice", id: `INV-${agent}`, attributes: { customer: "somebody" } };
    const action = { agent, task: task.id, purpose: PURPOSE, verb: "read", resource };
    let answer: Json = {};
    await until(async () => {
      answer = (await b().child.told("POST", "/decide", action)).body;
      return answer["wait"] !== undefined;
    }, "node b knows the task, and its action waits");
    return { agent, decision_id: String(answer["decision_id"]), finding: String(answer["finding"]) };
  };
  const body = async <T>(node: ClusterNode, path: string): Promise<T> => (await node.child.told("GET", path)).body as unknown as T;

  it("is listed and followed as findings of all, and named with its node", async () => {
    const path = "/findings/stream";
    const follower = await Follower.follow({ port: a().child.port }, { token: a().place.token, path });
    await follower.ready();
    const records = await Follower.follow({ port: a().child.port }, { token: a().place.token, path: "/decisions/stream" });
    await records.ready();
    const { agent, finding, decision_id } = await waiting();
    for (const node of nodes) {
      let page = await body<FindingPage>(node, `/findings?agent=${agent}`);
      await until(async () => {
        page = await body<FindingPage>(node, `/findings?agent=${agent}`);
        return page.items.length > 0;
      }, `node ${node.name} lists it`);
      expect(page.items.map((one) => [one.id, one.node])).to.deep.equal([[finding, "b"]]);
      expect(page.nodes?.missing).to.deep.equal([]);
      const shown = await body<ShownFinding>(node, `/findings/${finding}`);
      expect([shown.node, shown.timeline.length > 0]).to.deep.equal(["b", true]);
      const { items } = await body<ApprovalList>(node, `/approvals?agent=${agent}`);
      expect(items.map((one) => [one.finding, one.node, one.action.decision_id])).to.deep.equal([[finding, "b", decision_id]]);
    }
    const told = (): unknown[] =>
      follower.events.filter(({ event }) => event === "finding").map(({ data }) => (data["finding"] as Json)["id"]);
    await until(() => told().includes(finding), "it is told of on the other node").catch((cause: unknown) => {
      throw new Error(follower.text.slice(-2000), { cause });
    });
    const seen = (): Json[] => records.events.filter(({ event }) => event === "record").map(({ data }) => data);
    const isIt = ({ node, record }: Json): boolean => node === "b" && ((record as Json)["answer"] as Json)["decision_id"] === decision_id;
    await until(() => seen().some(isIt), "its record is told of on the other node");
    follower.close();
    records.close();
  });

  it("is approved and judged where it is, by the rules that hold there, whichever node is asked", async () => {
    const { agent, finding, decision_id } = await waiting();
    const asked = async (node: ClusterNode, path: string, asks: Json, revision?: number): Promise<string> => {
      const headers = revision === undefined ? {} : { "if-match": `"${revision}"` };
      const told = await node.child.ask("POST", path, { body: asks, headers });
      // A finding has a code too.
      return told?.status === 200 ? "200" : (told?.outcome ?? "nothing");
    };
    await until(async () => (await a().child.told("GET", `/findings/${finding}`)).status === 200, "it is found");
    // The caller of these tests has asked for the action itself.
    expect(await asked(a(), `/findings/${finding}/approvals`, { reason: "r", decision: decision_id })).to.equal(
      "403 approver_not_permitted",
    );
    expect(await asked(a(), `/findings/${finding}/approvals`, { reason: "r", decision: "another" })).to.equal("409 approval_none");
    const misuse = { state: "misuse", reason: "tricked" };
    expect(await asked(a(), `/findings/${finding}`, misuse)).to.equal("428 revision_required");
    expect(await asked(a(), `/findings/${finding}`, misuse, 7)).to.equal("412 revision_stale");
    expect(await asked(a(), `/findings/${finding}`, misuse, 0)).to.equal("200");
    expect(await asked(b(), `/findings/${finding}`, misuse, 0), "said by another meanwhile").to.equal("412 revision_stale");
    for (const node of nodes) {
      await until(async () => (await body<ShownFinding>(node, `/findings/${finding}`)).state === "misuse", `node ${node.name} shows it`);
      await until(async () => (await body<Json>(node, `/agents/${agent}`))["status"] === "suspended", "the agent is kept out");
    }
  });

  it("is one finding of an agent that acts through several nodes, and judged as one", async () => {
    const { agent, finding } = await waiting();
    const resource = { type: "invoice", id: `INV-${agent}-2`, attributes: { customer: "somebody" } };
    const action = { agent, task: `T-${agent}`, purpose: PURPOSE, verb: "read", resource };
    const { body: answer } = await a().child.told("POST", "/decide", action);
    expect(answer["finding"], "each node opens its own").to.be.a("string").and.not.equal(finding);
    const parts = [
      { id: finding, node: "b" },
      { id: String(answer["finding"]), node: "a" },
    ];
    for (const node of nodes) {
      let items: FindingPage["items"] = [];
      await until(async () => {
        ({ items } = await body<FindingPage>(node, `/findings?agent=${agent}`));
        return items[0]?.parts?.length === 2;
      }, `node ${node.name} lists it as one`);
      expect(items.map((one) => [one.id, one.actions.all, one.parts])).to.deep.equal([[finding, items[0]?.actions.all, parts]]);
      const shown = await body<ShownFinding>(node, `/findings/${String(answer["finding"])}`);
      expect([shown.id, new Set(shown.timeline.map((one) => one.node))]).to.deep.equal([finding, new Set(["a", "b"])]);
    }
    const judge = { body: { state: "misuse", reason: "tricked" }, headers: { "if-match": '"0"' } };
    const judged = await a().child.ask("POST", `/findings/${String(answer["finding"])}`, judge);
    expect([judged?.status, judged?.body["id"], judged?.body["state"]]).to.deep.equal([200, finding, "misuse"]);
    for (const node of nodes)
      await until(async () => {
        const { items } = await body<FindingPage>(node, `/findings?agent=${agent}`);
        return items.length === 1 && items[0]?.state === "misuse" && items[0].parts?.length === 2;
      }, `node ${node.name} shows it judged as one`);
    expect((await body<FindingPage>(a(), `/findings?agent=${agent}&state=open`)).items).to.deep.equal([]);
  });

  it("is missing, and that is said, while its node is silent", async () => {
    const { finding } = await waiting();
    await until(async () => (await a().child.told("GET", `/findings/${finding}`)).status === 200, "it is found");
    b().freeze(true);
    try {
      expect((await body<FindingPage>(a(), "/findings")).nodes?.missing).to.deep.equal(["b"]);
      expect((await a().child.told("GET", `/findings/${finding}`)).outcome).to.equal("503 index_unavailable");
    } finally {
      b().freeze(false);
    }
    await until(async () => (await a().child.told("GET", `/findings/${finding}`)).status === 200, "it is found again");
  });

  /** Follows facts as an engine in an application does. */
  const followed = (urls: readonly string[], age_ms_max = 5000): { feed: Feed; refused: string[] } => {
    const refused: string[] = [];
    const carrier = new Transport(readTransport({ url: urls, token: a().place.token }), outside);
    const events = { live: () => undefined, silent: () => undefined, refused: (detail: string) => refused.push(detail) };
    const options = { age_ms_max, behind_ms_max: 60_000, head_ms: 2000 };
    const feed = new Feed(
      carrier,
      outside,
      system,
      () => null,
      compileGrantEntry,
      options,
      () => null,
      events,
    );
    feed.start();
    return { feed, refused };
  };
  const urlOf = (node: ClusterNode): string => `http://127.0.0.1:${node.child.port}`;
  const registered = async (): Promise<string> => {
    const id = `agent-${++agents}`;
    await until(async () => {
      const told = await a().child.ask("POST", "/agents", { body: { id, owner: "tests@example.com", purposes: [PURPOSE] } });
      return told?.status === 201 || told?.status === 200;
    }, "an agent is registered");
    return id;
  };

  it("is followed by an engine elsewhere, which goes on with another node when its own is gone, hangs or isn't current", async () => {
    const { feed, refused } = followed([urlOf(b()), urlOf(a())]);
    const knows = async (agent: string, what: string): Promise<void> =>
      until(() => !feed.facts.stale && feed.registry.agent(agent) !== undefined, what).catch((cause: unknown) => {
        throw new Error(`refused: ${refused.join("; ")}; live ${feed.live}, revision ${feed.registry.revision}`, { cause });
      });
    try {
      await knows(await registered(), "it knows what node b has");
      for (const [what, breaks, mends] of [
        [
          "its node hangs",
          () => {
            b().freeze(true);
          },
          () => {
            b().freeze(false);
          },
        ],
        [
          "its node is cut off from the servers",
          () => {
            b().cut();
          },
          () => {
            b().heal();
          },
        ],
      ] as const) {
        breaks();
        try {
          if (what.includes("cut off"))
            await until(async () => (await b().child.told("GET", "/readyz")).status === 503, "node b isn't ready");
          const agent = await registered();
          await knows(agent, `${what}: it goes on with node a`);
          const revoked = await a().child.told("POST", "/revocations", { scope: { agent }, reason: "tests" });
          expect(revoked.status).to.be.oneOf([200, 201]);
          await until(() => feed.facts.revoked("agent", agent), "it knows what was revoked");
        } finally {
          mends();
        }
        await until(async () => (await b().child.ask("GET", "/readyz"))?.status === 200, "node b is back");
      }
      expect(feed.live, refused.join("; ")).to.equal(true);
    } finally {
      feed.close();
    }
  });

  it("isn't followed while it doesn't know whether its facts are current", async () => {
    b().cut();
    try {
      await until(async () => (await b().child.told("GET", "/readyz")).status === 503, "node b isn't ready");
      // What it has itself is found all the same, and what it can't ask for is named.
      const { items, nodes: searched } = await body<FindingPage>(b(), "/findings");
      expect([items.length > 0, searched?.missing]).to.deep.equal([true, ["a"]]);
      expect((await b().child.told("GET", "/events?values=true")).outcome).to.equal("503 lease_over");
      const asked = { stream: "none", nonce: "1" };
      expect((await b().child.told("POST", "/events/echo", asked)).outcome).to.equal("503 lease_over");
    } finally {
      b().heal();
    }
    await until(async () => (await b().child.told("GET", "/readyz")).status === 200, "node b is back");
    expect((await b().child.told("POST", "/events/echo", { stream: "none", nonce: "1" })).outcome).to.equal("404 echo_stream_none");
  });

  it("runs a bundle that every node knows, with since when", async () => {
    for (const node of nodes) {
      const { nodes: seen, bundles } = await body<ClusterAnswer>(node, "/cluster");
      expect(bundles).to.deep.include({ same: true, differ_ms: null });
      expect(bundles.running.map(({ nodes: of }) => of)).to.deep.equal([["a", "b"]]);
      for (const { bundle, bundle_since } of seen) {
        expect(bundle).to.match(/^sha256:/);
        expect(Date.parse(bundle_since ?? "")).to.be.within(Date.now() - 3_600_000, Date.now() + 1000);
      }
      expect((await body<BundlesAnswer>(node, "/bundles")).fleet).to.deep.equal(bundles);
    }
  });

  it("is missed while its node is gone, until somebody says that this won't come back, which then can't allow", async () => {
    const leave = async (node: string): Promise<string> =>
      (await a().child.told("POST", `/cluster/nodes/${node}/leave`, { reason: "its machine is gone" })).outcome;
    expect(await leave("b"), "it may still allow").to.equal("409 node_live");
    expect(await leave("nobody")).to.equal("404 node_not_found");
    b().freeze(true);
    try {
      await until(async () => (await body<ClusterAnswer>(a(), "/cluster")).silent.length > 0, "its lease is over");
      expect((await body<FindingPage>(a(), "/findings")).nodes?.missing).to.deep.equal(["b"]);
      const nowhere = `F-${"0".repeat(8)}-0000-7000-8000-${"0".repeat(12)}`;
      expect((await a().child.told("GET", `/findings/${nowhere}`)).outcome).to.equal("503 index_unavailable");
      expect(await leave("b")).to.equal("204");
      await until(async () => (await body<ClusterAnswer>(a(), "/cluster")).silent.length === 0, "it counts as gone");
      expect((await body<FindingPage>(a(), "/findings")).nodes?.missing).to.deep.equal([]);
      expect((await a().child.told("GET", `/findings/${nowhere}`)).outcome).to.equal("404 finding_not_found");
      const page = await body<{ items: { record: Json }[] }>(a(), "/decisions?kind=admin&key=node_dismissed");
      expect(page.items.map(({ record }) => [record["caller"], (record["detail"] as Json)["node"]])).to.deep.equal([["tests", "b"]]);
    } finally {
      b().freeze(false);
    }
    await b().child.says("node_dismissed");
    expect((await body<ClusterAnswer>(b(), "/cluster")).ended).to.equal("node_dismissed");
    await b().child.kill();
    await b().again();
    expect((await body<ClusterAnswer>(b(), "/cluster")).ended).to.equal(null);
  });
});
