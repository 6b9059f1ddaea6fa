/** Which tools are worth showing: those that the policy would never permit, whatever the task and the grants, aren't. */
import type { PolicyData } from "../../contract/index.js";
import type { Mapped } from "../../mapping/call_mapping.js";

/**
 * Hiding a tool spares a model from trying; it is each call's own decision that stops one. So the bundle needs no signature
 * here, and what can't be told from it is shown.
 */
export function possibleBy(data: PolicyData, purpose: string): (mapped: Mapped) => boolean {
  const { vocabulary, purposes } = data;
  const never = Object.hasOwn(purposes, purpose) ? (purposes[purpose]?.never ?? {}) : {};
  return ({ verb, type }) => {
    if (!Object.hasOwn(vocabulary.verbs, verb) || !Object.hasOwn(vocabulary.types, type)) return false;
    const byVerb = Object.hasOwn(never, type) ? (never[type] ?? {}) : {};
    const entries = Object.hasOwn(byVerb, verb) ? (byVerb[verb] ?? []) : [];
    return !entries.some(({ about, when }) => about === "any" && when.length === 0);
  };
}
