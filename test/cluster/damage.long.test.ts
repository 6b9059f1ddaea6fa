/** What happens to the files of a cluster's servers: bits that flip, files that are cut or gone, a feed that is put back from an earlier copy. */
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import type { Child } from "../service/child.js";
import { sleep } from "../service/child.js";
import { skip } from "../skip.js";
import { allowedByAll, decided, inForceOnFleet, registered, until } from "./asking.js";
import { ClusterNode } from "./nodes.js";

const LEASE_MS = 3000;
/** Milliseconds for which a process may take to end. */
const END_MS = 120_000;
/** Changes before anything is damaged, so that it meets some. */
const CHANGES = 60;
const FACTS = "REMIT_tests";
const COPIES = "REMIT_tests_COPIES";

/** Folders and files in a server's data, by the names of their folders and their own, in which `*` stands for anything. */
function found(data: string, ...names: readonly string[]): string[] {
  let paths = [join(data, "jetstream")];
  for (const name of names)
    paths = paths.flatMap((path) => {
      const matches = new RegExp(`^${name.replaceAll(/[.$]/gu, "\\$&").replaceAll("*", ".*")}$`, "u");
      return existsSync(path)
        ? readdirSync(path)
            .filter((one) => matches.test(one))
            .map((one) => join(path, one))
        : [];
    });
  return paths;
}

/** Files of the messages of a server's streams. */
const messages =
  (...streams: readonly string[]) =>
  (data: string): string[] =>
    streams.flatMap((stream) => found(data, "$G", "streams", stream, "msgs", "*.blk"));
/** Files by which servers agree on a stream, or on which streams there are. */
const agreed =
  (...names: readonly string[]) =>
  (data: string): string[] =>
    found(data, "$SYS", "_js_", "*", ...names);

type FilesOf = (data: string) => string[];
/** @throws Error if there are none: another version of the servers has others */
function some(files: FilesOf, data: string): string[] {
  const paths = files(data);
  expect(paths, "files to be damaged").to.not.deep.equal([]);
  return paths;
}
/** What is done to the data of a server that doesn't run. */
type Damage = (data: string) => void;

const gone =
  (files: FilesOf): Damage =>
  (data) => {
    for (const path of some(files, data)) rmSync(path, { recursive: true });
  };
const halved =
  (files: FilesOf): Damage =>
  (data) => {
    for (const path of some(files, data)) truncateSync(path, Math.floor(readFileSync(path).length / 2));
  };
/** Flips a bit in each so many bytes, one in the middle of what is shorter. */
const flipped =
  (files: FilesOf, every = Infinity): Damage =>
  (data) => {
    for (const path of some(files, data)) {
      const bytes = readFileSync(path);
      const step = Math.min(every, Math.max(1, bytes.length));
      for (let at = Math.floor(step / 2); at < bytes.length; at += step) bytes[at] = (bytes[at] ?? 0) ^ 4;
      writeFileSync(path, bytes);
    }
  };
const zeroed =
  (files: FilesOf): Damage =>
  (data) => {
    for (const path of some(files, data)) {
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0, Math.max(0, bytes.length - 1024)));
    }
  };
const all: FilesOf = (data) => [data];
/** Puts a server's data back to what it was before anybody was revoked. */
const putBack: Damage = (data) => {
  rmSync(data, { recursive: true });
  cpSync(`${data}.kept`, data, { recursive: true });
};

/** What is damaged, on how many of three servers, and how. */
const ROWS: readonly [what: string, servers: number, Damage][] = [
  ["one bit of each file of messages flipped", 1, flipped(messages(FACTS, COPIES))],
  ["a bit flipped in each thousand bytes", 1, flipped(messages(FACTS, COPIES), 1000)],
  ["files of messages cut in half", 1, halved(messages(FACTS, COPIES))],
  ["files of messages gone", 1, gone(messages(FACTS, COPIES))],
  ["the last kilobyte written over with zeros", 1, zeroed(messages(FACTS, COPIES))],
  ["all of it gone", 1, gone(all)],
  ["the messages of the feed of all facts gone", 1, gone(messages(FACTS))],
  ["the messages of the second feed gone", 1, gone(messages(COPIES))],
  ["bits flipped in the logs by which they agree", 1, flipped(agreed("msgs", "*.blk"), 1000)],
  ["the logs by which they agree cut in half", 1, halved(agreed("msgs", "*.blk"))],
  ["the logs by which they agree gone", 1, gone(agreed("msgs"))],
  ["terms and votes gone", 1, gone(agreed("tav.idx"))],
  ["snapshots of what they agreed on damaged", 1, flipped(agreed("snapshots", "snap.*"))],
  ["names of the other servers gone", 1, gone(agreed("peers.idx"))],
  ["descriptions of the streams gone", 1, gone((data) => found(data, "$G", "streams", "*", "meta.*"))],
  ["an earlier copy put back", 1, putBack],
  ["the messages of the feed of all facts gone", 2, gone(messages(FACTS))],
  ["an earlier copy put back", 2, putBack],
  ["all of it gone", 2, gone(all)],
];

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
  const noneIsAllowed = async (): Promise<void> => {
    for (const { child, name } of nodes)
      for (const agent of revoked) expect(await decided(child, agent), `${agent} on ${name}`).to.not.equal("allow");
  };
  const first = (): Child => (nodes[0] as ClusterNode).child;
  const hired = async (): Promise<string> => {
    const agent = `agent-${++agents}`;
    await registered(nodes[0] as ClusterNode, agent);
    return agent;
  };
  /** Revokes an agent that was allowed, and waits until that holds on the fleet. */
  const revoke = async (agent: string): Promise<void> => {
    await allowedByAll(nodes, agent);
    await first().ask("POST", "/revocations", { body: { scope: { agent }, reason: "tests" } });
    await inForceOnFleet(nodes[0] as ClusterNode, agent);
    revoked.push(agent);
  };
  /** Stops the servers in order, keeps a copy of what they have, and starts them again. */
  const keptCopy = async (): Promise<void> => {
    for (const server of servers) await server.kill("SIGTERM");
    for (const i of servers.keys()) cpSync(dataOf(i), `${dataOf(i)}.kept`, { recursive: true });
    for (const server of servers) server.start();
  };
  const filled = async (): Promise<void> => {
    for (let i = 0; i < CHANGES / 2; i++) await hired();
    for (let i = 0; i < 3; i++) await revoke(await hired());
  };
  const endedOn = async ({ child }: ClusterNode): Promise<string | null> =>
    ((await child.ask("GET", "/cluster"))?.body["ended"] ?? null) as string | null;
  /** Has a server lead both streams, so that what it has is what is read. @returns whether it does */
  const lead = async (name: string): Promise<boolean> => {
    const connection = await connect({ servers: servers.map(({ url }) => url) });
    try {
      const jsm = await jetstreamManager(connection, { timeout: 2000, checkAPI: false });
      const isLed = async (stream: string): Promise<boolean> =>
        (await jsm.streams.info(stream).catch(() => null))?.cluster?.leader === name;
      const until_ms = performance.now() + 20_000;
      for (const stream of [FACTS, COPIES])
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

  /** Starts a server; one that refuses what it finds is started with nothing, as its operator is told to. */
  const startedAnyhow = async (server: NatsServer, data: string): Promise<void> => {
    server.start();
    try {
      await server.ready();
    } catch {
      expect(server.said).to.include("Can't start JetStream");
      rmSync(data, { recursive: true });
      server.start();
      await server.ready();
    }
  };

  for (const [what, count, damage] of ROWS)
    it(`allows nothing that was revoked, and goes on or says why not, with ${what} on ${count} of three servers`, async () => {
      if (damage === putBack) {
        for (let i = 0; i < CHANGES / 2; i++) await hired();
        await keptCopy();
        for (let i = 0; i < 3; i++) await revoke(await hired());
      } else await filled();
      const damaged = servers.slice(-count);
      for (const server of damaged) await server.kill();
      for (const server of damaged) damage(dataOf(servers.indexOf(server)));
      for (const [i, server] of servers.entries()) if (damaged.includes(server)) await startedAnyhow(server, dataOf(i));
      const [, , last] = servers as [NatsServer, NatsServer, NatsServer];
      await lead(last.name);
      // A node that has never read anything reads what there is.
      const fresh = await ClusterNode.start("c", folder, servers, { lease_ms: LEASE_MS, replicas: 3 });
      nodes.push(fresh);
      const agent = "agent-1";
      const began = performance.now();
      let states: string[] = [];
      await until(
        async () => {
          await noneIsAllowed();
          states = await Promise.all(nodes.map(async (node) => (await endedOn(node)) ?? (await decided(node.child, agent))));
          // Each is current and allows what it should, or has ended and says why.
          if (states.every((one) => ["allow", "feed_forked", "feed_other", "feed_unreadable"].includes(one))) return true;
          // Without most of the servers nobody may be able to go on, for ever.
          return count > 1 && performance.now() - began > 6 * LEASE_MS;
        },
        () => `each node goes on, or has ended: ${states.join(", ")}`,
      );
      await noneIsAllowed();
      const ended = await Promise.all(nodes.map(endedOn));
      if (ended.every((one) => one === null) && states.every((one) => one === "allow")) await revoke(await hired());
      await noneIsAllowed();
    });

  it("allows nothing that was revoked after the copy from which all servers are put back, and says that it has read another feed", async () => {
    await filled();
    await keptCopy();
    const agent = await hired();
    await revoke(agent);
    for (const server of servers) await server.kill();
    for (const i of servers.keys()) putBack(dataOf(i));
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
      expect(await node.child.exit(END_MS), node.name).not.to.equal(0);
      expect(node.child.said).to.include("and the store ends at");
    }
  });
});
