/** Decides what a record says was decided, from that record and a bundle alone, through the service's own floor and conclusion. */
import type { DecisionRecord, PolicyInput } from "../contract/index.js";
import { conclude, concludeFloor, unasked, type GrantFound, type LevelResult } from "../decision/conclude.js";
import { floor } from "../decision/floor.js";
import type { Situation } from "../decision/situation.js";
import type { Evaluation, Task } from "../decision/ports.js";
import type { RunningBundle } from "./bundles.js";
import type { DecisionInputs } from "./recorded_decision.js";
import type { FloorRead } from "./shapes.js";
import type { Conclusion } from "../decision/question.js";

/** @param level 0: of the action's own task; 1: of the first up the chain */
export type Evaluate = (input: string, level: number) => Evaluation;

/**
 * Null where this bundle has nothing against it below the floor, and the record doesn't have what a policy would be asked:
 * with the bundle that refused, that can't be.
 */
export function decideAgain(
  made: DecisionInputs,
  bundle: RunningBundle,
  record: Pick<DecisionRecord, "caller" | "unasked">,
  evaluate: Evaluate = (input) => bundle.evaluate(input),
): Conclusion | null {
  if (made.by === "floor") return refuseAgain(made, bundle, record);
  const { inputs, not_live } = made;
  const [own, ...above] = inputs;
  const task = own.request.task;
  const scene = (input: PolicyInput): LevelResult["scene"] => ({
    action: own,
    caller: input.facts.caller,
    situation: situationOf(input, bundle),
    vocabulary: bundle.reader,
  });
  const scenes = inputs.map(scene);
  const said = (conclusion: Conclusion): Conclusion =>
    record.unasked === true ? unasked(conclusion, bundle, scenes[0] ?? scene(own), task) : conclusion;
  for (const one of scenes) {
    const code = floor(one.situation);
    if (code !== null) return said(concludeFloor(code, bundle, one, task));
  }
  const judged = (input: PolicyInput, level: number): LevelResult => ({
    evaluation: evaluate(JSON.stringify(input), level),
    scene: scenes[level] ?? scene(input),
    grants: not_live.flatMap((one): GrantFound[] => (one.level === level ? [{ state: one.state, input: { id: one.grant } }] : [])),
  });
  return said(conclude([judged(own, 0), ...above.map((input, i) => judged(input, i + 1))], bundle));
}

function refuseAgain(
  made: DecisionInputs & { by: "floor" },
  bundle: RunningBundle,
  record: Pick<DecisionRecord, "caller" | "unasked">,
): Conclusion | null {
  const { request, floors } = made;
  const sceneOf = (read: FloorRead): LevelResult["scene"] => ({
    action: { request },
    caller: { id: record.caller },
    situation: situationRead(read, request, bundle),
    vocabulary: bundle.reader,
  });
  for (const read of floors) {
    const scene = sceneOf(read);
    const code = floor(scene.situation);
    if (code === null) continue;
    const conclusion = concludeFloor(code, bundle, scene, request.task);
    return record.unasked === true ? unasked(conclusion, bundle, sceneOf(floors[0]), request.task) : conclusion;
  }
  return null;
}

/** Returns the situation of an action that a policy was asked about: every check of the floor passed, except those on the bundle itself. */
function situationOf({ request, facts }: PolicyInput, bundle: RunningBundle): Situation {
  const { agent, task, time } = facts;
  const { purpose, verb, resource } = request;
  // Member by member, here and below: it is made for each record, and spreading costs more than all else here.
  return {
    caller_permitted: true,
    facts_stale: false,
    revoked: null,
    agent_id: agent.id,
    agent: {
      id: agent.id,
      version: agent.version,
      owner: agent.owner,
      purposes: new Set([purpose]),
      attributes: agent.attributes,
      status: "active",
      registered_ms: 0,
      token_required: false,
    },
    token_required: false,
    agent_proof: null,
    proven_agent: undefined,
    actor_stopped: false,
    purpose_id: purpose,
    purpose: bundle.purposes.get(purpose),
    task_id: task.id,
    task: task.id === null ? undefined : taskOf(task.id, agent.id, purpose, task),
    task_proof: null,
    verb_id: verb,
    verb_known: bundle.reader.verbs.has(verb),
    type_known: bundle.reader.types.has(resource.type),
    narrowed: null,
    now_ms: time.ms,
    claim_ms: null,
    time_skew_max_ms: 0,
  };
}

function taskOf(id: string, agent: string, purpose: string, seen: PolicyInput["facts"]["task"]): Task {
  const subjects: Record<string, readonly string[]> = {};
  for (const type of Object.keys(seen.subjects)) {
    const ids = seen.subjects[type];
    if (ids !== undefined && ids !== null) subjects[type] = ids;
  }
  return {
    id,
    agent,
    purpose,
    parent: null,
    principal: null,
    subjects,
    attributes: seen.attributes,
    verbs: null,
    expires_ms: null,
    ended: false,
  };
}

function situationRead(read: FloorRead, request: PolicyInput["request"], bundle: RunningBundle): Situation {
  const { agent, task } = read;
  return {
    ...read,
    purpose_id: request.purpose,
    purpose: bundle.purposes.get(request.purpose),
    verb_known: bundle.reader.verbs.has(request.verb),
    type_known: bundle.reader.types.has(request.resource.type),
    narrowed: read.narrowed ?? null,
    proven_agent: read.proven_agent,
    agent:
      agent === null
        ? undefined
        : {
            id: read.agent_id,
            version: "",
            owner: "",
            purposes: new Set(agent.purposes),
            attributes: {},
            status: agent.status,
            registered_ms: agent.registered_ms,
            token_required: read.token_required,
          },
    task:
      task === null || read.task_id === null
        ? undefined
        : {
            ...task,
            id: read.task_id,
            subjects: {},
            attributes: {},
            verbs: task.verbs === null ? null : new Set(task.verbs),
          },
  };
}
