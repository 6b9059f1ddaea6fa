/** `when` of a purpose entry → conditions: a small closed set of matchers, each checked against the vocabulary. */
import {
  EMAIL_PATTERN,
  ID_LENGTH_MAX,
  type Condition,
  type Fields,
  type ResourceType,
  type Scalar,
  type ValueType,
  type Vocabulary,
} from "../contract/index.js";
import type { Path, Sheet } from "./source.js";

export const MATCHERS = ["not", "at_most", "at_least", "prefix", "same_as"] as const;

/** Where a path of the author's leads in the policy's input, and what is there. */
export interface Place {
  path: string[];
  type: ValueType;
}

const ID: ValueType = { kind: "id" };
const EMAIL = new RegExp(EMAIL_PATTERN);

/** Resolves a path for one resource type; a string says which word of it is not known, among which. */
export function resolvePath(text: string, typeName: string, vocabulary: Vocabulary): Place | UnknownWord {
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

const IN_LIST_HINT = "write a rule in Rego, with `some` or `every` over the list";

function inList(name: string): string {
  return `\`${name}\` is a list of objects, and no matcher looks into one`;
}

/** `task.labels`: what the task has read, unless an attribute has that name. */
function labelsOf({ task, types }: Vocabulary): Place | null {
  const labels = [...new Set(Object.values(types).flatMap(({ flow }) => flow?.labels ?? []))].sort();
  if (labels.length === 0 || Object.hasOwn(task.attributes, "labels") || task.subjects.includes("labels")) return null;
  return { path: ["facts", "flow", "labels"], type: { kind: "list", of: { kind: "enum", values: labels }, max: labels.length } };
}

function taskPath(rest: string[], vocabulary: Vocabulary): Place | UnknownWord {
  const { task } = vocabulary;
  const [name = "", ...deeper] = rest;
  const labels = name === "labels" && deeper.length === 0 ? labelsOf(vocabulary) : null;
  if (labels !== null) return labels;
  if (task.subjects.includes(name) && deeper.length === 0) {
    return { path: ["facts", "task", "subjects", name], type: { kind: "list", of: ID, max: 1 } };
  }
  const found = fieldPath(rest, task.attributes, ["facts", "task", "attributes"], "subject or attribute of the task");
  return found instanceof UnknownWord ? new UnknownWord(found.what, found.word, [...task.subjects, ...found.known]) : found;
}

function relatedPath(rest: string[], typeName: string, spec: ResourceType, vocabulary: Vocabulary): Place | UnknownWord {
  const [role = "", ...deeper] = rest;
  const related = Object.hasOwn(spec.related, role) ? spec.related[role] : undefined;
  if (related === undefined) return new UnknownWord(`role of \`${typeName}\``, role, Object.keys(spec.related));
  const base = ["request", "related", role];
  if (deeper.length === 1 && deeper[0] === "id") return { path: [...base, "id"], type: ID };
  const attributes = vocabulary.types[related]?.attributes ?? {};
  return fieldPath(deeper, attributes, [...base, "attributes"], `attribute of \`${related}\``);
}

function fieldPath(names: string[], fields: Fields, base: string[], what: string): Place | UnknownWord {
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

/** The conditions of a `when`, for a line that names these resource types. */
export function compileWhen(sheet: Sheet, value: unknown, path: Path, types: string[], vocabulary: Vocabulary): Condition[] {
  if (value === undefined) return [];
  return sheet.map(value, path, "`when`").flatMap(([name, matcher]) => {
    const at = [...path, name];
    const place = resolveForAll(sheet, name, at, types, vocabulary);
    return place === null ? [] : compileMatcher(sheet, matcher, at, name, place, types, vocabulary);
  });
}

/** A path has to lead to the same place for every type of a line. */
function resolveForAll(sheet: Sheet, name: string, at: Path, types: string[], vocabulary: Vocabulary): Place | null {
  let found: Place | null = null;
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

function compileMatcher(
  sheet: Sheet,
  matcher: unknown,
  at: Path,
  name: string,
  { path, type }: Place,
  types: string[],
  vocabulary: Vocabulary,
): Condition[] {
  const element = type.kind === "list" ? type.of : type;
  if (element.kind === "object" && type.kind === "list") {
    sheet.error(at, inList(name), IN_LIST_HINT);
    return [];
  }
  if (element.kind === "object") {
    sheet.error(at, `\`${name}\` is an object`, "match one of its fields, or write a rule in Rego");
    return [];
  }
  if (typeof matcher !== "object" || matcher === null || Array.isArray(matcher)) {
    const value = scalars(sheet, matcher, at, element);
    return value === null ? [] : [{ name, path, op: "in", value }];
  }
  const said = Object.entries(matcher);
  const ops = said.map(([op]) => op);
  for (const op of ops) {
    if (!(MATCHERS as readonly string[]).includes(op)) sheet.unknownWord([...at, op], "matcher", op, MATCHERS);
  }
  const range = ops.every((op) => op === "at_most" || op === "at_least");
  if (said.length === 0 || (said.length > 1 && !range)) {
    sheet.error(at, "a matcher says one thing", "only at_most and at_least go together");
    return [];
  }
  const conditions = said.flatMap(([op, wanted]): Condition[] => {
    const within = [...at, op];
    switch (op) {
      case "not": {
        if (typeof wanted === "object" && wanted !== null && !Array.isArray(wanted)) {
          const [inner = "a mapping"] = Object.keys(wanted as object);
          sheet.error(within, `\`not\` takes a value or a list of values, and \`${inner}\` is a matcher`, oppositeOf(inner));
          return [];
        }
        const value = scalars(sheet, wanted, within, element);
        return value === null ? [] : [{ name, path, op: "not_in", value }];
      }
      case "at_most":
      case "at_least": {
        if (element.kind !== "integer" && element.kind !== "number") {
          sheet.error(within, `\`${op}\` compares numbers and \`${name}\` is of kind ${element.kind}`);
          return [];
        }
        if (typeof wanted === "string") {
          const isPath = types.some((one) => !(resolvePath(wanted, one, vocabulary) instanceof UnknownWord));
          const found = isPath ? `and \`${wanted}\` is a path` : "not a text";
          const hint = isPath
            ? "`same_as` alone takes a path; compare two numbers in a rule in Rego"
            : Number.isFinite(Number(wanted)) && wanted.trim() !== ""
              ? `take the quotes off: ${op}: ${wanted}`
              : null;
          sheet.error(within, `\`${op}\` takes a number, ${found}`, hint);
          return [];
        }
        const value = scalars(sheet, wanted, within, element);
        const [limit] = value ?? [];
        if (value !== null && value.length !== 1) sheet.error(within, `\`${op}\` takes one number`);
        return typeof limit === "number" ? [{ name, path, op, value: limit }] : [];
      }
      case "prefix": {
        if (!isText(element)) {
          sheet.error(within, `\`prefix\` reads text and \`${name}\` is of kind ${element.kind}`);
          return [];
        }
        const value = sheet.words(wanted, within, "`prefix`");
        if (value.includes("")) sheet.error(within, "an empty prefix matches everything");
        return value.length === 0 ? [] : [{ name, path, op, value }];
      }
      case "same_as": {
        if (typeof wanted !== "string") {
          sheet.error(within, "`same_as` takes a path");
          return [];
        }
        const other = resolveForAll(sheet, wanted, within, types, vocabulary);
        if (other === null) return [];
        const otherElement = other.type.kind === "list" ? other.type.of : other.type;
        if (!comparable(element, otherElement)) {
          sheet.error(within, `\`${name}\` (${element.kind}) and \`${wanted}\` (${otherElement.kind}) are never the same`);
          return [];
        }
        if (JSON.stringify(other.path) === JSON.stringify(path)) {
          sheet.error(within, `\`${name}\` is always the same as itself`);
        }
        return [{ name, path, op, value: other.path }];
      }
      default:
        return [];
    }
  });
  checkPossible(sheet, at, name, type, conditions);
  return conditions;
}

function oppositeOf(matcher: string): string {
  if (matcher === "at_most") return "of whole numbers write `at_least`, with one more; else a rule in Rego";
  if (matcher === "at_least") return "of whole numbers write `at_most`, with one less; else a rule in Rego";
  return `the opposite of \`${matcher}\` is a rule in Rego, as is whatever the matchers can't say`;
}

/** A condition that no value meets would make a `never` vanish. Of a list, one element may meet each. */
function checkPossible(sheet: Sheet, at: Path, name: string, type: ValueType, conditions: Condition[]): void {
  const limit = (op: "at_least" | "at_most"): number | undefined =>
    conditions.flatMap((condition) => (condition.op === op ? [condition.value] : []))[0];
  const [least, most] = [limit("at_least"), limit("at_most")];
  if (type.kind !== "list" && least !== undefined && most !== undefined && least > most) {
    sheet.error(at, `nothing is at least ${least} and at most ${most}`);
  }
  const [first] = conditions;
  if (type.kind === "enum" && first?.op === "not_in" && type.values.every((value) => first.value.includes(value))) {
    sheet.error(at, `\`not\` leaves no value of \`${name}\``);
  }
}

function isText(type: ValueType): boolean {
  return type.kind === "id" || type.kind === "email" || type.kind === "string" || type.kind === "enum";
}

function comparable(a: ValueType, b: ValueType): boolean {
  const family = (type: ValueType): string =>
    isText(type) ? "text" : type.kind === "integer" ? "number" : type.kind === "object" ? "" : type.kind;
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

/** Whether the door lets such a value in; noted where it doesn't. */
export function fits(sheet: Sheet, value: unknown, at: Path, type: ValueType): boolean {
  if (type.kind === "enum") {
    if (typeof value === "string" && type.values.includes(value)) return true;
    if (typeof value === "string") sheet.unknownWord(at, "value", value, type.values);
    else sheet.error(at, `must be one of ${type.values.join(", ")}`);
    return false;
  }
  if (typeof value === "string" && isText(type)) return isPossible(sheet, value, at, type);
  const wanted = isText(type) ? "string" : type.kind === "boolean" ? "boolean" : "number";
  const right = typeof value === wanted && (type.kind !== "integer" || Number.isSafeInteger(value));
  if (!right) {
    const name = at.findLast((part) => typeof part === "string") ?? "it";
    sheet.error(at, `\`${name}\` must be a ${type.kind === "integer" ? "whole number" : wanted}`, wanted === "string" ? "quote it" : null);
  }
  return right;
}

function isPossible(sheet: Sheet, text: string, at: Path, type: ValueType): boolean {
  const max = type.kind === "string" ? type.max : ID_LENGTH_MAX;
  if (text.length > max) sheet.error(at, `no ${type.kind} here is longer than ${max} characters`);
  else if (type.kind === "id" && text === "") sheet.error(at, "no id is empty");
  else if (type.kind === "email" && !EMAIL.test(text)) sheet.error(at, `\`${text}\` is not an email address`);
  else return true;
  return false;
}
