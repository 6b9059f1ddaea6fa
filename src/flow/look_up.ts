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
import { waysTo, type PathSource } from "./folders.js";
import { isInside, textOf, type OwnValues } from "./own_values.js";
import { below, namesOf, pathOf, waysOf } from "./file_paths.js";
import { LEAVES_MAX, PLACES, type Leaf } from "./plan.js";
import { keyOf, NO_MARKS, rank, type TaskSeen } from "./seen_memory.js";
import type { PlannedSources } from "./task_plan.js";
import { TEXT_MAX, nameOf, plain, readings, valuesIn, type TypedValue } from "./values.js";

/** Values of an action that a policy is shown; what doesn't fit is shown as one that is unknown. */
export const SHOWN_MAX = 64;
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
    for (const { path, role, noun, one, text } of all) {
      if (one !== null) show(path, this.#argument(role, one, noun, text));
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
    for (const { path, role, noun, one, text } of all) {
      const of = wanted.get(/^[^/#]*/.exec(path)?.[0] ?? "");
      if (of === undefined || one === null) continue;
      // Where something goes somebody has chosen, though it looks like none of the places that are known.
      const isNew = mayBeNew && role !== "destination" && !PLACES.has(one.kind) && !PLACE_LIKE.test(text);
      if (++shown <= SHOWN_MAX) found[path] = this.#isFrom(one, noun, text, of, isNew);
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

  #isFrom(
    one: TypedValue,
    noun: string,
    text: string,
    { writers, marks, any, workedOut }: PlannedSources,
    mayBeNew: boolean,
  ): PlannedArgument {
    const { sources, put } = this.#sources(one, noun);
    // Whoever names a file says which it is, and the folder is one that a service or the user gave.
    const named = put !== null && put.names !== null && rank(put.source.writer) <= rank("service") ? put.names : null;
    if (sources.some(({ writer }) => writers.has(writer)) || (named !== null && writers.has(named))) return "planned";
    const marked = [this.#seen?.values.get(keyOf(one))?.marks, put?.marks].filter((one) => one !== undefined);
    if (marked.some((of) => ((of.sure & marks) | (of.all & any)) !== 0)) return "planned";
    if (marked.some((of) => (of.all & marks) !== 0)) return "several";
    if (this.#isLost(one)) return "unknown";
    if (!workedOut) return "elsewhere";
    if (mayBeNew && sources.length === 0 && !this.#excludes(one, noun)) return "planned";
    if (!WORKED.has(one.kind) || !this.#isNew(text)) return "elsewhere";
    // It may stand in an answer that nobody has reported yet, or has been forgotten in part, as the end of a range.
    const mayBeRead = (this.#seen?.pending.size ?? 0) > 0 || [...WORKED].some((kind) => this.#seen?.full.has(kind));
    return mayBeRead ? "unknown" : "planned";
  }

  /** Returns whether nothing of an amount, a day or a time was found in what was read, nor in what the user doesn't want. */
  #isNew(text: string): boolean {
    return readings(text)
      .filter(({ kind }) => kind !== "name")
      .every((one) => this.#sources(one).sources.length === 0 && !this.#excludes(one));
  }

  /** Returns the values that neither the user, the own facts nor a service gave, by their keys. */
  foreignIn(values: readonly (string | number)[]): Map<string, ValueKind> {
    const found = new Map<string, ValueKind>();
    for (const value of values) {
      for (const one of [...readings(value), ...(typeof value === "string" ? valuesIn(value) : [])]) {
        const [first] = this.#sources(one).sources;
        if (first === undefined || rank(first.writer) > rank("service")) found.set(keyOf(one), one.kind);
      }
      for (const one of this.#foreignNames(String(value))) found.set(keyOf(one), "path");
    }
    return found;
  }

  /** Returns the folders and names in a path behind the deepest folder that isn't foreign: an answer that repeats one makes it no better. */
  #foreignNames(text: string): TypedValue[] {
    const path = pathOf(text);
    if (path === null) return [];
    const ways = waysOf(path);
    const put = this.#waysTo(path);
    const isOwn = (depth: number): boolean => {
      const sources = [put[depth]?.source, this.#standing({ kind: "path", value: ways[depth] ?? "" }).sources[0]];
      return sources.some((source) => source !== undefined && rank(source.writer) <= rank("service"));
    };
    let depth = ways.length - 1;
    while (depth > 0 && !isOwn(depth)) depth--;
    const foreign = [...ways.slice(depth + 1), ...namesOf(path).slice(depth)];
    return foreign.flatMap(bothKinds);
  }

  #argument(role: ArgumentFlow["role"], one: TypedValue, noun: string, text: string): ArgumentFlow {
    const { sources, introduced } = this.#sources(one, noun);
    const [first] = sources;
    const writer: FoundWriter = first?.writer ?? (this.#isLost(one) ? "unknown" : "nowhere");
    return {
      role,
      kind: one.kind,
      writer,
      introduced: introduced ?? writer,
      inside: isInside(one, this.#own.members),
      excluded: this.#excludes(one, noun),
      secret: this.#isSecret(text, one),
      sources,
    };
  }

  /** @returns the sources, the best first; `put`: it is a file's path, put together of a folder and names below it */
  #sources(one: TypedValue, noun = ""): { sources: ValueSource[]; introduced: ValueWriter | null; put: PathSource | null } {
    const { sources, introduced } = this.#standing(one, noun);
    const [first] = sources;
    const isTrusted = first !== undefined && rank(first.writer) <= rank("service");
    const put = one.kind === "path" && !isTrusted ? (this.#waysTo(one.value).at(-1) ?? null) : null;
    if (put === null || (first !== undefined && rank(first.writer) <= rank(put.source.writer))) return { sources, introduced, put };
    return { sources: [put.source, ...sources], introduced: introduced ?? put.source.writer, put };
  }

  /** Returns the sources of a value that stands somewhere whole. */
  #standing(one: TypedValue, noun = ""): { sources: ValueSource[]; introduced: ValueWriter | null } {
    const { slots, facts } = this.#own;
    const said = spellings(one);
    const texts = said.map(textOf);
    const sources: ValueSource[] = [];
    const given = (writer: ValueWriter, path: string): void => {
      sources.push({ writer, record: null, path, named: false, alone: false });
    };
    const isSlot = texts.some((text) => slots.has(text));
    if (isSlot || said.some((spelling) => this.#instruction?.says(spelling, noun) === true))
      given("user", isSlot ? "slots" : "instruction");
    const fact = texts.map((text) => facts.get(text)).find((where) => where !== undefined);
    if (fact !== undefined && sources.length === 0) given("own", fact);
    const seen = this.#seen?.values.size ? this.#seen.values.get(keyOf(one)) : undefined;
    return { sources: [...sources, ...(seen?.sources ?? [])], introduced: sources[0]?.writer ?? seen?.introduced ?? null };
  }

  #waysTo(path: string): (PathSource | null)[] {
    return waysTo(
      path,
      (folder) => this.#folder(folder),
      (folder, name) => this.#nameIn(folder, name),
    );
  }

  #folder(path: string): PathSource | null {
    const [source] = this.#standing({ kind: "path", value: path }).sources;
    return source === undefined ? null : { source, marks: NO_MARKS, names: null };
  }

  /** Looks up a name in a folder's listing; that of a file among those that the user says, too. */
  #nameIn(folder: string, name: string): PathSource | null {
    const isFile = pathOf(name) !== null;
    if (isFile && bothKinds(name).some((one) => this.#instruction?.says(one) === true)) {
      const source: ValueSource = { writer: "user", record: null, path: "instruction", named: true, alone: false };
      return { source, marks: NO_MARKS, names: null };
    }
    for (const { kind, value } of isFile ? [{ kind: "path" as const, value: name }] : bothKinds(name)) {
      const held = this.#seen?.values.get(keyOf({ kind, value: below(folder, value) }));
      const [source] = held?.sources ?? [];
      if (held === undefined || source === undefined) continue;
      // It stands in the listing since the agent has put it there, or nobody remembers all that the agent has put somewhere.
      const isOurs = this.#seen?.full.has("path") === true || bothKinds(name).some((one) => this.#seen?.written.has(keyOf(one)));
      return {
        source: isOurs ? { ...source, writer: "anyone" } : source,
        marks: (isOurs ? undefined : held.marks) ?? NO_MARKS,
        names: null,
      };
    }
    return null;
  }

  /** Returns whether the user doesn't want it: a file is excluded by its path, the end of it, or the path of a folder that it is in. */
  #excludes(one: TypedValue, noun = ""): boolean {
    const excluded = (spelled: TypedValue): boolean => this.#instruction?.excludes(spelled, noun) === true;
    if (one.kind !== "path") return excluded(one);
    if (spellings(one).some((spelled) => this.#instruction?.says(spelled) === true)) return false;
    const names = namesOf(one.value);
    const ends = names.map((_, i) => names.slice(i).join("/"));
    return [...waysOf(one.value).slice(1), ...ends].some((path) => bothKinds(path).some(excluded));
  }

  #isLost({ kind }: TypedValue): boolean {
    if (this.#seen === null) return true;
    return this.#seen?.full.has(kind) === true || (kind === "path" && this.#seen?.full.has("name") === true);
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

/** Returns a value as it may be remembered: a file's path also as the whole of a field. */
function spellings(one: TypedValue): TypedValue[] {
  return one.kind === "path" ? bothKinds(one.value) : [one];
}

function bothKinds(path: string): TypedValue[] {
  return [
    { kind: "path", value: path },
    { kind: "name", value: nameOf(path) },
  ];
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
  noun: string;
  one: TypedValue | null;
  text: string;
}

function* matchedValues(leaves: readonly Leaf[]): Generator<MatchedValue, void, undefined> {
  for (const { path, role, noun, value } of leaves) {
    const text = String(value);
    const whole = role === "content" ? [] : readingsFor(role, value);
    if (whole.some(({ kind }) => kind !== "name") || role === "locator") {
      for (const [i, one] of whole.entries()) yield { path: i === 0 ? path : `${path}#${i}`, role, noun, one, text };
      continue;
    }
    const places = valuesIn(text).filter(({ kind }) => PLACES.has(kind));
    if (role === "content") yield { path, role, noun, one: null, text };
    // "Ada <ada@example.com>": where it goes is the address, and the name beside it says nothing.
    const named = role === "content" ? [] : places.length === 0 || role !== "destination" ? whole : namedBeside(text);
    const all = [...named, ...places];
    for (const [i, one] of all.entries())
      yield {
        path: i === 0 && named.length > 0 ? path : `${path}#${i + 1 - named.length}`,
        role: role === "content" ? "destination" : role,
        noun,
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
  const path = role === "locator" && first === undefined && typeof value === "string" ? pathOf(value) : null;
  if (path !== null) return [{ kind: "path", value: path }];
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
