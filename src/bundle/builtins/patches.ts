/** `json.patch` (RFC 6902), with OPA's paths into sets and by lists of keys. */
import type { Builtin } from "./function.js";
import { TermSet, areEqual, termText, type RegoTerm } from "./term.js";

type Path = readonly RegoTerm[];

/** Error for an operation that can't be applied: OPA leaves the whole patch undefined. */
class PatchRefused extends Error {}

function pathOf(term: RegoTerm | undefined): Path {
  if (Array.isArray(term)) return term;
  if (typeof term !== "string") throw new PatchRefused();
  if (term === "") return [];
  return term
    .replace(/^\/+/, "")
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function indexOf(length: number, key: RegoTerm): number {
  if (key === "-") return length;
  if (typeof key !== "number" && (typeof key !== "string" || !/^-?(?:0|[1-9]\d*)$/.test(key))) throw new PatchRefused();
  const index = Number(key);
  if (!Number.isSafeInteger(index)) throw new PatchRefused();
  return index;
}

function childOf(term: RegoTerm, key: RegoTerm): RegoTerm {
  const child =
    term instanceof Map
      ? [...term].find(([one]) => areEqual(one, key))?.[1]
      : term instanceof TermSet
        ? term.items.find((one) => areEqual(one, key))
        : Array.isArray(term)
          ? term[indexOf(term.length, key)]
          : undefined;
  if (child === undefined) throw new PatchRefused();
  return child;
}

function withChild(term: RegoTerm, key: RegoTerm, child: RegoTerm): RegoTerm {
  if (term instanceof Map) return new Map([...term].map(([one, value]) => [one, areEqual(one, key) ? child : value]));
  if (term instanceof TermSet) return new TermSet(term.items.map((one) => (areEqual(one, key) ? child : one)));
  const index = indexOf((term as RegoTerm[]).length, key);
  return (term as RegoTerm[]).map((one, i) => (i === index ? child : one));
}

function inserted(term: RegoTerm, key: RegoTerm, value: RegoTerm): RegoTerm {
  if (term instanceof Map) return new Map([...[...term].filter(([one]) => !areEqual(one, key)), [key, value]]);
  if (term instanceof TermSet && areEqual(key, value)) return new TermSet([...term.items, value]);
  if (!Array.isArray(term)) throw new PatchRefused();
  const index = indexOf(term.length, key);
  if (index < 0 || index > term.length) throw new PatchRefused();
  return [...term.slice(0, index), value, ...term.slice(index)];
}

function removed(term: RegoTerm, key: RegoTerm): RegoTerm {
  childOf(term, key);
  if (term instanceof Map) return new Map([...term].filter(([one]) => !areEqual(one, key)));
  if (term instanceof TermSet) return new TermSet(term.items.filter((one) => !areEqual(one, key)));
  const index = indexOf((term as RegoTerm[]).length, key);
  return (term as RegoTerm[]).filter((_, i) => i !== index);
}

/** Changes the parent of the place that a path leads to; the root has none. */
function changed(root: RegoTerm | null, [key, ...deeper]: Path, change: (parent: RegoTerm, key: RegoTerm) => RegoTerm): RegoTerm {
  if (root === null || key === undefined) throw new PatchRefused();
  if (deeper.length === 0) return change(root, key);
  return withChild(root, key, changed(childOf(root, key), deeper, change));
}

const at = (root: RegoTerm | undefined, path: Path): RegoTerm => {
  if (root === undefined) throw new PatchRefused();
  return path.reduce(childOf, root);
};

function applied(root: RegoTerm | undefined, operation: RegoTerm): RegoTerm | undefined {
  if (!(operation instanceof Map)) throw new PatchRefused();
  const member = (name: string): RegoTerm => {
    const value = operation.get(name);
    if (value === undefined) throw new PatchRefused();
    return value;
  };
  const path = pathOf(member("path"));
  const remove = (from: Path): RegoTerm | undefined => {
    if (root === undefined) throw new PatchRefused();
    return from.length === 0 ? undefined : changed(root, from, removed);
  };
  const insert = (into: RegoTerm | undefined, value: RegoTerm): RegoTerm => {
    if (path.length === 0) return value;
    if (into === undefined) throw new PatchRefused();
    return changed(into, path, (parent, key) => inserted(parent, key, value));
  };
  switch (member("op")) {
    case "add":
      return insert(root, member("value"));
    case "remove":
      return remove(path);
    case "replace":
      return insert(remove(path), member("value"));
    case "move": {
      const from = pathOf(member("from"));
      const value = at(root, from);
      return insert(remove(from), value);
    }
    case "copy":
      return insert(root, at(root, pathOf(member("from"))));
    case "test":
      if (!areEqual(at(root, path), member("value"))) throw new PatchRefused();
      return root;
    default:
      throw new PatchRefused();
  }
}

/** Units for each character that an operation reads or copies at one step of its path. */
const CHARACTER_COST = 5;

export const PATCHES: Readonly<Record<string, Builtin>> = {
  "json.patch": ([document, operations], spend) => {
    if (document === undefined || !Array.isArray(operations)) return undefined;
    let patched: RegoTerm | undefined = document;
    try {
      for (const operation of operations) {
        // A copy can double the document: its size is paid for before it can double again.
        const steps = termText(operation).split(/[/,]/).length;
        spend(CHARACTER_COST * steps * (patched === undefined ? 1 : termText(patched).length));
        patched = applied(patched, operation);
      }
    } catch (cause) {
      if (cause instanceof PatchRefused) return undefined;
      throw cause;
    }
    if (patched === undefined) throw new RangeError("a patch that removes the whole document");
    spend(termText(patched).length);
    return patched;
  },
};
