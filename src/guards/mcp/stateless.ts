/**
 * Revision 2026-07-28 of MCP, which knows no sessions: each request says in its `_meta` which revision it speaks and what its client can do,
 * and each result says what kind it is. What a client writes there beside that no policy has seen, so no server does either.
 */
import { isObject } from "../../mapping/call_mapping.js";
import { without } from "../../system/without.js";
import { traceOf, type Params, type Reply, type RequestId, type RpcError } from "./wire.js";

export const STATELESS = "2026-07-28";
const PREFIX = "io.modelcontextprotocol/";
const VERSION = `${PREFIX}protocolVersion`;
const CAPABILITIES = `${PREFIX}clientCapabilities`;
const CLIENT = `${PREFIX}clientInfo`;
const SERVER = `${PREFIX}serverInfo`;
const SUBSCRIPTION = `${PREFIX}subscriptionId`;

/** Codes that the specification reserves. */
export const CODES = { header_mismatch: -32020, capability_missing: -32021, version_unsupported: -32022 };

/** Questions to a client that a result may hold, and the capability that each needs. Extensions nobody here knows, so no client has them. */
const ASKABLE: ReadonlyMap<string, string> = new Map([
  ["elicitation/create", "elicitation"],
  ["sampling/createMessage", "sampling"],
  ["roots/list", "roots"],
]);
/** Methods whose result may be that more is needed. */
const MAY_ASK: ReadonlySet<string> = new Set(["tools/call", "prompts/get", "resources/read"]);
/** Methods whose complete results say how long they hold. */
const CACHED: ReadonlySet<string> = new Set([
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
]);
const NAME_LENGTH_MAX = 256;

function metaOf(params: Params | undefined): Params {
  const meta = params?.["_meta"];
  return isObject(meta) ? meta : {};
}

/** Returns true if a request says which revision it speaks, as those of a session never do. */
export function isStateless(params: Params | undefined): boolean {
  return metaOf(params)[VERSION] !== undefined;
}

/** The revision that a request says it speaks. */
export function versionOf(params: Params | undefined): unknown {
  return metaOf(params)[VERSION];
}

/** Returns the error that a request without what each has to say is answered with; null for one that says it. */
export function malformed(params: Params | undefined): RpcError | null {
  const meta = metaOf(params);
  if (typeof meta[VERSION] !== "string" || meta[VERSION] === "") return { code: -32602, message: `_meta lacks ${VERSION}` };
  return isObject(meta[CAPABILITIES]) ? null : { code: -32602, message: `_meta lacks ${CAPABILITIES}` };
}

/** Returns the error that a request of another revision is answered with; null for one of this. */
export function unsupported(params: Params | undefined): RpcError | null {
  const requested = versionOf(params);
  if (requested === STATELESS) return null;
  return { code: CODES.version_unsupported, message: "Unsupported protocol version", data: { supported: [STATELESS], requested } };
}

/** Returns the `_meta` with which the guard asks a server: of the client's own only its name, and what it can be asked for. */
export function metaFor(params: Params | undefined, token: RequestId | null): Params {
  const meta = metaOf(params);
  const declared = isStateless(params) && isObject(meta[CAPABILITIES]) ? meta[CAPABILITIES] : {};
  const known = [...ASKABLE.values()].filter((name) => isObject(declared[name]));
  const trace = traceOf(params);
  return {
    [VERSION]: STATELESS,
    [CLIENT]: named(meta[CLIENT]) ?? { name: "remit", version: "1" },
    [CAPABILITIES]: Object.fromEntries(known.map((name) => [name, declared[name]])),
    ...(trace !== null && { traceparent: trace }),
    ...(token !== null && { progressToken: token }),
  };
}

/** Returns parameters of a request whose client has these capabilities. */
export function declaring(capabilities: Params, params: Params = {}): Params {
  return { ...params, _meta: { [VERSION]: STATELESS, [CAPABILITIES]: capabilities } };
}

/** Name and version of a side as it gives them itself; null for none. */
function named(of: unknown): Params | null {
  const { name, version } = isObject(of) ? of : {};
  if (typeof name !== "string" || typeof version !== "string") return null;
  return { name: name.slice(0, NAME_LENGTH_MAX), version: version.slice(0, NAME_LENGTH_MAX) };
}

/** Name and version that a server gives itself in a result. */
export function serverOf(result: Params): Params | null {
  return named(metaOf(result)[SERVER]);
}

/** @returns null for an answer that this revision knows, else what is wrong with it */
export function unknownAnswer(method: string, reply: Reply, asked: Params | undefined): string | null {
  if ("error" in reply) return null;
  const { resultType, inputRequests, requestState } = reply.result;
  if (resultType === undefined || resultType === "complete") return null;
  if (resultType !== "input_required" || !MAY_ASK.has(method)) return "a result of a kind that isn't known";
  if (requestState !== undefined && typeof requestState !== "string") return "a state that is no text";
  if (inputRequests === undefined) return requestState === undefined ? "it needs something, and doesn't say what" : null;
  if (!isObject(inputRequests)) return "what it asks for is no object";
  const declared = metaFor(asked, null)[CAPABILITIES] as Params;
  const mayBe = (one: unknown): boolean => {
    const capability = isObject(one) && typeof one["method"] === "string" ? ASKABLE.get(one["method"]) : undefined;
    return capability !== undefined && declared[capability] !== undefined;
  };
  return Object.values(inputRequests).every(mayBe) ? null : "it asks for what the client can't be asked for";
}

/** Returns a reply as a client of this revision expects it: none of it is for anybody else's cache, since what is listed and read here was decided. */
export function completed(method: string, reply: Reply): Reply {
  if ("error" in reply) return reply;
  const { resultType = "complete", ttlMs, ...rest } = reply.result;
  const cached = resultType === "complete" && CACHED.has(method);
  return { result: { resultType, ...rest, ...(cached && { ttlMs: freshMs({ ttlMs }), cacheScope: "private" }) } };
}

/** Milliseconds for which a result may be kept. */
export function freshMs({ ttlMs }: Params): number {
  return typeof ttlMs === "number" && Number.isSafeInteger(ttlMs) && ttlMs > 0 ? ttlMs : 0;
}

export function discovery(found: { capabilities: Params; instructions: string | undefined; server: Params | null; ttlMs: number }): Params {
  const { capabilities, instructions, server, ttlMs } = found;
  return {
    resultType: "complete",
    supportedVersions: [STATELESS],
    capabilities,
    ...(instructions !== undefined && { instructions }),
    ttlMs,
    cacheScope: "private",
    ...(server !== null && { _meta: { [SERVER]: server } }),
  };
}

/** Id of the stream that a notification belongs to. */
export function subscriptionOf(params: Params | undefined): unknown {
  return metaOf(params)[SUBSCRIPTION];
}

/** Parameters, or a result, of the stream that this request opened. */
export function ofSubscription(id: RequestId, members: Params = {}): Params {
  return { ...members, _meta: { [SUBSCRIPTION]: id } };
}

/** The same under another id, where they belong to a stream. */
export function underId<T extends Params | undefined>(of: T, id: RequestId): T {
  if (of === undefined || subscriptionOf(of) === undefined) return of;
  return { ...without(of, "_meta"), _meta: { ...metaOf(of), [SUBSCRIPTION]: id } } as unknown as T;
}
