/** Finds the argument of a call behind a place of its action that a decision point refuses. */
import { pointerSteps } from "../contract/index.js";
import type { ArgumentOrigin, Arguments, Mapped } from "./call_mapping.js";

export interface ArgumentPlace {
  /** Path as the mapping has it, in the tool's words. */
  argument: string;
  /** True if the place is a member of the argument: the mapping doesn't name it, the caller wrote it. */
  isMember: boolean;
}

type Place = { path: string[]; within: readonly string[] } | null;

/**
 * @param values of the call: a place that it doesn't have is nobody's argument, whatever a decision point says
 * @param field JSON pointer into the action, such as `/arguments/edits/0/new_text`
 * @returns null for what the mapping itself says, or the call doesn't have
 */
export function argumentAt(mapped: Mapped, values: Arguments, field: string): ArgumentPlace | null {
  const place = placeAt(mapped, pointerSteps(field));
  if (place === null || !has(values, [...place.path, ...place.within])) return null;
  return { argument: place.path.join("."), isMember: place.within.length > 0 };
}

function placeAt(mapped: Mapped, [part, ...steps]: readonly string[]): Place {
  if (part === "arguments") return placeIn(mapped.arguments, steps, []);
  const [thing, [name, ...rest]] =
    part === "resource" ? [mapped, steps] : part === "related" ? [own(mapped.related, steps[0]), steps.slice(1)] : [undefined, []];
  if (thing === undefined) return null;
  const id = thing.id?.at(-1);
  if (name === "id") return id === undefined ? null : placeOf(id, [], []);
  return name === "attributes" ? placeIn(thing.attributes, rest, []) : null;
}

function placeIn(sources: Readonly<Record<string, ArgumentOrigin>>, [name, ...rest]: readonly string[], above: string[]): Place {
  const source = own(sources, name);
  return source === undefined ? null : placeOf(source, rest, above);
}

function placeOf(source: ArgumentOrigin, rest: readonly string[], above: string[]): Place {
  if (!("from" in source)) return null;
  const path = [...above, ...source.from];
  const [element, ...members] = rest;
  if (source.as === "list" && element !== undefined)
    return members.length === 0 ? { path: [...path, element], within: [] } : placeIn(source.of, members, [...path, element]);
  // What is in the others isn't where the call has it.
  return { path, within: source.as === "is" ? rest : [] };
}

function has(value: unknown, [step, ...rest]: readonly string[]): boolean {
  if (step === undefined) return true;
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return false;
  return has((value as Record<string, unknown>)[step], rest);
}

function own<T>(record: Readonly<Record<string, T>>, name: string | undefined): T | undefined {
  return name !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
