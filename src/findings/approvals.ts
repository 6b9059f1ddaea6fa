/** Lists actions that wait for a person, or did: one list over all findings, with what became of each. */
import type { ApprovalState, Finding, GrantAnswer, WaitingApproval } from "../contract/index.js";
import type { HeldAction } from "./held_actions.js";
import { wantedApprover, type ApprovingPolicy, type Reviewer } from "./verdicts.js";
import type { WaitingAction } from "./waiting_action.js";

export interface ApprovalDeps {
  /** The newest first. */
  findings: () => Iterable<Finding>;
  /** Returns the grant that an action's approvals became; null if nobody has approved it. */
  grantOf: (agent: string, decision: string, digest: string) => GrantAnswer | null;
  held: (waiting: WaitingAction) => HeldAction | null;
  policy: ApprovingPolicy | null;
  nowMs: number;
}

/** Filter of the list. All that is given has to hold. */
export interface ApprovalFilter {
  agent?: string;
  purpose?: string;
  state?: ApprovalState;
}

const NO_RIGHT = "a caller with the scope `remit:review`";
const CANNOT = "the very action to be known: it is asked for again";

/**
 * Returns what waits, the most urgent first, and behind it what waited, the latest first.
 * @param reviewer caller that reads the list; null if it has no right to approve
 * @param sees whether the caller may know of a finding
 */
export function listApprovals(
  deps: ApprovalDeps,
  filter: ApprovalFilter,
  reviewer: Reviewer | null,
  sees: (finding: Finding) => boolean,
): WaitingApproval[] {
  const { agent, purpose, state } = filter;
  const all = [...deps.findings()]
    .filter((finding) => finding.waiting.length > 0 && (agent === undefined || finding.agent === agent) && sees(finding))
    .flatMap((finding) => finding.waiting.map((waiting) => approvalOf(deps, finding, waiting, reviewer)));
  const found = all.filter(
    (one) => (state === undefined || one.state === state) && (purpose === undefined || one.action.purpose === purpose),
  );
  return found.sort(byUrgency);
}

/** Orders what waits, the most urgent first, and behind it what waited, the latest first. */
export function byUrgency(a: WaitingApproval, b: WaitingApproval): number {
  return rank(a) - rank(b) || rankSign(a) * order(a, b);
}

const rank = ({ state }: WaitingApproval): number => (state === "waiting" ? 0 : 1);
const rankSign = (one: WaitingApproval): number => (rank(one) === 0 ? 1 : -1);

/** Compares by the end of their time, then by when they were decided, which ids begin with. */
function order({ action: a }: WaitingApproval, { action: b }: WaitingApproval): number {
  return Date.parse(a.until) - Date.parse(b.until) || (a.decision_id < b.decision_id ? -1 : 1);
}

function approvalOf(deps: ApprovalDeps, finding: Finding, action: WaitingAction, reviewer: Reviewer | null): WaitingApproval {
  const { roles = [], quorum = 1 } = deps.policy?.purposes.get(action.purpose)?.approvers ?? {};
  const held = deps.held(action);
  const digest = held?.approval_digest ?? action.approval_digest;
  const grant = finding.agent === null ? null : deps.grantOf(finding.agent, action.decision_id, digest);
  const state = stateOf(deps, finding, action, grant);
  const wanted =
    reviewer === null
      ? NO_RIGHT
      : held === null
        ? CANNOT
        : wantedApprover({ ...held, caller: action.caller, roles: [...roles] }, finding.agent, reviewer);
  return {
    finding: finding.id,
    agent: finding.agent,
    severity: finding.severity,
    message: finding.reasons[0]?.message ?? null,
    state,
    action,
    quorum: grant?.approval?.quorum ?? quorum,
    roles: [...roles],
    given: grant?.approval?.given ?? [],
    grant: grant?.id ?? null,
    refusal: state === "waiting" ? wanted : null,
  };
}

function stateOf(
  { policy, nowMs }: ApprovalDeps,
  { state, agent }: Finding,
  action: WaitingAction,
  grant: GrantAnswer | null,
): ApprovalState {
  if (grant !== null && grant.state !== "unapproved") {
    if (grant.used > 0) return "used";
    if (grant.state === "expired") return "lapsed";
    return grant.state === "live" || grant.state === "not_yet_valid" ? "approved" : "ended";
  }
  if (state === "misuse" || agent === null) return "refused";
  if (Date.parse(action.until) <= nowMs) return "lapsed";
  return action.policy === policy?.identity.digest ? "waiting" : "superseded";
}
