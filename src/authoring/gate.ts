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
  type ListCondition,
  type Negated,
  type Purpose,
  type Vocabulary,
} from "../contract/index.js";
import type { ActivePolicy } from "../decision/ports.js";
import { boundsOf, largestInputs, type SizeBound, type PolicyAction } from "./largest.js";

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
    found.push(
      warned(
        "related_role_missing",
        `\`flow: standard\` of \`${id}\` doesn't look at where ${place} comes from: \`roles\` of the type says nothing of it`,
      ),
    );
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

/** Actions as large as a service accepts: those that run out of fuel are denied in production too. */
function fuel(set: PolicySet, policy: Pick<ActivePolicy, "evaluate">): GateFinding[] {
  const found: GateFinding[] = [];
  for (const [purpose, lines] of Object.entries(set.purposes)) {
    const actions = new Map<string, PolicyAction>();
    for (const line of ["allow", "flag", "never"] as const)
      for (const { type, verb } of cells(lines, line)) actions.set(`${verb} ${type}`, { purpose, type, verb });
    for (const [words, action] of actions) {
      // Its bounds are lowered to find what would pass.
      const vocabulary = structuredClone(set.vocabulary);
      const passes = (): boolean => {
        for (const input of largestInputs(vocabulary, action)) {
          const evaluation = policy.evaluate(JSON.stringify(input));
          if (!evaluation.ok && evaluation.code === "evaluation_budget") return false;
        }
        return true;
      };
      if (passes()) continue;
      const most = `\`${words}\` for \`${purpose}\` uses up an evaluation's fuel when a request is as large as a service accepts`;
      const message = `${most}; ${remedy(boundsOf(vocabulary, action), passes)}`;
      found.push({ check: "out_of_fuel", severity: "warning", line: null, message });
    }
  }
  return found;
}

/** Bounds that are named in one message. */
const NAMED_MAX = 3;

/** Returns what to lower, and how far: one bound if that is enough, or all those of lists, or all. */
function remedy(bounds: readonly SizeBound[], passes: () => boolean): string {
  const lists = bounds.filter(({ type }) => type.kind === "list");
  const alone = bounds.map((bound) => passing([bound], passes)).filter((words) => words !== null);
  if (alone.length > 0) return `lower ${alone.slice(0, NAMED_MAX).join(", or ")}`;
  const together = passing(lists, passes) ?? passing(bounds, passes);
  return together === null ? "lower bounds don't help: nest fewer iterations in its rules" : `lower ${together}`;
}

const STEPS = 1024;

/** Returns the highest bounds that pass, lowered in proportion and in words; null: the lowest don't pass either. */
function passing(bounds: readonly SizeBound[], passes: () => boolean): string | null {
  const before = bounds.map(({ type }) => type.max);
  const passesAt = (step: number): boolean => {
    for (const [i, { type }] of bounds.entries()) type.max = Math.max(1, Math.floor(((before[i] ?? 1) * step) / STEPS));
    return passes();
  };
  let [low, high] = [0, STEPS];
  let words: string | null = null;
  if (passesAt(low)) {
    while (high - low > 1) {
      const step = (low + high) >> 1;
      if (passesAt(step)) low = step;
      else high = step;
    }
    passesAt(low);
    words = bounds.map(({ place, type }, i) => `\`max\` of \`${place}\` from ${before[i] ?? 0} to ${type.max}`).join(", ");
  }
  for (const [i, { type }] of bounds.entries()) type.max = before[i] ?? 1;
  return words;
}
