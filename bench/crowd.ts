/** A cluster of many nodes on one machine: what their ticks cost each of them, and how long a revocation takes until all have acknowledged it. */
import { join } from "node:path";
import { startNats, stopNats } from "../demo/nats/servers.js";
import { inForceOnFleet, registered, until } from "../test/cluster/asking.js";
import { ClusterNode } from "../test/cluster/nodes.js";
import { sleep } from "../test/service/child.js";
import { judge, quantile } from "./client.js";
import { cpuSeconds } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const {
  nodes: count,
  minutes,
  json,
} = readOptions("crowd", {
  about: "Runs a cluster of many nodes on this machine: the cost of ticks, and revocations that all acknowledge.",
  options: {
    nodes: { says: "nodes", default: 30, least: 2 },
    minutes: { says: "minutes that all of them run, half of it idle", default: 10, least: 0.2 },
    json: AS_JSON,
  },
  examples: ["", "--nodes 10 --minutes 2"],
});

const LEASE_MS = 2000;
/** Nodes that start at once. */
const GROUP = 3;
/** Time in which what a start has left behind, such as code to be compiled, is done. */
const SETTLES_MS = 20_000;
const REVOKE_EVERY_MS = 500;

const processes = new Processes({ own: true });
const servers = await startNats(3, join(processes.folder, "nats"));
const nodes: ClusterNode[] = [];
try {
  const start = async (n: number): Promise<void> => {
    const options = { lease_ms: LEASE_MS, replicas: 3, nodes_max: count + 2, isDirect: true };
    const node = await ClusterNode.start(`n${n}`, processes.folder, servers, options);
    nodes.push(node);
    await node.child.ready();
  };
  const half_ms = (minutes * 60_000) / 2;
  await start(1);
  await sleep(SETTLES_MS);
  const alone = await shareOfCore(Math.min(half_ms, 60_000));
  for (let n = 2; n <= count; n += GROUP) {
    await Promise.all(Array.from({ length: Math.min(GROUP, count - n + 1) }, (_, i) => start(n + i)));
    process.stderr.write(`\r${nodes.length} of ${count} nodes  `);
  }
  await allKnown();
  await sleep(SETTLES_MS);
  const among = await shareOfCore(half_ms);

  const claims: number[] = [];
  const until_ms = performance.now() + half_ms;
  for (let i = 0; performance.now() < until_ms; i++) {
    const node = nodes[i % count] as ClusterNode;
    const agent = `agent-${i}`;
    await registered(node, agent);
    const began = performance.now();
    const told = await node.child.ask("POST", "/revocations", { body: { scope: { agent }, reason: "tests" } });
    if (told?.body["in_force"] !== "fleet") await inForceOnFleet(node, agent);
    claims.push(performance.now() - began);
    await sleep(REVOKE_EVERY_MS);
  }
  process.stderr.write("\n");
  judge(
    [
      { figure: "nodes", found: count, unit: "", most: null },
      { figure: "an idle node alone", found: alone * 100, unit: "% of a core", most: null },
      { figure: `an idle node among ${count}`, found: among * 100, unit: "% of a core", most: null },
      { figure: "of it the others' ticks", found: Math.max(0, among - alone) * 100, unit: "% of a core", most: 1 },
      { figure: "revocations that all acknowledged", found: claims.length, unit: "", most: null },
      { figure: "from a revocation until then, p50", found: quantile(claims, 0.5), unit: "ms", most: null },
      { figure: "from a revocation until then, p99", found: quantile(claims, 0.99), unit: "ms", most: 50 },
    ],
    json,
  );
} finally {
  for (const node of nodes) await node.close();
  await stopNats(servers);
}

/** Returns the share of a core that a node takes on average. */
async function shareOfCore(ms: number): Promise<number> {
  const used = (): number => nodes.reduce((sum, { child }) => sum + cpuSeconds(child), 0);
  const [began, before] = [performance.now(), used()];
  await sleep(ms);
  return (used() - before) / nodes.length / ((performance.now() - began) / 1000);
}

/** Waits until every node knows all. */
async function allKnown(): Promise<void> {
  for (const { child, name } of nodes)
    await until(async () => {
      const told = await child.ask("GET", "/cluster");
      return ((told?.body["nodes"] ?? []) as unknown[]).length === count;
    }, `${name} knows all nodes`);
}
