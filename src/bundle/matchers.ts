/** `when` of a purpose entry → conditions: a small closed set of matchers, each checked against the vocabulary. */
import {
  EMAIL_PATTERN,
  ID_LENGTH_MAX,
  durationMs,
  momentMs,
  type Condition,
  type ElementCondition,
  type Fields,
  type LeafCondition,
  type ListCondition,
  type Negated,
  type Operand,
  type PlainCondition,
  type ResourceType,
  type Scalar,
  type ValueType,
  type Vocabulary,
} from "../contract/index.js";
import { boundWords } from "./condition_words.js";
import type { Path, Sheet } from "./source.js";
import { labelsOf } from "./sources.js";
import { BOUNDS } from "./vocabulary.js";

/** Target of an author's path in the policy's input, with its type. */
export interface InputPlace {
  path: string[];
  type: ValueType;
}

const ID: ValueType = { kind: "id" };
const EMAIL = new RegExp(EMAIL_PATTERN);

/** Resolves a path for one resource type; a string says which word of it is not known, among which. */
export function resolvePath(text: string, typeName: string, vocabulary: Vocabulary): InputPlace | UnknownWord {
  const spec = vocabulary.types[typeName];
  if (spec === undefined) return new UnknownWord("type", typeName, Object.keys(vocabulary.types));
  const [root = "", ...rest] = text.split(".");
  switch (root) {
    case "id":
      return rest.length === 0 ? { path: ["request", "resource", "id"], type: ID } : new UnknownWord("path", text, ["id"]);
    case "task":
      return taskPath(rest, vocabulary);
    case "agent":
      return fieldPath(rest, vocabulary.agent.attributes, ["facts", "agent", "attributes"], "agent attribute");
    case "arguments":
      return fieldPath(rest, spec.arguments, ["request", "arguments"], `argument of \`${typeName}\``);
    case "related":
      return relatedPath(rest, typeName, spec, vocabulary);
    default:
      return fieldPath([root, ...rest], spec.attributes, ["request", "resource", "attributes"], `attribute of \`${typeName}\``);
  }
}

export class UnknownWord {
  constructor(
    readonly what: string,
    readonly word: string,
    readonly known: string[],
    /** Why nothing there could be known. */
    readonly unreachable: string | null = null,
  ) {}
}

const IN_LIST_HINT = "match its elements with `some` or `every`, or ask for `count` or `sum`";

function inList(name: string): string {
  return `\`${name}\` is a list of objects`;
}

/** `task.labels`: what the task has read, unless an attribute has that name. */
function labelsPlace(vocabulary: Vocabulary): InputPlace | null {
  const { task } = vocabulary;
  const labels = labelsOf(vocabulary);
  if (labels.length === 0 || Object.hasOwn(task.attributes, "labels") || task.subjects.includes("labels")) return null;
  return { path: ["facts", "flow", "labels"], type: { kind: "list", of: { kind: "enum", values: labels }, max: labels.length } };
}

function taskPath(rest: string[], vocabulary: Vocabulary): InputPlace | UnknownWord {
  const { task } = vocabulary;
  const [name = "", ...deeper] = rest;
  const labels = name === "labels" && deeper.length === 0 ? labelsPlace(vocabulary) : null;
  if (labels !== null) return labels;
  if (task.subjects.includes(name) && deeper.length === 0) {
    return { path: ["facts", "task", "subjects", name], type: { kind: "list", of: ID, max: 1 } };
  }
  const found = fieldPath(rest, task.attributes, ["facts", "task", "attributes"], "subject or attribute of the task");
  return found instanceof UnknownWord ? new UnknownWord(found.what, found.word, [...task.subjects, ...found.known]) : found;
}

function relatedPath(rest: string[], typeName: string, spec: ResourceType, vocabulary: Vocabulary): InputPlace | UnknownWord {
  const [role = "", ...deeper] = rest;
  const related = Object.hasOwn(spec.related, role) ? spec.related[role] : undefined;
  if (related === undefined) return new UnknownWord(`related resource of \`${typeName}\``, role, Object.keys(spec.related));
  const base = ["request", "related", role];
  if (deeper.length === 1 && deeper[0] === "id") return { path: [...base, "id"], type: ID };
  const attributes = vocabulary.types[related]?.attributes ?? {};
  return fieldPath(deeper, attributes, [...base, "attributes"], `attribute of \`${related}\``);
}

function fieldPath(names: string[], fields: Fields, base: string[], what: string): InputPlace | UnknownWord {
  const [name = "", ...deeper] = names;
  const type = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (type === undefined) return new UnknownWord(what, name, Object.keys(fields));
  const path = [...base, name];
  if (deeper.length === 0) return { path, type };
  if (type.kind !== "object") {
    const unreachable = type.kind === "list" && type.of.kind === "object" ? inList(name) : null;
    return new UnknownWord(`field of \`${name}\``, deeper.join("."), [], unreachable);
  }
  return fieldPath(deeper, type.fields, path, `field of \`${name}\``);
}

/** Surroundings of a `when`. */
export interface WhenContext {
  sheet: Sheet;
  /** Resource types of the line. */
  types: string[];
  vocabulary: Vocabulary;
  /** True if the line permits: nothing may be permitted for being unknown. */
  permits: boolean;
}

/** The conditions of a `when`. */
export function compileWhen(context: WhenContext, value: unknown, path: Path): Condition[] {
  if (value === undefined) return [];
  return context.sheet.map(value, path, "`when`").flatMap(([name, matcher]): Condition[] => {
    const at = [...path, name];
    if (name === ANY) return compileAny(context, matcher, at);
    return new Matchers(context, null).compile(name, matcher, at).map(topLevel);
  });
}

/** Plain conditions stand as they are; any other is wrapped, so that a bundle's evaluator tells them apart at a glance. */
function topLevel(condition: Node): Condition {
  if (isPlain(condition)) return condition;
  if (condition.op === "not") return { name: condition.name, path: [], op: "not", of: condition.of };
  return { name: condition.name, path: [], op: "all", of: [condition] };
}

function isPlain(condition: Node): condition is PlainCondition {
  return (PLAIN as readonly string[]).includes(condition.op);
}

/** `any: [{status: open}, {amount_cents: {at_most: 500}}]` */
function compileAny(context: WhenContext, value: unknown, path: Path): Condition[] {
  const { sheet } = context;
  if (!Array.isArray(value) || value.length < 2 || value.length > ALTERNATIVES_MAX) {
    const hint = "write `any: [{status: open}, {amount_cents: {at_most: 500}}]`";
    sheet.error(path, `\`any\` is a list of 2 to ${ALTERNATIVES_MAX} alternatives, each a mapping as under \`when\``, hint);
    return [];
  }
  const of = value.map((alternative: unknown, i) => {
    const members = sheet.map(alternative, [...path, i], "an alternative of `any`");
    if (members.length === 0) sheet.error([...path, i], "an alternative without a condition always holds");
    return members.flatMap(([name, matcher]): Node[] => {
      const at = [...path, i, name];
      if (name !== ANY) return new Matchers(context, null).compile(name, matcher, at);
      sheet.error(at, "an alternative holds no alternatives", "write them beside each other");
      return [];
    });
  });
  const names = [...new Set(of.flatMap((alternative) => alternative.map(({ name }) => name)))];
  return of.every((alternative) => alternative.length > 0) ? [{ name: names.join(" or "), path: [], op: ANY, of }] : [];
}

type Node = ListCondition | Negated<ListCondition>;

const ANY = "any";
const PLAIN = ["in", "not_in", "prefix", "at_most", "at_least", "same_as"] as const;
const NUMERIC = ["at_most", "at_least", "more_than", "less_than"] as const;
type Numeric = (typeof NUMERIC)[number];
const OF_MOMENTS = ["before", "after"] as const;
export const MATCHERS = [
  ...["not", ...NUMERIC, "prefix", "suffix", "domain", "same_as", ...OF_MOMENTS, "within"],
  ...["count", "sum", "every", "some", "all_of", "known"],
] as const;
/** Matchers that bound a value from two sides. */
const RANGES: readonly (readonly string[])[] = [NUMERIC, OF_MOMENTS];
const FROM_NOW = /^(?:(\S+) (before|after) )?now$/;
const WITHIN = /^(\S+) of (\S+)$/;
/** Fields that a sum multiplies. */
export const FACTORS_MAX = 3;
const ALTERNATIVES_MAX = 16;

/** Reads the matchers of one line, or of the elements of one list. */
class Matchers {
  constructor(
    private readonly context: WhenContext,
    /** The type of the list's elements. */
    private readonly item: ValueType | null,
  ) {}

  /** @param name path of what is matched, or a field of the element */
  compile(name: string, matcher: unknown, at: Path): Node[] {
    const place = this.#resolve(name, at);
    return place === null ? [] : this.#matcher(name, place, matcher, at, false);
  }

  /** The matcher of a list's elements themselves, which have no fields. */
  compileElement(name: string, matcher: unknown, at: Path): Node[] {
    return this.item === null ? [] : this.#matcher(name, { path: [ITEM], type: this.item }, matcher, at, false);
  }

  /** Resolves a name; in a list of objects it is a field of the element, if there is one. */
  #resolve(name: string, at: Path): InputPlace | null {
    const { item } = this;
    if (item?.kind === "object") {
      const own = fieldPath(name.split("."), item.fields, [ITEM], "field of the element");
      const [root = ""] = name.split(".");
      if (!(own instanceof UnknownWord)) return own;
      if (Object.hasOwn(item.fields, root) || !this.#leadsAnywhere(name)) {
        this.context.sheet.unknownWord(at, own.what, own.word, own.known);
        return null;
      }
    }
    return resolveForAll(this.context, name, at);
  }

  #leadsAnywhere(name: string): boolean {
    const { types, vocabulary } = this.context;
    return types.some((type) => !(resolvePath(name, type, vocabulary) instanceof UnknownWord));
  }

  #matcher(name: string, place: InputPlace, matcher: unknown, at: Path, negated: boolean): Node[] {
    const { sheet } = this.context;
    const { path, type } = place;
    const element = type.kind === "list" ? type.of : type;
    const isMatcher = typeof matcher === "object" && matcher !== null && !Array.isArray(matcher);
    const said = isMatcher ? Object.entries(matcher) : [];
    const ops = said.map(([op]) => op);
    for (const op of ops) if (!(MATCHERS as readonly string[]).includes(op)) sheet.unknownWord([...at, op], "matcher", op, MATCHERS);
    if (!isMatcher) return this.#whole(name, type, at) ? this.#values(name, place, element, matcher, at, "in") : [];
    if (said.length === 0 || (said.length > 1 && !RANGES.some((range) => ops.every((op) => range.includes(op))))) {
      sheet.error(at, "a matcher says one thing", "only at_most and at_least, or before and after, go together");
      return [];
    }
    const conditions = said.flatMap(([op, wanted]): Node[] => {
      const within = [...at, op];
      switch (op) {
        case "known":
          return this.#known(name, path, wanted, within, negated);
        case "not":
          return this.#not(name, place, wanted, within, negated);
        case "count":
        case "sum":
        case "every":
        case "some":
        case "all_of":
          if (type.kind !== "list") {
            sheet.error(within, `\`${op}\` is about a list and \`${name}\` is of kind ${type.kind}`);
            return [];
          }
          return this.#ofList(op, name, path, type.of, wanted, within);
        default:
          return this.#whole(name, type, within) ? this.#single(op, name, place, element, wanted, within) : [];
      }
    });
    checkPossible(sheet, at, name, type, conditions);
    return conditions;
  }

  /** Compiles one operator on a single value. */
  #single(op: string, name: string, place: InputPlace, element: ValueType, wanted: unknown, at: Path): Node[] {
    const { sheet } = this.context;
    const { path } = place;
    switch (op) {
      case "at_most":
      case "at_least":
      case "more_than":
      case "less_than": {
        const as = element.kind === "duration" ? "duration" : "number";
        if (as === "number" && element.kind !== "integer" && element.kind !== "number") {
          sheet.error(at, `\`${op}\` compares numbers and durations, and \`${name}\` is of kind ${element.kind}`, insteadOf(element));
          return [];
        }
        if (as === "number" && (op === "at_most" || op === "at_least") && typeof wanted === "number") {
          return fits(sheet, wanted, at, element) ? [{ name, path, op, value: wanted }] : [];
        }
        const right = this.#bound(op, name, element, wanted, at);
        return right === null ? [] : [{ name, op: "compare", than: op, left: { at: path, as }, right }];
      }
      case "before":
      case "after": {
        if (!isMoment(element, sheet, at, op, name)) return [];
        const right = this.#moment(op, wanted, at);
        const than = op === "before" ? "less_than" : "more_than";
        return right === null ? [] : [{ name, op: "compare", than, left: { at: path, as: "moment" }, right }];
      }
      case "within": {
        if (!isMoment(element, sheet, at, op, name)) return [];
        const [, length = "", of = ""] = typeof wanted === "string" ? (WITHIN.exec(wanted) ?? []) : [];
        const ms = durationMs(length);
        const right = ms === null ? null : of === "now" ? { now: 0 } : this.#path(of, "moment", at);
        if (ms === null)
          sheet.error(at, "`within` takes a duration and what it is counted from", "write `within: 24h of now`, or a path for `now`");
        return ms === null || right === null ? [] : [{ name, op: "compare", than: "within", ms, left: { at: path, as: "moment" }, right }];
      }
      case "prefix":
      case "suffix": {
        if (!isText(element)) {
          sheet.error(at, `\`${op}\` reads text and \`${name}\` is of kind ${element.kind}`);
          return [];
        }
        const value = sheet.words(wanted, at, `\`${op}\``);
        if (value.includes("")) sheet.error(at, `an empty ${op} matches everything`);
        return value.length === 0 ? [] : [{ name, path, op, value }];
      }
      case "domain":
        return this.#domain(name, path, element, wanted, at);
      case "same_as":
        return this.#sameAs(name, place, element, wanted, at);
      default:
        return [];
    }
  }

  #known(name: string, path: string[], wanted: unknown, at: Path, negated: boolean): Node[] {
    const value = this.context.sheet.boolean(wanted, at, "`known`");
    if (value === null) return [];
    if (this.context.permits && value === negated) {
      this.context.sheet.error(at, "nothing is permitted for being unknown", "`known: false` stands in `never` and `flag`");
    }
    return [{ name, path, op: "known", value }];
  }

  #not(name: string, place: InputPlace, wanted: unknown, at: Path, negated: boolean): Node[] {
    const { sheet } = this.context;
    const { type } = place;
    if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) {
      const element = type.kind === "list" ? type.of : type;
      return this.#whole(name, type, at) ? this.#values(name, place, element, wanted, at, "not_in") : [];
    }
    if (negated || Object.hasOwn(wanted, "not")) {
      sheet.error(at, "`not` of `not` says nothing", "leave both out");
      return [];
    }
    const of = this.#matcher(name, place, wanted, at, true);
    // No `not` is among them, since that is refused above.
    return of.length === 0 ? [] : [{ name, op: "not", of: of as LeafCondition[] }];
  }

  #ofList(
    op: "count" | "sum" | "every" | "some" | "all_of",
    name: string,
    path: string[],
    of: ValueType,
    wanted: unknown,
    at: Path,
  ): Node[] {
    const { sheet } = this.context;
    switch (op) {
      case "count":
        return this.#counted(name, "count", { count: path }, wanted, at);
      case "sum": {
        const { of: fields, ...bounds } = sheet.fields(wanted, at, "`sum`", ["of", ...NUMERIC]);
        const names = of.kind === "object" ? this.#factors(of.fields, fields, [...at, "of"]) : this.#noFactors(name, of, fields, at);
        return names === null ? [] : this.#counted(name, "sum", { sum: path, of: names }, bounds, at);
      }
      case "all_of": {
        if (!this.#whole(name, { kind: "list", of, max: 1 }, at)) return [];
        const value = scalars(sheet, wanted, at, of);
        return value === null ? [] : [{ name, path, op, value }];
      }
      default:
        return this.#elements(op, name, path, of, wanted, at);
    }
  }

  #elements(op: "every" | "some", name: string, path: string[], of: ValueType, wanted: unknown, at: Path): Node[] {
    const { sheet } = this.context;
    if (this.item !== null) {
      sheet.error(at, `\`${op}\` stands in no \`every\` or \`some\``, "write a rule in Rego");
      return [];
    }
    const inner = new Matchers(this.context, of);
    const conditions =
      of.kind === "object"
        ? sheet.map(wanted, at, `\`${op}\``).flatMap(([field, matcher]) => inner.compile(field, matcher, [...at, field]))
        : inner.compileElement(name, wanted, at);
    if (of.kind === "object" && typeof wanted === "object" && wanted !== null && Object.keys(wanted).length === 0)
      sheet.error(at, `\`${op}\` says nothing of an element`);
    // Of an element there is no list, so none of these is `every` or `some`.
    return conditions.length === 0 ? [] : [{ name, path, op, of: conditions as ElementCondition[] }];
  }

  #counted(name: string, what: "count" | "sum", left: Operand, wanted: unknown, at: Path): Node[] {
    const { sheet } = this.context;
    if (what === "count" && typeof wanted === "number") {
      const value = sheet.integer(wanted, at, "`count`", 0, BOUNDS.list);
      return value === null ? [] : [{ name, op: "compare", than: "is", left, right: { value } }];
    }
    const said = Object.entries(sheet.fields(wanted, at, `\`${what}\``, NUMERIC));
    if (said.length === 0) sheet.error(at, `\`${what}\` says no bound`, `write \`${what}: {at_least: 1}\``);
    const conditions = said.flatMap(([than, bound]): LeafCondition[] => {
      const right = this.#bound(than as Numeric, name, { kind: "integer" }, bound, [...at, than]);
      return right === null ? [] : [{ name, op: "compare", than: than as Numeric, left, right }];
    });
    checkPossible(sheet, at, name, { kind: "integer" }, conditions);
    return conditions;
  }

  #factors(fields: Fields, value: unknown, at: Path): string[] | null {
    const { sheet } = this.context;
    const integers = Object.keys(fields).filter((field) => fields[field]?.kind === "integer");
    const names = value === undefined ? [] : sheet.words(value, at, "`of`");
    const unknown = names.filter((field) => !integers.includes(field));
    for (const field of unknown) sheet.unknownWord(at, "field of whole numbers", field, integers);
    if (names.length === 0 || names.length > FACTORS_MAX) {
      sheet.error(
        at,
        `\`of\` names 1 to ${FACTORS_MAX} fields, which are multiplied`,
        "write `sum: {of: [quantity, cents], at_most: 5000}`",
      );
      return null;
    }
    return unknown.length === 0 ? names : null;
  }

  #noFactors(name: string, of: ValueType, value: unknown, at: Path): string[] | null {
    const { sheet } = this.context;
    if (of.kind !== "integer") sheet.error(at, `\`sum\` adds whole numbers, and \`${name}\` is a list of kind ${of.kind}`);
    else if (value !== undefined) sheet.error([...at, "of"], "whole numbers have no fields");
    else return [];
    return null;
  }

  #domain(name: string, path: string[], element: ValueType, wanted: unknown, at: Path): Node[] {
    const { sheet } = this.context;
    if (element.kind !== "email") {
      sheet.error(at, `\`domain\` reads e-mail addresses and \`${name}\` is of kind ${element.kind}`);
      return [];
    }
    const value = sheet.words(wanted, at, "`domain`");
    const wrong = value.find((one) => !DOMAIN.test(one));
    if (wrong !== undefined) sheet.error(at, `\`${wrong}\` is not a domain in small letters`, "write `domain: example.com`");
    return value.length === 0 || wrong !== undefined ? [] : [{ name, path, op: "domain", value }];
  }

  #sameAs(name: string, { path }: InputPlace, element: ValueType, wanted: unknown, at: Path): Node[] {
    const { sheet } = this.context;
    if (typeof wanted !== "string") {
      sheet.error(at, "`same_as` takes a path");
      return [];
    }
    const other = this.#resolve(wanted, at);
    if (other === null) return [];
    const otherElement = other.type.kind === "list" ? other.type.of : other.type;
    if (!comparable(element, otherElement)) {
      const never = isPointInTime(element) && isPointInTime(otherElement);
      const message = never
        ? `\`same_as\` compares texts, and the same moment has more than one`
        : `\`${name}\` (${element.kind}) and \`${wanted}\` (${otherElement.kind}) are never the same`;
      sheet.error(at, message, never ? "write `within: 0s of " + wanted + "`" : null);
      return [];
    }
    if (JSON.stringify(other.path) === JSON.stringify(path)) sheet.error(at, `\`${name}\` is always the same as itself`);
    return [{ name, path, op: "same_as", value: other.path }];
  }

  /** A number, a duration, or `{same_as: path}`. */
  #bound(op: Numeric, name: string, type: ValueType, wanted: unknown, at: Path): Operand | null {
    const { sheet } = this.context;
    const as = type.kind === "duration" ? "duration" : "number";
    if (typeof wanted === "object" && wanted !== null && !Array.isArray(wanted)) {
      const { same_as: other } = sheet.fields(wanted, at, `\`${op}\``, ["same_as"]);
      if (other === undefined) return null;
      if (other === name) sheet.error(at, `\`${name}\` is compared with itself`);
      return this.#path(other, as, [...at, "same_as"]);
    }
    if (as === "duration") {
      const value = typeof wanted === "string" ? durationMs(wanted) : null;
      if (value === null) sheet.error(at, `\`${op}\` takes a duration`, "write 90s, 36h or 30d");
      return value === null ? null : { value };
    }
    if (typeof wanted === "string") {
      const isPath = this.#leadsAnywhere(wanted);
      const found = isPath ? `and \`${wanted}\` is a path` : "not a text";
      const digits = Number.isFinite(Number(wanted)) && wanted.trim() !== "";
      const hint = isPath ? `write \`${op}: {same_as: ${wanted}}\`` : digits ? `take the quotes off: ${op}: ${wanted}` : null;
      sheet.error(at, `\`${op}\` takes a number, ${found}`, hint);
      return null;
    }
    const value = scalars(sheet, wanted, at, type);
    const [limit] = value ?? [];
    if (value !== null && value.length !== 1) sheet.error(at, `\`${op}\` takes one number`);
    return typeof limit === "number" && value?.length === 1 ? { value: limit } : null;
  }

  /** A date, a time, `now`, `30d before now`, or `{same_as: path}`. */
  #moment(op: string, wanted: unknown, at: Path): Operand | null {
    const { sheet } = this.context;
    if (typeof wanted === "object" && wanted !== null && !Array.isArray(wanted)) {
      const { same_as: other } = sheet.fields(wanted, at, `\`${op}\``, ["same_as"]);
      return other === undefined ? null : this.#path(other, "moment", [...at, "same_as"]);
    }
    const text = typeof wanted === "string" ? wanted : "";
    const value = momentMs(text);
    if (value !== null) return { value };
    const [found, length, side] = FROM_NOW.exec(text) ?? [];
    const ms = length === undefined ? 0 : durationMs(length);
    if (found !== undefined && ms !== null) return { now: side === "before" && ms !== 0 ? -ms : ms };
    sheet.error(
      at,
      `\`${op}\` takes a date, a time in UTC, or what is counted from now`,
      'write "2026-03-01", now, 30d before now, or {same_as: path}',
    );
    return null;
  }

  /** One number, moment or duration that stands elsewhere. */
  #path(text: unknown, as: "number" | "moment" | "duration", at: Path): Operand | null {
    const { sheet } = this.context;
    if (typeof text !== "string") {
      sheet.error(at, "`same_as` takes a path");
      return null;
    }
    const place = this.#resolve(text, at);
    if (place === null) return null;
    const { kind } = place.type;
    const right =
      as === "number"
        ? kind === "integer" || kind === "number"
        : as === "moment"
          ? kind === "date" || kind === "time"
          : kind === "duration";
    if (right) return { at: place.path, as };
    const wanted = { number: "a number", moment: "a date or a time", duration: "a duration" }[as];
    sheet.error(at, `\`${text}\` is of kind ${kind}, and has to be ${wanted}`);
    return null;
  }

  /** Notes a value that isn't matched as a whole. */
  #whole(name: string, type: ValueType, at: Path): boolean {
    const { sheet } = this.context;
    const element = type.kind === "list" ? type.of : type;
    if (element.kind === "object" && type.kind === "list") sheet.error(at, inList(name), IN_LIST_HINT);
    else if (element.kind === "object") sheet.error(at, `\`${name}\` is an object`, "match one of its fields, or write a rule in Rego");
    else return true;
    return false;
  }

  #values(name: string, { path }: InputPlace, element: ValueType, wanted: unknown, at: Path, op: "in" | "not_in"): Node[] {
    if (isPointInTime(element)) {
      const hint = element.kind === "time" ? "write `after` and `before`" : "write `at_least` and `at_most`";
      this.context.sheet.error(at, `a ${element.kind} is matched by a range`, hint);
      return [];
    }
    const value = scalars(this.context.sheet, wanted, at, element);
    return value === null ? [] : [{ name, path, op, value }];
  }
}

/** Variable by which the conditions on a list find the current element. */
const ITEM = "item";
const DOMAIN = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/;

/** Returns true for a type in which one moment, or one length, has several texts. */
function isPointInTime({ kind }: ValueType): boolean {
  return kind === "time" || kind === "duration";
}

function isMoment(type: ValueType, sheet: Sheet, at: Path, op: string, name: string): boolean {
  const right = type.kind === "date" || type.kind === "time";
  if (!right) sheet.error(at, `\`${op}\` compares dates and times, and \`${name}\` is of kind ${type.kind}`);
  return right;
}

function insteadOf({ kind }: ValueType): string | null {
  return kind === "date" || kind === "time" ? "write `before` and `after`" : null;
}

/** A path has to lead to the same place for every type of a line. */
function resolveForAll({ sheet, types, vocabulary }: WhenContext, name: string, at: Path): InputPlace | null {
  let found: InputPlace | null = null;
  for (const type of types) {
    const place = resolvePath(name, type, vocabulary);
    if (place instanceof UnknownWord) {
      if (place.unreachable === null) sheet.unknownWord(at, place.what, place.word, place.known);
      else sheet.error(at, place.unreachable, IN_LIST_HINT);
      return null;
    }
    if (found !== null && JSON.stringify(found) !== JSON.stringify(place)) {
      sheet.error(at, `\`${name}\` is not the same for every type of this line`, "write a line for each");
      return null;
    }
    found = place;
  }
  return found;
}

/** A condition that no value meets would make a `never` vanish. Of a list, one element may meet each. */
function checkPossible(sheet: Sheet, at: Path, name: string, type: ValueType, conditions: readonly Node[]): void {
  const limits = conditions.flatMap(limitOf);
  const [least] = limits.filter(({ side }) => side === "least");
  const [most] = limits.filter(({ side }) => side === "most");
  if (type.kind !== "list" && least !== undefined && most !== undefined) {
    const empty = least.value > most.value || (least.value === most.value && (least.open || most.open));
    if (empty) sheet.error(at, `nothing ${least.words} and ${most.words.replace(/\bis /, "")}`);
  }
  const [first] = conditions;
  if (type.kind === "enum" && first?.op === "not_in" && type.values.every((value) => first.value.includes(value))) {
    sheet.error(at, `\`not\` leaves no value of \`${name}\``);
  }
}

interface Limit {
  side: "least" | "most";
  value: number;
  open: boolean;
  words: string;
}

const SIDES: Readonly<Record<string, Pick<Limit, "side" | "open">>> = {
  at_least: { side: "least", open: false },
  more_than: { side: "least", open: true },
  at_most: { side: "most", open: false },
  less_than: { side: "most", open: true },
};

/** The constant that a condition bounds its value by. */
function limitOf(condition: Node): Limit[] {
  const than = condition.op === "compare" ? condition.than : condition.op;
  const side = SIDES[than];
  const value =
    condition.op === "compare"
      ? "value" in condition.right
        ? condition.right.value
        : null
      : condition.op === "at_most" || condition.op === "at_least"
        ? condition.value
        : null;
  return side === undefined || value === null ? [] : [{ ...side, value, words: boundWords(condition) }];
}

function isText(type: ValueType): boolean {
  return type.kind === "id" || type.kind === "email" || type.kind === "string" || type.kind === "enum";
}

function comparable(a: ValueType, b: ValueType): boolean {
  const family = (type: ValueType): string =>
    isText(type) ? "text" : type.kind === "integer" ? "number" : type.kind === "object" || isPointInTime(type) ? "" : type.kind;
  return family(a) !== "" && family(a) === family(b);
}

/** One value or a list of values, each of which a value of this type could be. */
function scalars(sheet: Sheet, value: unknown, at: Path, type: ValueType): Scalar[] | null {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) {
    sheet.error(at, "an empty list matches nothing");
    return null;
  }
  const good = list.filter((one): one is Scalar => fits(sheet, one, at, type));
  return good.length === list.length ? good : null;
}

/** Returns true if a request may carry such a value; reports an error otherwise. */
export function fits(sheet: Sheet, value: unknown, at: Path, type: ValueType): boolean {
  if (type.kind === "enum") {
    if (typeof value === "string" && type.values.includes(value)) return true;
    if (typeof value === "string") sheet.unknownWord(at, "value", value, type.values);
    else sheet.error(at, `must be one of ${type.values.join(", ")}`);
    return false;
  }
  if (typeof value === "string" && isText(type)) return isPossible(sheet, value, at, type);
  if (type.kind === "date" || type.kind === "time" || type.kind === "duration") return isWritten(sheet, value, at, type.kind);
  const wanted = isText(type) ? "string" : type.kind === "boolean" ? "boolean" : "number";
  const right = typeof value === wanted && (type.kind !== "integer" || Number.isSafeInteger(value));
  if (!right) {
    const name = at.findLast((part) => typeof part === "string") ?? "it";
    sheet.error(at, `\`${name}\` must be a ${type.kind === "integer" ? "whole number" : wanted}`, wanted === "string" ? "quote it" : null);
  }
  return right;
}

const WRITTEN = {
  date: 'a date such as "2026-03-01"',
  time: 'a time in UTC such as "2026-03-01T09:30:00Z"',
  duration: "a duration such as 36h",
};

function isWritten(sheet: Sheet, value: unknown, at: Path, kind: keyof typeof WRITTEN): boolean {
  const text = typeof value === "string" ? value : "";
  const good = kind === "duration" ? durationMs(text) !== null : momentMs(text) !== null && (text.length === 10) === (kind === "date");
  if (!good) sheet.error(at, `must be ${WRITTEN[kind]}`);
  return good;
}

function isPossible(sheet: Sheet, text: string, at: Path, type: ValueType): boolean {
  const max = type.kind === "string" ? type.max : ID_LENGTH_MAX;
  if (text.length > max) sheet.error(at, `no ${type.kind} here is longer than ${max} characters`);
  else if (type.kind === "id" && text === "") sheet.error(at, "no id is empty");
  else if (type.kind === "email" && !EMAIL.test(text)) sheet.error(at, `\`${text}\` is not an email address`);
  else return true;
  return false;
}
