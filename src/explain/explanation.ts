/** Why a policy decided as it did, for people: every entry and rule that was tried, and what would have let the action pass. */
import type { CatalogueEntry, Effect, Explanation, PolicyData, PolicyInput, TaskPlan, TriedRule } from "../contract/index.js";
import { placeWords } from "../bundle/condition_words.js";
import { valueAt } from "../decision/conditions.js";
import type { ActivePolicy } from "../decision/ports.js";
import { planMismatches } from "./plan_mismatches.js";
import { triedEntries } from "./tried_entries.js";
import { findWays } from "./ways.js";

/**
 * Explains what the policy decides on this input.
 * @param planOf returns the plan of a task, by its id
 * @param pause called between turns of evaluations, for a service that has decisions to make meanwhile
 * @returns null if the policy itself fails on the input
 */
export async function explainInput(
  policy: Pick<ActivePolicy, "evaluate" | "catalogue">,
  data: PolicyData,
  input: PolicyInput,
  planOf: (task: string) => TaskPlan | undefined,
  pause?: () => Promise<void>,
): Promise<Explanation | null> {
  const evaluation = policy.evaluate(JSON.stringify(input));
  if (!evaluation.ok) return null;
  const { decision, proceed, reasons } = evaluation.result as {
    decision: Explanation["decision"];
    proceed: boolean;
    reasons: { effect: Effect; code: string }[];
  };
  const entries = triedEntries(data, input);
  const fired = new Set(reasons.map(({ effect, code }) => `${effect} ${code}`));
  const rules = Object.entries(policy.catalogue)
    .filter(([, { sources, purposes }]) => purposes.includes(input.request.purpose) && sources.some(isRule))
    .map(([code, entry]) => triedRule(code, entry, input, fired));
  return {
    decision,
    proceed,
    codes: [...new Set(reasons.map(({ code }) => code))].sort(),
    entries: entries.map(({ effect, code, applies, conditions }) => ({ effect, code, applies, conditions })),
    rules,
    plan: planMismatches(input, input.facts.task.root === null ? undefined : planOf(input.facts.task.root)),
    would_pass: proceed ? null : await findWays(policy, data, input, entries, pause),
  };
}

function triedRule(
  code: string,
  { effect, title, sources, reads = [] }: CatalogueEntry,
  input: PolicyInput,
  fired: ReadonlySet<string>,
): TriedRule {
  const held = reads.filter((path) => path.length > 1 && path[1] !== "verb" && hasPath(input, path));
  return {
    effect,
    code,
    title,
    sources: sources.filter(isRule),
    fired: fired.has(`${effect} ${code}`),
    read: held.map((path) => ({ path: placeWords(path), found: valueAt(input, path) })),
  };
}

function isRule(source: string): boolean {
  return source.includes(".rego:");
}

/** Rules of a purpose are about many types: a field that this one hasn't isn't a value that it lacks. */
function hasPath(input: PolicyInput, path: readonly string[]): boolean {
  let at: unknown = input;
  for (const key of path) {
    if (at === null) return true;
    if (typeof at !== "object" || !Object.hasOwn(at, key)) return false;
    at = (at as Record<string, unknown>)[key];
  }
  return true;
}
