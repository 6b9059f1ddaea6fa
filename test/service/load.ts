/**
 * Clients of a service that is killed: hosts that register agents and hand out tasks, whoever grants and revokes, an import,
 * and enforcement points. Each keeps what it was told; what is compared with what is there after a restart, see `kills.ts`.
 */
import type { AgentState, GrantFactState, RevocationState, TaskState } from "../../src/contract/index.js";
import type { Dice } from "../differential/dice.js";
import { sleep, type Child, type Json } from "./child.js";

export const PURPOSE = "customer_support";

/** A change that was asked for. */
export interface Operation {
  /** Its reason, or its key where it has none: what its event is known by. */
  tag: string;
  key: string;
  change: string;
  /** Whether a fact is what was asked for, in whole. */
  whole: (value: Json, before: Json | undefined) => boolean;
  /** `open`: no answer came, or a problem that is tolerated. `held`: acknowledged, and said not to be durable. */
  state: "open" | "acknowledged" | "held" | "refused";
  answer: Json | null;
}

/** An import: the same bytes under the same id until it is applied. */
export interface Import {
  id: string;
  tag: string;
  text: string;
  keys: readonly string[];
  acknowledged: boolean;
}

export interface OwnAgent {
  id: string;
  owner: string;
  customer: string;
  task: string | null;
}

export interface PooledGrant {
  id: string;
  agent: string;
  task: string;
  /** Of the resource that it permits. */
  customer: string;
  uses: number;
}

/** The latest of each key, as the store has it. */
export type Facts = ReadonlyMap<string, { value: Json; revision: number }>;

const REGISTRARS = 4;
const DECIDERS = 4;
const OWN_AGENTS = 6;
const IN_FORCE = 4;
const POOL = 12;
const EXPIRES_MS = 6 * 24 * 3_600_000;

export class Load {
  /** Changes that weren't compared yet, by tag. */
  readonly operations = new Map<string, Operation>();
  /** Answers to decisions that weren't found on record yet, by decision. */
  readonly answers = new Map<string, string>();
  /** Allows that clients were told, by grant. */
  readonly allowed = new Map<string, number>();
  /** Revocations that are durable and nobody has asked to lift, and an action that each stops. */
  readonly inForce = new Map<string, Json>();
  readonly imports = new Map<string, Import>();
  readonly grants = new Map<string, PooledGrant>();
  readonly unexpected: string[] = [];
  /** Problems that may be answered; what was asked for is then there or not, as without an answer. */
  tolerated: RegExp | null = null;
  readonly own: OwnAgent[][] = Array.from({ length: REGISTRARS }, () => []);
  acknowledged = 0;
  decided = 0;
  imported = 0;
  interrupted = 0;
  refused = 0;
  readonly #dice: Dice;
  readonly #pool: PooledGrant[] = [];
  readonly #revoked: string[][] = [[], []];
  #import: Import | null = null;
  #count = 0;
  #child!: Child;
  #over = false;
  #facts: Facts = new Map();

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  get pool(): readonly PooledGrant[] {
    return this.#pool;
  }

  /** Clients ask until no answer comes any more; resolves then. */
  async run(child: Child, facts: Facts): Promise<void> {
    this.#child = child;
    this.#facts = facts;
    this.#over = false;
    for (const agents of this.own) this.#forgetUnmade(agents);
    for (const [i, grant] of [...this.#pool.entries()].reverse()) {
      if (facts.get(`grant/${grant.id}`)?.value["ended"] !== null) this.#pool.splice(i, 1);
    }
    const clients = [
      ...this.own.map((agents, i) => () => this.#register(agents, i)),
      ...this.#revoked.map((ids, i) => () => this.#revokeOrLift(ids, i)),
      () => this.#grant(),
      () => this.#applyImport(),
      ...Array.from({ length: DECIDERS }, () => () => this.#decide()),
    ];
    await Promise.all(
      clients.map(async (step) => {
        while (!this.#over) await step();
      }),
    );
  }

  /** An action that each agent which has a task may do, unless somebody stopped it. */
  *ownActions(): Generator<{ agent: OwnAgent; body: Json }> {
    for (const agent of this.own.flat()) if (agent.task !== null) yield { agent, body: actionOf(agent, agent.task) };
  }

  /** One decision that only this grant permits. */
  useOf({ agent, task, customer }: PooledGrant): Json {
    return {
      agent,
      task,
      purpose: PURPOSE,
      verb: "read",
      resource: { type: "invoice", id: "I-1", attributes: { customer } },
    };
  }

  /** Keeps what was answered, and counts what was permitted by which grant. */
  answered(answer: Json): void {
    this.decided++;
    this.answers.set(answer["decision_id"] as string, JSON.stringify(answer));
    if (answer["proceed"] !== true) return;
    for (const id of grantsIn(answer)) this.allowed.set(id, (this.allowed.get(id) ?? 0) + 1);
  }

  /** What a crash has left unmade, or has cut off from its answer, is known from the store. */
  #forgetUnmade(agents: OwnAgent[]): void {
    for (const [i, agent] of [...agents.entries()].reverse()) {
      const status = this.#facts.get(`agent/${agent.id}`)?.value["status"];
      if (status === undefined || status === "revoked") agents.splice(i, 1);
      const task = agent.task === null ? undefined : this.#facts.get(`task/${agent.task}`);
      if (task?.value["ended"] !== null) agent.task = null;
    }
  }

  async #register(agents: OwnAgent[], client: number): Promise<void> {
    const agent = agents.length === 0 ? undefined : this.#dice.of(agents);
    if (agent === undefined || agents.length < OWN_AGENTS) {
      const n = this.#next();
      const created = { id: `desk${client}-${n}`, owner: `owner${client}-${n % 3}`, customer: `c-${n}`, task: null };
      if (await this.#createAgent(created)) agents.push(created);
      return;
    }
    if (agent.task === null) {
      await this.#createTask(agent);
      return;
    }
    const draw = this.#dice.below(20);
    if (draw < 8) await this.#changeAgent(agent);
    else if (draw < 14) await this.#suspendOrRestore(agent);
    else if (draw < 17) await this.#addSubject(agent.task);
    else if (draw < 19) await this.#endTask(agent);
    // It is no more, and its id is never used again.
    else {
      agents.splice(agents.indexOf(agent), 1);
      await this.#setStatus(agent.id, "revoked");
    }
  }

  async #createAgent({ id, owner }: Pick<OwnAgent, "id" | "owner">): Promise<boolean> {
    const tag = this.#tag();
    const body = { id, owner, name: tag, version: tag, purposes: [PURPOSE], reason: tag };
    return this.#change(
      { tag, key: `agent/${id}`, change: "agent_created", whole: (value) => hasBoth(value, tag) && value["owner"] === owner },
      ["POST", "/agents", body],
    );
  }

  async #changeAgent({ id }: OwnAgent): Promise<void> {
    const tag = this.#tag();
    const revision = await this.#revisionOf(`/agents/${id}`);
    if (revision === null) return;
    await this.#change(
      {
        tag,
        key: `agent/${id}`,
        change: "agent_changed",
        whole: (value, before) => hasBoth(value, tag) && value["status"] === before?.["status"],
      },
      ["PATCH", `/agents/${id}`, { name: tag, version: tag, reason: tag }],
      { "if-match": `"${revision}"` },
    );
  }

  async #suspendOrRestore({ id }: OwnAgent): Promise<void> {
    const told = await this.#ask("GET", `/agents/${id}`);
    if (told === null) return;
    await this.#setStatus(id, told["status"] === "active" ? "suspended" : "active");
  }

  #setStatus(id: string, status: AgentState["status"]): Promise<boolean> {
    const tag = this.#tag();
    const change = status === "active" ? "agent_restored" : `agent_${status}`;
    return this.#change(
      {
        tag,
        key: `agent/${id}`,
        change,
        whole: (value, before) => value["status"] === status && value["version"] === before?.["version"],
      },
      ["PATCH", `/agents/${id}`, { status, reason: tag }],
    );
  }

  async #createTask(agent: OwnAgent): Promise<void> {
    const id = `T-${this.#next()}`;
    const subjects = { ticket: [id], customer: [agent.customer] };
    if (await this.#issue(id, agent.id, subjects)) agent.task = id;
  }

  #issue(id: string, agent: string, subjects: Json): Promise<boolean> {
    const key = `task/${id}`;
    const body = { id, agent, purpose: PURPOSE, subjects, attributes: { topic: "billing" }, expires: later() };
    const whole = (value: Json): boolean => JSON.stringify(value["subjects"]) === JSON.stringify(subjects);
    return this.#change({ tag: key, key, change: "task_created", whole }, ["POST", "/tasks", body]);
  }

  async #addSubject(id: string): Promise<void> {
    const tag = this.#tag();
    const customers = (value: Json | undefined): string[] => (value as unknown as TaskState | undefined)?.subjects["customer"] ?? [];
    await this.#change(
      {
        tag,
        key: `task/${id}`,
        change: "task_changed",
        whole: (value, before) => customers(value).join() === [...customers(before), `${tag}-a`, `${tag}-b`].join(),
      },
      ["PATCH", `/tasks/${id}`, { subjects: { customer: [`${tag}-a`, `${tag}-b`] }, reason: tag }],
    );
  }

  async #endTask(agent: OwnAgent): Promise<void> {
    const tag = this.#tag();
    const id = agent.task ?? "";
    agent.task = null;
    await this.#change(
      {
        tag,
        key: `task/${id}`,
        change: "task_ended",
        whole: (value) => (value as unknown as TaskState).ended?.reason === tag,
      },
      ["PATCH", `/tasks/${id}`, { ended: true, reason: tag }],
    );
  }

  /** Two clients, each with scopes of its own, so that nobody else lifts what one has revoked. */
  async #revokeOrLift(ids: string[], client: number): Promise<void> {
    if (ids.length >= IN_FORCE) {
      await this.#lift(ids);
      return;
    }
    const agents = this.own.flat().filter(({ task }) => task !== null);
    if (agents.length === 0) {
      await sleep(5);
      return;
    }
    const agent = this.#dice.of(agents);
    const first = this.#dice.chance(50);
    const [scope, of] = client === 0 ? (first ? ["agent", agent.id] : ["owner", agent.owner]) : ["task", agent.task ?? ""];
    const id = `${scope}/${of}`;
    if (ids.includes(id)) {
      await this.#lift(ids);
      return;
    }
    const tag = this.#tag();
    const body = actionOf(agent, agent.task ?? "");
    const whole = (value: Json): boolean => {
      const { reason, lifted, of: target } = value as unknown as RevocationState;
      return reason === tag && lifted === null && target === of;
    };
    const revocation = { tag, key: `revocation/${id}`, change: "revoked", whole };
    ids.push(id);
    if (await this.#change(revocation, ["POST", "/revocations", { scope: { [scope]: of }, reason: tag }])) {
      this.inForce.set(id, body);
    }
  }

  async #lift(ids: string[]): Promise<void> {
    const [id = ""] = ids;
    const known = await this.#ask("GET", `/revocations/${id}`, 404);
    if (this.#over) return;
    // A crash may have come before it was made, or after it was lifted.
    if (known?.["lifted"] !== null) {
      ids.shift();
      return;
    }
    const tag = this.#tag();
    this.inForce.delete(id);
    const whole = (value: Json): boolean => (value as unknown as RevocationState).lifted?.reason === tag;
    const lifted = { tag, key: `revocation/${id}`, change: "revocation_lifted", whole };
    if (await this.#change(lifted, ["POST", `/revocations/${id}/lift`, { reason: tag }])) ids.shift();
  }

  async #grant(): Promise<void> {
    if (this.#pool.length >= POOL) {
      await sleep(5);
      if (this.#dice.chance(2)) await this.#endGrant();
      return;
    }
    const n = this.#next();
    const grant = { id: `G-${n}`, agent: `granted-${n}`, task: `TG-${n}`, customer: `cg-${n}`, uses: 1 + this.#dice.below(60) };
    const { id, agent, task, customer, uses } = grant;
    if (!(await this.#createAgent({ id: agent, owner: "grants" }))) return;
    if (!(await this.#issue(task, agent, { ticket: [task], customer: [agent] }))) return;
    const tag = this.#tag();
    const entry = { read: "invoice", about: "other", when: { customer } };
    const who = { requested_by: "ada@example.com", approved_by: "lead@example.com" };
    const holder = this.#dice.chance(50) ? { agent } : { task };
    const whole = (value: Json): boolean => {
      const { reason, uses: limit, entry: kept } = value as unknown as GrantFactState;
      return reason === tag && limit === uses && JSON.stringify(kept) === JSON.stringify(entry);
    };
    const made = { tag, key: `grant/${id}`, change: "grant_created", whole };
    // Whether or not its answer comes: a grant that nobody was told of can be used as well.
    this.grants.set(id, grant);
    const body = { id, ...holder, entry, ...who, expires: later(), uses, reason: tag };
    if (await this.#change(made, ["POST", "/grants", body])) this.#pool.push(grant);
  }

  async #endGrant(): Promise<void> {
    const [grant] = this.#pool.splice(this.#dice.below(this.#pool.length), 1);
    if (grant === undefined) return;
    const tag = this.#tag();
    const whole = (value: Json): boolean => (value as unknown as GrantFactState).ended?.reason === tag;
    await this.#change({ tag, key: `grant/${grant.id}`, change: "grant_ended", whole }, [
      "PATCH",
      `/grants/${grant.id}`,
      { ended: true, reason: tag },
    ]);
  }

  async #applyImport(): Promise<void> {
    if (this.#import === null) {
      await sleep(this.#dice.below(60));
      this.#import = this.#newImport();
      this.imports.set(this.#import.tag, this.#import);
    }
    const { id, tag, text, keys } = this.#import;
    const told = await this.#child.ask("POST", `/facts/import?id=${id}&reason=${tag}`, { body: text, type: "application/jsonl" });
    if (told === null) {
      this.#over = true;
      this.interrupted++;
      return;
    }
    const { created, changed, unchanged } = told.body;
    const whole = created === keys.length && changed === 0 && unchanged === 0;
    if (this.#tolerates(told.outcome)) {
      this.interrupted++;
      return;
    }
    if (told.status !== 200 || !whole) this.unexpected.push(`import ${id} of ${keys.length}: ${told.text}`);
    this.imported++;
    this.#import.acknowledged = told.status === 200;
    this.#import = null;
  }

  /** Agents with a task each, some with a grant, some revoked. */
  #newImport(): Import {
    const n = this.#next();
    const lines: Json[] = [];
    const keys: string[] = [];
    const add = (kind: string, id: string, fact: Json): void => {
      lines.push({ [kind]: fact });
      keys.push(`${kind}/${id}`);
    };
    for (let i = 0; i < 30 + this.#dice.below(70); i++) {
      const [id, task] = [`many-${n}-${i}`, `TM-${n}-${i}`];
      add("agent", id, { id, owner: `import-${n}`, purposes: [PURPOSE] });
      add("task", task, { id: task, agent: id, purpose: PURPOSE, subjects: { ticket: [task] }, expires: later() });
      if (i % 5 === 0) add("revocation", `agent/${id}`, { scope: { agent: id }, reason: "not yet" });
    }
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    return { id: `import-${n}`, tag: this.#tag(), text, keys, acknowledged: false };
  }

  async #decide(): Promise<void> {
    const actions = Array.from({ length: this.#dice.chance(80) ? 1 : 2 + this.#dice.below(6) }, () => this.#action());
    const some = actions.filter((action) => action !== null);
    const [only, ...others] = some;
    if (only === undefined) {
      await sleep(5);
      return;
    }
    if (others.length === 0) {
      const answer = await this.#ask("POST", "/decide", undefined, only);
      if (answer !== null) this.answered(answer);
      return;
    }
    const told = await this.#ask("POST", "/decide/batch", undefined, { actions: some });
    for (const answer of (told?.["answers"] ?? []) as Json[]) this.answered(answer);
  }

  #action(): Json | null {
    if (this.#dice.chance(65) && this.#pool.length > 0) {
      const grant = this.#dice.of(this.#pool);
      // Used up, it is asked for some times more.
      if ((this.allowed.get(grant.id) ?? 0) >= grant.uses && this.#dice.chance(10)) this.#pool.splice(this.#pool.indexOf(grant), 1);
      return this.useOf(grant);
    }
    const own = [...this.ownActions()];
    return own.length === 0 ? null : this.#dice.of(own).body;
  }

  /** @returns whether it was acknowledged as durable */
  async #change(
    asked: Omit<Operation, "state" | "answer">,
    [method, path, body]: [method: string, path: string, body: Json],
    headers: Record<string, string> = {},
  ): Promise<boolean> {
    const operation: Operation = { ...asked, state: "open", answer: null };
    this.operations.set(asked.tag, operation);
    const told = await this.#child.ask(method, path, { body, headers });
    if (told === null) {
      this.#over = true;
      return false;
    }
    operation.answer = told.body;
    if (this.#tolerates(told.outcome)) return false;
    if (told.status >= 300) {
      operation.state = "refused";
      this.unexpected.push(`${method} ${path} ${JSON.stringify(body)}: ${told.status} ${told.text}`);
      return false;
    }
    operation.state = told.body["durable"] === false ? "held" : "acknowledged";
    if (operation.state === "held") return false;
    this.acknowledged++;
    return true;
  }

  /** @param fine a status that is no answer, and as good as one */
  async #ask(method: string, path: string, fine?: number, body?: Json): Promise<Json | null> {
    const told = await this.#child.ask(method, path, body === undefined ? {} : { body });
    if (told === null) {
      this.#over = true;
      return null;
    }
    if (told.status === 200) return told.body;
    if (told.status !== fine && !this.#tolerates(told.outcome))
      this.unexpected.push(`${method} ${path} ${JSON.stringify(body)}: ${told.status} ${told.text}`);
    return null;
  }

  async #revisionOf(path: string): Promise<number | null> {
    return ((await this.#ask("GET", path))?.["revision"] as number | undefined) ?? null;
  }

  #tolerates(outcome: string): boolean {
    if (this.tolerated?.test(outcome) !== true) return false;
    this.refused++;
    return true;
  }

  #next(): number {
    return ++this.#count;
  }

  #tag(): string {
    return `op-${this.#next()}`;
  }
}

/** The grants that an answer rests on. */
export function grantsIn(answer: Json): string[] {
  const reasons = answer["reasons"] as { code: string; params: Json }[];
  return reasons.flatMap(({ code, params }) => (code === "granted" ? [params["grant"] as string] : []));
}

function actionOf({ id, customer }: OwnAgent, task: string): Json {
  return { agent: id, task, purpose: PURPOSE, verb: "read", resource: { type: "customer", id: customer } };
}

function hasBoth(value: Json, tag: string): boolean {
  return value["name"] === tag && value["version"] === tag;
}

function later(): string {
  return new Date(Date.now() + EXPIRES_MS).toISOString();
}
