/**
 * Records as events of the Open Cybersecurity Schema Framework, version 1.8.0: API Activity (6003), Authorize Session (3003) and
 * Detection Finding (2004). What a class has no attribute for is in `unmapped`.
 */
import {
  FactsRecord,
  type AdminRecord,
  type Answer,
  type BundleRecord,
  type DecisionRecord,
  type NoticeRecord,
  type OutcomeRecord,
  type Reason,
  type RefusalRecord,
  type Severity,
} from "../../contract/index.js";
import { leafHash } from "../tree/hash.js";
import { objectOf, principalOf, requestOf, textOf, without, type JsonObject, type ExportedRecord } from "./exported_record.js";

const VERSION = "1.8.0";
const PRODUCT = "Remit";

interface Class {
  uid: number;
  name: string;
  category: number;
}
const API_ACTIVITY: Class = { uid: 6003, name: "API Activity", category: 6 };
const AUTHORIZE_SESSION: Class = { uid: 3003, name: "Authorize Session", category: 3 };
const DETECTION_FINDING: Class = { uid: 2004, name: "Detection Finding", category: 2 };

type OcsfName = readonly [id: number, name: string];

const CREATE: OcsfName = [1, "Create"];
const READ: OcsfName = [2, "Read"];
const UPDATE: OcsfName = [3, "Update"];
const DELETE: OcsfName = [4, "Delete"];
const ASSIGN_PRIVILEGES: OcsfName = [1, "Assign Privileges"];
const other = (name: string): OcsfName => [99, name];

/** A record says a verb's name and not its class. By its first word; whatever isn't here is Other, under its own name. */
const ACTIVITY_OF_VERB: ReadonlyMap<string, OcsfName> = new Map(
  (
    [
      [READ, "read get list search find query view fetch lookup calculate count download export"],
      [CREATE, "create add insert send execute run invoke call issue open post submit transfer upload import"],
      [UPDATE, "update modify change edit set write patch put amend rename move reset"],
      [DELETE, "delete remove drop destroy purge erase"],
    ] as const
  ).flatMap(([activity, verbs]) => verbs.split(" ").map((verb): [string, OcsfName] => [verb, activity])),
);

const SEVERITIES = ["Unknown", "Informational", "Low", "Medium", "High", "Critical"] as const;
const HIGH = SEVERITIES.indexOf("High");
const RISKS: Readonly<Record<Severity, OcsfName>> = {
  info: [0, "Info"],
  low: [1, "Low"],
  medium: [2, "Medium"],
  high: [3, "High"],
  critical: [4, "Critical"],
};

const SUCCESS: OcsfName = [1, "Success"];
const FAILURE: OcsfName = [2, "Failure"];
const NEW: OcsfName = [1, "New"];

const ALLOWED: OcsfName = [1, "Allowed"];
const DENIED: OcsfName = [2, "Denied"];
const OBSERVED: OcsfName = [3, "Observed"];

const DISPOSITION = {
  allowed: [1, "Allowed"],
  blocked: [2, "Blocked"],
  detected: [15, "Detected"],
  logged: [17, "Logged"],
  alert: [19, "Alert"],
  challenge: [23, "Challenge"],
  access_revoked: [24, "Access Revoked"],
  rejected: [25, "Rejected"],
  unauthorized: [26, "Unauthorized"],
  error: [27, "Error"],
} as const satisfies Record<string, OcsfName>;

/** Denies of what was asked by, or for, somebody who isn't who they must be. */
const NOT_PROVEN = new Set([
  "agent_token_expired",
  "agent_token_mismatch",
  "agent_token_required",
  "agent_token_stale",
  "agent_unknown",
  "caller_not_permitted",
  "caller_revoked",
  "principal_mismatch",
  "task_token_expired",
  "task_token_mismatch",
  "token_revoked",
]);
/** Denies that stand for an evaluation that came to nothing. */
const NOT_EVALUATED = new Set(["evaluation_failed", "evaluation_budget", "result_invalid", "rule_without_metadata"]);

const OBSERVABLE = { resource: [10, "Resource UID"], user: [31, "User Object: uid"] } as const;

/** Description of any record, in the terms of its class. */
interface OcsfDescription {
  of: Class;
  activity: OcsfName;
  severity: number;
  status: OcsfName;
  members: JsonObject;
  unmapped: JsonObject;
  /** The event's own id, where its record has one. */
  uid?: string;
  correlation?: string;
  /** With the profile `security_control`. */
  control?: { action: OcsfName; disposition: OcsfName; members?: JsonObject };
}

/** One event for each record. */
export function ocsfEvent({ record, bytes, writer }: ExportedRecord): JsonObject {
  const { of, activity, severity, status, members, unmapped, uid, correlation, control } = saidOf(record, writer.origin);
  return {
    class_uid: of.uid,
    class_name: of.name,
    category_uid: of.category,
    activity_id: activity[0],
    activity_name: activity[1],
    type_uid: of.uid * 100 + activity[0],
    severity_id: severity,
    severity: SEVERITIES[severity],
    status_id: status[0],
    status: status[1],
    time: Date.parse(record.time),
    metadata: {
      version: VERSION,
      product: { name: PRODUCT, vendor_name: PRODUCT, version: writer.version },
      ...(control !== undefined && { profiles: ["security_control"] }),
      uid: uid ?? String(record.seq),
      ...(correlation !== undefined && { correlation_uid: correlation }),
      event_code: record.kind,
      log_name: writer.origin,
      original_time: record.time,
      sequence: record.seq,
    },
    ...(control !== undefined && {
      action_id: control.action[0],
      action: control.action[1],
      disposition_id: control.disposition[0],
      disposition: control.disposition[1],
      ...control.members,
    }),
    ...members,
    // By this the record is found in the log's tree (RFC 9162, section 2.1.1), and this event proven to be of it.
    raw_data_hash: { algorithm_id: 3, algorithm: "SHA-256", value: Buffer.from(leafHash(bytes), "latin1").toString("hex") },
    raw_data_size: bytes.length,
    unmapped: { seq: record.seq, origin: writer.origin, ...unmapped },
  };
}

function saidOf(record: ExportedRecord["record"], origin: string): OcsfDescription {
  switch (record.kind) {
    case "decision":
      return decision(record, false);
    case "observed":
      return record.answer.decision === "allow" && record.unasked !== true ? decision(record, true) : finding(record);
    case "facts":
      return facts(record);
    case "bundle":
      return bundle(record);
    case "refusal":
      return refusal(record);
    case "admin":
      return admin(record);
    case "outcome":
      return outcome(record);
    case "service": {
      const { change, durability, keys } = record;
      return byItself(`service_${change}`, origin, { durability, keys });
    }
    case "notice":
      return notice(record);
    case "lost":
      return { ...byItself("records_lost", origin, {}, { count: record.count }), severity: 4, status: FAILURE };
  }
}

function decision(record: DecisionRecord, hasHappened: boolean): OcsfDescription {
  const { answer } = record;
  const asked = askedIn(record);
  const failed = codesOf(answer).some((code) => NOT_EVALUATED.has(code));
  return {
    of: API_ACTIVITY,
    activity: activityOf(asked.verb),
    severity: severityOf(answer),
    status: failed ? FAILURE : SUCCESS,
    uid: answer.decision_id,
    correlation: answer.decision_id,
    control: {
      action: hasHappened ? OBSERVED : { allow: ALLOWED, deny: DENIED, flag: OBSERVED }[answer.decision],
      disposition: hasHappened ? DISPOSITION.logged : dispositionOf(answer),
      members: { ...controlOf(answer), is_alert: answer.decision === "flag" },
    },
    members: {
      actor: actorOf(record),
      api: apiOf(record),
      src_endpoint: { svc_name: record.caller, ...(asked.source !== null && { name: asked.source }) },
      resources: asked.resources,
      observables: asked.observables,
      message: messageOf(answer),
      status_detail: codesOf(answer).join(", "),
      ...happenedAt(record),
    },
    unmapped: restOf(record),
  };
}

/** When what was observed happened, as its reporter says. */
function happenedAt({ at }: DecisionRecord): JsonObject {
  const ms = Date.parse(at ?? "");
  return ms > 0 ? { start_time: ms } : {};
}

/** Describes an action that has happened and would not have been allowed. */
function finding(record: DecisionRecord): OcsfDescription {
  const { answer, time } = record;
  const asked = askedIn(record);
  const [first] = answer.reasons;
  const code = first?.code ?? answer.decision;
  const uid = answer.finding ?? answer.decision_id;
  return {
    of: DETECTION_FINDING,
    activity: CREATE,
    severity: record.unasked === true ? HIGH : severityOf(answer),
    status: NEW,
    uid: answer.decision_id,
    correlation: answer.decision_id,
    control: {
      action: OBSERVED,
      disposition: answer.decision === "flag" ? DISPOSITION.alert : DISPOSITION.detected,
      members: controlOf(answer),
    },
    members: {
      finding_info: {
        uid,
        title: code,
        desc: messageOf(answer),
        created_time: Date.parse(time),
        analytic: { type_id: 1, type: "Rule", uid: code, name: code, version: answer.policy.revision },
        related_events: [{ uid: answer.decision_id, type_uid: API_ACTIVITY.uid * 100 + activityOf(asked.verb)[0] }],
      },
      evidences: [{ actor: actorOf(record), api: apiOf(record), resources: asked.resources }],
      resources: asked.resources,
      observables: asked.observables,
      is_alert: true,
      message: messageOf(answer),
      status_detail: codesOf(answer).join(", "),
      ...happenedAt(record),
    },
    unmapped: restOf(record),
  };
}

function notice({ id, code, severity, message, finding, time, caller, agent, purpose, detail }: NoticeRecord): OcsfDescription {
  return {
    of: DETECTION_FINDING,
    activity: CREATE,
    severity: RISKS[severity][0] + 1,
    status: NEW,
    uid: id,
    members: {
      finding_info: {
        uid: finding ?? id,
        title: code,
        desc: message,
        created_time: Date.parse(time),
        analytic: { type_id: 1, type: "Rule", uid: code, name: code },
      },
      is_alert: finding !== undefined,
      message,
    },
    unmapped: { caller, agent, purpose, severity, detail },
  };
}

/** Members of a record of facts that are not what was changed. */
const OF_EVERY_CHANGE = new Set(Object.keys(FactsRecord.properties));

function facts(record: FactsRecord): OcsfDescription {
  const { caller, change, facts_revision, reason } = record;
  const changed = without(record, OF_EVERY_CHANGE);
  const unmapped = { facts_revision, changed };
  const shared = {
    actor: { user: userOf(caller) },
    src_endpoint: { svc_name: caller },
    message: change,
    ...(reason !== null && { status_detail: reason }),
  };
  const { grant, revocation } = changed;
  if (grant !== undefined || revocation !== undefined) {
    const isRevocation = revocation !== undefined;
    const value = objectOf(isRevocation ? revocation : grant);
    const lifted = isRevocation && objectOf(value["lifted"])["at"] !== undefined;
    const ended = !isRevocation && objectOf(value["ended"])["at"] !== undefined;
    const narrows = isRevocation ? !lifted : ended;
    return {
      of: AUTHORIZE_SESSION,
      activity: ASSIGN_PRIVILEGES,
      severity: narrows && value["scope"] === "everything" ? 5 : narrows ? 3 : 1,
      status: SUCCESS,
      control: {
        action: narrows ? DENIED : ALLOWED,
        disposition: narrows ? DISPOSITION.access_revoked : DISPOSITION.allowed,
      },
      members: {
        ...shared,
        user: { uid: isRevocation ? revokedOf(value) : holderOf(value), type_id: 4, type: "Service" },
        privileges: isRevocation ? [String(value["scope"])] : privilegesOf(value),
      },
      unmapped,
    };
  }
  return {
    of: API_ACTIVITY,
    activity: change.endsWith("_created") ? CREATE : UPDATE,
    severity: 1,
    status: SUCCESS,
    members: { ...shared, api: { operation: change }, resources: Object.entries(changed).map(resourceOfFact) },
    unmapped,
  };
}

function revokedOf(revocation: JsonObject): string {
  const of = textOf(revocation["of"]) ?? "";
  return of === "" ? (textOf(revocation["scope"]) ?? "") : of;
}

function holderOf(grant: JsonObject): string {
  return textOf(grant["agent"]) ?? textOf(grant["task"]) ?? "";
}

/** `{read: invoice, about: task}` says `read invoice`. */
function privilegesOf(grant: JsonObject): string[] {
  const digest = textOf(grant["action_digest"]);
  if (digest !== null) return [digest];
  return Object.entries(objectOf(grant["entry"]))
    .filter(([verb]) => verb !== "about" && verb !== "when")
    .flatMap(([verb, types]) => [types].flat().map((type) => `${verb} ${textOf(type) ?? JSON.stringify(type)}`));
}

function resourceOfFact([kind, value]: [string, unknown]): JsonObject {
  const { id, agent } = objectOf(value);
  return { type: kind, uid: textOf(id) ?? textOf(agent) ?? kind };
}

function bundle({ change, code, from, policy }: BundleRecord): OcsfDescription {
  const refused = change === "refused";
  return {
    of: API_ACTIVITY,
    activity: UPDATE,
    severity: refused ? 3 : 1,
    status: refused ? FAILURE : SUCCESS,
    control: {
      action: refused ? DENIED : ALLOWED,
      disposition: refused ? DISPOSITION.rejected : DISPOSITION.allowed,
      ...(policy !== undefined && {
        members: { policy: { name: policy.bundle, uid: policy.digest, version: policy.revision, is_applied: !refused } },
      }),
    },
    members: {
      actor: { app_name: PRODUCT },
      api: { operation: `bundle_${change}` },
      src_endpoint: { svc_name: PRODUCT, name: from },
      message: `bundle_${change}`,
      ...(code !== undefined && { status_detail: code, status_code: code }),
    },
    unmapped: { from, ...(policy !== undefined && { policy }) },
  };
}

function refusal({ caller, code, count, since, time }: RefusalRecord): OcsfDescription {
  return {
    of: API_ACTIVITY,
    activity: other("Sign-in"),
    severity: 3,
    status: FAILURE,
    control: { action: DENIED, disposition: DISPOSITION.unauthorized },
    members: {
      actor: caller === undefined ? { app_name: PRODUCT } : { user: userOf(caller) },
      api: { operation: "sign_in", response: { error: code } },
      src_endpoint: { svc_name: PRODUCT },
      count,
      start_time: Date.parse(since),
      end_time: Date.parse(time),
      message: `${count} sign-ins refused: ${code}`,
      status_code: code,
      status_detail: code,
    },
    unmapped: {},
  };
}

function admin({ action, caller, detail }: AdminRecord): OcsfDescription {
  return {
    of: API_ACTIVITY,
    activity: other(action),
    severity: 1,
    status: SUCCESS,
    members: {
      actor: { user: userOf(caller) },
      api: { operation: action },
      src_endpoint: { svc_name: caller },
      message: action,
    },
    unmapped: { detail },
  };
}

function outcome({ amount, caller, decision_id, detail, outcome: came, took_ms }: OutcomeRecord): OcsfDescription {
  return {
    of: API_ACTIVITY,
    activity: other("Outcome"),
    severity: came === "failed" ? 2 : 1,
    status: came === "failed" ? FAILURE : came === "done" ? SUCCESS : [99, came],
    correlation: decision_id,
    members: {
      actor: { user: userOf(caller) },
      api: { operation: "outcome", request: { uid: decision_id } },
      src_endpoint: { svc_name: caller },
      ...(took_ms !== undefined && { duration: Math.round(took_ms) }),
      message: came,
      status_code: came,
      ...(detail !== undefined && { status_detail: detail }),
    },
    unmapped: { ...(amount !== undefined && { amount }), ...(took_ms !== undefined && { took_ms }) },
  };
}

/** Describes an operation of the service itself. */
function byItself(operation: string, origin: string, unmapped: JsonObject, members: JsonObject = {}): OcsfDescription {
  return {
    of: API_ACTIVITY,
    activity: other(operation),
    severity: 1,
    status: SUCCESS,
    members: {
      actor: { app_name: PRODUCT },
      api: { operation },
      src_endpoint: { svc_name: PRODUCT, uid: origin },
      message: operation,
      ...members,
    },
    unmapped,
  };
}

interface OcsfRequest {
  verb: string;
  source: string | null;
  resources: JsonObject[];
  observables: JsonObject[];
}

function askedIn(record: DecisionRecord): OcsfRequest {
  const request = requestOf(record);
  const principal = principalOf(record);
  const target = objectOf(request["resource"]);
  const related = Object.entries(objectOf(request["related"]));
  const uid = textOf(target["id"]);
  return {
    verb: textOf(request["verb"]) ?? "",
    source: textOf(objectOf(request["context"])["source"]),
    resources: [
      resourceOf(target, [1, "Target"]),
      ...related.map(([role, resource]) => ({ ...resourceOf(objectOf(resource), [4, "Related"]), labels: [role] })),
    ],
    observables: [
      ...(principal === null ? [] : [observable("actor.user.uid", OBSERVABLE.user, principal)]),
      ...(uid === null ? [] : [observable("resources[0].uid", OBSERVABLE.resource, uid)]),
    ],
  };
}

function observable(name: string, [typeId, type]: OcsfName, value: string): JsonObject {
  return { name, type_id: typeId, type, value };
}

/** A collection has no id, and is named by its type. */
function resourceOf(resource: JsonObject, [roleId, role]: OcsfName): JsonObject {
  const type = textOf(resource["type"]) ?? "";
  const uid = textOf(resource["id"]);
  return {
    type,
    ...(uid === null ? { name: type } : { uid }),
    role_id: roleId,
    role,
    ...(resource["attributes"] !== undefined && { data: resource["attributes"] }),
  };
}

function actorOf(record: DecisionRecord): JsonObject {
  const request = requestOf(record);
  const agent = textOf(request["agent"]);
  const session = textOf(objectOf(request["context"])["session"]);
  const principal = principalOf(record);
  return {
    ...(principal !== null && { user: { uid: principal, type_id: 1, type: "User" } }),
    ...(agent !== null && { app_uid: agent, app_name: agent }),
    ...(session !== null && { session: { uid: session } }),
    invoked_by: record.caller,
  };
}

function apiOf(record: DecisionRecord): JsonObject {
  const request = requestOf(record);
  const { answer } = record;
  return {
    operation: textOf(request["verb"]) ?? "",
    request: {
      uid: answer.decision_id,
      ...(request["arguments"] !== undefined && { data: request["arguments"] }),
    },
    response: { message: answer.decision, ...(answer.decision === "deny" && { error: codesOf(answer)[0] ?? "" }) },
  };
}

/** Members of a record that have their place in an event of every class. */
const IN_THE_EVENT = new Set(["input", "kind", "request", "seq", "time"]);

/** Whatever else the record has and a class has no place for. */
function restOf(record: DecisionRecord): JsonObject {
  const { context, purpose, task } = requestOf(record);
  const { input } = record;
  return {
    ...without(record, IN_THE_EVENT),
    ...{ context, purpose, task },
    ...(input !== undefined && { facts: input["facts"] }),
  };
}

/** Members of the profile `security_control`. */
function controlOf(answer: Answer): JsonObject {
  const first = answer.reasons[0];
  const [riskId, risk] = RISKS[worstOf(answer.reasons)];
  const policy = {
    uid: first?.code ?? answer.policy.bundle,
    name: answer.policy.bundle,
    version: answer.policy.revision,
    is_applied: true,
    ...(first !== undefined && { desc: first.message }),
  };
  return {
    policy,
    authorizations: [{ decision: answer.decision, policy }],
    risk_level_id: riskId,
    risk_level: risk,
  };
}

function worstOf(reasons: readonly Reason[]): Severity {
  let worst: Severity = "info";
  for (const { severity } of reasons) if (RISKS[severity][0] > RISKS[worst][0]) worst = severity;
  return worst;
}

/** A deny is no incident by itself: it is Medium at most, and how bad its reasons are is `risk_level`. */
function severityOf({ decision: decided, reasons }: Answer): number {
  if (decided === "allow") return 1;
  if (decided === "flag") return 3;
  return RISKS[worstOf(reasons)][0] >= RISKS.medium[0] ? 3 : 2;
}

function dispositionOf(answer: Answer): OcsfName {
  if (answer.decision === "allow") return DISPOSITION.allowed;
  if (answer.decision === "flag") return answer.wait?.for === "approval" ? DISPOSITION.challenge : DISPOSITION.alert;
  const codes = codesOf(answer);
  if (codes.some((code) => NOT_PROVEN.has(code))) return DISPOSITION.unauthorized;
  return codes.some((code) => NOT_EVALUATED.has(code)) ? DISPOSITION.error : DISPOSITION.blocked;
}

function activityOf(verb: string): OcsfName {
  const [word = ""] = verb.split(/[._:@/-]/, 1);
  return ACTIVITY_OF_VERB.get(word.toLowerCase()) ?? other(verb);
}

function codesOf({ reasons }: Answer): string[] {
  return reasons.map(({ code }) => code);
}

function messageOf({ decision: decided, reasons }: Answer): string {
  return reasons[0] === undefined ? decided : `${decided}: ${reasons[0].message}`;
}

function userOf(caller: string): JsonObject {
  return { uid: caller, type_id: 4, type: "Service" };
}
