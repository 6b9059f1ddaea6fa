/** `vocabulary.yaml` → `Vocabulary`: the words a policy set may talk about. */
import { VERB_CLASSES, type Fields, type ResourceType, type ValueType, type VerbSpec, type Vocabulary } from "../contract/index.js";
import { compileCommonFields, compileFlowFacts, compileTypeFlow, effectOf, FLOW_KEYS, type WordsForFlow } from "./flow.js";
import { masksOf } from "./masks.js";
import type { Path, Sheet } from "./source.js";
import { WORD } from "./words.js";

const STRING_MAX_DEFAULT = 1024;

export const BOUNDS = { words: 256, fields: 64, depth: 4, list: 1000, string: 65_536 };

/** Keys that purpose entries and cases of tables have beside the verb. */
const NOT_VERBS = [
  "about",
  "when",
  "code",
  "severity",
  "proceed",
  "needs",
  "message",
  "tell_agent",
  "obligations",
  "given",
  "with",
  "related",
  "then",
  "because",
  "title",
];
/** Members of a task and an agent besides their attributes. */
const TASK_FACTS = ["id", "agent", "purpose", "principal", "subjects", "verbs", "expires", "ended"];
const AGENT_FACTS = ["id", "version", "owner", "purposes", "status"];
/** Members of a request about where it comes from. */
export const CONTEXT = ["session", "source", "trace"] as const;
const PATH_ROOTS = ["id", "task", "agent", "arguments", "related", "any"];
/** `{masked: type}`, and the word for what has no type here. */
export const MASKED = "masked";
export const SIMPLE_TYPES = ["id", "email", "string", "integer", "number", "boolean", "date", "time", "duration"] as const;

export function compileVocabulary(sheet: Sheet): Vocabulary {
  const all = sheet.fields(sheet.value, [], "the vocabulary", ["verbs", "task", "agent", "context", "types", "flow"]);
  const task = sheet.fields(all["task"] ?? {}, ["task"], "`task`", ["subjects", "principal", "attributes"]);
  const agent = sheet.fields(all["agent"] ?? {}, ["agent"], "`agent`", ["attributes"]);
  const subjects = subjectNames(sheet, task["subjects"] ?? []);
  checkMasked(sheet, task, ["task"], ["principal"]);
  checkMasked(sheet, sheet.fields(all["context"] ?? {}, ["context"], "`context`", CONTEXT), ["context"], CONTEXT);
  const vocabulary: Vocabulary = {
    verbs: verbs(sheet, all["verbs"]),
    task: {
      subjects,
      attributes: fields(sheet, task["attributes"], ["task", "attributes"], [...TASK_FACTS, ...subjects]),
    },
    agent: { attributes: fields(sheet, agent["attributes"], ["agent", "attributes"], AGENT_FACTS) },
    types: types(sheet, all["types"], subjects, {
      verbs: Object.keys(all["verbs"] ?? {}),
      common: compileCommonFields(sheet, all["flow"]),
    }),
  };
  Object.assign(vocabulary, compileFlowFacts(sheet, all["flow"], vocabulary));
  const masks = masksOf(sheet.value, vocabulary);
  return masks.length === 0 ? vocabulary : { ...vocabulary, masks };
}

/** Checks masks of built-in fields, which have no other declaration. */
function checkMasked(sheet: Sheet, said: Record<string, unknown>, path: Path, names: readonly string[]): void {
  for (const name of names) if (said[name] !== undefined) sheet.oneOf(said[name], [...path, name], "word", [MASKED]);
}

function checkName(sheet: Sheet, name: string, path: Path, what: string, taken: readonly string[] = []): void {
  if (!WORD.test(name)) {
    sheet.error(path, `${what} \`${name}\` must be snake_case of at most 64 characters`);
  } else if (taken.includes(name) || name === "constructor") {
    sheet.error(path, `${what} cannot be called \`${name}\``, "the word has a meaning of its own here");
  }
}

function verbs(sheet: Sheet, value: unknown): Record<string, VerbSpec> {
  const found: Record<string, VerbSpec> = {};
  const members = sheet.map(value, ["verbs"], "`verbs`");
  if (members.length > BOUNDS.words) sheet.error(["verbs"], `at most ${BOUNDS.words} verbs`);
  for (const [name, spec] of members) {
    const path = ["verbs", name];
    checkName(sheet, name, path, "a verb", NOT_VERBS);
    const said = sheet.fields(spec, path, `verb \`${name}\``, ["class", "collection", "effect"]);
    const effect = effectOf(sheet, said["effect"], [...path, "effect"]);
    const verbClass = sheet.oneOf(said["class"], [...path, "class"], "class of verb", VERB_CLASSES);
    const collection = sheet.boolean(said["collection"] ?? false, [...path, "collection"], "`collection`");
    if (verbClass !== null) found[name] = { class: verbClass, collection: collection === true, ...(effect !== null && { effect }) };
  }
  return found;
}

function subjectNames(sheet: Sheet, value: unknown): string[] {
  const path = ["task", "subjects"];
  if (Array.isArray(value) && value.length === 0) return [];
  const names = sheet.words(value, path, "`subjects`");
  names.forEach((name, i) => {
    checkName(sheet, name, [...path, i], "a subject", TASK_FACTS);
    if (names.indexOf(name) !== i) sheet.error([...path, i], `subject \`${name}\` is named twice`);
  });
  return names;
}

function fields(sheet: Sheet, value: unknown, path: Path, taken: readonly string[], depth = 0): Fields {
  const found: Fields = {};
  if (value === undefined) return found;
  const members = sheet.map(value, path, `\`${String(path.at(-1))}\``);
  if (members.length > BOUNDS.fields) sheet.error(path, `at most ${BOUNDS.fields} fields`);
  for (const [name, type] of members) {
    checkName(sheet, name, [...path, name], "a field", taken);
    const read = valueType(sheet, type, [...path, name], depth);
    if (read !== null) found[name] = read;
  }
  return found;
}

/** A word, a list of words, or `{string: …}`, `{list: …}`, `{object: …}`, `{masked: …}`. */
function valueType(sheet: Sheet, value: unknown, path: Path, depth: number): ValueType | null {
  if (depth > BOUNDS.depth) {
    sheet.error(path, `types may be nested ${BOUNDS.depth} deep at most`);
    return null;
  }
  if (Array.isArray(value)) return enumType(sheet, value, path);
  if (typeof value === "object" && value !== null) return composedType(sheet, value, path, depth);
  const kind = sheet.oneOf(value, path, "type", SIMPLE_TYPES);
  if (kind === null) return null;
  return kind === "string" ? { kind, max: STRING_MAX_DEFAULT } : { kind };
}

function enumType(sheet: Sheet, value: unknown[], path: Path): ValueType | null {
  const words = value.filter((word): word is string => typeof word === "string" && word !== "");
  if (words.length !== value.length || words.length === 0 || words.length > BOUNDS.words) {
    sheet.error(path, `a list of values holds 1 to ${BOUNDS.words} words`, "quote numbers and booleans");
    return null;
  }
  if (new Set(words).size !== words.length) sheet.error(path, "a value is listed twice");
  return { kind: "enum", values: words };
}

function composedType(sheet: Sheet, value: object, path: Path, depth: number): ValueType | null {
  const said = sheet.fields(value, path, "a type", ["string", "list", "object", MASKED, "max"]);
  const forms = ["string", "list", "object", MASKED].filter((form) => form in said);
  if (forms.length !== 1) {
    sheet.error(path, "a type is one of {string: {max: n}}, {list: type, max: n}, {object: {field: type}}, {masked: type}");
    return null;
  }
  if (MASKED in said) {
    if (said["max"] !== undefined) sheet.error([...path, "max"], "`max` stands beside `list`, or inside `string`");
    return valueType(sheet, said[MASKED], [...path, MASKED], depth);
  }
  if (said["list"] !== undefined) {
    const of = valueType(sheet, said["list"], [...path, "list"], depth + 1);
    const max = sheet.integer(said["max"], [...path, "max"], "`max` of a list", 1, BOUNDS.list);
    if (of?.kind === "list") sheet.error(path, "a list of lists is not a type", "make the inner one a field of an object");
    return of === null || max === null ? null : { kind: "list", of, max };
  }
  if (said["max"] !== undefined) sheet.error([...path, "max"], "`max` stands beside `list`, or inside `string`");
  if (said["object"] !== undefined) {
    return { kind: "object", fields: fields(sheet, said["object"], [...path, "object"], [], depth + 1) };
  }
  const string = sheet.fields(said["string"], [...path, "string"], "`string`", ["max"]);
  const max = sheet.integer(string["max"], [...path, "string", "max"], "`max` of a string", 1, BOUNDS.string);
  return max === null ? null : { kind: "string", max };
}

function types(sheet: Sheet, value: unknown, subjects: string[], flow: WordsForFlow): Record<string, ResourceType> {
  const found: Record<string, ResourceType> = {};
  const members = sheet.map(value, ["types"], "`types`");
  const names = members.map(([name]) => name);
  if (members.length > BOUNDS.words) sheet.error(["types"], `at most ${BOUNDS.words} types`);
  for (const [name, spec] of members) {
    const path = ["types", name];
    checkName(sheet, name, path, "a type");
    const said = sheet.fields(spec ?? {}, path, `type \`${name}\``, [
      ...["id", "about", "attributes", "arguments", "related"],
      ...FLOW_KEYS,
    ]);
    const attributes = fields(sheet, said["attributes"], [...path, "attributes"], PATH_ROOTS);
    const given = fields(sheet, said["arguments"], [...path, "arguments"], []);
    const others = related(sheet, said["related"], [...path, "related"], names);
    found[name] = {
      id: formOfId(sheet, said["id"] ?? "name", [...path, "id"]),
      about: about(sheet, said["about"], [...path, "about"], subjects, attributes),
      attributes,
      arguments: given,
      related: others,
      ...compileTypeFlow(sheet, said, path, { arguments: given, related: Object.keys(others) }, flow),
    };
  }
  return found;
}

/** `path`, or `{masked: path}`. */
function formOfId(sheet: Sheet, value: unknown, path: Path): ResourceType["id"] {
  const isMasked = typeof value === "object" && value !== null && !Array.isArray(value);
  const form = isMasked ? sheet.fields(value, path, "a form of id", [MASKED])[MASKED] : value;
  return sheet.oneOf(form, isMasked ? [...path, MASKED] : path, "form of id", ["name", "path"]) ?? "name";
}

function about(sheet: Sheet, value: unknown, path: Path, subjects: string[], attributes: Fields): Record<string, string> {
  const links: Record<string, string> = {};
  if (value === undefined) return links;
  for (const [subject, link] of sheet.map(value, path, "`about`")) {
    const at = [...path, subject];
    if (!subjects.includes(subject)) sheet.unknownWord(at, "subject", subject, subjects);
    const ids = Object.entries(attributes).filter(([, type]) => type.kind === "id");
    const word = sheet.oneOf(link, at, "attribute of kind id", ["id", ...ids.map(([name]) => name)]);
    if (word !== null) links[subject] = word;
  }
  return links;
}

function related(sheet: Sheet, value: unknown, path: Path, names: string[]): Record<string, string> {
  const roles: Record<string, string> = {};
  if (value === undefined) return roles;
  for (const [role, type] of sheet.map(value, path, "`related`")) {
    checkName(sheet, role, [...path, role], "a related resource");
    const word = sheet.oneOf(type, [...path, role], "type", names);
    if (word !== null) roles[role] = word;
  }
  return roles;
}
