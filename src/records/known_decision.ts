/** Looks up in the records a decision that is no longer remembered, for a caller that reports its outcome. */
import { Problem, type ShownRecord } from "../contract/index.js";
import type { KnownDecision } from "../decision/outcomes.js";
import type { RecordSearch } from "./search.js";

/**
 * Null where no decision on record has this id.
 * @throws Problem `index_unavailable` (503), also where the index is behind: what it lacks may be the outcome
 */
export async function knownDecision(search: RecordSearch, decisionId: string): Promise<KnownDecision | null> {
  const { durable } = search;
  const text = await search.ask({ kind: "one", id: decisionId });
  const shown = text === null ? null : (JSON.parse(text) as ShownRecord);
  if ((shown?.indexed_to ?? search.indexedTo) < durable) throw new Problem("index_unavailable");
  if (shown?.record.kind !== "decision") return null;
  const { answer, caller } = shown.record;
  const [reported] = shown.outcomes;
  if (reported === undefined) return { caller, proceed: answer.proceed, outcome: null, record: shown.record };
  const { decision_id, outcome, took_ms, amount, detail, time } = reported;
  const said = {
    decision_id,
    outcome,
    ...(took_ms !== undefined && { took_ms }),
    ...(amount !== undefined && { amount }),
    ...(detail !== undefined && { detail }),
    time,
  };
  return { caller, proceed: answer.proceed, outcome: said, record: shown.record };
}
