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
const NUMBER_IN_GROUPS = /\d(?:[\s.,/_\p{Pd}]{0,3}\d){6,24}/gu;
const COMMITTED: ReadonlySet<ValueKind> = new Set<ValueKind>([...PLACES, "date", "time", "number"]);
/** Forms of links and addresses, also of such as nobody has. A host alone may be a file. */
const PLACE_LIKE = /@|^https?:|\.\p{L}{2,}(?::\d|[/?#])/iu;
/** An address alone, behind a name, or before one in brackets. */
const ONE_RECIPIENT = /^\s*(?:[^@<>]*<[^\s@<>]+@[^\s@<>]+>|[^\s@]+@[^\s@]+(?:\s+\([^@()]*\))?)\s*$/u;
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

/** Leaves of an action: those with a role, and all others. */
interface ActionLeaves {
  leaves: () => readonly Leaf[];
  rest: () => readonly Pick<Leaf, "path" | "value">[];
}

export class LookUp {
  readonly #seen: TaskSeen | null | undefined;
  readonly #own: OwnValues;
  readonly #instruction: ReadInstruction | null;
  readonly #action: ActionLeaves;
  /** Null: not read yet. Each step of a plan asks for them, and a long text is read once. */
  #matched: { all: readonly MatchedValue[]; isWhole: boolean } | null = null;

  constructor(
    { seen, own, instruction }: { seen: TaskSeen | null | undefined; own: OwnValues; instruction: ReadInstruction | null },
    action: ActionLeaves,
  ) {
    this.#seen = seen;
    this.#own = own;
    this.#instruction = instruction;
    this.#action = action;
  }

  /** Returns who wrote each value of an argument that has a role. */
  arguments(): Record<string, ArgumentFlow> {
    const found: Record<string, ArgumentFlow> = {};
    let shown = 0;
    const { all, isWhole } = this.#values();
    let fits = isWhole;
    const show = (path: string, one: ArgumentFlow): void => {
      fits &&= ++shown <= SHOWN_MAX;
      // Two roles may reach one place: each is judged.
      if (fits) found[Object.hasOwn(found, path) ? `${path}#${shown}` : path] = one;
    };
    for (const { path, role, one, text } of all) {
      if (one !== null) show(path, this.#argument(role, one, text));
      else if (this.#isSecret(text, null)) show(path, { ...CONTENT, secret: true });
    }
    if (this.#own.secrets.length > 0 || this.#seen?.secrets === true) {
      const rest = this.#action.rest();
      fits &&= rest.length <= LEAVES_MAX;
      for (const { path, value } of rest) if (this.#isSecret(String(value), null)) show(path, { ...CONTENT, secret: true });
    }
    if (!fits) found["more"] = UNKNOWN;
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
    for (const { path, role, one, text } of all) {
      const of = wanted.get(/^[^/#]*/.exec(path)?.[0] ?? "");
      if (of === undefined || one === null) continue;
      // Where something goes somebody has chosen, though it looks like none of the places that are known.
      const isNew = mayBeNew && role !== "destination" && !PLACES.has(one.kind) && !PLACE_LIKE.test(text);
      if (++shown <= SHOWN_MAX) found[path] = this.#isFrom(one, text, of, isNew);
      else found["more"] = "unknown";
    }
    return found;
  }

  #values(): { all: readonly MatchedValue[]; isWhole: boolean } {
    if (this.#matched === null) {
      const leaves = this.#action.leaves();
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
    if (mayBeNew && sources.length === 0 && this.#instruction?.excludes(one) !== true) return "planned";
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
    const isKept = (read: TypedValue): boolean => this.#seen?.values.get(keyOf(read))?.secret === true;
    if (one !== null && isKept(one)) return true;
    if (text.length > TEXT_MAX) return true;
    const parts = partsOf(plain(text));
    return parts.size > PARTS_MAX || [...parts].some((part) => readings(part).some(isKept));
  }
}

/** Parts of a text in which a secret may stand whole: words, with and without the marks around them, and numbers that are written in groups. */
function partsOf(text: string): Set<string> {
  // No value that was read is longer, and marks aren't looked for at the end of megabytes.
  const by = (marks: RegExp): string[] => text.split(marks).filter((word) => word.length <= RETURNED.length_max);
  const said = by(/[\s=:]+/u).map((word) => word.replace(/^["'(<[{]+|["')>\]},;.!?]+$/gu, ""));
  const bare = by(/[\s"'()<>[\]{},;:!?=|&/#]+/u).map((word) => word.replace(/[.]+$/u, ""));
  const groups = [...text.matchAll(NUMBER_IN_GROUPS)].flatMap(([group]) => [group, group.replace(/\D+/gu, "")]);
  return new Set([text.trim(), ...by(/\s+/u), ...said, ...bare, ...groups]);
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
    const whole = role === "content" ? [] : readingsFor(role, value);
    if (whole.some(({ kind }) => kind !== "name") || role === "locator") {
      for (const [i, one] of whole.entries()) yield { path: i === 0 ? path : `${path}#${i}`, role, one, text };
      continue;
    }
    const places = valuesIn(text).filter(({ kind }) => PLACES.has(kind));
    if (role === "content") yield { path, role, one: null, text };
    // "Ada <ada@example.com>": where it goes is the address, and the name beside it says nothing.
    const named = role === "content" ? [] : places.length === 0 || role !== "destination" ? whole : namedBeside(text);
    const all = [...named, ...places];
    for (const [i, one] of all.entries())
      yield {
        path: i === 0 && named.length > 0 ? path : `${path}#${i + 1 - named.length}`,
        role: role === "content" ? "destination" : role,
        one,
        text,
      };
  }
}

/** The readings by which a value is matched: as what it would be used. A day has the time that stands behind it. */
function readingsFor(role: Leaf["role"], value: string | number): TypedValue[] {
  const all = readings(value);
  const wanted: ReadonlySet<ValueKind> = role === "commitment" ? COMMITTED : role === "locator" ? ADDRESSES : PLACES;
  const first = all.find(({ kind }) => wanted.has(kind));
  if (first === undefined) return [all.find(({ kind }) => kind === "name") ?? nameIn(String(value))];
  // A day alone, as software writes it, begins at midnight.
  return first.kind === "date" ? [first, ...all.filter((one) => one.kind === "time" && one.value !== "00:00")] : [first];
}

function nameIn(text: string): TypedValue {
  return { kind: "name", value: nameOf(text).slice(0, 512) };
}

/** Returns the recipients in one text that are no address which is known as one: a mail goes to them, too. */
function namedBeside(text: string): TypedValue[] {
  const parts = text
    .replace(/"[^"@]*"/gu, " ")
    .split(/[,;\p{Cc}]/u)
    .filter((part) => part.trim() !== "");
  return parts.flatMap((part) => {
    const places = valuesIn(part).filter(({ kind }) => PLACES.has(kind)).length;
    return places === 1 && (!part.includes("@") || ONE_RECIPIENT.test(part)) ? [] : [nameIn(part)];
  });
}
