/** Finds out what a judged action is about: which of its reasons somebody has to look into, and what its finding's id says. */
import { SEVERITIES, type FindingAbout, type Reason, type Severity, type Sighted } from "../contract/index.js";

/** Reasons and notices that say how unusual an action is: one incident, however grave it becomes. */
const BEHAVIOR: ReadonlySet<string> = new Set([
  ...["unusual", "unusual_flagged", "unusual_held", "unusual_denied"],
  ...["narrowed_by_behavior", "suspended_by_behavior"],
]);

type SubjectReason = Pick<Reason, "effect" | "code" | "severity">;

/**
 * Returns the reasons that call for a look. A denied action hasn't happened, so its reasons count only if it had already happened when it
 * was judged, or if they come from behaviour.
 */
export function concerning<R extends SubjectReason>(kind: Sighted["kind"], reasons: readonly R[]): R[] {
  return reasons.filter(({ effect, code }) => (effect === "deny" ? kind === "observed" || BEHAVIOR.has(code) : effect !== "allow"));
}

export const gravity = (severity: Severity): number => SEVERITIES.indexOf(severity);

/**
 * Which of them it is about; null where nothing calls for a look. Where the agent is not itself, that is what somebody has to
 * look into, whatever else is out of order; else the first of the gravest.
 */
export function leading<R extends SubjectReason>(kind: Sighted["kind"], reasons: readonly R[]): R | null {
  const all = concerning(kind, reasons);
  return gravest(all.filter(({ effect, code }) => effect !== "log" && BEHAVIOR.has(code))) ?? gravest(all);
}

function gravest<R extends SubjectReason>(reasons: readonly R[]): R | null {
  return reasons.reduce<R | null>(
    (found, reason) => (found === null || gravity(reason.severity) > gravity(found.severity) ? reason : found),
    null,
  );
}

/** Returns true if the code comes from behaviour. */
export const isBehavior = (code: string): boolean => BEHAVIOR.has(code);

const SUFFIX = { code: "", behavior: "", flood: "-flood", shopping: "-shopping", denials: "-denials" } as const satisfies Record<
  FindingAbout,
  string
>;

/** Kinds of findings that an agent has one of at once, whatever their reasons. */
const ALONE = ["flood", "shopping", "denials"] as const satisfies readonly FindingAbout[];

/** All ids that findings which a decision opens can have. */
export const findingIds = (decisionId: string): string[] =>
  ["", ...ALONE.map((about) => SUFFIX[about])].map((suffix) => `F-${decisionId}${suffix}`);

/** The id of a finding that this decision opens. */
export const findingId = (decisionId: string, about: keyof typeof SUFFIX): string => `F-${decisionId}${SUFFIX[about]}`;

/** Returns what a finding's id by itself says that it is about; null if its reasons decide that. */
export function aboutOfId(id: string): (typeof ALONE)[number] | null {
  return ALONE.find((about) => id.endsWith(SUFFIX[about])) ?? null;
}

/** When a finding was opened, as the decision's id says (RFC 9562, section 5.7): milliseconds since the epoch. */
export const openedMs = (id: string): number => parseInt(id.slice(2, 10) + id.slice(11, 15), 16);
