/**
 * Writers of each record's parts as canonical JSON (RFC 8785), with sorted keys. They are generated from the
 * schemas by `node dist/scripts/writers.js`. What a schema leaves open has to be in that order already: it was put so where it was read.
 */
import { quoted, quotedOrNull, type ActRecord, type Answer, type FloorFacts, type PolicyInput } from "../contract/index.js";

function answerPolicyText(value: Answer["policy"]): string {
  return (
    "{" +
    `"bundle":${quoted(value.bundle)}` +
    `,"digest":${quoted(value.digest)}` +
    `,"revision":${quoted(value.revision)}` +
    `,"sequence":${value.sequence}` +
    "}"
  );
}

function answerReasonsText(value: Answer["reasons"][number]): string {
  return (
    "{" +
    `"code":${quoted(value.code)}` +
    `,"effect":"${value.effect}"` +
    `,"message":${quoted(value.message)}` +
    (value.of === undefined ? "" : `,"of":${quoted(value.of)}`) +
    `,"params":${openText(value.params)}` +
    `,"severity":"${value.severity}"` +
    "}"
  );
}

function answerWaitText(value: NonNullable<Answer["wait"]>): string {
  return (
    "{" +
    (value.approval_digest === undefined ? "" : `"approval_digest":${quoted(value.approval_digest)},`) +
    `"for":"${value.for}"` +
    (value.needs === undefined ? "" : `,"needs":${openText(value.needs)}`) +
    `,"until":${quoted(value.until)}` +
    "}"
  );
}

export function answerText(value: Answer): string {
  return (
    "{" +
    `"action_digest":${quoted(value.action_digest)}` +
    `,"decision":"${value.decision}"` +
    `,"decision_id":${quoted(value.decision_id)}` +
    `,"facts_revision":${value.facts_revision}` +
    (value.finding === undefined ? "" : `,"finding":${quoted(value.finding)}`) +
    `,"obligations":${openText(value.obligations)}` +
    `,"policy":${answerPolicyText(value.policy)}` +
    `,"proceed":${value.proceed}` +
    `,"reasons":[${value.reasons.map(answerReasonsText).join(",")}]` +
    (value.request_id === undefined ? "" : `,"request_id":${quoted(value.request_id)}`) +
    (value.tell_agent === undefined ? "" : `,"tell_agent":${quoted(value.tell_agent)}`) +
    `,"valid_for_ms":${value.valid_for_ms}` +
    (value.wait === undefined ? "" : `,"wait":${answerWaitText(value.wait)}`) +
    "}"
  );
}

function requestContextText(value: PolicyInput["request"]["context"]): string {
  return (
    "{" +
    `"session":${quotedOrNull(value.session)}` +
    `,"source":${quotedOrNull(value.source)}` +
    `,"trace":${quotedOrNull(value.trace)}` +
    "}"
  );
}

function requestResourceText(value: PolicyInput["request"]["resource"]): string {
  return "{" + `"attributes":${openText(value.attributes)}` + `,"id":${quotedOrNull(value.id)}` + `,"type":${quoted(value.type)}` + "}";
}

export function requestText(value: PolicyInput["request"]): string {
  return (
    "{" +
    `"agent":${quoted(value.agent)}` +
    `,"arguments":${openText(value.arguments)}` +
    `,"context":${requestContextText(value.context)}` +
    `,"purpose":${quoted(value.purpose)}` +
    `,"related":${openText(value.related)}` +
    `,"resource":${requestResourceText(value.resource)}` +
    `,"task":${quotedOrNull(value.task)}` +
    `,"verb":${quoted(value.verb)}` +
    "}"
  );
}

function floorAgentText(value: NonNullable<FloorFacts["agent"]>): string {
  return "{" + `"purposes":${openText(value.purposes)}` + `,"registered_ms":${value.registered_ms}` + `,"status":"${value.status}"` + "}";
}

function floorAgentProofActorText(value: NonNullable<FloorFacts["agent_proof"]>["actor"]): string {
  return "{" + `"issuer":${quoted(value.issuer)}` + `,"subject":${quoted(value.subject)}` + "}";
}

function floorAgentProofChainText(value: NonNullable<FloorFacts["agent_proof"]>["chain"][number]): string {
  return "{" + `"issuer":${quoted(value.issuer)}` + `,"subject":${quoted(value.subject)}` + "}";
}

function floorAgentProofPrincipalText(value: NonNullable<NonNullable<FloorFacts["agent_proof"]>["principal"]>): string {
  return "{" + `"issuer":${quoted(value.issuer)}` + `,"subject":${quoted(value.subject)}` + "}";
}

function floorAgentProofTokenText(value: NonNullable<FloorFacts["agent_proof"]>["token"]): string {
  return "{" + `"expires_ms":${value.expires_ms}` + `,"issued_ms":${value.issued_ms}` + `,"jti":${quotedOrNull(value.jti)}` + "}";
}

function floorAgentProofText(value: NonNullable<FloorFacts["agent_proof"]>): string {
  return (
    "{" +
    `"actor":${floorAgentProofActorText(value.actor)}` +
    `,"chain":[${value.chain.map(floorAgentProofChainText).join(",")}]` +
    `,"principal":${value.principal === null ? "null" : floorAgentProofPrincipalText(value.principal)}` +
    `,"token":${floorAgentProofTokenText(value.token)}` +
    "}"
  );
}

function floorNarrowedText(value: NonNullable<FloorFacts["narrowed"]>): string {
  return (
    "{" +
    `"actions_per_minute":${value.actions_per_minute}` +
    `,"permitted":${value.permitted}` +
    `,"relation":"${value.relation}"` +
    `,"verb_class":${quotedOrNull(value.verb_class)}` +
    "}"
  );
}

function floorTaskText(value: NonNullable<FloorFacts["task"]>): string {
  return (
    "{" +
    `"agent":${quoted(value.agent)}` +
    `,"ended":${value.ended}` +
    `,"expires_ms":${value.expires_ms}` +
    `,"parent":${quotedOrNull(value.parent)}` +
    `,"principal":${quotedOrNull(value.principal)}` +
    `,"purpose":${quoted(value.purpose)}` +
    `,"verbs":${value.verbs === null ? "null" : openText(value.verbs)}` +
    "}"
  );
}

function floorTaskProofTokenText(value: NonNullable<FloorFacts["task_proof"]>["token"]): string {
  return "{" + `"expires_ms":${value.expires_ms}` + `,"issued_ms":${value.issued_ms}` + `,"jti":${quotedOrNull(value.jti)}` + "}";
}

function floorTaskProofText(value: NonNullable<FloorFacts["task_proof"]>): string {
  return (
    "{" +
    `"agent":${quoted(value.agent)}` +
    `,"purpose":${quoted(value.purpose)}` +
    `,"task":${quoted(value.task)}` +
    `,"token":${floorTaskProofTokenText(value.token)}` +
    "}"
  );
}

export function floorText(value: FloorFacts): string {
  return (
    "{" +
    `"actor_stopped":${value.actor_stopped}` +
    `,"agent":${value.agent === null ? "null" : floorAgentText(value.agent)}` +
    `,"agent_id":${quoted(value.agent_id)}` +
    `,"agent_proof":${value.agent_proof === null ? "null" : floorAgentProofText(value.agent_proof)}` +
    `,"caller_permitted":${value.caller_permitted}` +
    `,"claim_ms":${value.claim_ms}` +
    `,"facts_stale":${value.facts_stale}` +
    `,"narrowed":${value.narrowed === null ? "null" : floorNarrowedText(value.narrowed)}` +
    `,"now_ms":${value.now_ms}` +
    (value.proven_agent === undefined ? "" : `,"proven_agent":${quoted(value.proven_agent)}`) +
    `,"purpose_id":${quoted(value.purpose_id)}` +
    `,"purpose_known":${value.purpose_known}` +
    `,"revoked":${quotedOrNull(value.revoked)}` +
    `,"task":${value.task === null ? "null" : floorTaskText(value.task)}` +
    `,"task_id":${quotedOrNull(value.task_id)}` +
    `,"task_proof":${value.task_proof === null ? "null" : floorTaskProofText(value.task_proof)}` +
    `,"time_skew_max_ms":${value.time_skew_max_ms}` +
    `,"token_required":${value.token_required}` +
    `,"type_known":${value.type_known}` +
    `,"verb_id":${quoted(value.verb_id)}` +
    `,"verb_known":${value.verb_known}` +
    "}"
  );
}

function actBehaviorText(value: NonNullable<ActRecord["behavior"]>): string {
  return (
    "{" +
    `"channels":${openText(value.channels)}` +
    `,"confidence":${value.confidence}` +
    `,"reasons":${openText(value.reasons)}` +
    `,"risk":${value.risk}` +
    "}"
  );
}

export function actText(value: ActRecord): string {
  return (
    "{" +
    (value.behavior === undefined ? "" : `"behavior":${actBehaviorText(value.behavior)},`) +
    `"class":"${value.class}"` +
    (value.granted === undefined ? "" : `,"granted":${value.granted}`) +
    (value.labels === undefined ? "" : `,"labels":${openText(value.labels)}`) +
    (value.offset_ms === undefined ? "" : `,"offset_ms":${value.offset_ms}`) +
    (value.owner === undefined ? "" : `,"owner":${quoted(value.owner)}`) +
    `,"relation":"${value.relation}"` +
    (value.version === undefined ? "" : `,"version":${quoted(value.version)}`) +
    "}"
  );
}

function openText(value: object): string {
  for (const _ in value) return JSON.stringify(value);
  return Array.isArray(value) ? "[]" : "{}";
}
