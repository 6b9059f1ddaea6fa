/**
 * A decision point in memory, made of a build's own modules: registry, ledger, flights and decider on a store, a clock, a
 * policy and tokens that are the test's. Tokens are JSON here, and say themselves what they prove.
 */
import { REQUEST_LIMITS } from "../../src/contract/index.js";
import type { PolicyInput, PolicyResult } from "../../src/contract/index.js";
import type { Decided, Decider } from "../../src/decision/decide.js";
import type { ActivePolicy, AgentProof, Identity, TaskProof } from "../../src/decision/ports.js";
import { fixedProfile } from "../../src/decision/fixed_ports.js";
import type { Commands } from "../../src/facts/commands.js";
import type { Flights } from "../../src/http/flights.js";
import type { MemoryDisk } from "../../src/store/memory.js";
import { CALLER, PURPOSE, VOCABULARY, policyOf } from "../decision/world.js";
import { LIMITS, NOW, StillTimers, compileEntry } from "../facts/world.js";
import type { Tree } from "./threat.js";

export const PURPOSES = ["support", "billing", "audit"] as const;

/** Whoever the token says, for whatever is asked. */
export const TRUSTING: Identity = {
  authenticate: (authorization = "") => ({ ...CALLER, token: { ...CALLER.token, jti: authorization } }),
  mayAskFor: () => true,
  agentProof: (token) => JSON.parse(token) as AgentProof,
  taskProof: (token) => JSON.parse(token) as TaskProof,
};

export interface Outside {
  disk?: MemoryDisk;
  /** The facts revision that the log has; left out, the disk's. */
  recorded?: number;
  identity?: (clock: { wall: () => number; monotonic: () => number }) => Identity;
  policy?: (input: PolicyInput) => PolicyResult | Promise<PolicyResult>;
  /** Waits for what a record takes to be on disk; the record is without its braces. */
  append?: (record: string) => Promise<void>;
}

const REFUSED: PolicyResult = {
  decision: "deny",
  proceed: false,
  reasons: [{ effect: "deny", code: "not_permitted", severity: "medium", params: {} }],
  obligations: [],
};
const ALLOWED: PolicyResult = {
  decision: "allow",
  proceed: true,
  reasons: [{ effect: "allow", code: "read_own", severity: "info", params: {} }],
  obligations: [],
};

/** Permits what is about a customer of the task's own. */
export function ownCustomer({ request, facts }: PolicyInput): PolicyResult {
  const { customer } = request.resource.attributes as { customer?: unknown };
  return facts.task.subjects["customer"]?.some((id) => id === customer) === true ? ALLOWED : REFUSED;
}

/** Permits everything: what refuses is the floor alone. */
export const anything = (): PolicyResult => ALLOWED;

export class Living {
  readonly timers = new StillTimers();
  /** How far the host's wall clock is from what it would be, had nobody moved it. */
  ahead_ms = 0;
  readonly clock = { wall: () => NOW + this.timers.now + this.ahead_ms, monotonic: () => this.timers.now };
  /** Decisions' records and facts' records, as JSON texts. */
  readonly records: string[] = [];
  commands!: Commands;
  decider!: Decider;
  flights!: Flights;

  static async open(tree: Tree, outside: Outside = {}): Promise<Living> {
    const living = new Living();
    await living.#start(tree, outside);
    return living;
  }

  async #start(tree: Tree, { disk, recorded, identity = () => TRUSTING, policy = anything, append }: Outside): Promise<void> {
    const [{ Commands }, { MemoryStore }, { decider }, { Flights }] = await Promise.all([
      tree("facts/commands.js"),
      tree("store/memory.js"),
      tree("decision/decide.js"),
      tree("http/flights.js"),
    ]);
    const { clock, timers, records } = this;
    const active: ActivePolicy = {
      ...policyOf((input) => policy(input)),
      vocabulary: VOCABULARY,
      purposes: new Map(PURPOSES.map((id) => [id, { ...PURPOSE, task: "optional" }])),
    };
    const log = {
      get seq() {
        return records.length;
      },
      append: async (before: string, after: string): Promise<void> => {
        records.push(`{${before},${after}}`);
        await append?.(`${before},${after}`);
      },
    };
    this.flights = new Flights(timers, 1000);
    this.commands = await Commands.open({
      store: new MemoryStore(timers, disk),
      log,
      past: { revision: recorded ?? disk?.rows.length ?? 0, uses: () => none() },
      system: { clock, timers },
      policy: () => active,
      compile: compileEntry,
      barrier: () => this.flights.landed(),
      limits: LIMITS,
      ledger: { retry_ms: 1000, durable_within_ms: 2000 },
    });
    let drawn = 0;
    const fill = (bytes: Uint8Array): void => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = drawn++ % 251;
    };
    this.decider = decider({
      system: { clock, random: { fill }, timers },
      identity: identity(clock),
      engine: { active },
      facts: this.commands.registry,
      log,
      profile: fixedProfile(),
      limits: {
        ...REQUEST_LIMITS,
        batch_actions_max: 32,
        time_skew_max_ms: 60_000,
        approval_wait_ms: 900_000,
        chained_tasks_max: 1000,
      },
    });
  }

  decide(request: object, token = "j-caller"): Promise<Decided> {
    return this.decider.decide(Buffer.from(JSON.stringify(request)), token);
  }

  batch(actions: object[], token = "j-caller"): Promise<Decided[]> {
    return this.decider.decideBatch(Buffer.from(JSON.stringify({ actions })), token);
  }
}

// eslint-disable-next-line @typescript-eslint/require-await
async function* none(): AsyncGenerator<never> {
  yield* [];
}

export interface Action {
  agent: string;
  task?: string | null;
  purpose?: string;
  verb?: string;
  customer?: string;
}

/** A request, with what isn't said as it mostly is. */
export function asking({ agent, task = null, purpose = "support", verb = "read", customer = "ada" }: Action): object {
  const resource = { type: "invoice", id: "I-1", attributes: { customer } };
  return { agent, ...(task === null ? {} : { task }), purpose, verb, resource };
}
