/**
 * Why the purposes said what they said: every entry that names this type and verb, and what each of its conditions found.
 * For people only. The policy decides; this tells the same story from the same data, and a test holds the two together.
 */
import type { Condition, Effect, Entry, PolicyData, PolicyInput, Purpose, Value } from "../contract/index.js";
import { truthOf, valueAt, type Truth } from "../decision/conditions.js";

export interface Finding {
  /** What was looked at, as the author wrote it: `task.topic`, `about`. */
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
  conditions: Finding[];
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

function all(truths: Truth[]): Truth {
  return truths.includes("no") ? "no" : truths.includes("unknown") ? "unknown" : "yes";
}

function not(truth: Truth): Truth {
  return truth === "yes" ? "no" : truth === "no" ? "yes" : "unknown";
}

function aboutFinding(entry: Entry, data: PolicyData, input: PolicyInput): Finding[] {
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

function conditionFinding(condition: Condition, input: PolicyInput): Finding {
  const found = valueAt(input, condition.path);
  return { name: condition.name, wanted: wanted(condition), found, holds: truthOf(condition, found, input) };
}

function wanted(condition: Condition): string {
  const list = Array.isArray(condition.value) ? condition.value.join(" or ") : String(condition.value);
  switch (condition.op) {
    case "in":
      return list;
    case "not_in":
      return `not ${list}`;
    case "prefix":
      return `prefix ${list}`;
    case "at_most":
      return `at most ${list}`;
    case "at_least":
      return `at least ${list}`;
    case "same_as":
      return `same as ${condition.value.slice(2).join(".")}`;
  }
}
