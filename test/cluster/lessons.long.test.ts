import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import { FLOOD } from "../../src/behavior/adjust.js";
import { FeedChain } from "../../src/cluster/chain.js";
import { Homes } from "../../src/cluster/home.js";
import { startService } from "../../src/service.js";
import { openSharedStore } from "../../src/service/cluster.js";
import { readConfig } from "../../src/system/config.js";
import { system, type System } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { placeIn, type Json } from "../service/child.js";
import { skip } from "../skip.js";
import { until } from "./asking.js";
import { ClusterNode } from "./nodes.js";
import { PURPOSE, actionOf, agentNamed, taskOf } from "./requests.js";

const LEASE_MS = 30_000;
/** Three, one that comes for a while, and one that a kill leaves behind. */
const NODES_MAX = 5;
const HOUR_MS = 3_600_000;

describe("what agents do on several nodes of a cluster", function () {
  this.timeout(600_000);
  let folder: string;
  let servers: NatsServer[] = [];
  const nodes: ClusterNode[] = [];
  let agents = 0;
  /** When the node that comes for a while had left; until then nobody has. */
  let left = Infinity;

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), "remit-lessons-"));
    try {
      servers = await startNats(1, join(folder, "nats"));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
    const options = { lease_ms: LEASE_MS, nodes_max: NODES_MAX, replicas: 1, sections: { behavior: { enabled: true } } };
    for (const name of ["a", "b", "c"]) {
      const [first] = nodes;
      nodes.push(await ClusterNode.start(name, folder, servers, { ...options, ...(first !== undefined && { trusts: first }) }));
    }
    for (const { child } of nodes) await child.ready();
  });
  after(async () => {
    for (const node of nodes) await node.close();
    await stopNats(servers);
    rmSync(folder, { recursive: true, force: true });
  });

  const at = (i: number): ClusterNode => nodes[i % nodes.length] as ClusterNode;
  const told = async (i: number, path: string): Promise<Json> => (await at(i).child.told("GET", path)).body;
  /** Registers an agent with its task, and waits until every node has both. */
  const employ = async (): Promise<string> => {
    const agent = `agent-${++agents}`;
    expect((await at(0).child.told("POST", "/agents", agentNamed(agent))).status).to.equal(201);
    expect((await at(0).child.told("POST", "/tasks", taskOf(agent))).status).to.equal(201);
    for (const [i] of nodes.entries())
      await until(async () => (await at(i).child.told("GET", `/tasks/T-${agent}`)).status === 200, `${at(i).name} knows the task`);
    return agent;
  };
  /** Waits until what was decided last is known everywhere, and every node knows the same. */
  const allKnow = async (agent: string, last_ms: number): Promise<void> => {
    let known: (Json | null)[] = [];
    // Profiles know times to the second.
    const isLatest = (one: Json | null): boolean => one !== null && Date.parse(String(one["last"])) >= Math.floor(last_ms / 1000) * 1000;
    await until(
      async () => {
        known = await Promise.all(nodes.map(async (_, i) => (await told(i, `/agents/${agent}/profile`))["profile"] as Json | null));
        const [first] = known;
        return known.every((one) => isLatest(one) && JSON.stringify(one) === JSON.stringify(first));
      },
      () => `every node knows what all have decided of ${agent} until ${new Date(last_ms).toISOString()}, not ${JSON.stringify(known)}`,
    );
  };
  const other = (agent: string, n: number): Json => ({
    ...{ agent, task: `T-${agent}`, purpose: PURPOSE, verb: "read" },
    resource: { type: "order", id: `X-${n}`, attributes: { customer: `somebody-${n}` } },
  });

  it("is known on all of them, whichever decided, and stays known where one is killed and starts again", async () => {
    const agent = await employ();
    const decides = async (...on: number[]): Promise<void> => {
      let last_ms = 0;
      for (const i of on) {
        last_ms = Date.now();
        expect((await at(i).child.told("POST", "/decide", actionOf(agent))).status).to.equal(200);
      }
      await allKnow(agent, last_ms);
    };
    await decides(0, 1, 2, 0, 1, 2);
    await at(1).child.kill();
    for (const i of [0, 2]) await at(i).child.told("POST", "/decide", actionOf(agent));
    await at(1).again();
    await decides(2, 1);
  });

  it("narrows an agent on all, by what none of them has seen enough of, and is one finding", async () => {
    const agent = await employ();
    const each = FLOOD.flags / nodes.length + 5;
    expect(each, "too few for any node to narrow it by itself").to.be.below(FLOOD.flags);
    for (let n = 0; n < each * nodes.length; n++) {
      const { body } = await at(n).child.told("POST", "/decide", other(agent, n));
      expect(["flag", "deny"]).to.include(body["decision"]);
    }
    for (const [i, { name }] of nodes.entries())
      await until(async () => (await told(i, `/agents/${agent}/narrowing`))["lifted"] === null, `${name} narrows it`);
    await until(async () => {
      const { items } = await told(0, `/findings?agent=${agent}&code=narrowed_by_behavior`);
      return (items as Json[] | undefined)?.length === 1;
    }, "one finding of all nodes");
  });

  it("lets nobody back by a node that learns nothing, though it is the agent's home and sees nothing odd", async () => {
    const agent = await employ();
    for (let n = 0; n < 2 * FLOOD.flags; n++) await at(n).child.told("POST", "/decide", other(agent, n));
    await until(async () => (await told(0, `/agents/${agent}/narrowing`))["lifted"] === null, "it is narrowed");
    const names = nodes.map(({ name }) => name);
    const homeOf = (name: string): string | null => new Homes(() => [...names, name].sort()).of(agent);
    const name = Array.from({ length: 1000 }, (_, i) => `d${i}`).find((one) => homeOf(one) === one) ?? expect.fail("no name");
    const cluster = {
      name: "tests",
      node: name,
      nats: { servers: servers.map(({ url }) => url), replicas: 1 },
      lease_ms: LEASE_MS,
      nodes_max: NODES_MAX,
    };
    const place = placeIn(join(folder, name), { behavior: { enabled: false }, cluster });
    let ahead_ms = 0;
    const looks: (() => void)[] = [];
    const outside: System = {
      ...system,
      clock: { ...system.clock, wall: () => system.clock.wall() + ahead_ms },
      timers: {
        ...system.timers,
        every: (ms, look) => {
          if (ms === 1000) looks.push(look);
          return system.timers.every(ms, look);
        },
      },
    };
    const service = await startService(readConfig(place.config), outside, logger(outside.clock, new PassThrough().resume()));
    try {
      const asked = (method: string, path: string, body?: Json): Promise<Response> =>
        fetch(`${service.url}${path}`, {
          method,
          headers: { authorization: `Bearer ${place.token}`, "content-type": "application/json" },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
      const knows = async (): Promise<boolean> => {
        const { cluster: seen, narrowing } = {
          cluster: (await (await asked("GET", "/cluster")).json()) as { nodes: { node: string }[] },
          narrowing: await asked("GET", `/agents/${agent}/narrowing`),
        };
        return narrowing.status === 200 && seen.nodes.length === names.length + 1;
      };
      await until(knows, "it knows the narrowing, and the other nodes");
      expect(looks.length, "it looks after those that are narrowed").to.be.above(0);
      // Calm now, and for longer than a narrowing lasts.
      for (const ms of [0, HOUR_MS]) {
        ahead_ms = ms;
        for (const look of looks) look();
      }
      ahead_ms = 0;
      // What it may have changed comes before this.
      const marker = `marker-of-${agent}`;
      expect((await asked("POST", "/agents", agentNamed(marker))).status).to.equal(201);
      await until(async () => (await at(0).child.told("GET", `/agents/${marker}`)).status === 200, "its changes are known elsewhere");
      expect((await told(0, `/agents/${agent}/narrowing`))["lifted"]).to.equal(null);
    } finally {
      await service.stop();
      left = performance.now();
    }
  });

  it("is measured: no node is behind", async () => {
    const names = nodes.map(({ name }) => name);
    for (const { name, child, place } of nodes) {
      // The one that came for a while has said that it leaves, which each node reads in its own time.
      const others = names.filter((other) => other !== name).join(" ");
      const followed = async (): Promise<string> => {
        const lessons = (await child.told("GET", "/cluster")).body["lessons"] as { nodes: { node: string; behind_ms: number }[] };
        return lessons.nodes.map(({ node }) => node).join(" ");
      };
      await until(async () => (await followed()) === others, `${name} follows the others alone`);
      expect(performance.now() - left, "milliseconds since that one left").to.be.below(LEASE_MS);
      const headers = { authorization: `Bearer ${place.token}` };
      expect(await (await fetch(`http://127.0.0.1:${child.port}/metrics`, { headers })).text())
        .to.match(/^remit_lessons_behind_seconds [0-9]\.?[0-9e-]*$/m)
        .and.to.match(/^remit_lessons_late 0$/m);
    }
  });

  it("is asked for by a node that starts before it allows anything, for ten seconds at most", async () => {
    const config = readConfig(at(0).place.config).cluster ?? expect.fail("no cluster");
    const quiet = logger(system.clock, new PassThrough().resume());
    const store = await openSharedStore({ ...config, nats: { ...config.nats, servers: servers.map(({ url }) => url) } }, system, quiet, {
      broken: () => undefined,
      connected: () => undefined,
    });
    const { revision: applied, chain } = new FeedChain().last;
    const tick = { incarnation: "ghost-1", opened_at: 0, leaving: false, applied, chain, version: "0", bundle: null, bundle_since: null };
    let n = 0;
    const mark = (more: object = {}): void => {
      n++;
      for (const feed of [store, store.copies]) feed.mark({ by: "ghost", n, value: { ...tick, ...more } });
    };
    // A node that is live, and answers nothing.
    const stop = system.timers.every(50, mark);
    const starting = at(2);
    try {
      const sees = async (): Promise<boolean> => ((await told(0, "/cluster"))["nodes"] as Json[]).some(({ node }) => node === "ghost");
      await until(sees, "it is live");
      await starting.child.kill();
      await starting.again();
      const ready_ms = Date.now();
      const held = starting.child.said
        .split("\n")
        .filter((line) => line.includes('"lease_held"'))
        .map((line) => Date.parse((JSON.parse(line) as { time: string }).time));
      expect(held, "it had a lease all the time").to.have.length(1);
      expect(ready_ms - (held[0] ?? 0), "milliseconds in which it had a lease, and wasn't ready").to.be.at.least(9000);
    } finally {
      stop();
      mark({ leaving: true });
      await store.connection.flush();
      await store.close();
    }
  });
});
