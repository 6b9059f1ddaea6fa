/** Reads a file of what is known of subjects and resources beside facts: types, ids and their properties. */
import { readBytes } from "../../system/read_file.js";
import { readYaml } from "../../system/yaml.js";
import type { Entity, JsonMembers } from "./read.js";

export interface Entities {
  /** The entity with what is known of it; what the request says of it goes before, and null says nothing. */
  complete: <E extends Entity>(entity: E) => E;
  /** Ids of one type, in the order of their UTF-16 units, from the first after `after` on. */
  after: (type: string, after: string) => Iterable<string>;
}

export const NO_ENTITIES: Entities = { complete: (entity) => entity, after: () => [] };

/** @throws YamlError naming file, line and place */
export function readEntities(file: string, max: number): Entities {
  return parseEntities(readBytes(file), file, max);
}

/** @throws YamlError naming file, line and place */
export function parseEntities(text: string | Uint8Array, file: string, max: number): Entities {
  const { value, errorAt } = readYaml(text, file);
  const known = new Map<string, Map<string, JsonMembers>>();
  let count = 0;
  for (const [type, ids] of entriesOf(value ?? {}, [], errorAt)) {
    const ofType = new Map<string, JsonMembers>();
    for (const [id, properties] of entriesOf(ids ?? {}, [type], errorAt)) {
      if (++count > max) throw errorAt([type, id], `there are more than ${max}: see \`authzen.entities_max\``);
      ofType.set(id, Object.fromEntries(entriesOf(properties ?? {}, [type, id], errorAt)));
    }
    known.set(type, ofType);
  }
  const sorted = new Map([...known].map(([type, ids]) => [type, [...ids.keys()].sort()]));
  return {
    complete(entity) {
      const properties = known.get(entity.type)?.get(entity.id);
      if (properties === undefined) return entity;
      const said = Object.entries(entity.properties ?? {}).filter(([, value]) => value !== null);
      return { ...entity, properties: { ...properties, ...Object.fromEntries(said) } };
    },
    after: (type, after) => fromFirstAfter(sorted.get(type) ?? [], after),
  };
}

function entriesOf(value: unknown, path: string[], errorAt: (path: string[], problem: string) => Error): [string, unknown][] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.entries(value);
  const what = ["types", "ids", "properties"][path.length] ?? "keys";
  throw errorAt(path, `must be ${what} with what they have`);
}

function* fromFirstAfter(ids: readonly string[], after: string): Generator<string> {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] ?? "") <= after) low = middle + 1;
    else high = middle;
  }
  for (let at = low; at < ids.length; at++) yield ids[at] ?? "";
}
