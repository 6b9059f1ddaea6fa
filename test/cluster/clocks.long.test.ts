/** Wall clocks of a cluster's nodes that jump by an hour while one of them is silent: leases are neither longer nor shorter for it. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import { asset } from "../../src/system/paths.js";
import { Copies } from "../threats/copies.js";
import { cut } from "../threats/cut.js";
import { sleep } from "../service/child.js";
import { libfaketime, NO_WALL_CLOCK, WallClock } from "../service/wall.js";
import { skip } from "../skip.js";
import { allowedByAll, decided, inForceOnFleet, registered, until } from "./asking.js";
import { ClusterNode } from "./nodes.js";

const LEASE_MS = 4000;
const HOUR_MS = 3_600_000;
/** Of each row; more with `REMIT_JUMPS=20`. */
const JUMPS = Number(process.env["REMIT_JUMPS"] ?? 2);

type Silence = "cut" | "hang" | "freeze";
/** Whose clock jumps, which way, and how the other stops hearing from the fleet. */
const ROWS: readonly [whose: "silent" | "revoking", ahead_ms: number, silence: Silence][] = [
  ["silent", HOUR_MS, "cut"],
  ["silent", -HOUR_MS, "cut"],
  ["silent", -HOUR_MS, "hang"],
  ["silent", HOUR_MS, "freeze"],
  ["silent", -HOUR_MS, "freeze"],
  ["revoking", HOUR_MS, "cut"],
  ["revoking", -HOUR_MS, "hang"],
  ["revoking", HOUR_MS, "freeze"],
];
const said = (ms: number): string => `${ms > 0 ? "forward" : "back"} by an hour`;

/** What a node that fell silent answered, in milliseconds from then on. */
interface Silent {
  /** When the last request was sent that it permitted, of an agent that wasn't revoked; 0 if there is none. */
  allowed_ms: number;
  /** When the revocation was known to be in force on the fleet. */
  claimed_ms: number;
  /** Permissions of the revoked agent that came after that. */
  after: number;
  /** What it first answered instead of a permission to the one who wasn't revoked, and when that came. */
  instead: string;
}

describe("nodes whose wall clocks jump", function () {
  let library: string;
  let folder: string;
  let servers: NatsServer[] = [];
  let nodes: ClusterNode[] = [];
  let clocks: WallClock[] = [];
  let agents = 0;

  before(async function () {
    library = libfaketime() ?? skip(this, NO_WALL_CLOCK);
    try {
      servers = await startNats(1, join((folder = mkdtempSync(join(tmpdir(), "remit-clocks-"))), "nats"));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
  });
  const started = async (main?: string): Promise<void> => {
    clocks = ["a", "b"].map((name) => new WallClock(join(folder, `clock-${name}`), library));
    for (const [i, clock] of clocks.entries())
      nodes.push(
        await ClusterNode.start(["a", "b"][i] ?? "", mkdtempSync(join(folder, "nodes-")), servers, {
          ...{ lease_ms: LEASE_MS, fleet_within_ms: 10, replicas: 1, env: clock.env },
          ...(main !== undefined && { main }),
        }),
      );
    for (const { child } of nodes) await child.ready();
  };
  const ended = async (): Promise<void> => {
    for (const node of nodes) await node.close();
    nodes = [];
  };
  after(async () => {
    await ended();
    await stopNats(servers);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Registers an agent, and waits until both nodes allow its action. */
  const allowed = async (): Promise<string> => {
    const agent = `agent-${++agents}`;
    await registered(nodes[0] as ClusterNode, agent);
    await allowedByAll(nodes, agent);
    return agent;
  };

  /** Silences one node, lets a clock jump, revokes at the other, and looks at what the silent one answers until that is in force. */
  const silenced = async (whose: "silent" | "revoking", ahead: number, silence: Silence): Promise<Silent> => {
    const [revoking, silent] = nodes as [ClusterNode, ClusterNode];
    const clock = clocks[whose === "silent" ? 1 : 0] as WallClock;
    const [kept, agent] = [await allowed(), await allowed()];
    const left = async (): Promise<number> => (await silent.child.told("GET", "/cluster")).body["lease_left_ms"] as number;
    await until(async () => (await left()) > LEASE_MS / 2, "the silent node's lease is a late one");
    const began = performance.now();
    const now = (): number => performance.now() - began;
    let claimed_ms = Infinity;
    /** What it permitted: of one who isn't revoked, and of one who is. */
    let instead = "";
    const permitted: Record<string, { asked: number; answered: number }[]> = { [kept]: [], [agent]: [] };
    if (silence === "freeze") silent.freeze(true);
    else silent[silence]();
    clock.set(ahead);
    const asking = Object.entries(permitted).map(async ([one, at]) => {
      // On beyond the claim: what a node that wakes up has in hand is answered then.
      while (now() < claimed_ms + LEASE_MS / 2) {
        const asked = now();
        const told = await Promise.race([decided(silent.child, one), sleep(LEASE_MS).then(() => "nothing")]);
        if (told === "allow") at.push({ asked, answered: now() });
        else if (one === kept) instead ||= `${told} after ${Math.round(now())} ms, asked for after ${Math.round(asked)}`;
        await sleep(5);
      }
    });
    await revoking.child.told("POST", "/revocations", { scope: { agent }, reason: "tests" });
    await inForceOnFleet(revoking, agent);
    claimed_ms = now();
    if (silence === "freeze") silent.freeze(false);
    await Promise.all(asking);
    if (silence !== "freeze") silent.heal();
    clock.set(0);
    await until(async () => (await silent.child.ask("GET", "/readyz"))?.status === 200, "the silent node is back");
    // One that was frozen answers what had been waiting for it, by a lease that it has got since.
    const before = (permitted[kept] ?? []).filter(({ answered }) => answered <= claimed_ms);
    return {
      allowed_ms: Math.max(0, ...before.map(({ asked }) => asked)),
      claimed_ms,
      after: (permitted[agent] ?? []).filter(({ answered }) => answered > claimed_ms).length,
      instead,
    };
  };

  describe("by libfaketime", () => {
    before(() => started());
    after(ended);

    for (const [whose, ahead, silence] of ROWS)
      it(`are waited for as long as without: the ${whose} node's goes ${said(ahead)}, with the other's links ${silence}`, async () => {
        for (let jump = 0; jump < JUMPS; jump++) {
          const { allowed_ms, claimed_ms, after, instead } = await silenced(whose, ahead, silence);
          expect(after, "allowed after the claim").to.equal(0);
          expect(allowed_ms, "the last permission").to.be.below(LEASE_MS);
          // The last tick before the silence is not older than some: there are five in a lease.
          expect(claimed_ms, "the claim").to.be.above(LEASE_MS / 2);
          // One that goes forward is taken for a machine that slept. Frozen, a node answers nothing.
          const goesOn = silence !== "freeze" && !(whose === "silent" && ahead > 0);
          if (goesOn) expect(allowed_ms, `it goes on for as long as its lease lasts; instead: ${instead}`).to.be.above(LEASE_MS / 2);
        }
      });

    it("go on deciding when all of them jump, each another way", async () => {
      const agent = await allowed();
      for (const ahead of [HOUR_MS, -HOUR_MS, HOUR_MS / 2, 0]) {
        for (const [i, clock] of clocks.entries()) clock.set(i === 0 ? ahead : -ahead);
        for (const node of nodes) await until(async () => (await decided(node.child, agent)) === "allow", `${node.name} allows again`);
      }
    });
  });

  it("would allow after a claim if a lease were counted by the wall clock", async () => {
    const byWall = cut.text(
      "cluster/lease.js",
      "left_ms",
      "Math.max(monotonic, this.#clock.wall() - this.#wall)",
      "(this.#clock.wall() - this.#wall)",
    );
    mkdirSync(asset(".work"), { recursive: true });
    const copy = mkdtempSync(join(asset(".work"), "clocks-"));
    try {
      await started(new Copies(copy, [byWall]).path("cli/main.js"));
      expect((await silenced("silent", -HOUR_MS, "cut")).after).to.be.above(0);
    } finally {
      await ended();
      rmSync(copy, { recursive: true });
    }
  });
});
