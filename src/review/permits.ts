/** Permissions of a bundle's purposes, one verb on one type at a time, and which of them a decision used. */
import { triedEntries } from "../explain/tried_entries.js";
import { entryWords, hoursWords } from "../bundle/diff.js";
import type { BundleContent } from "../bundle/verify.js";
import { WEEKS_BUCKET_MS, type Entry, type PolicyInput, type Purpose, type Zone } from "../contract/index.js";
import { PERMITTING, type PermittingLine } from "./written_purposes.js";

export interface Permit {
  line: PermittingLine;
  verb: string;
  type: string;
  words: string;
}

const HOUR_MS = 3_600_000;

/** Permissions of one bundle. */
export class Permits {
  readonly digest: string;
  readonly #data: BundleContent["data"];
  readonly #words = new WeakMap<Entry, Map<string, string>>();
  readonly #all = new Map<string, Permit[]>();

  constructor({ identity, data }: BundleContent) {
    this.digest = identity.digest;
    this.#data = data;
  }

  get vocabulary(): BundleContent["data"]["vocabulary"] {
    return this.#data.vocabulary;
  }

  get purposes(): readonly string[] {
    return Object.keys(this.#data.purposes);
  }

  purpose(id: string): Purpose | null {
    return Object.hasOwn(this.#data.purposes, id) ? (this.#data.purposes[id] ?? null) : null;
  }

  /** Returns a purpose's permissions, in the order of the vocabulary's words. */
  of(id: string): readonly Permit[] {
    let all = this.#all.get(id);
    if (all === undefined) this.#all.set(id, (all = this.#permitsOf(id)));
    return all;
  }

  /** Returns the permissions that an action which wasn't refused used: an unknown never helps an `allow`, and counts in a `flag`. */
  usedBy(input: PolicyInput): string[] {
    const { verb, resource } = input.request;
    return triedEntries(this.#data, input).flatMap(({ effect, entry, applies }) => {
      if (effect === "never" || (effect === "allow" ? applies !== "yes" : applies === "no")) return [];
      return [this.#wordsOf(effect, resource.type, verb, entry)];
    });
  }

  hoursOf(id: string): string | null {
    const purpose = this.purpose(id);
    return purpose === null ? null : hoursWords(purpose.hours);
  }

  /** Null where the purpose has no hours, and so no place. */
  zoneOf(id: string): string | null {
    return this.purpose(id)?.hours?.zone ?? null;
  }

  /** Hour of the local week, from Monday 0:00; of UTC where nothing says which. */
  hourOf(id: string, ms: number): number {
    const name = this.zoneOf(id);
    const zone = name === null ? undefined : this.#data.zones[name];
    return (zone === undefined ? null : localHour(zone, ms)) ?? utcHour(ms);
  }

  #permitsOf(id: string): Permit[] {
    const purpose = this.purpose(id);
    if (purpose === null) return [];
    return PERMITTING.flatMap((line) =>
      Object.entries(purpose[line]).flatMap(([type, verbs]) =>
        Object.entries(verbs).flatMap(([verb, entries]) =>
          entries.map((entry) => ({ line, verb, type, words: this.#wordsOf(line, type, verb, entry) })),
        ),
      ),
    );
  }

  #wordsOf(line: PermittingLine, type: string, verb: string, entry: Entry): string {
    let known = this.#words.get(entry);
    if (known === undefined) this.#words.set(entry, (known = new Map<string, string>()));
    const key = `${verb} ${type}`;
    let words = known.get(key);
    if (words === undefined) known.set(key, (words = entryWords(line, type, verb, entry)));
    return words;
  }
}

function localHour({ first, weeks }: Zone, ms: number): number | null {
  const week = weeks[Math.floor(ms / WEEKS_BUCKET_MS) - first]?.find(([since, until]) => since <= ms && ms < until);
  return week === undefined ? null : Math.floor((ms - week[2]) / HOUR_MS);
}

const MONDAY_MS = Date.UTC(1970, 0, 5);

export function utcHour(ms: number): number {
  const week = 7 * 24 * HOUR_MS;
  return Math.floor(((((ms - MONDAY_MS) % week) + week) % week) / HOUR_MS);
}
