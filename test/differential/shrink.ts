/** Makes JSON that shows something smaller, for as long as it goes on showing it. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/**
 * Greedy: members, elements, then values are taken away or made plainer, one at a time, until nothing more can be.
 * @param shows whether what matters is still to be seen; true for `value` itself
 * @param triesMax how often it may be asked
 */
export async function shrink(value: Json, shows: (candidate: Json) => Promise<boolean>, triesMax = 20_000): Promise<Json> {
  let best = value;
  let tries = 0;
  for (let changed = true; changed;) {
    changed = false;
    for (const path of paths(best).slice(1)) {
      // What came before in this pass may have taken the place away.
      for (const candidate of simpler(at(best, path))) {
        if (++tries > triesMax) return best;
        const next = put(best, path, candidate);
        if (cost(next) >= cost(best) || !(await shows(next))) continue;
        best = next;
        changed = true;
        break;
      }
    }
  }
  return best;
}

type Path = (string | number)[];
const GONE = Symbol("gone");
type Place = Json | typeof GONE;

/** Every place, the whole first, outer ones before inner: what goes as a whole needn't be made smaller. */
function paths(value: Json, path: Path = []): Path[] {
  const inner = isParent(value)
    ? Object.keys(value).flatMap((key) => paths((value as Record<string, Json>)[key] as Json, [...path, key]))
    : [];
  return [path, ...inner];
}

function isParent(value: Place): value is Json[] | { [key: string]: Json } {
  return typeof value === "object" && value !== null;
}

function at(value: Json, path: Path): Place {
  return path.reduce<Place>(
    (place, key) => (isParent(place) && Object.hasOwn(place, key) ? ((place as Record<string, Json>)[key] as Json) : GONE),
    value,
  );
}

function put(value: Json, path: Path, replacement: Place): Json {
  const [key, ...rest] = path;
  if (key === undefined) return replacement as Json;
  if (Array.isArray(value)) {
    if (rest.length === 0 && replacement === GONE) return value.filter((_, i) => i !== Number(key));
    return value.map((each, i) => (i === Number(key) ? put(each, rest, replacement) : each));
  }
  const members = Object.entries(value as { [key: string]: Json });
  return Object.fromEntries(
    members.flatMap(([name, member]): [string, Json][] => {
      if (name !== String(key)) return [[name, member]];
      return rest.length === 0 && replacement === GONE ? [] : [[name, put(member, rest, replacement)]];
    }),
  );
}

/** Plainest first. */
function simpler(value: Place): Place[] {
  if (value === GONE) return [];
  const empty: Place[] = [GONE, null];
  switch (typeof value) {
    case "boolean":
      return [...empty, false];
    case "number":
      return [...empty, 0, 1, Math.trunc(value), Math.trunc(value / 1000) * 1000, Math.trunc(value / 2), Math.abs(value)];
    case "string": {
      const characters = Array.from(value);
      const half = Math.ceil(characters.length / 2);
      return [
        ...empty,
        "",
        "a",
        characters.slice(0, half).join(""),
        characters.slice(half).join(""),
        characters.slice(1).join(""),
        characters.slice(0, -1).join(""),
        value.replace(/[^\x20-\x7e]/gu, "a"),
      ];
    }
    default:
      if (value === null) return [GONE];
      if (Array.isArray(value)) return [...empty, [], value.slice(0, value.length / 2), value.slice(value.length / 2)];
      return [...empty, {}];
  }
}

/** What shrinking lowers: a total order would do, this one prefers what people find plain. */
function cost(value: Json): number {
  if (value === null) return 1;
  switch (typeof value) {
    case "boolean":
      return value ? 3 : 2;
    case "number":
      return 3 + (value === 0 ? 0 : String(value).replace(/0+$/, "").length);
    case "string":
      return 3 + Array.from(value).reduce((sum, each) => sum + (each === "a" ? 1 : each >= " " && each <= "~" ? 2 : 4), 0);
    default:
      if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + 1 + cost(each), 4);
      return Object.entries(value).reduce((sum, [key, member]) => sum + 1 + key.length + cost(member), 4);
  }
}
