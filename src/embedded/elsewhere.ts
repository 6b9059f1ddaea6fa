/**
 * Decisions that only the service can make, since they rest on counts there or on keys that are there: uses of grants, actions of a
 * narrowed agent, tokens of agents and tasks. Two engines that counted for themselves would each give out the last use.
 */
import type { DecideRequest } from "../contract/index.js";
import type { Facts, Grant, Narrowed } from "../decision/ports.js";
import { TASK_LEVELS_MAX } from "../contract/index.js";

/** Thrown from within a decision that came to it after it had begun. */
export class Elsewhere extends Error {
  override readonly name = "Elsewhere";
}

/**
 * Returns the facts of an engine beside a service: whatever is counted belongs to the service. If they are too old the floor refuses,
 * whatever they are.
 */
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
      lease: { get: () => facts.lease },
    },
  );
}

/** Narrowing to nothing, for facts so old that the action is refused anyway: nothing that is counted may help. */
const LEFT_WITH_NOTHING: Narrowed = { actions_per_minute: 0, permitted: 0 };
const NO_GRANTS: readonly Grant[] = [];

/** Returns true if the agent has an approval, of any action. */
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
 * Returns true if the service has to be asked about this action, as facts stand.
 * @param asked any object; whoever reads it finds what is wrong with it
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
