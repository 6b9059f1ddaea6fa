/** `limits` of a purpose → compiled: what is counted, by what, and how much fits. */
import type { EntryReason, Limit, Vocabulary } from "../contract/index.js";
import { resolvePath, UnknownWord } from "./matchers.js";
import type { Path, Sheet } from "./source.js";
import { readTargets, type VerbTarget } from "./targets.js";

const LIMIT_KEYS = [
  ...["at_most", "sum", "distinct", "each", "after", "per", "by", "then"],
  ...["code", "severity", "title", "message", "tell_agent"],
] as const;
export const PERIODS = ["task", "minute", "hour", "day"] as const;
export const BY = ["agent", "owner"] as const;
export const THEN = ["deny", "wait"] as const;
export const LIMITS_MAX = 1000;

/** Reads a reason and enters it into the catalogue. */
export type ReadReason = (said: Record<string, unknown>, path: Path, effect: "deny" | "flag", code: string, types: string[]) => EntryReason;

export interface CompiledLimits {
  limits?: Limit[];
  limited?: Record<string, Record<string, EntryReason[]>>;
}

export function compileLimits(sheet: Sheet, value: unknown, path: Path, vocabulary: Vocabulary, reason: ReadReason): CompiledLimits {
  if (value === undefined) return {};
  if (!Array.isArray(value)) {
    sheet.error(path, "`limits` must be a list");
    return {};
  }
  if (value.length > LIMITS_MAX) sheet.error(path, `at most ${LIMITS_MAX} limits`);
  const limits: Limit[] = [];
  const limited: NonNullable<CompiledLimits["limited"]> = {};
  for (const [i, one] of (value as unknown[]).entries()) {
    const at = [...path, i];
    const said = sheet.fields(one, at, "a limit", [...Object.keys(vocabulary.verbs), ...LIMIT_KEYS]);
    const targets = readTargets(sheet, said, at, "the limit", vocabulary);
    const types = [...new Set(targets.flatMap((target) => target.types))];
    const then = said["then"] === undefined ? "deny" : sheet.oneOf(said["then"], [...at, "then"], "`then`", THEN);
    const given = { ...said, ...(then === "wait" && { proceed: false }) };
    const read = reason(given, at, then === "wait" ? "flag" : "deny", `${String(path[0])}.limits.${i + 1}`, types);
    const { code } = read;
    if (limits.some((other) => other.code === code))
      sheet.error(at, `code \`${code}\` is another limit's`, "each limit is counted by its code");
    const measure = measured(sheet, said, at, types, vocabulary);
    limits.push({ code, of: byVerb(targets), ...measure, ...counted(sheet, said["by"], measure.per, [...at, "by"]) });
    for (const { verb, types: of } of targets) for (const type of of) ((limited[type] ??= {})[verb] ??= []).push(read);
  }
  return limits.length === 0 ? {} : { limits, limited };
}

/** For whom it is counted within a window; a task is counted with all that was handed on from it. */
function counted(sheet: Sheet, value: unknown, per: Limit["per"], at: Path): Pick<Limit, "by"> {
  if (value === undefined) return {};
  const by = sheet.oneOf(value, at, "`by`", BY);
  if (per === "task") sheet.error(at, "a task is counted with all that was handed on from it", "write `per: day` or another window too");
  return by === "owner" ? { by } : {};
}

function byVerb(targets: readonly VerbTarget[]): Record<string, string[]> {
  return Object.fromEntries(targets.map(({ verb, types }) => [verb, types]));
}

function measured(
  sheet: Sheet,
  said: Record<string, unknown>,
  at: Path,
  types: string[],
  vocabulary: Vocabulary,
): Omit<Limit, "code" | "of"> {
  const measures = (["sum", "distinct", "after"] as const).filter((key) => said[key] !== undefined);
  const [measure = "count"] = measures;
  if (measures.length > 1) sheet.error(at, "a limit is one of `sum`, `distinct`, `after`, or counts actions");
  const per = said["per"] === undefined ? "task" : (sheet.oneOf(said["per"], [...at, "per"], "`per`", PERIODS) ?? "task");
  const place = (key: "sum" | "distinct" | "each", wanted: string): string[] =>
    placeOf(sheet, said[key], [...at, key], types, vocabulary, wanted);
  const each = said["each"] === undefined ? {} : { each: place("each", "text") };
  if (measure === "after") {
    for (const key of ["at_most", "each"]) if (said[key] !== undefined) sheet.error([...at, key], `\`after\` has no \`${key}\``);
    const before = sheet.fields(said["after"], [...at, "after"], "`after`", Object.keys(vocabulary.verbs));
    return { measure, after: byVerb(readTargets(sheet, before, [...at, "after"], "`after`", vocabulary)), max: 1, per };
  }
  const max = said["at_most"];
  const isNumber =
    typeof max === "number" && max >= 0 && max <= Number.MAX_SAFE_INTEGER && (measure === "sum" || Number.isSafeInteger(max));
  if (!isNumber) sheet.error([...at, "at_most"], "`at_most` must be a number from 0, whole unless it bounds a sum");
  const path = measure === "count" ? {} : { path: place(measure, measure === "sum" ? "number" : "text") };
  return { measure, ...path, ...each, max: isNumber ? max : 0, per };
}

/** A place of the request; what a host knows of a task doesn't change from one action to the next. */
function placeOf(sheet: Sheet, name: unknown, at: Path, types: string[], vocabulary: Vocabulary, wanted: string): string[] {
  const text = sheet.text(name, at, "a path", 128);
  if (text === null) return [];
  let found: string[] = [];
  for (const type of types) {
    const place = resolvePath(text, type, vocabulary);
    if (place instanceof UnknownWord) {
      sheet.unknownWord(at, place.what, place.word, place.known);
      return [];
    }
    const element = place.type.kind === "list" ? place.type.of : place.type;
    const isNumber = element.kind === "integer" || element.kind === "number";
    if (place.path[0] !== "request")
      sheet.error(at, "a limit counts what the request says", "name an attribute, `arguments.…`, `related.…` or `id`");
    else if (wanted === "number" && !isNumber) sheet.error(at, `\`sum\` adds numbers and \`${text}\` is of kind ${element.kind}`);
    else if (element.kind === "object" || element.kind === "boolean") sheet.error(at, `\`${text}\` is of kind ${element.kind}`);
    found = place.path;
  }
  return found;
}
