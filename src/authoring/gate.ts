/**
 * Findings of `remit check` beyond errors: parts of a set that can do nothing, or more than they look like. Each finding is certain; what
 * can't be shown isn't reported. `docs/checks.md` has a part for each.
 */
import type { PolicySet } from "../bundle/compile.js";
import { conditionWords } from "../bundle/condition_words.js";
import { resolvePath, UnknownWord } from "../bundle/matchers.js";
import { exclude } from "../bundle/purposes.js";
import {
  RELATED,
  canonical,
  type Condition,
  type Entry,
  type Fields,
  type ListCondition,
  type Negated,
  type PolicyInput,
  type Purpose,
  type Value,
  type Values,
  type ValueType,
  type Vocabulary,
} from "../contract/index.js";
import type { ActivePolicy } from "../decision/ports.js";

export const CHECKS = [
  "never_applies",
  "hidden_entry",
  "always_true",
  "permits_nothing",
  "nobody_registered",
  "unknown_goes_on",
  "code_at_several_places",
  "out_of_fuel",
  "effect_missing",
  "users_word_missing",
  "related_role_missing",
] as const;
export type Check = (typeof CHECKS)[number];

export interface GateFinding {
  check: Check;
  /** A warning fails the gate; a remark is worth a look. */
  severity: "warning" | "remark";
  /** Line of `purposes.yaml`; null if the finding is about the set as a whole. */
  line: number | null;
  message: string;
}

type LineName = "allow" | "flag" | "never";
type Node = Condition | ListCondition | Negated<ListCondition>;

/** @param registered purposes that some agent is registered for; null: that isn't known */
export function gate(set: PolicySet, policy: Pick<ActivePolicy, "evaluate">, registered: ReadonlySet<string> | null): GateFinding[] {
  const found: GateFinding[] = [];
  for (const [id, purpose] of Object.entries(set.purposes)) {
    found.push(
      ...entryFindings(set, purpose),
      ...hidden(set, purpose),
      ...permitting(set, id, purpose, registered),
      ...flowing(set, id, purpose),
    );
  }
  return [...found, ...sharedCodes(set), ...fuel(set, policy)];
}

function* cells(purpose: Purpose, line: LineName): Generator<{ type: string; verb: string; entries: Entry[] }> {
  for (const [type, verbs] of Object.entries(purpose[line]))
    for (const [verb, entries] of Object.entries(verbs)) yield { type, verb, entries };
}

function entryFindings(set: PolicySet, purpose: Purpose): GateFinding[] {
  const found: GateFinding[] = [];
  const seen = new Set<Entry>();
  for (const line of ["allow", "flag", "never"] as const) {
    for (const { type, entries } of cells(purpose, line)) {
      for (const entry of entries) {
        if (seen.has(entry)) continue;
        seen.add(entry);
        const at = set.lines.get(entry) ?? null;
        const clash = clashing(entry.when, type, set.vocabulary);
        if (clash !== null)
          found.push({ check: "never_applies", severity: "warning", line: at, message: `\`${line}\` never applies: ${clash}` });
        for (const condition of entry.when.flatMap(leaves)) {
          const why = alwaysTrue(condition, type, set.vocabulary);
          if (why !== null)
            found.push({ check: "always_true", severity: "warning", line: at, message: `\`${conditionWords(condition)}\` ${why}` });
          if (line !== "allow" && condition.op === "known" && condition.value)
            found.push({
              ...{ check: "unknown_goes_on", severity: "remark", line: at },
              message: `\`${entry.reason.code}\` doesn't apply where \`${condition.name}\` is unknown`,
            });
        }
      }
    }
  }
  return found;
}

/** Conditions that stand by themselves: what is inside `not`, `any`, `every` and `some` is judged otherwise. */
function leaves(condition: Node): Node[] {
  return condition.op === "all" ? condition.of.flatMap(leaves) : [condition];
}

function clashing(when: readonly Condition[], type: string, vocabulary: Vocabulary): string | null {
  for (const [i, one] of when.entries()) {
    for (const other of when.slice(i + 1)) {
      if (one.path.length === 0 || one.path.join("\u0000") !== other.path.join("\u0000")) continue;
      if (exclude(one, other, isList(one.name, type, vocabulary))) return `${conditionWords(one)}, and ${conditionWords(other)}`;
    }
    if (
      one.op === "any" &&
      one.of.every((alternative) => alternative.some((inner) => when.some((other) => clash(inner, other, type, vocabulary))))
    )
      return `no alternative of \`any\` goes with the rest`;
  }
  return null;
}

function clash(inner: Node, other: Condition, type: string, vocabulary: Vocabulary): boolean {
  if (!("path" in inner) || inner.path.length === 0 || inner.path.join("\u0000") !== other.path.join("\u0000")) return false;
  return exclude(inner as Condition, other, isList(inner.name, type, vocabulary));
}

function isList(name: string, type: string, vocabulary: Vocabulary): boolean {
  const place = resolvePath(name, type, vocabulary);
  return place instanceof UnknownWord || place.type.kind === "list";
}

/** Why the condition holds whatever the value is, once it is known. */
function alwaysTrue(condition: Node, type: string, vocabulary: Vocabulary): string | null {
  const place = resolvePath(condition.name, type, vocabulary);
  if (place instanceof UnknownWord) return null;
  const { kind } = place.type;
  if (condition.op === "in") {
    const all: readonly unknown[] = place.type.kind === "enum" ? place.type.values : kind === "boolean" ? [true, false] : [];
    if (all.length > 0 && all.every((value) => (condition.value as unknown[]).includes(value))) return "names every value that there is";
  }
  if (condition.op === "compare" && "count" in condition.left && "value" in condition.right && place.type.kind === "list") {
    const { value } = condition.right;
    if (condition.than === "at_least" && value <= 0) return "is so of every list";
    if (condition.than === "at_most" && value >= place.type.max)
      return `is so of every list: the vocabulary has ${place.type.max} elements at most`;
  }
  return null;
}

/** Entries that do nothing for what another does to every action that they are about. */
function hidden(set: PolicySet, purpose: Purpose): GateFinding[] {
  const found: GateFinding[] = [];
  const hides = new Map<Entry, { by: Entry; of: LineName; cells: number }>();
  const places = new Map<Entry, number>();
  for (const line of ["allow", "flag"] as const) {
    for (const { type, verb, entries } of cells(purpose, line)) {
      const always = (purpose.never[type]?.[verb] ?? []).find(({ about, when }) => about === "any" && when.length === 0);
      for (const entry of entries) {
        places.set(entry, (places.get(entry) ?? 0) + 1);
        if (always === undefined) continue;
        const known = hides.get(entry);
        hides.set(entry, { by: always, of: line, cells: (known?.cells ?? 0) + 1 });
      }
    }
  }
  for (const [entry, { by, of, cells: count }] of hides) {
    if (count < (places.get(entry) ?? 0)) continue;
    const message = `\`${of}\` is hidden: \`${by.reason.code}\` (line ${set.lines.get(by) ?? 1}) forbids all that it is about`;
    found.push({ check: "hidden_entry", severity: "warning", line: set.lines.get(entry) ?? null, message });
  }
  return [...found, ...repeated(set, purpose)];
}

/** An `allow` that another with less to ask for makes superfluous. */
function repeated(set: PolicySet, purpose: Purpose): GateFinding[] {
  const counts = new Map<Entry, { by: Entry; cells: number; of: number }>();
  for (const { entries } of cells(purpose, "allow")) {
    for (const [i, entry] of entries.entries()) {
      const by = entries.find((other, j) => other !== entry && covers(other, entry) && (!covers(entry, other) || j < i));
      const known = counts.get(entry) ?? { by: entry, cells: 0, of: 0 };
      counts.set(entry, { by: by ?? known.by, cells: known.cells + (by === undefined ? 0 : 1), of: known.of + 1 });
    }
  }
  return [...counts].flatMap(([entry, { by, cells: count, of }]): GateFinding[] => {
    if (count < of) return [];
    const message = `\`allow\` is hidden: line ${set.lines.get(by) ?? 1} allows all that it does`;
    return [{ check: "hidden_entry", severity: "warning", line: set.lines.get(entry) ?? null, message }];
  });
}

/** Returns whether entry `a` applies whenever `b` does, and obliges to the same. */
function covers(a: Entry, b: Entry): boolean {
  const [mine, theirs] = [a.when, b.when].map((when) => when.map((one) => canonical(one)));
  const owed = b.obligations.map((one) => canonical(one));
  return (
    (a.about === "any" || a.about === b.about) &&
    (mine ?? []).every((one) => theirs?.includes(one)) &&
    a.obligations.every((one) => owed.includes(canonical(one))) &&
    b.obligations.length === a.obligations.length
  );
}

function permitting(set: PolicySet, id: string, purpose: Purpose, registered: ReadonlySet<string> | null): GateFinding[] {
  const rules = Object.values(set.catalogue).filter(
    ({ purposes, sources }) => purposes.includes(id) && sources.some((one) => one.includes(".rego:")),
  );
  const permits =
    Object.keys(purpose.allow).length > 0 || Object.keys(purpose.flag).length > 0 || rules.some(({ effect }) => effect === "allow");
  const found: GateFinding[] = [];
  if (!permits)
    found.push({ check: "permits_nothing", severity: "warning", line: null, message: `purpose \`${id}\` permits nothing without a grant` });
  if (registered !== null && !registered.has(id))
    found.push({ check: "nobody_registered", severity: "warning", line: null, message: `no agent may declare purpose \`${id}\`` });
  return found;
}

/** Finds whatever the standard rules of flow are told too little about. */
function flowing({ vocabulary }: PolicySet, id: string, purpose: Purpose): GateFinding[] {
  if (purpose.flow === undefined) return [];
  const warned = (check: Check, message: string): GateFinding => ({ check, severity: "warning", line: null, message });
  const used = new Map<string, string>();
  for (const line of ["allow", "flag"] as const)
    for (const { type, verb } of cells(purpose, line)) {
      const { class: of, effect } = vocabulary.verbs[verb] ?? {};
      const own = vocabulary.types[type]?.flow?.effects?.[verb];
      if (of !== "read" && (own ?? effect ?? null) === null) used.set(verb, type);
    }
  const found = [...used].map(([verb, type]) =>
    warned(
      "effect_missing",
      `\`${verb} ${type}\` for \`${id}\` is judged as the gravest: the vocabulary doesn't say what \`${verb}\` does`,
    ),
  );
  const unseen = new Set<string>();
  for (const line of ["allow", "flag"] as const)
    for (const { type, verb } of cells(purpose, line)) {
      const { related = {}, flow } = vocabulary.types[type] ?? {};
      if (vocabulary.verbs[verb]?.class === "read") continue;
      for (const role of Object.keys(related)) {
        const place = `${RELATED}.${role}`;
        if (flow?.roles[place] === undefined) unseen.add(`\`${place}\` of \`${type}\``);
      }
    }
  for (const place of unseen)
    found.push(warned("related_role_missing", `nobody looks at where ${place} comes from for \`${id}\`: the vocabulary gives it no role`));
  const { instruction, slots = [] } = vocabulary.flow ?? {};
  if (instruction === undefined && slots.length === 0)
    found.push(
      warned(
        "users_word_missing",
        `nothing is the user's word for \`${id}\`: \`flow\` of the vocabulary names no instruction and no slots`,
      ),
    );
  return found;
}

function sharedCodes(set: PolicySet): GateFinding[] {
  return Object.entries(set.catalogue).flatMap(([code, { sources }]): GateFinding[] =>
    sources.length < 2
      ? []
      : [{ check: "code_at_several_places", severity: "remark", line: null, message: `\`${code}\` is given at ${sources.join(", ")}` }],
  );
}

/** Actions with everything as large as it can be: what runs out of fuel then is denied in production too. */
function fuel(set: PolicySet, policy: Pick<ActivePolicy, "evaluate">): GateFinding[] {
  const found: GateFinding[] = [];
  for (const [id, purpose] of Object.entries(set.purposes)) {
    const pairs = new Map<string, [type: string, verb: string]>();
    for (const line of ["allow", "flag", "never"] as const)
      for (const { type, verb } of cells(purpose, line)) pairs.set(`${verb} ${type}`, [type, verb]);
    for (const [words, [type, verb]] of pairs) {
      const evaluation = policy.evaluate(JSON.stringify(largest(set.vocabulary, id, type, verb)));
      if (evaluation.ok || evaluation.code !== "evaluation_budget") continue;
      const message = `\`${words}\` for \`${id}\` uses up an evaluation's fuel when its lists are full`;
      found.push({ check: "out_of_fuel", severity: "warning", line: null, message });
    }
  }
  return found;
}

function largest(vocabulary: Vocabulary, purpose: string, type: string, verb: string): PolicyInput {
  const spec = vocabulary.types[type];
  const resource = (name: string): PolicyInput["request"]["resource"] => ({
    type: name,
    id: "x",
    attributes: full(vocabulary.types[name]?.attributes ?? {}),
  });
  return {
    request: {
      ...{ agent: "a", purpose, task: "t", verb, resource: resource(type) },
      related: Object.fromEntries(Object.entries(spec?.related ?? {}).map(([role, of]) => [role, resource(of)])),
      arguments: full(spec?.arguments ?? {}),
      context: { session: null, source: null, trace: null },
    },
    facts: {
      time: { ms: 1_803_978_000_000, claim_ms: null },
      caller: { id: "c" },
      principal: null,
      agent: { id: "a", version: "1", owner: "o", attributes: full(vocabulary.agent.attributes) },
      task: {
        id: "t",
        subjects: Object.fromEntries(vocabulary.task.subjects.map((name) => [name, Array.from({ length: 64 }, (_, i) => `x${i}`)])),
        attributes: full(vocabulary.task.attributes),
        ...{ depth: 0, root: "t" },
      },
      grants: [],
      behavior: { risk: 100, confidence: 1, channels: {}, reasons: [] },
      flow: null,
    },
  };
}

function full(fields: Fields): Values {
  return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, largestValue(type, 0)]));
}

function largestValue(type: ValueType, i: number): Value {
  switch (type.kind) {
    case "list":
      return Array.from({ length: type.max }, (_, at) => largestValue(type.of, at));
    case "object":
      return Object.fromEntries(Object.entries(type.fields).map(([name, of]) => [name, largestValue(of, i)]));
    case "enum":
      return type.values[i % type.values.length] ?? "";
    case "boolean":
      return true;
    case "integer":
    case "number":
      return i;
    case "date":
      return "2026-03-01";
    case "time":
      return "2026-03-01T09:30:00Z";
    case "duration":
      return "36h";
    case "email":
      return `x${i}@example.com`;
    case "string":
      return `x${i}`.padEnd(Math.min(type.max, 1024), "x");
    case "id":
      return `x${i}`;
  }
}
