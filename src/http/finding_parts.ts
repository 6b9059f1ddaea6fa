/** Filters of findings that have parts on several nodes: what is asked for is the whole. */
import { isVerdict, type Finding } from "../contract/index.js";
import { fits, type FindingsFilter } from "../findings/findings.js";

/** At least one, the oldest first. */
export type FindingParts<T = Finding> = readonly [T, ...T[]];

/** Returns what a part of a finding that a filter asks for may be: what somebody looks into is so as a whole, and has parts that are open. */
export function ofParts({ state, ...others }: FindingsFilter): FindingsFilter {
  if (state === undefined) return others;
  return { ...others, ...(isVerdict(state) ? { state } : { unjudged: true }) };
}

/** Returns the oldest part by which a filter asks for a finding; undefined if it doesn't. */
export function askedPart(parts: FindingParts, { state }: Pick<Finding, "state">, filter: FindingsFilter): Finding | undefined {
  return parts.find((part) => fits({ ...part, state }, filter));
}
