/**
 * `host.yaml`: each tool in the words of the vocabulary, and what its host knows of it. An unknown name is an error: an argument
 * that no call has says nothing of where a call goes, so that nothing would be looked at.
 */
import { readFileSync } from "node:fs";
import { nearestWord } from "../../src/contract/nearest.js";
import { Type, type Static } from "../../src/contract/type.js";
import { ENTRY_KEYS, MappingError, readMapped, type Mapped } from "../../src/guards/mcp/mapping.js";
import { misfit } from "../../src/system/misfit.js";
import { schemas } from "../../src/system/schemas.js";
import { readYamlAs, type YamlDocument } from "../../src/system/yaml.js";
import { DOES, type ToolSaid } from "./catalogue.js";

const names = Type.Array(Type.String(), { uniqueItems: true });
const HostKeys = Type.Object(
  {
    does: Type.Optional(Type.Enum([...DOES])),
    places: Type.Optional(names),
    texts: Type.Optional(names),
    thing: Type.Optional(Type.String()),
    answers_records: Type.Optional(Type.Boolean()),
    others_write: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
const HostFileSchema = Type.Object(
  {
    tools: Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown())),
    places: Type.Optional(names),
    domains: Type.Optional(names),
  },
  { additionalProperties: false },
);

/** A tool's entry: its meaning for the policy, and what its host knows beside that. */
export interface HostTool extends Static<typeof HostKeys> {
  mapped: Mapped;
}

export interface HostFile {
  tools: ReadonlyMap<string, HostTool>;
  /** Paths of trusted facts. */
  places: readonly string[] | undefined;
  domains: readonly string[] | undefined;
}

/** Names that a host file may use. */
export interface KnownNames {
  tools: readonly ToolSaid[];
  trusted: unknown;
  words: { verbs: object; types: object };
}

const HOST_KEYS = Object.keys(HostKeys.properties);
const validateFile = schemas({}).compile<Static<typeof HostFileSchema>>(HostFileSchema);
const validateKeys = schemas({}).compile<Static<typeof HostKeys>>(HostKeys);

/** @throws YamlError naming file, line and key, and what may have been meant */
export function readHostFile(file: string, known: KnownNames): HostFile {
  const document = readYamlAs(readFileSync(file), file, validateFile);
  const { tools, places, domains } = document.value;
  const { words, trusted } = known;
  for (const [section, paths] of Object.entries({ places, domains })) {
    for (const [i, path] of (paths ?? []).entries()) checkPath(document, [section, i], path, trusted);
  }
  const found = Object.entries(tools).map(([name, entry]): [string, HostTool] => {
    const at = ["tools", name];
    const said = known.tools.find((tool) => tool.name === name);
    if (said === undefined)
      throw unknown(
        document,
        at,
        name,
        "tool",
        known.tools.map((tool) => tool.name),
      );
    const keys = [...HOST_KEYS, ...ENTRY_KEYS, ...Object.keys(words.verbs)];
    for (const key of Object.keys(entry)) if (!keys.includes(key)) throw unknown(document, [...at, key], key, "key", keys);
    const tool = readTool(document, at, entry);
    const { type, verb, known: named } = tool.mapped;
    if (!Object.hasOwn(words.types, type)) throw unknown(document, [...at, verb], type, "type", Object.keys(words.types));
    const parameters = said.parameters.map((one) => one.name);
    const { places: goes = [], texts = [], thing } = tool;
    const used = [
      ...goes.map((one, i) => ({ path: ["places", i], one })),
      ...texts.map((one, i) => ({ path: ["texts", i], one })),
      ...(thing === undefined ? [] : [{ path: ["thing"], one: thing }]),
      ...[...named.keys()].map((one) => ({ path: [], one })),
    ];
    for (const { path, one } of used) {
      if (!parameters.includes(one)) throw unknown(document, [...at, ...path], one, "argument", parameters);
    }
    return [name, tool];
  });
  return { tools: new Map(found), places, domains };
}

/** A tool's entry without a file around it, as a draft has it. @throws MappingError */
export function mappedTool(entry: Readonly<Record<string, unknown>>): HostTool {
  return {
    ...hostKeysOf(entry),
    mapped: readMapped(Object.fromEntries(Object.entries(entry).filter(([key]) => !HOST_KEYS.includes(key)))),
  };
}

function hostKeysOf(entry: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entry).filter(([key]) => HOST_KEYS.includes(key)));
}

function readTool({ errorAt }: YamlDocument, at: readonly string[], entry: Readonly<Record<string, unknown>>): HostTool {
  const own = hostKeysOf(entry);
  if (!validateKeys(own)) {
    const { path, problem, hint } = misfit(own, validateKeys);
    throw errorAt([...at, ...path], problem, hint);
  }
  try {
    return mappedTool(entry);
  } catch (cause) {
    if (cause instanceof MappingError) throw errorAt([...at, ...cause.path], cause.message);
    throw cause;
  }
}

/** A path through trusted facts; lists are gone through, and an empty one has no names. */
function checkPath(document: YamlDocument, at: (string | number)[], path: string, trusted: unknown): void {
  let level = [trusted];
  for (const step of path.split(".")) {
    const all = level.flatMap((one): unknown[] => (Array.isArray(one) ? one : [one]));
    const objects = all.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null);
    const having = objects.filter((one) => Object.hasOwn(one, step));
    if (all.length > 0 && having.length === 0)
      throw unknown(document, at, step, "trusted fact", [...new Set(objects.flatMap((one) => Object.keys(one)))]);
    level = having.map((one) => one[step]);
  }
}

function unknown({ errorAt }: YamlDocument, at: readonly (string | number)[], name: string, of: string, known: readonly string[]): Error {
  const meant = nearestWord(name, known);
  return errorAt(at, `unknown ${of} \`${name}\``, meant === null ? null : `did you mean \`${meant}\`?`);
}
