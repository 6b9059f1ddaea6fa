/** What the tests of a cluster ask of its nodes again and again, and how long they wait for it. */
import { sleep, type Child } from "../service/child.js";
import type { ClusterNode } from "./nodes.js";
import { actionOf, agentNamed, taskOf } from "./requests.js";

/** Milliseconds in which something comes about on a machine that is busy with other things. */
const PATIENCE_MS = 120_000;
const POLL_MS = 10;

/** @param what is waited for, as an error says it; a function says it as it is then */
export async function until(holds: () => Promise<boolean> | boolean, what: string | (() => string)): Promise<void> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > PATIENCE_MS)
      throw new Error(`${typeof what === "string" ? what : what()}: not within ${PATIENCE_MS} ms`);
    await sleep(POLL_MS);
  }
}

/**
 * Asks for an agent's action.
 * @returns `allow` if it may go on; else the code of the first reason, or of the problem
 */
export async function decided(child: Child, agent: string): Promise<string> {
  const told = await child.ask("POST", "/decide", { body: actionOf(agent) });
  if (told?.status !== 200) return told?.outcome ?? "nothing";
  // Outside the desk's hours a person looks at it afterwards: it may go on all the same.
  const { decision, proceed, reasons } = told.body as { decision: string; proceed: boolean; reasons: { code: string }[] };
  return proceed ? "allow" : (reasons[0]?.code ?? decision);
}

/** Registers an agent with a task at one node. After a server was killed, writes wait for another leader. */
export async function registered(node: Pick<ClusterNode, "child">, agent: string): Promise<void> {
  let last = "";
  const made = async (path: string, body: object): Promise<boolean> => {
    // It may be another process by now.
    const told = await node.child.ask("POST", path, { body });
    last = told === null ? "no answer" : `${told.outcome}: ${told.text}`;
    return [200, 201, 409].includes(told?.status ?? 500);
  };
  await until(
    () => made("/agents", agentNamed(agent)),
    () => `agent ${agent} is registered (${last})`,
  );
  await until(
    () => made("/tasks", taskOf(agent)),
    () => `a task of ${agent} is registered (${last})`,
  );
}

/** Waits until every node allows an agent's action. */
export async function allowedByAll(nodes: readonly ClusterNode[], agent: string): Promise<void> {
  for (const { child, name } of nodes) await until(async () => (await decided(child, agent)) === "allow", `${name} allows ${agent}`);
}

/** Waits until an agent's revocation is in force on the fleet. */
export function inForceOnFleet({ child }: ClusterNode, agent: string): Promise<void> {
  return until(async () => (await child.ask("GET", `/revocations/agent/${agent}`))?.body["in_force"] === "fleet", `${agent} is revoked`);
}
