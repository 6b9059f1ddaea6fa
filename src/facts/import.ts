/**
 * Takes many facts at once: read whole, checked whole against what is known and against one another, and only then applied,
 * in parts. An import has an id: one that was interrupted goes on where it ended, one that is done stays done.
 */
import {
  NARROWED_RATE,
  Problem,
  canonical,
  type AgentState,
  type Credential,
  type ImportAnswer,
  type NarrowingState,
  type RevocationState,
  type TaskState,
} from "../contract/index.js";
import type { Json, Write } from "../store/store.js";
import { checkChangedAgent, checkNewAgent } from "./agents.js";
import type { Commands } from "./commands.js";
import {
  agentOfState,
  grantOfState,
  iso,
  stateOfAgent,
  stateOfTask,
  taskOfState,
  type AgentFact,
  type GrantFact,
  type ImportState,
  type TaskFact,
} from "./entities.js";
import { checkNewGrant } from "./grants.js";
import type { ImportFact, ImportFile } from "./import_file.js";
import { withNarrowing } from "./narrowing.js";
import { refuse } from "./problems.js";
import type { Registry } from "./registry.js";
import { checkTarget, revocationId } from "./revocations.js";
import { Shared } from "./share.js";
import { SimilarIds } from "./similar.js";
import { checkAddedSubjects, checkNewTask } from "./tasks.js";
import { without } from "../system/without.js";
import type { FactsLookup, KnownPolicy, StoredRevocationScope } from "./facts_lookup.js";

/** Facts checked, or applied, before others get their turn. */
const PART = 100;
const ORDERED_AT_ONCE = 5000;
const DIFFERENCES_MAX = 1000;
const TRIES_MAX = 3;

/** Write that one fact of an import needs; null if the fact is the same already. */
type Step = (Omit<Write, "by" | "time" | "reason"> & { fields: string[] }) | null;

/** Imports under way, so that one id is not applied twice at once. */
const running = new WeakMap<Registry, Set<string>>();

/**
 * @param id names this import for as long as the store lives
 * @throws Problem `import_invalid` with line and field, and nothing is applied; `import_exists`; `import_stopped` where what is
 * known changed so that a later line no longer fits, or would undo what stopped an agent since; `bundle_missing`,
 * `store_unavailable`, and those of the log
 */
export async function importFacts(
  commands: Commands,
  file: ImportFile,
  { id, dryRun, by, reason }: { id: string; dryRun: boolean; by: string; reason: string | null },
): Promise<ImportAnswer> {
  const { registry } = commands;
  const ids = running.get(registry) ?? new Set();
  running.set(registry, ids);
  if (ids.has(id)) throw new Problem("import_exists", { expected: "an import that isn't being applied just now" });
  ids.add(id);
  try {
    const known = registry.importState(id)?.state;
    if (known !== undefined && known.digest !== file.digest) throw new Problem("import_exists");
    const facts = await inOrder(file, commands);
    const from = known?.done ?? 0;
    const plan = await check(commands, file, facts.slice(from), by);
    if (dryRun) return answer(commands, id, "dry_run", plan);
    await apply(commands, file, facts, known ?? { id, digest: file.digest, total: facts.length, done: 0, created: 0, changed: 0 }, {
      by,
      reason,
    });
    // It may have stopped something: then no decision is left that began without it.
    await commands.deps.barrier();
    const state = registry.importState(id)?.state;
    const counts = { created: state?.created ?? 0, changed: state?.changed ?? 0 };
    return answer(commands, id, "applied", { ...plan, ...counts, unchanged: facts.length - counts.created - counts.changed });
  } finally {
    ids.delete(id);
  }
}

interface Plan {
  created: number;
  changed: number;
  unchanged: number;
  differences: ImportAnswer["differences"];
}

function answer(commands: Commands, id: string, status: ImportAnswer["status"], plan: Plan): ImportAnswer {
  return { id, status, ...plan, facts_revision: commands.registry.revision };
}

async function check(commands: Commands, file: ImportFile, facts: readonly ImportFact[], by: string): Promise<Plan> {
  const plan: Plan = { created: 0, changed: 0, unchanged: 0, differences: [] };
  const staged = new Staged(commands, by);
  for (const [i, fact] of facts.entries()) {
    if (i % PART === 0) await commands.turn();
    const step = at(file, fact, "import_invalid", () => staged.step(fact));
    if (step === null) plan.unchanged++;
    else {
      if (step.expected === 0) plan.created++;
      else plan.changed++;
      if (plan.differences.length < DIFFERENCES_MAX) plan.differences.push({ key: step.key, fields: step.fields });
    }
  }
  const tasks = staged.newTasks;
  if (tasks > 0) commands.makeRoom(tasks);
  return plan;
}

async function apply(
  commands: Commands,
  file: ImportFile,
  facts: readonly ImportFact[],
  before: ImportState,
  act: { by: string; reason: string | null },
): Promise<void> {
  let state = before;
  for (let from = state.done, tries = 0; from < facts.length;) {
    const part = facts.slice(from, from + PART);
    try {
      state = await commands.ledger.inTurn("agent", () => applyPart(commands, file, part, state, act));
      from += part.length;
      tries = 0;
    } catch (cause) {
      // Another changed one of them meanwhile: the part is looked at again.
      if (!(cause instanceof Problem) || cause.code !== "revision_stale" || ++tries >= TRIES_MAX) throw cause;
    }
    await commands.turn();
  }
}

async function applyPart(
  commands: Commands,
  file: ImportFile,
  part: readonly ImportFact[],
  before: ImportState,
  { by, reason }: { by: string; reason: string | null },
): Promise<ImportState> {
  const staged = new Staged(commands, by);
  const steps = part.flatMap((fact) => at(file, fact, "import_stopped", () => staged.step(fact)) ?? []);
  const created = steps.filter(({ expected }) => expected === 0).length;
  const after: ImportState = {
    ...before,
    done: before.done + part.length,
    created: before.created + created,
    changed: before.changed + steps.length - created,
  };
  const key = `import/${before.id}`;
  const progress = { key, value: after as unknown as Json, change: "import_progressed" };
  const writes = [...steps.map((step) => without(step, "fields")), { ...progress, expected: commands.registry.revisionOf(key) }];
  const guard = writes.some(({ key }) => key.startsWith("agent/")) ? { prefix: "agent/", since: commands.registry.revision } : undefined;
  await commands.ledger.commit(
    writes.map((write) => ({ ...write, by, reason })),
    guard,
  );
  return after;
}

/** Says of a problem which line it is in. */
function at<T>(file: ImportFile, fact: ImportFact, code: "import_invalid" | "import_stopped", act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    const { field = "", expected } = cause.detail;
    const line = file.lineOf(fact, field);
    const place = `/${fact.kind}${field}`;
    throw new Problem(
      code,
      { ...(line === null ? {} : { line }), field: place, ...(expected === undefined ? {} : { expected }), reason: cause.code },
      { cause },
    );
  }
}

/** Whatever is named before whoever names it: agents, tasks with parents first, grants, narrowings, revocations. */
async function inOrder(file: ImportFile, commands: Commands): Promise<ImportFact[]> {
  const byKey = new Map<string, ImportFact>();
  const ofKind: Record<ImportFact["kind"], ImportFact[]> = {
    agent: [],
    task: [],
    grant: [],
    narrowing: [],
    revocation: [],
  };
  for (const [i, fact] of file.facts.entries()) {
    if (i % ORDERED_AT_ONCE === 0) await commands.turn();
    const key = keyOf(fact);
    at(file, fact, "import_invalid", () => {
      if (byKey.has(key)) refuse(NAMED_BY[fact.kind], "each once");
    });
    byKey.set(key, fact);
    ofKind[fact.kind].push(fact);
  }
  const tasks: ImportFact[] = [];
  const state = new Map<ImportFact, "open" | "done">();
  for (const [i, fact] of ofKind.task.entries()) {
    if (i % ORDERED_AT_ONCE === 0) await commands.turn();
    tasks.push(...withParents(file, fact, byKey, state));
  }
  return [...ofKind.agent, ...tasks, ...ofKind.grant, ...ofKind.narrowing, ...ofKind.revocation];
}

/** A task after those it is handed on from, as far as they aren't done. */
function withParents(
  file: ImportFile,
  task: ImportFact,
  byKey: ReadonlyMap<string, ImportFact>,
  state: Map<ImportFact, "open" | "done">,
): ImportFact[] {
  const chain: ImportFact[] = [];
  for (let next: ImportFact | undefined = task; next !== undefined && state.get(next) !== "done";) {
    const current: ImportFact = next;
    at(file, current, "import_invalid", () => {
      if (state.get(current) === "open") refuse("/parent", "no task that is handed on, at last, from this one");
    });
    state.set(current, "open");
    chain.push(current);
    next = current.kind === "task" ? byKey.get(`task/${current.value.parent ?? ""}`) : undefined;
  }
  for (const one of chain) state.set(one, "done");
  return chain.reverse();
}

/** Field that names a fact, by its kind. */
const NAMED_BY: Record<ImportFact["kind"], string> = {
  agent: "/id",
  task: "/id",
  grant: "/id",
  narrowing: "/agent",
  revocation: "/scope",
};

function keyOf(fact: ImportFact): string {
  switch (fact.kind) {
    case "narrowing":
      return `narrowing/${fact.value.agent}`;
    case "revocation":
      return `revocation/${JSON.stringify(fact.value.scope)}`;
    default:
      return `${fact.kind}/${fact.value.id}`;
  }
}

/** Facts that are known, with an import's earlier facts laid over them. */
class Staged implements FactsLookup {
  newTasks = 0;
  readonly #commands: Commands;
  readonly #registry: Registry;
  readonly #policy: KnownPolicy;
  readonly #now: number;
  readonly #by: string;
  readonly #agents = new Map<string, AgentFact>();
  readonly #tasks = new Map<string, TaskFact>();
  readonly #grants = new Map<string, GrantFact>();
  readonly #credentials = new Map<string, Map<string, string>>();
  readonly #similar = new SimilarIds();
  readonly #shared = new Shared();

  constructor(commands: Commands, by: string) {
    this.#by = by;
    const policy = commands.deps.policy();
    if (policy === null) throw new Problem("bundle_missing");
    this.#commands = commands;
    this.#registry = commands.registry;
    this.#policy = policy;
    this.#now = commands.deps.system.clock.wall();
  }

  agent(id: string): AgentFact | undefined {
    return this.#agents.get(id) ?? this.#registry.agent(id);
  }

  *agents(): Generator<AgentFact> {
    yield* this.#agents.values();
    yield* this.#registry.agents();
  }

  task(id: string): TaskFact | undefined {
    return this.#tasks.get(id) ?? this.#registry.task(id);
  }

  grant(id: string): GrantFact | undefined {
    return this.#grants.get(id) ?? this.#registry.grant(id);
  }

  agentOf(credential: Credential): string | undefined {
    const staged = this.#credentials.get(credential.issuer)?.get(credential.subject);
    if (staged !== undefined) return staged;
    const id = this.#registry.agentOf(credential);
    // An earlier line has taken it away from its agent: what that has now is staged.
    return id !== undefined && this.#agents.has(id) ? undefined : id;
  }

  similarAgent(id: string): string | undefined {
    return this.#similar.find(id) ?? this.#registry.similarAgent(id);
  }

  revoked(scope: StoredRevocationScope, id: string): boolean {
    return this.#registry.revoked(scope, id);
  }

  /** Checks one fact and lays it over what is known. @throws Problem */
  step(fact: ImportFact): Step {
    switch (fact.kind) {
      case "agent":
        return this.#agent(fact.value);
      case "task":
        return this.#task(fact.value);
      case "grant":
        return this.#grant(fact.value);
      case "narrowing":
        return this.#narrowing(fact.value);
      case "revocation":
        return this.#revocation(fact.value);
    }
  }

  #agent({ status, ...asked }: (ImportFact & { kind: "agent" })["value"]): Step {
    const before = this.#registry.agent(asked.id);
    const known = before === undefined ? undefined : stateOfAgent(before);
    // What is so already was checked when it became so.
    const unsaid = { version: "1", name: null, delegates: [], attributes: {}, credentials: [], token: "optional" };
    const stands = known !== undefined && (status ?? known.status) === known.status;
    if (stands && differing(known, { ...unsaid, ...asked }).length === 0)
      return this.#difference(`agent/${asked.id}`, known, known, STATUS_CHANGE[known.status]);
    let wanted = checkNewAgent(asked, this, this.#policy, this.#now);
    if (before !== undefined) {
      const members = without(wanted, "id", "registered", "bound", "status");
      wanted = checkChangedAgent(before, members, this, this.#policy, this.#now);
    }
    // How it stands is said on purpose or left alone: an import lifts no suspension unsaid.
    wanted.status = status ?? known?.status ?? "active";
    if (before !== undefined && before.status !== "active" && wanted.status === "active")
      refuse("/status", "an agent that isn't stopped: restore it first, which has a right and a reason of its own");
    const agent = agentOfState(wanted, 0, this.#shared);
    this.#agents.set(asked.id, agent);
    if (before === undefined) this.#similar.add(asked.id);
    for (const { issuer, subject } of agent.status === "revoked" ? [] : agent.credentials) {
      const subjects = this.#credentials.get(issuer) ?? new Map<string, string>();
      this.#credentials.set(issuer, subjects.set(subject, asked.id));
    }
    const change = known === undefined ? "agent_created" : known.status === wanted.status ? "agent_changed" : STATUS_CHANGE[wanted.status];
    return this.#difference(`agent/${asked.id}`, known, wanted, change);
  }

  #task(asked: (ImportFact & { kind: "task" })["value"]): Step {
    const before = this.#registry.task(asked.id);
    if (before === undefined) {
      // A file may hold work that has no end.
      const limits = { ...this.#commands.deps.limits, task_lifetime_max_ms: Infinity };
      const task = checkNewTask({ ...asked, parent: asked.parent ?? null }, this, this.#policy, limits, this.#now);
      this.#tasks.set(task.id, taskOfState(task, 0, this.#shared));
      this.newTasks++;
      return this.#difference(`task/${task.id}`, undefined, task, "task_created");
    }
    const known = stateOfTask(before);
    const { subjects = {}, ended, expires, ...said } = asked;
    const same = { ...said, expires: expires === undefined ? known.expires : expiryOf(expires) };
    if (differing(known, same).length > 0) refuse("/id", "a task that is new, or as it is known", "task_exists");
    const task: TaskState = { ...known, subjects: checkAddedSubjects(before, subjects, this, this.#policy) };
    if (ended === true && task.ended === null) task.ended = { at: iso(this.#now), reason: null };
    if (ended === false && task.ended !== null) refuse("/ended", "true, since it has ended");
    this.#tasks.set(task.id, taskOfState(task, 0, this.#shared));
    const ends = known.ended === null && task.ended !== null;
    return this.#difference(`task/${task.id}`, known, task, ends ? "task_ended" : "task_changed");
  }

  #grant(asked: (ImportFact & { kind: "grant" })["value"]): Step {
    const before = this.#registry.grant(asked.id)?.value;
    if (before !== undefined) {
      const { not_before, expires, ...said } = asked;
      const times = { not_before: not_before === undefined ? before.not_before : expiryOf(not_before), expires: expiryOf(expires) };
      const whole = { agent: null, task: null, action_digest: null, uses: null, ...said, ...times };
      if (differing(before, whole).length > 0) refuse("/id", "a grant that is new, or as it is known", "grant_exists");
      return null;
    }
    const { compile, limits } = this.#commands.deps;
    const grant = checkNewGrant(asked, this, this.#policy, compile, limits, this.#now);
    this.#commands.makeRoomForGrant(grant);
    this.#grants.set(grant.id, grantOfState(grant, 0));
    return this.#difference(`grant/${grant.id}`, undefined, grant, "grant_created");
  }

  #narrowing(asked: (ImportFact & { kind: "narrowing" })["value"]): Step {
    const { agent, reason, purpose = null, why = [], below = null, for_ms = null } = asked;
    if (this.agent(agent) === undefined) refuse("/agent", "a registered agent");
    if ((below === null) !== (for_ms === null)) refuse("/for_ms", "with `below`, and only with it");
    if (purpose !== null && !this.#policy.purposes.has(purpose)) refuse("/purpose", "a purpose of the bundle");
    const { actions_per_minute = NARROWED_RATE.default } = asked;
    const since = iso(this.#now);
    const wanted = {
      agent,
      reason,
      purpose,
      why,
      actions_per_minute,
      below,
      for_ms,
      by: this.#by,
      since,
      lifted: null,
    };
    const key = `narrowing/${agent}`;
    const before = this.#registry.narrowings.get(agent);
    const known = before && without(before, "revision");
    // What narrows it further is taken, and what is as narrow already stays.
    const narrowed = withNarrowing(wanted)(known ?? null) as unknown as NarrowingState;
    return this.#difference(key, known, narrowed, "agent_narrowed");
  }

  #revocation({ scope, reason }: (ImportFact & { kind: "revocation" })["value"]): Step {
    const target = checkTarget(scope, this, this.#policy);
    const id = revocationId(target);
    const before = this.#registry.revocation(id);
    const key = `revocation/${id}`;
    if (before?.lifted === null && !this.#registry.isHeld(key)) return null;
    const revocation: RevocationState = { id, ...target, reason, by: this.#by, since: iso(this.#now), lifted: null };
    return this.#difference(key, undefined, before?.lifted === null ? without(before, "revision") : revocation, "revoked");
  }

  #difference(key: string, before: object | undefined, after: object, change: string): Step {
    const fields = before === undefined ? [] : differing(before, after).map((name) => `/${name}`);
    // What holds and isn't durable is written, though it says nothing new.
    if (before !== undefined && fields.length === 0 && !this.#registry.isHeld(key)) return null;
    const expected = this.#registry.revisionOf(key);
    return { key, expected, value: after as Json, change, fields };
  }
}

/** The members of `after` that `before` has otherwise. */
function differing(before: object, after: object): string[] {
  const was = before as Readonly<Record<string, unknown>>;
  return Object.entries(after).flatMap(([name, value]) => {
    const known = was[name] ?? null;
    return known === value || canonical(known) === canonical(value) ? [] : [name];
  });
}

const STATUS_CHANGE: Record<AgentState["status"], string> = {
  active: "agent_restored",
  suspended: "agent_suspended",
  revoked: "agent_revoked",
};

/** Returns the expiry as it is stored; an invalid time stays, and is then unequal to any. */
function expiryOf(text: string): string {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? text : iso(ms);
}
