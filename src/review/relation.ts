import type { PolicyInput, Relation, Vocabulary } from "../contract/index.js";
import { relationOf } from "../decision/relation.js";

/** Returns how the resource of a policy's input relates to its task. */
export function relationIn({ request, facts }: PolicyInput, { types }: Vocabulary): Relation {
  const { resource } = request;
  const subjects: Record<string, readonly string[]> = {};
  for (const [name, ids] of Object.entries(facts.task.subjects)) if (ids !== null) subjects[name] = ids;
  const type = Object.hasOwn(types, resource.type) ? (types[resource.type] ?? null) : null;
  return relationOf(resource, type, { subjects });
}
