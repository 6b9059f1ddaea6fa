/** Words of a vocabulary that say where values come from and go to: roles, writers, effects, secrets and labels. */
import {
  EFFECTS,
  RELATED,
  ROLES,
  WRITERS,
  type Fields,
  type FlowFacts,
  type FlowPolicy,
  type Role,
  type TypeFlow,
  type VerbEffect,
  type Vocabulary,
  type ValueWriter,
} from "../contract/index.js";
import type { Path, Sheet } from "./source.js";
import { WORD } from "./words.js";

/** Keys of a type beside the others. */
export const FLOW_KEYS = ["roles", "writes", "author", "secret", "labels", "effects"] as const;
const FLOW_FACTS = ["instruction", "slots", "own", "members", "secret"] as const;
/** Keys of `flow` that types with `writes: common` share. */
const COMMON_KEYS = ["writes", "author", "secret_fields"] as const;
export const COMMON = "common";
export const FIELD = /^(?:\*|[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)$/;
export const FLOW_BOUNDS = { fields: 256, labels: 32 };
export const DELEGATED = ["allow", "wait", "deny"] as const;
export const NOWHERE = ["wait", "deny"] as const;
/** Without one a look goes on. */
export const LOOKS = ["flag", "wait", "deny"] as const;
export const LOOKS_WORDS = ["allow", ...LOOKS] as const;
export const STANDARD = "standard";
const FLOW_POLICY_KEYS = ["set", "delegated", "nowhere", "looks", "authority"];

export function effectOf(sheet: Sheet, value: unknown, path: Path): VerbEffect | null {
  return value === undefined ? null : sheet.oneOf(value, path, "effect", EFFECTS);
}

/** Writers of fields, and the field that names a record's author. */
export type FieldWriters = Pick<TypeFlow, "writes" | "author">;

/** Words of `flow` that types with `writes: common` share. */
export type CommonFields = FieldWriters & { secret: readonly string[] };

/** `writes`, `author` and `secret_fields` of a vocabulary's `flow`; null: it has no `writes`. */
export function compileCommonFields(sheet: Sheet, flow: unknown): CommonFields | null {
  if (typeof flow !== "object" || flow === null) return null;
  const said: Record<string, unknown> = { ...flow };
  if (said["writes"] !== undefined) {
    const { secret_fields: fields } = said;
    const secret = fields === undefined ? [] : secretFields(sheet, fields, ["flow", "secret_fields"]);
    return { ...fieldWriters(sheet, said, ["flow"]), secret };
  }
  for (const key of COMMON_KEYS)
    if (said[key] !== undefined)
      sheet.error(["flow", key], `\`${key}\` goes with \`writes\``, `say both, for types with \`writes: ${COMMON}\``);
  return null;
}

function secretFields(sheet: Sheet, value: unknown, path: Path): string[] {
  const fields = sheet.words(value, path, `\`${String(path.at(-1))}\``);
  if (fields.length > FLOW_BOUNDS.fields) sheet.error(path, `at most ${FLOW_BOUNDS.fields} fields`);
  for (const [i, field] of fields.entries()) checkField(sheet, field, [...path, i]);
  return fields;
}

function fieldWriters(sheet: Sheet, said: Record<string, unknown>, path: Path): FieldWriters {
  const writes: TypeFlow["writes"] = {};
  for (const [name, writer] of members(sheet, said, "writes", path)) {
    const at = [...path, "writes", name];
    checkField(sheet, name, at);
    const word = sheet.oneOf(writer, at, "writer", [...WRITERS.filter((one) => one !== "user"), "author"]) as ValueWriter | "author" | null;
    if (word !== null) writes[name] = word;
  }
  if (said["author"] === undefined) {
    if (Object.values(writes).includes("author"))
      sheet.error([...path, "writes"], "a field is written by the record's author, and no field names the author", "say `author: <field>`");
    return { writes };
  }
  const author = sheet.text(said["author"], [...path, "author"], "`author`", 64);
  if (author !== null) checkField(sheet, author, [...path, "author"]);
  return { writes, ...(author !== null && { author }) };
}

/** Words of a vocabulary that types use in theirs of flow. */
export interface WordsForFlow {
  verbs: readonly string[];
  /** Null: `flow` has no `writes`. */
  common: CommonFields | null;
}

/** Left out where a type says nothing of flow. */
export function compileTypeFlow(
  sheet: Sheet,
  said: Record<string, unknown>,
  path: Path,
  { arguments: given, related }: { arguments: Fields; related: readonly string[] },
  { verbs, common }: WordsForFlow,
): { flow?: TypeFlow } {
  if (FLOW_KEYS.every((key) => said[key] === undefined)) return {};
  const isCommon = said["writes"] === COMMON;
  if (isCommon && common === null)
    sheet.error([...path, "writes"], `\`writes: ${COMMON}\` takes what \`flow.writes\` says, and there is none`, "say it once in `flow`");
  if (isCommon && said["author"] !== undefined)
    sheet.error([...path, "author"], `\`writes: ${COMMON}\` has the author of \`flow\`, too`, "write out `writes` of this type");
  const { secret: shared, ...writers }: CommonFields = isCommon
    ? (common ?? { writes: {}, secret: [] })
    : { ...fieldWriters(sheet, said, path), secret: [] };
  const flow: TypeFlow = { roles: {}, ...writers };
  const places = ["id", ...argumentPaths(given), ...related.map((role) => `${RELATED}.${role}`)];
  for (const [name, role] of members(sheet, said, "roles", path)) {
    const at = [...path, "roles", name];
    if (!places.includes(name)) sheet.unknownWord(at, name.startsWith(`${RELATED}.`) ? "related resource" : "argument", name, places);
    const word = sheet.oneOf<Role>(role, at, "role", ROLES);
    if (word !== null) flow.roles[name] = word;
  }
  for (const [name, effect] of members(sheet, said, "effects", path)) {
    const at = [...path, "effects", name];
    if (!verbs.includes(name)) sheet.unknownWord(at, "verb", name, verbs);
    const word = effectOf(sheet, effect, at);
    if (word !== null) flow.effects = { ...flow.effects, [name]: word };
  }
  const own = said["secret"] === undefined ? [] : secretFields(sheet, said["secret"], [...path, "secret"]);
  if (shared.length + own.length > 0) flow.secret = [...new Set([...shared, ...own])];
  if (said["labels"] !== undefined) flow.labels = labels(sheet, said["labels"], [...path, "labels"]);
  return { flow };
}

function labels(sheet: Sheet, value: unknown, path: Path): string[] {
  const found = sheet.words(value, path, "`labels`");
  if (found.length > FLOW_BOUNDS.labels) sheet.error(path, `at most ${FLOW_BOUNDS.labels} labels`);
  for (const [i, label] of found.entries()) {
    if (!WORD.test(label)) sheet.error([...path, i], `label \`${label}\` must be snake_case of at most 64 characters`);
  }
  return found;
}

function members(sheet: Sheet, said: Record<string, unknown>, key: string, path: Path): [string, unknown][] {
  if (said[key] === undefined) return [];
  const found = sheet.map(said[key], [...path, key], `\`${key}\``);
  if (found.length > FLOW_BOUNDS.fields) sheet.error([...path, key], `at most ${FLOW_BOUNDS.fields} fields`);
  return found;
}

function checkField(sheet: Sheet, name: string, path: Path): void {
  if (!FIELD.test(name))
    sheet.error(path, `\`${name}\` is no field of an answer`, "write its name, `text` for an answer that is a text, `*` for any other");
}

/** Every argument, as roles name them: of an object its fields too. */
function argumentPaths(fields: Fields, prefix = ""): string[] {
  return Object.entries(fields).flatMap(([name, type]) => {
    const element = type.kind === "list" ? type.of : type;
    const path = `${prefix}${name}`;
    return element.kind === "object" ? [path, ...argumentPaths(element.fields, `${path}.`)] : [path];
  });
}

/** `flow` of a vocabulary. Left out where nothing in it speaks of flow. */
export function compileFlowFacts(sheet: Sheet, value: unknown, vocabulary: Vocabulary): { flow?: FlowFacts } {
  const speaks =
    Object.values(vocabulary.types).some(({ flow }) => flow !== undefined) ||
    Object.values(vocabulary.verbs).some(({ effect }) => effect !== undefined);
  if (value === undefined && !speaks) return {};
  const path = ["flow"];
  const said = sheet.fields(value ?? {}, path, "`flow`", [...FLOW_FACTS, ...COMMON_KEYS]);
  const known = [
    ...Object.keys(vocabulary.task.attributes).map((name) => `task.${name}`),
    ...Object.keys(vocabulary.agent.attributes).map((name) => `agent.${name}`),
  ];
  const facts = (key: (typeof FLOW_FACTS)[number]): string[] => {
    if (said[key] === undefined) return [];
    const names = sheet.words(said[key], [...path, key], `\`${key}\``);
    for (const [i, name] of names.entries()) {
      if (!known.includes(name)) sheet.unknownWord([...path, key, i], "fact", name, known);
    }
    return names;
  };
  const flow: FlowFacts = { slots: facts("slots"), own: facts("own"), members: facts("members"), secret: facts("secret") };
  for (const [i, name] of flow.slots.entries()) {
    if (!name.startsWith("task."))
      sheet.error([...path, "slots", i], "a slot is an attribute of the task", "the host fills it for one task");
  }
  if (said["instruction"] !== undefined) {
    const tasks = known.filter((name) => name.startsWith("task."));
    const name = sheet.oneOf(said["instruction"], [...path, "instruction"], "attribute of the task", tasks);
    const kind = name === null ? undefined : vocabulary.task.attributes[name.slice("task.".length)]?.kind;
    if (kind !== undefined && kind !== "string") sheet.error([...path, "instruction"], "the instruction is a string");
    if (name !== null) flow.instruction = name;
  }
  return { flow };
}

/** `flow: standard`, or `{set: standard, delegated: wait, nowhere: deny, looks: flag, authority: [service]}`. Left out: nothing follows. */
export function compileFlowPolicy(sheet: Sheet, value: unknown, path: Path, vocabulary: Vocabulary): { flow?: FlowPolicy } {
  if (value === undefined) return {};
  const said = typeof value === "string" ? { set: value } : sheet.fields(value, path, "`flow`", FLOW_POLICY_KEYS);
  sheet.oneOf(said["set"] ?? STANDARD, typeof value === "string" ? path : [...path, "set"], "set of flow", [STANDARD]);
  if (vocabulary.flow === undefined) {
    sheet.error(path, "the vocabulary says nothing of where values come from", "say roles, effects and writers in vocabulary.yaml");
  }
  const one = <T extends string>(key: string, words: readonly T[], usual: T): T =>
    said[key] === undefined ? usual : (sheet.oneOf(said[key], [...path, key], `\`${key}\``, words) ?? usual);
  const authority = said["authority"] === undefined ? [] : sheet.words(said["authority"], [...path, "authority"], "`authority`");
  for (const [i, word] of authority.entries()) sheet.oneOf(word, [...path, "authority", i], "writer", ["service"]);
  const looks = one("looks", LOOKS_WORDS, "allow");
  return {
    flow: {
      delegated: one("delegated", DELEGATED, "wait"),
      nowhere: one("nowhere", NOWHERE, "deny"),
      ...(looks !== "allow" && { looks }),
      authority: authority.length > 0 ? ["service"] : [],
    },
  };
}
