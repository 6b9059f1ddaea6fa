/**
 * The cost of a cluster for those who decide: CPU a decision of three nodes together, against one service with a store of its own, and how
 * long decisions take while the servers stand still.
 */
import { join } from "node:path";
import { startNats, stopNats } from "../demo/nats/servers.js";
import { allowedByAll, registered } from "../test/cluster/asking.js";
import { ClusterNode } from "../test/cluster/nodes.js";
import { actionOf } from "../test/cluster/requests.js";
import { cut } from "../test/threats/cut.js";
import { Child, placeIn, type Place } from "../test/service/child.js";
import { sleep } from "../src/system/index.js";
import { Client, judge, quantile, requestOf, type Mark } from "./client.js";
import { cpuSeconds, measure, median, type Accounted, type Server } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { NARROWS_NOBODY } from "./servers.js";

const { rounds, seconds, json } = readOptions("shared", {
  about: "Compares a decision on a cluster of three nodes with one of a single service, and stops the cluster's servers for a while.",
  options: {
    rounds: { says: "rounds of each in turn", default: 5, least: 1 },
    seconds: { says: "seconds of each round", default: 5, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--rounds 2 --seconds 2"],
});

const LEASE_MS = 10_000;
/** Shorter than a lease, in which a node needs no server. */
const STILL_MS = 5000;
const AGENTS = 200;
const CONNECTIONS = 8;
const HOST = "127.0.0.1";

/** As `NARROWS_NOBODY`, of what other nodes decide. */
const HOMES_NARROW_NOBODY = cut.text(
  "service/fleet.js",
  "followLessons",
  'adjustments.settled(act, assessed, { decision: outcome === "log" ? "allow" : outcome });',
  "",
);

const processes = new Processes();
const main = processes.copy("shared", [NARROWS_NOBODY, HOMES_NARROW_NOBODY]);
const servers = await startNats(3, join(processes.folder, "nats"));
const marks: Mark[] = [];
try {
  for (const learns of [true, false]) marks.push(...(await compared(learns)));
  judge(marks, json);
} finally {
  await stopNats(servers);
}
process.exit();

/** @param learns whether what is usual is learned, on a cluster from the records of all nodes */
async function compared(learns: boolean): Promise<Mark[]> {
  const kind = learns ? "learning" : "not learning";
  const sections = { behavior: { enabled: learns } };
  const folder = join(processes.folder, kind);
  const place = placeIn(join(folder, "one"), sections, main);
  const single = new Child(place);
  const nodes: ClusterNode[] = [];
  try {
    const options = { lease_ms: LEASE_MS, replicas: 3, isDirect: true, main, sections, more: { name: learns ? "learning" : "plain" } };
    for (const name of ["a", "b", "c"]) nodes.push(await ClusterNode.start(name, folder, servers, options));
    for (const child of [single, ...nodes.map((node) => node.child)]) await child.ready();
    const [first] = nodes as [ClusterNode];
    for (let i = 0; i < AGENTS; i++) for (const node of [{ child: single }, first]) await registered(node, `agent-${i}`);
    await allowedByAll(nodes, `agent-${AGENTS - 1}`);
    const [alone, shared] = [serverOf("one", single, place), serverOf("a", first.child, first.place)];
    const found: { alone: number; own: number; all: number }[] = [];
    for (let round = -1; round < rounds; round++) {
      const load = { connections: CONNECTIONS, seconds: round < 0 ? 1 : seconds };
      const one = await measure(processes, alone, load);
      const used = (): number => nodes.reduce((sum, { child }) => sum + cpuSeconds(child), 0);
      const before = used();
      const { requests, cpu_us } = await measure(processes, shared, load);
      if (round >= 0) found.push({ alone: one.cpu_us, own: cpu_us, all: ((used() - before) / requests) * 1e6 });
    }
    const over = (which: "own" | "all"): number => median(found.map((round) => round[which] / round.alone));
    return [
      { figure: `${kind}: CPU a decision of one service`, found: median(found.map((round) => round.alone)), unit: "µs", most: null },
      { figure: `${kind}: of the node that decides, × that`, found: over("own"), unit: "", most: null },
      { figure: `${kind}: of all three nodes, × that`, found: over("all"), unit: "", most: 1.15 },
      ...(await stillMarks(kind, first)),
    ];
  } finally {
    await single.kill();
    for (const node of nodes) await node.close();
  }
}

function serverOf(name: string, child: Child, { token }: Place): Server<Accounted> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const bodies = Array.from({ length: AGENTS }, (_, i) => JSON.stringify(actionOf(`agent-${i}`)));
  return { name, process: child, job: { host: HOST, port: child.port, path: "/decide", headers, bodies } };
}

/** Decisions one after another, before the servers stand still and while they do. */
async function stillMarks(kind: string, node: ClusterNode): Promise<Mark[]> {
  const { job } = serverOf(node.name, node.child, node.place);
  const client = await Client.open(job);
  const request = requestOf(job, job.bodies[0] ?? "");
  const asked = async (): Promise<{ ms: number[]; denied: number }> => {
    const ms: number[] = [];
    let denied = 0;
    for (const until = performance.now() + STILL_MS; performance.now() < until;) {
      const reply = await client.ask(request);
      ms.push(reply.ms);
      if ((JSON.parse(reply.body) as { proceed?: boolean }).proceed !== true) denied++;
    }
    return { ms, denied };
  };
  const before = await asked();
  for (const server of servers) server.freeze(true);
  const still = await asked();
  for (const server of servers) server.freeze(false);
  client.close();
  await sleep(LEASE_MS);
  return [
    { figure: `${kind}: a decision, p50`, found: quantile(before.ms, 0.5), unit: "ms", most: null },
    { figure: `${kind}: a decision, p99`, found: quantile(before.ms, 0.99), unit: "ms", most: null },
    {
      figure: `${kind}: while the servers stand still, p50`,
      found: quantile(still.ms, 0.5),
      unit: "ms",
      most: quantile(before.ms, 0.5) * 1.2,
    },
    { figure: `${kind}: while they do, p99`, found: quantile(still.ms, 0.99), unit: "ms", most: quantile(before.ms, 0.99) * 1.2 },
    { figure: `${kind}: of ${still.ms.length} decisions then, denied`, found: still.denied, unit: "", most: 0 },
  ];
}
