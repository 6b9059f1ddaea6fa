/** Parts of a purpose about whose values an action has, and about the labels that a task has read: `from`, `delegated`, `after`, `lowers`. */
import {
  argumentOf,
  WRITERS,
  type Condition,
  type Delegation,
  type FoundWriter,
  type Purpose,
  type Vocabulary,
} from "../contract/index.js";
import type { Path, Sheet } from "./source.js";
import { readTargets, type VerbTarget } from "./targets.js";

/** Writers that an entry may accept. */
export const ACCEPTED = [...WRITERS, "nowhere"] as const;
export const ARGUMENT = /^(?:\*|(?:related\.)?[A-Za-z_][\w-]*)$/;
export const SOURCE_KEYS = ["from", "delegated"] as const;
const DELEGATED_KEYS = ["named", "alone", "then", "code", "severity", "title", "message", "tell_agent"] as const;
export const DELEGATED_THEN = ["allow", "wait"] as const;
const AFTER_KEYS = ["never", "code", "severity", "title", "message", "tell_agent"] as const;
export const RULES_MAX = 256;
const ANY_ARGUMENT = "*";

export interface CompiledSources {
  /** Condition of the entry itself. */
  when: Condition[];
  /** Flag that waits where something is accepted only as delegated. */
  waits: { when: Condition[]; said: Record<string, unknown> } | null;
}

const NOTHING: CompiledSources = { when: [], waits: null };

/** `from: [user, own, service]` or `from: {recipients: [user]}`, and `delegated: {named: true, alone: true, then: wait}`. */
export function compileSources(
  sheet: Sheet,
  said: Record<string, unknown>,
  path: Path,
  targets: readonly VerbTarget[],
  vocabulary: Vocabulary,
): CompiledSources {
  if (said["from"] === undefined) {
    if (said["delegated"] !== undefined)
      sheet.error([...path, "delegated"], "`delegated` says what follows beside `from`", "write `from: [user, own, service]` too");
    return NOTHING;
  }
  const at = [...path, "from"];
  checkTargets(sheet, at, targets, vocabulary);
  const of = acceptedWriters(sheet, said["from"], at, targets, vocabulary);
  const delegation = said["delegated"] === undefined ? null : readDelegation(sheet, said["delegated"], [...path, "delegated"]);
  if (Object.keys(of).length === 0) return NOTHING;
  const condition = { name: "from", path: [] as [], of, ...(delegation !== null && { delegated: delegation.delegated }) };
  const from: Condition = { ...condition, op: "from" };
  if (delegation?.then !== "wait") return { when: [from], waits: null };
  return { when: [from], waits: { when: [{ ...condition, op: "delegated" }], said: delegation.said } };
}

/** A verb that only looks has no sources, and neither has a type without roles: what says nothing there would hold for everything. */
function checkTargets(sheet: Sheet, at: Path, targets: readonly VerbTarget[], { verbs, types }: Vocabulary): void {
  for (const { verb, types: of } of targets) {
    for (const type of of) {
      const flow = types[type]?.flow;
      const effect = flow?.effects?.[verb] ?? verbs[verb]?.effect;
      if (Object.keys(flow?.roles ?? {}).length === 0)
        sheet.error(at, `no argument of \`${type}\` has a role`, "say `roles` of the type in vocabulary.yaml");
      else if (effect === "look")
        sheet.error(at, `\`${verb}\` only looks: nothing is asked of its values`, "leave `from` out, or write `flow: {looks: deny}`");
    }
  }
}

function acceptedWriters(
  sheet: Sheet,
  value: unknown,
  at: Path,
  targets: readonly VerbTarget[],
  vocabulary: Vocabulary,
): Record<string, FoundWriter[]> {
  const writers = (said: unknown, place: Path): FoundWriter[] =>
    sheet.words(said, place, "`from`").flatMap((word, i) => sheet.oneOf<FoundWriter>(word, [...place, i], "writer", ACCEPTED) ?? []);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const all = writers(value, at);
    return all.length === 0 ? {} : { [ANY_ARGUMENT]: all };
  }
  const known = (type: string): string[] => [...new Set(Object.keys(vocabulary.types[type]?.flow?.roles ?? {}).map(argumentOf))];
  const found: Record<string, FoundWriter[]> = {};
  const said = sheet.map(value, at, "`from`");
  if (said.length === 0) sheet.error(at, "`from` names no argument");
  for (const [name, one] of said) {
    for (const type of targets.flatMap(({ types }) => types)) {
      const arguments_ = [...known(type), ANY_ARGUMENT];
      if (!arguments_.includes(name)) sheet.unknownWord([...at, name], `argument with a role of \`${type}\``, name, arguments_);
    }
    const accepted = writers(one, [...at, name]);
    if (accepted.length > 0) found[name] = accepted;
  }
  return found;
}

interface ReadDelegation {
  delegated: Delegation;
  then: (typeof DELEGATED_THEN)[number];
  said: Record<string, unknown>;
}

function readDelegation(sheet: Sheet, value: unknown, at: Path): ReadDelegation | null {
  const said = sheet.fields(value, at, "`delegated`", DELEGATED_KEYS);
  const flag = (key: "named" | "alone"): boolean =>
    said[key] === undefined ? true : (sheet.boolean(said[key], [...at, key], `\`${key}\``) ?? true);
  const delegated = { named: flag("named"), alone: flag("alone") };
  const then = sheet.oneOf(said["then"], [...at, "then"], "`then`", DELEGATED_THEN);
  if (!delegated.named)
    sheet.error([...at, "named"], "what the instruction doesn't name isn't delegated", "accept `anyone` in `from`, if that is meant");
  if (then === "allow") {
    for (const key of ["code", "severity", "title", "message", "tell_agent"] as const)
      if (said[key] !== undefined) sheet.error([...at, key], `\`${key}\` is of what waits`, "leave it out, or write `then: wait`");
  }
  return then === null ? null : { delegated, then, said };
}

export interface LabelRule {
  targets: VerbTarget[];
  when: Condition[];
  said: Record<string, unknown>;
  at: Path;
}

/** `after: [{read: {label: confidential}, never: [send]}]`: verbs that are closed once something with that label was read. */
export function compileAfter(sheet: Sheet, value: unknown, path: Path, vocabulary: Vocabulary): LabelRule[] {
  if (value === undefined) return [];
  const reads = Object.keys(vocabulary.verbs).filter((verb) => vocabulary.verbs[verb]?.class === "read");
  const labels = labelsOf(vocabulary);
  return rulesOf(sheet, value, path, "after").flatMap(([one, at]): LabelRule[] => {
    const said = sheet.fields(one, at, "a rule of `after`", [...reads, ...AFTER_KEYS]);
    const [verb, ...more] = reads.filter((name) => said[name] !== undefined);
    if (verb === undefined || more.length > 0) {
      sheet.error(at, "a rule of `after` names one verb that reads", "write {read: {label: confidential}, never: [send]}");
      return [];
    }
    const { label } = sheet.fields(said[verb], [...at, verb], `\`${verb}\``, ["label"]);
    const wanted = sheet.words(label, [...at, verb, "label"], "`label`");
    for (const word of wanted) if (!labels.includes(word)) sheet.unknownWord([...at, verb, "label"], "label", word, labels);
    const targets = closedVerbs(sheet, said["never"], [...at, "never"], vocabulary);
    if (targets.length === 0 || wanted.length === 0) return [];
    const when: Condition[] = [{ name: "task.labels", path: ["facts", "flow", "labels"], op: "in", value: wanted }];
    return [{ targets, when, said, at }];
  });
}

/** `[send]` closes a verb for every type, `{send: mail}` for one. */
function closedVerbs(sheet: Sheet, value: unknown, at: Path, vocabulary: Vocabulary): VerbTarget[] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const said = sheet.fields(value, at, "`never`", Object.keys(vocabulary.verbs));
    return readTargets(sheet, said, at, "`never`", vocabulary);
  }
  const known = Object.keys(vocabulary.verbs);
  return sheet.words(value, at, "`never`").flatMap((verb): VerbTarget[] => {
    if (known.includes(verb)) return [{ verb, types: Object.keys(vocabulary.types) }];
    sheet.unknownWord(at, "verb", verb, known);
    return [];
  });
}

/** `lowers: [{approve: document, labels: [confidential]}]`: actions after which a task no longer has a label. */
export function compileLowers(sheet: Sheet, value: unknown, path: Path, vocabulary: Vocabulary): Pick<Purpose, "lowers"> {
  if (value === undefined) return {};
  const labels = labelsOf(vocabulary);
  const lowers: NonNullable<Purpose["lowers"]> = {};
  for (const [one, at] of rulesOf(sheet, value, path, "lowers")) {
    const said = sheet.fields(one, at, "a rule of `lowers`", [...Object.keys(vocabulary.verbs), "labels"]);
    const targets = readTargets(sheet, said, at, "the rule", vocabulary);
    const words = sheet.words(said["labels"], [...at, "labels"], "`labels`");
    for (const word of words) if (!labels.includes(word)) sheet.unknownWord([...at, "labels"], "label", word, labels);
    for (const { verb, types } of targets) {
      for (const type of types) {
        const verbs = (lowers[type] ??= {});
        verbs[verb] = [...new Set([...(verbs[verb] ?? []), ...words])].sort();
      }
    }
  }
  return Object.keys(lowers).length === 0 ? {} : { lowers };
}

function rulesOf(sheet: Sheet, value: unknown, path: Path, name: string): [unknown, Path][] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > RULES_MAX) sheet.error(path, `at most ${RULES_MAX} rules in \`${name}\``);
  return list.map((one, i) => [one, Array.isArray(value) ? [...path, i] : path]);
}

/** Every label that something of the vocabulary gives. */
export function labelsOf({ types }: Vocabulary): string[] {
  return [...new Set(Object.values(types).flatMap(({ flow }) => flow?.labels ?? []))].sort();
}
