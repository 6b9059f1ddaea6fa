/**
 * Asks a case again with what it knows taken away: each attribute and argument unknown (null), one after another, and all of them
 * together. Whatever that permits beyond the case is a rule that says nothing where it doesn't know.
 */
import { Problem, type Answer } from "../contract/index.js";
import type { ActivePolicy } from "../decision/ports.js";
import { ask } from "./ask.js";
import type { CaseSituation } from "./situation.js";

/** A value that permits more when it is unknown. */
export interface Helped {
  /** `resource.attributes.customer`; `everything` for all values together. */
  value: string;
  /** Decisions in the words of a table: `deny`, `flag and wait`, `flag`, `allow`. */
  from: string;
  to: string;
}

type Values = Record<string, unknown>;

/** @param answer what the case came to with everything known */
export async function helpedByUnknown(policy: ActivePolicy, situation: CaseSituation, answer: Answer): Promise<Helped[]> {
  const { type } = situation.request["resource"] as { type: string };
  const roles = policy.vocabulary.types[type]?.flow?.roles ?? {};
  // Words that aren't there have no links: that a policy lets more through without them is as it should be.
  const isContent = ({ name, path }: { name: string; path: string }): boolean => path === `arguments.${name}` && roles[name] === "content";
  const values = [...valuesOf(situation.request)].filter((one) => one.of[one.name] !== null && !isContent(one));
  const choices = [...values.map((one) => [one]), ...(values.length > 1 ? [values] : [])];
  const helped: Helped[] = [];
  for (const chosen of choices) {
    const request = structuredClone(situation.request);
    const paths = new Set(chosen.map(({ path }) => path));
    for (const { of, name, path } of valuesOf(request)) if (paths.has(path)) of[name] = null;
    const without = await answered(policy, { ...situation, request });
    if (without === null || freedom(without) <= freedom(answer)) continue;
    const [only, another] = chosen;
    helped.push({ value: another === undefined ? (only?.path ?? "") : "everything", from: said(answer), to: said(without) });
  }
  return helped;
}

/** Null for a request that may not be sent so: nobody is permitted anything by it. */
async function answered(policy: ActivePolicy, situation: CaseSituation): Promise<Answer | null> {
  try {
    return (await ask(policy, situation)).answer;
  } catch (cause) {
    if (cause instanceof Problem) return null;
    throw cause;
  }
}

function* valuesOf(request: Record<string, unknown>): Generator<{ of: Values; name: string; path: string }> {
  const {
    resource,
    related = {},
    arguments: given,
  } = request as {
    resource: { attributes: Values };
    related?: Record<string, { attributes: Values }>;
    arguments: Values;
  };
  const groups: [at: string, of: Values][] = [
    ["resource.attributes", resource.attributes],
    ...Object.entries(related).map(([role, { attributes }]): [string, Values] => [`related.${role}.attributes`, attributes]),
    ["arguments", given],
  ];
  for (const [at, of] of groups) for (const name of Object.keys(of)) yield { of, name, path: `${at}.${name}` };
}

/** Higher for an answer that lets more happen. */
function freedom({ decision, proceed }: Answer): number {
  if (decision === "deny") return 0;
  if (!proceed) return 1;
  return decision === "flag" ? 2 : 3;
}

function said({ decision, proceed }: Answer): string {
  return decision === "flag" && !proceed ? "flag and wait" : decision;
}
