/** Survey of what a server offers to a client with every capability: an author drafts from it, and a person approves it. */
import type { System } from "../../system/index.js";
import type { GuardConfig } from "./config.js";
import { MeetingFailed, discover, initialize, type MetServer } from "./meeting.js";
import { ServerLoginError } from "./oauth/login_error.js";
import { openLogin } from "./oauth/server_login.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import { connectServer } from "./servers.js";
import { STATELESS, declaring } from "./stateless.js";
import { CAPABILITIES, declined } from "./client_capabilities.js";
import { Upstream } from "./upstream.js";
import { reply, type Params } from "./wire.js";

export interface Survey {
  /** Name that the server gives itself. */
  server: string;
  instructions: string | null;
  tools: unknown[];
  prompts: unknown[];
  resources: unknown[];
  templates: unknown[];
}

export class SurveyFailed extends Error {
  override readonly name = "SurveyFailed";
}

const SURVEY_MS_MAX = 30_000;
const PAGES_MAX = 100;
/** JSON-RPC 2.0, section 5.1. */
const METHOD_NOT_FOUND = -32_601;

type Surveyable = Pick<GuardConfig, "server" | "limits">;

/** Surveys a server of which nobody has said which revision it speaks: as with a session, and else without. @throws SurveyFailed, the first one */
export async function surveyEither(
  of: Surveyable,
  system: System,
): Promise<{ found: Survey; revision: GuardConfig["server"]["revision"] }> {
  try {
    return { found: await survey(of, system), revision: of.server.revision };
  } catch (first) {
    const stateless: Surveyable = { ...of, server: { ...of.server, revision: STATELESS } };
    const found = await survey(stateless, system).catch(() => null);
    if (found === null) throw first;
    return { found, revision: STATELESS };
  }
}

/** @throws SurveyFailed, ServerLoginError */
export async function survey(of: Surveyable, system: System): Promise<Survey> {
  const { timers } = system;
  const late = new AbortController();
  const upstream: Upstream = new Upstream(connectServer(of, timers, openLogin(of.server, system)), {
    request: (request) => {
      upstream.send(reply(request.id, declined(request)));
    },
    notification: () => undefined,
    ignored: () => undefined,
    closed: () => {
      late.abort(new SurveyFailed("the server ended"));
    },
  });
  const cancel = timers.after(SURVEY_MS_MAX, () => {
    late.abort(new SurveyFailed(`the server has not answered within ${SURVEY_MS_MAX} ms`));
  });
  const ask = async (method: string, params?: Params, otherwise?: Params): Promise<Params> => {
    const said = upstream.isStateless ? declaring(CAPABILITIES, params) : params;
    const answer = await upstream.ask(method, said, { signal: late.signal });
    // Some servers declare what they don't have.
    if ("error" in answer && answer.error.code === METHOD_NOT_FOUND && otherwise !== undefined) return otherwise;
    if ("error" in answer) throw new SurveyFailed(`the server answers ${method} with: ${answer.error.message}`);
    return answer.result;
  };
  const list = async (method: string, member: string): Promise<unknown[]> => {
    const all: unknown[] = [];
    let cursor: unknown;
    for (let page = 0; page < PAGES_MAX; page++) {
      const result = await ask(method, typeof cursor === "string" ? { cursor } : undefined, { [member]: [] });
      const items = result[member];
      if (!Array.isArray(items)) throw new SurveyFailed(`the server answers ${method} without a list`);
      all.push(...(items as unknown[]));
      cursor = result["nextCursor"];
      if (all.length > of.limits.tools_max) break;
      if (typeof cursor !== "string") return all;
    }
    throw new SurveyFailed(`the server lists more than the limit: ${method}`);
  };
  try {
    await upstream.begin();
    const { server, instructions, capabilities } = await meet(upstream, of.server.revision, late.signal);
    const has = (what: string): boolean => capabilities[what] !== undefined;
    const name = server?.["name"];
    return {
      server: typeof name === "string" ? name : "server",
      instructions: instructions ?? null,
      tools: has("tools") ? await list("tools/list", "tools") : [],
      prompts: has("prompts") ? await list("prompts/list", "prompts") : [],
      resources: has("resources") ? await list("resources/list", "resources") : [],
      templates: has("resources") ? await list("resources/templates/list", "resourceTemplates") : [],
    };
  } catch (cause) {
    if (cause instanceof SurveyFailed) throw cause;
    if (cause instanceof CallRefusal && cause.cause instanceof ServerLoginError) throw cause.cause;
    if (cause instanceof MeetingFailed) throw new SurveyFailed(cause.message, { cause });
    throw new SurveyFailed("the server can't be reached", { cause });
  } finally {
    cancel();
    await upstream.close();
  }
}

function meet(upstream: Upstream, revision: GuardConfig["server"]["revision"], signal: AbortSignal): Promise<MetServer> {
  return revision === STATELESS ? discover(upstream, signal, CAPABILITIES) : initialize(upstream, signal, CAPABILITIES);
}
