/** What happens to the files of a cluster's servers: bits that flip, files that are cut or gone, a feed that is put back from an earlier copy. */
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import type { Child } from "../service/child.js";
import { sleep } from "../service/child.js";
import { skip } from "../skip.js";
import { ClusterNode } from "./nodes.js";
import { actionOf, agentNamed, taskOf } from "./requests.js";

const LEASE_MS = 3000;
/** Milliseconds in which something comes about on a machine that is busy with other things. */
const PATIENCE_MS = 120_000;
/** Changes before anything is damaged, so that it meets some. */
const CHANGES = 60;
const STREAMS = ["REMIT_tests", "REMIT_tests_COPIES"] as const;

/** Files of the messages of a server's streams, the feed's first. */
function blocksOf(data: string): string[] {
  return STREAMS.flatMap((stream) => {
    const folder = join(data, "jetstream", "$G", "streams", stream, "msgs");
    return readdirSync(folder)
      .filter((name) => name.endsWith(".blk"))
      .map((name) => join(folder, name));
  });
}

/** Flips one bit in each so many bytes. */
function flipped(path: string, every: number): void {
  const bytes = readFileSync(path);
  for (let at = Math.floor(every / 2); at < bytes.length; at += every) bytes[at] = (bytes[at] ?? 0) ^ 4;
  writeFileSync(path, bytes);
}

/** What is done to the data of a server that doesn't run. */
const DAMAGE: Record<string, (data: string) => void> = {
  "one bit of each file of messages flipped": (data) => {
    for (const path of blocksOf(data)) flipped(path, Math.max(64, readFileSync(path).length));
  },
  "a bit flipped in each thousand bytes": (data) => {
    for (const path of blocksOf(data)) flipped(path, 1000);
  },
  "files of messages cut in half": (data) => {
    for (const path of blocksOf(data)) truncateSync(path, Math.floor(readFileSync(path).length / 2));
  },
  "files of messages gone": (data) => {
    for (const path of blocksOf(data)) rmSync(path);
  },
  "the last kilobyte written over with zeros": (data) => {
    for (const path of blocksOf(data)) {
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0, Math.max(0, bytes.length - 1024)));
    }
  },
  "all of it gone": (data) => {
    rmSync(data, { recursive: true });
  },
};

describe("a cluster whose servers' files are damaged", function () {
  let folder: string;
  let servers: NatsServer[] = [];
  let nodes: ClusterNode[] = [];
  /** Agents that were revoked on the fleet: none may be allowed anything again, whatever becomes of the servers. */
  let revoked: string[] = [];
  let agents = 0;

  before(async function () {
    try {
      folder = mkdtempSync(join(tmpdir(), "remit-damage-"));
      await stopNats(await startNats(1, join(folder, "probe")));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-damage-"));
    servers = await startNats(3, join(folder, "nats"));
    revoked = [];
    agents = 0;
    const options = { lease_ms: LEASE_MS, fleet_within_ms: LEASE_MS * 2, replicas: 3 };
    for (const name of ["a", "b"]) nodes.push(await ClusterNode.start(name, folder, servers, options));
    for (const { child } of nodes) await child.ready();
  });
  afterEach(async () => {
    for (const node of nodes) await node.close();
    nodes = [];
    await stopNats(servers);
    rmSync(folder, { recursive: true, force: true });
  });

  const dataOf = (i: number): string => join(folder, "nats", `server-${i + 1}`);
  const until = async (holds: () => Promise<boolean>, what: string): Promise<void> => {
    const began = performance.now();
    while (!(await holds())) {
      if (performance.now() - began > PATIENCE_MS) throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
      await sleep(20);
    }
  };
  /** The decision, or the code of its first reason or of the problem. */
  const decided = async (child: Child, agent: string): Promise<string> => {
    const told = await child.ask("POST", "/decide", { body: actionOf(agent) });
    if (told?.status !== 200) return told?.outcome ?? "nothing";
    const { decision, proceed, reasons } = told.body as { decision: string; proceed: boolean; reasons: { code: string }[] };
    return proceed ? "allow" : (reasons[0]?.code ?? decision);
  };
  const noneIsAllowed = async (): Promise<void> => {
    for (const { child, name } of nodes)
      for (const agent of revoked) expect(await decided(child, agent), `${agent} on ${name}`).to.not.equal("allow");
  };
  const first = (): Child => (nodes[0] as ClusterNode).child;
  const registered = async (): Promise<string> => {
    const agent = `agent-${++agents}`;
    await until(
      async () => ((await first().ask("POST", "/agents", { body: agentNamed(agent) }))?.status ?? 0) <= 201,
      "an agent is registered",
    );
    await until(async () => ((await first().ask("POST", "/tasks", { body: taskOf(agent) }))?.status ?? 0) <= 201, "a task is registered");
    return agent;
  };
  /** Revokes an agent that was allowed, and waits until that holds on the fleet. */
  const revoke = async (agent: string): Promise<void> => {
    for (const { child } of nodes) await until(async () => (await decided(child, agent)) === "allow", "each node allows");
    await first().ask("POST", "/revocations", { body: { scope: { agent }, reason: "tests" } });
    await until(
      async () => (await first().ask("GET", `/revocations/agent/${agent}`))?.body["in_force"] === "fleet",
      "it is in force on the fleet",
    );
    revoked.push(agent);
  };
  const filled = async (): Promise<void> => {
    for (let i = 0; i < CHANGES / 2; i++) await registered();
    for (let i = 0; i < 3; i++) await revoke(await registered());
  };
  const endedOn = async ({ child }: ClusterNode): Promise<unknown> => (await child.ask("GET", "/cluster"))?.body["ended"] ?? null;
  /** Has a server lead both streams, so that what it has is what is read. @returns whether it does */
  const lead = async (name: string): Promise<boolean> => {
    const connection = await connect({ servers: servers.map(({ url }) => url) });
    try {
      const jsm = await jetstreamManager(connection, { timeout: 2000, checkAPI: false });
      const isLed = async (stream: string): Promise<boolean> =>
        (await jsm.streams.info(stream).catch(() => null))?.cluster?.leader === name;
      const until_ms = performance.now() + 20_000;
      for (const stream of STREAMS)
        while (!(await isLed(stream))) {
          if (performance.now() > until_ms) return false;
          const wanted = JSON.stringify({ placement: { preferred: name } });
          await connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, wanted, { timeout: 2000 }).catch(() => undefined);
          await noneIsAllowed();
          await sleep(200);
        }
      return true;
    } finally {
      await connection.close();
    }
  };

  for (const [what, damage] of Object.entries(DAMAGE))
    it(`allows nothing that was revoked, and goes on or says why not, with ${what} on one server`, async () => {
      await filled();
      const damaged = servers[2] as NatsServer;
      await damaged.kill();
      damage(dataOf(2));
      damaged.start();
      await damaged.ready();
      await lead(damaged.name);
      // A node that has never read anything reads what there is.
      const fresh = await ClusterNode.start("c", folder, servers, { lease_ms: LEASE_MS, replicas: 3 });
      nodes.push(fresh);
      const agent = "agent-1";
      await until(async () => {
        await noneIsAllowed();
        const found = await Promise.all(nodes.map(async (node) => (await endedOn(node)) ?? (await decided(node.child, agent))));
        // Each is current and allows what it should, or has ended and says why.
        return found.every((one) => one === "allow" || one === "feed_forked" || one === "feed_other" || one === "feed_unreadable");
      }, "each node goes on, or has ended");
      await noneIsAllowed();
      const ended = await Promise.all(nodes.map(endedOn));
      if (ended.every((one) => one === null)) await revoke(await registered());
      await noneIsAllowed();
    });

  it("allows nothing that was revoked after the copy from which all servers are put back, and says that it has read another feed", async () => {
    await filled();
    for (const server of servers) await server.kill("SIGTERM");
    for (const i of servers.keys()) cpSync(dataOf(i), `${dataOf(i)}.kept`, { recursive: true });
    for (const server of servers) server.start();
    const agent = await registered();
    await revoke(agent);
    for (const server of servers) await server.kill();
    for (const i of servers.keys()) {
      rmSync(dataOf(i), { recursive: true });
      cpSync(`${dataOf(i)}.kept`, dataOf(i), { recursive: true });
    }
    for (const server of servers) server.start();
    const began = performance.now();
    while (performance.now() - began < 4 * LEASE_MS) {
      await noneIsAllowed();
      await sleep(20);
    }
    for (const node of nodes) await until(async () => (await decided(node.child, "agent-1")) === "facts_stale", `${node.name} denies`);
    for (const node of nodes) await until(async () => (await endedOn(node)) === "feed_forked", `${node.name} says why`);
    // A node that has never read anything knows by what the others have sent since.
    const fresh = await ClusterNode.start("c", folder, servers, { lease_ms: LEASE_MS, replicas: 3 });
    nodes.push(fresh);
    await fresh.child.says("feed_forked");
    await noneIsAllowed();
    expect(await decided(fresh.child, "agent-1")).to.not.equal("allow");
    await fresh.close();
    nodes.pop();
    // Started again, it has a log that the feed is behind.
    for (const node of nodes) {
      await node.child.kill();
      node.begin();
      expect(await node.child.exit(PATIENCE_MS), node.name).not.to.equal(0);
      expect(node.child.said).to.include("and the store ends at");
    }
  });
});
