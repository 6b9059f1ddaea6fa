/**
 * Asks an AuthZEN decision point before a JSON-RPC request goes on, as the COAZ binding for MCP says. It holds nothing: whoever runs it
 * has validated the token, knows the server's tools, and sends on what passes.
 */
import { checkNames, type OptionNames } from "../../client/options.js";
import {
  COAZ_ERRORS,
  CoazRefusal,
  coazQuestion,
  type Claims,
  type CoazOptions,
  type CoazQuestion,
  type CoazRequest,
  type CoazTool,
} from "./coaz.js";
import { isObject } from "../../mapping/call_mapping.js";
import type { Reply } from "./wire.js";

export type { Claims, CoazOptions, CoazRequest, CoazTool } from "./coaz.js";

type DecidedQuestion = Exclude<CoazQuestion, { pass: true }>;

/** Asks a policy decision point. @returns the body answered with status 200, whatever it is; rejects if there was no such answer */
export type AskPdp = (question: DecidedQuestion) => Promise<unknown>;

export interface CoazGuardOptions extends CoazOptions {
  /**
   * Code of the error that a denial is; `result`: a result of the call, which the model sees.
   * @default the binding's code, which the SDK of MCP has for a request that took too long
   */
  denial?: number | "result";
}

const GUARD: Record<keyof CoazGuardOptions, true> = { resource: true, subject_claim: true, denial: true };

/** Null: it may go on. */
export type CoazVerdict = Reply | null;

/**
 * Asks whether a JSON-RPC request may go on (COAZ binding for MCP).
 * @returns null if it may; else the reply to the client, which the server doesn't see
 * @throws OptionError `option_unknown`
 * @example
 * import assert from "node:assert/strict";
 * import { coazVerdict } from "@remit-pdp/coaz";
 *
 * const refused = await coazVerdict(request, tools.get(name), claims, async () => ({ decision: false }), { resource: "https://mcp.example.com" });
 * assert.notEqual(refused, null);
 */
export async function coazVerdict(
  request: CoazRequest,
  tool: CoazTool | undefined,
  token: Claims,
  ask: AskPdp,
  options: CoazGuardOptions = {},
): Promise<CoazVerdict> {
  checkNames(options, GUARD);
  let question: CoazQuestion;
  try {
    question = coazQuestion(request, tool, token, options);
  } catch (cause) {
    if (!(cause instanceof CoazRefusal)) throw cause;
    if (cause.why === "denial") return denied(request, {}, options);
    return { error: { code: COAZ_ERRORS.mapping, message: "The call could not be mapped to an authorization question." } };
  }
  if ("pass" in question) return null;
  let answer: unknown;
  try {
    answer = await ask(question);
  } catch {
    return { error: { code: COAZ_ERRORS.unreachable, message: "It could not be decided whether this is permitted." } };
  }
  const refused = decisionsOf(question, answer).find((decision) => !permits(decision));
  return refused === undefined ? null : denied(request, refused, options);
}

/** Every one that was asked for; what isn't there is no permission. */
function decisionsOf({ api, body }: DecidedQuestion, answer: unknown): Record<string, unknown>[] {
  const given = isObject(answer) ? answer : {};
  if (api === "evaluation") return [given];
  const wanted = body["evaluations"] as unknown[];
  const decisions = Array.isArray(given["evaluations"]) ? (given["evaluations"] as unknown[]) : [];
  return wanted.map((_, i) => (isObject(decisions[i]) ? decisions[i] : {}));
}

/** Obligations profile: none is understood here, so one that there is denies. */
function permits({ decision, context }: Record<string, unknown>): boolean {
  const obligations = isObject(context) ? context["obligations"] : undefined;
  return decision === true && (obligations === undefined || (Array.isArray(obligations) && obligations.length === 0));
}

const DENIED = "You are not permitted to do this.";

/** Says what a person needs to find it by and to ask for it, and nothing of what would be permitted. */
function denied({ method }: CoazRequest, { context }: Record<string, unknown>, { denial = COAZ_ERRORS.denial }: CoazGuardOptions): Reply {
  const said = isObject(context) ? context : {};
  const data = Object.fromEntries(
    ["evaluation_id", "access_request"].flatMap((name) => (said[name] === undefined ? [] : [[name, said[name]]])),
  );
  if (denial === "result" && method === "tools/call")
    return { result: { content: [{ type: "text", text: DENIED }], isError: true, ...(Object.keys(data).length > 0 && { _meta: data }) } };
  const code = denial === "result" ? COAZ_ERRORS.denial : denial;
  return { error: { code, message: DENIED, ...(Object.keys(data).length > 0 && { data }) } };
}

export interface PdpOptions {
  /** `access_evaluation_endpoint` and `access_evaluations_endpoint` of its metadata. */
  endpoints: Readonly<Record<DecidedQuestion["api"], string>>;
  /** The guard's own; asked for with each question. */
  token: () => string;
  timeout_ms: number;
}

const PDP: Record<keyof PdpOptions, true | OptionNames> = {
  endpoints: { evaluation: true, evaluations: true },
  token: true,
  timeout_ms: true,
};

/**
 * Returns a function that asks an AuthZEN decision point (Authorization API 1.0), which rejects unless it answers 200 in time.
 * @throws OptionError `option_unknown`
 * @example
 * import { authzenPdp } from "@remit-pdp/coaz";
 *
 * const ask = authzenPdp({ endpoints: { evaluation, evaluations }, token: () => currentToken(), timeout_ms: 2000 });
 */
export function authzenPdp(options: PdpOptions): AskPdp {
  checkNames(options, PDP);
  const { endpoints, token, timeout_ms } = options;
  return async ({ api, body }) => {
    const response = await fetch(endpoints[api], {
      method: "POST",
      headers: { authorization: `Bearer ${token()}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
      signal: AbortSignal.timeout(timeout_ms),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the decision point answered with ${response.status}`);
    }
    return await response.json();
  };
}
