/** A decision as its record has it: what was decided, and all that it was decided from. */
import type { DecisionRecord, PolicyInput } from "../contract/index.js";
import type { FloorRead, NotLive } from "./shapes.js";

/** Inputs of a decision: those of a policy, or what the floor read and refused by. The action's own task comes first. */
export type DecisionInputs =
  | { by: "policy"; inputs: readonly [PolicyInput, ...PolicyInput[]]; not_live: readonly NotLive[] }
  | { by: "floor"; request: PolicyInput["request"]; floors: readonly [FloorRead, ...FloorRead[]] };

export interface ReplayableRecord {
  seq: number;
  record: Pick<DecisionRecord, "answer" | "caller" | "kind" | "time" | "unasked">;
  made: DecisionInputs;
  /** JSON pointers of what is masked in all that. */
  masked: readonly string[];
}

/** Inputs as a record has them, or what stands beside it. */
export type Parts = { masked?: string[] } & (
  | { input: PolicyInput; ancestors?: PolicyInput[]; not_live?: NotLive[] }
  | { request: PolicyInput["request"]; floor: FloorRead; ancestors?: FloorRead[] }
);

/** Returns a decision from its record and its parts, whose shapes have been checked. */
export function recordedOf(seq: number, record: ReplayableRecord["record"], parts: Parts): ReplayableRecord {
  const { masked = [] } = parts;
  if ("input" in parts) {
    const { input, ancestors = [], not_live = [] } = parts;
    return { seq, record, made: { by: "policy", inputs: [input, ...ancestors], not_live }, masked };
  }
  const { request, floor, ancestors = [] } = parts;
  return { seq, record, made: { by: "floor", request, floors: [floor, ...ancestors] }, masked };
}
