/**
 * Why the purposes said what they said: every entry that names this type and verb, and what each of its conditions found.
 * For people only. The policy decides; this tells the same story from the same data, and a test holds the two together.
 */
import type { Condition, Effect, Entry, PolicyData, PolicyInput, Purpose, Value } from "../contract/index.js";
import { boundWords, placeWords } from "../bundle/condition_words.js";
import { conditionPlaces } from "../contract/index.js";
import { all, not, truthOf, valueAt, type Truth } from "../decision/conditions.js";

export interface TriedCondition {
  /** Path that was compared, as the author wrote it: `task.topic`, `about`. */
  name: string;
  wanted: string;
  found: Value;
  holds: Truth;
}

export interface Tried {
  effect: "allow" | "flag" | "never";
  code: string;
  entry: Entry;
  applies: Truth;
  conditions: TriedCondition[];
}

const EFFECTS = ["allow", "flag", "never"] as const;

/** The entries of the request's purpose for its type and verb, in the order the purpose lists them. */
export function triedEntries(data: PolicyData, input: PolicyInput): Tried[] {
  const { purpose: purposeId, verb, resource } = input.request;
  const purpose = own(data.purposes, purposeId);
  if (purpose === undefined) return [];
  return EFFECTS.flatMap((effect) =>
    entriesOf(purpose, effect, resource.type, verb).map((entry) => {
      const conditions = [...aboutFinding(entry, data, input), ...entry.when.map((c) => conditionFinding(c, input))];
      return { effect, code: entry.reason.code, entry, applies: all(conditions.map(({ holds }) => holds)), conditions };
    }),
  );
}

/** The effect that reasons of an entry carry. */
export function effectOf(tried: Tried): Effect {
  return tried.effect === "never" ? "deny" : tried.effect;
}

function entriesOf(purpose: Purpose, effect: "allow" | "flag" | "never", type: string, verb: string): Entry[] {
  return own(own(purpose[effect], type) ?? {}, verb) ?? [];
}

function own<T>(record: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function aboutFinding(entry: Entry, data: PolicyData, input: PolicyInput): TriedCondition[] {
  if (entry.about === "any") return [];
  const { resource } = input.request;
  const links = Object.entries(own(data.vocabulary.types, resource.type)?.about ?? {});
  const found: Record<string, Value> = {};
  const truths: Truth[] = [];
  for (const [subject, link] of links) {
    const ids = own(input.facts.task.subjects, subject);
    if (ids === null || ids === undefined) continue;
    const value = link === "id" ? resource.id : (own(resource.attributes, link) ?? null);
    found[link] = value;
    truths.push(value === null ? "unknown" : typeof value === "string" && ids.includes(value) ? "yes" : "no");
  }
  const related = truths.length === 0 ? "unknown" : all(truths);
  return [{ name: "about", wanted: entry.about, found, holds: entry.about === "task" ? related : not(related) }];
}

function conditionFinding(condition: Condition, input: PolicyInput): TriedCondition {
  return { name: condition.name, wanted: wanted(condition), found: foundBy(condition, input), holds: truthOf(condition, input) };
}

/** The value at the condition's path, or each at its own where it reads several. */
function foundBy(condition: Condition, input: PolicyInput): Value {
  const places = conditionPlaces(condition);
  const [only, ...more] = places;
  if (only !== undefined && more.length === 0) return valueAt(input, only);
  return Object.fromEntries(places.map((path) => [placeWords(path), valueAt(input, path)]));
}

/** A matcher's own words, without what the sentence around them says. */
function wanted(condition: Condition): string {
  const only = condition.op === "all" && condition.of.length === 1 ? condition.of[0] : undefined;
  return boundWords(only ?? condition).replace(/^is (?!known|unknown)/, "");
}
