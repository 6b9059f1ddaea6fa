/** The shared cases of what may come in the place of an answer, `test/cases/client_answers.json`: each client's tests read them. */
import { readFileSync } from "node:fs";
import type { Answer } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import type { Fault } from "./faulty_proxy.js";

/** A fault as JSON says it. */
export type FaultSpec =
  | Extract<Fault, string>
  | { delay_ms: number }
  | { status: number; headers?: Record<string, string | string[]>; body?: string; body_base64?: string }
  | { alter: Alteration };

type Alteration =
  | { set: object }
  | { remove: keyof Answer }
  | { whole: "earlier" }
  | { request_id: "before" | "others" }
  | { action_digest: "capitals" }
  | { decision_id: "earlier" };

export interface AnswerCase {
  what: string;
  code: string;
  fault: FaultSpec;
}

export const ANSWER_CASES = JSON.parse(readFileSync(asset("test", "cases", "client_answers.json"), "utf8")) as AnswerCase[];

export function faultOf(spec: FaultSpec): Fault {
  if (typeof spec === "string" || "delay_ms" in spec) return spec;
  if ("alter" in spec) return { alter: (answer, earlier) => altered(spec.alter, answer, earlier.at(-1)) };
  const { body_base64: packed, ...others } = spec;
  return packed === undefined ? others : { ...others, body: Buffer.from(packed, "base64") };
}

function altered(how: Alteration, answer: Answer, earlier: Answer | undefined): unknown {
  if ("set" in how) return { ...answer, ...how.set };
  if ("remove" in how) return Object.fromEntries(Object.entries(answer).filter(([name]) => name !== how.remove));
  if ("whole" in how) return earlier;
  const { request_id = "", action_digest } = answer;
  if ("request_id" in how) return { ...answer, request_id: how.request_id === "before" ? oneBefore(request_id) : `other${request_id}` };
  if ("action_digest" in how) return { ...answer, action_digest: action_digest.toUpperCase() };
  return { ...answer, decision_id: earlier?.decision_id };
}

/** The request that a client made before this one. */
export function oneBefore(requestId: string): string {
  const at = requestId.lastIndexOf("-");
  return `${requestId.slice(0, at)}-${Number(requestId.slice(at + 1)) - 1}`;
}
