/** Entries of a purpose as they would be without what nobody used: for a person to write into `purposes.yaml`, and to be tried beforehand. */
import { parse, stringify } from "yaml";
import type { ProposedNarrowing } from "./proposal.js";

type YamlEntry = Record<string, unknown>;
/** Lists of entries by purpose and line, as `purposes.yaml` has them. */
type YamlPurposes = Record<string, Record<string, YamlEntry[]>>;

/** An entry before and after, in YAML on one line; null: the whole entry goes. */
export interface NarrowerEntry {
  was: string;
  now: string | null;
}

/**
 * Returns the entry of each narrowing, in their order.
 * @param text of `purposes.yaml`, which compiles
 */
export function narrowerEntries(text: string, narrowings: readonly ProposedNarrowing[]): NarrowerEntry[] {
  const purposes = purposesIn(text);
  return narrowings.map((narrowing) => {
    const [purpose, line] = placeOf(narrowing);
    const was = purposes[purpose]?.[line]?.[narrowing.written.index] ?? {};
    const now = changed(was, narrowing);
    return { was: onOneLine(was), now: now === null ? null : onOneLine(now) };
  });
}

/**
 * Returns `purposes.yaml` with narrower entries, without its comments: it is compiled and tried, and kept by nobody.
 * @param text of `purposes.yaml`, which compiles
 */
export function narrowerPurposes(text: string, narrowings: readonly ProposedNarrowing[]): string {
  const purposes = purposesIn(text);
  // From the last entry on: the places of those before it stay.
  for (const narrowing of [...narrowings].sort((a, b) => b.written.index - a.written.index)) {
    const [purpose, line] = placeOf(narrowing);
    const list = purposes[purpose]?.[line] ?? [];
    const now = changed(list[narrowing.written.index] ?? {}, narrowing);
    list.splice(narrowing.written.index, 1, ...(now === null ? [] : [now]));
  }
  return stringify(purposes, { aliasDuplicateObjects: false });
}

function purposesIn(text: string): YamlPurposes {
  return parse(text, { version: "1.2", schema: "core" }) as YamlPurposes;
}

function placeOf({ written }: ProposedNarrowing): [purpose: string, line: string] {
  return [String(written.path[0]), written.line];
}

function onOneLine(entry: YamlEntry): string {
  return stringify(entry, { collectionStyle: "flow", flowCollectionPadding: false, lineWidth: 0, aliasDuplicateObjects: false }).trimEnd();
}

/** Null where the entry has no verb left. */
function changed(entry: YamlEntry, { written, unused, about_task, when }: ProposedNarrowing): YamlEntry | null {
  if (unused.length === written.cells.length) return null;
  const verbs = new Set(written.cells.map(({ verb }) => verb));
  const after: YamlEntry = {};
  for (const [name, value] of Object.entries(entry)) {
    if (!verbs.has(name)) continue;
    const gone = new Set(unused.filter(({ verb }) => verb === name).map(({ type }) => type));
    const left = [value].flat().filter((type) => !gone.has(type as string));
    if (left.length > 0) after[name] = left.length === 1 ? left[0] : left;
  }
  const { about, when: before, ...others } = Object.fromEntries(Object.entries(entry).filter(([name]) => !verbs.has(name)));
  const conditions = when.map(({ name, to }): [string, unknown] => [name, "at_most" in to ? to : to.length === 1 ? to[0] : to]);
  if (about_task) after["about"] = "task";
  else if (about !== undefined) after["about"] = about;
  if (before !== undefined || conditions.length > 0)
    after["when"] = { ...(before as YamlEntry | undefined), ...Object.fromEntries(conditions) };
  return { ...after, ...others };
}
