/** The facts of one decision, by memory look-ups: what the floor reads and what the policy sees. */
import { TASK_LEVELS_MAX, canonical, quoted, quotedOrNull, type Assessment, type InputGrant, type PolicyInput } from "../contract/index.js";
import { approvalOf, principalOf } from "./approval.js";
import { assessmentText } from "./assessment_text.js";
import type { Agent, AgentProof, Facts, Grant, Identity, RevocationScope, Task } from "./ports.js";
import type { ReadAction } from "./read.js";
import { relationOf } from "./relation.js";
import { requestText } from "./canonical_texts.js";
import type { Asker, Gathered, Level, NarrowedTo, Situation } from "./situation.js";
import type { VocabularyReader } from "./values.js";
import type { Question } from "./question.js";

interface Surroundings {
  identity: Identity;
  facts: Facts;
  now_ms: number;
  time_skew_max_ms: number;
}

/** A chain is bounded when tasks are created; a longer one ends in an unknown task, which the floor refuses. */
export function gather(question: Question, around: Surroundings): Gathered {
  const { facts } = around;
  const { action, asker } = question;
  const own = ownLevel(question, around);
  const levels: [Level, ...Level[]] = [own];
  for (let { task } = own.situation; task !== undefined && task.parent !== null;) {
    const level = ancestor(task.parent, levels.length < TASK_LEVELS_MAX, action, asker, own.situation, facts);
    levels.push(level);
    task = level.situation.task;
  }
  // An approval is of the whole action, whichever task of the chain it waited for.
  const approvals = facts.approvals(own.situation.agent_id, around.now_ms, () => approvalOf(question, levels, facts).digest);
  const { revision, lease } = facts;
  if (approvals.length === 0) return { revision, lease, levels };
  const approved = ({ situation, grants }: Level): Level => ({ situation, grants: [...grants, ...approvals] });
  const [first, ...above] = levels;
  return { revision, lease, levels: [approved(first), ...above.map(approved)] };
}

function ownLevel({ action, asker, policy }: Question, { identity, facts, now_ms, time_skew_max_ms }: Surroundings): Level {
  const { caller, agent_proof } = asker;
  const { agent: agentId, purpose: purposeId, task: taskId, verb } = action.request;
  const agent = facts.agent(agentId);
  const task = taskId === null ? undefined : facts.task(taskId);
  return {
    situation: {
      caller_permitted: identity.mayAskFor(caller, agentId, purposeId),
      facts_stale: facts.stale,
      revoked: revocation(facts, action, asker, agentId, agent, taskId),
      agent_id: agentId,
      agent,
      token_required: agent?.token_required === true,
      agent_proof,
      proven_agent: agent_proof === null ? undefined : facts.agentOf(agent_proof.actor),
      actor_stopped: agent_proof !== null && isAnyStopped(facts, agent_proof, purposeId),
      purpose_id: purposeId,
      purpose: policy.purposes.get(purposeId),
      task_id: taskId,
      task,
      task_proof: action.task_proof,
      verb_id: verb,
      verb_known: action.verb !== null,
      type_known: action.type !== null,
      narrowed: narrowedTo(facts, agentId, action, task, now_ms),
      now_ms,
      claim_ms: action.claim_ms,
      time_skew_max_ms,
    },
    grants: facts.grants(agentId, taskId, action.request.resource.type, verb, now_ms),
  };
}

/** Returns the level of an ancestor. Proofs are of the agent that acts: for the agents before it only facts count. */
function ancestor(taskId: string, within: boolean, action: ReadAction, asker: Asker, own: Situation, facts: Facts): Level {
  const task = within ? facts.task(taskId) : undefined;
  // An unknown task is refused, and not its agent.
  const agentId = task?.agent ?? own.agent_id;
  const agent = facts.agent(agentId);
  const { resource, verb } = action.request;
  return {
    situation: {
      ...own,
      revoked: revocation(facts, action, asker, agentId, agent, taskId),
      agent_id: agentId,
      agent,
      token_required: false,
      agent_proof: null,
      proven_agent: undefined,
      task_id: taskId,
      task,
      task_proof: null,
      narrowed: narrowedTo(facts, agentId, action, task, own.now_ms),
    },
    grants: task === undefined ? [] : facts.grants(agentId, taskId, resource.type, verb, own.now_ms),
  };
}

/** Returns the agent's narrowing. What is done on an agent's behalf is narrowed as the agent is. */
function narrowedTo(facts: Facts, agent: string, action: ReadAction, task: Task | undefined, now_ms: number): NarrowedTo | null {
  const narrowed = facts.narrowed(agent, now_ms);
  if (narrowed === null) return null;
  const { actions_per_minute, permitted } = narrowed;
  const relation = relationOf(action.request.resource, action.type, task);
  return { actions_per_minute, permitted, verb_class: action.verb?.class ?? null, relation };
}

/** The first scope, from the widest, in which something of this is revoked. */
function revocation(
  facts: Facts,
  { request, task_proof }: ReadAction,
  { caller, agent_proof }: Asker,
  agentId: string,
  agent: Agent | undefined,
  taskId: string | null,
): RevocationScope | null {
  const isRevoked = (proof: { token: { jti: string | null } } | null): boolean =>
    proof !== null && proof.token.jti !== null && facts.revoked("token", proof.token.jti);
  if (facts.revoked("everything", "")) return "everything";
  if (isRevoked(caller) || isRevoked(agent_proof) || isRevoked(task_proof)) return "token";
  if (facts.revoked("caller", caller.id)) return "caller";
  if (facts.revoked("agent", agentId)) return "agent";
  if (agent !== undefined && facts.revoked("owner", agent.owner)) return "owner";
  if (isForRevoked(facts, agent_proof, taskId)) return "principal";
  if (facts.revoked("purpose", request.purpose)) return "purpose";
  if (taskId !== null && facts.revoked("task", taskId)) return "task";
  return null;
}

/** Returns true if the task's principal, or a party that the agent's token says it acts for, nearest or not, is revoked. */
function isForRevoked(facts: Facts, proof: AgentProof | null, taskId: string | null): boolean {
  const principal = taskId === null ? null : (facts.task(taskId)?.principal ?? null);
  if (principal !== null && facts.revoked("principal", principal)) return true;
  if (proof === null) return false;
  const issued_ms = proof.token.issued_ms ?? -Infinity;
  const named = proof.principal === null ? proof.chain : [proof.principal, ...proof.chain];
  return named.some(({ subject }) => facts.revoked("principal", subject, issued_ms));
}

/**
 * Returns true if the principal of the agent's token, or an earlier actor, stops the action. A party that isn't an agent here is
 * information alone. An agent has to be able to act for the purpose itself, as the agents of a task's chain have; and to have been that
 * agent when the token was issued.
 */
function isAnyStopped(facts: Facts, { principal, chain, token }: AgentProof, purpose: string): boolean {
  const others = principal === null ? chain : [principal, ...chain];
  return others.some((actor) => {
    const id = facts.agentOf(actor);
    const agent = id === undefined ? undefined : facts.agent(id);
    if (agent === undefined) return false;
    if (agent.status !== "active" || facts.revoked("agent", agent.id) || facts.revoked("owner", agent.owner)) return true;
    return (token.issued_ms ?? -Infinity) < agent.registered_ms || !agent.purposes.has(purpose);
  });
}

/**
 * Returns what the policy sees of one level, as the canonical text (RFC 8785) of a `PolicyInput`. Only for levels above the floor: the
 * agent is known, and the task if one was named. Written out around the parts that are kept, since it is made for each decision.
 * @param assessed compares with the acting agent's baseline: for the levels above its own task, nothing is odd
 * @param flow where the action's values come from, as canonical JSON
 */
export function inputText(
  { action, asker: { caller }, vocabulary }: Question,
  { levels }: Gathered,
  index: number,
  assessed: Assessment,
  flow: string,
): string {
  const { situation, grants } = levels[index] ?? levels[0];
  const { agent, task, now_ms, claim_ms } = situation;
  if (agent === undefined) throw new Error("the floor let an unknown agent pass");
  const request = index === 0 ? action.request : { ...action.request, agent: agent.id, task: situation.task_id };
  const principal = principalOf(situation);
  return (
    `{"facts":{"agent":${kept(agent, vocabulary, agentFacts)},"behavior":${assessmentText(assessed)},` +
    `"caller":{"id":${quoted(caller.id)}},"flow":${flow},"grants":${grants.length === 0 ? "[]" : canonical(grants.flatMap(liveInput))},` +
    `"principal":${quotedOrNull(principal)},` +
    `"task":${task === undefined ? JSON.stringify(noTask(vocabulary)) : kept(task, vocabulary, taskFacts(levels, index))},` +
    `"time":{"claim_ms":${String(claim_ms)},"ms":${now_ms}}},"request":${requestText(request)}}`
  );
}

function liveInput({ state, input }: Grant): InputGrant[] {
  return state === "live" ? [input] : [];
}

function agentFacts(agent: Agent, vocabulary: VocabularyReader): PolicyInput["facts"]["agent"] {
  const { id, version, owner, attributes } = agent;
  return { attributes: vocabulary.agent(attributes), id, owner, version };
}

function noTask(vocabulary: VocabularyReader): PolicyInput["facts"]["task"] {
  return {
    attributes: vocabulary.task({}),
    depth: 0,
    id: null,
    root: null,
    subjects: taskSubjects({ subjects: {} }, vocabulary),
  };
}

/** A task's place in its chain is its own for good. */
function taskFacts(levels: Gathered["levels"], index: number) {
  return (task: Task, vocabulary: VocabularyReader): PolicyInput["facts"]["task"] => ({
    attributes: vocabulary.task(task.attributes),
    depth: levels.length - 1 - index,
    id: task.id,
    root: levels.at(-1)?.situation.task_id ?? null,
    subjects: taskSubjects(task, vocabulary),
  });
}

// Facts are replaced, never changed in place, so the text made of one holds for as long as it and the vocabulary do.
const texts = new WeakMap<VocabularyReader, WeakMap<Agent | Task, string>>();

function kept<F extends Agent | Task>(
  fact: F,
  vocabulary: VocabularyReader,
  read: (fact: F, vocabulary: VocabularyReader) => object,
): string {
  let ofVocabulary = texts.get(vocabulary);
  if (ofVocabulary === undefined) texts.set(vocabulary, (ofVocabulary = new WeakMap()));
  let text = ofVocabulary.get(fact);
  if (text === undefined) ofVocabulary.set(fact, (text = JSON.stringify(read(fact, vocabulary))));
  return text;
}

/** Subject type → ids; null where the task has none. */
export function taskSubjects({ subjects }: Pick<Task, "subjects">, vocabulary: VocabularyReader): Record<string, string[] | null> {
  const found: Record<string, string[] | null> = {};
  for (const type of vocabulary.subjects) {
    const ids = Object.hasOwn(subjects, type) ? subjects[type] : undefined;
    found[type] = ids === undefined || ids.length === 0 ? null : [...ids];
  }
  return found;
}
