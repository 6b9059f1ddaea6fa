/** The facts of one decision, by memory look-ups: what the floor reads and what the policy sees. */
import type { InputGrant, PolicyInput } from "../contract/index.js";
import type { Situation } from "./floor.js";
import type { ActivePolicy, Agent, Caller, Facts, Identity, Task } from "./ports.js";
import type { Action } from "./read.js";
import type { VocabularyReader } from "./values.js";

export interface Gathered {
  revision: number;
  situation: Situation;
  grants: readonly InputGrant[];
}

export interface Around {
  identity: Identity;
  facts: Facts;
  now_ms: number;
  time_skew_max_ms: number;
}

export function gather(action: Action, caller: Caller, policy: ActivePolicy, around: Around): Gathered {
  const { facts, identity } = around;
  const { agent: agentId, purpose: purposeId, task: taskId, verb, resource } = action.request;
  return {
    revision: facts.revision,
    situation: {
      caller_permitted: identity.mayAskFor(caller, agentId, purposeId),
      facts_stale: facts.stale,
      agent: facts.agent(agentId),
      purpose_id: purposeId,
      purpose: policy.purposes.get(purposeId),
      task_id: taskId,
      task: taskId === null ? undefined : facts.task(taskId),
      verb_id: verb,
      verb_known: action.verb !== null,
      type_known: action.type !== null,
      now_ms: around.now_ms,
      claim_ms: action.claim_ms,
      time_skew_max_ms: around.time_skew_max_ms,
    },
    grants: facts.grants(agentId, taskId, resource.type, verb),
  };
}

/** Whether two gatherings for one action found the same facts. Facts are replaced, never changed in place. */
export function restOnTheSame(a: Gathered, b: Gathered): boolean {
  return (
    a.situation.agent === b.situation.agent &&
    a.situation.task === b.situation.task &&
    a.situation.facts_stale === b.situation.facts_stale &&
    a.situation.caller_permitted === b.situation.caller_permitted &&
    a.grants.length === b.grants.length &&
    a.grants.every((grant, i) => grant === b.grants[i])
  );
}

/**
 * What the policy sees, as JSON text: a `PolicyInput`. Only for a situation above the floor: the agent is known, and the
 * task where one was named. Written out around the parts that are kept, since it is made for each decision.
 */
export function inputText(
  action: Action,
  caller: Caller,
  agent: Agent,
  { situation, grants }: Gathered,
  vocabulary: VocabularyReader,
): string {
  const { task, now_ms, claim_ms } = situation;
  return (
    `{"request":${JSON.stringify(action.request)},"facts":{"time":{"ms":${now_ms},"claim_ms":${String(claim_ms)}},` +
    `"caller":{"id":${JSON.stringify(caller.id)}},"principal":${JSON.stringify(task?.principal ?? null)},` +
    `"agent":${kept(agent, vocabulary, agentFacts)},` +
    `"task":${task === undefined ? JSON.stringify(taskFacts(undefined, vocabulary)) : kept(task, vocabulary, taskFacts)},` +
    `"grants":${grants.length === 0 ? "[]" : JSON.stringify(grants)},"behavior":${NO_BEHAVIOR},"flow":null}}`
  );
}

const NO_BEHAVIOR = JSON.stringify({
  risk: 0,
  confidence: 0,
  channels: {},
  reasons: [],
} satisfies PolicyInput["facts"]["behavior"]);

function agentFacts(agent: Agent, vocabulary: VocabularyReader): PolicyInput["facts"]["agent"] {
  const { id, version, owner, attributes } = agent;
  return { id, version, owner, attributes: vocabulary.agent(attributes) };
}

function taskFacts(task: Task | undefined, vocabulary: VocabularyReader): PolicyInput["facts"]["task"] {
  return {
    id: task?.id ?? null,
    subjects: subjects(task, vocabulary),
    attributes: vocabulary.task(task?.attributes ?? {}),
    depth: 0,
    root: task?.id ?? null,
  };
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

function subjects(task: Task | undefined, vocabulary: VocabularyReader): Record<string, string[] | null> {
  const found: Record<string, string[] | null> = {};
  for (const type of vocabulary.subjects) {
    const ids = task !== undefined && Object.hasOwn(task.subjects, type) ? task.subjects[type] : undefined;
    found[type] = ids === undefined || ids.length === 0 ? null : [...ids];
  }
  return found;
}
