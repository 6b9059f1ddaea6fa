/** Conditions in words, for `remit diff`, explanations and reviews. */
import type { Comparison, Condition, ListCondition, Negated, Operand, SourceCondition } from "../contract/index.js";

type Node = Condition | ListCondition | Negated<ListCondition>;

/** `amount_cents is at most 500`. */
export function conditionWords(condition: Node): string {
  switch (condition.op) {
    case "all":
      return condition.of.map(conditionWords).join(" and ");
    case "any":
      return condition.of.map((alternative) => alternative.map(conditionWords).join(" and ")).join(", or ");
    case "not":
      return `not (${condition.of.map(conditionWords).join(" and ")})`;
    default:
      return `${condition.name} ${boundWords(condition)}`;
  }
}

/** Returns a condition's demand on its value in words: `is at most 500`. */
export function boundWords(condition: Node): string {
  switch (condition.op) {
    case "in":
      return `is ${listed(condition.value)}`;
    case "not_in":
      return `is not ${listed(condition.value)}`;
    case "prefix":
      return `begins with ${listed(condition.value)}`;
    case "suffix":
      return `ends with ${listed(condition.value)}`;
    case "domain":
      return `has the domain ${listed(condition.value)}`;
    case "all_of":
      return `holds all of ${condition.value.map(quoted).join(", ")}`;
    case "known":
      return condition.value ? "is known" : "is unknown";
    case "at_most":
      return `is at most ${condition.value}`;
    case "at_least":
      return `is at least ${condition.value}`;
    case "same_as":
      return `is the same as ${placeWords(condition.value)}`;
    case "compare":
      return comparisonWords(condition);
    case "from":
      return sourceWords(condition);
    case "delegated":
      return `(some only delegated) ${sourceWords(condition)}`;
    case "every":
      return `has in every element ${condition.of.map(conditionWords).join(" and ")}`;
    case "some":
      return `has in some element ${condition.of.map(conditionWords).join(" and ")}`;
    default:
      return conditionWords(condition);
  }
}

/** `(recipients) is user or own, or alone in what the instruction names`. */
function sourceWords({ of, delegated }: SourceCondition): string {
  const each = Object.entries(of).map(([name, writers]) => `${name === "*" ? "every value" : name} is ${writers.join(" or ")}'s`);
  const how = delegated === undefined ? [] : [...(delegated.alone ? ["alone"] : []), ...(delegated.named ? ["named"] : [])];
  return `${each.join(" and ")}${how.length === 0 ? "" : `, or stands ${how.join(" and ")} in a source`}`;
}

const THAN = { is: "is", at_most: "is at most", at_least: "is at least", more_than: "is more than", less_than: "is less than" };
const OF_MOMENTS: Readonly<Record<string, string>> = { more_than: "is after", less_than: "is before" };

function comparisonWords(condition: Comparison): string {
  const { left, right } = condition;
  const form = "at" in left ? left.as : "number";
  const what = "count" in left ? "in number " : "sum" in left ? `in sum${left.of.length === 0 ? "" : ` of ${left.of.join(" × ")}`} ` : "";
  const bound = operandWords(right, form);
  if (condition.than === "within") return `${what}is within ${durationWords(condition.ms)} of ${bound}`;
  return `${what}${(form === "moment" ? OF_MOMENTS[condition.than] : undefined) ?? THAN[condition.than]} ${bound}`;
}

function operandWords(operand: Operand, form: "number" | "moment" | "duration"): string {
  if ("now" in operand) {
    if (operand.now === 0) return "now";
    return `${durationWords(Math.abs(operand.now))} ${operand.now < 0 ? "before" : "after"} now`;
  }
  if ("at" in operand) return placeWords(operand.at);
  if ("count" in operand || "sum" in operand) return placeWords("count" in operand ? operand.count : operand.sum);
  if (form === "moment")
    return new Date(operand.value).toISOString().replace(/(T00:00:00)?\.000Z$/, (_, day) => (day === undefined ? "Z" : ""));
  return form === "duration" ? durationWords(operand.value) : String(operand.value);
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** `36h`, in the largest unit of which it is a whole number. */
function durationWords(ms: number): string {
  const [unit, length] = UNITS.find(([, one]) => ms !== 0 && ms % one === 0) ?? ["ms", 1];
  return `${ms / length}${unit}`;
}

function listed(values: readonly unknown[]): string {
  return values.map(quoted).join(" or ");
}

/** A text that isn't one word would run into the sentence. */
function quoted(value: unknown): string {
  return typeof value === "string" && !/^[^\s,]+$/.test(value) ? JSON.stringify(value) : String(value);
}

/** A place in the policy's input, as an author writes it. */
export function placeWords(path: readonly string[]): string {
  return path
    .join(".")
    .replace(/^request\.resource\.attributes\.|^request\.resource\.(?=id$)|^request\.|^facts\.|^item\.(?=.)/, "")
    .replace(/^(agent|task)\.(?:attributes|subjects)\./, "$1.")
    .replace(/^(related\.[^.]+)\.attributes\./, "$1.");
}
