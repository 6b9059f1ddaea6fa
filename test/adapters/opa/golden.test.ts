/**
 * The calls that were recorded of a real OPA, each of them, asked of us: our documents stand where its policy's stood. What a call
 * rests on that isn't offered here has the answer that `docs/opa.md` says.
 */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { asset } from "../../../src/system/paths.js";
import { ask as tell, type Json } from "../../http/asking.js";
import { ALL, REQUEST, run, type Running } from "../../http/running.js";

interface Call {
  name: string;
  request: { method: string; path: string; headers: Record<string, string>; body?: unknown; rawBody?: string };
  response: { status: number; headers: Record<string, string>; body?: unknown; rawBody?: string };
}

const read = (name: string): Call[] => JSON.parse(readFileSync(asset("test", "vectors", "opa_rest", name), "utf8")) as Call[];

/** Documents of ours for those of the recorded policies. */
const PATHS: readonly (readonly [theirs: string, ours: string])[] = [
  ["/v1/batch/data/agents/decision", "/v1/batch/data/remit/decide"],
  ["/data/agents/decision", "/data/remit/decide"],
  ["/data/agents/allow", "/data/remit/allow"],
  ["/data/app/allow", "/data/remit/allow"],
  ["/data/app/quiet", "/data/remit/allow"],
  ["/data/agents", "/data/remit"],
];

/** What their policy permits we permit, and nothing else: an action for each of their inputs. */
function inputOf(theirs: unknown): unknown {
  if (typeof theirs !== "object" || theirs === null) return theirs;
  const { agent, verb, n } = theirs as { agent?: string; verb?: string; n?: number };
  return (agent === "agent-1" && verb !== undefined) || agent === "a1" || n === 2 ? REQUEST : { ...REQUEST, agent: "a-2" };
}

interface Answered {
  status: number;
  type: string | null;
  text: string;
  body: Json | null;
}

async function ask(service: Running, { request }: Call, authorization: string | undefined): Promise<Answered> {
  const { method, headers } = request;
  const isRaw = request.path === "/" || request.path.startsWith("/v0/");
  let path = request.path;
  for (const [theirs, ours] of PATHS) {
    if (!path.includes(theirs)) continue;
    path = path.replace(theirs, ours);
    break;
  }
  path = path.replace(/input=%7B%22.*$/, `input=${encodeURIComponent(JSON.stringify(REQUEST))}`);
  let body: string | Uint8Array | undefined = request.rawBody;
  if (request.body !== undefined && method === "POST") {
    const given = request.body as Json;
    const asked = isRaw ? inputOf(given) : "input" in given ? { ...given, input: inputOf(given["input"]) } : given;
    body = JSON.stringify(asked);
  } else if (request.body !== undefined) body = JSON.stringify(request.body);
  if (headers["content-encoding"] === "gzip") body = gzipSync(JSON.stringify({ input: REQUEST }));
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
    body: (body as string | undefined) ?? null,
  });
  const text = await response.text();
  const type = response.headers.get("content-type");
  return { status: response.status, type, text, body: type === "application/json" ? (JSON.parse(text) as Json) : null };
}

/** Whether a result permits, theirs or ours. */
function permits(result: unknown): boolean | undefined {
  if (typeof result !== "object" || result === null) return typeof result === "boolean" ? result : undefined;
  const { allow, allowed, proceed } = result as Record<string, unknown>;
  return [allow, allowed, proceed].some((one) => one === true);
}

/** Ids, timers and texts of a policy's own are of their run; `errors` is what we say beside OPA's code. */
function shape(name: string, { status, type, body, text }: Answered, isRaw: boolean): Json {
  if (body === null) return { status, type, text };
  const { metrics, provenance, warning, code, error, message } = body as Record<string, Json | undefined>;
  if (status !== 200 || name.startsWith("health")) return { status, type, code, error, message: messageOf(message) };
  return {
    status,
    type,
    permits: permits(isRaw ? body : body["result"]) ?? false,
    ...(isRaw ? {} : { members: namesOf(body), metrics: namesOf(metrics), provenance: namesOf(provenance), warning }),
  };
}

/** OPA's client refuses an empty `build_timestamp`, which their OPA had: it is left out. */
function namesOf(value: object | undefined): string[] {
  return Object.keys(value ?? {})
    .filter((name) => name !== "result" && name !== "build_timestamp")
    .sort();
}

/** A reader's own words for what it found come after the colon. */
function messageOf(message: unknown): unknown {
  if (typeof message !== "string") return message;
  return message.replace(/(malformed input document): .*/s, "$1").replace(/bundle ".*"/, "bundle");
}

/** As OPA answers, under its own names or ours. */
const EQUAL: readonly string[] = [
  "health",
  "health with bundles and plugins",
  "health, excluded plugin",
  "decision: allow",
  "decision: deny",
  "undefined document",
  "package document",
  "unknown path",
  "GET with input parameter",
  "GET with a bad input parameter",
  "metrics",
  "provenance",
  "explain=notes",
  "pretty",
  "malformed JSON",
  "gzip request body",
  "webhook POST /v0/data",
  "write into a bundle root",
  "builtin error, default mode",
  "method not allowed",
  "no input member: warning",
  "empty body",
  "GET without input",
  "after bundle r2 revoked the grant",
  "provenance after r2",
  "no token",
  "wrong token",
  "allowed",
  "dropped from the log",
  "default decision",
  "extra request members become custom metadata",
];

const OWNED = "400 invalid_parameter";
const NOT_OFFERED = "501 invalid_operation";
const UNDEFINED = "200";

/** Otherwise than OPA answers, as `docs/opa.md` says, and by its rows: status and code. */
const OTHERWISE: Readonly<Record<string, string>> = {
  "health, custom rule not defined": "200", // `live` is defined
  instrument: "200", // the metrics of `metrics`
  "explain=fails": "400 invalid_parameter",
  "explain=full": "400 invalid_parameter",
  "yaml input": "415 invalid_parameter",
  "default decision POST /, rule not defined": "200", // it always is
  "webhook undefined": "200", // `remit/allow` is false, never undefined
  "put policy": NOT_OFFERED,
  "put policy: syntax error": NOT_OFFERED,
  "put policy: compile error": NOT_OFFERED,
  "put policy inside a bundle root": NOT_OFFERED,
  "get policy": NOT_OFFERED,
  "get missing policy": NOT_OFFERED,
  "delete missing policy": NOT_OFFERED,
  "list policies": "200", // there are none
  conflict: NOT_OFFERED,
  // Of policies that were put.
  "null result": UNDEFINED,
  "set result": UNDEFINED,
  "builtin error, strict": UNDEFINED,
  "evaluation error (conflict)": UNDEFINED,
  "put data": OWNED,
  "put data, If-None-Match *, existing": OWNED,
  "get data": UNDEFINED,
  "patch data": OWNED,
  "patch data: missing path": OWNED,
  "get array element": UNDEFINED,
  "put conflicts with a rule": OWNED,
  "delete data": OWNED,
  "delete missing data": OWNED,
  query: NOT_OFFERED,
  "query: bad": NOT_OFFERED,
  "query GET": NOT_OFFERED,
  "compile (partial evaluation)": NOT_OFFERED,
  "compile: always true": NOT_OFFERED,
  "compile: never": NOT_OFFERED,
  config: NOT_OFFERED,
  status: NOT_OFFERED,
  "no such route": "404 not_found", // our own problem
  "batch API is not in open-source OPA": "500", // it is here; of an input that is no action
  "denied with a reason": "401 unauthorized", // in words that are no policy's
  "health needs authorization too": "200",
};

describe("the calls that a real OPA was asked", () => {
  const servers = [read("rest.json"), read("authz.json")];

  it("are all here, each held equal or told of, none twice", () => {
    expect(servers.map(({ length }) => length)).to.deep.equal([64, 8]);
    expect(servers.flat().map(({ name }) => name)).to.have.members([...EQUAL, ...Object.keys(OTHERWISE)]);
  });

  for (const [i, calls] of servers.entries()) {
    describe(i === 0 ? "that asks for no token" : "that asks for one", () => {
      let service: Running;
      before(async () => (service = await run()));
      after(() => service.stop());

      for (const call of calls) {
        const { name, request, response } = call;
        const isRaw = request.path === "/" || request.path.startsWith("/v0/");
        const given = request.headers["authorization"];
        const authorization = i === 0 || given === "Bearer good" ? `Bearer ${ALL}` : given;

        it(`${EQUAL.includes(name) ? "as OPA" : "otherwise"}: ${name}`, async () => {
          if (name === "after bundle r2 revoked the grant") await revoke(service);
          const ours = await ask(service, call, authorization);
          const theirs: Answered = {
            status: response.status,
            type: response.headers["content-type"] ?? null,
            text: response.rawBody ?? "",
            body: (response.body as Json | undefined) ?? null,
          };
          if (EQUAL.includes(name)) {
            expect(shape(name, ours, isRaw)).to.deep.equal(shape(name, theirs, isRaw));
            return;
          }
          const code = (JSON.parse(ours.text === "" ? "{}" : ours.text) as { code?: string }).code;
          const outcome = [ours.status, code].filter((part) => part !== undefined).join(" ");
          expect(outcome).to.equal(OTHERWISE[name]);
          if (permits(isRaw ? ours.body : ours.body?.["result"]) === true)
            expect(permits(isRaw ? theirs.body : theirs.body?.["result"])).to.equal(true);
        });
      }
    });
  }
});

/** What their second bundle did to the one that it had permitted. */
async function revoke(service: Running): Promise<void> {
  const { outcome } = await tell(service, "POST", "/revocations", { body: { scope: { agent: "a-1" }, reason: "r2" } });
  expect(outcome).to.match(/^20/);
}
