/** Plan of a bundle's masks, made once: where they are, and in which reasons their values may show. */
import { BUILTIN_REASONS, pathShows, templatePaths, type Catalogue, type Mask, type Vocabulary } from "../../contract/index.js";
import { below, type Below } from "./fields.js";

export interface OfType {
  id: Mask | null;
  attributes: Below | null;
  arguments: Below | null;
}

export interface Plan {
  vocabulary: Vocabulary;
  masks: readonly Mask[];
  principal: Mask | null;
  context: Below | null;
  agent: Below | null;
  task: Below | null;
  subjects: Below | null;
  types: ReadonlyMap<string, OfType>;
  /** Mask of ids of types that the vocabulary doesn't have, if ids of others are masked: an agent may have misspelt one. */
  unknown_id: Mask | null;
  /** True if something masked goes into an action's digest, which would let it be guessed. */
  covers: boolean;
  /** The masks that a reason's message may show; and, beyond those, its params. */
  shown: (code: string) => { message: ReadonlySet<Mask>; params: ReadonlySet<Mask> };
  /** Masks that obligations of a purpose's rules may show. */
  obliged: (purpose: string) => ReadonlySet<Mask>;
}

/** Null where the bundle masks nothing. */
export function planOf(vocabulary: Vocabulary, catalogue: Catalogue): Plan | null {
  return vocabulary.masks === undefined ? null : planFor(vocabulary.masks, vocabulary, catalogue);
}

/** For a record of facts while no bundle says what is masked: whatever one could mask. */
export function planOfAll(record: Readonly<Record<string, unknown>>): Plan {
  const { agent, task, grant } = record as Record<"agent" | "task" | "grant", Record<string, object | null> | null>;
  const names = (of: Record<string, unknown> | null | undefined, member: string): string[] => Object.keys(of?.[member] ?? {});
  const ats = [
    ["task", "principal"],
    ...names(agent, "attributes").map((name) => ["agent", "attributes", name]),
    ...names(task, "attributes").map((name) => ["task", "attributes", name]),
    ...names(task, "subjects").map((name) => ["task", "subjects", name, "*"]),
    ...names(grant?.["entry"] as Record<string, unknown> | null, "when").map(fieldOf),
  ];
  const masks = ats.map((at) => ({ at, read_by: [] }));
  const nothing = { verbs: {}, task: { subjects: [], attributes: {} }, agent: { attributes: {} }, types: {} };
  return { ...planFor(masks, nothing, {}), covers: true };
}

/** Returns the field, of any type, that a matcher's path leads to. */
function fieldOf(path: string): string[] {
  const [root = "", ...rest] = path.split(".");
  if (root === "task" || root === "agent") return [root, "attributes", ...rest];
  if (root === "related") return fieldOf(rest.slice(1).join("."));
  if (root === "id") return ["types", "", "id"];
  return root === "arguments" ? ["types", "", root, ...rest] : ["types", "", "attributes", root, ...rest];
}

function planFor(masks: readonly Mask[], vocabulary: Vocabulary, catalogue: Catalogue): Plan {
  const at = (...path: string[]): Mask | null => masks.find((mask) => mask.at.join("/") === path.join("/")) ?? null;
  const types = new Map(
    Object.keys(vocabulary.types).map((name): [string, OfType] => [
      name,
      {
        id: at("types", name, "id"),
        attributes: below(masks, ["types", name, "attributes"]),
        arguments: below(masks, ["types", name, "arguments"]),
      },
    ]),
  );
  const masksIds = [...types.values()].some(({ id }) => id !== null);
  const unknown_id = masksIds ? { at: ["types", "", "id"], read_by: [] } : null;
  const all = unknown_id === null ? masks : [...masks, unknown_id];
  return {
    vocabulary,
    masks,
    principal: at("task", "principal"),
    context: below(masks, ["context"]),
    agent: below(masks, ["agent", "attributes"]),
    task: below(masks, ["task", "attributes"]),
    subjects: below(masks, ["task", "subjects"]),
    types,
    unknown_id,
    covers: masksIds || [...types.values()].some((of) => of.arguments !== null),
    shown: kept((code) => shown(code, all, catalogue)),
    obliged: kept((purpose) => new Set(masks.filter(({ read_by }) => read_by.includes(`rules.${purpose}.oblige`)))),
  };
}

function shown(code: string, masks: readonly Mask[], catalogue: Catalogue): ReturnType<Plan["shown"]> {
  const told = Object.hasOwn(catalogue, code) ? catalogue[code] : undefined;
  const paths = templatePaths((told ?? BUILTIN_REASONS.get(code))?.message ?? "");
  // What the service itself gives as params is its own; whatever else has no rule is taken for the worst.
  const isOfRule = told === undefined ? !BUILTIN_REASONS.has(code) : told.sources.some((source) => source.includes(".rego:"));
  const params = masks.filter(({ read_by }) => isOfRule && (told === undefined || read_by.includes(code)));
  const message = masks.filter((mask) => paths.some((path) => pathShows(path, mask)));
  return { params: new Set(params), message: new Set([...message, ...params]) };
}

function kept<T>(make: (name: string) => T): (name: string) => T {
  const made = new Map<string, T>();
  return (name) => {
    let one = made.get(name);
    if (one === undefined) made.set(name, (one = make(name)));
    return one;
  };
}
