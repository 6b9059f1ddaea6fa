/** Findings, folded from the decisions that have a share in each, and from what people said of them. */
import { SEVERITIES, type Severity } from "../contract/index.js";
import { members, text, textOrNull, type RecordMembers } from "./history.js";
import type { FindingRow } from "./report.js";
import { clipped, type ReviewedDecision } from "./tally.js";

const FINDINGS_MAX = 5_000;
const MARK = Buffer.from(',"finding":"');
/** An answer begins a record, and its finding stands near its beginning. */
const MARK_WITHIN_BYTES = 4096;

interface ReviewedFinding extends FindingRow {
  first_ms: number;
  last_ms: number;
}

export class ReviewedFindings {
  readonly #all = new Map<string, ReviewedFinding>();
  left_off = 0;

  /** Reads a decision from before the period, of which only findings that are still open count. */
  glance(bytes: Buffer, seq: number, before: boolean): void {
    if (!before || bytes.subarray(0, MARK_WITHIN_BYTES).indexOf(MARK) < 0) return;
    const record = parsed(bytes);
    const { answer, input, request, time } = record;
    const { finding, decision, proceed, decision_id, reasons } = members(answer);
    const asked = members(input === undefined ? request : members(input)["request"]);
    if (typeof finding !== "string" || typeof time !== "string") return;
    this.#add(text(finding), {
      ...{ seq, time, decision_id: text(decision_id), agent: text(asked["agent"]), purpose: text(asked["purpose"]) },
      reasons: (Array.isArray(reasons) ? reasons : []) as ReviewedDecision["reasons"],
      ...{ decision: decision as ReviewedDecision["decision"], proceed: proceed === true },
    });
  }

  sighted(judged: ReviewedDecision, finding: string | null): void {
    if (finding !== null) this.#add(finding, judged);
  }

  /** A record of a notice. */
  noticed({ finding, time, agent, purpose, code, severity, message }: RecordMembers): void {
    if (typeof finding !== "string" || typeof time !== "string") return;
    const known = SEVERITIES.find((one) => one === severity) ?? "info";
    const reason = { effect: "log", code: text(code), severity: known, message: text(message), params: {} } as const;
    this.#add(text(finding), { time, agent: text(agent), purpose: text(purpose), reasons: [reason] });
  }

  /** A record of facts, of whatever. */
  judged(record: RecordMembers): void {
    if (record["finding"] === undefined) return;
    const { id, state, by, at, reason } = members(record["finding"]);
    const known = this.#all.get(text(id));
    if (known === undefined) return;
    known.state = text(state);
    const isOpen = known.state === "open" || known.state === "in_review";
    known.verdict = isOpen ? null : { by: text(by), at: text(at), reason: textOrNull(reason) };
  }

  /** Returns findings with something in the period, and those that were open in it. */
  rows(from_ms: number, to_ms: number): FindingRow[] {
    const concerns = ({ last_ms, first_ms, verdict }: ReviewedFinding): boolean =>
      first_ms < to_ms && (last_ms >= from_ms || verdict === null || Date.parse(verdict.at) >= from_ms);
    const rank = ({ verdict, severity }: FindingRow): number => (verdict === null ? 0 : SEVERITIES.length) - SEVERITIES.indexOf(severity);
    return [...this.#all.values()]
      .filter(concerns)
      .sort((a, b) => rank(a) - rank(b) || b.last_ms - a.last_ms)
      .map(({ first_ms: _first, last_ms: _last, ...row }) => row);
  }

  #add(id: string, one: Pick<ReviewedDecision, "time" | "agent" | "purpose" | "reasons">): void {
    const { time, agent, purpose, reasons } = one;
    const ms = Date.parse(time);
    const gravest = [...reasons].sort((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity))[0];
    const severity: Severity = SEVERITIES.find((known) => known === gravest?.severity) ?? "info";
    const known = this.#all.get(id);
    if (known === undefined) {
      if (this.#all.size >= FINDINGS_MAX) {
        this.left_off++;
        return;
      }
      this.#all.set(id, {
        ...{
          id,
          state: "open",
          agent,
          purpose,
          severity,
          code: text(gravest?.code),
          message: clipped(text(gravest?.message)),
        },
        ...{ actions: 1, first: time, last: time, first_ms: ms, last_ms: ms, verdict: null },
      });
      return;
    }
    known.actions++;
    if (known.purpose !== purpose) known.purpose = null;
    if (known.agent !== agent) known.agent = null;
    if (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(known.severity)) known.severity = severity;
    if (ms > known.last_ms) [known.last, known.last_ms] = [time, ms];
    if (ms < known.first_ms) [known.first, known.first_ms] = [time, ms];
  }
}

function parsed(bytes: Buffer): RecordMembers {
  try {
    return members(JSON.parse(bytes.toString("utf8")));
  } catch {
    return {};
  }
}
