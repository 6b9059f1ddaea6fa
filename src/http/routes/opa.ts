/**
 * OPA's REST API, as far as clients need it for decisions: each is asked of the one decider, in the words of `POST /decide`.
 * What isn't offered says so, in OPA's shape.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { INPUT_MISSING, batchText, dataText, prettyText, type BatchItem, type DataResult } from "../../adapters/opa/answers.js";
import { checkNoToken, inputOf, inputsOf } from "../../adapters/opa/body.js";
import { DECIDE, documentAt } from "../../adapters/opa/documents.js";
import type { MappedDocument } from "../../adapters/opa/mapping.js";
import { errorOf, notOffered, ownedByBundle, undefinedDocument, type OpaError } from "../../adapters/opa/errors.js";
import { targetOf, type Parameters } from "../../adapters/opa/target.js";
import { DecideRequest, Problem } from "../../contract/index.js";
import { REFUSALS, CallRefusal } from "../../mapping/call_refusal.js";
import { Type, about, type TSchema } from "../../contract/type.js";
import type { Decided } from "../../decision/decide.js";
import type { Caller } from "../../decision/ports.js";
import { decisionsIn } from "../admission.js";
import { readLooseJsonBytes, type BodyLimits } from "../body.js";
import type { HttpDeps } from "../deps.js";
import type { FrontRoute } from "../front.js";
import { empty, problemHeaders, type Content } from "../reply.js";
import type { Operation } from "../route.js";
import type { AdmitRequest } from "../share.js";
import { DECIDING_PROBLEMS } from "./decide.js";

/** Name by which a record says how the decision was asked for. */
const ADAPTER = "opa";

const DATA = "/v1/data";
const BATCH = "/v1/batch/data";
const WEBHOOK = "/v0/data";
const JSON_TYPES = ["application/json"] as const;

const DataRequest = Type.Object(
  { input: Type.Optional(about(DecideRequest, "The action. Left out: nothing is decided")) },
  { title: "OpaDataRequest", description: "OPA's data API: one input" },
);
const BatchRequest = Type.Object(
  {
    inputs: Type.Record(Type.String(), DecideRequest, { description: "Actions, by a key of your choice" }),
    common_input: Type.Optional(Type.Unknown({ description: "Members that every input has unless it gives its own. Default none" })),
  },
  { title: "OpaBatchRequest", description: "OPA's batch API: several inputs" },
);

const dataMembers = {
  decision_id: Type.String({ description: "Id of the decision" }),
  result: Type.Optional(Type.Unknown({ description: "The document at the path. Left out: undefined" })),
  metrics: Type.Optional(Type.Record(Type.String(), Type.Integer(), { description: "With `metrics=true`: times in nanoseconds" })),
  provenance: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: "With `provenance=true`: version of the service, and its bundle" }),
  ),
};
const DataAnswer = Type.Object(
  {
    ...dataMembers,
    warning: Type.Optional(Type.Record(Type.String(), Type.String(), { description: "Only if the request had no `input`" })),
  },
  { title: "OpaDataAnswer", description: "OPA's answer to one input" },
);
const BatchDataAnswer = Type.Object(
  {
    batch_decision_id: Type.String({ description: "Id of the batch" }),
    responses: Type.Record(Type.String(), Type.Unknown(), { description: "Answer, or error, of each input, by its key" }),
  },
  { title: "OpaBatchAnswer", description: "OPA's answer to several inputs" },
);
const Document = Type.Unknown({ title: "OpaDocument", description: "The document at the path, as it is: a decision, or true or false" });

const Policies = Type.Object(
  { result: Type.Array(Type.Unknown(), { maxItems: 0, description: "Always empty" }) },
  { title: "OpaPolicies", description: "OPA's list of policies" },
);

const ErrorSchema = Type.Object(
  {
    code: Type.String({ description: "OPA's code: `invalid_parameter`, `internal_error`, …" }),
    message: Type.String({ description: "The error in words" }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          code: Type.String({ description: "Code of the problem" }),
          message: Type.String({ description: "The problem in words" }),
          details: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: "Field and what was expected there" })),
        }),
        { description: "The problem, in the service's own terms. Left out: there is nothing to add" },
      ),
    ),
  },
  { title: "OpaError", description: "Why nothing was decided, in OPA's shape" },
);
const errors = (...statuses: readonly number[]): Operation["answers"] =>
  Object.fromEntries(statuses.map((status) => [status, { description: "Not decided, in OPA's shape", schema: ErrorSchema }]));
const ANY_ERROR = errors(400, 401, 403, 408, 413, 415, 421, 500, 503);

/** Body of a request without input: its caller is proven anyway. */
const NOTHING = Buffer.from("{}");

/** Returns the problem of an input that the mapping makes no action of. */
function problemOfInput({ code, argument }: CallRefusal): Problem {
  const field = argument === null ? "/input" : `/input/${argument.replaceAll(".", "/")}`;
  if (code === "argument_unmapped") return new Problem("field_unknown", { field, expected: "a place that the mapping names, or ignores" });
  if (code === "argument_missing") return new Problem("field_missing", { field });
  const expected = code === "tool_unavailable" ? "an input that a rule of the mapping fits" : "a value that the mapping can take from here";
  return new Problem("field_invalid", { field, expected });
}

const NOT_OFFERED: readonly { id: string; path: string; methods: readonly string[]; what: string; instead: string }[] = [
  { id: "opaQuery", path: "/v1/query", methods: ["GET", "POST"], what: "the query API", instead: "ask for `/v1/data/remit/decide`" },
  {
    id: "opaCompile",
    path: "/v1/compile",
    methods: ["POST"],
    what: "partial evaluation",
    instead: "ask for `/v1/data/remit/decide`, action by action",
  },
  {
    id: "opaConfig",
    path: "/v1/config",
    methods: ["GET"],
    what: "the configuration API",
    instead: "the configuration is a file on the host",
  },
  {
    id: "opaStatus",
    path: "/v1/status",
    methods: ["GET"],
    what: "the status API",
    instead: "see `/health`, `/readyz`, `/bundles` and `/metrics`",
  },
];

/** @param version of the service, in `provenance` */
export function opaRoutes(deps: HttpDeps, admit: AdmitRequest, version: string): readonly FrontRoute[] {
  const { decider, flights, metrics, bundles, limits, newId } = deps;
  const one: BodyLimits = { bytes_max: limits.body_bytes_max, ms: limits.body_ms, too_large: "body_too_large" };
  const many: BodyLimits = { ...one, bytes_max: limits.batch_bytes_max };

  /** Its text, or what stands for it where nothing was sent. */
  async function read(request: IncomingMessage, within: BodyLimits): Promise<{ bytes: Buffer; isEmpty: boolean }> {
    // Packed, little becomes much: it is unpacked for who may ask, and for nobody else.
    if (request.headers["content-encoding"] !== undefined) await decider.intake.authenticatedBody(NOTHING, request.headers.authorization);
    const bytes = await readLooseJsonBytes(request, within, deps.timers);
    return bytes.length === 0 ? { bytes: NOTHING, isEmpty: true } : { bytes, isEmpty: false };
  }

  function outcomeOf(path: string, decided: Decided): DataResult {
    metrics.decided(decided);
    const { answer, stages } = decided;
    return { decision_id: answer.decision_id, result: documentAt(path)?.(decided), stages, policy: answer.policy };
  }

  /** Returns the outcome of a request without input, or for an unknown document: no decision, and no record. */
  function undecided(path: string): DataResult {
    return { decision_id: newId(), result: documentAt(path)?.(null), stages: null, policy: bundles.status.running };
  }

  /** Asks in the words of a document that the mapping has. Whatever can't be decided is answered as not allowed: a product can be set to let errors pass. */
  async function mapped(document: MappedDocument, input: unknown, caller: Caller): Promise<DataResult> {
    try {
      const decided = await decider.decideAction(document.actionOf(input), caller, ADAPTER);
      metrics.decided(decided);
      const { answer, stages } = decided;
      const allowed = answer.proceed && answer.obligations.length === 0;
      const result = document.resultText(input, { allowed, decision_id: answer.decision_id, tell: answer.tell_agent ?? "" });
      return { decision_id: answer.decision_id, result, stages, policy: answer.policy };
    } catch (cause) {
      const problem = cause instanceof CallRefusal ? problemOfInput(cause) : cause;
      if (!(problem instanceof Problem) || problem.code === "internal") throw cause;
      metrics.problem(problem.code);
      const decision_id = newId();
      const tell = REFUSALS.not_decided;
      const result = document.resultText(input, { allowed: false, decision_id, tell });
      return { decision_id, result, stages: null, policy: bundles.status.running, warning: errorOf(problem, "body").body };
    }
  }

  async function outcome(path: string, input: unknown, caller: Caller): Promise<DataResult> {
    const document = deps.opa?.get(path);
    if (document !== undefined && input !== undefined) return mapped(document, input, caller);
    if (input === undefined || documentAt(path) === undefined) return undecided(path);
    return outcomeOf(path, await decider.decideAction(input, caller, ADAPTER));
  }

  async function data(request: IncomingMessage, response: ServerResponse): Promise<Content> {
    const { method = "", url = "", headers } = request;
    const { path, parameters } = targetOf(url, DATA);
    if (WRITES.has(method)) {
      await decider.intake.authenticatedBody(NOTHING, headers.authorization);
      return errorContent(ownedByBundle(path, bundles.status.name));
    }
    if (method === "GET") {
      flights.begin(response);
      const given = parameters.input === null ? NOTHING : Buffer.from(parameters.input);
      return admit(async () => {
        const { asked, caller } = await decider.intake.authenticatedBody(given, headers.authorization);
        checkNoToken(asked);
        const found = await outcome(path, parameters.input === null ? undefined : asked, caller);
        return dataContent(200, dataText(found, parameters, version), parameters);
      }, request);
    }
    checkMethod(method, ["GET", "POST", ...WRITES], response);
    const { bytes } = await read(request, one);
    flights.begin(response);
    return admit(
      async () => {
        const { asked, caller } = await decider.intake.authenticatedBody(bytes, headers.authorization);
        const input = inputOf(asked);
        const warning = input === undefined ? `,"warning":${INPUT_MISSING}` : "";
        return dataContent(200, dataText(await outcome(path, input, caller), parameters, version, warning), parameters);
      },
      request,
      decisionsIn(bytes),
    );
  }

  /** The body is the input, and the result the body. */
  async function raw(request: IncomingMessage, response: ServerResponse, path: string, parameters: Parameters): Promise<Content> {
    const { bytes, isEmpty } = await read(request, one);
    flights.begin(response);
    return admit(
      async () => {
        const { asked, caller } = await decider.intake.authenticatedBody(bytes, request.headers.authorization);
        const { result } = await outcome(path, isEmpty ? undefined : asked, caller);
        if (result === undefined) return errorContent(undefinedDocument(path, documentAt(path) !== undefined));
        return dataContent(200, result, parameters);
      },
      request,
      decisionsIn(bytes),
    );
  }

  async function batch(request: IncomingMessage, response: ServerResponse): Promise<Content> {
    const { path, parameters } = targetOf(request.url ?? "", BATCH);
    const { bytes } = await read(request, many);
    flights.begin(response);
    return admit(
      async () => {
        const { asked, caller } = await decider.intake.authenticatedBody(bytes, request.headers.authorization);
        const inputs = inputsOf(asked, bytes.length, limits);
        const items = await itemsOf(path, inputs, caller);
        const { status, text } = batchText(newId(), items, parameters, version);
        return dataContent(status, text, parameters);
      },
      request,
      decisionsIn(bytes),
    );
  }

  async function itemsOf(path: string, inputs: readonly [string, unknown][], caller: Caller): Promise<(readonly [string, BatchItem])[]> {
    if (deps.opa?.has(path) === true)
      return Promise.all(inputs.map(async ([key, input]) => [key, { outcome: await outcome(path, input, caller) }] as const));
    if (documentAt(path) === undefined) return inputs.map(([key]) => [key, { outcome: undecided(path) }]);
    const decided = await decider.decideActions(
      inputs.map(([, input]) => input),
      caller,
      ADAPTER,
    );
    return decided.map((one, i) => {
      const key = inputs[i]?.[0] ?? "";
      if (!(one instanceof Problem)) return [key, { outcome: outcomeOf(path, one) }];
      metrics.problem(one.code);
      return [key, { decision_id: newId(), error: errorOf(one, "body") }];
    });
  }

  const route = (id: string, path: string, summary: string, asking: Asking): FrontRoute => ({
    operation: {
      id,
      method: "post",
      path,
      summary,
      scope: "remit:decide",
      request: { types: JSON_TYPES, schema: asking.schema },
      answers: {
        200: { description: "Decided, whatever the decision is", schema: asking.answer },
        ...ANY_ERROR,
        ...asking.answers,
      },
      problems: DECIDING_PROBLEMS,
    },
    below: true,
    refusal,
    handle: (request, _params, response) => asking.handle(request, response),
  });

  return [
    {
      ...route(
        "opaData",
        DATA,
        "OPA's data API: `/v1/data/remit/decide` is the answer of `POST /decide`, `/v1/data/remit/allow` a boolean; GET takes `?input=`",
        { schema: DataRequest, answer: DataAnswer, handle: data },
      ),
      anyMethod: true,
    },
    route("opaBatch", BATCH, "OPA's batch API: several inputs by key, each with an answer or an error of its own", {
      schema: BatchRequest,
      answer: BatchDataAnswer,
      handle: batch,
      answers: {
        207: { description: "Some inputs have an error", schema: BatchDataAnswer },
        500: {
          description: "Each input has an error, or the service has",
          schema: Type.Union([BatchDataAnswer, ErrorSchema], {
            title: "OpaBatchFailure",
            description: "Errors of all inputs, or the error of the service",
          }),
        },
      },
    }),
    route("opaWebhook", WEBHOOK, "OPA's webhook: the body is the input, and the document the answer", {
      schema: DecideRequest,
      answer: Document,
      handle: (request, response) => {
        const { path, parameters } = targetOf(request.url ?? "", WEBHOOK);
        return raw(request, response, path, parameters);
      },
      answers: errors(404),
    }),
    route("opaDefaultDecision", "/", "OPA's default decision: that of `/v1/data/remit/decide`", {
      schema: DecideRequest,
      answer: Document,
      handle: (request, response) => {
        const { parameters } = targetOf(request.url ?? "", "");
        return raw(request, response, DECIDE, parameters);
      },
      answers: errors(404),
    }),
    policies(deps, errorContent),
    ...NOT_OFFERED.map(({ id, path, methods, what, instead }): FrontRoute => ({
      operation: {
        id,
        method: "get",
        path,
        summary: `Not offered, of OPA's REST API: ${what}`,
        scope: "remit:decide",
        answers: { ...ANY_ERROR, ...errors(501) },
        problems: [],
      },
      below: true,
      anyMethod: true,
      refusal,
      handle: async ({ method = "", headers }, _params, response) => {
        checkMethod(method, methods, response);
        await decider.intake.authenticatedBody(NOTHING, headers.authorization);
        return errorContent(notOffered(what, instead));
      },
    })),
  ];
}

const POLICIES = "/v1/policies";

/** Returns the route of OPA's policy API. Its list is empty, and nothing can be put, since policies come in signed bundles. */
function policies({ decider }: HttpDeps, refused: (error: OpaError) => Content): FrontRoute {
  return {
    operation: {
      id: "opaPolicies",
      method: "get",
      path: POLICIES,
      summary: "OPA's policy API: an empty list, by which its clients know that there is an OPA. Nothing can be read or written by it",
      scope: "remit:decide",
      answers: { 200: { description: "No policies", schema: Policies }, ...ANY_ERROR, ...errors(501) },
      problems: [],
    },
    below: true,
    anyMethod: true,
    refusal,
    handle: async ({ method = "", url = "", headers }, _params, response) => {
      checkMethod(method, ["GET", "PUT", "DELETE"], response);
      await decider.intake.authenticatedBody(NOTHING, headers.authorization);
      const { path, parameters } = targetOf(url, POLICIES);
      if (method !== "GET" || path !== "")
        return refused(notOffered("the policy API", "policies come in signed bundles, by `POST /bundles`"));
      return dataContent(200, '{"result":[]}', parameters);
    },
  };
}

interface Asking {
  schema: typeof DataRequest | typeof BatchRequest | typeof DecideRequest;
  /** Body of the answer, with status 200. */
  answer: TSchema;
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<Content>;
  /** Beside those that any of these may have. */
  answers?: Operation["answers"];
}

const WRITES: ReadonlySet<string> = new Set(["PUT", "PATCH", "DELETE"]);

/** @throws Problem `method_not_allowed` */
function checkMethod(method: string, methods: readonly string[], response: ServerResponse): void {
  if (methods.includes(method)) return;
  response.setHeader("allow", methods.join(", "));
  throw new Problem("method_not_allowed", { expected: methods.join(", ") });
}

/** Returns a refusal in OPA's form: like OPA, it has no body if the method isn't allowed. */
export function refusal(problem: Problem, { method }: Pick<IncomingMessage, "method">, id?: string): Content {
  if (problem.code === "method_not_allowed") return empty(problem.status);
  return errorContent(errorOf(problem, method === "GET" ? "parameter" : "body", id), problemHeaders(problem));
}

function errorContent({ status, body }: OpaError, headers: Record<string, string> = {}): Content {
  return { status, type: "application/json", body: JSON.stringify(body), headers };
}

function dataContent(status: number, text: string, { pretty }: Parameters): Content {
  return { status, type: "application/json", body: pretty ? prettyText(text) : text };
}
