/**
 * What evaluating and deciding cost without HTTP and without records, on the shipped policy for customer support, and how that
 * grows with the world: microseconds of CPU over all threads of this process. Prints one JSON line, an `InProcess`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PolicyData, PolicyInput } from "../src/contract/index.js";
import { decider, type Decider } from "../src/decision/decide.js";
import type { ActivePolicy, Agent, DecisionLog, Facts, Task } from "../src/decision/ports.js";
import { fixedFacts, fixedProfile } from "../src/decision/fixed_ports.js";
import { taskOf } from "../src/facts/file.js";
import { configuredIdentity } from "../src/identity/configured_identity.js";
import { PolicyInstance, type Module } from "../src/policy/instance.js";
import { readConfig } from "../src/system/config.js";
import { system as host, type System } from "../src/system/index.js";
import { median } from "./measure.js";
import { readOptions } from "./options.js";
import { moduleOf, purposeId, withPurposes } from "./many.js";
import { sandboxIn, shippedBundle } from "./servers.js";
import { action, agentId, inHours, PURPOSE } from "./workload.js";

/** Microseconds of CPU each. */
export interface InProcess extends Costs {
  small_world: Costs;
  large_world: Costs;
  sizes: { packages: number; small: Size; large: Size };
}

interface Costs {
  evaluate: number;
  /** One at a time. */
  decide: number;
}

interface Size {
  purposes: number;
  agents: number;
}

/** Operations by their number. */
type Operations = Record<keyof Costs, (i: number) => unknown>;

const { quick } = readOptions("in_process", {
  about: "Measures evaluating and deciding without HTTP and without records.",
  options: { quick: { says: "three rounds instead of five" } },
  examples: ["", "--quick"],
});
const ROUNDS = quick ? 3 : 5;
const OPERATIONS = 5_000;
const PACKAGES = 300;
const SMALL: Size = { purposes: 10, agents: 10 };
const LARGE: Size = { purposes: 5_000, agents: 100_000 };
/** Different actions asked in turn; in the large world they are spread over its agents. */
const ACTIONS = 1000;

const system: System = { ...host, clock: inHours(host.clock) };

const folder = mkdtempSync(join(tmpdir(), "remit-in-process-"));
process.once("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});
const { config: file, token } = await sandboxIn(join(folder, "sandbox"), system.clock);
const config = readConfig(file);
const authorization = `Bearer ${token("bench", ["remit:decide"])}`;
const identity = configuredIdentity(config, system, false, { loaded: () => undefined, failed: () => undefined });
const bundle = await shippedBundle(system.clock);
const wasm = await moduleOf(PACKAGES, join(folder, "many"));

const [shipped, small, large] = await inTurn([
  await operations(bundle, bundle.data, ACTIONS, () => PURPOSE),
  await world(SMALL),
  await world(LARGE),
]);
if (shipped === undefined || small === undefined || large === undefined) throw new Error("nothing was measured");
const found: InProcess = {
  ...shipped,
  small_world: small,
  large_world: large,
  sizes: { packages: PACKAGES, small: SMALL, large: LARGE },
};
console.log(JSON.stringify(found));
process.exit(0);

/** Agents of purposes with custom rules ask, so that a large world has no less to evaluate. */
async function world({ purposes, agents }: Size): Promise<Operations> {
  const data = withPurposes(bundle.data, purposes);
  const module: Module = { wasm, dataText: Buffer.from(JSON.stringify(data)), metadata: bundle.metadata };
  return await operations(module, data, agents, (i) => purposeId(i % Math.min(purposes, PACKAGES)));
}

async function operations(module: Module, data: PolicyData, agents: number, purposeOf: (i: number) => string): Promise<Operations> {
  const known = factsOf(agents, purposeOf);
  // Five actions differ by number modulo five: the stride keeps their mix.
  const stride = Math.max(1, Math.floor(agents / ACTIONS));
  const numbers = Array.from({ length: Math.min(agents, ACTIONS) }, (_, i) => i * stride + (stride % 5 === 0 ? i % 5 : 0));
  const bodies = numbers.map((i) => Buffer.from(JSON.stringify(action(i, purposeOf(i)))));
  const instance = new PolicyInstance(module);
  const policy: ActivePolicy = {
    identity: bundle.identity,
    vocabulary: data.vocabulary,
    purposes: new Map(Object.entries(data.purposes)),
    catalogue: bundle.catalogue,
    zones: data.zones,
    expires_ms: null,
    evaluate: (input) => instance.evaluate(input),
  };
  const inputs = await inputsOf(policy, known, bodies);
  const { decide } = deciderOf(policy, known, { seq: 0, append: () => Promise.resolve() });
  return {
    evaluate: (i) => instance.evaluate(inputs[i % inputs.length] ?? ""),
    decide: (i) => decide(bodies[i % bodies.length] ?? Buffer.alloc(0), authorization),
  };
}

/** Measures them by turns, so that a busy moment falls on all; returns medians of rounds after one of warm-up. */
async function inTurn(all: readonly Operations[]): Promise<Costs[]> {
  const measured = all.map(() => ({ evaluate: [] as number[], decide: [] as number[] }));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [k, { evaluate, decide }] of all.entries()) {
      const costs = { evaluate: await cpuOf(evaluate), decide: await cpuOf(decide) };
      if (round === 0) continue;
      measured[k]?.evaluate.push(costs.evaluate);
      measured[k]?.decide.push(costs.decide);
    }
  }
  return measured.map(({ evaluate, decide }) => ({ evaluate: median(evaluate), decide: median(decide) }));
}

async function cpuOf(operation: (i: number) => unknown): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < OPERATIONS; i++) {
    const answer = operation(i);
    if (answer instanceof Promise) await answer;
  }
  const { user, system: kernel } = process.cpuUsage(before);
  return (user + kernel) / OPERATIONS;
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
  return decider({ system, identity, engine: { active: policy }, facts: known, log, profile: fixedProfile(), limits });
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
  return fixedFacts({ agent: (id) => agents.get(id), task: (id) => tasks.get(id) });
}
