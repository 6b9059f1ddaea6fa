/** Puts the AuthZEN adapter together with the rooms that know what it asks. */
import type { Grant } from "../adapters/authzen/access_request.js";
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
  findings: Pick<WiredFindings, "digestOf" | "findings">;
  clock: Clock;
}

/**
 * Undefined where it isn't configured.
 * @throws YamlError of the entities' file
 */
export function wireAuthzen({ config, decider, registry, search, findings, clock }: AuthzenWired): Authzen | undefined {
  const entities = authzenEntities(config);
  if (config.authzen === undefined || entities === null) return undefined;
  const grant = (id: string): Grant | undefined => {
    const found = registry.grant(id)?.value;
    const use = registry.grantUse(id, clock.wall());
    return found === undefined || use === undefined ? undefined : { ...found, state: use.state };
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
      digestOf: (id, recorded) => findings.digestOf(id, recorded),
      grant,
      grantsOf: (agent, digest) =>
        registry.grants(agent, null, "", "", clock.wall(), digest).flatMap(({ input: { id } }) => grant(id) ?? []),
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
