/** One request with the facts it meets, as JSON that a golden case can hold; and the stage that brings it before a policy. */
import { REQUEST_LIMITS, Problem, type Answer, type InputGrant, type PolicyData, type Values } from "../../src/contract/index.js";
import { decider, type Decider } from "../../src/decision/decide.js";
import type { ActivePolicy, Agent, Evaluation, Task } from "../../src/decision/ports.js";
import { NO_TOKEN, knownCaller, fixedFacts, fixedProfile } from "../../src/decision/fixed_ports.js";
import { taskOf } from "../../src/facts/file.js";
import type { UnverifiedBundle } from "../../src/bundle/verify.js";
import { PolicyInstance } from "../../src/policy/instance.js";
import { systemRandom, systemTimers } from "../../src/system/index.js";

export interface SceneTask {
  agent: string;
  purpose: string;
  subjects?: Record<string, string[]>;
  attributes?: Values;
}

export interface Scene {
  now_ms: number;
  request: Record<string, unknown>;
  /** The agent `AGENT`, and the task `TASK`. */
  agent: { owner: string; version?: string; attributes?: Values };
  task: SceneTask;
  grants: InputGrant[];
}

export const AGENT = "agent-1";
export const TASK = "task-1";
export const CALLER = "gateway-1";
export const SKEW_MAX_MS = 30_000;

export interface Asked {
  scene: Scene;
  /** The text of a `PolicyInput`. */
  input: string;
  /** What the engine answered; `FAILED` where it didn't. */
  engine: unknown;
}

/** As the facts file of a golden case has them. */
export function factsOf({ agent, task }: Scene, purposes: string[]): object {
  return { agents: { [AGENT]: { purposes, ...agent } }, tasks: { [TASK]: task } };
}

/** Of whoever evaluates: no answer, whatever the reason. */
export const FAILED = { decision: "failed" };

/** Everything between a request's bytes and the policy, once for many scenes. */
export class Stage {
  readonly data: PolicyData;
  readonly #instance: PolicyInstance;
  readonly #decider: Decider;
  #now = 0;
  #agent: Agent | undefined;
  #task: Task | undefined;
  #grants: InputGrant[] = [];
  #evaluate: (input: string) => Evaluation = () => {
    throw new Error("no scene is on");
  };

  /** @param data in place of the bundle's own */
  constructor(bundle: UnverifiedBundle, data: PolicyData = bundle.data) {
    this.data = data;
    const dataText = Buffer.from(JSON.stringify(data));
    this.#instance = new PolicyInstance({ wasm: bundle.wasm, dataText, metadata: bundle.metadata });
    const policy: ActivePolicy = {
      identity: bundle.identity,
      vocabulary: data.vocabulary,
      purposes: new Map(Object.entries(data.purposes)),
      catalogue: bundle.catalogue,
      expires_ms: null,
      evaluate: (text) => this.#evaluate(text),
    };
    this.#decider = decider({
      system: { clock: { wall: () => this.#now, monotonic: () => 0 }, random: systemRandom, timers: systemTimers },
      identity: knownCaller({ id: CALLER, scopes: new Set<never>(), token: NO_TOKEN }),
      engine: { active: policy },
      facts: fixedFacts({
        agent: (id) => (id === AGENT ? this.#agent : undefined),
        task: (id) => (id === TASK ? this.#task : undefined),
        grants: () => this.#grants,
      }),
      log: { seq: 0, append: () => Promise.resolve() },
      profile: fixedProfile(),
      limits: {
        ...REQUEST_LIMITS,
        batch_actions_max: 1,
        time_skew_max_ms: SKEW_MAX_MS,
        approval_wait_ms: 1,
        chained_tasks_max: 1000,
      },
    });
  }

  get purposes(): string[] {
    return Object.keys(this.data.purposes);
  }

  /** Null where the reader or the floor refuses, and no policy is asked. */
  async ask(scene: Scene): Promise<Asked | null> {
    let asked: Asked | null = null;
    await this.#decide(scene, (input) => {
      const evaluation = this.#instance.evaluate(input);
      asked = { scene, input, engine: evaluation.ok ? evaluation.result : FAILED };
      return evaluation;
    });
    return asked;
  }

  /** The whole answer where `result` is what the policy says. */
  async answer(scene: Scene, result: unknown): Promise<Answer> {
    const answer = await this.#decide(scene, () => ({ ok: true, result, fuel: 0 }));
    if (answer === null) throw new Error("the reader refuses this");
    return answer;
  }

  async #decide(scene: Scene, evaluate: (input: string) => Evaluation): Promise<Answer | null> {
    this.#now = scene.now_ms;
    const { owner, version = "1", attributes = {} } = scene.agent;
    const purposes = new Set(this.purposes);
    this.#agent = { id: AGENT, owner, version, attributes, purposes, status: "active", registered_ms: 0, token_required: false };
    this.#task = taskOf(TASK, scene.task, null);
    this.#grants = scene.grants;
    this.#evaluate = evaluate;
    try {
      return (await this.#decider.decide(Buffer.from(JSON.stringify(scene.request)), undefined)).answer;
    } catch (error) {
      if (error instanceof Problem) return null;
      throw error;
    }
  }
}
