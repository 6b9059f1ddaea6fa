/** Traffic on a cluster: decisions of every node all the time, and revocations one after another, with what became of them. */
import type { NatsServer } from "../../demo/nats/servers.js";
import { sleep, type Told } from "../service/child.js";
import { allowedByAll, decided, registered, until } from "./asking.js";
import type { ClusterNode } from "./nodes.js";

export interface TrafficOptions {
  /** Decisions a second, of all nodes together. */
  rate: number;
  /** Milliseconds from one revocation to the next. */
  revoke_every_ms: number;
}

export interface TrafficResult {
  decisions: number;
  /** Decisions that weren't answered with the permission that they have, by what they were answered with. */
  refused: string[];
  /** Milliseconds from the request of a revocation until it was known to be in force on the fleet. */
  claim_ms: number[];
  unclaimed: string[];
}

const AGENT = "worker";
const CLAIM_WITHIN_MS = 30_000;
const POLL_MS = 20;
const TICK_MS = 10;

let revoked = 0;

/** Sends traffic for as long as something takes. */
export async function traffic(nodes: readonly ClusterNode[], options: TrafficOptions, during: () => Promise<void>): Promise<TrafficResult> {
  const [first] = nodes;
  if (first === undefined) throw new Error("no nodes");
  await registered(first, AGENT);
  await allowedByAll(nodes, AGENT);
  const result: TrafficResult = { decisions: 0, refused: [], claim_ms: [], unclaimed: [] };
  const open = new Set<Promise<void>>();
  const keep = (promise: Promise<void>): void => {
    open.add(promise);
    void promise.finally(() => open.delete(promise));
  };
  const over = new AbortController();
  const began = performance.now();
  const asking = (async () => {
    for (let asked = 0; !over.signal.aborted;) {
      for (const due = ((performance.now() - began) / 1000) * options.rate; asked < due; asked++) {
        const node = nodes[asked % nodes.length];
        if (node !== undefined)
          keep(
            decided(node.child, AGENT).then((answer) => {
              result.decisions++;
              if (answer !== "allow") result.refused.push(`${node.name}, ${Math.round(performance.now() - began)} ms: ${answer}`);
            }),
          );
      }
      await sleep(TICK_MS);
    }
  })();
  const revoking = (async () => {
    for (let i = 0; !over.signal.aborted; i++) {
      const node = nodes[i % nodes.length];
      if (node !== undefined)
        keep(
          claimed([node, ...nodes.filter((one) => one !== node)], `person-${++revoked}`).then((ms) => {
            if (ms === null) result.unclaimed.push(node.name);
            else result.claim_ms.push(ms);
          }),
        );
      await sleep(options.revoke_every_ms);
    }
  })();
  try {
    await during();
  } finally {
    over.abort();
    await Promise.all([asking, revoking]);
    await Promise.all(open);
  }
  return result;
}

/** Kills or stops one server after another, each that leads a feed, and starts it again: the next once it has caught up. */
export async function failServers(
  nodes: readonly ClusterNode[],
  servers: readonly NatsServer[],
  { times, every_ms, signal }: { times: number; every_ms: number; signal: NodeJS.Signals },
): Promise<void> {
  for (let i = 0; i < times; i++) {
    const began = performance.now();
    let leaders: (string | null)[] = [];
    await until(async () => {
      leaders = await leadersOf(nodes[i % nodes.length]);
      return leaders.length === 2 && !leaders.includes(null) && leaders[0] !== leaders[1];
    }, "two servers lead the two feeds");
    const server = servers.find(({ name }) => name === leaders[i % 2]);
    if (server === undefined) throw new Error(`no server is called ${leaders[i % 2] ?? ""}`);
    await server.kill(signal);
    await sleep(500);
    server.start();
    await server.ready();
    await server.current();
    await sleep(Math.max(0, every_ms - (performance.now() - began)));
  }
}

async function leadersOf(node: ClusterNode | undefined): Promise<(string | null)[]> {
  const told = await node?.child.ask("GET", "/cluster");
  return ((told?.body["feeds"] ?? []) as { leader: string | null }[]).map(({ leader }) => leader);
}

/**
 * Revokes a person, and waits until that is in force on the fleet.
 * @param nodes to ask, the first that answers
 * @returns milliseconds; null if it takes too long
 */
async function claimed(nodes: readonly ClusterNode[], principal: string): Promise<number | null> {
  const began = performance.now();
  const told = await firstAnswer(nodes, "POST", "/revocations", { scope: { principal }, reason: "tests" });
  for (let where = told?.body["in_force"]; where !== "fleet";) {
    if (performance.now() - began > CLAIM_WITHIN_MS) return null;
    await sleep(POLL_MS);
    where = (await firstAnswer(nodes, "GET", `/revocations/principal/${principal}`))?.body["in_force"];
  }
  return performance.now() - began;
}

/** As a client with several nodes asks: another where one doesn't answer, or can't serve now. */
async function firstAnswer(nodes: readonly ClusterNode[], method: string, path: string, body?: object): Promise<Told | null> {
  for (const { child } of nodes) {
    const told = await child.ask(method, path, body === undefined ? {} : { body });
    if (told !== null && told.status !== 503) return told;
  }
  return null;
}
