/** Conditions of a `when`, as the library every bundle carries decides them: true, false, or unknown. */
import {
  durationMs,
  momentMs,
  type Comparison,
  type Condition,
  type LeafCondition,
  type ListCondition,
  type Negated,
  type Operand,
  type PolicyInput,
  type Scalar,
  type SourceCondition,
  type Value,
} from "../contract/index.js";

export type Truth = "yes" | "no" | "unknown";

/** Values that paths lead into: the input, with the element at hand inside `every` and `some`. */
type Scope = Pick<PolicyInput, "request" | "facts"> & { item?: Value };

/** Returns whether the condition holds for this input. */
export function truthOf(condition: Condition | ListCondition | Negated<ListCondition>, scope: Scope): Truth {
  switch (condition.op) {
    case "all":
      return all(condition.of.map((one) => truthOf(one, scope)));
    case "not":
      return not(all(condition.of.map((one) => truthOf(one, scope))));
    case "any":
      return any(condition.of.map((alternative) => all(alternative.map((one) => truthOf(one, scope)))));
    case "every":
    case "some": {
      const list = valueAt(scope, condition.path);
      if (list === null) return "unknown";
      const { request, facts } = scope;
      const truths = (list as Value[]).map((item) => all(condition.of.map((one) => truthOf(one, { request, facts, item }))));
      return condition.op === "every" ? all(truths) : any(truths);
    }
    case "compare":
      return compared(condition, scope);
    case "from":
    case "delegated":
      return sourced(condition, scope);
    default:
      return leafTruth(condition, scope);
  }
}

export function all(truths: readonly Truth[]): Truth {
  return truths.includes("no") ? "no" : truths.includes("unknown") ? "unknown" : "yes";
}

export function any(truths: readonly Truth[]): Truth {
  return truths.includes("yes") ? "yes" : truths.includes("unknown") ? "unknown" : "no";
}

export function not(truth: Truth): Truth {
  return truth === "yes" ? "no" : truth === "no" ? "yes" : "unknown";
}

function leafTruth(condition: Exclude<LeafCondition, Comparison>, scope: Scope): Truth {
  const found = valueAt(scope, condition.path);
  const is = (holds: boolean): Truth => (holds ? "yes" : "no");
  if (condition.op === "known") return is((found !== null) === condition.value);
  if (found === null) return "unknown";
  const values = listed(found);
  switch (condition.op) {
    case "in":
      return is(values.some((value) => condition.value.includes(value)));
    case "not_in":
      return is(!values.some((value) => condition.value.includes(value)));
    case "prefix":
      return is(values.some((value) => condition.value.some((prefix) => String(value).startsWith(String(prefix)))));
    case "suffix":
      return is(values.some((value) => condition.value.some((suffix) => String(value).endsWith(suffix))));
    case "domain":
      return is(values.some((value) => condition.value.includes(domainOf(String(value)))));
    case "all_of":
      return is(condition.value.every((wanted) => values.includes(wanted)));
    case "at_most":
      return is(values.some((value) => typeof value === "number" && value <= condition.value));
    case "at_least":
      return is(values.some((value) => typeof value === "number" && value >= condition.value));
    case "same_as": {
      const other = valueAt(scope, condition.value);
      if (other === null) return "unknown";
      const others = listed(other);
      return is(values.some((value) => others.includes(value)));
    }
  }
}

/** Truth of a condition on whose the values of the action are. `delegated` is never unknown: what isn't known to be delegated isn't. */
function sourced({ op, of, delegated }: SourceCondition, { facts: { flow } }: Scope): Truth {
  if (flow === null) return op === "from" ? "unknown" : "no";
  const found = Object.entries(flow.arguments).flatMap(([path, value]): (Truth | "delegated")[] => {
    const [name = ""] = path.split(/[/#]/);
    const accepted = of[name] ?? of["*"];
    if (path !== "more" && (value.role === "content" || accepted === undefined)) return [];
    if (value.excluded) return ["no"];
    if (accepted?.includes(value.writer) === true) return ["yes"];
    if (delegated !== undefined && value.sources.some(({ named, alone }) => named && (alone || !delegated.alone))) return ["delegated"];
    return [value.writer === "unknown" ? "unknown" : "no"];
  });
  const truth = found.includes("no") ? "no" : found.includes("unknown") || found.length === 0 ? "unknown" : "yes";
  if (op === "from") return truth;
  return truth === "yes" && found.includes("delegated") ? "yes" : "no";
}

/** The names of hosts are the same in either case, and with a dot at the end. */
function domainOf(address: string): string {
  return (address.split("@")[1] ?? "").toLowerCase().replace(/\.+$/, "");
}

function compared(condition: Comparison, scope: Scope): Truth {
  const [left, right] = [numbersOf(condition.left, scope), numbersOf(condition.right, scope)];
  if (left === null || right === null) return "unknown";
  return left.some((a) => right.some((b) => compares(condition, a, b))) ? "yes" : "no";
}

function compares(condition: Comparison, a: number | bigint, b: number | bigint): boolean {
  switch (condition.than) {
    case "is":
      // Whole numbers are equal across both types; `===` isn't.
      return a <= b && a >= b;
    case "at_most":
      return a <= b;
    case "at_least":
      return a >= b;
    case "more_than":
      return a > b;
    case "less_than":
      return a < b;
    case "within":
      return Math.abs(Number(a) - Number(b)) <= condition.ms;
  }
}

/** Numbers that an operand comes to; null if that isn't known. Sums are exact, as the policy's are. */
function numbersOf(operand: Operand, scope: Scope): (number | bigint)[] | null {
  if ("value" in operand) return [operand.value];
  if ("now" in operand) return [scope.facts.time.ms + operand.now];
  if ("count" in operand) {
    const list = valueAt(scope, operand.count);
    return list === null ? null : [(list as Value[]).length];
  }
  if ("sum" in operand) {
    const list = valueAt(scope, operand.sum);
    return list === null ? null : sumOf(list as Value[], operand.of);
  }
  const found = valueAt(scope, operand.at);
  if (found === null) return null;
  if (operand.as === "number") return listed(found) as number[];
  const read = operand.as === "moment" ? momentMs : durationMs;
  return listed(found).flatMap((text) => read(String(text)) ?? []);
}

function sumOf(list: readonly Value[], fields: readonly string[]): bigint[] | null {
  const factors = list.map((item) =>
    fields.length === 0 ? [item] : fields.map((field) => (item as Record<string, Value>)[field] ?? null),
  );
  if (factors.flat().includes(null)) return null;
  return [factors.reduce((sum, each) => sum + each.reduce((product, factor) => product * BigInt(factor as number), 1n), 0n)];
}

function listed(value: Value): Scalar[] {
  return (Array.isArray(value) ? value : [value]) as Scalar[];
}

/** Returns the value at a path of keys; null if nothing is there. */
export function valueAt(scope: Scope, path: readonly string[]): Value {
  let value: unknown = scope;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null;
    value = (value as Record<string, unknown>)[key];
  }
  return (value ?? null) as Value;
}
