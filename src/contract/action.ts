/** What `action_digest` covers, spelled in one place for the service that answers and the enforcement point that acts. */
import { canonical, quoted, quotedOrNull } from "./canonical.js";
import type { DecideRequest, Resource } from "./decision.js";

/**
 * The RFC 8785 text of agent, purpose, task, verb, resource, related resources and arguments, as they were sent;
 * `action_digest` is `sha256:` and the hex of its SHA-256. As `canonical` would write it: written out, since it is made for
 * each action and only arguments vary in shape.
 * @param task as named, or by the task's token
 */
export function canonicalAction(
  asked: Pick<DecideRequest, "agent" | "purpose" | "verb" | "resource" | "related" | "arguments">,
  task: string | null,
): string {
  const { agent, purpose, verb, resource, related, arguments: given } = asked;
  return (
    `{"agent":${quoted(agent)},"arguments":${given === undefined ? "{}" : canonical(given)},` +
    `"purpose":${quoted(purpose)},"related":${related === undefined ? "{}" : canonicalRelated(related)},` +
    `"resource":{"id":${quotedOrNull(resource.id)},"type":${quoted(resource.type)}},` +
    `"task":${quotedOrNull(task)},"verb":${quoted(verb)}}`
  );
}

function canonicalRelated(related: Record<string, Resource>): string {
  return canonical(Object.fromEntries(Object.entries(related).map(([role, { type, id }]) => [role, { type, id }])));
}
