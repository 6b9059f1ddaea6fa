/** Text that `action_digest` covers, spelled in one place for the service that answers and the enforcement point that acts. */
import { canonical, quoted, quotedOrNull } from "./canonical.js";
import type { DecideRequest, Resource } from "./decision.js";

/**
 * Returns the canonical JSON (RFC 8785) of an action: agent, purpose, task, verb, resource, related resources and arguments, as they were
 * sent. An answer's `action_digest` is `sha256:` and the hex SHA-256 of its UTF-8 bytes. Written out instead of by `canonical`, since it is made for
 * each action and only arguments vary in shape.
 * @param task id, as named or by the task's token; null without a task
 * @example
 * import assert from "node:assert/strict";
 * import { canonicalAction } from "@remit-pdp/contract";
 *
 * const text = canonicalAction({ agent: "a", purpose: "p", verb: "read", resource: { type: "note", id: "N-1" } }, null);
 * assert.equal(JSON.parse(text).verb, "read");
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
