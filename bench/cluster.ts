/**
 * A cluster on loopback, three nodes on three servers: how long a revocation takes until it is in force on the fleet, idle and under
 * load, and what the end of a server costs.
 */
import { join } from "node:path";
import { startNats, stopNats } from "../demo/nats/servers.js";
import { sleep } from "../test/service/child.js";
import { ClusterNode } from "../test/cluster/nodes.js";
import { failServers, traffic, type TrafficResult } from "../test/cluster/traffic.js";
import { judge, quantile, type Mark } from "./client.js";
import { syncMs } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const { revocations, rate, kills, restarts, json } = readOptions("cluster", {
  about: "Measures revocations on a cluster of three nodes, and kills its servers.",
  options: {
    revocations: { says: "revocations, idle and again under load", default: 10_000, least: 1 },
    rate: { says: "decisions a second under load", default: 2000, least: 1 },
    kills: { says: "servers killed, one each 15 s", default: 120 },
    restarts: { says: "servers stopped in order, one each 6 s", default: 20 },
    json: AS_JSON,
  },
  examples: ["--revocations 1000 --rate 500 --kills 4 --restarts 3"],
});

const LEASE_MS = 2000;
const APART_MS = 25;
const CALM_RATE = 60;

const processes = new Processes({ own: true });
const servers = await startNats(3, join(processes.folder, "nats"));
const nodes: ClusterNode[] = [];
try {
  for (const name of ["a", "b", "c"])
    nodes.push(await ClusterNode.start(name, processes.folder, servers, { lease_ms: LEASE_MS, replicas: 3, isDirect: true }));
  for (const { child } of nodes) await child.ready();
  // The nodes from before a start are waited for as long as a lease.
  await sleep(LEASE_MS * 1.5);
  const lasts = (): Promise<void> => sleep(revocations * APART_MS);
  const idle = await traffic(nodes, { rate: 1, revoke_every_ms: APART_MS }, lasts);
  const loaded = await traffic(nodes, { rate, revoke_every_ms: APART_MS }, lasts);
  const calm = { rate: CALM_RATE, revoke_every_ms: 250 };
  const killed = await traffic(nodes, calm, () => failServers(nodes, servers, { times: kills, every_ms: 15_000, signal: "SIGKILL" }));
  const stopped = await traffic(nodes, calm, () => failServers(nodes, servers, { times: restarts, every_ms: 6000, signal: "SIGTERM" }));
  judge(
    [
      { figure: "one sync of this disk", found: syncMs(processes.folder), unit: "ms", most: null },
      ...claims("idle", idle, { p50: 5, p99: 25, p999: 100 }),
      { figure: "load", found: loaded.decisions / ((revocations * APART_MS) / 1000), unit: "decisions/s", most: null },
      ...claims("under load", loaded, { p50: 5, p99: 25, p999: 100 }),
      { figure: "servers killed that led a feed", found: kills, unit: "", most: null },
      ...claims("a server killed each 15 s", killed, null),
      { figure: "servers stopped in order that led a feed", found: restarts, unit: "", most: null },
      ...claims("a server stopped in order each 6 s", stopped, null),
      {
        figure: "a server stopped in order each 6 s: revocation to the fleet, longest",
        found: Math.max(...stopped.claim_ms),
        unit: "ms",
        most: 250,
      },
    ],
    json,
  );
} finally {
  for (const node of nodes) await node.close();
  await stopNats(servers);
}

function claims(
  when: string,
  { decisions, refused, claim_ms, unclaimed }: TrafficResult,
  most: { p50: number; p99: number; p999: number } | null,
): Mark[] {
  const shares = [
    ["p50", 0.5],
    ["p99", 0.99],
    ["p999", 0.999],
  ] as const;
  return [
    { figure: `${when}: decisions`, found: decisions, unit: "", most: null },
    { figure: `${when}: of them refused`, found: refused.length, unit: "", most: 0 },
    { figure: `${when}: revocations`, found: claim_ms.length + unclaimed.length, unit: "", most: null },
    { figure: `${when}: of them never in force on the fleet`, found: unclaimed.length, unit: "", most: 0 },
    ...shares.map(([name, share]) => ({
      figure: `${when}: revocation to the fleet, ${name.replace("999", "99.9")}`,
      found: quantile(claim_ms, share),
      unit: "ms",
      most: most?.[name] ?? null,
    })),
  ];
}
