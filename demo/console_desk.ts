/** A made-up support desk: a few agents that ask for decisions, as agents would, so that there is something to see. */
import type { CreateAgent, DecideRequest, IssueTask } from "../src/contract/index.js";
import type { System } from "../src/system/index.js";

const PURPOSE = "customer_support";
const AGENTS = 4;
const CUSTOMERS = ["ada", "bob", "cho", "dee"];

type Asked = [verb: string, type: string, id: string | null, customer: string | null];

/** What an agent does on its ticket, again and again: mostly what it may, now and then what it may not. */
const USUAL: readonly ((own: string, other: string, n: number) => Asked)[] = [
  (own) => ["read", "ticket", `TCK-${own}`, own],
  (own) => ["read", "customer", own, own],
  (own, _, n) => ["search", "order", null, n % 2 === 0 ? own : null],
  (own, _, n) => ["read", "order", `O-${own}-${n % 7}`, own],
  (own, _, n) => ["read", "invoice", `I-${own}-${n % 5}`, own],
  (own, _, n) => ["read", "payment", `P-${own}-${n % 5}`, own],
  () => ["search", "customer", null, null],
];
const RARE: readonly ((own: string, other: string, n: number) => Asked)[] = [
  (_, other, n) => ["read", "order", `O-${other}-${n % 7}`, other],
  (_, other, n) => ["read", "invoice", `I-${other}-${n % 5}`, other],
  (own) => ["delete", "customer", own, own],
  (own) => ["update", "customer", own, own],
];
const RARELY = 9;

export interface DeskFacts {
  agents: CreateAgent[];
  tasks: IssueTask[];
}

/** Returns the desk's agents and a ticket for each. */
export function deskFacts(expires: string): DeskFacts {
  const all = Array.from({ length: AGENTS }, (_, i) => ({ agent: `desk-${i + 1}`, customer: CUSTOMERS[i % CUSTOMERS.length] ?? "ada" }));
  return {
    agents: all.map(({ agent }) => ({ id: agent, owner: "made-up-desk@example.com", purposes: [PURPOSE] })),
    tasks: all.map(({ agent, customer }) => ({
      ...{ id: `TCK-${customer}`, agent, purpose: PURPOSE, principal: customer },
      ...{ subjects: { ticket: [`TCK-${customer}`], customer: [customer] }, attributes: { topic: "billing" }, expires },
    })),
  };
}

/** Returns the desk's n-th request; the same n gives the same one. */
export function deskRequest(n: number): DecideRequest {
  const i = n % AGENTS;
  const [own = "ada", other = "bob"] = [CUSTOMERS[i], CUSTOMERS[(i + 1 + (n % 2)) % CUSTOMERS.length]];
  const round = Math.floor(n / AGENTS);
  const of = n % RARELY === RARELY - 1 ? RARE : USUAL;
  const [verb, type, id, customer] = (of[(round + i) % of.length] ?? USUAL[0])?.(own, other, n) ?? ["read", "ticket", "TCK-ada", "ada"];
  const attributes = customer === null || type === "customer" ? {} : { customer };
  return { agent: `desk-${i + 1}`, purpose: PURPOSE, task: `TCK-${own}`, verb, resource: { type, id, attributes } };
}

/**
 * Asks for decisions until it is stopped, about two a second.
 * @param ask sends one; what becomes of it is the service's to say
 */
export function runDesk(ask: (request: DecideRequest) => Promise<unknown>, { timers }: Pick<System, "timers">): () => void {
  let n = 0;
  return timers.every(450, () => {
    ask(deskRequest(n++)).catch(() => undefined);
  });
}
