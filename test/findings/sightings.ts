/** Judged actions as grouping sees them, and records of them as the index tells them. */
import type { DecisionRecord, Reason, Sighted } from "../../src/contract/index.js";
import { Incidents } from "../../src/findings/incidents.js";
import type { FindingRecord } from "../../src/findings/finding_record.js";

export const NOW = Date.UTC(2026, 2, 3, 9);
export const MINUTE_MS = 60_000;
/** Digest of the bundle that decides. */
export const BUNDLE = "sha256:bundle";

/** A decision's id as one is made at this time; `n` makes it another. */
export function decisionId(ms: number, n: number): string {
  const time = ms.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${n.toString(16).padStart(12, "0")}`;
}

export const flag = (code: string, severity: Reason["severity"] = "medium"): Reason => ({
  effect: "flag",
  code,
  severity,
  message: `${code}!`,
  params: {},
});
export const log = (code: string, severity: Reason["severity"] = "low"): Reason => ({ ...flag(code, severity), effect: "log" });
export const deny = (code: string, severity: Reason["severity"] = "medium"): Reason => ({ ...flag(code, severity), effect: "deny" });
const permit: Reason = { ...flag("read_own", "info"), effect: "allow" };

export interface Put extends Partial<Omit<Sighted, "reasons" | "opens" | "decision">> {
  reasons?: readonly Reason[];
}

let drawn = 0;

/** What follows from its reasons: denied by any that denies, flagged by any that flags. */
export function sighted({ reasons = [permit], ...put }: Put = {}): Sighted & { reasons: readonly Reason[] } {
  const has = (effect: Reason["effect"]): boolean => reasons.some((reason) => reason.effect === effect);
  const decision = has("deny") ? "deny" : has("flag") ? "flag" : "allow";
  const kind = put.kind ?? "decision";
  const time_ms = put.time_ms ?? NOW;
  const opens = decision === "deny" ? kind === "observed" : has("flag") || has("log");
  return {
    decision_id: decisionId(time_ms, ++drawn),
    kind,
    agent: "support-7",
    known: true,
    purpose: "support",
    verb: "read",
    type: "invoice",
    id: "I-1",
    ...put,
    time_ms,
    decision,
    reasons,
    opens,
  };
}

/** The finding that each belongs to, in order, by the number of the action that opened it; null: none. */
export function grouped(puts: readonly Put[], incidents = new Incidents()): (number | null)[] {
  const ids: string[] = [];
  return puts.map((put) => {
    const one = sighted(put);
    ids.push(one.decision_id);
    const finding = incidents.place(one);
    return finding === null ? null : ids.indexOf(finding.slice(2, 38));
  });
}

/** Its record, as the index tells it. */
export function seen(
  one: Sighted & { reasons: readonly Reason[] },
  finding: string | null,
  seq: number,
  more: { wait?: boolean; risk?: number } = {},
): FindingRecord {
  const { kind, agent, known, purpose, verb, type, id, time_ms, decision, reasons, decision_id } = one;
  const action = { agent, purpose, task: "T-1", verb, type, id };
  const resource = { type, id, attributes: {} };
  const request = { agent, purpose, task: "T-1", verb, resource };
  const facts = {
    agent: { id: agent, version: "2", owner: "o", attributes: {} },
    behavior: { risk: more.risk ?? 0, confidence: 1, channels: {}, reasons: [] },
  };
  const record = {
    seq,
    v: 2,
    kind,
    time: new Date(time_ms).toISOString(),
    caller: "gateway-1",
    answer: {
      decision,
      proceed: decision === "allow",
      decision_id,
      reasons,
      action_digest: `sha256:${id ?? ""}`,
      ...(finding !== null && { finding }),
      policy: { digest: BUNDLE },
      ...(more.wait === true && {
        wait: {
          approval_digest: `sha256:${id ?? ""}`,
          for: "approval",
          until: new Date(time_ms + 15 * MINUTE_MS).toISOString(),
        },
      }),
    },
    ...(known ? { input: { request, facts } } : { request, floor: { agent: null } }),
  } as unknown as DecisionRecord;
  return { seq, action, record };
}
