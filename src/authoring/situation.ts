/**
 * A case of a decision table as the decision sees it: the request an enforcement point would send, and the agent, the task
 * and the grants that would be known at that moment.
 */
import type { Assessment } from "../contract/index.js";
import type { Facts } from "../decision/ports.js";
import { fixedFacts } from "../decision/fixed_ports.js";
import { purposeOf, type StartingPoint } from "./starting_point.js";
import type { GivenFlow } from "./given_flow.js";
import type { Case } from "./table.js";

export interface CaseSituation {
  request: Record<string, unknown>;
  facts: Facts;
  now_ms: number;
  /** Oddness of the action for its agent; left out: not at all. */
  behavior?: Assessment;
  /** Sources of values; left out: nothing was seen. */
  flow?: GivenFlow;
}

/** @param usual the table's own `given`: its task says for what purpose an agent asks that has no task in this case */
export function situationOf(usual: StartingPoint, { verb, resource, given, ...asked }: Case): CaseSituation {
  const related = Object.entries(asked.related).map(([role, { name, type, id }]) => {
    return [role, { type, id, attributes: given.resources[name] ?? {} }] as const;
  });
  return {
    request: {
      agent: given.agent.id,
      purpose: purposeOf(usual, given),
      ...(given.task === null ? {} : { task: given.task.id }),
      verb,
      resource: {
        type: resource.type,
        id: resource.id,
        attributes: { ...given.resources[resource.name], ...asked.attributes },
      },
      ...(related.length === 0 ? {} : { related: Object.fromEntries(related) }),
      arguments: asked.arguments,
      ...(given.claims === null ? {} : { time: given.claims }),
    },
    facts: factsOf(given),
    now_ms: given.now_ms,
    behavior: given.behavior,
    flow: given.flow,
  };
}

function factsOf({ agent, task, grants }: StartingPoint): Facts {
  const ofAgent = task === null ? undefined : { ...task, agent: task.agent ?? agent.id };
  return fixedFacts({
    agent: (id) => (id === agent.id ? agent : undefined),
    task: (id) => (id === ofAgent?.id ? ofAgent : undefined),
    grants: (type, verb) =>
      grants
        .filter((grant) => grant.type === type && grant.verb === verb)
        .map(({ id, exact, about, when }) => ({ id, exact, about, when })),
  });
}
