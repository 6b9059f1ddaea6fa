/**
 * The comparison's world: agents registered for purposes, each with a task about one customer, and the requests that they
 * make. All of it follows from one seed. What has to be answered is said by `oracle.ts`, and by nothing here.
 */
import { Dice } from "../../test/differential/dice.js";

export const SEED = 20_260_301;

const AGENTS = 1000;
const PURPOSES = 50;
const CUSTOMERS = 5000;
const PURPOSES_PER_AGENT_MAX = 3;
/** Number of requests with each intention. */
const INTENDED = {
  allowed: 7000,
  of_another_customer: 800,
  large: 800,
  large_of_another_customer: 400,
  purpose_not_registered: 250,
  task_of_another_agent: 250,
  never_permitted: 250,
  not_permitted: 250,
};
type Intention = keyof typeof INTENDED;

export type Verb = "read" | "update" | "close" | "cancel" | "export" | "void" | "refund" | "send" | "delete";
export type Type = "customer" | "ticket" | "order" | "invoice" | "payment" | "document";

/** Verbs that a resource of each type knows; every purpose permits to read orders, so that each has an amount to look at. */
export const VERBS: Readonly<Record<Type, readonly Verb[]>> = {
  customer: ["read", "update", "delete"],
  ticket: ["read", "close"],
  order: ["read", "cancel"],
  invoice: ["read", "export", "void"],
  payment: ["read", "refund"],
  document: ["read", "send", "delete"],
};
export const TYPES = Object.keys(VERBS) as Type[];
/** Types whose resources are about money. */
export const WITH_AMOUNT: readonly Type[] = ["order", "invoice", "payment"];
const LIMITS_CENTS = [10_000, 25_000, 50_000, 100_000];

export interface Purpose {
  permits: Record<Type, Verb[]>;
  never: Record<Type, Verb[]>;
  /** An action on more money than this is looked at by a person. */
  limit_cents: number;
}

export interface Task {
  agent: string;
  purpose: string;
  customer: string;
}

export interface AccessRequest {
  agent: string;
  purpose: string;
  task: string;
  verb: Verb;
  resource: { type: Type; id: string; attributes: { customer: string; amount_cents?: number } };
  context: { session: string; source: string; trace: string };
}

export interface World {
  /** Agents, each with the purposes that it is registered for. */
  agents: Record<string, { purposes: string[] }>;
  purposes: Record<string, Purpose>;
  /** One for each purpose of each agent. */
  tasks: Record<string, Task>;
  requests: AccessRequest[];
}

export function makeWorld(seed = SEED): World {
  const dice = new Dice(seed);
  const purposes = Object.fromEntries(numbered("purpose", PURPOSES).map((id) => [id, makePurpose(dice)]));
  const agents: World["agents"] = {};
  const tasks: World["tasks"] = {};
  for (const agent of numbered("agent", AGENTS)) {
    const registered = some(dice, Object.keys(purposes), 1 + dice.below(PURPOSES_PER_AGENT_MAX));
    agents[agent] = { purposes: registered };
    for (const purpose of registered) tasks[`${agent}.${purpose}`] = { agent, purpose, customer: anyCustomer(dice) };
  }
  const intentions = (Object.keys(INTENDED) as Intention[]).flatMap((intention) => Array<Intention>(INTENDED[intention]).fill(intention));
  const names = Object.keys(tasks);
  const requests = some(dice, intentions, intentions.length).map((intention, i) =>
    makeRequest(dice, { agents, purposes, tasks }, dice.of(names), intention, i),
  );
  return { agents, purposes, tasks, requests };
}

function makePurpose(dice: Dice): Purpose {
  const permits = {} as Purpose["permits"];
  const never = {} as Purpose["never"];
  for (const type of TYPES) {
    const writes = VERBS[type].filter((verb) => verb !== "read");
    permits[type] = [...(type === "order" || dice.chance(70) ? (["read"] as const) : []), ...writes.filter(() => dice.chance(40))];
    never[type] = [];
  }
  // No purpose deletes a customer, and each has one more thing that is out of the question.
  permits.customer = permits.customer.filter((verb) => verb !== "delete");
  never.customer.push("delete");
  const [type, verb] = dice.of([
    ["document", "send"],
    ["payment", "refund"],
    ["invoice", "void"],
  ] as const);
  permits[type] = permits[type].filter((one) => one !== verb);
  never[type].push(verb);
  return { permits, never, limit_cents: dice.of(LIMITS_CENTS) };
}

function makeRequest(
  dice: Dice,
  { agents, purposes, tasks }: Omit<World, "requests">,
  task: string,
  intention: Intention,
  i: number,
): AccessRequest {
  const { agent, purpose, customer } = tasks[task] as Task;
  const { permits, never, limit_cents: limit } = purposes[purpose] as Purpose;
  const isLarge = intention.startsWith("large");
  const isOfAnother = intention.endsWith("of_another_customer");
  const possible = pairs(permits).filter(([type, verb]) => (!isLarge || WITH_AMOUNT.includes(type)) && (!isOfAnother || verb === "read"));
  const neither = pairs(VERBS).filter(([type, verb]) => !permits[type].includes(verb) && !never[type].includes(verb));
  const [type, verb] = dice.of(intention === "never_permitted" ? pairs(never) : intention === "not_permitted" ? neither : possible);
  const about = isOfAnother ? another(customer, () => anyCustomer(dice)) : customer;
  const amount = isLarge ? limit + 1 + dice.below(limit) : 1 + dice.below(limit);
  return {
    agent: intention === "task_of_another_agent" ? anotherOf(dice, agents, agent, purpose) : agent,
    purpose: intention === "purpose_not_registered" ? unregistered(dice, agents, purposes, agent) : purpose,
    task,
    verb,
    resource: {
      type,
      id: type === "customer" ? about : `${type}-${dice.below(1_000_000)}`,
      attributes: { customer: about, ...(WITH_AMOUNT.includes(type) && { amount_cents: amount }) },
    },
    context: { session: `session-${i}`, source: "bench", trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
  };
}

function pairs(verbs: Readonly<Record<Type, readonly Verb[]>>): [Type, Verb][] {
  return TYPES.flatMap((type) => verbs[type].map((verb): [Type, Verb] => [type, verb]));
}

/** Returns another agent that is registered for the purpose, so that only the task is wrong. */
function anotherOf(dice: Dice, agents: World["agents"], agent: string, purpose: string): string {
  return dice.of(Object.keys(agents).filter((id) => id !== agent && agents[id]?.purposes.includes(purpose)));
}

function unregistered(dice: Dice, agents: World["agents"], purposes: World["purposes"], agent: string): string {
  return dice.of(Object.keys(purposes).filter((id) => agents[agent]?.purposes.includes(id) === false));
}

function anyCustomer(dice: Dice): string {
  return `customer-${dice.below(CUSTOMERS)}`;
}

function another<T>(one: T, draw: () => T): T {
  for (;;) {
    const drawn = draw();
    if (drawn !== one) return drawn;
  }
}

/** Returns `count` of them, each once, in any order. */
function some<T>(dice: Dice, all: readonly T[], count: number): T[] {
  const left = [...all];
  return Array.from({ length: count }, () => {
    const at = dice.below(left.length);
    const [one] = left.splice(at, 1, left.at(-1) as T);
    left.pop();
    return one as T;
  });
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}_${i}`);
}
