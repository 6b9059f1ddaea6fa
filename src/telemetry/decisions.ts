/** Spans of decisions: each joins the trace that its action names, or that its request belongs to, or begins one. */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type SpanContext,
  type Tracer,
} from "@opentelemetry/api";
import { parseTraceParent } from "@opentelemetry/core";
import { Problem } from "../contract/index.js";
import type { Clock } from "../system/index.js";
import type { Decided, Decider } from "../decision/decider.js";

/** Calls a function with what it asks for belonging to the trace of this `traceparent` (W3C Trace Context, section 3.2), if it is one. */
export type WithinTrace = <T>(traceparent: string | undefined, call: () => T) => T;

export interface DecisionSpans {
  within: WithinTrace;
  /** Returns a decider that leaves a span of each decision. */
  traced: (decider: Decider) => Decider;
}

const SERVER_FAULT = 500;
const US_A_MS = 1000;

export function decisionSpans(tracer: Tracer, clock: Clock): DecisionSpans {
  const requests = new AsyncLocalStorage<SpanContext>();

  const parentOf = (named: string | null): Context => {
    const parent = (named === null ? null : parseTraceParent(named)) ?? requests.getStore();
    return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true });
  };

  /** Times of a call: the wall clock's, with the duration from the monotonic one. */
  const timing = (): { startTime: number; end: () => number } => {
    const startTime = clock.wall();
    const began = clock.monotonic();
    return { startTime, end: () => startTime + clock.monotonic() - began };
  };

  type Timing = ReturnType<typeof timing>;

  function decided(one: Decided, { startTime, end }: Timing): void {
    const span = tracer.startSpan("decide", { kind: SpanKind.SERVER, startTime, attributes: attributesOf(one) }, parentOf(one.trace));
    span.end(end());
  }

  /** Leaves no span of what its caller got wrong: strangers could fill the queue with those. */
  function failed(cause: unknown, { startTime, end }: Timing): void {
    const code = cause instanceof Problem ? cause.code : "internal";
    if (cause instanceof Problem && cause.status < SERVER_FAULT) return;
    const span = tracer.startSpan("decide", { kind: SpanKind.SERVER, startTime, attributes: { "error.type": code } }, parentOf(null));
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(end());
  }

  async function watched<T>(deciding: Promise<T>, found: (result: T) => Iterable<Decided>): Promise<T> {
    const times = timing();
    try {
      const result = await deciding;
      for (const one of found(result)) decided(one, times);
      return result;
    } catch (cause) {
      failed(cause, times);
      throw cause;
    }
  }

  return {
    within: (traceparent, call) => {
      const parent = traceparent === undefined ? null : parseTraceParent(traceparent);
      return parent === null ? call() : requests.run(parent, call);
    },
    traced: (decider) => ({
      ...decider,
      decide: (...asked) => watched(decider.decide(...asked), (one) => [one]),
      decideBatch: (...asked) => watched(decider.decideBatch(...asked), (all) => all),
      decideAll: (...asked) => watched(decider.decideAll(...asked), (all) => all),
      decideAction: (...asked) => watched(decider.decideAction(...asked), (one) => [one]),
      decideActions: (...asked) =>
        watched(decider.decideActions(...asked), (all) => all.filter((one): one is Decided => !(one instanceof Problem))),
    }),
  };
}

function attributesOf({ answer, agent, purpose, stages }: Decided): Attributes {
  const [reason] = answer.reasons;
  return {
    "gen_ai.agent.id": agent,
    "remit.decision": answer.decision,
    "remit.decision_id": answer.decision_id,
    "remit.proceed": answer.proceed,
    ...(purpose !== null && { "remit.purpose": purpose }),
    ...(reason !== undefined && { "remit.reason": reason.code }),
    "remit.bundle": answer.policy.bundle,
    "remit.bundle.revision": answer.policy.revision,
    "remit.read_us": Math.round(stages.read * US_A_MS),
    "remit.evaluate_us": Math.round(stages.evaluate * US_A_MS),
    "remit.record_us": Math.round(stages.record * US_A_MS),
  };
}
