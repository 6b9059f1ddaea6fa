/** Everything that an import takes to make the same registry again: what is over is left out, save agents that are no more. */
import type { ImportLine } from "../contract/index.js";
import { stateOfAgent, stateOfTask } from "./entities.js";
import type { Registry } from "./registry.js";
import { isLive } from "./tasks.js";
import { without } from "../system/without.js";

/** Yields all facts as of the moment in which the first line is taken, whatever changes while the others are. */
export function* exportFacts(registry: Registry, nowMs: number): Generator<ImportLine> {
  const [agents, tasks] = [[...registry.agents()], [...registry.tasks()]];
  const [grants, revocations] = [[...registry.allGrants()], [...registry.revocations()]];
  const narrowings = [...registry.narrowings.all()];
  for (const agent of agents) {
    yield { agent: said(without(stateOfAgent(agent), "registered", "bound")) } as ImportLine;
  }
  for (const task of tasks) {
    if (isLive(task, nowMs)) yield { task: said(without(stateOfTask(task), "ended", "lowered", "watched")) } as ImportLine;
  }
  for (const { value, over_ms } of grants) {
    if (nowMs < over_ms) yield { grant: said(without(value, "ended")) } as ImportLine;
  }
  for (const { lifted, ...narrowing } of narrowings) {
    if (lifted === null) yield { narrowing: said(without(narrowing, "by", "since", "revision")) } as ImportLine;
  }
  const told = new Set<string>();
  for (const { scope, of, reason, lifted, before } of revocations) {
    // From when on tokens are taken isn't exported, as `bound` of agents isn't. Of one thing there may be several by their sources.
    if (lifted !== null || before !== undefined || told.has(`${scope}/${of}`)) continue;
    told.add(`${scope}/${of}`);
    yield { revocation: { scope: scope === "everything" ? { everything: true } : { [scope]: of }, reason } };
  }
}

/** Leaves out members that are null. */
function said(fact: object): object {
  return Object.fromEntries(Object.entries(fact).filter(([, value]) => value !== null));
}
