import { hash } from "node:crypto";
import { EventEmitter } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { Problem, type GrantFactState, type RevocationState, type StreamEnd, type TaskState } from "../../src/contract/index.js";
import type { Commands } from "../../src/facts/commands.js";
import { EVERYTHING_IN_SIGHT, type Sight } from "../../src/facts/reach.js";
import type { EventLimits, Subscription } from "../../src/http/event_stream.js";
import { EventStreams } from "../../src/http/event_streams.js";
import type { Change } from "../../src/store/store.js";
import { systemClock, systemTimers } from "../../src/system/index.js";
import { Dice } from "../differential/dice.js";
import { HOUR_MS, World, at, turns } from "../facts/world.js";
import { Follower } from "./following.js";

const BY = "ops";
const LIMITS: EventLimits = {
  subscribers_max: 2000,
  heartbeat_ms: 60_000,
  queue_events_max: 4096,
  queue_bytes_max: 64 * 1024,
};
const CALLER = { id: "pep-1", token: { jti: null, expires_ms: Infinity } };
const NOBODY_YET: Omit<Subscription, "after"> = {
  sight: EVERYTHING_IN_SIGHT,
  chain: null,
  caller: CALLER,
  authenticate: () => Promise.resolve(),
  values: null,
  heartbeat_ms: null,
};

/** The streams of a service whose store fails when it is told to, on a server of their own. */
class Pushing {
  readonly world = new World();
  readonly ended: StreamEnd[] = [];
  readonly #followers: Follower[] = [];
  port = 0;
  masksPrincipals = false;
  commands!: Commands;
  streams!: EventStreams;
  /** By the path's query. */
  readonly subscriptions = new Map<string, Omit<Subscription, "after">>([["", NOBODY_YET]]);
  #server!: Server;

  static async start(limits: Partial<EventLimits> = {}): Promise<Pushing> {
    const pushing = new Pushing();
    const commands = (pushing.commands = await pushing.world.open());
    for (const id of ["a-1", "a-2", "a-3", "a-4"]) {
      const owner = id === "a-4" ? "b" : "a";
      await commands.createAgent({ id, owner, purposes: ["support", "billing"], delegates: ["support"] }, BY);
    }
    const streams = (pushing.streams = new EventStreams({
      commands,
      system: { clock: systemClock, timers: systemTimers },
      policy: () => null,
      limits: { ...LIMITS, ...limits },
      masksPrincipals: () => pushing.masksPrincipals,
      ended: (why) => pushing.ended.push(why),
    }));
    pushing.world.followers = streams;
    pushing.#server = createServer((request, response) => {
      const { pathname, search } = new URL(request.url ?? "", "http://x");
      const after = request.headers["last-event-id"];
      const subscription = pushing.subscriptions.get(search);
      if (pathname !== "/events" || subscription === undefined) throw new Error("not here");
      const begin = streams.open(response, { ...subscription, after: after === undefined ? null : Number(after) });
      response.writeHead(200, { "content-type": "text/event-stream" });
      begin();
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => pushing.#server.once("listening", resolve));
    pushing.port = (pushing.#server.address() as AddressInfo).port;
    return pushing;
  }

  async follow(query = "", lastEventId: string | null = null): Promise<Follower> {
    const follower = await Follower.follow(this, { query, ...(lastEventId !== null && { lastEventId }) });
    this.#followers.push(follower);
    return follower;
  }

  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((cause, count) => {
        if (cause === null) resolve(count);
        else reject(cause);
      });
    });
  }

  /** As many changes at once as a store takes. */
  async many(change: string): Promise<void> {
    const writes = Array.from({ length: 1000 }, (_, i) => {
      const id = `${change}-${i}`;
      const value = {
        id,
        agent: "a-1",
        purpose: "support",
        parent: null,
        principal: null,
        subjects: {},
        attributes: {},
        verbs: null,
        expires: at(HOUR_MS),
        ended: null,
      };
      return { key: `task/${id}`, expected: 0, value, by: BY, reason: null, change: "task_created" };
    });
    await this.commands.ledger.commit(writes);
  }

  /** Lets what isn't durable become so. */
  async settle(): Promise<void> {
    this.world.store.fate = () => "written";
    while ((this.commands.registry.dump() as { held: unknown[] }).held.length > 0) await this.world.timers.advance(1000);
  }

  async stop(): Promise<void> {
    for (const follower of this.#followers) follower.close();
    this.streams.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    this.commands.close();
  }
}

const revoking = (commands: Commands, scope: object): Promise<unknown> =>
  commands.revoke({ scope, reason: "incident" }, BY).catch((cause: unknown) => cause);

describe("event streams", function () {
  let pushing: Pushing;
  afterEach(() => pushing.stop());

  describe("where the store fails:", () => {
    beforeEach(async () => {
      pushing = await Pushing.start();
    });

    it("tell what narrows before it is durable, and again with its id once it is", async () => {
      const { world, commands } = pushing;
      const follower = await (await pushing.follow()).ready();
      world.store.fate = () => "before";
      void revoking(commands, { agent: "a-1" });
      void commands.changeAgent("a-2", { status: "suspended", reason: "x" }, null, BY).catch(() => undefined);
      await follower.until(() => follower.told.length === 2);
      expect(follower.told).to.deep.equal(["revoked revocation/agent/a-1?", "agent_suspended agent/a-2?"]);
      expect(follower.lastId).to.equal("4");
      await pushing.settle();
      await follower.until(() => follower.told.length === 4);
      expect(follower.told.slice(2)).to.have.members(["revoked revocation/agent/a-1", "agent_suspended agent/a-2"]);
      expect(follower.lastId).to.equal("6");
    });

    it("tell it at once to whoever comes meanwhile, and the rest when the store is back", async () => {
      const { world, commands } = pushing;
      world.store.fate = () => "before";
      void revoking(commands, { agent: "a-1" });
      const [fresh, resuming] = [await pushing.follow(), await pushing.follow("", "1")];
      await fresh.ready();
      await resuming.until(() => resuming.told.length > 0);
      expect(fresh.told).to.deep.equal(["revoked revocation/agent/a-1?"]);
      expect(resuming.told).to.deep.equal(fresh.told);
      await pushing.settle();
      await resuming.ready();
      expect(resuming.told.slice(1)).to.deep.equal([
        "agent_created agent/a-2",
        "agent_created agent/a-3",
        "agent_created agent/a-4",
        "revoked revocation/agent/a-1",
      ]);
      const late = await (await pushing.follow()).ready();
      expect(late.told).to.deep.equal([]);
    });

    it("tell what narrows to those that still catch up, before what they have missed", async () => {
      const { world, commands } = pushing;
      world.store.fate = () => "before";
      const resuming = await pushing.follow("", "0");
      await resuming.until(() => resuming.retry_ms !== null);
      void revoking(commands, { agent: "a-1" });
      await resuming.until(() => resuming.told.length === 1);
      expect(resuming.told).to.deep.equal(["revoked revocation/agent/a-1?"]);
    });
  });

  describe("that follow what narrows", () => {
    it("are counted in its answer: those that it was sent to, and none where it held already", async () => {
      pushing = await Pushing.start();
      const { world, commands, subscriptions } = pushing;
      subscriptions.set("?another-agent", { ...NOBODY_YET, sight: { agents: new Set(["a-2"]), purposes: null } });
      const concerned = [await (await pushing.follow()).ready(), await (await pushing.follow()).ready()];
      await (await pushing.follow("?another-agent")).ready();
      let clear = (): void => undefined;
      world.barrier = () =>
        new Promise((resolve) => {
          clear = resolve;
        });
      const revoking = commands.revoke({ scope: { agent: "a-1" }, reason: "leaked" }, BY);
      for (const follower of concerned) await follower.until(() => follower.told.length > 0);
      clear();
      expect((await revoking).in_force).to.include({ told: 2 });
      world.barrier = () => Promise.resolve();
      expect((await commands.revoke({ scope: { agent: "a-1" }, reason: "again" }, BY)).in_force).to.include({ told: 0 });
    });
  });

  describe("of persons that are cut off:", () => {
    /** What each follower hears of the revocation of a person, and of its end, in the words of the event. */
    const heard = async (isMasked: boolean): Promise<Record<string, [scope: unknown, key: unknown, of: unknown][]>> => {
      pushing = await Pushing.start();
      pushing.masksPrincipals = isMasked;
      const { commands, subscriptions } = pushing;
      await commands.createTask({ id: "T-1", agent: "a-1", purpose: "support", principal: "p", expires: at(HOUR_MS) }, BY);
      const sights: Record<string, Sight> = {
        "?unlimited": EVERYTHING_IN_SIGHT,
        "?its-agent": { agents: new Set(["a-1"]), purposes: null },
        "?its-purpose": { agents: null, purposes: new Set(["support"]) },
        "?another-agent": { agents: new Set(["a-2"]), purposes: null },
        "?another-purpose": { agents: new Set(["a-1"]), purposes: new Set(["billing"]) },
      };
      for (const [query, sight] of Object.entries(sights)) subscriptions.set(query, { ...NOBODY_YET, sight });
      const followers = new Map<string, Follower>();
      for (const query of Object.keys(sights)) followers.set(query, await (await pushing.follow(query)).ready());
      await commands.revoke({ scope: { principal: "p" }, reason: "left" }, BY);
      await commands.lift("principal/p", { reason: "back" }, null, BY);
      const all: Record<string, [unknown, unknown, unknown][]> = {};
      for (const [query, follower] of followers) {
        await follower.until(() => follower.changes.some(({ change }) => change === "revocation_lifted"));
        all[query] = follower.changes.map(({ scope, key, of, narrows, agent, purpose, task }) => {
          expect([agent, purpose, task], "the work that it can hit").to.deep.equal([null, null, null]);
          return [narrows === true ? scope : "lifted", key, of];
        });
      }
      return all;
    };
    const DIGEST = /^sha256:[0-9a-f]{64}$/;

    it("name them to those that speak for a task of theirs, and say a digest to others, whose work it can hit too", async () => {
      const all = await heard(false);
      for (const query of ["?unlimited", "?its-agent", "?its-purpose"])
        for (const [, key, of] of all[query] ?? []) expect([key, of], query).to.deep.equal(["revocation/principal/p", "p"]);
      for (const query of ["?another-agent", "?another-purpose"]) {
        const events = all[query] ?? [];
        expect(events.map(([scope]) => scope))
          .to.include("principal")
          .and.include("lifted");
        for (const [, key, of] of events) {
          expect(of, query).to.match(DIGEST);
          expect(key, query).to.equal(`revocation/principal/${String(of)}`);
          expect(of, "a digest that anybody can make").not.to.equal(`sha256:${hash("sha256", "p")}`);
        }
        expect(new Set(events.map(([, , of]) => of))).to.have.lengthOf(1);
      }
    });

    it("name them to nobody where the vocabulary masks them", async () => {
      const all = await heard(true);
      for (const [query, events] of Object.entries(all)) for (const [, , of] of events) expect(of, query).to.match(DIGEST);
    });
  });

  describe("with a client that doesn't keep up:", () => {
    const kept = async (follower: Follower, count: number): Promise<unknown[]> => {
      await follower.until(() => follower.changes.length >= count, `${count} changes`);
      return follower.changes.map(({ revision }) => revision);
    };

    it("cut it, tell it so and lose nothing of what it then asks for, while others hear everything", async () => {
      pushing = await Pushing.start();
      const [slow, quick] = [await (await pushing.follow()).ready(), await (await pushing.follow()).ready()];
      slow.pause();
      let parts = 0;
      while (pushing.ended.length === 0) {
        await pushing.many(`part-${parts++}`);
        await turns(2);
      }
      expect(pushing.ended).to.deep.equal(["subscriber_slow"]);
      expect(pushing.streams.size).to.equal(1);
      const all = Array.from({ length: parts * 1000 }, (_, i) => i + 5);
      expect(await kept(quick, all.length)).to.deep.equal(all);
      slow.resume();
      expect(await slow.end()).to.be.oneOf(["subscriber_slow", null]);
      const before = slow.changes.map(({ revision }) => revision);
      expect(before.length).to.be.below(all.length);
      const again = await (await pushing.follow("", slow.lastId)).ready();
      expect([...before, ...again.changes.map(({ revision }) => revision)]).to.deep.equal(all);
    });

    it("say why as the last event, where it reads again in time", async () => {
      pushing = await Pushing.start();
      const slow = await (await pushing.follow()).ready();
      slow.pause();
      const isCut = (): boolean => pushing.ended.length > 0;
      for (let i = 0; !isCut(); i++) {
        await pushing.many(`part-${i}`);
        if (!isCut()) await turns(2);
      }
      slow.resume();
      expect(await slow.end()).to.equal("subscriber_slow");
      expect(Number(slow.lastId)).to.be.below(pushing.commands.registry.revision);
    });

    it("cut it where it takes nothing between two heartbeats, however little waits for it", async () => {
      pushing = await Pushing.start({ heartbeat_ms: 100, queue_events_max: 1e6, queue_bytes_max: 64 * 1024 * 1024 });
      const slow = await (await pushing.follow()).ready();
      slow.pause();
      for (let i = 0; i < 40; i++) await pushing.many(`part-${i}`);
      while (pushing.ended.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(pushing.ended).to.deep.equal(["subscriber_slow"]);
      // It still reads nothing: what it is told last can't leave, and its connection isn't kept for that.
      while ((await pushing.connections()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    });
  });

  it("write nothing in the turn of a change, the same bytes to all, and to so many in a turn", async () => {
    pushing = await Pushing.start();
    const later: (() => void)[] = [];
    const streams = new EventStreams({
      commands: pushing.commands,
      system: { clock: systemClock, timers: { ...systemTimers, turnEnd: (call) => later.push(call) } },
      policy: () => null,
      limits: LIMITS,
      masksPrincipals: () => false,
      ended: () => undefined,
    });
    const written: Buffer[] = [];
    const response = (): ServerResponse =>
      Object.assign(new EventEmitter(), {
        write: (bytes: Buffer) => written.push(bytes) > 0,
        end: () => undefined,
        destroy: () => undefined,
      }) as unknown as ServerResponse;
    for (let i = 0; i < 1000; i++) streams.open(response(), { ...NOBODY_YET, after: null })();
    written.length = 0;
    const perTurn: number[] = [];
    const takeTurns = (): void => {
      for (let next = later.shift(); next !== undefined; next = later.shift()) {
        const before = written.length;
        next();
        perTurn.push(written.length - before);
      }
    };
    const acknowledged = revoking(pushing.commands, { agent: "a-1" });
    expect([written.length, later.length]).to.deep.equal([0, 1]);
    for (const [sent, durable] of [
      [1000, false],
      [2000, true],
    ] as const) {
      takeTurns();
      expect(written.length).to.equal(sent);
      expect(new Set(written.slice(sent - 1000)).size).to.equal(1);
      expect(written.at(-1)?.toString()).to.contain(`"durable":${durable}`);
      await acknowledged;
    }
    expect(Math.max(...perTurn)).to.be.at.most(64);
    streams.close();
  });

  describe("with clients that come and go at random while the store fails at random", () => {
    const sets = (agents: string[] | null, purposes: string[] | null): Sight => ({
      agents: agents && new Set(agents),
      purposes: purposes && new Set(purposes),
    });
    const SIGHTS: Record<string, Sight> = {
      "?all": EVERYTHING_IN_SIGHT,
      "?a-2": sets(["a-2"], null),
      "?a-4": sets(["a-4"], ["support"]),
      "?billing": sets(null, ["billing"]),
      "?a-3": sets(["a-3"], ["billing", "audit"]),
    };
    const FOLLOWED = "T-3";

    /** Said another way: of all tasks, and all that may be asked for, whether any is hit. */
    function mayHear(commands: Commands, query: string, change: Change): boolean {
      const { registry } = commands;
      const hits = (id: string | null): boolean => {
        for (let task = registry.task(id ?? ""); task !== undefined; task = registry.task(task.parent ?? "")) {
          if (hitsTask(task)) return true;
        }
        return false;
      };
      const [kind, ...ids] = change.key.split("/");
      const value = change.value as unknown as RevocationState & GrantFactState;
      const of = (
        scope: string | undefined,
        id: string,
      ): { agent?: string; task?: string; purpose?: string; owner?: string; all?: true } => {
        if (scope === "grant") {
          const { agent, task } = registry.grant(id)?.value ?? { agent: null, task: null };
          return agent === null ? { task: task ?? "" } : { agent };
        }
        return scope === "token" || scope === "everything" ? { all: true } : { [scope ?? ""]: id };
      };
      const target = kind === "revocation" ? of(value.scope, value.of) : of(kind, ids.join("/"));
      const hitsTask = (task: { id: string; agent: string; purpose: string }): boolean =>
        target.all === true ||
        target.agent === task.agent ||
        target.task === task.id ||
        target.purpose === task.purpose ||
        (target.owner !== undefined && registry.agent(task.agent)?.owner === target.owner);
      if (query === "?task") return hits(FOLLOWED);
      const sight = SIGHTS[query] ?? EVERYTHING_IN_SIGHT;
      const mayAsk = (agent: string, purpose: string): boolean =>
        sight.agents?.has(agent) !== false && sight.purposes?.has(purpose) !== false;
      const purposes = ["support", "billing", "audit"];
      return (
        [...registry.tasks()].some(({ id, agent, purpose }) => mayAsk(agent, purpose) && hits(id)) ||
        [...registry.agents()].some(({ id, owner }) =>
          purposes.some(
            (purpose) =>
              mayAsk(id, purpose) && (target.all === true || target.agent === id || target.owner === owner || target.purpose === purpose),
          ),
        )
      );
    }

    async function play(seed: number): Promise<void> {
      const dice = new Dice(seed);
      const { world, commands } = pushing;
      const expires = at(HOUR_MS);
      for (const [id, agent, parent, purpose] of [
        ["T-1", "a-1", null, "support"],
        ["T-2", "a-2", "T-1", "support"],
        ["T-3", "a-4", "T-2", "support"],
        ["T-4", "a-3", null, "billing"],
        ["T-5", "a-3", "T-1", "support"],
      ] as const)
        await commands.createTask({ id, agent, parent, purpose, expires }, BY);
      const grant = { entry: { read: "invoice" }, reason: "x", requested_by: "x", approved_by: "y", expires };
      for (const [id, holder] of [
        ["G-1", { task: "T-2" }],
        ["G-2", { agent: "a-3" }],
      ] as const)
        await commands.createGrant({ id, ...holder, ...grant }, BY);
      const from = commands.registry.revision;
      for (const [query, sight] of Object.entries(SIGHTS)) pushing.subscriptions.set(query, { ...NOBODY_YET, sight });
      const chain = ["T-3", "T-2", "T-1"].map((id) => commands.registry.task(id) as unknown as TaskState);
      pushing.subscriptions.set("?task", { ...NOBODY_YET, chain });

      let over = false;
      let made: () => void = () => undefined;
      const allMade = new Promise<void>((resolve) => (made = resolve));
      const heard = new Map<string, number[]>();
      const following = [...SIGHTS_AND_TASK].map(async (query) => {
        const mine: number[] = [];
        let last = String(from);
        for (let final = false; !final;) {
          final = over;
          const follower = await pushing.follow(query, last);
          if (final) await follower.ready();
          else {
            const enough = dice.below(4);
            await follower.until(() => over || follower.changes.length >= enough);
            if (over) await allMade;
            else if (dice.chance(50)) await turns(dice.below(10));
          }
          follower.close();
          mine.push(...follower.changes.flatMap(({ revision }) => (revision as number | null) ?? []));
          last = follower.lastId ?? last;
        }
        heard.set(query, mine);
      });
      const agents = ["a-1", "a-2", "a-3", "a-4"];
      const TARGETS = [
        { task: "T-1" },
        { task: "T-4" },
        { purpose: "support" },
        { purpose: "audit" },
        { owner: "a" },
        { owner: "b" },
        { token: "j" },
        { grant: "G-1" },
        { everything: true },
        { agent: "a-1" },
        { agent: "a-4" },
      ];
      const ids = TARGETS.map((target) => ("everything" in target ? "everything" : (Object.entries(target)[0]?.join("/") ?? "")));
      const acting = (): Promise<unknown> => {
        const agent = dice.of(agents);
        switch (dice.below(6)) {
          case 0:
            return commands.changeAgent(agent, { status: "suspended", reason: "x" }, null, BY);
          case 1:
            return commands.changeAgent(agent, { status: "active", reason: "x" }, null, BY);
          case 2:
            return commands.changeTask(dice.of(["T-2", "T-4"]), { subjects: { customer: [`c-${dice.below(99)}`] } }, null, BY);
          case 3:
            return commands.lift(dice.of(ids), { reason: "x" }, null, BY);
          default:
            return revoking(commands, dice.of(TARGETS));
        }
      };
      for (let i = 0; i < 60; i++) {
        const failing = dice.chance(25);
        world.store.fate = () => (!failing ? "written" : dice.chance(50) ? "before" : "after");
        void acting().catch((cause: unknown) => {
          if (!(cause instanceof Problem)) throw cause;
        });
        if (dice.chance(40)) await turns(dice.below(6));
        if (dice.chance(30)) await world.timers.advance(1000);
      }
      await pushing.settle();
      for (let i = 0; i < 5; i++) await world.timers.advance(1000);
      over = true;
      // Whoever waits for a change looks again.
      await revoking(commands, { everything: true });
      await commands.lift("everything", { reason: "x" }, null, BY);
      made();
      await Promise.all(following);
      const changes = await world.store.changes(from, 1000);
      for (const query of SIGHTS_AND_TASK) {
        const expected = changes.filter((change) => mayHear(commands, query, change)).map(({ revision }) => revision);
        expect(heard.get(query), `seed ${seed}, ${query}`).to.deep.equal(expected);
      }
    }
    const SIGHTS_AND_TASK = [...Object.keys(SIGHTS), "?task"];

    for (const seed of Array.from({ length: Number(process.env["REMIT_STREAM_SEEDS"] ?? 20) }, (_, i) => i + 1)) {
      it(`give each every change that it may hear of once, in order: seed ${seed}`, async () => {
        pushing = await Pushing.start();
        await play(seed);
      });
    }
  });
});
