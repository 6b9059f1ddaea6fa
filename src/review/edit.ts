/**
 * Narrower entries, written into the text of `purposes.yaml` where its author wrote them: what isn't changed stays as it is, with
 * its comments. The same change is made to the file's value, and the two are held against one another.
 */
import { isMap, isScalar, isSeq, parseDocument, type Pair, type YAMLMap, type YAMLSeq } from "yaml";
import { canonical, type Scalar } from "../contract/index.js";
import type { ProposedNarrowing, WhenChange } from "./proposal.js";
import { LayoutUnclear, applied, type Edit } from "./text_edit.js";
import type { PermittedCell } from "./written.js";

type YamlEntry = Record<string, unknown>;

/** @throws LayoutUnclear */
export function editsOf(text: string, narrowings: readonly ProposedNarrowing[]): Edit[] {
  const document = parseDocument(text, { version: "1.2", schema: "core" });
  const wanted = document.toJS() as Record<string, Record<string, YamlEntry[]>>;
  const edits: Edit[] = [];
  for (const [purpose, line, of] of byList(narrowings)) {
    const list: unknown = document.getIn([purpose, line], true);
    if (!isSeq(list)) throw new LayoutUnclear(`${purpose}.${line} is no list`);
    edits.push(...editList(text, list, of, document.get(purpose)));
    const before = wanted[purpose]?.[line] ?? [];
    const after = before.flatMap((said, index) =>
      changedSaid(
        said,
        of.find(({ written }) => written.index === index),
      ),
    );
    if (wanted[purpose] !== undefined) wanted[purpose][line] = after;
  }
  const edited = applied(text, edits);
  const read = parseDocument(edited, { version: "1.2", schema: "core" });
  if (read.errors.length > 0 || saidSame(read.toJS()) !== saidSame(wanted))
    throw new LayoutUnclear("what would be written doesn't say what is proposed");
  return edits;
}

/** One word and a list of that word say the same. */
function saidSame(value: unknown): string {
  const plain = (of: unknown): unknown => {
    if (Array.isArray(of)) return of.length === 1 && typeof of[0] !== "object" ? of[0] : of.map(plain);
    if (typeof of !== "object" || of === null) return of;
    return Object.fromEntries(Object.entries(of).map(([key, member]) => [key, plain(member)]));
  };
  return canonical(plain(value));
}

function byList(narrowings: readonly ProposedNarrowing[]): [purpose: string, line: string, of: ProposedNarrowing[]][] {
  const lists = new Map<string, [string, string, ProposedNarrowing[]]>();
  for (const narrowing of narrowings) {
    const [purpose, line] = narrowing.written.path.map(String) as [string, string];
    const key = JSON.stringify([purpose, line]);
    const known = lists.get(key);
    if (known === undefined) lists.set(key, [purpose, line, [narrowing]]);
    else known[2].push(narrowing);
  }
  return [...lists.values()];
}

const isGone = ({ written, unused }: ProposedNarrowing): boolean => unused.length === written.cells.length;

function editList(text: string, list: YAMLSeq, narrowings: readonly ProposedNarrowing[], owner: unknown): Edit[] {
  const of = (index: number): ProposedNarrowing | undefined => narrowings.find(({ written }) => written.index === index);
  const gone = (index: number): boolean => {
    const narrowing = of(index);
    return narrowing !== undefined && isGone(narrowing);
  };
  const changed = (index: number): string | null => {
    const [node, narrowing] = [list.items[index], of(index)];
    return narrowing === undefined || gone(index) ? null : entryText(text, mapAt(node), narrowing);
  };
  if (list.flow === true) {
    const [from, to] = rangeOf(list);
    const parts = list.items.map((node, i) => ({ node, text: gone(i) ? null : (changed(i) ?? sourceOf(text, node)) }));
    return [{ from, to, text: joined(text, list, parts) }];
  }
  const edits = list.items.flatMap((node, i): Edit[] => {
    if (gone(i)) return [wholeLines(text, node)];
    const entry = changed(i);
    const [from, to] = rangeOf(node);
    return entry === null ? [] : [{ from, to, text: entry }];
  });
  if (!list.items.every((_, i) => gone(i))) return edits;
  const colon = text.indexOf(":", rangeOf(keyOf(owner, list))[1]);
  return [{ from: colon + 1, to: colon + 1, text: " []" }, ...edits];
}

/** The line or lines of an item of a block list, from its dash on. */
function wholeLines(text: string, node: unknown): Edit {
  const [start, end] = rangeOf(node);
  const dash = text.lastIndexOf("-", start - 1);
  const from = text.lastIndexOf("\n", dash) + 1;
  const newline = text.indexOf("\n", end);
  if (text.slice(from, dash).trim() !== "" || !/^- *$/.test(text.slice(dash, start)))
    throw new LayoutUnclear("an entry shares its line with something else");
  return { from, to: newline < 0 ? text.length : newline + 1, text: "" };
}

/** An entry, with what was never used taken out and its conditions put in. */
function entryText(text: string, entry: YAMLMap, { unused, about_task, when }: ProposedNarrowing): string {
  const flow = entry.flow === true;
  const parts: Part[] = entry.items.map((pair) => ({ node: pair, text: pairText(text, pair, unused) }));
  const named = (name: string): number => entry.items.findIndex(({ key }) => isScalar(key) && key.value === name);
  const put = (name: string, value: string, after: number): number => {
    const there = named(name);
    const written = `${name}: ${value}`;
    if (there >= 0) {
      const pair = entry.items[there];
      const [keyFrom] = rangeOf(pair?.key);
      const [from] = rangeOf(pair?.value);
      parts[partAt(parts, pair)] = { node: pair, text: `${text.slice(keyFrom, from)}${value}` };
      return partAt(parts, pair);
    }
    parts.splice(after + 1, 0, { node: null, text: written });
    return after + 1;
  };
  const verbs = new Set(unused.map(({ verb }) => verb).concat(...entry.items.flatMap(({ key }) => verbKey(key))));
  let last = parts.findLastIndex(({ node }) => isVerb(node, verbs));
  if (about_task) last = put("about", "task", last);
  else if (named("about") >= 0) last = partAt(parts, entry.items[named("about")]);
  if (when.length > 0) put("when", whenText(text, entry.items[named("when")]?.value, when), last);
  return joined(text, entry, parts, flow);
}

/** Keys of an entry that aren't verbs; every other key is one. */
const NOT_VERBS = new Set(["about", "when", "code", "severity", "title", "message", "tell_agent", "proceed", "needs", "obligations"]);
function verbKey(key: unknown): string[] {
  return isScalar(key) && !NOT_VERBS.has(String(key.value)) ? [String(key.value)] : [];
}

function isVerb(node: unknown, verbs: ReadonlySet<string>): boolean {
  if (node === null || typeof node !== "object" || !("key" in node)) return false;
  return isScalar(node.key) && verbs.has(String(node.key.value));
}

function partAt(parts: readonly Part[], pair: unknown): number {
  return parts.findIndex(({ node }) => node === pair);
}

/** Null where the verb has no type left. */
function pairText(text: string, pair: Pair, unused: readonly PermittedCell[]): string | null {
  const verb = isScalar(pair.key) ? String(pair.key.value) : "";
  const gone = new Set(unused.filter((cell) => cell.verb === verb).map(({ type }) => type));
  const [from] = rangeOf(pair.key);
  const to = endOf(pair.value);
  if (gone.size === 0) return text.slice(from, to);
  if (!isSeq(pair.value)) return null;
  const list = pair.value;
  const kept = list.items.filter((item) => !(isScalar(item) && gone.has(String(item.value))));
  if (kept.length === 0) return null;
  const head = text.slice(from, rangeOf(list)[0]);
  const only = kept[0];
  if (list.flow === true && kept.length === 1) return `${head}${sourceOf(text, only)}`;
  const parts = list.items.map((node) => ({ node, text: kept.includes(node) ? sourceOf(text, node) : null }));
  return `${head}${joined(text, list, parts)}`;
}

function whenText(text: string, node: unknown, changes: readonly WhenChange[]): string {
  const written = changes.map(({ name, to }) => ({ name, text: `${name}: ${matcherText(to)}` }));
  if (!isMap(node)) return `{${written.map((one) => one.text).join(", ")}}`;
  const map = node;
  const parts: Part[] = map.items.map((pair) => {
    const change = written.find(({ name }) => isScalar(pair.key) && pair.key.value === name);
    return { node: pair, text: change?.text ?? sourceOf(text, pair) };
  });
  for (const { name, text: more } of written)
    if (!map.items.some(({ key }) => isScalar(key) && key.value === name)) parts.push({ node: null, text: more });
  return joined(text, map, parts);
}

function matcherText(to: WhenChange["to"]): string {
  if ("at_most" in to) return `{at_most: ${to.at_most}}`;
  const [only, ...more] = to.map(scalarText);
  return more.length === 0 ? (only ?? "[]") : `[${[only, ...more].join(", ")}]`;
}

/** Words of a vocabulary need no quotes, but for those that other readers take for something else. */
function scalarText(value: Scalar): string {
  const plain = typeof value !== "string" || (/^[A-Za-z][\w-]*$/.test(value) && !/^(?:on|off|yes|no|y|n|true|false|null)$/i.test(value));
  return plain ? String(value) : JSON.stringify(value);
}

interface Part {
  /** The node that stands in the text; null: it is new. */
  node: unknown;
  /** Null: it goes. */
  text: string | null;
}

/**
 * A collection's text with these parts. Between two that stay is what followed the first: a comment beside something goes with it.
 */
function joined(text: string, of: YAMLMap | YAMLSeq, parts: readonly Part[], flow = of.flow === true): string {
  const nodes: unknown[] = of.items;
  const [start] = rangeOf(of);
  const ends = nodes.map((node) => ({ from: rangeOf(node)[0], to: endOf(node) }));
  const between = (i: number): string => text.slice(ends[i]?.to, ends[i + 1]?.from);
  const usual =
    ends.length > 1 && !between(0).includes("#") ? between(0) : flow ? ", " : `\n${" ".repeat(columnOf(text, ends[0]?.from ?? start))}`;
  let out = text.slice(start, ends[0]?.from);
  let before: Part | null = null;
  for (const part of parts) {
    if (part.text === null) continue;
    if (before !== null) {
      const [i, j] = [nodes.indexOf(before.node), nodes.indexOf(part.node)];
      out += i < 0 || j < 0 ? usual : between(i).includes("#") || i + 1 === j ? between(i) : between(j - 1);
    }
    out += part.text;
    before = part;
  }
  if (flow) return out + text.slice(ends.at(-1)?.to, rangeOf(of)[1]);
  const last = before === null ? -1 : nodes.indexOf(before.node);
  const [beside = ""] = last < 0 || last === nodes.length - 1 ? [] : between(last).split("\n");
  return beside.includes("#") ? out + beside : out;
}

function columnOf(text: string, offset: number): number {
  return offset - text.lastIndexOf("\n", offset - 1) - 1;
}

function sourceOf(text: string, node: unknown): string {
  return text.slice(rangeOf(node)[0], endOf(node));
}

/** Returns the offset at which the last value of a block collection ends: comments below it belong to nobody. */
function endOf(node: unknown): number {
  if (isPairOf(node)) return endOf(node.value);
  if ((isMap(node) || isSeq(node)) && node.flow !== true && node.items.length > 0) return endOf(node.items.at(-1));
  return rangeOf(node)[1];
}

function rangeOf(node: unknown): [from: number, to: number] {
  if (isPairOf(node)) return [rangeOf(node.key)[0], endOf(node.value)];
  const range = typeof node === "object" && node !== null && "range" in node ? (node.range as number[] | null) : null;
  const [from, to] = range ?? [];
  if (from === undefined || to === undefined) throw new LayoutUnclear("something stands nowhere");
  return [from, isBlock(node) ? endOf(node) : to];
}

function isBlock(node: unknown): boolean {
  return (isMap(node) || isSeq(node)) && node.flow !== true && node.items.length > 0;
}

function isPairOf(node: unknown): node is Pair {
  return typeof node === "object" && node !== null && "key" in node && "value" in node;
}

function mapAt(node: unknown): YAMLMap {
  if (!isMap(node)) throw new LayoutUnclear("an entry is no mapping");
  return node;
}

function keyOf(owner: unknown, value: unknown): unknown {
  return isMap(owner) ? owner.items.find((pair) => pair.value === value)?.key : undefined;
}

/** The same change to an entry's value; none where the entry goes. */
function changedSaid(said: YamlEntry, narrowing: ProposedNarrowing | undefined): YamlEntry[] {
  if (narrowing === undefined) return [said];
  if (isGone(narrowing)) return [];
  const { unused, about_task, when } = narrowing;
  const after: YamlEntry = { ...said };
  for (const { verb, type } of unused) {
    const left = [after[verb]].flat().filter((name) => name !== type);
    if (left.length === 0) Reflect.deleteProperty(after, verb);
    else after[verb] = left;
  }
  if (about_task) after["about"] = "task";
  if (when.length > 0) {
    const changes = when.map(({ name, to }): [string, unknown] => [name, "at_most" in to ? to : to.length === 1 ? to[0] : to]);
    after["when"] = { ...(after["when"] as YamlEntry | undefined), ...Object.fromEntries(changes) };
  }
  return [after];
}
