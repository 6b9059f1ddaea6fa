import { expect } from "chai";
import type { Problem } from "../../src/contract/index.js";
import { Commands } from "../../src/facts/commands.js";
import { processOf, takenOf } from "../../src/facts/held_grants.js";
import { SharedUses } from "../../src/facts/shared_uses.js";
import { MemoryStore } from "../../src/store/memory.js";
import { StoreUnavailable, StoreUnsure, type Change, type FeedTaker, type Guard, type Write } from "../../src/store/store.js";
import { LIMITS, NOW, POLICY, StillTimers, at, compileEntry, drawing, turns } from "./world.js";

/** Timers that stand still, and come back when they are told to. */
class RepeatedTimers extends StillTimers {
  readonly #repeated = new Set<() => void>();

  override every(_ms?: number, call: () => void = () => undefined): () => void {
    this.#repeated.add(call);
    return () => this.#repeated.delete(call);
  }

  async look(): Promise<void> {
    for (const call of [...this.#repeated]) call();
    await turns(20);
  }
}

/** What becomes of a write; unsure ones are made, at once or late, or not, and that is said later. */
type Fate = "made" | "refused" | "overtaken" | "unsure, made" | "unsure, made late" | "unsure, lost";

/** Feed that all nodes share. */
class Feed extends MemoryStore {
  fate: () => Fate = () => "made";
  unsaid: (() => void)[] = [];
  #kept: (() => void)[] | null = null;

  /** Changes reach nobody's memory until they are `delivered`. */
  keepBack(): void {
    this.#kept = [];
  }

  async delivered(): Promise<void> {
    for (const deliver of this.#kept ?? []) deliver();
    this.#kept = null;
    await turns(20);
  }

  override follow(after: number, take: FeedTaker): () => void {
    return super.follow(after, (items) => {
      if (this.#kept === null) take(items);
      else
        this.#kept.push(() => {
          take(items);
        });
    });
  }

  override async write(writes: readonly Write[], guard?: Guard): Promise<number[]> {
    const fate = writes.every(({ change }) => change.startsWith("grant_use")) ? this.fate() : "made";
    if (fate === "refused") throw new StoreUnavailable("no leader");
    if (fate === "overtaken") await this.#overtake(writes);
    if (fate === "made" || fate === "overtaken") return await super.write(writes, guard);
    const made = fate === "unsure, made" ? await super.write(writes, guard) : null;
    throw new StoreUnsure(
      "no answer",
      new Promise((resolve) =>
        this.unsaid.push(() => {
          resolve(fate === "unsure, made late" ? super.write(writes, guard) : made);
        }),
      ),
    );
  }

  /** Another writes again what the keys have already. */
  async #overtake(writes: readonly Write[]): Promise<void> {
    for (const { key } of writes) {
      const [{ revision: expected, ...last }] = (await this.changes(0, 1000, { key })).slice(-1) as [Change];
      await super.write([{ ...last, expected }]);
    }
  }

  /** Says of all writes what has become of them. */
  async say(): Promise<void> {
    for (const say of this.unsaid.splice(0)) say();
    await turns(20);
  }
}

let incarnations = 0;

/** One process of a node: facts in memory, a log on disk that outlives it. */
class Process {
  dead = false;
  readonly burned = new Map<string, number>();
  readonly id: string;

  private constructor(
    readonly node: string,
    readonly timers: RepeatedTimers,
    readonly commands: Commands,
    readonly log: string[][],
    incarnation: string,
  ) {
    this.id = processOf(node, incarnation);
  }

  uses!: SharedUses;

  /** @param log of this node: of each decision on record the grants it used */
  static async start(node: string, feed: Feed, log: string[][]): Promise<Process> {
    const timers = new RepeatedTimers();
    const incarnation = `i-${++incarnations}`;
    const commands = await Commands.open({
      store: feed,
      log: { append: () => Promise.resolve() },
      past: {
        revision: feed.revision,
        async *uses() {
          await turns(1);
          yield* log;
        },
      },
      system: { clock: { wall: () => NOW, monotonic: () => timers.now }, timers },
      policy: () => POLICY,
      compile: compileEntry,
      barrier: () => Promise.resolve(),
      limits: LIMITS,
      cluster: { process: processOf(node, incarnation), rate_parts: () => 3 },
      ledger: { retry_ms: 1000, durable_within_ms: 2000 },
    });
    const process = new Process(node, timers, commands, log, incarnation);
    const { registry, ledger } = commands;
    process.uses = new SharedUses({
      ...{ node, process: process.id, registry, ledger, timers, by: "remit" },
      burned: (grant, uses) => process.burned.set(grant, uses),
    });
    return process;
  }

  get registry(): Commands["registry"] {
    return this.commands.registry;
  }

  /** Decides as the service does: what permits it is looked at in the turn that takes it. */
  async decide(id: string): Promise<string> {
    for (let tries = 0; tries < 8; tries++) {
      if (this.registry.grantUse(id, NOW)?.state !== "live") return "deny";
      const reserving = this.uses.reserve([id]);
      if (reserving !== null) {
        const code = await reserving.then(() => null).catch((cause: unknown) => (cause as Problem).code);
        if (code !== null) return code;
        continue;
      }
      if (this.dead) return "dead";
      if (!this.registry.take([id])) throw new Error("there was nothing to take");
      this.log.push([id]);
      return "allow";
    }
    return "grant_uncounted";
  }
}

describe("uses of a grant that the nodes of a cluster share", () => {
  let feed: Feed;
  let logs: Record<string, string[][]>;
  let nodes: Process[];
  const [a, b] = [0, 1].map((i) => (): Process => nodes[i] as Process) as [() => Process, () => Process];
  const granted = async (id: string, uses: number): Promise<void> => {
    const asked = { agent: "a-1", entry: { read: "invoice", about: "task" }, reason: "tests", requested_by: "ada", approved_by: "bob" };
    await a().commands.createGrant({ ...asked, id, uses, expires: at(3_600_000) }, "host");
    await turns(5);
  };
  const recorded = (id: string): number =>
    Object.values(logs)
      .flat(2)
      .filter((used) => used === id).length;
  const taken = (node: Process, id: string): number => takenOf(node.registry.grant(id)?.value ?? {});

  beforeEach(async () => {
    feed = new Feed(new RepeatedTimers());
    logs = { a: [], b: [], c: [] };
    nodes = await Promise.all(Object.entries(logs).map(([name, log]) => Process.start(name, feed, log)));
    await a().commands.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
  });

  for (const uses of [1, 3])
    it(`permit ${uses} decisions, whichever nodes are asked at once`, async () => {
      await granted("G-1", uses);
      const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => (nodes[i % 3] as Process).decide("G-1")));
      expect([answers.filter((one) => one === "allow").length, recorded("G-1")]).to.deep.equal([uses, uses]);
      for (const node of nodes) expect(node.registry.grantUse("G-1", NOW)).to.include({ state: "used_up", used: uses });
    });

  it("are waited for two seconds at most, where one is going back and no server answers", async () => {
    await granted("G-1", 1);
    await a().uses.reserve(["G-1"]);
    await turns(5);
    feed.fate = () => "unsure, lost";
    await a().timers.look();
    await a().timers.look();
    const decided = a().uses.reserve(["G-1"]);
    expect(decided).to.not.equal(null);
    const code = (decided ?? Promise.resolve()).then(() => "taken").catch((cause: unknown) => (cause as Problem).code);
    await a().timers.advance(2000);
    expect(await code).to.equal("grant_uncounted");
    feed.fate = () => "made";
    await feed.say();
    // It stayed, and nothing more was taken for whoever has gone.
    expect([taken(b(), "G-1"), await a().decide("G-1")]).to.deep.equal([1, "allow"]);
  });

  it("are not taken for a decision that has given up", async () => {
    await granted("G-1", 3);
    await a().uses.reserve(["G-1"]);
    await turns(5);
    feed.fate = () => "unsure, made";
    feed.keepBack();
    await a().timers.look();
    await a().timers.look();
    const gone = Array.from({ length: 5 }, async () => {
      await a()
        .uses.reserve(["G-1"])
        ?.catch(() => undefined);
    });
    await a().timers.advance(2000);
    await Promise.all(gone);
    feed.fate = () => "made";
    await feed.say();
    await feed.delivered();
    expect(b().registry.grant("G-1")?.value).to.not.have.property("taken");
  });

  it("are free again where nothing was decided by them", async () => {
    await granted("G-1", 1);
    await a().uses.reserve(["G-1"]);
    await turns(5);
    expect([a().registry.grantUse("G-1", NOW)?.state, b().registry.grantUse("G-1", NOW)?.state]).to.deep.equal(["live", "used_up"]);
    await a().timers.look();
    expect(taken(b(), "G-1"), "unused for no second yet").to.equal(1);
    await a().timers.look();
    expect(b().registry.grant("G-1")?.value).to.not.have.property("taken");
    expect([await b().decide("G-1"), await a().decide("G-1")]).to.deep.equal(["allow", "deny"]);
  });

  it("are free again once a service that stops has given them back", async () => {
    await granted("G-1", 1);
    await a().uses.reserve(["G-1"]);
    await a().uses.close();
    await turns(5);
    expect(await b().decide("G-1")).to.equal("allow");
    await turns(5);
    const before = feed.revision;
    await b().uses.close();
    expect(feed.revision, "what is used stays").to.equal(before);
  });

  it("are given back where a record never reached the disk", async () => {
    await granted("G-1", 1);
    await a().uses.reserve(["G-1"]);
    expect(a().registry.take(["G-1"])).to.equal(true);
    a().registry.giveBack(["G-1"]);
    for (let i = 0; i < 2; i++) await a().timers.look();
    expect(await b().decide("G-1")).to.equal("allow");
  });

  it("are not taken while they are on their way back", async () => {
    await granted("G-1", 1);
    await a().uses.reserve(["G-1"]);
    feed.fate = () => "unsure, made";
    for (let i = 0; i < 2; i++) await a().timers.look();
    feed.fate = () => "made";
    expect(a().registry.take(["G-1"]), "taken by the one that gives it back").to.equal(false);
    expect(await b().decide("G-1")).to.equal("allow");
    await feed.say();
    expect([a().registry.take(["G-1"]), recorded("G-1")]).to.deep.equal([false, 1]);
  });

  for (const when of ["sent", "made, unheard"] as const)
    it(`are not taken while the change that gives them back is only ${when}`, async () => {
      await granted("G-1", 1);
      await a().uses.reserve(["G-1"]);
      feed.fate = () => "unsure, made late";
      for (let i = 0; i < 2; i++) await a().timers.look();
      feed.fate = () => "made";
      feed.keepBack();
      if (when !== "sent") await feed.say();
      expect(a().registry.take(["G-1"])).to.equal(false);
      await feed.say();
      await feed.delivered();
      expect([await b().decide("G-1"), a().registry.take(["G-1"])]).to.deep.equal(["allow", false]);
    });

  it("stay with a process that could not give them back", async () => {
    await granted("G-1", 1);
    await a().uses.reserve(["G-1"]);
    for (const fate of ["refused", "unsure, lost"] as const) {
      feed.fate = () => fate;
      for (let i = 0; i < 2; i++) await a().timers.look();
      await feed.say();
    }
    feed.fate = () => "made";
    expect([await b().decide("G-1"), await a().decide("G-1")]).to.deep.equal(["deny", "allow"]);
  });

  it("can't be taken while the servers can't be reached", async () => {
    await granted("G-1", 1);
    feed.fate = () => "refused";
    expect([await a().decide("G-1"), recorded("G-1")]).to.deep.equal(["grant_uncounted", 0]);
    feed.fate = () => "made";
    expect(await b().decide("G-1")).to.equal("allow");
  });

  const overtaken: [number, string][] = [
    [7, "allow"],
    [8, "grant_uncounted"],
  ];
  for (const [times, expected] of overtaken)
    it(`are taken after at most eight attempts: ${expected} where others change the grant before ${times}`, async () => {
      await granted("G-1", 1);
      let left = times;
      feed.fate = () => (left-- > 0 ? "overtaken" : "made");
      expect(await a().decide("G-1")).to.equal(expected);
    });

  it("are the process's own where it turns out later that they were taken", async () => {
    await granted("G-1", 1);
    feed.fate = () => "unsure, made";
    expect(await a().decide("G-1")).to.equal("grant_uncounted");
    feed.fate = () => "made";
    await feed.say();
    expect([await b().decide("G-1"), await a().decide("G-1"), recorded("G-1")]).to.deep.equal(["deny", "allow", 1]);
  });

  it("permit nothing by a grant that is ended, revoked or unknown by then", async () => {
    await granted("G-1", 1);
    const ways: [string, () => Promise<unknown>][] = [
      ["revoked", () => b().commands.revoke({ scope: { grant: "G-1" }, reason: "r" }, "ops")],
      ["ended", () => b().commands.endGrant("G-1", { ended: true, reason: "r" }, null, "ops")],
    ];
    for (const [what, undo] of ways) {
      const deciding = a().decide("G-1");
      await undo();
      expect([await deciding, recorded("G-1")], what).to.deep.equal(["deny", 0]);
    }
    await a().uses.close();
    const before = feed.revision;
    for (const id of ["G-1", "G-2"]) {
      await a().uses.reserve([id]);
      expect([a().registry.take([id]), feed.revision], id).to.deep.equal([false, before]);
    }
  });

  it("are burned with a process that ended before its record, which the next one names", async () => {
    await granted("G-1", 2);
    await a().uses.reserve(["G-1"]);
    a().dead = true;
    const again = await Process.start("a", feed, logs["a"] as string[][]);
    expect([...again.burned]).to.deep.equal([["G-1", 1]]);
    expect([await again.decide("G-1"), await b().decide("G-1"), recorded("G-1")]).to.deep.equal(["allow", "deny", 1]);
    const third = await Process.start("a", feed, logs["a"] as string[][]);
    expect([...third.burned], "what is on record isn't").to.deep.equal([["G-1", 1]]);
    await granted("G-2", 1);
    await third.decide("G-2");
    await b().commands.endGrant("G-1", { ended: true, reason: "r" }, null, "ops");
    const fourth = await Process.start("a", feed, logs["a"] as string[][]);
    expect([...fourth.burned], "nor what has ended").to.deep.equal([]);
  });

  it("are two processes' own where both have the name of one node", async () => {
    await granted("G-1", 1);
    const twin = await Process.start("a", feed, []);
    await a().uses.reserve(["G-1"]);
    await turns(5);
    expect([twin.registry.take(["G-1"]), a().registry.take(["G-1"])]).to.deep.equal([false, true]);
  });

  const SEEDS = Number(process.env["REMIT_USES_SEEDS"] ?? 60);
  it(`never permit one decision too many: ${SEEDS} draws of races, faults, kills and stops`, async () => {
    let [allowed, burned] = [0, 0];
    for (let seed = 0; seed < SEEDS; seed++) {
      const draw = drawing(seed);
      const id = `G-${seed}`;
      await granted(id, 3);
      feed.fate = () => (["made", "made", "made", "made", "made", "refused", "unsure, made", "unsure, lost"] as const)[draw(8)] ?? "made";
      const answers: Promise<string>[] = [];
      for (let step = 0; step < 30; step++) {
        const at = draw(3);
        const node = nodes[at] as Process;
        const what = draw(12);
        if (what < 7) answers.push(node.decide(id));
        else if (what === 7) await turns(draw(6));
        else if (what === 8) await feed.say();
        else if (what === 9) await node.timers.look();
        else if (what === 10) await turns(1);
        else {
          node.dead = true;
          // Whatever it has sent may still arrive.
          nodes[at] = await Process.start(node.node, feed, node.log);
        }
      }
      feed.fate = () => "made";
      for (let i = 0; i < 3; i++) {
        await feed.say();
        for (const node of nodes) await node.timers.look();
      }
      const found = (await Promise.all(answers)).filter((one) => one === "allow").length;
      for (let i = 0; i < 4; i++) for (const node of nodes) if ((await node.decide(id)) === "allow") allowed++;
      expect(recorded(id), `seed ${seed}`).to.be.at.most(3).and.at.least(found);
      allowed += found;
      const lost = (await Promise.all(Object.entries(logs).map(([name, log]) => Process.start(name, feed, log)))).reduce(
        (sum, one) => sum + (one.burned.get(id) ?? 0),
        0,
      );
      expect(recorded(id) + lost, `seed ${seed}: used, and named as burned`).to.equal(3);
      burned += lost;
    }
    expect(allowed).to.be.above(SEEDS);
    expect(burned).to.be.above(0);
  });
});
