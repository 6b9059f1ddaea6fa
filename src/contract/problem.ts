/**
 * Errors as RFC 9457 problems. One table: a code is an interface, it is documented, never reused, and what it means for
 * a caller (status, hint) stands here alone. An enforcement point takes any problem as a deny.
 */
import { Type } from "./type.js";

export interface ProblemSpec {
  status: number;
  title: string;
  hint?: string;
}

const table = {
  // reading the bytes
  http_invalid: { status: 400, title: "the request is not HTTP/1.1 that has one reading (RFC 9112)" },
  headers_too_large: { status: 431, title: "the headers are larger than the limit" },
  body_empty: { status: 400, title: "the body is empty" },
  body_too_large: { status: 413, title: "the body is larger than the limit" },
  body_timeout: { status: 408, title: "the body did not arrive in time" },
  content_type_unsupported: {
    status: 415,
    title: "the content type is not one that the route takes",
    hint: "send `content-type: application/json`",
  },
  content_encoding_unsupported: { status: 415, title: "compressed request bodies are not read" },
  utf8_invalid: { status: 400, title: "the body is not valid UTF-8" },
  json_invalid: { status: 400, title: "the body is not JSON (RFC 8259)" },
  json_duplicate_key: { status: 400, title: "an object has the same key twice" },
  json_too_deep: { status: 400, title: "the body is nested deeper than the limit" },
  json_too_wide: { status: 400, title: "an object or array has more members than the limit" },
  number_not_exact: {
    status: 400,
    title: "a number does not survive a double",
    hint: "send it as a string, or as integer cents",
  },
  surrogate_lone: { status: 400, title: "a string holds half of a surrogate pair" },
  // reading the request
  field_missing: { status: 400, title: "a required field is missing" },
  field_unknown: { status: 400, title: "a field is not known" },
  field_type: { status: 400, title: "a field has the wrong type" },
  field_invalid: { status: 400, title: "a field's value is not acceptable" },
  identifier_not_canonical: {
    status: 400,
    title: "an identifier is not in its canonical form",
    hint: "identifiers are NFC, without control, bidirectional or invisible characters",
  },
  path_not_canonical: {
    status: 400,
    title: "a path-shaped id is not canonical",
    hint: "no empty, `.`, `..` or percent-encoded segments, no backslash",
  },
  time_invalid: { status: 400, title: "a time is not an RFC 3339 date-time" },
  resource_id_required: { status: 400, title: "the verb acts on one resource and its id is null" },
  resource_id_forbidden: { status: 400, title: "the verb acts on a collection and an id was given" },
  agent_token_unsupported: {
    status: 400,
    title: "no issuer of agents' tokens is configured",
    hint: "leave `agent_token` out",
  },
  task_token_unsupported: {
    status: 400,
    title: "task tokens are not configured",
    hint: "name the task by its id",
  },
  parameter_unknown: { status: 400, title: "a parameter of the query is not known" },
  parameter_missing: { status: 400, title: "a parameter of the query is missing" },
  parameter_invalid: { status: 400, title: "a parameter of the query is not acceptable" },
  if_match_invalid: {
    status: 400,
    title: "`If-Match` is not one revision in quotes",
    hint: "send the `ETag` of what you read",
  },
  otlp_unmapped: {
    status: 404,
    title: "nothing says what traces mean",
    hint: "name a mapping in `observe.otlp`; actions, one a line, are sent to `/observe` as `application/x-ndjson`",
  },
  line_too_long: { status: 413, title: "a line is longer than the limit" },
  lines_too_many: {
    status: 413,
    title: "the body has more lines than the limit",
    hint: "send the rest in another request",
  },
  refused_too_many: { status: 400, title: "more lines than the limit are not acceptable" },
  // who asks, acts, and for which task
  token_missing: { status: 401, title: "no bearer token" },
  token_invalid: { status: 401, title: "the token is not acceptable" },
  token_expired: { status: 401, title: "the token has expired" },
  caller_cut_off: { status: 401, title: "the caller is revoked" },
  caller_token_revoked: { status: 401, title: "the token is revoked" },
  keys_unavailable: { status: 503, title: "the keys of the token's issuer cannot be had now" },
  scope_missing: { status: 403, title: "the token lacks the scope" },
  agent_not_permitted: { status: 403, title: "the caller may not speak for this agent and purpose" },
  origin_refused: { status: 403, title: "requests from browsers are not served" },
  host_refused: { status: 421, title: "the Host is not one this service answers for" },
  // routes
  not_found: { status: 404, title: "no such resource" },
  method_not_allowed: { status: 405, title: "the resource has no such method" },
  // facts
  task_exists: { status: 409, title: "a task with this id exists and is not the same" },
  task_over: { status: 409, title: "the task has ended" },
  task_not_found: { status: 404, title: "no such task" },
  fact_invalid: { status: 400, title: "the fact does not fit what is known" },
  agent_not_found: { status: 404, title: "no such agent" },
  agent_exists: { status: 409, title: "an agent with this id exists and is not the same" },
  agent_id_used: { status: 409, title: "an agent that is no more had this id", hint: "an id is never used again" },
  agent_id_similar: {
    status: 409,
    title: "the id differs from another agent's only by case or by characters that look alike",
  },
  credential_taken: { status: 409, title: "the credential is another agent's" },
  task_wider_than_parent: {
    status: 409,
    title: "a task has no more subjects, verbs or time than the one it is handed on from",
  },
  parent_not_live: { status: 409, title: "the task that this one is handed on from is not live" },
  delegation_not_permitted: {
    status: 403,
    title: "the agent may not hand on tasks of this purpose",
    hint: "name the purpose in the agent's `delegates`",
  },
  delegation_too_deep: { status: 409, title: "tasks are handed on over more levels than the limit" },
  grant_not_found: { status: 404, title: "no such grant" },
  grant_exists: { status: 409, title: "a grant with this id exists and is not the same" },
  narrowing_not_found: { status: 404, title: "the agent was never narrowed" },
  checkpoint_not_found: {
    status: 404,
    title: "nothing was kept of what was usual for the agent as long ago as that",
    hint: "habits are kept once a week, twice; `remit profile show` says of when",
  },
  revocation_not_found: { status: 404, title: "no such revocation" },
  revision_required: {
    status: 428,
    title: "the change has to say what it changes",
    hint: "send `If-Match` with the revision you read",
  },
  revision_stale: { status: 412, title: "it has changed since the revision in `If-Match`", hint: "read it again" },
  last_event_id_invalid: { status: 400, title: "`Last-Event-ID` is the id of no event" },
  subscribers_full: { status: 503, title: "as many follow changes as the limit allows" },
  facts_full: { status: 503, title: "as many facts of this kind are known as the limit allows" },
  import_invalid: { status: 422, title: "a line of the import is not acceptable; nothing of it was applied" },
  import_stopped: {
    status: 409,
    title: "a line of the import no longer fits what is known; what came before it is applied",
  },
  import_exists: { status: 409, title: "an import with this id exists and is not the same" },
  store_unavailable: { status: 503, title: "no change can be stored now" },
  cluster_none: { status: 404, title: "this service is no node of a cluster" },
  node_not_found: { status: 404, title: "no node of this name is silent, or was seen lately" },
  node_live: { status: 409, title: "the node may still allow", hint: "stop it, or wait until its lease is over" },
  lease_over: {
    status: 503,
    title: "this node of a cluster doesn't know whether its facts are current",
    hint: "follow another node",
  },
  answer_late: {
    status: 503,
    title: "the decision was made on facts that may be out of date by now",
    hint: "ask again; the service could not reach the other nodes of its cluster for too long",
  },
  outcome_unknown: {
    status: 503,
    title: "the store has not said whether the change is made",
    hint: "read the fact, or send the same request again",
  },
  tasks_full: { status: 503, title: "as many tasks are live as the limit allows" },
  // what became of a decision
  decision_not_found: { status: 404, title: "no decision of this caller has this id" },
  decision_not_permitted: {
    status: 409,
    title: "the decision did not permit the action",
    hint: "an action that ran all the same is for `POST /observe`",
  },
  outcome_exists: { status: 409, title: "the decision has an outcome, and it is not the same" },
  // bundles
  bundle_refused: { status: 422, title: "the bundle was refused; the running one stays" },
  bundle_too_large: { status: 413, title: "the bundle is larger than the limit" },
  // records
  record_not_found: { status: 404, title: "no such record" },
  index_unavailable: { status: 503, title: "records cannot be searched now; they are written all the same" },
  // findings
  finding_not_found: { status: 404, title: "no such finding, or it is too old to be kept at hand" },
  finding_state: { status: 409, title: "the finding's state can't be followed by this one" },
  approver_not_permitted: { status: 403, title: "the caller may not approve this action" },
  approval_none: { status: 409, title: "no such decision of this finding waits for approval any more" },
  // security events
  stream_exists: { status: 409, title: "the caller has a stream already" },
  echo_stream_none: { status: 404, title: "the caller follows no values on a stream with this id" },
  stream_not_found: { status: 404, title: "no stream of this caller has this id" },
  streams_full: { status: 503, title: "there are as many streams, or subjects of one, as the limit allows" },
  push_endpoint_refused: {
    status: 400,
    title: "events are not pushed there",
    hint: "have it named in `security_events.transmitter.push_endpoints`, or poll",
  },
  verification_too_soon: { status: 429, title: "verification was asked for less than the shortest interval ago" },
  // the service
  log_unavailable: { status: 503, title: "no record can be written now" },
  records_unshipped: {
    status: 503,
    title: "as many records as the limit allows have not reached the service",
    hint: "an engine in an application says so; it goes on once the service has taken them",
  },
  record_invalid: { status: 422, title: "the record is none of a decision of this caller" },
  log_backlog: { status: 503, title: "records arrive faster than the disk takes them" },
  overloaded: { status: 503, title: "as many decisions are under way as the limit allows" },
  bundle_missing: { status: 503, title: "no verified bundle is active" },
  bundle_expired: { status: 503, title: "the active bundle has expired", hint: "publish its successor" },
  grant_uncounted: {
    status: 503,
    title: "a use of a grant could not be taken on the cluster",
    hint: "ask again; the service can't reach the servers that its nodes count by",
  },
  history_unavailable: {
    status: 503,
    title: "what the task has seen, or what is counted of a limit, could not be read or written on the cluster",
    hint: "ask again; the service can't reach the servers that its nodes share it by",
  },
  facts_behind: { status: 503, title: "the facts have not reached the revision asked for" },
  shutting_down: { status: 503, title: "the service is shutting down" },
  internal: { status: 500, title: "an unexpected failure; the log has the detail under this id" },
} satisfies Record<string, ProblemSpec>;

export type ProblemCode = keyof typeof table;
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemSpec>> = table;

export interface ProblemDetail {
  /** JSON pointer (RFC 6901) to the field, or the header's name. */
  field?: string;
  expected?: string;
  hint?: string;
  /** Index of the malformed item, in a batch. */
  item?: number;
  /** Why a bundle or a token was refused: a code of its own table; why a line of an import was: a problem's code. */
  reason?: string;
  /** Line of an import, from 1. */
  line?: number;
}

const TOKEN_LENGTH_MAX = 128;

/**
 * Returns one escaped step of a JSON pointer (RFC 6901, section 3), clipped, since the name may be the caller's own text.
 * @example
 * import assert from "node:assert/strict";
 * import { pointerToken } from "@remit-pdp/contract";
 *
 * assert.equal(pointerToken("a/b"), "a~1b");
 */
export function pointerToken(name: string): string {
  return clip(name, TOKEN_LENGTH_MAX).replaceAll("~", "~0").replaceAll("/", "~1");
}

/**
 * Returns the names that a JSON pointer leads through (RFC 6901, section 4); none for the empty pointer.
 * @example
 * import assert from "node:assert/strict";
 * import { pointerSteps } from "@remit-pdp/contract";
 *
 * assert.deepEqual(pointerSteps("/a~1b/0"), ["a/b", "0"]);
 */
export function pointerSteps(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/**
 * Returns the beginning of a text, at most `max` UTF-16 units and never half of a surrogate pair.
 * @example
 * import assert from "node:assert/strict";
 * import { clip } from "@remit-pdp/contract";
 *
 * assert.equal(clip("customer", 4), "cust");
 */
export function clip(text: string, max: number): string {
  return text.slice(0, max).replace(/[\ud800-\udbff]$/, "");
}

/** Body of an `application/problem+json` answer, as the OpenAPI document has it. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: "`urn:remit:problem:` and the code" }),
    title: Type.String({ description: "The problem in words, the same for every problem of this code" }),
    status: Type.Integer({ description: "HTTP status of the answer" }),
    code: Type.Enum(Object.keys(table), { title: "ProblemCode", description: "Stable code: branch on this" }),
    hint: Type.Optional(Type.String({ description: "What to do about it. Left out: nothing to add to the title" })),
    field: Type.Optional(
      Type.String({ description: "JSON pointer to the field at fault, or name of the parameter or header. Left out: no single one" }),
    ),
    expected: Type.Optional(Type.String({ description: "What was expected there, in words" })),
    item: Type.Optional(Type.Integer({ description: "Index, from 0, of the action of a batch that is at fault" })),
    line: Type.Optional(Type.Integer({ description: "Line, from 1, of the import that is at fault" })),
    reason: Type.Optional(Type.String({ description: "Why a bundle, a token or an import line was refused: a code of its own table" })),
    id: Type.Optional(Type.String({ description: "Id of an unexpected failure, to find it in the operational log; only with `internal`" })),
  },
  {
    title: "Problem",
    description: "Why a request was refused (RFC 9457). Nothing was decided or changed; an enforcement point takes any problem as a deny",
  },
);

/** A refusal with a stable code. Its message never holds a token, an argument's value or anything else of the request. */
export class Problem extends Error {
  override readonly name = "Problem";
  /** Caller that was refused, if proven: for the record, and in no answer. */
  readonly caller: string | null;

  constructor(
    readonly code: ProblemCode,
    readonly detail: ProblemDetail = {},
    options: ErrorOptions & { caller?: string } = {},
  ) {
    super(detail.expected === undefined ? PROBLEMS[code].title : `${PROBLEMS[code].title}: expected ${detail.expected}`, options);
    this.caller = options.caller ?? null;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  /** The body of an `application/problem+json` answer (RFC 9457, section 3). */
  toJSON(): Record<string, unknown> {
    const { title, hint, status } = PROBLEMS[this.code];
    return {
      type: `urn:remit:problem:${this.code}`,
      title,
      status,
      code: this.code,
      ...(hint === undefined ? {} : { hint }),
      ...this.detail,
    };
  }
}
