/** A helpdesk that decides through the service's own `decide`, by a bundle that was built of the template, into a log's folder. */
import { REQUEST_LIMITS } from "../../src/contract/index.js";
import { readFileSync } from "node:fs";
import type { Answer } from "../../src/contract/index.js";
import { RecordMasks } from "../../src/audit/privacy/masks.js";
import { readUnverified, type BundleContent } from "../../src/bundle/verify.js";
import { decider } from "../../src/decision/decide.js";
import type {
  ActivePolicy,
  Agent,
  AgentProof,
  Caller,
  Grant,
  DecisionLog,
  KeptProfile,
  Narrowed,
  RevocationScope,
  Task,
  TaskProof,
} from "../../src/decision/ports.js";
import { NO_TOKEN, fixedFacts, fixedProfile } from "../../src/decision/fixed_ports.js";
import { ReplayBundles, RunningBundle } from "../../src/replay/bundles.js";
import { impact, type Impact } from "../../src/replay/impact.js";
import type { RecordRange, UnreadableRecord } from "../../src/replay/records.js";
import { replay, type Differing, type Replayed } from "../../src/replay/replay.js";
import { system } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { build, type Changes } from "../build/support.js";
import { observeBy } from "../decision/world.js";

/** 2027-03-02T10:15:00+01:00, a Tuesday in Berlin. */
export const NOW = Date.parse("2027-03-02T09:15:00Z");
export const WHOLE: RecordRange = { from: null, to: null };

const CALLER: Caller = { id: "gateway-1", scopes: new Set(["remit:decide"] as const), token: NO_TOKEN };

export const AGENT: Agent = {
  id: "helpdesk-3",
  version: "1",
  owner: "it-platform@example.com",
  purposes: new Set(["it_helpdesk"]),
  attributes: {},
  status: "active",
  registered_ms: 0,
  token_required: false,
};

export const TASK: Task = {
  id: "T-1",
  agent: "helpdesk-3",
  purpose: "it_helpdesk",
  parent: null,
  principal: null,
  subjects: { incident: ["INC-81"], employee: ["ada"] },
  attributes: { urgency: "normal" },
  verbs: null,
  expires_ms: null,
  ended: false,
};

export interface Asked {
  agent?: string;
  purpose?: string;
  task?: string | null;
  verb: string;
  type: string;
  id?: string | null;
  attributes?: Record<string, unknown>;
  arguments?: Record<string, unknown>;
  time?: string;
}

/** Built once for each set of changes. */
const built = new Map<string, Promise<{ content: BundleContent; archive: Buffer }>>();

/** The template's set with changes, as a bundle's content and its bytes. */
export async function bundleOf(changes: Changes = {}, sequence = 1): Promise<{ content: BundleContent; archive: Buffer }> {
  const template = (file: string): string => readFileSync(asset("templates", "policy", file), "utf8");
  const texts = Object.entries(changes).map(([file, change]) => [file, typeof change === "function" ? change(template(file)) : change]);
  const key = JSON.stringify([sequence, texts]);
  let found = built.get(key);
  if (found === undefined) {
    found = build(changes, { sequence }).then(async ({ archive }) => ({ content: await readUnverified(archive), archive }));
    built.set(key, found);
  }
  return found;
}

export function bundlesOf(...contents: BundleContent[]): ReplayBundles {
  return new ReplayBundles(contents);
}

const running = new WeakMap<BundleContent, RunningBundle>();

export function runningOf(content: BundleContent): RunningBundle {
  const known = running.get(content) ?? new RunningBundle(content);
  running.set(content, known);
  return known;
}

export class Desk {
  now = NOW;
  readonly agents = new Map<string, Agent>([[AGENT.id, AGENT]]);
  readonly tasks = new Map<string, Task>([[TASK.id, TASK]]);
  /** By the level of the task in its chain. */
  grants: Grant[] = [];
  caller: Caller = CALLER;
  callerPermitted = true;
  stale = false;
  revoked: { scope: RevocationScope; id: string } | null = null;
  /** By the agent that is narrowed. */
  readonly narrowed = new Map<string, Narrowed>();
  agentProof: AgentProof | null = null;
  taskProof: TaskProof | null = null;
  /** Whose every credential is. */
  proven: string | undefined = AGENT.id;
  profile: KeptProfile = fixedProfile();
  readonly masks = new RecordMasks({ at: () => ({ period: "2027-03-01", key: Buffer.alloc(32, 7) }) });

  constructor(
    public policy: ActivePolicy,
    readonly log: DecisionLog,
  ) {}

  async ask(asked: Asked, kind: "decision" | "observed" = "decision"): Promise<Answer> {
    const still = fixedFacts({ agent: (id) => this.agents.get(id), task: (id) => this.tasks.get(id) });
    const made = decider({
      system: { clock: { wall: () => this.now, monotonic: () => 0 }, random: system.random, timers: system.timers },
      identity: {
        authenticate: () => this.caller,
        mayAskFor: () => this.callerPermitted,
        agentProof: () => this.#need(this.agentProof),
        taskProof: () => this.#need(this.taskProof),
      },
      engine: { active: this.policy },
      facts: {
        ...still,
        stale: this.stale,
        agentOf: () => this.proven,
        revoked: (scope, id) => this.revoked?.scope === scope && this.revoked.id === id,
        narrowed: (agent) => this.narrowed.get(agent) ?? null,
        grants: () => this.grants,
      },
      log: this.log,
      profile: this.profile,
      masks: this.masks,
      limits: {
        ...REQUEST_LIMITS,
        batch_actions_max: 1,
        time_skew_max_ms: 30_000,
        approval_wait_ms: 900_000,
        chained_tasks_max: 1000,
      },
    });
    const { agent = AGENT.id, purpose = "it_helpdesk", task = TASK.id, verb, type, id = null, time } = asked;
    const request = {
      agent,
      purpose,
      ...(task !== null && { task }),
      verb,
      resource: { type, id, attributes: asked.attributes ?? {} },
      arguments: asked.arguments ?? {},
      ...(time !== undefined && { time }),
      ...(this.agentProof !== null && { agent_token: "token" }),
      ...(this.taskProof !== null && { task_token: "token" }),
    };
    if (kind === "observed") return observeBy(made, this.log, request, this.caller);
    return (await made.decideAction(request, this.caller)).answer;
  }

  #need<T>(proof: T | null): T {
    if (proof === null) throw new Error("nobody has such a token");
    return proof;
  }
}

export interface ReplayOutcome extends Replayed {
  differences: Differing[];
  unreadables: UnreadableRecord[];
}

export async function replayed(folder: string, bundles: ReplayBundles, range: RecordRange = WHOLE): Promise<ReplayOutcome> {
  const differences: Differing[] = [];
  const unreadables: UnreadableRecord[] = [];
  const found = await replay(folder, range, bundles, system.timers, {
    differing: (one) => differences.push(one),
    unreadable: (one) => unreadables.push(one),
    progress: () => undefined,
  });
  return { ...found, differences, unreadables };
}

export async function impactOf(folder: string, content: BundleContent, range: RecordRange = WHOLE): Promise<Impact> {
  return impact(folder, range, runningOf(content), system.timers, {
    unreadable: () => undefined,
    progress: () => undefined,
  });
}
