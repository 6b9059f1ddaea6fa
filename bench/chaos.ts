/** A cluster of three nodes in which one thing breaks after another, for hours: no answer may allow what was claimed to be revoked on the fleet. */
import { join } from "node:path";
import { startNats, stopNats } from "../demo/nats/servers.js";
import { chaos } from "../test/cluster/chaos.js";
import { ClusterNode } from "../test/cluster/nodes.js";
import { judge, quantile } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const { minutes, rate, revocations, seed, json } = readOptions("chaos", {
  about: "Freezes, kills and cuts off nodes and servers of a cluster, and holds every answer against the claims.",
  options: {
    minutes: { says: "minutes", default: 120, least: 0.2 },
    rate: { says: "decisions a second", default: 2000, least: 1 },
    revocations: { says: "revocations", default: 10_000, least: 1 },
    seed: { says: "of the order in which things break", default: 1 },
    json: AS_JSON,
  },
  examples: ["", "--minutes 2 --revocations 100 --rate 500"],
});

const LEASE_MS = 2000;
/** Between two lines that say how far it is. */
const SAID_EVERY_MS = 60_000;

const processes = new Processes({ own: true });
const servers = await startNats(3, join(processes.folder, "nats"));
const nodes: ClusterNode[] = [];
try {
  for (const name of ["a", "b", "c"])
    nodes.push(await ClusterNode.start(name, processes.folder, servers, { lease_ms: LEASE_MS, replicas: 3 }));
  for (const { child } of nodes) await child.ready();
  const ms = minutes * 60_000;
  let said = performance.now();
  let printed = 0;
  const found = await chaos(nodes, servers, {
    ...{ seed, lease_ms: LEASE_MS, ms, rate, revoke_every_ms: ms / revocations },
    progress: ({ claims, decisions, violations }) => {
      // At once: by the end the nodes may have let go of the records that explain it.
      for (const one of violations.slice(printed)) process.stderr.write(`${one}\n`);
      printed = violations.length;
      if (performance.now() - said < SAID_EVERY_MS) return;
      said = performance.now();
      process.stderr.write(`${claims} claims, ${decisions} decisions, ${violations.length} violations\n`);
    },
  });
  for (const one of [...found.violations.slice(printed), ...found.unclaimed.map((agent) => `never claimed: ${agent}`)])
    process.stderr.write(`${one}\n`);
  judge(
    [
      ...Object.entries(found.faults).map(([figure, times]) => ({ figure, found: times, unit: "times", most: null })),
      { figure: "decisions", found: found.decisions, unit: "", most: null },
      { figure: "of them allowed", found: found.allowed, unit: "", most: null },
      { figure: "of these between the request of a revocation and its claim", found: found.between, unit: "", most: null, least: 100 },
      { figure: "revocations claimed on the fleet", found: found.claims, unit: "", most: null },
      { figure: "revocations that never were", found: found.unclaimed.length, unit: "", most: 0 },
      { figure: "answers that allowed after a claim", found: found.violations.length, unit: "", most: 0 },
      { figure: "a claim that waited for a silent node, p50", found: quantile(found.silent_ms, 0.5), unit: "ms", most: null },
      {
        figure: "a claim that waited for a silent node, longest",
        ...{ found: Math.max(...found.silent_ms), unit: "ms", most: LEASE_MS * 1.01 + 100 },
      },
    ],
    json,
  );
} finally {
  for (const node of nodes) await node.close();
  await stopNats(servers);
}
