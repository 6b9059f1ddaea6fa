/** Places in the findings that a follower was told, and which findings it may be told. */
import type { Finding } from "../contract/index.js";
import { sees, type Sight } from "../facts/reach.js";
import type { ReaderPlace } from "../findings/findings.js";

/** `4711-58`: the last record, and facts revision, up to which everything was told. */
export const placeText = ({ seq, revision }: ReaderPlace): string => `${seq}-${revision}`;

/** Null for what is no place. */
export function readPlace(text: string): ReaderPlace | null {
  const [, seq, revision] = /^(0|[1-9]\d{0,14})-(0|[1-9]\d{0,14})$/.exec(text) ?? [];
  return seq === undefined || revision === undefined ? null : { seq: Number(seq), revision: Number(revision) };
}

/** Returns whether someone with this sight may know of a finding. One of an unregistered agent is for callers that may ask for any. */
export function isInSight(sight: Sight, { agent, purpose }: Pick<Finding, "agent" | "purpose">): boolean {
  return sees(sight, agent ?? "", purpose ?? "");
}
