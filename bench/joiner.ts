/**
 * A node that joins a cluster with many facts while it works: how long it takes until the node decides, and whether it has the same facts.
 * Then the same for a node that was away while much was changed.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { startNats, stopNats } from "../demo/nats/servers.js";
import { until } from "../test/cluster/asking.js";
import { ClusterNode } from "../test/cluster/nodes.js";
import { EXPIRES, PURPOSE } from "../test/cluster/requests.js";
import { traffic } from "../test/cluster/traffic.js";
import { sleep } from "../test/service/child.js";
import { judge } from "./client.js";
import { syncMs } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const { keys, changes, rate, json } = readOptions("joiner", {
  about: "Lets a node join a cluster with many facts, and another come back after many changes.",
  options: {
    keys: { says: "facts that there are: agents and as many tasks", default: 100_000, least: 2 },
    changes: { says: "changes while a node is away", default: 1_000_000 },
    rate: { says: "decisions a second meanwhile", default: 200, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--keys 10000 --changes 20000"],
});

const LEASE_MS = 2000;
const AT_ONCE = 10_000;
const AGENTS = Math.floor(keys / 2);

const processes = new Processes({ own: true });
const servers = await startNats(3, join(processes.folder, "nats"));
const nodes: ClusterNode[] = [];
try {
  const options = { lease_ms: LEASE_MS, replicas: 3, isDirect: true };
  const started = async (name: string): Promise<ClusterNode> => {
    const node = await ClusterNode.start(name, processes.folder, servers, options);
    nodes.push(node);
    return node;
  };
  const [a, b] = [await started("a"), await started("b")];
  for (const { child } of nodes) await child.ready();
  const imported = await changed(a, 0);
  await imports(a, "task", "0", (i) => ({
    ...{ id: `T-${i}`, agent: `agent-${i}`, purpose: PURPOSE, principal: "ada", expires: EXPIRES },
    subjects: { ticket: [`TCK-${i}`], customer: [`customer-${i}`] },
  }));

  let [joined_ms, decided] = [0, 0];
  let c!: ClusterNode;
  const load = await traffic([a, b], { rate, revoke_every_ms: 250 }, async () => {
    const began = performance.now();
    c = await started("c");
    await c.child.ready();
    joined_ms = performance.now() - began;
    await sleep(LEASE_MS);
  });
  decided += load.decisions;
  const isSame = await sameFacts();

  await c.child.stop();
  let made = 0;
  for (let round = 1; made < changes; round++) made += (await changed(a, round)).count;
  let back_ms = 0;
  const again = await traffic([a, b], { rate, revoke_every_ms: 250 }, async () => {
    const began = performance.now();
    await c.again();
    back_ms = performance.now() - began;
    await sleep(LEASE_MS);
  });
  decided += again.decisions;
  const isSameAgain = await sameFacts();

  const refused = [...load.refused, ...again.refused];
  for (const one of refused.slice(0, 5)) process.stderr.write(`${one}\n`);
  judge(
    [
      { figure: "one sync of this disk", found: syncMs(processes.folder), unit: "ms", most: null },
      { figure: "facts", found: AGENTS * 2, unit: "", most: null },
      { figure: "a fact imported", found: imported.ms / imported.count, unit: "ms", most: null },
      { figure: "a new node, from its start until it is ready", found: joined_ms, unit: "ms", most: 5000 },
      { figure: "changes while it was away", found: made, unit: "", most: null, least: changes },
      { figure: "a node that was away, from its start until it is ready", found: back_ms, unit: "ms", most: 30_000 },
      { figure: "of both, those whose facts differ from the others'", found: Number(!isSame) + Number(!isSameAgain), unit: "", most: 0 },
      { figure: "decisions of the others meanwhile", found: decided, unit: "", most: null },
      { figure: "of them refused", found: refused.length, unit: "", most: 0 },
    ],
    json,
  );
} finally {
  for (const node of nodes) await node.close();
  await stopNats(servers);
}

/** Gives every agent another owner. */
async function changed(node: ClusterNode, round: number): Promise<{ count: number; ms: number }> {
  const began = performance.now();
  await imports(node, "agent", String(round), (i) => ({ id: `agent-${i}`, owner: `team-${round}@example.com`, purposes: [PURPOSE] }));
  return { count: AGENTS, ms: performance.now() - began };
}

async function imports(node: ClusterNode, kind: string, round: string, factOf: (i: number) => object): Promise<void> {
  for (let from = 0; from < AGENTS; from += AT_ONCE) {
    const count = Math.min(AT_ONCE, AGENTS - from);
    const body = Array.from({ length: count }, (_, i) => `${JSON.stringify({ [kind]: factOf(from + i) })}\n`).join("");
    const told = await node.child.ask("POST", `/facts/import?id=${kind}-${round}-${from}`, { body, type: "application/jsonl" });
    if (told?.status !== 200) throw new Error(`an import was refused: ${told?.text ?? "no answer"}`);
    process.stderr.write(`\r${kind}s, round ${round}: ${from + count} of ${AGENTS}  `);
  }
  process.stderr.write("\n");
}

/** Returns whether all nodes export the same facts at the same place of the feed. */
async function sameFacts(): Promise<boolean> {
  await until(async () => {
    const told = await Promise.all(nodes.map(({ child }) => child.ask("GET", "/cluster")));
    return new Set(told.map((one) => one?.body["chain"] ?? one)).size === 1;
  }, "one chain");
  const exports = await Promise.all(nodes.map(({ child }) => child.ask("GET", "/facts/export")));
  // In the order in which each has come to know them.
  const linesOf = (text = ""): string => text.split("\n").sort().join("\n");
  const digests = exports.map((one) => createHash("sha256").update(linesOf(one?.text)).digest("hex"));
  return exports.every((one) => one?.status === 200) && new Set(digests).size === 1;
}
