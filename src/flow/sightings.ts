/** Reads answers: who wrote each value, and how it stood there. */
import type { Returned, SeenRecord, ValueKind, ValueWriter } from "../contract/index.js";
import type { ReadInstruction } from "./instruction.js";
import { isInside, textOf, type OwnValues } from "./own_values.js";
import { below, namesOf } from "./file_paths.js";
import { PLACES, type VerbPlan } from "./plan.js";
import { keyOf, rank, worst, type Sighting, type Sightings } from "./seen_memory.js";
import type { TypedValue } from "./values.js";

/**
 * Keys of what a call is asked with, where neither the user, the own facts nor a service gave it. `others`: it was read on the task, so an
 * answer that repeats it makes it no better. `agent`: an address that nothing has held; a repetition is no source of it.
 */
export type QuestionKeys = ReadonlyMap<string, "others" | "agent">;

/** Permitted call that an answer is of. */
export interface AnsweredCall {
  readonly task: string;
  readonly plan: VerbPlan;
  /** Names that say which thing was asked for: the id, and the arguments. */
  readonly asked: readonly string[];
  /** Path of the folder or file that it is about; null: its type has no paths. */
  readonly folder: string | null;
  readonly instruction: ReadInstruction | null;
  readonly own: OwnValues;
  readonly told: QuestionKeys;
}

/** Names of a place, without its lists. */
function bareOf(path: string): string {
  return path.replaceAll(/\[\]|\{\}/g, "");
}

/** Last name of a place: of `messages[].sender` `sender`. */
function fieldOf(path: string): string {
  const bare = bareOf(path);
  return bare.slice(bare.lastIndexOf(".") + 1) || "text";
}

/** Gives each value of an answer its writer, by the words of the verb that was called. */
export function sightingsOf(
  decisionId: string,
  { task, plan: { flow }, asked, folder, instruction, own, told }: AnsweredCall,
  returned: Returned,
): Sightings {
  const writes = flow?.writes ?? {};
  const said = (path: string): ValueWriter | "author" => {
    const bare = bareOf(path);
    if (Object.hasOwn(writes, bare)) return writes[bare] ?? "anyone";
    // Whoever writes a whole member chooses what its parts are called.
    const parts = bare.split(".");
    for (let length = 1; length < parts.length; length++) {
      for (const name of [parts.slice(0, length).join("."), parts[length - 1] ?? ""]) {
        const writer = Object.hasOwn(writes, name) ? writes[name] : undefined;
        if (writer === "author" || (writer !== undefined && rank(writer) > rank("service"))) return writer;
      }
    }
    for (const name of [fieldOf(path), "*"]) if (Object.hasOwn(writes, name)) return writes[name] ?? "anyone";
    return "anyone";
  };
  const fields = returned.paths.map(({ path, text }) => ({ path, text, field: fieldOf(path), writer: said(path) }));
  const all = returned.paths.flatMap(({ values }, at) => values.map((one) => ({ ...one, at })));
  const authors = authorsOf(all, fields, flow?.author ?? null, own);
  const writerAt = (at: number, record: number): ValueWriter => {
    const writer = fields[at]?.writer ?? "anyone";
    return writer === "author" ? (authors.get(record) ?? "anyone") : writer;
  };
  const isNamedCall = instruction !== null && asked.some((name) => instruction.names(name));
  const named = new Set<number>();
  const kinds = new KindCounts();
  for (const { kind, value, at, record } of all) {
    if (kind === "name" && instruction?.names(value) === true) named.add(record);
    const isText = fields[at]?.text === true;
    kinds.add(`${isText ? "texts" : "fields"} ${record}`, kind, value);
    // A call that is named names all of its answer.
    kinds.add(isText ? "all texts" : "all fields", kind, value);
  }
  const secret = new Set(flow?.secret ?? []);
  const isSecret = ({ path, field }: (typeof fields)[number]): boolean =>
    [...bareOf(path).split("."), field].some((name) => secret.has(name));
  const values = all.flatMap((one): Sighting[] => {
    const { kind, at, record } = one;
    const key = keyOf(one);
    if (told.get(key) === "agent") return [];
    const isText = fields[at]?.text === true;
    const [isNamedRecord, places] = [named.has(record), isText ? "texts" : "fields"];
    const isAlone =
      (!isText || one.alone === true) &&
      kinds.isOne(`${places} ${record}`, kind) &&
      (isNamedRecord || !isNamedCall || kinds.isOne(`all ${places}`, kind));
    const sighting: Sighting = {
      key,
      kind,
      writer: told.has(key) ? worst(writerAt(at, record), "anyone") : writerAt(at, record),
      path: fields[at]?.path ?? "",
      named: isNamedCall || isNamedRecord,
      alone: isAlone,
      secret: fields[at] !== undefined && isSecret(fields[at]),
    };
    return folder === null || (kind !== "path" && kind !== "name") ? [sighting] : inFolder(sighting, one.value, folder);
  });
  const foreign = (writer: ValueWriter): boolean => rank(writer) > rank("service");
  const others =
    returned.full === true ||
    fields.some(({ text, writer }) => text && (writer === "author" || foreign(writer))) ||
    all.some(({ kind, at, record }) => PLACES.has(kind) && foreign(writerAt(at, record)));
  return { task, decision_id: decisionId, others, full: returned.full === true, values };
}

/**
 * Puts what a service lists into the folder that was asked for: a name there, or a path from there on, folder by folder. Deeper names of a tree, and
 * paths elsewhere, aren't certain to be what was listed.
 */
function inFolder(sighting: Sighting, value: string, folder: string): Sighting[] {
  if (rank(sighting.writer) > rank("service")) return [sighting];
  const isRooted = value.startsWith("/") || value.startsWith("~");
  const isThere = value === folder || value.startsWith(folder === "/" ? folder : `${folder}/`);
  if (isRooted) return [isThere ? sighting : { ...sighting, writer: "anyone" }];
  if ((sighting.path.match(/\[\]/g) ?? []).length > 1) return [sighting];
  const names = namesOf(value);
  const way = folder === "/" ? "" : folder;
  const put = names.map((name, i) => {
    const above = names.slice(0, i).map((one) => `/${one}`);
    return { ...sighting, key: keyOf({ kind: sighting.kind, value: below(`${way}${above.join("")}` || "/", name) }) };
  });
  return [sighting, ...put];
}

/** Number of different values of a kind in each place that counts as one. */
export class KindCounts {
  readonly #values = new Map<string, Set<string>>();

  add(where: string, kind: ValueKind, value: string): void {
    const place = `${kind} ${where}`;
    const values = this.#values.get(place) ?? new Set<string>();
    this.#values.set(place, values.add(value));
  }

  isOne(where: string, kind: ValueKind): boolean {
    return this.#values.get(`${kind} ${where}`)?.size === 1;
  }
}

/** Record → who wrote it, by the field that names its author. */
function authorsOf(
  values: readonly (TypedValue & { at: number; record: number })[],
  fields: readonly { field: string }[],
  author: string | null,
  { addresses, members }: OwnValues,
): Map<number, ValueWriter> {
  if (author === null) return new Map();
  const named = values.filter(({ kind, at }) => fields[at]?.field === author && (kind === "email" || kind === "name"));
  const addressed = new Set(named.filter(({ kind }) => kind === "email").map(({ record }) => record));
  const found = new Map<number, ValueWriter>();
  for (const { kind, value, record } of named) {
    // Beside an address, a name says nothing: anyone can call themselves so. Of two addresses the stranger's counts.
    if (kind === "name" && addressed.has(record)) continue;
    const writer: ValueWriter = addresses.has(textOf({ kind, value })) ? "own" : isInside({ kind, value }, members) ? "member" : "anyone";
    const other = found.get(record);
    found.set(record, other === undefined || rank(other) < rank(writer) ? writer : other);
  }
  return found;
}

/** @returns the member of a record: values that share all but their digests stand together */
export function recordOf({ task, others, full, values }: Sightings): SeenRecord {
  const groups = new Map<string, SeenRecord["values"][number]>();
  for (const { key, ...rest } of values) {
    const id = `${rest.kind} ${rest.writer} ${rest.named} ${rest.alone} ${rest.secret} ${rest.path}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, { ...rest, keys: [key] });
    else group.keys.push(key);
  }
  return { task, others, full, values: [...groups.values()] };
}
