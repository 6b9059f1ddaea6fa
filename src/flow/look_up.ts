/** Values of one action, looked up: who wrote each where it was seen, and whether it comes from where a plan says. */
import {
  RETURNED,
  type ArgumentFlow,
  type FoundWriter,
  type PlannedArgument,
  type ValueKind,
  type ValueSource,
  type ValueWriter,
} from "../contract/index.js";
import type { ReadInstruction } from "./instruction.js";
import { isInside, textOf, type OwnValues } from "./own_values.js";
import { LEAVES_MAX, PLACES, type Leaf } from "./plan.js";
import { keyOf, rank, type TaskSeen } from "./seen_memory.js";
import type { PlannedSources } from "./task_plan.js";
import { TEXT_MAX, nameOf, plain, readings, valuesIn, type TypedValue } from "./values.js";

/** Values of an action that a policy is shown; what doesn't fit is shown as one that is unknown. */
const SHOWN_MAX = 64;
/** Different parts of a text that are compared with secrets that were read; a text of more may hold one. */
const PARTS_MAX = 4_000;
/** A number of a card or a document as people write it, in groups. */
const NUMBER_IN_GROUPS = /\d(?:[ .-]?\d){6,24}/gu;
const COMMITTED: ReadonlySet<ValueKind> = new Set<ValueKind>([...PLACES, "date", "time", "number"]);
const ADDRESSES: ReadonlySet<ValueKind> = new Set<ValueKind>(["url", "email"]);
/** Kinds that an agent works out from others. Places are left out: who is written to isn't computed. */
const WORKED: ReadonlySet<ValueKind> = new Set<ValueKind>(["date", "number", "time"]);

const UNKNOWN: ArgumentFlow = {
  role: "destination",
  kind: "name",
  writer: "unknown",
  introduced: "unknown",
  inside: false,
  excluded: false,
  secret: false,
  sources: [],
};
const CONTENT: ArgumentFlow = { ...UNKNOWN, role: "content", writer: "nowhere", introduced: "nowhere" };

export class LookUp {
  readonly #seen: TaskSeen | null | undefined;
  readonly #own: OwnValues;
  readonly #instruction: ReadInstruction | null;
  readonly #leaves: () => readonly Leaf[];
  /** Null: not read yet. Each step of a plan asks for them, and a long text is read once. */
  #matched: { all: readonly MatchedValue[]; isWhole: boolean } | null = null;

  constructor(seen: TaskSeen | null | undefined, own: OwnValues, instruction: ReadInstruction | null, leaves: () => readonly Leaf[]) {
    this.#seen = seen;
    this.#own = own;
    this.#instruction = instruction;
    this.#leaves = leaves;
  }

  /** Returns who wrote each value of an argument that has a role. */
  arguments(): Record<string, ArgumentFlow> {
    const found: Record<string, ArgumentFlow> = {};
    let shown = 0;
    const show = (path: string, one: ArgumentFlow): void => {
      if (++shown <= SHOWN_MAX) found[path] = one;
      else found["more"] = UNKNOWN;
    };
    const { all, isWhole } = this.#values();
    if (!isWhole) show("more", UNKNOWN);
    for (const { path, role, one, text } of all) {
      if (one !== null) show(path, this.#argument(role, one, text));
      else if (this.#isSecret(text, null)) show(path, { ...CONTENT, secret: true });
    }
    return found;
  }

  /**
   * Returns the state of each value of an argument that a step of a plan names.
   * @param mayBeNew true: what was seen nowhere is as planned where the step says so, unless it is an address, which somebody has chosen
   */
  planned(wanted: ReadonlyMap<string, PlannedSources>, mayBeNew: boolean): Record<string, PlannedArgument> {
    const found: Record<string, PlannedArgument> = {};
    const { all, isWhole } = this.#values();
    if (!isWhole) found["more"] = "unknown";
    let shown = 0;
    for (const { path, one, text } of all) {
      const of = wanted.get(/^[^/#]*/.exec(path)?.[0] ?? "");
      if (of === undefined || one === null) continue;
      if (++shown <= SHOWN_MAX) found[path] = this.#isFrom(one, text, of, mayBeNew);
      else found["more"] = "unknown";
    }
    return found;
  }

  #values(): { all: readonly MatchedValue[]; isWhole: boolean } {
    if (this.#matched === null) {
      const leaves = this.#leaves();
      this.#matched = { all: [...matchedValues(leaves)], isWhole: leaves.length <= LEAVES_MAX };
    }
    return this.#matched;
  }

  #isFrom(one: TypedValue, text: string, { writers, marks, any, workedOut }: PlannedSources, mayBeNew: boolean): PlannedArgument {
    const { sources } = this.#sources(one);
    if (sources.some(({ writer }) => writers.has(writer))) return "planned";
    const marked = this.#seen?.values.get(keyOf(one))?.marks;
    if (marked !== undefined && ((marked.sure & marks) | (marked.all & any)) !== 0) return "planned";
    if (marked !== undefined && (marked.all & marks) !== 0) return "several";
    if (this.#seen === null || this.#seen?.full.has(one.kind) === true) return "unknown";
    if (!workedOut) return "elsewhere";
    if (mayBeNew && !PLACES.has(one.kind) && sources.length === 0 && this.#instruction?.excludes(one) !== true) return "planned";
    if (!WORKED.has(one.kind) || !this.#isNew(text)) return "elsewhere";
    // It may stand in an answer that nobody has reported yet, or has been forgotten in part, as the end of a range.
    const mayBeRead = (this.#seen?.pending.size ?? 0) > 0 || [...WORKED].some((kind) => this.#seen?.full.has(kind));
    return mayBeRead ? "unknown" : "planned";
  }

  /** Returns whether nothing of an amount, a day or a time was found in what was read, nor in what the user doesn't want. */
  #isNew(text: string): boolean {
    return readings(text)
      .filter(({ kind }) => kind !== "name")
      .every((one) => this.#sources(one).sources.length === 0 && this.#instruction?.excludes(one) !== true);
  }

  /** Returns the values that neither the user, the own facts nor a service gave, by their keys. */
  foreignIn(values: readonly (string | number)[]): Map<string, ValueKind> {
    const found = new Map<string, ValueKind>();
    for (const value of values) {
      for (const one of [...readings(value), ...(typeof value === "string" ? valuesIn(value) : [])]) {
        const [first] = this.#sources(one).sources;
        if (first === undefined || rank(first.writer) > rank("service")) found.set(keyOf(one), one.kind);
      }
    }
    return found;
  }

  #argument(role: ArgumentFlow["role"], one: TypedValue, text: string): ArgumentFlow {
    const { sources, introduced } = this.#sources(one);
    const [first] = sources;
    const lost = this.#seen === null || this.#seen?.full.has(one.kind) === true;
    const writer: FoundWriter = first?.writer ?? (lost ? "unknown" : "nowhere");
    return {
      role,
      kind: one.kind,
      writer,
      introduced: introduced ?? writer,
      inside: isInside(one, this.#own.members),
      excluded: this.#instruction?.excludes(one) === true,
      secret: this.#isSecret(text, one),
      sources,
    };
  }

  #sources(one: TypedValue): { sources: ValueSource[]; introduced: ValueWriter | null } {
    const { slots, facts } = this.#own;
    const sources: ValueSource[] = [];
    const text = textOf(one);
    const given = (writer: ValueWriter, path: string): void => {
      sources.push({ writer, record: null, path, named: false, alone: false });
    };
    if (slots.has(text) || this.#instruction?.says(one) === true) given("user", slots.has(text) ? "slots" : "instruction");
    const fact = facts.get(text);
    if (fact !== undefined && sources.length === 0) given("own", fact);
    const seen = this.#seen?.values.size ? this.#seen.values.get(keyOf(one)) : undefined;
    const introduced = sources[0]?.writer ?? seen?.introduced ?? null;
    return { sources: seen === undefined ? sources : [...sources, ...seen.sources], introduced };
  }

  #isSecret(text: string, one: TypedValue | null): boolean {
    const { secrets } = this.#own;
    if (secrets.length > 0) {
      const said = nameOf(text);
      if (secrets.some((secret) => said.includes(secret))) return true;
    }
    if (this.#seen?.secrets !== true) return false;
    if (one !== null) return this.#seen.values.get(keyOf(one))?.secret === true;
    if (text.length > TEXT_MAX) return true;
    const parts = partsOf(plain(text));
    return (
      parts.size > PARTS_MAX ||
      [...parts].some((part) => readings(part).some((read) => this.#seen?.values.get(keyOf(read))?.secret === true))
    );
  }
}

/** Parts of a text in which a secret may stand whole: words, with and without the marks around them, and numbers that are written in groups. */
function partsOf(text: string): Set<string> {
  // No value that was read is longer, and marks aren't looked for at the end of megabytes.
  const by = (marks: RegExp): string[] => text.split(marks).filter((word) => word.length <= RETURNED.length_max);
  const said = by(/[\s=:]+/u).map((word) => word.replace(/^["'(<[{]+|["')>\]},;.!?]+$/gu, ""));
  const bare = by(/[\s"'()<>[\]{},;:!?=|]+/u).map((word) => word.replace(/[.]+$/u, ""));
  return new Set([...by(/\s+/u), ...said, ...bare, ...[...text.matchAll(NUMBER_IN_GROUPS)].map(([group]) => group)]);
}

/** A value of an action that is matched; `one` null: a text that is looked through for secrets. */
interface MatchedValue {
  path: string;
  role: ArgumentFlow["role"];
  one: TypedValue | null;
  text: string;
}

function* matchedValues(leaves: readonly Leaf[]): Generator<MatchedValue, void, undefined> {
  for (const { path, role, value } of leaves) {
    const text = String(value);
    const one = role === "content" ? null : readingFor(role, value);
    if (one !== null && (one.kind !== "name" || role === "locator")) {
      yield { path, role, one, text };
      continue;
    }
    const places = valuesIn(text).filter(({ kind }) => PLACES.has(kind));
    // "Ada <ada@example.com>": where it goes is the address.
    if (one === null || places.length === 0) yield { path, role, one, text };
    for (const [i, place] of places.entries())
      yield { path: `${path}#${i + 1}`, role: role === "content" ? "destination" : role, one: place, text };
  }
}

/** The one reading by which a value is matched: as what it would be used. */
function readingFor(role: Leaf["role"], value: string | number): TypedValue {
  const all = readings(value);
  const wanted: ReadonlySet<ValueKind> = role === "commitment" ? COMMITTED : role === "locator" ? ADDRESSES : PLACES;
  const named = all.find(({ kind }) => kind === "name") ?? { kind: "name", value: nameOf(String(value)).slice(0, 512) };
  return all.find(({ kind }) => wanted.has(kind)) ?? named;
}
