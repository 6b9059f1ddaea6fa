/**
 * The right answer to each request, by a plain function that belongs to none of the engines.
 *
 * The rules, in words:
 *
 * 1. An agent may act only for a purpose that it is registered for. Otherwise: deny, `purpose_not_registered`.
 * 2. It may name only a task of its own. Otherwise: deny, `task_of_another_agent`.
 * 3. Some actions are out of the question for a purpose. Those: deny, `never_permitted`.
 * 4. A purpose permits certain verbs on certain types of resource, on what belongs to the customer of the task. Reading is
 *    permitted on what belongs to other customers too, but not without a look. Everything else: deny, `not_permitted`.
 * 5. What is permitted is flagged if it belongs to another customer (`other_customer`), and if more money is at stake than the
 *    purpose's limit (`large_amount`); if both hold, with both codes.
 * 6. What is left is allowed, and needs no code.
 *
 * The first rule that denies has the say.
 */
import type { AccessRequest, World } from "./world.js";

export interface Verdict {
  decision: "allow" | "deny" | "flag";
  /** Sorted; empty for an allow. */
  codes: string[];
}

export function rightAnswer({ agents, purposes, tasks }: World, request: AccessRequest): Verdict {
  const { agent, purpose, task, verb, resource } = request;
  const { customer, amount_cents: amount = 0 } = resource.attributes;
  const rules = purposes[purpose];
  const its = tasks[task];
  if (rules === undefined || !agents[agent]?.purposes.includes(purpose)) return denied("purpose_not_registered");
  if (its?.agent !== agent) return denied("task_of_another_agent");
  if (rules.never[resource.type].includes(verb)) return denied("never_permitted");
  const isOfAnother = customer !== its.customer;
  if (!rules.permits[resource.type].includes(verb) || (isOfAnother && verb !== "read")) return denied("not_permitted");
  const flags = [...(amount > rules.limit_cents ? ["large_amount"] : []), ...(isOfAnother ? ["other_customer"] : [])];
  return flags.length > 0 ? { decision: "flag", codes: flags } : { decision: "allow", codes: [] };
}

function denied(code: string): Verdict {
  return { decision: "deny", codes: [code] };
}
