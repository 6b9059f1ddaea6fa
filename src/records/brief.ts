/**
 * Brief of a judged record, from which its finding is made: some hundred bytes of thousands, which have to be read again when findings are
 * kept.
 */
import { actionOf, type MatchedRecord } from "./row.js";

/** Returns the text of a record with only the members that a finding needs, each as it stands in the record. A notice keeps all of them. */
export function briefText({ seq, row, text, record }: MatchedRecord): string {
  const action = actionOf(row);
  if (row.kind === "notice") return `{"seq":${seq},"action":${JSON.stringify(action)},"record":${text}}`;
  const { ancestors, answer, caller, engine, floor, input, kind, proof, time } = objectOf(record);
  const { action_digest, decision, decision_id, finding, reasons, wait } = objectOf(answer);
  const { facts: given, request } = objectOf(input);
  const facts = objectOf(given);
  const { policy } = objectOf(answer);
  // What waits is shown to whoever approves it.
  const waits = objectOf(wait)["for"] === "approval";
  return JSON.stringify({
    seq,
    action,
    record: {
      kind,
      time,
      engine,
      ...(waits && { caller, proof: { principal: objectOf(proof)["principal"] } }),
      ...(waits && Array.isArray(ancestors) && { ancestors: ancestors.map(principalIn) }),
      answer: {
        ...(waits && { policy: { digest: objectOf(policy)["digest"] } }),
        action_digest,
        decision,
        decision_id,
        finding,
        reasons: Array.isArray(reasons) ? reasons.map(reasonOf) : reasons,
        wait,
      },
      floor: floor === undefined ? undefined : { agent: objectOf(floor)["agent"] === null ? null : {} },
      input: {
        facts: {
          agent: { version: objectOf(facts["agent"])["version"] },
          behavior: { risk: objectOf(facts["behavior"])["risk"] },
          ...(waits && { principal: facts["principal"] }),
        },
        ...(waits && { request }),
      },
    },
  });
}

function reasonOf(reason: unknown): unknown {
  if (typeof reason !== "object" || reason === null) return reason;
  const { code, effect, message, severity } = reason as Record<string, unknown>;
  return { code, effect, message, severity };
}

function principalIn(level: unknown): unknown {
  return { facts: { principal: objectOf(objectOf(level)["facts"])["principal"] } };
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
