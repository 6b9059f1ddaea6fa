/** Words of the vocabulary for one verb on one type, made ready once: which values an action's arguments have, and who writes what is returned. */
import {
  argumentOf,
  RELATED,
  type PolicyInput,
  type ResourceType,
  type Role,
  type TypeFlow,
  type Value,
  type ValueKind,
  type VerbEffect,
  type Vocabulary,
  type ValueWriter,
} from "../contract/index.js";

/** Kinds of values that can be a destination. */
export const PLACES: ReadonlySet<ValueKind> = new Set<ValueKind>(["email", "url", "account", "phone"]);

/** A leaf of an action with its role. */
export interface Leaf {
  path: string;
  role: Role;
  /** Word for what a number there stands for: `issue` of an `issue_number`, and of the id of an `issue`. */
  noun: string;
  value: string | number;
}

export interface VerbPlan {
  effect: VerbEffect | null;
  flow: TypeFlow | null;
  /** Labels that a task has after it. */
  labels: readonly string[];
  /** True if ids are paths of files: an answer may list what is in a folder. */
  isPath: boolean;
  /** Arguments that have a role. */
  named: ReadonlySet<string>;
  /** True if an answer may hold what others wrote; by default it may. */
  reads: boolean;
  leaves(request: PolicyInput["request"]): Leaf[];
  /** Texts and numbers without a role, by their places: nobody looks at where they come from. */
  rest(request: PolicyInput["request"]): Pick<Leaf, "path" | "value">[];
}

type LeafRole = Pick<Leaf, "role" | "noun">;

const NO_ROLE: LeafRole = { role: "content", noun: "" };

const NUMBERING = new Set(["id", "ids", "iid", "no", "nr", "num", "number", "numbers"]);
const NO_LABELS: readonly string[] = [];
/** Leaves of an action; one more is too many, and unknown. */
export const LEAVES_MAX = 256;

const plans = new WeakMap<Vocabulary, Map<string, VerbPlan>>();

export function planOf(vocabulary: Vocabulary, verb: string, type: string): VerbPlan {
  let known = plans.get(vocabulary);
  if (known === undefined) plans.set(vocabulary, (known = new Map<string, VerbPlan>()));
  const key = `${type} ${verb}`;
  let plan = known.get(key);
  if (plan === undefined) known.set(key, (plan = made(vocabulary, verb, type)));
  return plan;
}

function made(vocabulary: Vocabulary, verb: string, type: string): VerbPlan {
  const spec: ResourceType | undefined = Object.hasOwn(vocabulary.types, type) ? vocabulary.types[type] : undefined;
  const flow = spec?.flow ?? null;
  const of = Object.hasOwn(vocabulary.verbs, verb) ? vocabulary.verbs[verb] : undefined;
  const own = flow?.effects !== undefined && Object.hasOwn(flow.effects, verb) ? flow.effects[verb] : undefined;
  const effect = own ?? of?.effect ?? null;
  const roles = Object.entries(flow?.roles ?? {}).map(([path, role]) => {
    const steps = path.split(".");
    return { steps, role, noun: nounOf(steps.at(-1) ?? "") || nounOf(type) };
  });
  const named = new Set(Object.keys(flow?.roles ?? {}).map(argumentOf));
  return {
    effect,
    flow,
    labels: flow?.labels ?? NO_LABELS,
    isPath: spec?.id === "path",
    named,
    reads: flow === null || mayHoldOthers(flow),
    leaves: (request) => {
      const found: Leaf[] = [];
      for (const { steps, ...of } of roles) {
        if (steps.length === 1 && steps[0] === "id") add(request.resource.id, "id", of, found);
        else if (steps[0] === RELATED) add(relatedId(request, steps[1] ?? ""), steps.join("."), of, found);
        else walk(request.arguments, steps, "", of, found);
      }
      return found;
    },
    rest: (request) => {
      const found: Leaf[] = [];
      // A role of a member says nothing of the others beside it.
      for (const [path, value] of placesOf(request)) if (flow?.roles[path] === undefined) add(value, path, NO_ROLE, found);
      return found;
    },
  };
}

/** Returns what an argument or a type numbers: `ticket` of `supportTicketId`; empty for a name that says no more than that it is a number. */
function nounOf(name: string): string {
  const words = name.split(/(?<=\p{Ll})(?=\p{Lu})|[_-]/u).map((word) => word.toLowerCase());
  return words.findLast((word) => word !== "" && !NUMBERING.has(word)) ?? "";
}

function relatedId({ related }: PolicyInput["request"], role: string): string | null {
  return Object.hasOwn(related, role) ? (related[role]?.id ?? null) : null;
}

/** Values of an action that the agent may have chosen: the id, the arguments, and the ids of other resources. What a resource is like the host says. */
export function placesOf({ resource, arguments: given, related }: PolicyInput["request"]): [path: string, value: Value][] {
  const others = Object.entries(related).map(([role, { id }]): [string, Value] => [`${RELATED}.${role}`, id]);
  return [["id", resource.id], ...Object.entries(given), ...others];
}

/** Only what is said to be written by the service, or on the user's own side, is known not to be others'. */
function mayHoldOthers({ writes }: TypeFlow): boolean {
  const said: (ValueWriter | "author")[] = [writes["*"] ?? "anyone", ...Object.values(writes)];
  return said.some((writer) => writer === "anyone" || writer === "member" || writer === "author");
}

function walk(
  value: Value | { [field: string]: Value },
  [step, ...rest]: readonly string[],
  path: string,
  of: LeafRole,
  found: Leaf[],
): void {
  if (value === null || found.length > LEAVES_MAX) return;
  if (step === undefined) {
    add(value, path, of, found);
    return;
  }
  if (Array.isArray(value)) for (const [i, one] of value.entries()) walk(one, [step, ...rest], `${path}/${i}`, of, found);
  else if (typeof value === "object" && Object.hasOwn(value, step))
    walk(value[step] ?? null, rest, path === "" ? step : `${path}/${step}`, of, found);
}

function add(value: Value, path: string, of: LeafRole, found: Leaf[]): void {
  if (found.length > LEAVES_MAX) return;
  if (typeof value === "string" || typeof value === "number") found.push({ path, ...of, value });
  // A switch, such as who may see it, is a setting like any other.
  else if (typeof value === "boolean" && of.role === "authority") found.push({ path, ...of, value: String(value) });
  else if (Array.isArray(value)) for (const [i, one] of value.entries()) add(one, `${path}/${i}`, of, found);
  else if (typeof value === "object" && value !== null)
    for (const [name, one] of Object.entries(value)) add(one, `${path}/${name}`, of, found);
}
