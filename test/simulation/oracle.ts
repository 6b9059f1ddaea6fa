/** Whether facts permit an action, from the store's rows alone: written a second time, and plainly, to be held against the service. */
import type { AgentState, GrantFactState, RevocationState, TaskState } from "../../src/contract/index.js";
import type { StoreRow } from "../../src/store/rows.js";

export interface Asked {
  agent: string;
  purpose: string;
  task: string | null;
  verb: string;
  customer: string;
  /** Of every token that came with it. */
  jtis: readonly string[];
}

/** What each key held at a revision. */
export class FactsAt {
  constructor(
    readonly rows: readonly StoreRow[],
    readonly revision: number,
  ) {}

  agent(id: string): AgentState | null {
    return this.#value(`agent/${id}`) as AgentState | null;
  }

  task(id: string): TaskState | null {
    return this.#value(`task/${id}`) as TaskState | null;
  }

  grant(id: string): GrantFactState | null {
    return this.#value(`grant/${id}`) as GrantFactState | null;
  }

  grants(): string[] {
    const ids = this.rows.slice(0, this.revision).flatMap(({ key }) => (key.startsWith("grant/") ? key.slice(6) : []));
    return [...new Set(ids)];
  }

  cut(id: string): boolean {
    return (this.#value(`revocation/${id}`) as RevocationState | null)?.lifted === null;
  }

  #value(key: string): unknown {
    const row = this.rows.slice(0, this.revision).findLast((one) => one.key === key);
    return row === undefined ? null : JSON.parse(row.value);
  }
}

/** Why it isn't permitted; null where it is. */
export function whyNot(facts: FactsAt, asked: Asked, nowMs: number): string | null {
  if (facts.cut("everything")) return "everything is revoked";
  if (facts.cut(`purpose/${asked.purpose}`)) return "the purpose is revoked";
  for (const jti of asked.jtis) if (facts.cut(`token/${jti}`)) return `token ${jti} is revoked`;
  let [taskId, agentId] = [asked.task, asked.agent];
  for (;;) {
    const refused = whyNotOf(facts, asked, taskId, agentId, nowMs);
    if (refused !== null) return `${taskId ?? "no task"}: ${refused}`;
    const parent = taskId === null ? null : (facts.task(taskId)?.parent ?? null);
    if (parent === null) return null;
    taskId = parent;
    agentId = facts.task(parent)?.agent ?? "";
  }
}

function whyNotOf(facts: FactsAt, asked: Asked, taskId: string | null, agentId: string, nowMs: number): string | null {
  const agent = facts.agent(agentId);
  if (agent === null) return "there is no such agent";
  if (agent.status !== "active") return `its agent is ${agent.status}`;
  if (facts.cut(`agent/${agentId}`)) return "its agent is revoked";
  if (facts.cut(`owner/${agent.owner}`)) return "its agent's owner is revoked";
  if (!agent.purposes.includes(asked.purpose)) return "its agent isn't for this purpose";
  const task = taskId === null ? null : facts.task(taskId);
  if (taskId !== null) {
    if (task === null) return "there is no such task";
    if (task.agent !== agentId) return "it is another agent's";
    if (task.purpose !== asked.purpose) return "it is for another purpose";
    if (task.ended !== null) return "it has ended";
    if (facts.cut(`task/${taskId}`)) return "it is revoked";
    if (isOver(task.expires, nowMs)) return "it has expired";
    if (task.verbs?.includes(asked.verb) === false) return "it isn't for this verb";
  } else if (asked.purpose === "support") return "the purpose needs a task";
  if (asked.verb === "read" && task?.subjects["customer"]?.includes(asked.customer) === true) return null;
  const granted = facts.grants().some((id) => {
    const grant = facts.grant(id);
    return grant !== null && isLive(grant, facts, nowMs) && names(grant, agentId, taskId, asked.verb);
  });
  return granted ? null : "nothing permits it";
}

function isLive({ id, ended, not_before, expires }: GrantFactState, facts: FactsAt, nowMs: number): boolean {
  return ended === null && !facts.cut(`grant/${id}`) && Date.parse(not_before) <= nowMs && !isOver(expires, nowMs);
}

function names({ agent, task, entry }: GrantFactState, agentId: string, taskId: string | null, verb: string): boolean {
  return (agent === agentId || (task !== null && task === taskId)) && entry?.[verb] === "invoice";
}

function isOver(expires: string | null, nowMs: number): boolean {
  return expires !== null && nowMs >= Date.parse(expires);
}
