/** A cluster on loopback that loses two of its three servers, again and again: until when nodes allow, when they do again, and what is kept. */
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { startNats, stopNats, type NatsServer } from "../demo/nats/servers.js";
import { allowedByAll, decided, registered } from "../test/cluster/asking.js";
import { ClusterNode } from "../test/cluster/nodes.js";
import { sleep } from "../test/service/child.js";
import { judge } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const { times, seconds, json } = readOptions("quorum", {
  about: "Kills two of three servers of a cluster and starts them again: leases that end, leases that begin, and revocations that stay.",
  options: {
    times: { says: "times that the quorum is lost", default: 20, least: 1 },
    seconds: { says: "seconds without a quorum", default: 30, least: 3 },
    json: AS_JSON,
  },
  examples: ["", "--times 1 --seconds 10"],
});

const LEASE_MS = 2000;
const POLL_MS = 5;
const AGENT = "worker";

const processes = new Processes({ own: true });
const servers = await startNats(3, join(processes.folder, "nats"));
const nodes: ClusterNode[] = [];
/** Milliseconds from the loss of the quorum to the last answer that allowed. */
const allowedFor: number[] = [];
/** Milliseconds from the election of a leader to the first answer that allowed. */
const allowedAfter: number[] = [];
const electedAfter: number[] = [];
const revoked: string[] = [];
let lost = 0;
try {
  for (const name of ["a", "b", "c"])
    nodes.push(await ClusterNode.start(name, processes.folder, servers, { lease_ms: LEASE_MS, replicas: 3, isDirect: true }));
  const [first] = nodes as [ClusterNode];
  for (const { child } of nodes) await child.ready();
  await registered(first, AGENT);
  for (let round = 0; round < times; round++) {
    process.stderr.write(`\r${round} of ${times} times  `);
    await allowedByAll(nodes, AGENT);
    await revoke(nodes[round % nodes.length] as ClusterNode, `person-${round}`);
    await loseQuorum([servers[round % 3], servers[(round + 1) % 3]] as NatsServer[]);
    for (const { child } of nodes)
      for (const principal of revoked) if ((await child.ask("GET", `/revocations/principal/${principal}`))?.status !== 200) lost++;
  }
  process.stderr.write("\n");
  judge(
    [
      { figure: `times that no quorum was there for ${seconds} s`, found: times, unit: "", most: null },
      { figure: "last permission after the loss, longest", found: Math.max(...allowedFor), unit: "ms", most: LEASE_MS + 100 },
      { figure: "election after the servers' start, longest", found: Math.max(...electedAfter), unit: "ms", most: null },
      { figure: "first permission after the election, longest", found: Math.max(...allowedAfter), unit: "ms", most: 1000 },
      { figure: "revocations that were durable before", found: revoked.length, unit: "", most: null },
      { figure: "of them gone on a node", found: lost, unit: "", most: 0 },
    ],
    json,
  );
} finally {
  for (const node of nodes) await node.close();
  await stopNats(servers);
}

/** Revokes a person, who counts once that is durable. */
async function revoke({ child }: ClusterNode, principal: string): Promise<void> {
  const told = await child.ask("POST", "/revocations", { body: { scope: { principal }, reason: "tests" } });
  if (told?.body["durable"] === true) revoked.push(principal);
}

async function loseQuorum(two: readonly NatsServer[]): Promise<void> {
  const lostAt = performance.now();
  const killed = Promise.all(two.map((server) => server.kill()));
  const isLeft = new AbortController();
  const leaving = nodes.map(({ child }) => lastAllowed(child, isLeft.signal));
  await killed;
  await sleep(seconds * 1000);
  isLeft.abort();
  for (const at of await Promise.all(leaving)) allowedFor.push(Math.max(0, at - lostAt));
  const startedAt = performance.now();
  for (const server of two) server.start();
  const coming = nodes.map(({ child }) => firstAllowed(child));
  const electedAt = await leaderElected();
  electedAfter.push(electedAt - startedAt);
  for (const at of await Promise.all(coming)) allowedAfter.push(Math.max(0, at - electedAt));
  for (const server of two) await server.current();
}

/** Returns when the last answer came that allowed. */
async function lastAllowed(child: ClusterNode["child"], over: AbortSignal): Promise<number> {
  let last = 0;
  while (!over.aborted) {
    if ((await decided(child, AGENT)) === "allow") last = performance.now();
    await sleep(POLL_MS);
  }
  return last;
}

async function firstAllowed(child: ClusterNode["child"]): Promise<number> {
  while ((await decided(child, AGENT)) !== "allow") await sleep(POLL_MS);
  return performance.now();
}

/** Returns when the stream of all facts has a leader again. */
async function leaderElected(): Promise<number> {
  const connection = await connect({ servers: servers.map(({ url }) => url), waitOnFirstConnect: true });
  try {
    const jsm = await jetstreamManager(connection, { timeout: 100, checkAPI: false });
    for (;;) {
      const info = await jsm.streams.info("REMIT_tests").catch(() => null);
      if (info?.cluster?.leader !== undefined) return performance.now();
      await sleep(POLL_MS);
    }
  } finally {
    await connection.close();
  }
}
