/** Which fields an author masks, and what may read them. */
import {
  aboutPlaces,
  conditionPaths,
  inputPlaces,
  overlap,
  pathShows,
  templatePaths,
  type Catalogue,
  type Entry,
  type Mask,
  type Purpose,
  type Vocabulary,
} from "../contract/index.js";
import type { ReadByRules } from "./reads.js";

type MaskPlace = Omit<Mask, "read_by">;

/** @param value of a `vocabulary.yaml`, as it was read */
export function masksOf(value: unknown, vocabulary: Vocabulary): Mask[] {
  const found: MaskPlace[] = [];
  const all = members(value);
  for (const [name, word] of Object.entries(members(all["context"]))) if (word === "masked") found.push({ at: ["context", name] });
  const task = members(all["task"]);
  if (task["principal"] === "masked") found.push({ at: ["task", "principal"] });
  found.push(...fieldMasks(task["attributes"], ["task", "attributes"]));
  found.push(...fieldMasks(members(all["agent"])["attributes"], ["agent", "attributes"]));
  for (const [name, spec] of Object.entries(members(all["types"]))) {
    const said = members(spec);
    if ("masked" in members(said["id"])) found.push({ at: ["types", name, "id"] });
    for (const kind of ["attributes", "arguments"]) found.push(...fieldMasks(said[kind], ["types", name, kind]));
  }
  return withLinked(found, vocabulary).map((one) => ({ ...one, read_by: [] }));
}

function members(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function fieldMasks(fields: unknown, at: readonly string[]): MaskPlace[] {
  return Object.entries(members(fields)).flatMap(([name, type]) => typeMasks(type, [...at, name]));
}

/** Returns the masks of a type. Below a value that is masked whole none is needed. */
function typeMasks(type: unknown, at: readonly string[]): MaskPlace[] {
  const { masked, list, object } = members(type);
  if (masked !== undefined) return [{ at: [...at] }];
  if (list !== undefined) return typeMasks(list, [...at, "*"]);
  return object === undefined ? [] : fieldMasks(object, at);
}

/** Ids that are masked are so wherever the vocabulary says that they stand: in a task's subjects, and in what is about them. */
function withLinked(found: readonly MaskPlace[], { types }: Vocabulary): MaskPlace[] {
  const all = new Map(found.map((one) => [one.at.join("/"), one]));
  const add = (at: string[], as: string[]): void => {
    const known = all.get(at.join("/"));
    if (known === undefined || (known.as === undefined && at.join("/") !== as.join("/"))) all.set(at.join("/"), { at, as });
  };
  // Grows while it is gone through: what shares its ids with another may lend them on.
  for (const { at, as = at } of all.values()) {
    const [root, type = "", member] = at;
    if (root !== "types" || member !== "id") continue;
    const subjects = Object.entries(types[type]?.about ?? {}).flatMap(([subject, link]) => (link === "id" ? [subject] : []));
    for (const subject of subjects) {
      add(["task", "subjects", subject, "*"], as);
      for (const [name, { about }] of Object.entries(types)) {
        const link = Object.hasOwn(about, subject) ? about[subject] : undefined;
        if (link !== undefined) add(link === "id" ? ["types", name, "id"] : ["types", name, "attributes", link], as);
      }
    }
  }
  return [...all.values()];
}

/** The masks, each with what may read it. */
export function withReaders(
  vocabulary: Vocabulary,
  purposes: Readonly<Record<string, Purpose>>,
  catalogue: Catalogue,
  rules: ReadByRules,
): Vocabulary {
  if (vocabulary.masks === undefined) return vocabulary;
  const entries = Object.values(purposes).flatMap((purpose) =>
    [purpose.allow, purpose.flag, purpose.never].flatMap((line) =>
      Object.entries(line).flatMap(([type, verbs]) => Object.values(verbs).flatMap((those) => those.map((entry) => ({ type, entry })))),
    ),
  );
  const masks = vocabulary.masks.map((mask) => {
    const readers = new Set<string>();
    for (const { type, entry } of entries)
      if (entryReads(entry, inputPlaces(mask, type, vocabulary), type, vocabulary)) readers.add(entry.reason.code);
    for (const [code, { message }] of Object.entries(catalogue))
      if (templatePaths(message).some((path) => pathShows(path, mask))) readers.add(code);
    const places = inputPlaces(mask, null, vocabulary);
    for (const { name, reads } of rules)
      if (reads === "everything" || reads.some((path) => places.some((place) => overlap(path, place)))) readers.add(name);
    return { ...mask, read_by: [...readers].sort() };
  });
  return { ...vocabulary, masks };
}

function entryReads({ about, when }: Entry, places: string[][], type: string, vocabulary: Vocabulary): boolean {
  const paths = [...when.flatMap(conditionPaths), ...(about === "any" ? [] : aboutPlaces(type, vocabulary))];
  return paths.some((path) => places.some((place) => overlap(path, place)));
}

/** Returns true if a mask leads to a field of its vocabulary: another would mask nothing, and look as if it did. */
export function leadsToField({ at }: Pick<Mask, "at">, { task, agent, types }: Vocabulary): boolean {
  const [root, name = "", ...rest] = at;
  switch (root) {
    case "context":
      return ["session", "source", "trace"].includes(name) && rest.length === 0;
    case "agent":
      return name === "attributes" && isField(rest, agent.attributes);
    case "task":
      if (name === "principal") return rest.length === 0;
      if (name === "subjects") return rest.length === 2 && task.subjects.includes(rest[0] ?? "") && rest[1] === "*";
      return name === "attributes" && isField(rest, task.attributes);
    case "types": {
      const spec = Object.hasOwn(types, name) ? types[name] : undefined;
      const [kind, ...below] = rest;
      if (kind === "id") return spec !== undefined && below.length === 0;
      return (kind === "attributes" || kind === "arguments") && isField(below, spec?.[kind] ?? {});
    }
    default:
      return false;
  }
}

function isField([name = "", ...rest]: string[], fields: Vocabulary["agent"]["attributes"]): boolean {
  let type = Object.hasOwn(fields, name) ? fields[name] : undefined;
  for (const [i, step] of rest.entries()) {
    if (type?.kind === "object") return isField(rest.slice(i), type.fields);
    type = step === "*" && type?.kind === "list" ? type.of : undefined;
  }
  return type !== undefined;
}
