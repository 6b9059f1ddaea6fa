/** A small world for decisions: a vocabulary, one agent with its task, and ports in memory that tests can move. */
import {
  REQUEST_LIMITS,
  Problem,
  canonical,
  type Answer,
  type Catalogue,
  type Entries,
  type PolicyInput,
  type PolicyResult,
  type Purpose,
  type ResourceType,
  type Scope,
  type ValueType,
  type Vocabulary,
} from "../../src/contract/index.js";
import { decider, type Decider, type Pdp } from "../../src/decision/decide.js";
import type { Situation } from "../../src/decision/situation.js";
import type {
  ActivePolicy,
  Agent,
  AgentProof,
  AnswerTime,
  Beside,
  Caller,
  DecisionLog,
  Evaluation,
  Grant,
  KeptProfile,
  Narrowed,
  Task,
  TaskProof,
} from "../../src/decision/ports.js";
import { NO_TOKEN, fixedProfile } from "../../src/decision/fixed_ports.js";
import { systemTimers } from "../../src/system/index.js";

/** 2026-03-03T09:15:00Z, a Tuesday. */
export const NOW = 1_772_529_300_000;

// Names that every object inherits: a lookup must tell what is own from what isn't.
const PROTOTYPED: ResourceType = {
  id: "name",
  about: {},
  attributes: Object.fromEntries<ValueType>([
    ["constructor", { kind: "boolean" }],
    ["toString", { kind: "integer" }],
  ]),
  arguments: Object.fromEntries<ValueType>([["hasOwnProperty", { kind: "id" }]]),
  related: Object.fromEntries([["valueOf", "constructor"]]),
};

export const VOCABULARY: Vocabulary = {
  verbs: {
    read: { class: "read", collection: false },
    search: { class: "read", collection: true },
    update: { class: "write", collection: false },
  },
  task: { subjects: ["customer", "ticket"], attributes: { topic: { kind: "enum", values: ["billing", "other"] } } },
  agent: { attributes: { tier: { kind: "integer" } } },
  types: {
    invoice: {
      id: "name",
      about: { customer: "customer" },
      attributes: { customer: { kind: "id" }, amount_cents: { kind: "integer" } },
      arguments: {
        note: { kind: "string", max: 16 },
        to: { kind: "email" },
        rate: { kind: "number" },
        urgent: { kind: "boolean" },
        tags: { kind: "list", of: { kind: "id" }, max: 2 },
        address: { kind: "object", fields: { city: { kind: "string", max: 8 }, zip: { kind: "string", max: 5 } } },
      },
      related: { pay_from: "payment_method", attached: "file" },
    },
    payment_method: {
      id: "name",
      about: { customer: "customer" },
      attributes: { customer: { kind: "id" } },
      arguments: {},
      related: {},
    },
    file: { id: "path", about: {}, attributes: {}, arguments: {}, related: {} },
    ...Object.fromEntries([["constructor", PROTOTYPED]]),
  },
};

const none: Entries = {};
export const PURPOSE: Purpose = {
  statement: "respond to customer support tickets",
  owner: "support@example.com",
  task: "required",
  answer_lasts_ms: 5000,
  hours: null,
  allow: none,
  flag: none,
  never: none,
};

export const CATALOGUE: Catalogue = {
  read_own: entry("allow", "{type} {id}"),
  unrelated: entry("flag", "{type} {id} belongs to {customer}, the task is about {task.customer}", "A person was asked."),
  odd_hour: entry("log", "asked at an odd hour"),
  read_only: entry("deny", "{verb} on {type} is never permitted", "This data can't be changed."),
};

function entry(effect: "allow" | "flag" | "log" | "deny", message: string, tell_agent = ""): Catalogue[string] {
  return { effect, severity: "medium", title: message, message, tell_agent, purposes: ["support"], sources: [] };
}

export const AGENT: Agent = {
  id: "support-7",
  version: "3",
  owner: "support@example.com",
  purposes: new Set(["support"]),
  attributes: { tier: 2 },
  status: "active",
  registered_ms: 0,
  token_required: false,
};

export const TASK: Task = {
  id: "T-1",
  agent: "support-7",
  purpose: "support",
  parent: null,
  principal: "ada",
  subjects: { customer: ["ada"] },
  attributes: { topic: "billing" },
  verbs: null,
  expires_ms: null,
  ended: false,
};

export const CALLER: Caller = { id: "gateway-1", scopes: new Set<Scope>(["remit:decide"]), token: NO_TOKEN };

/** A situation in which nothing on the floor refuses. */
export const SITUATION: Situation = {
  caller_permitted: true,
  facts_stale: false,
  revoked: null,
  agent_id: "support-7",
  agent: AGENT,
  token_required: false,
  agent_proof: null,
  proven_agent: undefined,
  actor_stopped: false,
  purpose_id: "support",
  purpose: PURPOSE,
  task_id: "T-1",
  task: TASK,
  task_proof: null,
  verb_id: "read",
  verb_known: true,
  type_known: true,
  narrowed: null,
  now_ms: NOW,
  claim_ms: NOW,
  time_skew_max_ms: 60_000,
};

/** A request that everything in this world permits. */
export const REQUEST = {
  request_id: "r-1",
  agent: "support-7",
  purpose: "support",
  task: "T-1",
  verb: "read",
  resource: { type: "invoice", id: "I-1", attributes: { customer: "ada" } },
};

export const ALLOWED: PolicyResult = {
  decision: "allow",
  proceed: true,
  reasons: [{ effect: "allow", code: "read_own", severity: "info", params: {} }],
  obligations: [],
};

export const WAITING: PolicyResult = {
  decision: "flag",
  proceed: false,
  reasons: [{ effect: "flag", code: "unrelated", severity: "high", params: {}, proceed: false }],
  obligations: [],
};

/** A live grant that may be used as often as one likes. */
export function live(id: string, more: Partial<Grant> = {}): Grant {
  return {
    state: "live",
    input: { id, exact: false, about: "any", when: [] },
    counted: false,
    expires_ms: Infinity,
    ...more,
  };
}

function proven<P>(proofs: ReadonlyMap<string, P>, token: string, field: string): P {
  const proof = proofs.get(token);
  if (proof === undefined) throw new Problem("token_invalid", { field });
  return proof;
}

type Evaluate = (input: PolicyInput) => unknown;

/** A policy whose evaluation is a function of the parsed input; what it returns is the result. */
export function policyOf(evaluate: Evaluate, sequence = 1): ActivePolicy {
  return {
    identity: { bundle: "support", revision: `local-${sequence}`, sequence, digest: `sha256:${"0".repeat(64)}` },
    vocabulary: VOCABULARY,
    purposes: new Map([
      ["support", PURPOSE],
      ["roaming", { ...PURPOSE, task: "optional", answer_lasts_ms: 1000 }],
    ]),
    catalogue: CATALOGUE,
    expires_ms: null,
    evaluate(input): Evaluation {
      return { ok: true, result: evaluate(JSON.parse(input) as PolicyInput), fuel: 1 };
    },
  };
}

/** The ports in memory. Every field may be changed between, or during, decisions. */
export class World {
  now_ms = NOW;
  monotonic_ms = 0;
  active: ActivePolicy | null = policyOf(() => ALLOWED);
  revision = 7;
  stale = false;
  lease: AnswerTime | null = null;
  agents = new Map([[AGENT.id, AGENT]]);
  tasks = new Map([[TASK.id, TASK]]);
  grants: Grant[] = [];
  /** `scope/id`. */
  revoked = new Set<string>();
  /** Of principals, before when tokens are revoked that were issued. */
  cutTokens = new Map<string, number>();
  /** By agent that is narrowed, what it is left with and has had; `spend` counts on. */
  narrowed = new Map<string, Narrowed>();
  /** `issuer subject` → agent. */
  credentials = new Map<string, string>();
  /** Tokens by their text. */
  agentProofs = new Map<string, AgentProof>();
  taskProofs = new Map<string, TaskProof>();
  /** By counted grant, how often it may still be used. */
  uses = new Map<string, number>();
  permitted = true;
  /** Records as they were appended, enclosed by us as the log does. */
  records: string[] = [];
  readonly beside: Beside[] = [];
  append: (body: string) => Promise<void> = () => Promise.resolve();
  /** What happens while a decision waits for facts that aren't known yet; whether they have come. */
  reached: () => Promise<boolean> = () => Promise.resolve(false);
  reserve: (grants: readonly string[]) => Promise<void> | null = () => null;
  grantsOf: (agent: string, task: string | null) => readonly Grant[] = () => this.grants;
  /** By agent and approval digest. */
  approvals = new Map<string, Grant[]>();
  /** By `scope/id`. */
  changes = new Map<string, number>();
  profile: KeptProfile = fixedProfile();
  settled: NonNullable<Pdp["settled"]> = () => undefined;
  authenticate: (authorization: string | undefined, scope: Scope) => Caller | Promise<Caller> = () => CALLER;
  limits = {
    ...REQUEST_LIMITS,
    batch_actions_max: 3,
    time_skew_max_ms: 60_000,
    approval_wait_ms: 900_000,
    chained_tasks_max: 1000,
  };

  readonly decider: Decider;
  readonly #log: DecisionLog;

  /** @param make a decider of another build, to see what that one does */
  constructor(make: (pdp: Pdp) => Decider = decider) {
    // A port reads the world at each call, as a service's ports do.
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const world = this;
    let drawn = 0;
    const pdp: Pdp = {
      system: {
        clock: { wall: () => world.now_ms, monotonic: () => world.monotonic_ms },
        timers: systemTimers,
        random: {
          fill: (bytes) => {
            for (let i = 0; i < bytes.length; i++) bytes[i] = drawn++ % 251;
          },
        },
      },
      identity: {
        authenticate: (...asked) => world.authenticate(...asked),
        mayAskFor: () => world.permitted,
        agentProof: (token) => proven(world.agentProofs, token, "/agent_token"),
        taskProof: (token) => proven(world.taskProofs, token, "/task_token"),
      },
      engine: {
        get active() {
          return world.active;
        },
      },
      facts: {
        get revision() {
          return world.revision;
        },
        get lease() {
          return world.lease;
        },
        get stale() {
          return world.stale;
        },
        agent: (id) => world.agents.get(id),
        task: (id) => world.tasks.get(id),
        agentOf: ({ issuer, subject }) => world.credentials.get(`${issuer} ${subject}`),
        revoked: (scope, id, issued_ms = Number.MAX_VALUE) =>
          world.revoked.has(`${scope}/${id}`) || (scope === "principal" && issued_ms < (world.cutTokens.get(id) ?? -Infinity)),
        narrowed: (agent) => world.narrowed.get(agent) ?? null,
        reached: () => world.reached(),
        grants: (agent, task) => world.grantsOf(agent, task),
        approvals: (agent, _now, digest) => (world.approvals.size === 0 ? [] : (world.approvals.get(`${agent} ${digest()}`) ?? [])),
        lastChange: (scope, id) => world.changes.get(`${scope}/${id}`) ?? 0,
        reserve: (grants) => world.reserve(grants),
        take: (grants) => {
          if (grants.some((id) => (world.uses.get(id) ?? 0) === 0)) return false;
          for (const id of grants) world.uses.set(id, (world.uses.get(id) ?? 0) - 1);
          return true;
        },
        spend: (agents) => {
          const narrowed = agents.flatMap((agent) => world.narrowed.get(agent) ?? []);
          if (narrowed.some(({ permitted, actions_per_minute }) => permitted >= actions_per_minute)) return false;
          for (const one of narrowed) one.permitted++;
          return true;
        },
        giveBack: (grants) => {
          for (const id of grants) world.uses.set(id, (world.uses.get(id) ?? 0) + 1);
        },
      },
      profile: {
        get learns() {
          return world.profile.learns;
        },
        get ready() {
          return world.profile.ready;
        },
        assess: (act) => world.profile.assess(act),
        learn: (act, outcome) => {
          world.profile.learn(act, outcome);
        },
        unrecorded: () => {
          world.profile.unrecorded();
        },
      },
      settled: (act, assessed, answer, kind, approval) => {
        world.settled(act, assessed, answer, kind, approval);
      },
      log: {
        get seq() {
          return world.records.length;
        },
        append: async (before, after, beside) => {
          const record = `{${before},"seq":${world.records.length + 1},${after}}`;
          // Another build may have lost what makes it so.
          if (make === decider && canonical(JSON.parse(record)) !== record) throw new Error(`the record is not canonical: ${record}`);
          world.records.push(record);
          if (beside !== undefined) world.beside.push(beside);
          await world.append(record);
        },
      },
      limits: this.limits,
    };
    this.#log = pdp.log;
    this.decider = make(pdp);
  }

  observe(request: unknown = REQUEST): Promise<Answer> {
    return observeBy(this.decider, this.#log, request, CALLER);
  }

  decide(request: unknown = REQUEST): ReturnType<Decider["decide"]> {
    return this.decider.decide(Buffer.from(JSON.stringify(request)), "Bearer x");
  }

  batch(actions: unknown): ReturnType<Decider["decideBatch"]> {
    return this.decider.decideBatch(Buffer.from(JSON.stringify({ actions })), "Bearer x");
  }
}

/** Judges an action as one that has happened, and appends its record in the same turn, as an observer does. */
export async function observeBy({ intake, attempt, observed }: Decider, log: DecisionLog, asked: unknown, caller: Caller): Promise<Answer> {
  const arrival = intake.arrival();
  const policy = intake.activePolicy();
  const question = await intake.question(intake.read(asked, policy), caller, policy, arrival);
  const { answer, entry } = observed.write(attempt({ ...question, kind: "observed" }));
  await log.append(entry.before, entry.after, entry.beside);
  return answer;
}

/** The problem that this ends in; anything else, an answer included, fails the test. */
export async function problemOf(run: Promise<unknown> | (() => unknown)): Promise<Problem> {
  try {
    await (typeof run === "function" ? run() : run);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("it was answered");
}
