/**
 * Maps a call to its verb, resource and arguments, on which the decision is made, from what the model wrote. Every argument of a call is
 * named, here or under `ignore`; any other is refused, since no policy would have seen it.
 */
import { ID_LENGTH_MAX, NAME_PATTERN, isCanonicalId, isCanonicalPath, type DecideRequest, type Resource } from "../contract/index.js";
import { CallRefusal } from "./call_refusal.js";

/** Pattern for the names of tools and prompts. The specification has `A-Za-z0-9_-.`; servers before it also write `/` and `:`. */
export const TOOL_NAME = /^[A-Za-z0-9_][A-Za-z0-9._:@/-]{0,127}$/;

export type MappedAction = Pick<DecideRequest, "verb" | "resource" | "related" | "arguments">;
export type Arguments = Readonly<Record<string, unknown>>;

/**
 * Source of a value: an argument, by its path, as it is, as text, as an integer, as a file's path, as a list where it may be one value, as the
 * list of all values within it, or as a list of objects; or a constant.
 */
export type ArgumentOrigin =
  | { from: readonly string[]; as: "is" | "text" | "integer" | "listed" | "leaves" }
  | PathOrigin
  | ListOrigin
  | { is: string | number | boolean };

/** A file's path, in one spelling. */
interface PathOrigin {
  from: readonly string[];
  as: "path";
  /** Folder that relative paths are in; null: these are refused, since nobody knows where they lead. */
  in: string | null;
}

/** A list of objects, each with members of its own names in the words of the vocabulary. */
interface ListOrigin {
  from: readonly string[];
  as: "list";
  of: Readonly<Record<string, ArgumentOrigin>>;
  known: NamedArguments;
}

interface MappedThing {
  type: string;
  /** Parts of the id, as a rule one. Null for a collection verb, and for a thing of which there is one. */
  id: readonly ArgumentOrigin[] | null;
  attributes: Readonly<Record<string, ArgumentOrigin>>;
}

/** The arguments that are named: wholly, or some of their members. */
export type NamedArguments = ReadonlyMap<string, NamedArguments | "whole">;

/** The members that are named of each element of a list. */
class ElementMembers extends Map<string, NamedArguments | "whole"> {}

export interface Mapped extends MappedThing {
  verb: string;
  arguments: Readonly<Record<string, ArgumentOrigin>>;
  related: Readonly<Record<string, MappedThing>>;
  known: NamedArguments;
}

export class MappingError extends Error {
  override readonly name = "MappingError";

  constructor(
    readonly path: readonly string[],
    message: string,
  ) {
    super(message);
  }
}

const NAME = new RegExp(NAME_PATTERN);
/** Keys of an entry beside its verb. */
export const ENTRY_KEYS: readonly string[] = ["id", "attributes", "arguments", "related", "ignore"];

/**
 * An entry such as `{read: invoice, id: invoice_id, attributes: {customer: customer_id}}`.
 * @throws MappingError
 */
export function readMapped(entry: Readonly<Record<string, unknown>>): Mapped {
  const verbs = Object.keys(entry).filter((key) => !ENTRY_KEYS.includes(key));
  const [verb] = verbs;
  if (verb === undefined || verbs.length > 1) {
    const found = verbs.length === 0 ? "none" : verbs.map((key) => `\`${key}\``).join(", ");
    throw new MappingError(
      [],
      `an entry has one verb, such as \`read: invoice\`, and perhaps ${ENTRY_KEYS.join(", ")}; verbs here: ${found}`,
    );
  }
  const related = Object.entries(object(entry["related"], ["related"])).map(([role, thing]) => {
    const { type, ...rest } = object(thing, ["related", role]);
    const unknown = Object.keys(rest).find((key) => key !== "id" && key !== "attributes");
    if (unknown !== undefined) throw new MappingError(["related", role, unknown], "unknown key");
    return [role, readThing(type, rest, ["related", role, "type"], ["related", role])] as const;
  });
  const mapped = {
    verb: readName(verb, []),
    ...readThing(entry[verb], entry, [verb], []),
    arguments: readSources(entry["arguments"], ["arguments"]),
    related: Object.fromEntries(related),
  };
  return { ...mapped, known: knownOf(mapped, readIgnored(entry["ignore"], ["ignore"])) };
}

function readThing(type: unknown, of: Arguments, typeAt: string[], at: string[]): MappedThing {
  const { id, attributes } = of;
  return {
    type: readName(type, typeAt),
    id: id === undefined ? null : readId(id, [...at, "id"]),
    attributes: readSources(attributes, [...at, "attributes"]),
  };
}

/** Reads a source, or several of them: `{joined: [owner, repo, issue_number]}`. */
function readId(value: unknown, at: string[]): ArgumentOrigin[] {
  if (!isObject(value) || value["joined"] === undefined) return [readSource(value, at)];
  const { joined, ...more } = value;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new MappingError([...at, unknown], "unknown key");
  const parts: unknown[] = Array.isArray(joined) ? joined : [];
  if (parts.length < 2) throw new MappingError([...at, "joined"], "must be a list of two or more sources, what is within the others last");
  const read = parts.map((part, i) => readSource(part, [...at, "joined", String(i)]));
  const early = read.slice(0, -1).findIndex((part) => "from" in part && part.as === "path");
  if (early !== -1) throw new MappingError([...at, "joined", String(early)], "a path has parts of its own: it can only be the last");
  return read;
}

function readName(value: unknown, at: string[]): string {
  if (typeof value === "string" && NAME.test(value)) return value;
  throw new MappingError(at, "must be a name of the vocabulary");
}

function readSources(value: unknown, at: string[]): Record<string, ArgumentOrigin> {
  return Object.fromEntries(Object.entries(object(value, at)).map(([name, source]) => [name, readArgument(source, [...at, name])]));
}

/**
 * Reads a source as `readSource`, a value or a list of them as a list: `{listed: to}`, all values within one: `{leaves: filter}`, or a list of
 * objects: `{list: edits, of: {old_text: oldText}, ignore: [id]}`.
 * @throws MappingError
 */
function readArgument(value: unknown, at: string[]): ArgumentOrigin {
  if (!isObject(value)) return readSource(value, at);
  for (const as of ["listed", "leaves"] as const)
    if (value[as] !== undefined && Object.keys(value).length === 1) return { from: readPath(value[as], [...at, as]), as };
  if (value["list"] === undefined) return readSource(value, at);
  const { list, of, ignore, ...more } = value;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new MappingError([...at, unknown], "unknown key");
  const members = readSources(of, [...at, "of"]);
  if (Object.keys(members).length === 0)
    throw new MappingError([...at, "of"], "must say what members of each element are: {field: member}");
  return {
    from: readPath(list, [...at, "list"]),
    as: "list",
    of: members,
    known: namedBy(Object.values(members), readIgnored(ignore, [...at, "ignore"])),
  };
}

/**
 * Reads a source: `customer_id`, `filter.customer`, `[name.with.dots]`, `{text: order_number}`, `{integer: query.limit}`,
 * `{path: file, in: /srv/docs}`, `{is: eu}`.
 * @throws MappingError
 */
export function readSource(value: unknown, at: string[]): ArgumentOrigin {
  if (typeof value === "string" || Array.isArray(value)) return { from: readPath(value, at), as: "is" };
  const { path, in: folder, ...rest } = object(value, at);
  if (path !== undefined) return readPathOrigin(path, folder, rest, at);
  const { text, integer, is, ...more } = object(value, at);
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new MappingError([...at, unknown], "unknown key");
  if ([text, integer, is].filter((one) => one !== undefined).length === 1) {
    if (text !== undefined) return { from: readPath(text, [...at, "text"]), as: "text" };
    if (integer !== undefined) return { from: readPath(integer, [...at, "integer"]), as: "integer" };
    if (typeof is === "string" || typeof is === "number" || typeof is === "boolean") return { is };
  }
  throw new MappingError(at, "must be the name of an argument, {text: argument}, {integer: argument}, {path: argument} or {is: value}");
}

function readPathOrigin(path: unknown, folder: unknown, more: Arguments, at: string[]): PathOrigin {
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new MappingError([...at, unknown], "unknown key");
  const isFolder = typeof folder === "string" && folder.startsWith("/") && isCanonicalPath(folder);
  if (folder !== undefined && !isFolder) throw new MappingError([...at, "in"], "must be a folder's whole path, such as /srv/docs");
  return { from: readPath(path, [...at, "path"]), as: "path", in: isFolder ? folder : null };
}

function readPath(value: unknown, at: string[]): string[] {
  const steps: unknown[] = typeof value === "string" ? value.split(".") : Array.isArray(value) ? value : [];
  // JSON has members without a name; written as a list, one can't be a slip.
  const path = steps.filter((step): step is string => typeof step === "string" && (step !== "" || Array.isArray(value)));
  if (path.length === 0 || path.length !== steps.length) throw new MappingError(at, "must be the name of an argument");
  return path;
}

function readIgnored(value: unknown, at: string[]): string[][] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new MappingError(at, "must be a list of arguments");
  return value.map((one: unknown) => readPath(one, at));
}

function object(value: unknown, at: string[]): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new MappingError(at, "must be keys with values");
}

function knownOf(mapped: Omit<Mapped, "known">, ignored: string[][]): NamedArguments {
  const sources = [mapped, ...Object.values(mapped.related)].flatMap(({ id, attributes }) => [...(id ?? []), ...Object.values(attributes)]);
  return namedBy([...sources, ...Object.values(mapped.arguments)], ignored);
}

function namedBy(sources: readonly ArgumentOrigin[], ignored: readonly string[][]): NamedArguments {
  const known = new Map<string, Map<string, unknown> | "whole">();
  const add = (path: readonly string[], named: ElementMembers | "whole"): void => {
    let level: Map<string, unknown> = known;
    for (const [i, step] of path.entries()) {
      const there = level.get(step);
      if (there === "whole") return;
      const isLast = i === path.length - 1;
      // Members of a list would count as those of each element, which nobody has seen.
      if (isLast ? there !== undefined && named !== "whole" : there instanceof ElementMembers)
        throw new MappingError([], `\`${path.slice(0, i + 1).join(".")}\` is a list in one place, and something else in another`);
      const next = isLast ? named : (there ?? new Map<string, unknown>());
      level.set(step, next);
      if (next !== "whole") level = next as Map<string, unknown>;
    }
  };
  for (const source of sources) if ("from" in source) add(source.from, source.as === "list" ? new ElementMembers(source.known) : "whole");
  for (const path of ignored) add(path, "whole");
  return known as NamedArguments;
}

/** @throws CallRefusal `argument_unmapped`, `argument_missing`, `argument_invalid`: what was written can't be decided on */
export function actionOf(mapped: Mapped, values: Arguments): MappedAction {
  refuseUnmapped(mapped.known, values, []);
  return actionIn(mapped, values);
}

/**
 * Returns the action of a call that has already happened, like `actionOf`, but skips what no policy would have seen.
 * @throws CallRefusal `argument_missing`, `argument_invalid`
 */
export function actionIn(mapped: Mapped, values: Arguments): MappedAction {
  const related = Object.entries(mapped.related).map(([role, thing]) => [role, thingOf(thing, values)] as const);
  return {
    verb: mapped.verb,
    resource: thingOf(mapped, values),
    ...(related.length > 0 && { related: Object.fromEntries(related) }),
    arguments: valuesOf(mapped.arguments, values),
  };
}

function refuseUnmapped(known: NamedArguments, values: Arguments, at: string[]): void {
  for (const [name, value] of Object.entries(values)) {
    const what = known.get(name);
    if (what === "whole") continue;
    const path = [...at, name];
    if (what instanceof ElementMembers && (value === null || Array.isArray(value))) {
      refuseUnmappedIn(what, value ?? [], path);
      continue;
    }
    if (what === undefined || !isObject(value)) throw new CallRefusal("argument_unmapped", { argument: path.join(".") });
    refuseUnmapped(what, value, path);
  }
}

function refuseUnmappedIn(known: ElementMembers, elements: readonly unknown[], at: string[]): void {
  for (const [i, element] of elements.entries()) {
    const path = [...at, String(i)];
    if (!isObject(element)) throw new CallRefusal("argument_unmapped", { argument: path.join(".") });
    refuseUnmapped(known, element, path);
  }
}

function thingOf({ type, id, attributes }: MappedThing, values: Arguments): Resource {
  return { type, id: id === null ? null : idOf(id, values), attributes: valuesOf(attributes, values) };
}

function idOf(sources: readonly ArgumentOrigin[], values: Arguments): string {
  const parts = sources.map((source) => partOf(source, values));
  const last = parts.pop() ?? "";
  if (parts.length === 0) return last;
  const end = sources.at(-1);
  const isPath = end !== undefined && "from" in end && end.as === "path";
  if (isPath) {
    const wrong = parts.findIndex((part) => part.includes("/") || !isCanonicalPath(part));
    if (wrong !== -1) throw new CallRefusal("argument_invalid", { argument: argumentOf(sources[wrong]) });
  }
  // Only the last may have slashes, so that no two lists of parts are one id.
  const before = parts.map((part) => part.replaceAll("%", "%25").replaceAll("/", "%2F")).join("/");
  const id = isPath ? `/${before}${last === "/" ? "" : last}` : `${before}/${last}`;
  if (id.length > ID_LENGTH_MAX) throw new CallRefusal("argument_invalid", { argument: argumentOf(end) });
  return id;
}

/** @throws CallRefusal */
function partOf(source: ArgumentOrigin, values: Arguments): string {
  const argument = argumentOf(source);
  const value = valueOf(source, values);
  if (value === undefined || value === null) throw new CallRefusal("argument_missing", { argument });
  const id = inOneSpelling(source, value);
  if (id === null || id.length > ID_LENGTH_MAX || !isCanonicalId(id)) throw new CallRefusal("argument_invalid", { argument });
  return id;
}

/** Returns a part of an id; null for a value that has none. */
function inOneSpelling(source: ArgumentOrigin, value: unknown): string | null {
  if (!("from" in source)) return asText(value);
  if (source.as === "path") return asPath(value, source.in);
  return asText(source.as === "integer" ? asInteger(value) : value);
}

function argumentOf(source: ArgumentOrigin | undefined): string {
  return source !== undefined && "from" in source ? source.from.join(".") : "id";
}

function valuesOf(sources: Readonly<Record<string, ArgumentOrigin>>, values: Arguments): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, source] of Object.entries(sources)) {
    const value = valueOf(source, values);
    if (value === undefined) continue;
    if (!("from" in source) || source.as === "is" || value === null) found[name] = value;
    else if (source.as === "list") found[name] = elementsOf(source, value);
    else if (source.as === "listed") found[name] = Array.isArray(value) ? value : [value];
    else if (source.as === "leaves") found[name] = leavesOf(value, source.from.join("."));
    else {
      const read = source.as === "path" ? asPath(value, source.in) : source.as === "text" ? asText(value) : asInteger(value);
      if (read === null) throw new CallRefusal("argument_invalid", { argument: source.from.join(".") });
      found[name] = read;
    }
  }
  return found;
}

function elementsOf({ from, of }: ListOrigin, value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value) || !value.every(isObject)) throw new CallRefusal("argument_invalid", { argument: from.join(".") });
  return value.map((element) => valuesOf(of, element));
}

/** A value that has none within itself. Two arguments that differ have different ones, so that what is approved is one call alone. */
interface ArgumentLeaf {
  /** Normalized path (RFC 9535, section 2.7): names of members are in it, whole. */
  path: string;
  /** `name`: the name of the member that is there, which may be an address. A name that is a word alone says what the member is. */
  kind: "boolean" | "list" | "name" | "null" | "number" | "object" | "text";
  /** JSON, but for a text. An empty list or object is a value, too: `[]`, `{}`. */
  text: string;
}

/** Leaves of one argument, and characters of them: their paths may be far longer than the argument. */
const LEAVES_MAX = 1000;
const LEAVES_LENGTH_MAX = 256 * 1024;

/** Takes apart an argument whose type no vocabulary has. @throws CallRefusal `arguments_too_large` */
function leavesOf(value: unknown, argument: string): ArgumentLeaf[] {
  const found: ArgumentLeaf[] = [];
  let length = 0;
  const add = (path: string, kind: ArgumentLeaf["kind"], text: string): void => {
    length += path.length + text.length;
    if (found.length === LEAVES_MAX || length > LEAVES_LENGTH_MAX) throw new CallRefusal("arguments_too_large", { argument });
    found.push({ path, kind, text });
  };
  const walk = (one: unknown, path: string): void => {
    if (Array.isArray(one)) {
      if (one.length === 0) add(path, "list", "[]");
      for (const [i, member] of one.entries()) walk(member, `${path}[${i}]`);
    } else if (isObject(one)) {
      const members = Object.entries(one);
      if (members.length === 0) add(path, "object", "{}");
      for (const [name, member] of members) {
        const of = `${path}['${pathName(name)}']`;
        if (!WORD.test(name)) add(of, "name", name);
        walk(member, of);
      }
    } else if (typeof one === "string") add(path, "text", one);
    else add(path, one === null ? "null" : typeof one === "boolean" ? "boolean" : "number", String(one));
  };
  walk(value, "$");
  return found;
}

const WORD = /^[A-Za-z_][\w-]*$/;
const ESCAPES: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "'": "\\'",
  "\\": "\\\\",
};

/** A member's name as it stands in a normalized path. */
function pathName(name: string): string {
  return name.replace(/[\0-\x1f'\\]/g, (letter) => ESCAPES[letter] ?? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A number that isn't a whole one has more than one spelling. */
function asText(value: unknown): string | null {
  if (typeof value === "string") return value;
  return Number.isSafeInteger(value) ? String(value) : null;
}

/**
 * Returns the only spelling of a file's path: from the root, without what says nothing (`./`, `//`, a slash at the end). Null for one that
 * leads elsewhere than it says: through `..`, from a home folder or a drive, or from a folder that nobody knows.
 */
function asPath(value: unknown, folder: string | null): string | null {
  if (typeof value !== "string" || /^(?:~|[A-Za-z]:)/.test(value) || (folder === null && !value.startsWith("/"))) return null;
  const whole = value.startsWith("/") ? value : `${folder}/${value}`;
  const path = `/${whole
    .split("/")
    .filter((segment) => segment !== "" && segment !== ".")
    .join("/")}`;
  return isCanonicalPath(path) ? path : null;
}

/** Returns an integer that is written as in JSON: nothing that other readers read differently, such as `010` or `1e3`. */
function asInteger(value: unknown): number | null {
  const number = typeof value === "string" && /^(?:0|-?[1-9]\d*)$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : null;
}

/** Returns a source's value; undefined if nothing is there. */
export function valueOf(source: ArgumentOrigin, values: Arguments): unknown {
  return "from" in source ? at(values, source.from) : source.is;
}

function at(values: Arguments, path: readonly string[]): unknown {
  let found: unknown = values;
  for (const step of path) found = isObject(found) && Object.hasOwn(found, step) ? found[step] : undefined;
  return found;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The arguments of a call with one changed, as a `modify` wants it; null where none stands for it alone.
 * @param argument as the vocabulary names it
 */
export function withArgument(mapped: Mapped, values: Arguments, argument: string, value: unknown): Arguments | null {
  const source = Object.hasOwn(mapped.arguments, argument) ? mapped.arguments[argument] : undefined;
  if (source === undefined || !("from" in source) || source.as !== "is") return null;
  // What was decided on is of the ids that it had.
  const ids = [mapped, ...Object.values(mapped.related)].flatMap(({ id }) => id ?? []);
  if (ids.some((part) => "from" in part && overlap(part.from, source.from))) return null;
  return withValue(values, source.from, value);
}

function overlap(a: readonly string[], b: readonly string[]): boolean {
  return a.slice(0, b.length).every((step, i) => step === b[i]);
}

function withValue(values: Arguments, [step, ...rest]: readonly string[], value: unknown): Arguments | null {
  if (step === undefined) return null;
  if (rest.length === 0) return { ...values, [step]: value };
  const below = Object.hasOwn(values, step) ? values[step] : {};
  const changed = isObject(below) ? withValue(below, rest, value) : null;
  return changed === null ? null : { ...values, [step]: changed };
}
