/** Routes of security event streams (SSF 1.0) for others: metadata, keys, configuration, and polls (RFC 8936). */
import { once } from "node:events";
import { Problem, type ProblemCode, type Scope } from "../../contract/index.js";
import {
  ChangeStream,
  ChangeStreamStatus,
  ChangeStreamSubject,
  CreateStream,
  PollStream,
  PolledEvents,
  StreamAnswer,
  StreamStatusAnswer,
  TransmitterMetadata,
  VerifyStream,
} from "../../contract/security_events.js";
import { Type } from "../../contract/type.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { readQuery, required, text } from "../query.js";
import { empty, json } from "../reply.js";
import { authenticateAny } from "../rights.js";
import type { Operation, Route } from "../route.js";

const READERS: readonly Scope[] = ["ssf.read", "ssf.manage"];
const MANAGERS: readonly Scope[] = ["ssf.manage"];
const BAD_FIELDS: readonly ProblemCode[] = ["field_missing", "field_unknown", "field_type", "field_invalid"];
const NOT_THERE: readonly ProblemCode[] = ["not_found", "stream_not_found"];

const readCreate = jsonReader(CreateStream);
const readChange = jsonReader(ChangeStream);
const readStatus = jsonReader(ChangeStreamStatus);
const readSubject = jsonReader(ChangeStreamSubject);
const readVerify = jsonReader(VerifyStream);
const readPoll = jsonReader(PollStream);

const WELL_KNOWN = "/.well-known/ssf-configuration";
const STREAMS = "/ssf/streams";
const streamQuery = { stream_id: text("Which stream; left out, all of the caller's") };
const oneStream = { stream_id: required(text("Which stream")) };

const JwkSet = Type.Object(
  { keys: Type.Array(Type.Record(Type.String(), Type.Unknown()), { description: "Public keys, as JWKs" }) },
  { title: "JwkSet", description: "A JWK set (RFC 7517)" },
);
const StreamOrStreams = Type.Union([StreamAnswer, Type.Array(StreamAnswer)], {
  title: "StreamOrStreams",
  description: "The stream that `stream_id` names; without it a list of all that the caller has",
});

/** @throws Problem `not_found` where nobody is told anything */
function transmitterOf({ securityEvents }: HttpDeps): NonNullable<HttpDeps["securityEvents"]["transmitter"]> {
  if (securityEvents.transmitter === null) throw new Problem("not_found");
  return securityEvents.transmitter;
}

export function getSsfConfiguration(deps: HttpDeps): Route {
  return configuration(deps, "ssfConfiguration", WELL_KNOWN, "How this service tells others of security events, and where they ask it to");
}

/** The issuer's path comes after (SSF 1.0, section 7.2). */
export function getSsfConfigurationOf(deps: HttpDeps): Route {
  return configuration(
    deps,
    "ssfConfigurationOfPath",
    `${WELL_KNOWN}/{+path}`,
    "As `GET /.well-known/ssf-configuration`, of an issuer with a path",
  );
}

function configuration(deps: HttpDeps, id: string, path: string, summary: string): Route {
  return {
    operation: {
      id,
      method: "get",
      path,
      summary,
      scope: null,
      answers: { 200: { description: "The metadata", schema: TransmitterMetadata } },
      problems: ["not_found"],
    },
    handle: (_request, { path: of = "" }) => {
      const { metadata } = transmitterOf(deps);
      const { pathname } = new URL(metadata.issuer);
      if ((pathname === "/" ? "" : pathname.slice(1)) !== of) throw new Problem("not_found");
      return json(200, metadata);
    },
  };
}

export function getSsfKeys(deps: HttpDeps): Route {
  return {
    operation: {
      id: "ssfKeys",
      method: "get",
      path: "/ssf/jwks.json",
      summary: "The keys that security events are signed with, as a JWK set (RFC 7517)",
      scope: null,
      answers: { 200: { description: "Public keys", schema: JwkSet } },
      problems: ["not_found"],
    },
    handle: () => json(200, transmitterOf(deps).jwks),
  };
}

export function postSsfStream(deps: HttpDeps): Route {
  return asking(
    deps,
    MANAGERS,
    {
      id: "ssfCreateStream",
      method: "post",
      path: STREAMS,
      summary: "Have a stream of security events; a caller has one",
      request: { types: ["application/json"], schema: CreateStream },
      answers: { 201: { description: "It is told of what happens from now on", schema: StreamAnswer } },
      problems: [...BAD_FIELDS, "stream_exists", "streams_full", "push_endpoint_refused", "store_unavailable"],
    },
    async (request, caller, { streams }) => json(201, await streams.create(await readCreate(request, deps), caller)),
  );
}

export function getSsfStream(deps: HttpDeps): Route {
  return asking(
    deps,
    READERS,
    {
      id: "ssfGetStream",
      method: "get",
      path: STREAMS,
      summary: "The caller's stream, or, without `stream_id`, a list of it",
      query: streamQuery,
      answers: { 200: { description: "As it is configured", schema: StreamOrStreams } },
      problems: NOT_THERE,
    },
    (request, caller, { streams }) => {
      const { stream_id } = readQuery(request, streamQuery);
      return Promise.resolve(json(200, stream_id === undefined ? streams.readAll(caller) : streams.read(stream_id, caller)));
    },
  );
}

export function patchSsfStream(deps: HttpDeps): Route {
  return changing(deps, "ssfChangeStream", "patch", "Change a stream: what isn't given stays");
}

export function putSsfStream(deps: HttpDeps): Route {
  return changing(deps, "ssfReplaceStream", "put", "Change a stream: what isn't given is as for a new one");
}

function changing(deps: HttpDeps, id: string, method: "patch" | "put", summary: string): Route {
  return asking(
    deps,
    MANAGERS,
    {
      id,
      method,
      path: STREAMS,
      summary,
      request: { types: ["application/json"], schema: ChangeStream },
      answers: { 200: { description: "As it is from now on", schema: StreamAnswer } },
      problems: [...BAD_FIELDS, ...NOT_THERE, "push_endpoint_refused", "store_unavailable"],
    },
    async (request, caller, { streams }) => json(200, await streams.change(await readChange(request, deps), method === "put", caller)),
  );
}

export function deleteSsfStream(deps: HttpDeps): Route {
  return asking(
    deps,
    MANAGERS,
    {
      id: "ssfDeleteStream",
      method: "delete",
      path: STREAMS,
      summary: "Have a stream no longer",
      query: oneStream,
      answers: { 204: { description: "It is gone" } },
      problems: [...NOT_THERE, "store_unavailable"],
    },
    async (request, caller, { streams }) => {
      const { stream_id = "" } = readQuery(request, oneStream);
      await streams.delete(stream_id, caller);
      return empty(204);
    },
  );
}

export function getSsfStatus(deps: HttpDeps): Route {
  return asking(
    deps,
    READERS,
    {
      id: "ssfGetStatus",
      method: "get",
      path: "/ssf/status",
      summary: "Whether a stream is told of what happens",
      query: oneStream,
      answers: { 200: { description: "Its status", schema: StreamStatusAnswer } },
      problems: NOT_THERE,
    },
    (request, caller, { streams }) => {
      const { stream_id = "" } = readQuery(request, oneStream);
      return Promise.resolve(json(200, streams.status(stream_id, caller)));
    },
  );
}

export function postSsfStatus(deps: HttpDeps): Route {
  return asking(
    deps,
    MANAGERS,
    {
      id: "ssfChangeStatus",
      method: "post",
      path: "/ssf/status",
      summary: "Pause a stream, disable it, or let it go on",
      request: { types: ["application/json"], schema: ChangeStreamStatus },
      answers: { 200: { description: "Its status from now on", schema: StreamStatusAnswer } },
      problems: [...BAD_FIELDS, ...NOT_THERE, "store_unavailable"],
    },
    async (request, caller, { streams }) => json(200, await streams.changeStatus(await readStatus(request, deps), caller)),
  );
}

export function postSsfAddSubject(deps: HttpDeps): Route {
  return subject(deps, "ssfAddSubject", "add", 200, "Tell a stream of a subject that was removed again: of all others it is told anyway");
}

export function postSsfRemoveSubject(deps: HttpDeps): Route {
  return subject(deps, "ssfRemoveSubject", "remove", 204, "Tell a stream no longer of a subject");
}

function subject(deps: HttpDeps, id: string, what: "add" | "remove", status: 200 | 204, summary: string): Route {
  return asking(
    deps,
    MANAGERS,
    {
      id,
      method: "post",
      path: `/ssf/subjects/${what}`,
      summary,
      request: { types: ["application/json"], schema: ChangeStreamSubject },
      answers: { [status]: { description: "Done. Without a body" } },
      problems: [...BAD_FIELDS, ...NOT_THERE, "streams_full", "store_unavailable"],
    },
    async (request, caller, { streams }) => {
      const asked = await readSubject(request, deps);
      await streams.changeSubject(asked.stream_id, asked.subject, what === "add", caller);
      return empty(status);
    },
  );
}

export function postSsfVerify(deps: HttpDeps): Route {
  return asking(
    deps,
    MANAGERS,
    {
      id: "ssfVerify",
      method: "post",
      path: "/ssf/verify",
      summary: "Have a verification event told to a stream",
      request: { types: ["application/json"], schema: VerifyStream },
      answers: { 204: { description: "It is on its way" } },
      problems: [...BAD_FIELDS, ...NOT_THERE, "verification_too_soon"],
    },
    async (request, caller, { streams }) => {
      streams.verify(await readVerify(request, deps), caller);
      return empty(204);
    },
  );
}

export function postSsfPoll(deps: HttpDeps): Route {
  return asking(
    deps,
    READERS,
    {
      id: "ssfPoll",
      method: "post",
      path: "/ssf/poll/{stream_id}",
      summary: "Take a stream's events, and acknowledge those before (RFC 8936)",
      request: { types: ["application/json"], schema: PollStream },
      answers: { 200: { description: "Events that weren't acknowledged, the oldest first", schema: PolledEvents } },
      problems: [...BAD_FIELDS, ...NOT_THERE, "subscribers_full", "store_unavailable"],
    },
    async (request, caller, { streams }, { stream_id = "" }, response) => {
      const asked = await readPoll(request, deps);
      const gone = once(response, "close").then(
        () => undefined,
        () => undefined,
      );
      const polled = json(200, await streams.poll(stream_id, asked, caller, gone));
      // It may have waited long: a token that was revoked meanwhile is given nothing more.
      await authenticateAny(deps, request, READERS);
      // Else the connection would be kept for a next poll while the service waits for it to end.
      return streams.closed ? { ...polled, headers: { connection: "close" } } : polled;
    },
  );
}

type Handle = (
  request: Parameters<Route["handle"]>[0],
  caller: string,
  transmitter: ReturnType<typeof transmitterOf>,
  params: Parameters<Route["handle"]>[1],
  response: Parameters<Route["handle"]>[2],
) => Promise<ReturnType<typeof json>>;

function asking(deps: HttpDeps, scope: readonly Scope[], operation: Omit<Operation, "scope">, handle: Handle): Route {
  return {
    operation: { ...operation, scope },
    handle: async (request, params, response) => {
      const caller = await authenticateAny(deps, request, scope);
      return handle(request, caller.id, transmitterOf(deps), params, response);
    },
  };
}
