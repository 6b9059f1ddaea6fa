import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import { DRIFT, TICKS_PER_LEASE } from "../../src/cluster/lease.js";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";
import { Copies } from "../threats/copies.js";
import { cut, type Edit } from "../threats/cut.js";
import { until } from "./asking.js";
import { ClusterNode } from "./nodes.js";
import { failServers, traffic, type TrafficResult } from "./traffic.js";

/** The default: an election takes two to four times as long. */
const LEASE_MS = 2000;
const LOAD = { rate: 60, revoke_every_ms: 500 };

describe("a cluster whose servers end one after another", function () {
  let folder: string;
  let builds: string;
  let servers: NatsServer[] = [];
  let nodes: ClusterNode[] = [];
  beforeEach(async function () {
    folder = mkdtempSync(join(tmpdir(), "remit-failover-"));
    mkdirSync(asset(".work"), { recursive: true });
    builds = mkdtempSync(join(asset(".work"), "failover-"));
    try {
      servers = await startNats(3, join(folder, "nats"));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
  });
  afterEach(async () => {
    for (const node of nodes) await node.close();
    nodes = [];
    await stopNats(servers);
    rmSync(folder, { recursive: true, force: true });
    rmSync(builds, { recursive: true, force: true });
  });

  /** Starts three nodes of a build with these edits. */
  const start = async (edits: readonly Edit[] = [], lease_ms = LEASE_MS): Promise<void> => {
    const main = edits.length === 0 ? {} : { main: new Copies(builds, edits).path("cli/main.js") };
    for (const name of ["a", "b", "c"]) nodes.push(await ClusterNode.start(name, folder, servers, { lease_ms, replicas: 3, ...main }));
    for (const { child } of nodes) await child.ready();
  };

  interface Fault {
    times: number;
    every_ms: number;
    signal: NodeJS.Signals;
  }

  /** Lets servers end under traffic. */
  const under = (fault: Fault): Promise<TrafficResult> => traffic(nodes, LOAD, () => failServers(nodes, servers, fault));

  /** As `under`, three times if need be: a machine that stands still for longer than a lease refuses decisions too, a feed that renews none always does. */
  const atLeastOnceWhole = async (fault: Fault): Promise<TrafficResult> => {
    let result = await under(fault);
    for (let i = 1; i < 3 && result.refused.length + result.unclaimed.length > 0; i++) result = await under(fault);
    return result;
  };

  it("refuses no decision while servers that lead are killed, and claims each revocation", async () => {
    await start();
    const { decisions, refused, claim_ms, unclaimed } = await atLeastOnceWhole({ times: 4, every_ms: 15_000, signal: "SIGKILL" });
    expect([refused, unclaimed]).to.deep.equal([[], []]);
    expect([decisions > 1000, claim_ms.length > 50]).to.deep.equal([true, true]);
  });

  it("refuses no decision while servers that lead are stopped in order", async () => {
    await start();
    const { decisions, refused, claim_ms, unclaimed } = await atLeastOnceWhole({ times: 3, every_ms: 6000, signal: "SIGTERM" });
    expect([refused, unclaimed]).to.deep.equal([[], []]);
    expect([decisions > 300, claim_ms.length > 15]).to.deep.equal([true, true]);
  });

  it("renews a lease as soon as a node is connected again, though its next tick isn't due", async () => {
    const lease_ms = 60_000;
    await start([], lease_ms);
    const [node] = nodes as [ClusterNode];
    /** Milliseconds since the tick was sent by which it has its lease. */
    const age = async (): Promise<number> =>
      lease_ms * (1 - DRIFT) - ((await node.child.told("GET", "/cluster")).body["lease_left_ms"] as number);
    await until(async () => (await age()) < 1000, "a tick has just come back");
    node.cut();
    await node.child.says("store_unavailable");
    node.heal();
    const healed = performance.now();
    await until(async () => (await age()) < performance.now() - healed, "it has a lease by a later tick");
    expect(performance.now() - healed, "milliseconds until then").to.be.below((lease_ms / TICKS_PER_LEASE) * 0.8);
  });

  it("would refuse decisions if the second feed renewed no lease", async () => {
    const edits = [
      cut.text("cluster/member.js", "#back", "this.lease.returned(feed, tick, n)", "if (feed === 0) this.lease.returned(feed, tick, n)"),
    ];
    await start(edits);
    const { refused } = await under({ times: 1, every_ms: 12_000, signal: "SIGKILL" });
    expect(refused.some((one) => one.includes("facts_stale"))).to.equal(true);
  });
});
