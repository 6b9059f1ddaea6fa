/** Facts as decisions see them: of whatever registry is the one now, with the age that they have here. */
import type { AnswerTime, Facts } from "../decision/ports.js";
import type { Registry } from "./registry.js";

interface AgedFacts {
  registry: () => Registry;
  isStale: () => boolean;
  /** Time for answers on what is in memory now. @default none */
  lease?: () => AnswerTime | null;
  /** Gets uses of grants that other nodes count too. @default none has to be got */
  reserve?: Facts["reserve"];
}

export function factsOf({ registry, isStale, lease = () => null, reserve = () => null }: AgedFacts): Facts {
  return {
    get revision() {
      return registry().revision;
    },
    get stale() {
      return isStale();
    },
    get lease() {
      return lease();
    },
    agent: (id) => registry().agent(id),
    task: (id) => registry().task(id),
    agentOf: (subject) => registry().agentOf(subject),
    revoked: (scope, id, issued_ms) => registry().revoked(scope, id, issued_ms),
    narrowed: (agent, now_ms) => registry().narrowed(agent, now_ms),
    reached: (revision) => registry().reached(revision),
    grants: (agent, task, type, verb, now_ms) => registry().grants(agent, task, type, verb, now_ms),
    approvals: (agent, now_ms, digest) => registry().approvals(agent, now_ms, digest),
    lastChange: (scope, id) => registry().lastChange(scope, id),
    reserve,
    take: (grants) => registry().take(grants),
    spend: (agents, now_ms) => registry().spend(agents, now_ms),
    giveBack: (grants) => {
      registry().giveBack(grants);
    },
  };
}
