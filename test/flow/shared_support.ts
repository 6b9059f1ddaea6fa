/** Nodes of a cluster in one process: real decision points on texts in memory that are late, lost and changed by others meanwhile. */
import type { Limit, PolicyInput, PolicyResult, Purpose, Vocabulary } from "../../src/contract/index.js";
import { decider, type Decider, type Pdp } from "../../src/decision/decide.js";
import type { ActivePolicy, FlowQuestion, Task } from "../../src/decision/ports.js";
import { OutcomeReports } from "../../src/decision/outcomes.js";
import { SharedFlow, type SharedState, type SharedStates } from "../../src/flow/shared_flow.js";
import { returnedOf } from "../../src/flow/returned_values.js";
import { systemRandom, systemTimers } from "../../src/system/index.js";
import { ALLOWED, CALLER, NOW, PURPOSE, REQUEST, TASK, VOCABULARY, World, policyOf } from "../decision/world.js";

export const WATCHED: Task = { ...TASK, watched: true };

/** The last revision of any text. */
let revisions = 0;

/** Texts as the servers have them. Each call may be late, and its answer lost, by drawn numbers. */
export class States implements SharedStates {
  readonly texts = new Map<string, { revision: number; text: string }>();
  away = false;
  /** Calls that fail from now on. */
  failures = 0;
  /** Milliseconds for which each was last said to be kept. */
  readonly kept = new Map<string, number | null>();
  /** Called before a text is written. */
  beforeWrite: (scope: string) => Promise<void> | void = () => undefined;

  /** @param draw a number from 0 to 1; 0: nothing is late or lost */
  constructor(readonly draw: () => number = () => 0) {}

  async read(scope: string): Promise<SharedState> {
    await this.#late();
    return this.texts.get(scope) ?? { revision: 0, text: null };
  }

  async write(scope: string, text: string, expected: number, kept_ms: number | null): Promise<boolean> {
    this.kept.set(scope, kept_ms);
    await this.beforeWrite(scope);
    await this.#late();
    const fits = (this.texts.get(scope)?.revision ?? 0) === expected;
    if (fits && this.draw() < 0.95) this.texts.set(scope, { revision: ++revisions, text });
    else if (fits) throw new Error("lost on its way there");
    if (this.draw() > 0.95) throw new Error("lost on its way back");
    return fits;
  }

  drop(scope: string): void {
    this.texts.delete(scope);
  }

  async #late(): Promise<void> {
    const turns = Math.floor(this.draw() * 4);
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    if (this.away || (this.failures > 0 && this.failures-- > 0)) throw new Error("no server is there");
  }
}

const text = { kind: "string", max: 200 } as const;
export const WORDS: Vocabulary = {
  ...VOCABULARY,
  verbs: {
    ...VOCABULARY.verbs,
    read: { class: "read", collection: false, effect: "look" },
    update: { class: "write", collection: false, effect: "add" },
  },
  types: {
    ...VOCABULARY.types,
    // What it returns is a system's own record: reading one leaves nothing to be awaited.
    payment_method: {
      ...VOCABULARY.types["payment_method"],
      flow: { roles: {}, writes: { "*": "service" } },
    } as Vocabulary["types"][string],
    invoice: {
      ...VOCABULARY.types["invoice"],
      arguments: { to: text },
      flow: { roles: { to: "destination" }, writes: {}, labels: ["bill"] },
    } as Vocabulary["types"][string],
  },
  flow: { slots: [], own: [], members: [], secret: [] },
};

export const DENIED: PolicyResult = {
  ...ALLOWED,
  decision: "deny",
  proceed: false,
  reasons: [{ effect: "deny", code: "read_only", severity: "high", params: {} }],
};

/** Permits what its limits, and the task's plan, have room for. */
export function fits({ facts: { flow } }: PolicyInput): PolicyResult {
  const all = [...Object.values(flow?.limits ?? {}), ...(flow?.plan?.times === undefined ? [] : [flow.plan.times])];
  return all.every(({ used, adds, max }) => adds !== null && used + adds <= max) ? ALLOWED : DENIED;
}

/** A policy with these limits whose evaluation is a function of the input. */
export function policyWith(limits: Limit[], evaluate: (input: PolicyInput) => PolicyResult = fits, vocabulary = WORDS): ActivePolicy {
  const purpose: Purpose = { ...PURPOSE, ...(limits.length > 0 && { limits }) };
  return { ...policyOf(evaluate), vocabulary, purposes: new Map([["support", purpose]]) };
}

export class Node {
  readonly world: World;
  readonly flow: SharedFlow;
  readonly outcomes: OutcomeReports;
  /** Scopes that could not be written, and why. */
  readonly unwritten: string[] = [];
  readonly failed: string[] = [];
  /** Last question of flow. */
  asked: FlowQuestion | null = null;
  /** Of its clock. */
  speed = 1;

  constructor(
    readonly states: States,
    policy: ActivePolicy,
    make: (pdp: Pdp) => Decider = decider,
    Shared: typeof SharedFlow = SharedFlow,
  ) {
    this.flow = new Shared({
      states,
      clock: { wall: () => this.world.now_ms, monotonic: () => performance.now() * this.speed },
      timers: { ...systemTimers, after: (ms, call) => systemTimers.after(ms / this.speed, call) },
      find: (id) => this.world.tasks.get(id),
      unwritten: (scopes, detail) => {
        this.unwritten.push(...scopes);
        this.failed.push(detail);
      },
    });
    const { flow } = this;
    const ask = flow.ask.bind(flow);
    flow.ask = (question) => ask((this.asked = question));
    this.world = new World((pdp) => make({ ...pdp, flow: this.flow, system: { ...pdp.system, random: systemRandom } }));
    this.world.active = policy;
    this.world.tasks.set(WATCHED.id, WATCHED);
    this.outcomes = new OutcomeReports({
      log: { append: () => Promise.resolve() },
      clock: { wall: () => NOW },
      recent_max: 1000,
      flow: this.flow.outcomes,
    });
  }

  /** @returns the answer, or the code of its problem */
  async does(verb: string, more: object = {}): Promise<{ id: string; proceed: boolean; codes: string[] }> {
    const { answer } = await this.world.decider.decideAction({ ...REQUEST, verb, ...more }, CALLER);
    this.outcomes.remember(answer.decision_id, CALLER.id, answer.proceed);
    return { id: answer.decision_id, proceed: answer.proceed, codes: answer.reasons.map(({ code }) => code) };
  }

  async tells(decisionId: string, outcome: "done" | "failed" | "not_attempted", returned?: unknown): Promise<void> {
    await this.outcomes.report(decisionId, CALLER.id, { outcome, ...(returned !== undefined && { returned: returnedOf(returned) }) });
  }

  get inputs(): PolicyInput[] {
    return this.world.records.map((record) => JSON.parse(record) as { input: PolicyInput }).map(({ input }) => input);
  }
}
