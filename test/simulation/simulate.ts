/**
 * One run of a service under faults, all of it drawn from a seed: agents, tasks, grants, revocations and decisions while the
 * store and the log fail, the clock jumps and the power goes. After each step the promises of `docs/architecture.md` are held
 * against what has happened; the first that is broken ends the run.
 */
import { isDeepStrictEqual } from "node:util";
import type { InForce, RevocationTarget } from "../../src/contract/index.js";
import type { Decided } from "../../src/decision/decide.js";
import type { AgentProof, TaskProof } from "../../src/decision/ports.js";
import type { StoreRow } from "../../src/store/rows.js";
import { MemoryDisk } from "../../src/store/memory.js";
import { ModelDisk } from "../audit/disk.js";
import { Dice } from "../differential/dice.js";
import { FactsAt, whyNot, type Asked } from "./oracle.js";
import { Life, Loop } from "./loop.js";
import { PURPOSES } from "./policy.js";
import { SimulatedService, type Build, type Durable, type Weather } from "./service.js";

/** What a run came to, so that many of them show that they looked at something. */
export interface Counts {
  allowed: number;
  denied: number;
  /** Problems instead of answers, of decisions and changes. */
  refused: number;
  changed: number;
  /** Narrowing that was acknowledged; some of it while it was not durable. */
  narrowed: number;
  held: number;
  used: number;
  crashes: number;
  jumps: number;
}

export interface Outcome {
  seed: number;
  /** The first promise that was broken; null where none was. */
  violation: string | null;
  counts: Counts;
}

const START = Date.UTC(2026, 2, 3, 9);
const AGENTS = ["a-1", "a-2", "a-3", "a-4"] as const;
const OWNERS: Readonly<Record<string, string>> = { "a-1": "o-1", "a-2": "o-1", "a-3": "o-2", "a-4": "o-2" };
const CUSTOMERS = ["ada", "bob"] as const;
const JTIS = ["j-1", "j-2"] as const;
const STEPS = 40;
/** However bad it was, everything is over so soon after it has become good. */
const HEALED_WITHIN_MS = 20_000;

/** @param tell gets what happens, line by line */
export async function simulate(
  build: Build,
  seed: number,
  folder: string,
  tell: (line: string) => void = () => undefined,
): Promise<Outcome> {
  const run = new Run(build, seed, folder, tell);
  await run.go();
  return { seed, violation: run.violation, counts: run.counts };
}

class Run {
  violation: string | null = null;
  readonly counts: Counts = { allowed: 0, denied: 0, refused: 0, changed: 0, narrowed: 0, held: 0, used: 0, crashes: 0, jumps: 0 };
  readonly #dice: Dice;
  readonly #loop = new Loop(START);
  readonly #durable: Durable = { store: new MemoryDisk(), log: new ModelDisk() };
  readonly #weather: Weather;
  /** Whether the store is having a bad time. */
  #rough = false;
  #service!: SimulatedService;
  /** Calls without an answer, by name. */
  readonly #open = new Map<number, string>();
  #calls = 0;
  #ids = 0;
  readonly #tasks: { id: string; agent: string; purpose: string }[] = [];
  readonly #grants: string[] = [];
  /** What was acknowledged as cut off and that nobody has asked to restore since, and whether that survives a crash. */
  readonly #cut = new Map<string, { durable: boolean }>();
  /** What was asked to be cut off, refused or acknowledged or not yet: that holds in memory from then on. */
  readonly #asked = new Set<string>();
  /** When it was last asked to restore something: a call's number. */
  readonly #restored = new Map<string, number>();
  /** The changes that have been seen by their revision: they stay what they are. */
  readonly #seen: StoreRow[] = [];
  #revision = 0;
  /** The latest that the clock has said. */
  #latest = START;

  constructor(
    private readonly build: Build,
    readonly seed: number,
    private readonly folder: string,
    private readonly tell: (line: string) => void,
  ) {
    const dice = (this.#dice = new Dice(seed));
    this.#weather = {
      dice,
      store: {
        latencyMs: () => dice.below(this.#rough ? 40 : 4),
        fate: () => (!this.#rough || dice.below(10) < 5 ? "written" : dice.below(2) === 0 ? "lost" : "unsaid"),
        recoveryMs: () => (this.#rough ? dice.below(400) : 0),
      },
      messageMs: () => (dice.chance(3) ? dice.below(100) : dice.below(3)),
      leavingMs: () => dice.below(3),
      handedOver: (record) => {
        this.#handedOver(record);
      },
    };
  }

  async go(): Promise<void> {
    await this.#start();
    this.#begin();
    await this.#loop.pass(50);
    for (let step = 0; step < STEPS && this.violation === null; step++) {
      await this.#step();
      await this.#loop.pass(this.#dice.of([0, 0, 1, 2, 5, 10, 60, 400]));
      this.#check();
    }
    if (this.violation === null) await this.#heal();
    this.#service.end();
  }

  /** Something to work with, before anything fails. */
  #begin(): void {
    for (const id of AGENTS) this.#createAgent(id);
    for (const ms of [10, 11])
      this.#later(ms, () => {
        this.#createTask(null);
      });
    for (const ms of [20, 30])
      this.#later(ms, () => {
        this.#createTask(this.#anyTask()?.id ?? null);
      });
    for (const ms of [20, 40])
      this.#later(ms, () => {
        this.#createGrant();
      });
  }

  #later(ms: number, act: () => void): void {
    this.#service.life.after(ms, act);
  }

  async #step(): Promise<void> {
    const dice = this.#dice;
    // What fails is fixed again before long.
    if (this.#rough && dice.chance(20)) this.#turnStore(false);
    if (this.#durable.log.fault !== null && dice.chance(30)) this.#turnLog();
    const acts: [weight: number, act: () => unknown][] = [
      [
        38,
        () => {
          this.#decide();
        },
      ],
      [
        8,
        () => {
          this.#decideMany();
        },
      ],
      [
        3,
        () => {
          this.#createAgent(dice.of(AGENTS));
        },
      ],
      [
        3,
        () => {
          this.#changeAgent();
        },
      ],
      [
        3,
        () => {
          this.#suspend();
        },
      ],
      [
        5,
        () => {
          this.#restore();
        },
      ],
      [
        5,
        () => {
          this.#createTask(dice.chance(60) ? (this.#anyTask()?.id ?? null) : null);
        },
      ],
      [
        2,
        () => {
          this.#addSubject();
        },
      ],
      [
        1,
        () => {
          this.#endTask();
        },
      ],
      [
        6,
        () => {
          this.#createGrant();
        },
      ],
      [
        1,
        () => {
          this.#endGrant();
        },
      ],
      [
        6,
        () => {
          this.#revoke();
        },
      ],
      [
        9,
        () => {
          this.#lift();
        },
      ],
      [
        4,
        () => {
          this.#turnStore(true);
        },
      ],
      [
        3,
        () => {
          this.#turnLog();
        },
      ],
      [
        1,
        () => {
          this.#endWriter();
        },
      ],
      [
        3,
        () => {
          this.#jump();
        },
      ],
      [2, () => this.#crash()],
    ];
    let draw = dice.below(acts.reduce((sum, [weight]) => sum + weight, 0));
    await acts.find(([weight]) => (draw -= weight) < 0)?.[1]();
  }

  // What clients do.

  #decide(): void {
    const { body, asked, authorization } = this.#request();
    this.#ask("decide", authorization, [asked], async (decider) => [
      await decider.decide(Buffer.from(JSON.stringify(body)), authorization),
    ]);
  }

  #decideMany(): void {
    const requests = Array.from({ length: 2 + this.#dice.below(3) }, () => this.#request());
    const authorization = requests[0]?.authorization ?? "";
    // Who asks is one for all of them.
    const asked = requests.map(({ asked: one, own }) => ({ ...one, jtis: [authorization, ...own].filter((jti) => jti !== "") }));
    const body = Buffer.from(JSON.stringify({ actions: requests.map((one) => one.body) }));
    this.#ask("decide many", authorization, asked, (decider) => decider.decideBatch(body, authorization));
  }

  #ask(
    what: string,
    authorization: string,
    asked: readonly Asked[],
    decide: (decider: SimulatedService["decider"]) => Promise<Decided[]>,
  ): void {
    const service = this.#service;
    const text = asked.map(({ agent, task, verb, customer }) => `${agent} ${task ?? "-"} ${verb} ${customer}`);
    this.#call(`${what}: ${text.join("; ")} ${authorization}`, () =>
      service.answer(
        () => decide(service.decider),
        (decided) => {
          for (const [i, one] of decided.entries()) if (asked[i] !== undefined) this.#answered(one, asked[i]);
        },
      ),
    );
  }

  #request(): { body: object; asked: Asked; authorization: string; own: string[] } {
    const dice = this.#dice;
    const task = dice.chance(90) ? this.#anyTask() : undefined;
    const agent = task === undefined || dice.chance(5) ? dice.of(AGENTS) : task.agent;
    const purpose = task === undefined || dice.chance(5) ? dice.of(PURPOSES) : task.purpose;
    const verb = dice.chance(60) ? "read" : "update";
    const customer = dice.chance(80) ? "ada" : "bob";
    const authorization = dice.chance(20) ? dice.of(JTIS) : "";
    const own: string[] = [];
    const token = (): { jti: string; issued_ms: number; expires_ms: number } => {
      const jti = dice.of(JTIS);
      own.push(jti);
      return { jti, issued_ms: this.#loop.wall(), expires_ms: this.#loop.wall() + 60_000 };
    };
    const body: Record<string, unknown> = {
      agent,
      purpose,
      verb,
      resource: { type: "invoice", id: "I-1", attributes: { customer } },
    };
    if (task !== undefined) body["task"] = task.id;
    if (dice.chance(15)) {
      const proof: AgentProof = { actor: { issuer: "issuer", subject: agent }, principal: null, chain: [], token: token() };
      body["agent_token"] = JSON.stringify(proof);
    }
    if (task !== undefined && dice.chance(15)) {
      const proof: TaskProof = { task: task.id, agent, purpose, token: token() };
      body["task_token"] = JSON.stringify(proof);
    }
    if (dice.chance(10)) body["at_least"] = this.#service.commands.registry.revision + dice.below(2);
    const jtis = [authorization, ...own].filter((jti) => jti !== "");
    return { body, asked: { agent, purpose, task: task?.id ?? null, verb, customer, jtis }, authorization, own };
  }

  #createAgent(id: string): void {
    this.#change(`create agent ${id}`, `agent/${id}`, (by) =>
      this.#service.commands.createAgent(
        {
          id,
          owner: OWNERS[id] ?? "",
          purposes: [...PURPOSES],
          delegates: [...PURPOSES],
          credentials: [{ issuer: "issuer", subject: id }],
        },
        by,
      ),
    );
  }

  #changeAgent(): void {
    const id = this.#dice.of(AGENTS);
    const { commands } = this.#service;
    const purposes = this.#dice.chance(70) ? [...PURPOSES] : [this.#dice.of(PURPOSES)];
    const expected = commands.registry.agent(id)?.revision ?? 1;
    const version = String(++this.#ids);
    this.#change(`change agent ${id} to ${purposes.join(" ")}`, `agent/${id}`, (by) =>
      commands.changeAgent(id, { purposes, version }, expected, by),
    );
  }

  #suspend(id: string = this.#dice.of(AGENTS)): void {
    const status = this.#dice.chance(90) ? "suspended" : "revoked";
    this.#narrow(
      `agent ${id} is ${status}`,
      `status ${id}`,
      `agent/${id}`,
      async (by) => (await this.#service.commands.changeAgent(id, { status, reason: "odd" }, null, by)).in_force,
    );
  }

  #restore(): void {
    const suspended = AGENTS.filter((one) => this.#service.commands.registry.agent(one)?.status === "suspended");
    const id = this.#dice.of(suspended.length === 0 ? AGENTS : suspended);
    this.#widen(`status ${id}`);
    this.#change(`restore ${id}`, `agent/${id}`, (by) =>
      this.#service.commands.changeAgent(id, { status: "active", reason: "looked at" }, null, by),
    );
    // Somebody else sees it at work, and doesn't agree.
    if (this.#dice.chance(30))
      this.#later(this.#dice.below(4), () => {
        this.#suspend(id);
      });
  }

  #createTask(parent: string | null): void {
    const dice = this.#dice;
    const above = this.#tasks.find(({ id }) => id === parent);
    const id = `T-${++this.#ids}`;
    const agent = dice.of(AGENTS);
    const purpose = above !== undefined && dice.chance(95) ? above.purpose : dice.of(PURPOSES);
    const asked = {
      id,
      agent,
      purpose,
      parent,
      subjects: { customer: dice.chance(above === undefined ? 80 : 95) ? ["ada"] : [...CUSTOMERS] },
      expires: this.#iso(dice.chance(75) ? 4 * 3_600_000 : 50 + dice.below(2000)),
      ...(dice.chance(20) && { verbs: dice.chance(50) ? ["read"] : ["read", "update"] }),
    };
    this.#change(`create task ${id} of ${agent} below ${parent ?? "nothing"}`, `task/${id}`, async (by) => {
      const created = await this.#service.commands.createTask(asked, by);
      this.#tasks.push({ id, agent, purpose });
      return created;
    });
  }

  #addSubject(): void {
    const id = this.#anyTask()?.id ?? "T-0";
    this.#change(`add bob to ${id}`, `task/${id}`, (by) =>
      this.#service.commands.changeTask(id, { subjects: { customer: ["bob"] } }, null, by),
    );
  }

  #endTask(): void {
    const id = this.#anyTask()?.id ?? "T-0";
    this.#narrow(
      `end task ${id}`,
      `end of ${id}`,
      `task/${id}`,
      async (by) => (await this.#service.commands.changeTask(id, { ended: true }, null, by)).in_force,
    );
  }

  #createGrant(): void {
    const dice = this.#dice;
    const id = `G-${++this.#ids}`;
    const holder = dice.chance(50) ? { agent: dice.of(AGENTS) } : { task: this.#anyTask()?.id ?? "T-0" };
    const asked = {
      id,
      ...holder,
      entry: dice.chance(50) ? { update: "invoice" } : { read: "invoice", update: "invoice" },
      reason: "needed",
      requested_by: "someone",
      approved_by: "someone else",
      expires: this.#iso(dice.chance(50) ? 3_600_000 : 100 + dice.below(3000)),
      ...(dice.chance(70) && { uses: 1 + dice.below(3) }),
      ...(dice.chance(20) && { not_before: this.#iso(dice.below(200) - 100) }),
    };
    this.#change(`create grant ${id} for ${Object.values(holder).join("")}`, `grant/${id}`, async (by) => {
      const created = await this.#service.commands.createGrant(asked, by);
      this.#grants.push(id);
      return created;
    });
  }

  #endGrant(): void {
    const id = this.#anyGrant();
    this.#narrow(
      `end grant ${id}`,
      `end of ${id}`,
      `grant/${id}`,
      async (by) => (await this.#service.commands.endGrant(id, { ended: true, reason: "done" }, null, by)).in_force,
    );
  }

  #revoke(scope = this.#target()): void {
    const [kind = "", of = ""] = Object.entries(scope)[0]?.map(String) ?? [];
    const id = kind === "everything" ? kind : `${kind}/${of}`;
    this.#narrow(
      `revoke ${id}`,
      id,
      `revocation/${id}`,
      async (by) => (await this.#service.commands.revoke({ scope, reason: "odd" }, by)).in_force,
    );
  }

  #target(): RevocationTarget {
    const dice = this.#dice;
    switch (dice.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return { agent: dice.of(AGENTS) };
      case 4:
      case 5:
        return { task: this.#anyTask()?.id ?? "T-0" };
      case 6:
        return { token: dice.of(JTIS) };
      case 7:
      case 8:
        return { grant: this.#anyGrant() };
      case 9:
        return { purpose: dice.of(PURPOSES) };
      case 10:
        return { owner: dice.of(["o-1", "o-2"]) };
      default:
        return { everything: true };
    }
  }

  #lift(): void {
    const inForce = this.#service.commands.revocations({ cursor: null, limit: 100 }, { in_force: true }).items;
    if (inForce.length === 0) {
      this.#decide();
      return;
    }
    const { id, scope, of } = this.#dice.of(inForce);
    this.#widen(id);
    this.#change(`lift ${id}`, `revocation/${id}`, (by) => this.#service.commands.lift(id, { reason: "looked at" }, null, by));
    const again = scope === "everything" ? { everything: true as const } : { [scope]: of };
    if (this.#dice.chance(30))
      this.#later(this.#dice.below(4), () => {
        this.#revoke(again);
      });
  }

  // What happens to it.

  #turnStore(rough: boolean): void {
    this.tell(`the store is ${rough ? "failing" : "fine"}`);
    this.#rough = rough;
  }

  #turnLog(): void {
    const { log } = this.#durable;
    const fails = log.fault === null;
    this.tell(`the log's disk is ${fails ? "failing" : "fine"}`);
    log.lasting = Infinity;
    const operation = this.#dice.of(["write", "sync"] as const);
    log.fault = fails ? { at: 0, operation, after: this.#dice.chance(50), code: "EIO" } : null;
  }

  #endWriter(): void {
    const inGroup = this.#dice.chance(70);
    this.tell(`the log's writer ends${inGroup ? " in the middle of its next group" : ""}`);
    this.#service.endWriter(inGroup);
  }

  #jump(): void {
    const ms = (this.#dice.chance(50) ? 1 : -1) * this.#dice.below(this.#dice.chance(30) ? 7_200_000 : 5000);
    this.tell(`the clock jumps by ${ms} ms`);
    this.#latest = Math.max(this.#latest, this.#loop.wall());
    this.#loop.wall_ms += ms;
    this.#latest = Math.max(this.#latest, this.#loop.wall());
    this.counts.jumps++;
  }

  async #crash(): Promise<void> {
    this.tell("the power goes");
    this.counts.crashes++;
    this.#service.end();
    this.#open.clear();
    this.#asked.clear();
    const partly = this.#dice.chance(50);
    this.#durable.log.crash((unsynced) => (partly ? this.#dice.below(unsynced + 1) : 0));
    for (const [what, { durable }] of this.#cut) if (!durable) this.#cut.delete(what);
    await this.#loop.pass(this.#dice.below(2000));
    await this.#start();
  }

  async #start(): Promise<void> {
    // The one before has let go of its lock by then.
    await this.#loop.pass(0);
    const life = new Life(this.#loop);
    const { build, folder } = this;
    const starting = SimulatedService.open(build, life, this.#durable, this.#weather, folder);
    this.#service = await this.#loop.result(starting, HEALED_WITHIN_MS);
    this.#checkLog(false);
    this.#checkUses();
    this.tell(`started at revision ${this.#service.commands.registry.revision}`);
  }

  /** Nothing fails any more: whatever is owed is paid without help, and nothing is lost. */
  async #heal(): Promise<void> {
    this.tell("all is fine");
    this.#rough = false;
    this.#durable.log.fault = null;
    this.#service.calm();
    const { registry } = this.#service.commands;
    const held = (): string[] => (registry.dump() as { held: string[] }).held;
    await this.#loop.pass(1000);
    if (!(await this.#loop.until(() => this.#open.size === 0 && held().length === 0, HEALED_WITHIN_MS))) {
      this.#violate(`it doesn't recover; open: ${[...this.#open.values()].join(", ")}; held: ${held().join(", ")}`);
      return;
    }
    await this.#loop.pass(2000);
    const last = this.#service.commands.createAgent({ id: "a-last", owner: "o-3", purposes: [] }, "the end");
    try {
      await this.#loop.result(last, 1000);
    } catch (cause) {
      this.#violate(`it takes no changes any more: ${whole(cause)}`);
    }
    this.#check();
    this.#checkLog(true);
    await this.#compareWithAnother();
  }

  // What was promised.

  #change<T>(what: string, key: string, act: (by: string) => Promise<T>): void {
    const by = `call ${this.#calls + 1}`;
    this.#call(what, async () => {
      const answered = await act(by);
      this.counts.changed++;
      const row = this.#rows.findLast((one) => one.by === by);
      const changed = row !== undefined;
      const created = (answered as { created?: boolean }).created;
      if (!changed && created === true) this.#violate(`${what}: acknowledged, and the store doesn't have it`);
      if (changed && row.key !== key) this.#violate(`${what}: it changed ${row.key}`);
      if (changed) this.#durablyOnRecord(row.revision, what);
    });
  }

  #narrow(what: string, cut: string, key: string, act: (by: string) => Promise<InForce | null>): void {
    const call = this.#calls + 1;
    this.#call(what, async () => {
      const acting = act(`call ${call}`);
      this.#asked.add(cut);
      const inForce = await acting.catch((cause: unknown) => {
        this.#asked.delete(cut);
        throw cause;
      });
      if (inForce === null) {
        this.#violate(`${what}: it isn't said to be in force`);
        return;
      }
      this.counts.narrowed++;
      const { durable, revision } = inForce;
      if (!durable) this.counts.held++;
      // Whoever restores what was cut off meant what was so before; who has cut it off since is to be relied upon.
      if ((this.#restored.get(cut) ?? 0) < call) this.#cut.set(cut, { durable });
      this.tell(`  ${what}: in force, ${durable ? "durable" : "not durable"}`);
      if (!durable) return;
      if (revision === null) this.#violate(`${what}: durable at no revision`);
      else {
        this.#durablyOnRecord(revision, what);
        if (this.#seen[revision - 1]?.key !== key) this.#violate(`${what}: revision ${revision} is of another key`);
      }
    });
  }

  #widen(what: string): void {
    this.#cut.delete(what);
    this.#asked.delete(what);
    this.#restored.set(what, this.#calls + 1);
  }

  #call(what: string, act: () => Promise<void>): void {
    const { life } = this.#service;
    const call = ++this.#calls;
    this.#open.set(call, what);
    this.tell(`${call} ${what}`);
    const over = (how: string): void => {
      if (!life.alive) return;
      this.#open.delete(call);
      this.tell(`  ${call} ${how}`);
    };
    act().then(
      () => {
        over("done");
      },
      (cause: unknown) => {
        if (!life.alive) return;
        const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
        over(code);
        this.counts.refused++;
        if (code === "" || code === "internal") this.#violate(`${what}: ${whole(cause)}`);
      },
    );
  }

  /** An answer has left. */
  #answered({ answer }: Decided, asked: Asked): void {
    const { decision_id, facts_revision, proceed, valid_for_ms } = answer;
    this.tell(`  ${decision_id}: ${answer.decision} ${answer.reasons.map(({ code }) => code).join(" ")} at ${facts_revision}`);
    const line = this.#durable.log.lineOnDisk(`"decision_id":"${decision_id}"`);
    this.#expose(facts_revision);
    if (line === null) {
      this.#violate(`${decision_id} was answered and isn't on record`);
      return;
    }
    if (!proceed) {
      this.counts.denied++;
      return;
    }
    this.counts.allowed++;
    const record = JSON.parse(line) as { time: string; uses?: string[] };
    const time = Date.parse(record.time);
    const used = answer.reasons.flatMap(({ code, params }) => (code === "granted" ? [String(params["grant"])] : []));
    this.counts.used += record.uses?.length ?? 0;
    const facts = new FactsAt(this.#rows, facts_revision);
    for (const at of [time, time + Math.max(0, valid_for_ms - 1)]) {
      const why = whyNot(facts, asked, at);
      if (why !== null) this.#violate(`${decision_id} was allowed at revision ${facts_revision}: ${why}`);
    }
    for (const what of this.#stops(facts, asked, used)) {
      if (this.#cut.has(what)) this.#violate(`${decision_id} was allowed after it was acknowledged: ${what}`);
    }
  }

  /** A decision is made, and its record on its way: what holds in memory stops it although nobody has been told so yet. */
  #handedOver(body: string): void {
    if (this.#asked.size === 0 || !body.includes('"proceed":true')) return;
    const { input, uses = [], answer } = JSON.parse(`{${body}}`) as HandedOver;
    const { agent, purpose, task } = input.request;
    const facts = new FactsAt(this.#rows, answer.facts_revision);
    for (const what of this.#stops(facts, { agent, purpose, task, jtis: [] }, uses)) {
      if (this.#asked.has(what)) this.#violate(`${answer.decision_id} is allowed although it was asked for: ${what}`);
    }
  }

  /** Everything whose being cut off stops this. */
  *#stops(facts: FactsAt, asked: Omit<Asked, "verb" | "customer">, used: readonly string[]): Generator<string> {
    yield "everything";
    yield `purpose/${asked.purpose}`;
    for (const jti of asked.jtis) yield `token/${jti}`;
    for (const grant of used) yield* [`grant/${grant}`, `end of ${grant}`];
    let [task, agent]: [string | null, string] = [asked.task, asked.agent];
    for (;;) {
      yield* [`agent/${agent}`, `status ${agent}`, `owner/${OWNERS[agent] ?? ""}`];
      if (task === null) return;
      yield* [`task/${task}`, `end of ${task}`];
      task = facts.task(task)?.parent ?? null;
      if (task === null) return;
      agent = facts.task(task)?.agent ?? "";
    }
  }

  #durablyOnRecord(revision: number, what: string): void {
    this.#expose(revision);
    // What comes next in a record of facts, and never in an answer.
    const texts = ["grant", "import", "kind"].map((next) => `"facts_revision":${revision},"${next}":`);
    if (texts.every((text) => this.#durable.log.lineOnDisk(text) === null)) {
      this.#violate(`${what}: revision ${revision} was acknowledged and isn't on record`);
    }
  }

  /** Somebody knows this revision now. */
  #expose(revision: number): void {
    if (revision > this.#rows.length) this.#violate(`revision ${revision} isn't durable`);
    for (let i = this.#seen.length; i < Math.min(revision, this.#rows.length); i++) {
      const row = this.#rows[i];
      if (row !== undefined) this.#seen.push(row);
    }
  }

  #check(): void {
    const { revision } = this.#service.commands.registry;
    if (revision < this.#revision) this.#violate(`the revision fell from ${this.#revision} to ${revision}`);
    this.#revision = revision;
    this.#expose(revision);
    const changed = this.#seen.findIndex((row, i) => row !== this.#rows[i]);
    if (changed >= 0) this.#violate(`revision ${changed + 1} is another change than it was, or is lost`);
  }

  /** @param whole every change is on record */
  #checkLog(whole: boolean): void {
    const uses = new Map<string, number>();
    let [seq, revision, decided] = [0, 0, 0];
    for (const line of this.#durable.log.text().split("\n").slice(0, -1)) {
      const record = JSON.parse(line) as LogRecord;
      if (record.seq !== ++seq) this.#violate(`record ${record.seq} stands in place ${seq}`);
      if (record.kind === "facts") {
        if (record.facts_revision === null) continue;
        if (record.facts_revision !== ++revision) {
          this.#violate(`the record of revision ${record.facts_revision} stands where that of ${revision} should`);
          revision = record.facts_revision ?? 0;
        }
        if (record.caller !== this.#rows[revision - 1]?.by) this.#violate(`the record of revision ${revision} is of another change`);
      } else {
        const at = record.answer?.facts_revision ?? 0;
        if (at < decided) this.#violate(`record ${seq} was decided on revision ${at} after one on ${decided}`);
        decided = at;
      }
      for (const id of record.uses ?? []) uses.set(id, (uses.get(id) ?? 0) + 1);
    }
    if (whole && revision !== this.#rows.length) this.#violate(`${revision} of ${this.#rows.length} changes are on record`);
    const facts = new FactsAt(this.#rows, this.#rows.length);
    for (const [id, used] of uses) {
      const limit = facts.grant(id)?.uses ?? Infinity;
      if (used > limit) this.#violate(`grant ${id} was used ${used} times of ${limit}`);
    }
    this.#uses = uses;
  }

  #uses = new Map<string, number>();

  /** After a start a service has counted what is on record. */
  #checkUses(): void {
    const { commands } = this.#service;
    for (const id of this.#grants) {
      const known = commands.registry.grantUse(id, this.#loop.wall());
      const used = this.#uses.get(id) ?? 0;
      if (known !== undefined && known.used !== used) this.#violate(`grant ${id} was used ${used} times, and is known for ${known.used}`);
    }
  }

  async #compareWithAnother(): Promise<void> {
    const { registry } = this.#service.commands;
    // What was long over by the clock of an earlier start is forgotten, whatever the clock says since.
    const latest = Math.max(this.#latest, this.#loop.wall());
    registry.forget(latest);
    const before = registry.dump();
    this.#service.end();
    await this.#start();
    const after = this.#service.commands.registry;
    after.forget(latest);
    if (!isDeepStrictEqual(after.dump(), before)) this.#violate("what is in memory isn't what a start makes of the store");
  }

  #violate(what: string): void {
    this.violation ??= what;
    this.tell(`VIOLATED: ${what}`);
  }

  get #rows(): readonly StoreRow[] {
    return this.#durable.store.rows;
  }

  #anyTask(): { id: string; agent: string; purpose: string } | undefined {
    return this.#tasks.length === 0 ? undefined : this.#dice.of(this.#tasks);
  }

  #anyGrant(): string {
    return this.#grants.length === 0 ? "G-0" : this.#dice.of(this.#grants);
  }

  #iso(ms: number): string {
    return new Date(this.#loop.wall() + ms).toISOString();
  }
}

function whole(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause === undefined ? (cause.stack ?? "") : `${cause.stack ?? ""}\n${whole(cause.cause)}`;
}

interface HandedOver {
  input: { request: { agent: string; purpose: string; task: string | null } };
  uses?: string[];
  answer: { decision_id: string; facts_revision: number };
}

interface LogRecord {
  seq: number;
  kind: string;
  caller: string;
  facts_revision?: number | null;
  uses?: string[];
  answer?: { facts_revision: number };
}
