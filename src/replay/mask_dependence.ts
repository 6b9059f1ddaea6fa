/** Finds out whether a recorded decision can still be repeated without the values that are masked. */
import { masksRead, pointerSteps, type PolicyInput, type Vocabulary } from "../contract/index.js";
import type { ReplayableRecord } from "./recorded_decision.js";

/** Returns true if the decision of a policy with this vocabulary may depend on, or mention, a masked value. */
export function dependsOnMask({ masked, made }: ReplayableRecord, vocabulary: Vocabulary): boolean {
  if (masked.length === 0) return false;
  if (made.by === "floor") return masksRead({ masked, floors: made.floors }, vocabulary).length > 0;
  const [input, ...ancestors] = made.inputs;
  // A pointer to a task that the chain doesn't have says that something else is amiss.
  const amiss = masked.some((pointer) => {
    const [, member, index = ""] = pointer.split("/");
    return member === "ancestors" && !(Number(index) < ancestors.length);
  });
  return amiss || masksRead({ masked, input, ancestors }, vocabulary).length > 0;
}

const FIELD = /^\/(?:input|ancestors\/(\d+))\/((?:facts|request)(?:\/[^/]+)*?\/(?:attributes|arguments)\/[^/]+)/;

/** Takes digests out of fields that no policy reads: another vocabulary would find them to be of the wrong type. */
export function withoutDigests(inputs: readonly PolicyInput[], masked: readonly string[]): void {
  for (const pointer of masked) {
    const [, level, path = ""] = FIELD.exec(pointer) ?? [];
    const steps = pointerSteps(`/${path}`);
    const field = steps.pop() ?? "";
    const at = steps.reduce<unknown>(memberOf, inputs[level === undefined ? 0 : Number(level) + 1]);
    if (memberOf(at, field) !== undefined) (at as Record<string, unknown>)[field] = null;
  }
}

function memberOf(of: unknown, step: string): unknown {
  return typeof of === "object" && of !== null && Object.hasOwn(of, step) ? (of as Record<string, unknown>)[step] : undefined;
}
