/** Disks that fail under a cluster: full, or with errors, under one server or under one node. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import { buildShim } from "../disk/power.js";
import { SmallDisk } from "../service/small_disk.js";
import { skip } from "../skip.js";
import { allowedByAll, decided, inForceOnFleet, registered, until } from "./asking.js";
import { ClusterNode } from "./nodes.js";

const LEASE_MS = 3000;
/** Of a server's disk: enough for what it has before it is filled. */
const SERVER_DISK = "256m";

/** Begins a fault under a server, and returns what ends it. */
type ServerFault = (server: NatsServer, disk: SmallDisk) => Promise<() => Promise<void>>;

/** Has system calls of a server fail with an error of its disk. */
async function failing(server: NatsServer, calls: string): Promise<() => Promise<void>> {
  const options = ["-f", "-qq", "-o", "/dev/null", "-p", String(server.pid), "-e", `trace=${calls}`, "-e", `inject=${calls}:error=EIO`];
  const strace: ChildProcess = spawn("strace", options, { stdio: "ignore" });
  await once(strace, "spawn");
  return async () => {
    const ended = once(strace, "exit");
    strace.kill("SIGINT");
    await ended;
  };
}

const SERVER_FAULTS: Readonly<Record<string, ServerFault>> = {
  "a full disk": (_, disk) => {
    disk.fill();
    return Promise.resolve(() => {
      disk.free();
      return Promise.resolve();
    });
  },
  "syncs that fail": (server) => failing(server, "fsync,fdatasync"),
  "writes that fail": (server) => failing(server, "pwrite64"),
};
const NODE_FAULTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "a full disk": { DISK_FAIL: "write1+1", DISK_ERRNO: "ENOSPC" },
  "writes that fail": { DISK_FAIL: "write1+1", DISK_ERRNO: "EIO" },
  "syncs that fail": { DISK_FAIL: "sync1+1", DISK_ERRNO: "EIO" },
  "one sync in five that fails": { DISK_FAIL: "sync1+5", DISK_ERRNO: "EIO" },
};

describe("a cluster with a disk that fails", function () {
  let folder: string;
  let servers: NatsServer[] = [];
  let disks: SmallDisk[] = [];
  let nodes: ClusterNode[] = [];
  /** Agents whose revocation was answered: none may be allowed anything on the node that answered, nor on any once that is on the fleet. */
  let revoked: string[] = [];
  let agents = 0;

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), "remit-disks-"));
    try {
      await stopNats(await startNats(1, join(folder, "probe")));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
  });
  afterEach(async () => {
    for (const node of nodes) await node.close();
    nodes = [];
    await stopNats(servers);
    for (const disk of disks) disk.unmount();
    disks = [];
    rmSync(folder, { recursive: true, force: true });
  });

  /** @param env of node c */
  const started = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
    servers = await startNats(3, join(folder, "nats"));
    revoked = [];
    agents = 0;
    for (const name of ["a", "b", "c"])
      nodes.push(
        await ClusterNode.start(name, folder, servers, {
          ...{ lease_ms: LEASE_MS, fleet_within_ms: LEASE_MS, replicas: 3 },
          ...(name === "c" && { env }),
        }),
      );
    for (const { child } of nodes) await child.ready();
    for (let i = 0; i < 5; i++) await revokedOnFleet();
  };
  const first = (): ClusterNode => nodes[0] as ClusterNode;
  const allowed = async (): Promise<string> => {
    const agent = `agent-${++agents}`;
    await registered(first(), agent);
    await allowedByAll(nodes, agent);
    return agent;
  };
  const revokedOnFleet = async (): Promise<void> => {
    const agent = await allowed();
    await first().child.told("POST", "/revocations", { scope: { agent }, reason: "tests" });
    await inForceOnFleet(first(), agent);
    revoked.push(agent);
  };
  const noneIsAllowed = async (): Promise<void> => {
    for (const { child, name } of nodes)
      for (const agent of revoked) expect(await decided(child, agent), `${agent} on ${name}`).to.not.equal("allow");
  };
  const leader = async (): Promise<string> => {
    let found = "";
    await until(async () => {
      const feeds = (await first().child.ask("GET", "/cluster"))?.body["feeds"] as { leader: string | null }[] | undefined;
      found = feeds?.[0]?.leader ?? "";
      return found !== "";
    }, "a server leads the feed");
    return found;
  };

  /**
   * Has the fleet work on while a disk fails: an agent is revoked, which holds on every node whatever becomes of the feed.
   * @returns how each node decided meanwhile for an agent that may go on
   */
  const worksOn = async (kept: string, agent: string): Promise<Set<string>> => {
    const found = new Set<string>();
    await first().child.told("POST", "/revocations", { scope: { agent }, reason: "tests" });
    revoked.push(agent);
    await until(async () => {
      const answers = await Promise.all(nodes.map(({ child }) => decided(child, agent)));
      return !answers.includes("allow");
    }, "each node denies what was revoked");
    const began = performance.now();
    while (performance.now() - began < 3 * LEASE_MS) {
      await noneIsAllowed();
      for (const { child, name } of nodes) found.add(`${name} ${await decided(child, kept)}`);
    }
    return found;
  };

  for (const leads of [true, false])
    describe(`under the server that ${leads ? "leads" : "doesn't lead"} the feed`, () => {
      for (const [what, fails] of Object.entries(SERVER_FAULTS))
        it(`allows nothing that was revoked, and goes on: ${what}`, async function () {
          if (spawnSync("strace", ["-V"]).status !== 0) skip(this, "there is no strace");
          for (const i of [1, 2, 3]) {
            const disk = SmallDisk.at(join(folder, "nats", `server-${i}`), SERVER_DISK);
            if (disk === null) return skip(this, "no tmpfs can be mounted");
            disks.push(disk);
          }
          await started();
          const [kept, agent] = [await allowed(), await allowed()];
          const name = await leader();
          const at = servers.findIndex((server) => (server.name === name) === leads);
          const [server, disk] = [servers[at] as NatsServer, disks[at] as SmallDisk];
          const end = await fails(server, disk);
          expect([...(await worksOn(kept, agent))]).to.include.members(["a allow", "b allow", "c allow"]);
          expect(server.said, "it says what failed").to.match(/no space left on device|input\/output error/);
          await end();
          await server.kill();
          server.start();
          await server.ready();
          await inForceOnFleet(first(), agent);
          await revokedOnFleet();
          await noneIsAllowed();
        });
    });

  for (const [what, env] of Object.entries(NODE_FAULTS))
    it(`allows nothing that was revoked, and goes on: ${what} under one node`, async function () {
      const shim = join(folder, "disk.so");
      mkdirSync(folder, { recursive: true });
      const why = buildShim(shim);
      if (why !== null) skip(this, `faults of the disk: ${why}`);
      const during = join(folder, "during");
      await started({ LD_PRELOAD: shim, DISK_WATCH: join(folder, "c"), DISK_WHILE: during, ...env });
      const [kept, agent] = [await allowed(), await allowed()];
      writeFileSync(during, "");
      const found = [...(await worksOn(kept, agent))];
      expect(found).to.include.members(["a allow", "b allow", "c 503 log_unavailable"]);
      rmSync(during);
      await inForceOnFleet(first(), agent);
      await allowedByAll(nodes, kept);
      await revokedOnFleet();
      await noneIsAllowed();
    });
});
