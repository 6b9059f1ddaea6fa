/**
 * A decision as AuthZEN has it: `decision` is whether to proceed, everything else is in its context (section 5.5, the obligations
 * profile, and the access request profile for what waits for a person). Written by hand, since it is written for each decision.
 */
import { PROBLEMS, type Answer, type Obligation, type Problem, type Reason } from "../../contract/index.js";

/** Types of obligations that it may answer with. */
export const OBLIGATION_TYPES = ["notification", "custom"] as const;

const DENIED = "403";

export interface AnswerOptions {
  /** URL at which a person is asked about a waiting action. */
  requestAt: string;
  /** Types of our obligations that whoever asks meets. */
  meets: ReadonlySet<string>;
}

/**
 * Returns true if the action is permitted to a caller that looks at `decision` alone, as AuthZEN lets it: an action permitted under an
 * obligation isn't, unless the caller is known to meet it.
 */
export function isPermitted(
  { proceed, obligations }: Pick<Answer, "proceed" | "obligations">,
  { meets }: Pick<AnswerOptions, "meets">,
): boolean {
  return proceed && obligations.every(({ type }) => meets.has(type));
}

/**
 * @param said beside what the answer says: of the approval that was brought along; `reason` and `reason_admin` in place of the answer's
 * @returns JSON
 */
export function decisionText(answer: Answer, options: AnswerOptions, said: Readonly<Record<string, unknown>> = {}): string {
  const { decision, decision_id, finding, obligations, proceed, reasons, tell_agent, valid_for_ms, wait } = answer;
  let context = `"evaluation_id":"${decision_id}","outcome":"${decision}","valid_for_ms":${valid_for_ms}`;
  if (obligations.length > 0) context += `,"obligations":${obligationsText(obligations)}`;
  if (finding !== undefined) context += `,"finding":"${finding}"`;
  const { reason, reason_admin, ...more } = said;
  for (const name of Object.keys(more)) context += `,${JSON.stringify(name)}:${JSON.stringify(more[name])}`;
  const permitted = isPermitted(answer, options);
  if (proceed && !permitted) context += `,"reason":"obligation_unmet","reasons":${JSON.stringify(reasons)}`;
  else if (decision !== "allow" || finding !== undefined) context += reasonsText(decision, reasons, tell_agent, reason, reason_admin);
  if (wait !== undefined) {
    context += `,"evaluated_at":"${evaluatedAt(decision_id)}","wait":${JSON.stringify(wait)}`;
    if (wait.for === "approval") context += `,"access_request":${accessRequestText(wait.until, options.requestAt)}`;
  }
  return `{"decision":${permitted},"context":{${context}}}`;
}

function reasonsText(
  decision: Answer["decision"],
  reasons: readonly Reason[],
  tell: string | undefined,
  reason: unknown,
  admin: unknown,
): string {
  const top = reasons.find(({ effect }) => effect === decision) ?? reasons[0];
  const why =
    top === undefined
      ? ""
      : `,"reason":${JSON.stringify(reason ?? top.code)},"reason_admin":{"${DENIED}":${JSON.stringify(admin ?? top.message)}}`;
  const said = tell === undefined || tell === "" ? "" : `,"reason_user":{"${DENIED}":${JSON.stringify(tell)}}`;
  return `${why}${said},"reasons":${JSON.stringify(reasons)}`;
}

/** Access request profile, requestable denial: present, it never permits anything. */
function accessRequestText(until: string, requestAt: string): string {
  return JSON.stringify({ expires_at: until, endpoint: requestAt });
}

/** Obligations profile: who doesn't understand one denies. @returns JSON */
export function obligationsText(obligations: readonly Obligation[]): string {
  return JSON.stringify(obligations.map(asObligation));
}

/** Returns an obligation in the profile's form. If the profile has no type for it, it is `custom`. */
function asObligation(obligation: Obligation, index: number): object {
  const id = `obligation-${index + 1}`;
  if (obligation.type === "notify")
    return {
      id,
      type: "notification",
      properties: { to: obligation.channel, body: "An action was permitted that you are to be told of." },
    };
  return { id, type: "custom", properties: obligation };
}

/** A decision's id is a UUIDv7, which begins with its time (RFC 9562, section 5.7). */
export function evaluatedAt(decisionId: string): string {
  return new Date(Number.parseInt(decisionId.slice(0, 8) + decisionId.slice(9, 13), 16)).toISOString();
}

/** Returns the error of one item of several (section 7.2.1). @returns JSON */
export function itemErrorText(problem: Problem): string {
  return JSON.stringify({ decision: false, context: { error: { status: statusOf(problem), message: messageOf(problem) } } });
}

/**
 * Section 12.1: 400, 401, 403 or what the server is to blame for. What HTTP would tell apart of a bad request (413, 415) is 400 here.
 */
export function statusOf({ status }: Pick<Problem, "status">): number {
  if (status === 401 || status === 403 || status === 405 || status >= 500) return status;
  return 400;
}

export function messageOf({ code, detail: { field, expected } }: Problem): string {
  const { title } = PROBLEMS[code];
  const at = field === undefined || field === "" ? "" : `${field}: `;
  return `${code}: ${at}${title}${expected === undefined ? "" : `; expected ${expected}`}`;
}
