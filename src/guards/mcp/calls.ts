/** Decides calls before the server sees them: asks, waits for a person if the answer does, watches each call while it runs, redacts. */
import type { ProblemSaid } from "../../client/errors.js";
import { Denied, Undecided, type Permitted } from "../../client/index.js";
import type { Answer, DecideRequest } from "../../contract/index.js";
import type { Timers } from "../../system/index.js";
import type { Logger } from "../../system/logger.js";
import { reportGuard } from "./log_events.js";
import type { GuardConfig } from "./config.js";
import type { Served } from "./downstream.js";
import { actionOf, withArgument, type MappedAction, type Arguments, type Mapped } from "../../mapping/call_mapping.js";
import { redactedResult } from "./redact.js";
import { REFUSALS, CallRefusal, type CallRefusalCode } from "../../mapping/call_refusal.js";
import { argumentAt } from "../../mapping/refused_place.js";
import { returnedBy } from "./server_answers.js";
import type { Remit } from "./remit.js";
import { ServerGone, type Upstream } from "./upstream.js";
import { traceOf, type Params, type Reply, type Request } from "./wire.js";

/** Identity that the calls of a session have. */
export interface SessionIdentity {
  as: { agent: string; purpose: string; task: string };
  /** The agent's own token, as it is now: it may be renewed. Null where it needs none. */
  agent_token: (() => string) | null;
  /** True if the guard created the task, and so ends it. */
  made: boolean;
}

interface CallsDeps {
  session: string;
  config: GuardConfig;
  remit: Remit;
  upstream: Upstream;
  log: Logger;
  timers: Timers;
}

/** Milliseconds between two messages of progress about a call that waits, to a client that asked for them. */
const WAITING_MS = 5000;
/** Below all that a server would say of its own progress, and growing. */
const WAITING_STEP = 1e-6;

/** The server answered, and what was to be done isn't. */
class NotDone extends Error {
  constructor(
    readonly reply: Reply,
    readonly answer: Answer,
  ) {
    super("the server answered with an error");
  }
}

export class GuardedCalls {
  readonly #deps: CallsDeps;

  constructor(deps: CallsDeps) {
    this.#deps = deps;
  }

  /**
   * @param values what the mapping reads: a tool's or prompt's arguments, the variables of a URI
   * @param schema of a tool's arguments
   * @throws CallRefusal
   */
  async decided(
    request: Request,
    served: Served,
    who: SessionIdentity,
    mapped: Mapped,
    values: Arguments,
    schema?: unknown,
  ): Promise<Reply> {
    const { config, log, remit, session } = this.#deps;
    const action = actionOf(mapped, values);
    let waited = (): void => undefined;
    try {
      const run = async (permitted: Permitted): Promise<unknown> => {
        waited();
        return this.#forward(request, served, permitted, paramsOf(request, permitted, action, mapped, values), schema);
      };
      const result = await remit.guard(actionFor(who, action, contextOf(session, request)), run, {
        signal: served.signal,
        wait_ms: config.hold_ms,
        waiting: ({ decision_id }) => {
          reportGuard(log, "call_waiting", { session, decision_id });
          waited = this.#sayWaiting(served);
        },
        redact: redactedResult,
        ...(config.reports_returned && { returned: returnedBy }),
        notify: (channel, _action, { decision_id }) => {
          reportGuard(log, "call_noticed", { session, channel, decision_id });
        },
      });
      return { result: result as Params };
    } catch (cause) {
      if (cause instanceof NotDone) return redactedReply(cause);
      throw refusalOf(cause, mapped, values);
    } finally {
      waited();
    }
  }

  /** Decides what a call would do, without its reaching the server. @throws CallRefusal */
  async decide(who: SessionIdentity, mapped: Mapped, values: Arguments): Promise<void> {
    const { config, remit, session } = this.#deps;
    try {
      await remit.guard(actionFor(who, actionOf(mapped, values), { session }), () => null, {
        ...(config.reports_returned && { returned: returnedBy }),
      });
    } catch (cause) {
      throw refusalOf(cause, mapped, values);
    }
  }

  async #forward({ method }: Request, { progress }: Served, permitted: Permitted, params: Params, schema: unknown): Promise<Params> {
    const { config, timers, upstream } = this.#deps;
    const { answer, signal: stopped } = permitted;
    stopped.throwIfAborted();
    const over = new AbortController();
    stopped.addEventListener("abort", () => {
      over.abort(stopped.reason);
    });
    const cancel = timers.after(config.call_ms_max, () => {
      over.abort(new CallRefusal("call_too_long", { decision_id: answer.decision_id }));
    });
    try {
      const { signal } = over;
      const reply = await upstream.ask(method, params, { signal, ...(progress !== null && { progress }), schema });
      if ("error" in reply || reply.result["isError"] === true) throw new NotDone(reply, answer);
      return reply.result;
    } finally {
      cancel();
    }
  }

  /** A call may wait for longer than its client would, if it heard nothing. @returns what ends it */
  #sayWaiting({ progress }: Served): () => void {
    if (progress === null) return () => undefined;
    let times = 0;
    const say = (): void => {
      progress({ progress: ++times * WAITING_STEP, message: "waiting for approval" });
    };
    say();
    return this.#deps.timers.every(WAITING_MS, say);
  }
}

/** Returns the action of a session, by its identity as it is now. */
function actionFor({ as, agent_token }: SessionIdentity, action: MappedAction, context: NonNullable<DecideRequest["context"]>) {
  const token = agent_token?.();
  return { ...as, ...(token !== undefined && { agent_token: token }), ...action, context };
}

function contextOf(session: string, { params }: Request): { session: string; trace?: string } {
  const trace = traceOf(params);
  return { session, ...(trace !== null && { trace }) };
}

/**
 * Returns the parameters that the server gets: the client's own, with arguments set as the answer requires.
 * @throws CallRefusal `obligation_unmet` if no argument of the tool is the one to be set
 */
function paramsOf(request: Request, { action, answer }: Permitted, decided: MappedAction, mapped: Mapped, values: Arguments): Params {
  const { params = {} } = request;
  let changed: Arguments | null = values;
  for (const [name, value] of Object.entries(action.arguments ?? {})) {
    if (changed === null || value === decided.arguments?.[name]) continue;
    if (!answer.obligations.some((one) => one.type === "modify" && one.argument === name)) continue;
    changed = "uri" in params ? null : withArgument(mapped, changed, name, value);
  }
  if (changed === null) throw new CallRefusal("obligation_unmet", { decision_id: answer.decision_id });
  return changed === values ? params : { ...params, arguments: changed };
}

/** Redacts a server's error as its result would have been. */
function redactedReply({ reply, answer }: NotDone): Reply {
  const fields = answer.obligations.flatMap((one) => (one.type === "redact" ? one.fields : []));
  if (fields.length === 0) return reply;
  if ("result" in reply) return { result: redactedResult(reply.result, fields) };
  return { error: { code: reply.error.code, message: "The server answered with an error." } };
}

/** Returns the policy's own sentence, and that the same call can be made again unless something else than an approval is missing. */
function waitingSentence({ answer, tell_agent, wait }: Denied): string {
  if (wait?.for === "context") return tell_agent;
  return [answer?.tell_agent ?? "", REFUSALS.approval_missing].join(" ").trim();
}

const PATH_NOT_CANONICAL =
  "A path in the arguments has more than one reading: write it in full, without `.`, `..`, `//`, a backslash or escapes.";

/** Problems of what the model wrote, wherever in the action it is. */
const REFUSED_WHOLE: Readonly<Record<string, CallRefusalCode>> = {
  body_too_large: "arguments_too_large",
  json_too_wide: "arguments_too_large",
  json_too_deep: "arguments_too_deep",
  surrogate_lone: "argument_invalid",
  number_not_exact: "argument_invalid",
};
/** Problems of one value. */
const REFUSED_VALUE: ReadonlySet<string> = new Set(["field_invalid", "field_type", "identifier_not_canonical", "path_not_canonical"]);
/** Bounds that a problem states. The model hears no other words of it: they may be anybody's who answers at the service's address. */
const BOUND = /^at most \d{1,9} (?:characters|elements)$/;

/** Returns the refusal of a call whose action the decision point doesn't take, if the call's arguments are the reason; the mapping may be, too. */
function refusalOfProblem(
  cause: Undecided,
  { code, field, expected = "" }: ProblemSaid,
  mapped: Mapped,
  values: Arguments,
): CallRefusal | null {
  const place = field === undefined ? null : argumentAt(mapped, values, field);
  const about = { cause, ...(place !== null && { argument: place.argument }) };
  if (Object.hasOwn(REFUSED_WHOLE, code)) return new CallRefusal(REFUSED_WHOLE[code] ?? "argument_invalid", about);
  if (code === "path_not_canonical") return new CallRefusal("argument_invalid", { ...about, tell: PATH_NOT_CANONICAL });
  if (place === null) return null;
  if (code === "field_unknown" && place.isMember) return new CallRefusal("argument_unmapped", about);
  if (!REFUSED_VALUE.has(code)) return null;
  const why = BOUND.test(expected) ? `may have ${expected}` : "has a value that can't be used here";
  return new CallRefusal("argument_invalid", { ...about, tell: `The argument \`${place.argument}\` ${why}.` });
}

function refusalOf(cause: unknown, mapped: Mapped, values: Arguments): CallRefusal {
  if (cause instanceof CallRefusal) return cause;
  if (cause instanceof ServerGone) return new CallRefusal("server_unavailable", { cause });
  if (cause instanceof Denied) {
    const { code, answer } = cause;
    const about = { cause, ...(answer !== null && { decision_id: answer.decision_id }) };
    if (code === "stopped") return new CallRefusal("stopped", about);
    if (code === "denied") return new CallRefusal("denied", { ...about, tell: cause.tell_agent });
    if (code === "waiting") return new CallRefusal("approval_missing", { ...about, tell: waitingSentence(cause) });
    const isCondition = code === "obligation_unmet" || code === "obligation_unknown" || code === "not_confirmed";
    return new CallRefusal(isCondition ? "obligation_unmet" : "not_decided", about);
  }
  if (cause instanceof Undecided) {
    const refused = cause.problem === null ? null : refusalOfProblem(cause, cause.problem, mapped, values);
    return refused ?? new CallRefusal("not_decided", { cause });
  }
  throw cause;
}
