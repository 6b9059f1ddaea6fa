/** Masks of a vocabulary as trees that a value is walked by, and the walk. */
import { pointerToken, type Mask } from "../../contract/index.js";

/** Masks below a place. */
export interface Below {
  mask: Mask | null;
  /** Masks in each element of a list. */
  each: Below | null;
  fields: ReadonlyMap<string, Below>;
}

interface Growing extends Below {
  each: Growing | null;
  fields: Map<string, Growing>;
}

/** Returns what is below a path, of the masks whose `at` begins with it; null if nothing is. */
export function below(masks: readonly Mask[], path: readonly string[]): Below | null {
  const root = grown();
  let found = false;
  for (const mask of masks) {
    if (!path.every((step, i) => mask.at[i] === step)) continue;
    found = true;
    let at = root;
    for (const step of mask.at.slice(path.length)) {
      if (step === "*") at = at.each ??= grown();
      else {
        let next = at.fields.get(step);
        if (next === undefined) at.fields.set(step, (next = grown()));
        at = next;
      }
    }
    at.mask = mask;
  }
  return found ? root : null;
}

function grown(): Growing {
  return { mask: null, each: null, fields: new Map() };
}

/** Returns the replacement of a masked value. Null stays: an unknown value reveals nothing about anyone. */
export type Replace = (mask: Mask, value: unknown, pointer: string) => unknown;

/**
 * A value with what is masked replaced, in place where it is an object or a list. What hasn't the shape that the vocabulary
 * gives it is replaced whole.
 */
export function maskBelow(tree: Below, value: unknown, pointer: string, replace: Replace): unknown {
  if (value === null || value === undefined) return value;
  if (tree.mask !== null) return replace(tree.mask, value, pointer);
  if (tree.each !== null) {
    if (!Array.isArray(value)) return replace(first(tree.each), value, pointer);
    for (const [i, element] of value.entries()) value[i] = maskBelow(tree.each, element, `${pointer}/${i}`, replace);
    return value;
  }
  if (tree.fields.size === 0) return value;
  if (typeof value !== "object" || Array.isArray(value)) return replace(first(tree), value, pointer);
  const members = value as Record<string, unknown>;
  for (const [name, next] of tree.fields)
    if (Object.hasOwn(members, name)) members[name] = maskBelow(next, members[name], `${pointer}/${pointerToken(name)}`, replace);
  return value;
}

function first(tree: Below): Mask {
  if (tree.mask !== null) return tree.mask;
  const [next] = tree.each === null ? tree.fields.values() : [tree.each];
  if (next === undefined) throw new Error("a tree of masks has none");
  return first(next);
}
