/**
 * What evaluating and deciding cost without HTTP, in microseconds of CPU over all threads of this process.
 *
 *   node dist/bench/in_process.js <folder for its files> full|quick     prints one JSON line: an InProcess
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SegmentLog } from "../src/audit/log.js";
import { logIdentity } from "../src/audit/log_keys.js";
import type { PolicyData, PolicyInput } from "../src/contract/index.js";
import { decider, type Decider } from "../src/decision/decide.js";
import type { ActivePolicy, Agent, DecisionLog, Facts, Identity, Task } from "../src/decision/ports.js";
import { stillFacts, stillProfile } from "../src/decision/still.js";
import { taskOf } from "../src/facts/file.js";
import { configuredIdentity } from "../src/identity/configured.js";
import { PolicyInstance, type Module } from "../src/policy/instance.js";
import { readConfig, type Config } from "../src/system/config.js";
import { system as host, type System } from "../src/system/index.js";
import { median } from "./measure.js";
import { moduleOf, purposeId, withPurposes } from "./many.js";
import { sandboxIn, shippedBundle } from "./servers.js";
import { action, agentId, batches, inHours, PURPOSE } from "./workload.js";

/** Microseconds of CPU each. */
export interface InProcess {
  evaluate: number;
  /** One at a time, evaluated on the calling thread. */
  decide: number;
  /** 64 under way, evaluated by the thread that can be stopped, as the service does. */
  decide_threaded: number;
  /** An action in a batch of 100 with 8 batches under way, records on disk. */
  batch_action: number;
  small_world: World;
  large_world: World;
  sizes: { packages: number; small: Size; large: Size };
}

interface Size {
  purposes: number;
  agents: number;
}

interface World {
  evaluate: number;
  decide: number;
}

const [folder = "", extent = "full"] = process.argv.slice(2);
const QUICK = extent === "quick";
const ROUNDS = QUICK ? 3 : 5;
const OPERATIONS = QUICK ? 5_000 : 10_000;
const BATCH_SIZE = 100;
const PACKAGES = 300;
const SMALL: Size = { purposes: 10, agents: 10 };
const LARGE: Size = { purposes: 5_000, agents: 100_000 };
/** Different actions asked in turn; in the large world they are spread over its agents. */
const ACTIONS = 1000;
const UNDER_WAY = 64;
const BATCHES_UNDER_WAY = 8;
const IN_MEMORY: DecisionLog = { seq: 0, append: () => Promise.resolve() };

const system: System = { ...host, clock: inHours(host.clock) };

mkdirSync(folder, { recursive: true });
const { config: file, token } = await sandboxIn(join(folder, "sandbox"), system.clock);
const config = readConfig(file);
const authorization = `Bearer ${token("bench", ["remit:decide"])}`;
const identity = identityOf(config);
const bundle = await shippedBundle(system.clock);
const shipped = await shippedFigures();
const wasm = await moduleOf(PACKAGES, join(folder, "many"));
const [small, large] = [await world(SMALL), await world(LARGE)];
const [smallWorld, largeWorld] = await inTurn(small, large);
const found: InProcess = {
  ...shipped,
  small_world: smallWorld,
  large_world: largeWorld,
  sizes: { packages: PACKAGES, small: SMALL, large: LARGE },
};
console.log(JSON.stringify(found));
process.exit(0);

async function shippedFigures(): Promise<Pick<InProcess, "evaluate" | "decide" | "decide_threaded" | "batch_action">> {
  const module: Module = bundle;
  const bodies = Array.from({ length: ACTIONS }, (_, i) => Buffer.from(JSON.stringify(action(i))));
  const known = factsOf(ACTIONS, () => PURPOSE);
  const placed = policyOf(module, bundle.data);
  const instance = new PolicyInstance(module);
  const inputs = await inputsOf(placed, known, bodies);
  const evaluate = await cost(OPERATIONS, 1, (i) => instance.evaluate(inputs[i % inputs.length] ?? ""));
  const decide = await cost(OPERATIONS, 1, asking(deciderOf(placed, known, IN_MEMORY), bodies));
  const decideUnderWay = await cost(OPERATIONS, UNDER_WAY, asking(deciderOf(placed, known, IN_MEMORY), bodies));
  const { dir: directory, ...limits } = config.log;
  const failed = (detail: string | number): never => {
    throw new Error(String(detail));
  };
  const events = { unavailable: failed, ready: () => undefined, lost: failed, unsealed: failed };
  const log = await SegmentLog.open({ directory, ...limits, ...logIdentity(directory, {}) }, system.timers, events);
  const asked = batches(ACTIONS, BATCH_SIZE).map((body) => Buffer.from(body));
  const { decideBatch } = deciderOf(placed, known, log);
  const batch = await cost(OPERATIONS / BATCH_SIZE, BATCHES_UNDER_WAY, (i) =>
    decideBatch(asked[i % asked.length] ?? Buffer.alloc(0), authorization),
  );
  await log.close();
  return { evaluate, decide, decide_threaded: decideUnderWay, batch_action: batch / BATCH_SIZE };
}

interface Asks {
  evaluate: (i: number) => unknown;
  decide: (i: number) => Promise<unknown>;
}

/** Agents of purposes with custom rules ask, so that a large world has no less to evaluate. */
async function world({ purposes, agents }: Size): Promise<Asks> {
  const purposeOf = (i: number): string => purposeId(i % Math.min(purposes, PACKAGES));
  const data = withPurposes(bundle.data, purposes);
  const module: Module = { wasm, dataText: Buffer.from(JSON.stringify(data)), metadata: bundle.metadata };
  const known = factsOf(agents, purposeOf);
  // Five actions differ by number modulo five: the stride keeps their mix.
  const stride = Math.max(1, Math.floor(agents / ACTIONS));
  const numbers = Array.from({ length: Math.min(agents, ACTIONS) }, (_, i) => i * stride + (stride % 5 === 0 ? i % 5 : 0));
  const bodies = numbers.map((i) => Buffer.from(JSON.stringify(action(i, purposeOf(i)))));
  const policy = policyOf(module, data);
  const instance = new PolicyInstance(module);
  const inputs = await inputsOf(policy, known, bodies);
  return {
    evaluate: (i) => instance.evaluate(inputs[i % inputs.length] ?? ""),
    decide: asking(deciderOf(policy, known, IN_MEMORY), bodies),
  };
}

/** The two by turns, so that a moment in which the machine is busy falls on both. */
async function inTurn(one: Asks, other: Asks): Promise<[World, World]> {
  const found = [one, other].map(() => ({ evaluate: [] as number[], decide: [] as number[] }));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [k, asks] of [one, other].entries()) {
      const evaluate = await cpuOf(OPERATIONS / 2, 1, asks.evaluate);
      const decide = await cpuOf(OPERATIONS / 2, 1, asks.decide);
      if (round === 0) continue; // warm-up
      found[k]?.evaluate.push(evaluate);
      found[k]?.decide.push(decide);
    }
  }
  const [a, b] = found.map(({ evaluate, decide }) => ({ evaluate: median(evaluate), decide: median(decide) }));
  if (a === undefined || b === undefined) throw new Error("nothing was measured");
  return [a, b];
}

/** Microseconds of CPU an operation: the median of rounds after one of warm-up. */
async function cost(operations: number, underWay: number, operation: (i: number) => unknown): Promise<number> {
  await cpuOf(operations, underWay, operation);
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await cpuOf(operations, underWay, operation));
  return median(rounds);
}

async function cpuOf(operations: number, underWay: number, operation: (i: number) => unknown): Promise<number> {
  let next = 0;
  const ask = async (): Promise<void> => {
    while (next < operations) {
      const answer = operation(next++);
      if (answer instanceof Promise) await answer;
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: underWay }, ask));
  const { user, system: kernel } = process.cpuUsage(before);
  return (user + kernel) / operations;
}

function asking({ decide }: Decider, bodies: Buffer[]): (i: number) => Promise<unknown> {
  return (i) => decide(bodies[i % bodies.length] ?? Buffer.alloc(0), authorization);
}

/** What the policy is asked for each body. */
async function inputsOf(policy: ActivePolicy, known: Facts, bodies: Buffer[]): Promise<string[]> {
  const records: string[] = [];
  const { decide } = deciderOf(policy, known, {
    seq: 0,
    append: (body) => {
      records.push(body);
      return Promise.resolve();
    },
  });
  for (const body of bodies) await decide(body, authorization);
  return records.map((body) => {
    const { input } = JSON.parse(`{${body}}`) as { input?: PolicyInput };
    if (input === undefined) throw new Error(`the policy was not asked: ${body}`);
    return JSON.stringify(input);
  });
}

function deciderOf(policy: ActivePolicy, known: Facts, log: DecisionLog): Decider {
  const limits = { ...config.limits, ...config.decision };
  return decider({ system, identity, engine: { active: policy }, facts: known, log, profile: stillProfile(), limits });
}

function policyOf(module: Module, data: PolicyData): ActivePolicy {
  const instance = new PolicyInstance(module);
  return {
    identity: bundle.identity,
    vocabulary: data.vocabulary,
    purposes: new Map(Object.entries(data.purposes)),
    catalogue: bundle.catalogue,
    expires_ms: null,
    evaluate: (input) => instance.evaluate(input),
  };
}

/** In memory as the service holds them; a facts file has a largest size, and tasks may be created beside it. */
function factsOf(count: number, purposeOf: (i: number) => string): Facts {
  const agents = new Map<string, Agent>();
  const tasks = new Map<string, Task>();
  for (let i = 0; i < count; i++) {
    const [id, purpose] = [agentId(i), purposeOf(i)];
    const purposes = new Set([purpose]);
    agents.set(id, {
      id,
      version: "1",
      owner: "bench",
      purposes,
      attributes: {},
      status: "active",
      registered_ms: 0,
      token_required: false,
    });
    const subjects = { ticket: [`TCK-${i}`], customer: [`customer-${i}`] };
    tasks.set(`T-${i}`, taskOf(`T-${i}`, { agent: id, purpose, subjects, attributes: { topic: "billing" } }, null));
  }
  return stillFacts({ agent: (id) => agents.get(id), task: (id) => tasks.get(id) });
}

function identityOf(config: Config): Identity {
  const report = { loaded: () => undefined, failed: () => undefined };
  return configuredIdentity(config, system, false, report);
}
