/**
 * Routes of Envoy's external authorization over HTTP: the request that Envoy holds back arrives as it was, below a path of the service.
 * Exactly 200 lets it go on, and any other answer goes to the client; 5xx is never used, since a proxy can be set to let a request pass on
 * it.
 */
import type { IncomingMessage } from "node:http";
import { check, refusalOf, type ProxiedRequest } from "../../adapters/envoy/check.js";
import type { HttpRefusal } from "../../contract/refusals.js";
import { httpRefusal } from "../../contract/refusals.js";
import { readHeldBytes } from "../body.js";
import type { EnvoyDeps, HttpDeps } from "../deps.js";
import { envoyPorts } from "../envoy_ports.js";
import { RefusedChecks } from "../refused_checks.js";
import type { FrontRoute } from "../front.js";
import type { Content } from "../reply.js";
import { DECIDING_PROBLEMS } from "./decide.js";

/** The proxy's own token: `authorization` is the client's. */
export const ENVOY_CALLER = "x-remit-authorization";
const NOTHING = Buffer.alloc(0);
const TO_REMOVE = "x-envoy-auth-headers-to-remove";

export function envoyCheck(envoy: EnvoyDeps, path: string, deps: HttpDeps): FrontRoute {
  const { flights, limits, metrics, timers } = deps;
  const refusals = new RefusedChecks(deps, envoy.ports.clock);
  const limit = { bytes_max: limits.body_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  const ports = envoyPorts(envoy, deps);
  return {
    operation: {
      id: "envoyCheck",
      method: "get",
      path,
      summary: "Envoy's external authorization: may this request go on? Any method, any path below",
      scope: "remit:decide",
      answers: {
        200: { description: "It may" },
        403: { description: "It may not, or not yet, or that can't be said" },
      },
      problems: DECIDING_PROBLEMS,
    },
    below: true,
    anyMethod: true,
    anyHost: true,
    refusal: (problem) => {
      const refusal = refusalOf(problem) ?? httpRefusal("undecided");
      refusals.tell({ refusal, answer: null }, null);
      return refused(refusal);
    },
    handle: async (request, _params, response) => {
      const caller = await envoy.authenticate(headerOf(request, ENVOY_CALLER));
      const body = isBodiless(request) ? NOTHING : await readHeldBytes(request, limit, timers);
      flights.begin(response);
      const told = await check(askedOf(request, path, body), caller, ports);
      if (told.problem !== null) metrics.problem(told.problem.code);
      refusals.tell(told, null);
      if (told.refusal !== null) return refused(told.refusal);
      const remove = told.remove.length === 0 ? {} : { [TO_REMOVE]: told.remove.join(", ") };
      return { status: 200, type: "text/plain", body: "", headers: { ...told.headers, ...remove } };
    },
  };
}

/** Returns true if a request has no body: neither header of RFC 9112, section 6.3, announces one. */
function isBodiless({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] === undefined && (headers["content-length"] ?? "0") === "0";
}

function refused({ status, headers, body }: HttpRefusal): Content {
  const below = status < 500 ? status : 403;
  const { "content-type": type = "", ...others } = headers;
  return { status: below, type, headers: others, body: JSON.stringify({ ...body, status: below }) };
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

function askedOf(request: IncomingMessage, prefix: string, body: Buffer): ProxiedRequest {
  const { method = "", url = "" } = request;
  return {
    method,
    target: url.slice(prefix.length),
    host: headerOf(request, "host") ?? "",
    header: (name) => (name === ENVOY_CALLER ? undefined : headerOf(request, name)),
    body,
    // Of what was shown, and not of the whole.
    size: null,
    context: () => undefined,
    principal: null,
    metadata: () => undefined,
    id: null,
  };
}
