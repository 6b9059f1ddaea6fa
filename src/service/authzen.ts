/** Puts the AuthZEN adapter together with the rooms that know what it asks. */
import type { ApprovalGrant } from "../adapters/authzen/access_request.js";
import { authzenOf, type Authzen } from "../adapters/authzen/authzen.js";
import { NO_ENTITIES, readEntities, type Entities } from "../adapters/authzen/entities.js";
import type { RecordSearch } from "../records/search.js";
import { Problem, isVerdict, type DecisionRecord, type PolicyInput, type ShownRecord } from "../contract/index.js";
import type { Decider } from "../decision/decide.js";
import type { Registry } from "../facts/registry.js";
import type { Config } from "../system/config.js";
import type { Clock } from "../system/index.js";
import type { WiredFindings } from "./findings.js";

export interface AuthzenWired {
  config: Pick<Config, "authzen" | "limits">;
  decider: Decider;
  registry: Registry;
  search: RecordSearch;
  findings: Pick<WiredFindings, "held" | "findings">;
  clock: Clock;
}

/**
 * Undefined where it isn't configured.
 * @throws YamlError of the entities' file
 */
export function wireAuthzen({ config, decider, registry, search, findings, clock }: AuthzenWired): Authzen | undefined {
  const entities = authzenEntities(config);
  if (config.authzen === undefined || entities === null) return undefined;
  const grant = (id: string): ApprovalGrant | undefined => {
    const found = registry.grant(id)?.value;
    const use = registry.grantUse(id, clock.wall());
    if (found === undefined || use === undefined) return undefined;
    const { approval, not_before } = found;
    // The first voice may have been of an earlier decision of the action: approved is what has all of them.
    return { ...found, not_before: approval?.given[approval.quorum - 1]?.at ?? not_before, state: use.state };
  };
  return authzenOf({
    config: config.authzen,
    entities,
    decider,
    facts: {
      agentsAfter: (id) => registry.ids.agent.after(id),
      task: (id) => registry.task(id),
    },
    approvals: {
      async decision(id) {
        const text = await search.ask({ kind: "one", id });
        const shown = text === null ? null : (JSON.parse(text) as ShownRecord);
        // Of which agent it was can't be told where that stood beside it.
        if (shown?.record.kind !== "decision" || shown.beside_missing) return null;
        const { answer, caller, input, request } = { ...shown.record, ...shown.beside } as DecisionRecord;
        const { agent } = (request ?? input?.["request"]) as PolicyInput["request"];
        return { caller, agent, answer };
      },
      // Whose the action is doesn't matter to what it is.
      digestsOf: ({ decision_id, action_digest, wait }) =>
        findings.held.of({ decision_id, action_digest, approval_digest: wait?.approval_digest ?? "", principals: [] }),
      grant,
      approvalsOf: (agent) => registry.approvalsOf(agent).flatMap(({ value: { id } }) => grant(id) ?? []),
      async verdict(id) {
        try {
          const { state } = await findings.findings.get(id);
          return isVerdict(state) ? (state as "expected" | "misuse" | "policy_gap") : null;
        } catch (cause) {
          // What is long closed is only in the records, and what isn't there yet nobody has judged.
          if (cause instanceof Problem && cause.code === "finding_not_found") return null;
          throw cause;
        }
      },
      now: () => clock.wall(),
    },
    limits: config.limits,
  });
}

/** Null where AuthZEN isn't spoken. @throws YamlError */
export function authzenEntities({ authzen }: Pick<Config, "authzen">): Entities | null {
  if (authzen === undefined) return null;
  return authzen.entities === undefined ? NO_ENTITIES : readEntities(authzen.entities, authzen.entities_max);
}
