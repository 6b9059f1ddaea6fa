/** Which records can be decided again, and why another can't: said before anything is fetched. */
import type { ShownRecord } from "../contract/index.js";

/** `chosen`: only by a bundle that the reader has as a file. */
export type Replayability = { is: "yes" } | { is: "chosen"; why: string } | { is: "no"; why: string };

/**
 * @param mayFetch true if the reader may take bundles from the service
 */
export function replayability({ record, beside, beside_missing }: ShownRecord, mayFetch: boolean): Replayability {
  if (record.kind !== "decision" && record.kind !== "observed") return { is: "no", why: "This record is of no decision." };
  if (beside_missing)
    return {
      is: "no",
      why: "What was asked was too large for the record, and its file beside it is missing or altered. `remit audit verify` says which.",
    };
  const parts: object = beside ?? record;
  if (!("input" in parts) && !("floor" in parts))
    return { is: "no", why: "The record holds neither what a policy was asked nor what a check before it read." };
  if (!mayFetch)
    return { is: "chosen", why: "You lack remit:publish, which taking a bundle from the service needs. Choose its file instead." };
  return { is: "yes" };
}

/** Returns what would run for this record: checks of the service, or the policy. */
export function replayedBy({ record, beside }: ShownRecord): "floor" | "policy" {
  return "floor" in (beside ?? record) ? "floor" : "policy";
}

/** Values of a record that are masked, as JSON pointers. */
export function maskedOf({ record, beside }: ShownRecord): readonly string[] {
  const { masked = [] } = (beside ?? record) as { masked?: readonly string[] };
  return masked;
}
