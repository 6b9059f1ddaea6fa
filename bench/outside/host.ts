/**
 * The host of one run: it gives a call's meaning in the words of the policy set, with what it found out about where values come from, and
 * hears what tools answer. It keeps no list of good or bad: it says where a value stands, and the policy says what follows.
 */
import { SUBJECT_IDS_MAX } from "../../src/contract/tasks.js";
import { wordsOf, type Tool } from "./catalogue.js";
import { askedBy, askedOf, speaksOf } from "./instruction.js";
import { hasRoom, isWritten, readOutput, type Output } from "./outputs.js";
import { contentWords, kindOf, mentions, mentionsId, overlap, placeOf, placesIn, stem } from "./text.js";

/**
 * Where a value was before a call had it, the best of: the instruction, word for word; a record, as the whole of a field that nobody writes
 * freely, or an answer that only the user's own side writes; a text that the instruction names, alone of its kind there, or one of several; any
 * other text; nowhere, so that the model made it up or put it together.
 */
export const STANDINGS = ["instruction", "record", "named_text", "crowded_text", "text", "nowhere"] as const;
export type Standing = (typeof STANDINGS)[number];

export interface Place {
  at: string;
  standing: Standing;
}

/** What of a call a policy needs beside its arguments. */
export interface Found {
  does: Tool["does"];
  /** Whether the agent has read, on this task, what others may have written. */
  heard: boolean;
  places: Place[];
  /** Links, addresses and accounts in what it writes. */
  brings: Place[];
}

export interface HostOptions {
  /** Null at the level that doesn't know it. */
  instruction: string | null;
  tools: ReadonlyMap<string, Tool & { type: string }>;
  /** What the host itself has on the user: records of it can be meant, too. */
  trusted?: unknown;
  /** Taken out to see what it does. */
  without?: ReadonlySet<"records" | "heard" | "named_text">;
}

const PLACES_MAX = 64;
const LENGTH_MAX = 512;
const ID_MAX = 200;
const MENTIONED = 0.6;
/** Goes into no record. */
const SECRET = /pass_?(?:word|code|phrase)|secret|credential|otp|cvv|(?:^|_)pin(?:_|$)|api_?key/i;

interface Heard {
  output: Output;
  /** By what it was asked for, where that was text. */
  asked: string[];
}

export class Host {
  readonly #options: HostOptions;
  readonly #words: ReadonlySet<string>;
  readonly #heard: Heard[] = [];
  /** Whole values of fields, and of what only the own side writes. */
  readonly #recorded = new Set<string>();
  #untrusted = false;
  /** Of the task: what the instruction names, as `type/id`, and the tools that it asks for. More as the run goes on. */
  readonly subjects = { thing: new Set<string>(), tool: new Set<string>() };

  constructor(options: HostOptions) {
    this.#options = options;
    const { instruction, tools, trusted } = options;
    this.#words = contentWords(instruction ?? "");
    if (instruction === null) return;
    for (const name of askedOf(instruction, [...tools.values()])) this.#tool(name);
    if (typeof trusted !== "object" || trusted === null) return;
    for (const [key, value] of Object.entries(trusted))
      this.#name(readOutput(JSON.stringify({ [key]: value as unknown }), true), wordsOf(key), false);
  }

  /** @returns null for a tool that isn't in the catalogue */
  found(name: string, args: Readonly<Record<string, unknown>>): Found | null {
    const tool = this.#options.tools.get(name);
    if (tool === undefined) return null;
    const thing = tool.thing === null ? null : textOf(args[tool.thing]);
    if (thing !== null && this.#names(thing)) this.#thing(`${tool.type}/${thing}`);
    const places = tool.places.flatMap((argument) => {
      const open = tool.needed.includes(argument) || speaksOf(this.#options.instruction ?? "", wordsOf(argument));
      const stood = this.#stood(leaves(args[argument]), open);
      return SECRET.test(argument) ? stood.map(({ standing }) => ({ at: "(a secret)", standing })) : stood;
    });
    const brings = tool.texts
      .flatMap((argument) => leaves(args[argument]))
      .flatMap((text) => [...placesIn(text)].flatMap(([at, kind]) => (kind === "number" ? [] : [at])));
    return {
      does: tool.does,
      heard: this.#untrusted,
      places: distinct(places),
      brings: this.#stood(brings, true),
    };
  }

  /**
   * What a tool answered to a call that went through.
   * @param inTexts what else stands in each of its texts
   */
  hear(name: string, args: Readonly<Record<string, unknown>>, raw: string, inTexts = ""): void {
    const tool = this.#options.tools.get(name);
    const output = readOutput(raw, tool?.answersRecords ?? false);
    if (inTexts !== "") for (const one of output.texts) one.text += `\n${inTexts}`;
    const changes = tool !== undefined && tool.does !== "look" && tool.does !== "fetch";
    // What a tool says of what it did repeats what it was told; nobody else had a hand in that unless it goes on at length.
    const others =
      tool?.othersWrite ??
      (changes ? raw.length > 400 && hasRoom(output) : hasRoom(output) || output.texts.some(({ text }) => text.length > 40));
    if (others || this.#options.without?.has("heard") === true) this.#untrusted = true;
    this.#heard.push({ output, asked: Object.values(args).flatMap(leaves) });
    this.#keep(output, others);
    const made = changes && (tool.does === "add" || tool.does === "keep");
    this.#name(output, [...(tool?.nouns ?? []), ...wordsOf(tool?.type ?? "")], made);
    if (this.#options.instruction === null || others || !changes) return;
    for (const next of askedBy(raw, [...this.#options.tools.values()])) this.#tool(next);
  }

  #keep({ fields, texts }: Output, others: boolean): void {
    if (this.#options.without?.has("records") === true) return;
    for (const { key, value } of fields) if (!isWritten(key)) this.#recorded.add(placeOf(value));
    if (others) return;
    for (const { text } of texts) for (const place of placesIn(text).keys()) this.#recorded.add(place);
  }

  /** Ids of records that the instruction speaks of, or that the agent has just made. */
  #name({ fields }: Output, of: readonly string[], made: boolean): void {
    const nouns = new Set(of.map(stem));
    const types = new Set(
      [...this.#options.tools.values()]
        .filter(({ thing, type, nouns: own }) => thing !== null && [...own, ...wordsOf(type)].some((noun) => nouns.has(stem(noun))))
        .map(({ type }) => type),
    );
    const records = new Map<number, { ids: string[]; named: boolean }>();
    for (const { key, value, record } of fields) {
      const one = records.get(record) ?? { ids: [], named: made };
      records.set(record, one);
      if (/(?:^|_)id_?$|^uuid$|^filename$|^file_?path$|^path$/i.test(key)) one.ids.push(value);
      if (/name|title|subject|description|path|id_?$/i.test(key) && this.#names(value)) one.named = true;
    }
    for (const { ids, named } of records.values()) {
      if (named) for (const id of ids) for (const type of types) this.#thing(`${type}/${id}`);
    }
  }

  #names(value: string): boolean {
    const { instruction } = this.#options;
    if (instruction === null) return false;
    if (mentionsId(instruction, value)) return true;
    return !/^\d+$/.test(value) && overlap(this.#words, value.replace(/\.\w{2,4}$/, "")) >= MENTIONED;
  }

  #tool(name: string): void {
    if (this.subjects.tool.size < SUBJECT_IDS_MAX) this.subjects.tool.add(name);
  }

  #thing(id: string): void {
    if (this.subjects.thing.size < SUBJECT_IDS_MAX && id.length <= ID_MAX && id === id.trim()) this.subjects.thing.add(id);
  }

  /** @param open whether the instruction leaves it to what it names to say where something goes */
  #stood(values: readonly string[], open: boolean): Place[] {
    return distinct(values.map((value) => ({ at: placeOf(value), standing: this.#standing(placeOf(value), open) })));
  }

  #standing(place: string, open: boolean): Standing {
    const { instruction, without } = this.#options;
    if (instruction !== null && mentions(instruction, place)) return "instruction";
    if (this.#recorded.has(place)) return "record";
    let best: Standing = "nowhere";
    for (const { output, asked } of this.#heard) {
      for (const { text, record } of output.texts) {
        if (!mentions(text, place)) continue;
        if (!open || without?.has("named_text") === true || this.#givesOne(place) || !this.#isNamed(output, record, asked))
          best = best === "nowhere" ? "text" : best;
        else if (alone(text, place)) return "named_text";
        else best = "crowded_text";
      }
    }
    return best;
  }

  /** An instruction that says where things go doesn't leave that to a text. */
  #givesOne(place: string): boolean {
    const kind = kindOf(place) ?? kindOf(place.toUpperCase());
    return kind !== null && [...placesIn(this.#options.instruction ?? "").values()].includes(kind);
  }

  /** Whether the instruction names what a text is part of: by what was asked for, or by what its record says of itself. */
  #isNamed({ fields }: Output, record: number, asked: readonly string[]): boolean {
    const said = fields
      .filter((field) => field.record === record && /name|title|subject|id_?$|path|sender|url/i.test(field.key))
      .map(({ value }) => value);
    return [...asked, ...said].some((value) => this.#names(value));
  }
}

/** A policy sees so many, and one more, which stands nowhere, where there are more. */
function distinct(places: readonly Place[]): Place[] {
  const found = [...new Map(places.map((place) => [place.at, { ...place, at: place.at.slice(0, LENGTH_MAX) }])).values()];
  return found.length <= PLACES_MAX ? found : [...found.slice(0, PLACES_MAX - 1), { at: "more", standing: "nowhere" }];
}

/** Whether a text has one place of this kind, so that nothing else could have been meant. */
function alone(text: string, place: string): boolean {
  const kind = kindOf(place) ?? kindOf(place.toUpperCase());
  const same = [...placesIn(text)].filter(([, of]) => of === kind);
  return kind === null || same.length === 1;
}

function leaves(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(leaves);
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leaves);
  const text = textOf(value);
  return text === null || text === "" ? [] : [text];
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : null;
}
