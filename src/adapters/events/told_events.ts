/** Converts changes of facts to events for others: revocations, suspensions and narrowings, and their end. */
import { hash } from "node:crypto";
import { clip, type NarrowingState, type RevocationState } from "../../contract/index.js";
import { CAEP, RISC } from "./event_types.js";

/** A change that is durable. */
export interface TellableChange {
  revision: number;
  key: string;
  change: string;
  by: string;
  /** RFC 3339. */
  time: string;
  reason: string | null;
  value: unknown;
}

export interface TellingContext {
  /** Issuer of these names of agents and owners. */
  issuer: string;
  /** The issuer of agents' tokens where there is one alone; null: a token's isn't known. */
  token_issuer: string | null;
  /** Name under which the service's own changes are recorded. */
  itself: string;
  /** Returns a task's agent and principal. */
  task: (id: string) => { agent: string; principal: string | null } | undefined;
}

/** An event as it is told, whoever hears it. */
export interface ToldEvent {
  type: string;
  event: Record<string, unknown>;
  sub_id: Record<string, unknown>;
}

const SESSION_REVOKED = `${CAEP}session-revoked`;
const RISK_CHANGED = `${CAEP}risk-level-change`;
const DISABLED = `${RISC}account-disabled`;
const PURGED = `${RISC}account-purged`;
const ENABLED = `${RISC}account-enabled`;
export const TOLD_TYPES: readonly string[] = [SESSION_REVOKED, RISK_CHANGED, DISABLED, ENABLED, PURGED];

const REASON_LENGTH_MAX = 512;

export function eventsOf(change: TellableChange, context: TellingContext): ToldEvent[] {
  const [, id = ""] = /^[^/]+\/(.*)$/s.exec(change.key) ?? [];
  const said = saidOf(change, context);
  const agent = (of: string): Record<string, unknown> => ({ format: "iss_sub", iss: context.issuer, sub: of });
  const risk = (of: string, current_level: string, previous_level: string, why: readonly string[]): ToldEvent => ({
    type: RISK_CHANGED,
    event: {
      ...said,
      principal: "APPLICATION",
      current_level,
      previous_level,
      ...(why.length === 0 ? {} : { risk_reason: clip(why.join("; "), REASON_LENGTH_MAX) }),
    },
    sub_id: agent(of),
  });
  const by_itself = change.by === context.itself;
  switch (change.change) {
    case "revoked":
    case "revocation_lifted": {
      const revocation = change.value as RevocationState;
      const sub_id = subjectOf(revocation, context);
      // What was revoked for its tokens alone was never stopped, and isn't let go on.
      const type = change.change === "revoked" ? SESSION_REVOKED : revocation.before === undefined ? ENABLED : null;
      return sub_id === null || type === null ? [] : [{ type, event: said, sub_id }];
    }
    case "agent_suspended":
      return [
        { type: DISABLED, event: said, sub_id: agent(id) },
        ...(by_itself ? [risk(id, "HIGH", "MEDIUM", change.reason === null ? [] : [change.reason])] : []),
      ];
    case "agent_revoked":
      return [{ type: PURGED, event: said, sub_id: agent(id) }];
    case "agent_restored":
      return [{ type: ENABLED, event: said, sub_id: agent(id) }];
    case "agent_tokens_cut":
      return [{ type: SESSION_REVOKED, event: said, sub_id: agent(id) }];
    case "agent_narrowed":
      return [risk(id, "HIGH", "LOW", (change.value as NarrowingState).why)];
    case "agent_widened":
      return [risk(id, "LOW", "HIGH", [])];
    default:
      return [];
  }
}

/** CAEP 1.0, section 2. */
function saidOf({ by, time, reason }: TellableChange, { itself }: TellingContext): Record<string, unknown> {
  return {
    event_timestamp: Math.floor(Date.parse(time) / 1000),
    initiating_entity: by === itself ? "policy" : by.startsWith("ssf:") ? "system" : "admin",
    ...(reason === null ? {} : { reason_admin: { en: clip(reason, REASON_LENGTH_MAX) } }),
  };
}

/** Null for what is of nobody else's concern: a grant permits more than others know of. */
function subjectOf({ scope, of }: RevocationState, { issuer, token_issuer, task }: TellingContext): Record<string, unknown> | null {
  const named = (id: string) => ({ format: "iss_sub", iss: issuer, sub: id });
  const opaque = (id: string) => ({ format: "opaque", id });
  switch (scope) {
    case "agent":
      return named(of);
    case "task": {
      const { agent, principal = null } = task(of) ?? {};
      const application = agent === undefined ? {} : { application: named(agent) };
      const user = principal === null ? {} : { user: opaque(principal) };
      return { format: "complex", session: opaque(of), ...application, ...user };
    }
    case "token":
      return token_issuer === null ? opaque(of) : { format: "jwt_id", iss: token_issuer, jti: of };
    case "principal":
      return { format: "complex", user: opaque(of) };
    case "owner":
      return { format: "complex", org_unit: opaque(of) };
    case "purpose":
      return { format: "complex", group: opaque(of) };
    case "everything":
      return { format: "complex", tenant: opaque(issuer) };
    // A receiver knows nothing by these names.
    case "grant":
    case "caller":
      return null;
  }
}

/**
 * The same whenever it is told, so that whoever hears it twice can tell; another one to every stream.
 * @param nth of the change's events
 */
export function jtiOf({ revision, key, time }: TellableChange, nth: number, stream: string): string {
  return hash("sha256", JSON.stringify([stream, revision, key, time, nth]), "base64url").slice(0, 32);
}

/** SSF 1.0, section 3.5: two subjects are the same where each member is, or one of them hasn't got it. */
export function isSubject(told: Record<string, unknown>, wanted: Record<string, unknown>): boolean {
  if (told["format"] !== "complex" || wanted["format"] !== "complex") return sameText(told, wanted);
  return Object.keys(told).every((member) => wanted[member] === undefined || sameText(told[member], wanted[member]));
}

function sameText(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [one, other] = [Object.entries(a), b as Record<string, unknown>];
  return one.length === Object.keys(b).length && one.every(([name, value]) => sameText(value, other[name]));
}
