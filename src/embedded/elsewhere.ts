/**
 * What only the service can decide, since it is counted there or proven by keys that are there: uses of grants, actions of an agent
 * that is narrowed, tokens of agents and tasks. Two engines that counted for themselves would each give out the last use.
 */
import type { DecideRequest } from "../contract/index.js";
import type { Facts, Grant, Narrowed } from "../decision/ports.js";
import { TASK_LEVELS_MAX } from "../contract/index.js";

/** Thrown from within a decision that came to it after it had begun. */
export class Elsewhere extends Error {
  override readonly name = "Elsewhere";
}

/** The facts of an engine beside a service: what is counted is none of its own. Where they are too old the floor refuses whatever they are. */
export function uncounted(facts: Facts): Facts {
  return Object.defineProperties(
    {
      ...facts,
      narrowed: (agent: string, now_ms: number) => {
        if (facts.narrowed(agent, now_ms) === null) return null;
        if (!facts.stale) throw new Elsewhere("the agent is narrowed");
        return LEFT_WITH_NOTHING;
      },
      grants: (...asked: Parameters<Facts["grants"]>): readonly Grant[] => {
        const found = facts.grants(...asked);
        if (!found.some(isCounted)) return found;
        if (!facts.stale) throw new Elsewhere("a grant is counted");
        return NO_GRANTS;
      },
      // An approval is used at the service, which has decided what waited: any of the agent's may be for this action.
      approvals: (agent: string, now_ms: number): readonly Grant[] => {
        if (!facts.stale && hasApproval(facts, agent, now_ms)) throw new Elsewhere("an action of the agent is approved");
        return NO_GRANTS;
      },
      take: (grants: readonly string[]) => grants.length === 0,
    },
    {
      revision: { get: () => facts.revision },
      stale: { get: () => facts.stale },
    },
  );
}

/** Where facts are as old as to be refused anyway: nothing that is counted may help. */
const LEFT_WITH_NOTHING: Narrowed = { actions_per_minute: 0, permitted: 0 };
const NO_GRANTS: readonly Grant[] = [];

/** Whether the agent has an approval, of whatever action. */
function hasApproval(facts: Facts, agent: string, nowMs: number): boolean {
  let any = false;
  facts.approvals(agent, nowMs, () => {
    any = true;
    return "";
  });
  return any;
}

function isCounted({ counted, state }: Grant): boolean {
  return counted && state === "live";
}

/**
 * Whether the service has to be asked about this action, as facts stand.
 * @param asked any object; what is wrong with it is found by who reads it
 */
export function isForService(asked: unknown, facts: Facts, nowMs: number, counts: boolean): boolean {
  if (typeof asked !== "object" || asked === null) return false;
  const { agent, task = null, verb, resource, agent_token, task_token } = asked as Partial<DecideRequest>;
  if (agent_token !== undefined || task_token !== undefined) return true;
  if (!counts || facts.stale || typeof agent !== "string" || typeof verb !== "string" || typeof resource?.type !== "string") return false;
  if (hasApproval(facts, agent, nowMs)) return true;
  let [holder, id]: [string, string | null] = [agent, typeof task === "string" ? task : null];
  for (let level = 0; level <= TASK_LEVELS_MAX; level++) {
    if (facts.narrowed(holder, nowMs) !== null) return true;
    if (facts.grants(holder, id, resource.type, verb, nowMs).some(isCounted)) return true;
    const parent = id === null ? null : (facts.task(id)?.parent ?? null);
    if (parent === null) return false;
    [holder, id] = [facts.task(parent)?.agent ?? holder, parent];
  }
  return false;
}
