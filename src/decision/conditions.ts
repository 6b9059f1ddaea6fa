/** Conditions of a `when`, as the library every bundle carries decides them: true, false, or unknown. */
import type { Condition, PolicyInput, Scalar, Value } from "../contract/index.js";

export type Truth = "yes" | "no" | "unknown";

/** @param found what is at the condition's path, null where that is nothing */
export function truthOf(condition: Condition, found: Value, input: PolicyInput): Truth {
  if (found === null) return "unknown";
  const values = (Array.isArray(found) ? found : [found]) as Scalar[];
  const is = (holds: boolean): Truth => (holds ? "yes" : "no");
  switch (condition.op) {
    case "in":
      return is(values.some((value) => condition.value.includes(value)));
    case "not_in":
      return is(!values.some((value) => condition.value.includes(value)));
    case "prefix":
      return is(values.some((value) => condition.value.some((prefix) => String(value).startsWith(String(prefix)))));
    case "at_most":
      return is(values.some((value) => typeof value === "number" && value <= condition.value));
    case "at_least":
      return is(values.some((value) => typeof value === "number" && value >= condition.value));
    case "same_as": {
      const other = valueAt(input, condition.value);
      if (other === null) return "unknown";
      const others = (Array.isArray(other) ? other : [other]) as Scalar[];
      return is(values.some((value) => others.includes(value)));
    }
  }
}

/** What is at a path of keys; null where that is nothing. */
export function valueAt(input: PolicyInput, path: readonly string[]): Value {
  let value: unknown = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null;
    value = (value as Record<string, unknown>)[key];
  }
  return (value ?? null) as Value;
}
