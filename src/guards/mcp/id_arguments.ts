/**
 * Guesses by which arguments a tool names the one thing that it acts on, for a draft. A number alone often names nothing: an issue is one of a
 * repository of an owner's. What belongs to its name is what every tool asks for that asks for the number.
 */
import { isObject } from "../../mapping/call_mapping.js";
import { namesMany, singular, snake } from "./tool_names.js";
import { withoutNull, type Schema } from "./tool_schemas.js";

/** Arguments that name one thing. */
export interface IdArguments {
  id: string;
  /** Arguments within which the id is one thing's alone, such as the owner and the repository; empty: it is so anywhere. */
  within: readonly string[];
}

const SUFFIX = /(?:^|_)(?:id|iid|uid|uuid|sid|pid|number|no|nr|key|slug|sha)$/;
/** Whole names that are an id wherever they stand. */
const ANYWHERE = ["uuid", "sid", "pid", "path", "file_path", "uri", "key", "sha"];
/** Arguments that somebody writes rather than names. */
const WRITTEN = new Set("text content body query prompt command code sql message value title description".split(" "));
const OWNERS =
  "owner|org|organization|organisation|project|repo|repository|workspace|team|namespace|database|db|schema|catalog|collection|table|base|bucket|drive|site|space|board|tenant|account|cluster|group|zone|dataset";
const PLACE = new RegExp(`(?:^|_)(?:id|iid|sid|key|slug|${OWNERS})$`);
const OWNER = new RegExp(`(?:^|_)(?:${OWNERS})(?:_(?:id|key|slug|name))?$`);
/** Beginnings of what says where a thing goes, or what it becomes: that is no part of its name. */
const NOT_YET = /^(?:new|to|from|target|source|dest|destination|parent)(?:_|$)/;

/** Parameters of a tool that are looked at: whoever writes a catalogue can make it long. */
const CONSIDERED_MAX = 64;

export class IdGuesses {
  /** Argument → the tools whose every call has it. */
  readonly #tools = new Map<string, Schema[]>();
  /** Places that belong to the names of things which several tools take. */
  readonly #known: ReadonlySet<string>;

  /** @param tools parameters that every call of each of the server's tools has, with their schemas */
  constructor(tools: readonly Schema[]) {
    for (const required of tools)
      for (const name of Object.keys(required).slice(0, CONSIDERED_MAX)) {
        const known = this.#tools.get(name);
        if (known === undefined) this.#tools.set(name, [required]);
        else known.push(required);
      }
    const names = [...this.#tools.keys()].filter((name) => SUFFIX.test(snake(name)) || PLACE.test(snake(name)));
    this.#known = new Set(names.flatMap((name) => (this.#with(name).length > 1 ? this.#steady(name) : [])));
  }

  /**
   * @param required of the tool
   * @param nouns what it is about, in words
   * @returns null where no argument looks like an id
   */
  of(required: Schema, nouns: readonly string[]): IdArguments | null {
    const names = Object.keys(required)
      .slice(0, CONSIDERED_MAX)
      .filter((name) => isScalar(name, required[name]) && !WRITTEN.has(snake(name)));
    const id = this.#named(names, singular(nouns)) ?? (namesMany(nouns) ? null : this.#closest(names, nouns));
    if (id === null) return null;
    // In one order, whatever a tool's own is: else two tools would have two ids for one thing.
    return { id, within: this.#steady(id).filter((name) => this.#with(id).length > 1 || this.#known.has(name)) };
  }

  /** Returns the places that a file's path begins in. */
  aroundFile(path: string): string[] {
    return this.#steady(path).filter((name) => OWNER.test(snake(name)));
  }

  #named(names: readonly string[], nouns: readonly string[]): string | null {
    const [all, last = ""] = [nouns.join("_"), nouns.at(-1)];
    const of = (word: string): string[] => ["id", "iid", "sid", "number", "no", "nr", "key", "slug"].map((suffix) => `${word}_${suffix}`);
    const own = nouns.length === 0 ? [] : [...of(all), ...of(last), all, last];
    const wanted = ["id", ...own, ...ANYWHERE, `${last}_name`, "name"];
    return wanted.flatMap((word) => names.filter((name) => snake(name) === word))[0] ?? null;
  }

  /** Returns the argument that is called like the beginning of the thing: a pull request's status has a `pull_number`. */
  #closest(names: readonly string[], nouns: readonly string[]): string | null {
    const leading = (name: string): string[] => (SUFFIX.test(snake(name)) ? snake(name).split("_").slice(0, -1) : []);
    const about = names.filter((name) => leading(name).length > 0 && leading(name).every((word) => nouns.includes(word)));
    const [closest] = about.toSorted((a, b) => leading(b).length - leading(a).length);
    if (closest !== undefined) return closest;
    const ids = names.filter((name) => /_id$/.test(snake(name)) && !this.#known.has(name));
    return ids.length === 1 ? (ids[0] ?? null) : null;
  }

  #with(name: string): readonly Schema[] {
    return this.#tools.get(name) ?? [];
  }

  /** The places that every tool takes which takes this argument. */
  #steady(id: string): string[] {
    const all = this.#with(id);
    const names = Object.keys(all[0] ?? {}).slice(0, CONSIDERED_MAX);
    return names.filter(
      (name) => name !== id && PLACE.test(snake(name)) && !NOT_YET.test(snake(name)) && all.every((one) => isScalar(name, one[name])),
    );
  }
}

function isScalar(name: string, schema: unknown): boolean {
  const { type } = isObject(schema) ? withoutNull(schema) : {};
  return type === "string" || type === "integer" || (type === "number" && SUFFIX.test(snake(name)));
}
