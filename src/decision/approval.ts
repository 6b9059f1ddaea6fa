/**
 * Binding of an approval to what was decided. Whoever approves an action has read what the policy saw of it, so an approval is good for
 * an action of which the policy sees exactly that, under the same bundle, and for as long as nothing about agent, task or person changed.
 */
import { hash } from "node:crypto";
import { canonical } from "../contract/index.js";
import type { Facts } from "./ports.js";
import { requestText } from "./canonical_texts.js";
import type { Gathered, Situation } from "./situation.js";
import type { Approvable, Question } from "./question.js";

/**
 * Returns the approval digest of an action, over the request as the policy sees it, its caller, the bundle, what the agent's token proves,
 * and for each task of the chain the agent, the task and the person. Agents, tasks and revocations are in it by the revision of
 * their last change, so an approval ends with the agent's next credential, a suspension or a revocation, lifted or not. Left out is what
 * differs from one attempt to the next: time, trace, behaviour and grants.
 */
export function approvalOf({ action, asker, policy }: Question, levels: Gathered["levels"], facts: Facts): Approvable {
  const { caller, agent_proof } = asker;
  const { request } = action;
  const proof = agent_proof && { actor: agent_proof.actor, chain: agent_proof.chain, principal: agent_proof.principal };
  const chain = levels.map(({ situation }) => ({
    agent: situation.agent_id,
    changes: changesOf(situation, principalOf(situation), facts),
    principal: principalOf(situation),
    task: situation.task_id,
  }));
  const around = {
    bundle: policy.identity.digest,
    caller: caller.id,
    chain,
    changes: [facts.lastChange("everything", ""), facts.lastChange("caller", caller.id), facts.lastChange("purpose", request.purpose)],
    proof,
  };
  const asked = requestText({ ...request, context: { ...request.context, trace: null } });
  const principals = new Set([
    ...chain.flatMap(({ principal }) => principal ?? []),
    ...(proof?.principal ? [proof.principal.subject] : []),
  ]);
  return { digest: `sha256:${hash("sha256", `${canonical(around)}\n${asked}`)}`, principals: [...principals] };
}

/**
 * Returns the person that a level of the chain is for, as the policy sees it: its task's, or the one that the acting agent's token names.
 * A level above has no token, so nobody is named where its task names nobody: else an agent would gain, by handing a task on, what is
 * permitted for a person who never let it act.
 */
export function principalOf({ task, agent_proof }: Pick<Situation, "task" | "agent_proof">): string | null {
  return task?.principal ?? agent_proof?.principal?.subject ?? null;
}

/** Revisions of the last changes to what a level rests on. */
function changesOf({ agent_id, agent, task_id }: Situation, principal: string | null, facts: Facts): number[] {
  return [
    facts.lastChange("agent", agent_id),
    agent === undefined ? 0 : facts.lastChange("owner", agent.owner),
    task_id === null ? 0 : facts.lastChange("task", task_id),
    principal === null ? 0 : facts.lastChange("principal", principal),
  ];
}
