/** Relation of an action's resource to what its task is about: as `about` means it in a purpose, and the library every bundle carries. */
import type { InputResource, Relation, ResourceType } from "../contract/index.js";
import type { Task } from "./ports.js";

/**
 * Returns the relation of a resource to a task. Of the subjects that both sides name, one that is known to differ settles it, whatever else
 * is unknown.
 * @param type null if the vocabulary has no type of this name
 * @param task null or left out: the action is on no task
 */
export function relationOf(
  { id, attributes }: Pick<InputResource, "id" | "attributes">,
  type: Pick<ResourceType, "about"> | null,
  task: Pick<Task, "subjects"> | null | undefined,
): Relation {
  if (type === null || task === null || task === undefined) return "unknown";
  let [named, unknown] = [false, false];
  for (const subject in type.about) {
    const link = type.about[subject];
    const ids = Object.hasOwn(task.subjects, subject) ? task.subjects[subject] : undefined;
    if (link === undefined || ids === undefined || ids.length === 0) continue;
    named = true;
    const value = link === "id" ? id : Object.hasOwn(attributes, link) ? attributes[link] : null;
    if (value === null || value === undefined) unknown = true;
    else if (typeof value !== "string" || !ids.includes(value)) return "other";
  }
  return named && !unknown ? "task" : "unknown";
}
