/**
 * One request that a proxy asks about (Envoy's external authorization), start to end: who acts, what it is in the words of the
 * vocabulary, the one decision, and what the proxy is told. Whatever goes wrong on the way is a refusal, never an error that a
 * proxy could be set to let pass.
 */
import { Problem, isCanonicalId, type Answer, type DecideRequest, type Obligation } from "../../contract/index.js";
import { pathTarget, paramsOf, type PathTarget } from "../../contract/paths.js";
import { httpRefusal, type HttpRefusal, type ProxyRefusalCode } from "../../contract/refusals.js";
import type { AgentProof, Caller, TokenSubject } from "../../decision/ports.js";
import { scan, type ScanLimits } from "../../decision/scan.js";
import { actionOf, isObject } from "../../mapping/call_mapping.js";
import { actorsOf, isClaims, tokenUse } from "../../identity/claims.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import type { Clock } from "../../system/index.js";
import type { EnvoyMapping, EnvoyRoute, MappedPlaces } from "./mapping.js";
import type { Decided } from "../../decision/decider.js";

/** Request that a proxy holds back, as far as the proxy describes it. */
export interface ProxiedRequest {
  method: string;
  /** Path and query, as sent. */
  target: string;
  host: string;
  /** Returns a header by its name in lower case; several are joined by commas. */
  header: (name: string) => string | undefined;
  /** Part of the body that was sent along. */
  body: Buffer;
  /** Bytes of the whole of it, as far as the proxy knows. */
  size: number | null;
  /** Returns a setting of the route from the proxy's configuration. */
  context: (key: string) => string | undefined;
  /** Name in the client's certificate. */
  principal: string | null;
  /** Returns the results of the proxy's own filters, by their namespace. */
  metadata: (namespace: string) => unknown;
  /** Id that the proxy gave the request. */
  id: string | null;
}

export interface EnvoyPorts {
  mapping: EnvoyMapping;
  clock: Clock;
  json: ScanLimits;
  /** Returns the agent that has these credentials. */
  agentOf: (subject: TokenSubject) => string | undefined;
  /** @throws Problem of `/agent_token` */
  agentProof: (token: string) => AgentProof | Promise<AgentProof>;
  /** Actors that claims may name, one within the other. */
  actors_max: number;
  /**
   * @param proof what the agent has proven to the proxy
   * @throws Problem
   */
  decide: (action: DecideRequest, caller: Caller, proof: AgentProof | null) => Promise<Decided>;
}

/** Result of a check, for the proxy. */
export interface CheckResult {
  /** Response that the client gets instead of an answer; null: the request goes on. */
  refusal: HttpRefusal | null;
  /** Answer of the decision; null if nothing was decided. */
  answer: Answer | null;
  /** Why nothing was, where the service itself says it. */
  problem: Problem | null;
  /** Headers for whoever answers the request, in the place of what a client sent under these names. */
  headers: Readonly<Record<string, string>>;
  /** Headers of these names are the client's, and mustn't be believed. */
  remove: readonly string[];
}

export const HEADERS = {
  decision: "x-remit-decision",
  decision_id: "x-remit-decision-id",
  obligations: "x-remit-obligations",
} as const;

/** Longest header, in characters, with all obligations of one answer. */
const OBLIGATIONS_LENGTH_MAX = 4096;
const PARTIAL = "x-envoy-auth-partial-body";
/** Media types of JSON in UTF-8: in another character set the upstream would read another text. */
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;
const BEARER = /^Bearer +([\x21-\x7e]+)$/i;
const VISIBLE = /^[\x20-\x7e]*$/;
const HOST = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/;

/** Ends a check without anything having been decided. */
class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly code: Exclude<ProxyRefusalCode, "waiting" | "denied">,
    options?: ErrorOptions,
  ) {
    super(code, options);
  }
}

/** Checks a request. @throws only failures of the service itself; everything else is a refusal */
export async function check(asked: ProxiedRequest, caller: Caller, ports: EnvoyPorts): Promise<CheckResult> {
  const began = ports.clock.monotonic();
  try {
    const { route, values } = routeOf(asked, ports);
    const { proof, ...who } = await whoActs(asked, ports);
    const action = actionOf(route.mapped, values);
    const { answer } = await ports.decide({ ...who, ...action }, caller, proof);
    return told(answer, ports.clock.monotonic() - began, ports.mapping);
  } catch (cause) {
    const refusal = refusalOf(cause);
    if (refusal === null) throw cause;
    return { refusal, answer: null, problem: cause instanceof Problem ? cause : null, headers: {}, remove: [] };
  }
}

/** Returns the refusal for a failure before a decision, or instead of one; null for a failure of the service itself. */
export function refusalOf(cause: unknown): HttpRefusal | null {
  if (cause instanceof Refused) return httpRefusal(cause.code);
  if (cause instanceof CallRefusal) return httpRefusal("action_invalid");
  if (!(cause instanceof Problem)) return null;
  const {
    status,
    detail: { field = "" },
  } = cause;
  const isToken = field === "/agent_token" || field === "/task_token";
  if (status === 401 && isToken) return httpRefusal("token_invalid");
  const isAsked = !isToken && /^\/(?:resource|related|arguments|context|task)\b/.test(field);
  return httpRefusal(status === 400 && isAsked ? "action_invalid" : "undecided");
}

/** @throws Refused */
function routeOf(asked: ProxiedRequest, { mapping, json }: EnvoyPorts): { route: EnvoyRoute; values: Record<string, unknown> } {
  // RFC 3986, section 2: anything else is encoded, and was read by someone already.
  const target = VISIBLE.test(asked.target) ? pathTarget(asked.method, asked.target) : null;
  if (target === null || asked.target.includes("#")) throw new Refused("path_not_canonical");
  const host = HOST.exec(asked.host.toLowerCase())?.[1];
  if (host === undefined) throw new Refused("route_unmapped");
  const candidates = mapping.at(host, target);
  const body = candidates.some((one) => one.body === "read") ? bodyOf(asked, json) : null;
  const route = candidates.find(({ when }) => when.every(({ path, is }) => memberAt(body, path) === is));
  if (route === undefined) throw new Refused("route_unmapped");
  if (route.body === "none" && hasBody(asked)) throw new Refused("action_invalid");
  const path = paramsOf(route.template, target);
  if (path === null) throw new Refused("path_not_canonical");
  const query = queryOf(target);
  const values: Record<string, unknown> = {};
  if (Object.keys(path).length > 0) values["path"] = path;
  if (Object.keys(query).length > 0) values["query"] = query;
  if (route.body === "read") values["body"] = body;
  if (route.headers.length > 0) values["header"] = picked(route.headers, (name) => headerOf(asked, name));
  if (route.trusted_headers.length > 0) values["trusted_header"] = picked(route.trusted_headers, (name) => headerOf(asked, name));
  if (route.context.length > 0) values["context"] = picked(route.context, asked.context);
  return { route, values };
}

function picked(names: readonly string[], get: (name: string) => string | undefined): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = get(name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** @throws Refused for bytes that two readers could take for two texts */
function headerOf(asked: ProxiedRequest, name: string): string | undefined {
  const value = asked.header(name);
  if (value !== undefined && !VISIBLE.test(value)) throw new Refused("action_invalid");
  return value;
}

/**
 * One reading of a query: no name twice, nothing that is decoded in two ways, no `;`, at which some begin another parameter, and no
 * `+`, which is a space to some (HTML) and itself to others (RFC 3986).
 * @throws Refused
 */
function queryOf({ query }: PathTarget): Record<string, string> {
  const found: Record<string, string> = {};
  if (query === "") return found;
  if (/[;+]/.test(query)) throw new Refused("action_invalid");
  for (const part of query.split("&")) {
    const at = part.indexOf("=");
    const [name, value] = (at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)]).map(decoded) as [string, string];
    if (Object.hasOwn(found, name)) throw new Refused("action_invalid");
    Object.defineProperty(found, name, { value, enumerable: true });
  }
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new Refused("action_invalid", { cause });
  }
}

/**
 * The body, which has to be there whole, as one JSON object that every reader reads alike.
 * @throws Refused
 */
function bodyOf(asked: ProxiedRequest, json: ScanLimits): Record<string, unknown> {
  const { body, size } = asked;
  const partial = asked.header(PARTIAL);
  const isWhole = size === null ? partial === "false" : size === body.length && (partial ?? "false") === "false";
  const isPlain = JSON_TYPE.test(asked.header("content-type") ?? "") && asked.header("content-encoding") === undefined;
  if (!isWhole || !isPlain) throw new Refused("action_invalid");
  let value: unknown;
  try {
    value = JSON.parse(scan(body, json));
  } catch (cause) {
    throw new Refused("action_invalid", { cause });
  }
  if (!isObject(value)) throw new Refused("action_invalid");
  return value;
}

function hasBody(asked: ProxiedRequest): boolean {
  return (
    asked.body.length > 0 ||
    (asked.size ?? 0) > 0 ||
    asked.header("transfer-encoding") !== undefined ||
    !/^0?$/.test(asked.header("content-length") ?? "")
  );
}

function memberAt(body: unknown, path: readonly string[]): unknown {
  let found = body;
  for (const step of path) found = isObject(found) && Object.hasOwn(found, step) ? found[step] : undefined;
  return found;
}

interface Who extends Pick<DecideRequest, "agent" | "agent_token" | "purpose" | "task" | "task_token" | "context" | "request_id"> {
  proof: AgentProof | null;
}

/** @throws Refused; Problem of the agent's token */
async function whoActs(asked: ProxiedRequest, ports: EnvoyPorts): Promise<Who> {
  const { purpose, task, session, source } = ports.mapping;
  const agent = await agentOf(asked, ports);
  const from = { session: session && said(session, asked), source: source && said(source, asked) };
  const context = Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined));
  return {
    ...agent,
    purpose: required(said(purpose, asked)),
    ...(task !== undefined && taskOf(task, asked)),
    ...(Object.keys(context).length > 0 && { context }),
    ...(asked.id !== null && { request_id: asked.id }),
  };
}

function required(value: string | undefined): string {
  if (value === undefined) throw new Refused("undecided");
  return value;
}

function said({ is, context, trusted_header }: MappedPlaces, asked: ProxiedRequest): string | undefined {
  if (is !== undefined) return is;
  if (context !== undefined) return asked.context(context);
  return trusted_header === undefined ? undefined : headerOf(asked, trusted_header);
}

/** @throws Refused `token_missing` where nobody is named; Problem */
async function agentOf(asked: ProxiedRequest, ports: EnvoyPorts): Promise<Pick<Who, "agent" | "agent_token" | "proof">> {
  const { bearer, principal, claims, ...names } = ports.mapping.agent;
  if (bearer === true) {
    const token = BEARER.exec(asked.header("authorization") ?? "")?.[1];
    if (token === undefined) throw new Refused("token_missing");
    const { actor } = await ports.agentProof(token);
    return { agent: registered(actor, ports), agent_token: token, proof: null };
  }
  if (principal !== undefined) {
    if (asked.principal === null || asked.principal === "") throw new Refused("token_missing");
    return { agent: registered({ issuer: principal.issuer, subject: asked.principal }, ports), proof: null };
  }
  if (claims !== undefined) {
    const of = asked.metadata(claims.namespace);
    const proof = proofOf(isObject(of) ? of[claims.payload] : undefined, ports.actors_max);
    return { agent: registered(proof.actor, ports), proof };
  }
  const agent = said(names, asked);
  if (agent === undefined) throw new Refused("token_missing");
  return { agent, proof: null };
}

/** Returns the agent that has these credentials; rejects all others, whatever else the name may be here. */
function registered(subject: TokenSubject, { agentOf: find }: EnvoyPorts): string {
  const agent = find(subject);
  if (agent === undefined) throw new Refused("token_invalid");
  return agent;
}

/**
 * Returns the proof in claims that the proxy has verified, so that all checks of a token apply to them: principal, actors, issue time and
 * expiry.
 * @throws Refused
 */
function proofOf(claims: unknown, actorsMax: number): AgentProof {
  if (claims === undefined) throw new Refused("token_missing");
  if (!isClaims(claims) || claims.iss === undefined) throw new Refused("token_invalid");
  const { iss, sub, act } = claims;
  const actors = actorsOf(act, iss, actorsMax);
  // RFC 7800: whoever holds such a token has proven nothing yet.
  if (claims.cnf !== undefined) throw new Refused("token_invalid");
  if (actors === null || !isCanonicalId(sub) || !isCanonicalId(claims.jti ?? "none")) throw new Refused("token_invalid");
  const [actor, ...chain] = actors;
  const subject = { issuer: iss, subject: sub };
  const token = tokenUse(claims);
  return actor === undefined ? { actor: subject, principal: null, chain, token } : { actor, principal: subject, chain, token };
}

function taskOf({ token_header, ...names }: NonNullable<EnvoyMapping["task"]>, asked: ProxiedRequest): Pick<Who, "task" | "task_token"> {
  const value = token_header === undefined ? said(names, asked) : headerOf(asked, token_header);
  if (value === undefined) return {};
  return token_header === undefined ? { task: value } : { task_token: value };
}

function told(answer: Answer, passed_ms: number, mapping: EnvoyMapping): CheckResult {
  const { decision, proceed, decision_id, obligations, valid_for_ms } = answer;
  const none = { answer, problem: null, headers: {}, remove: [] };
  if (!proceed) return { ...none, refusal: refused(answer) };
  if (passed_ms >= valid_for_ms) return { ...none, refusal: httpRefusal("undecided") };
  const given = obligations.length === 0 ? null : obligationsText(obligations, mapping.upstream_meets);
  if (obligations.length > 0 && given === null) return { ...none, refusal: httpRefusal("denied", { decision_id }) };
  return {
    answer,
    problem: null,
    refusal: null,
    headers: {
      [HEADERS.decision]: decision,
      [HEADERS.decision_id]: decision_id,
      ...(given !== null && { [HEADERS.obligations]: given }),
    },
    remove: given === null ? [HEADERS.obligations] : [],
  };
}

/**
 * Returns the refusal for an answer that doesn't proceed: a waiting flag with what it waits for and its finding, a deny with what an agent
 * may know.
 */
function refused({ decision, decision_id, tell_agent, wait, finding }: Answer): HttpRefusal {
  const detail = tell_agent === undefined || tell_agent === "" ? {} : { detail: tell_agent };
  if (decision !== "flag") return httpRefusal("denied", { ...detail, decision_id });
  return httpRefusal("waiting", {
    ...detail,
    decision_id,
    ...(wait !== undefined && { wait: { for: wait.for, until: wait.until } }),
    ...(finding !== undefined && { finding }),
  });
}

/** Null where somebody would have to meet one that nobody does. In the characters that every header may have. */
function obligationsText(obligations: readonly Obligation[], met: ReadonlySet<string>): string | null {
  if (!obligations.every(({ type }) => met.has(type))) return null;
  const text = JSON.stringify(obligations).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return text.length > OBLIGATIONS_LENGTH_MAX ? null : text;
}
