/**
 * The policy set of a suite: drafted by `remit guard mcp --draft` from its catalogue of tools, with the product's own set of flow. It permits
 * every verb: what is refused is refused by where values come from. A written set is a draft with an author's changes, in `written`.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { FlowPolicy, VerbEffect } from "../../src/contract/index.js";
import { draft } from "../../src/guards/mcp/draft.js";
import { readMapped, type Mapped } from "../../src/mapping/call_mapping.js";
import { asset } from "../../src/system/paths.js";
import type { Suite, ToolSaid } from "./data.js";

export const PURPOSE = "assist";
const TEXT_MAX = 65_536;
const FACTS_MAX = 1000;

export interface OutsideSet {
  /** Ready to be built. */
  dir: string;
  tools: ReadonlyMap<string, Mapped>;
  /** Attributes of the agent: trusted facts. */
  agent: { facts: string[]; members: string[]; secrets: string[] };
}

/** What an author changes in a draft. */
export interface WrittenChanges {
  /** Type → members that take the place of the drafted ones; null: the type has none. */
  types: Record<string, Record<string, object | null>>;
  /** Verb → what it really does, where its name doesn't say so. */
  verbs?: Record<string, { effect: VerbEffect }>;
  /** Names of trusted facts that are secrets of the user's. */
  secrets?: string[];
  /** What the purpose says of values in a text that the instruction names. */
  delegated?: "wait" | "allow";
}

/** Returns the changes that an author made to a suite's draft; null: nobody has looked at it. */
export function writtenFor(suite: string): WrittenChanges | null {
  const file = asset("bench", "outside", "written", `${suite}.yaml`);
  return existsSync(file) ? (parse(readFileSync(file, "utf8")) as WrittenChanges) : null;
}

interface Words {
  verbs: Record<string, { class: string; effect?: VerbEffect }>;
  types: Record<string, Record<string, object | string | null> | null>;
  flow: { writes: object; author: string; secret_fields: string[] };
}

/** Cells of the standard set that a purpose changes. */
export type FlowCells = Pick<WrittenChanges, "delegated"> & Pick<FlowPolicy, "looks">;

/** Writes the set into a folder. */
export function setFor(
  suite: Pick<Suite, "name" | "tools" | "trusted">,
  into: string,
  given: FlowCells = {},
  written: WrittenChanges | null = null,
): OutsideSet {
  const delegated = written?.delegated ?? given.delegated;
  const cells: FlowCells = { ...given, ...(delegated !== undefined && { delegated }) };
  const { words, mapped } = draftOf(suite.name, suite.tools);
  for (const [type, changed] of Object.entries(written?.types ?? {})) {
    const drafted = writtenOut(words, type);
    // A set that was written for other tools says nothing of these.
    if (drafted === undefined) throw new Error(`the written set has a type that ${suite.name} has not: ${type}`);
    words.types[type] = Object.fromEntries(Object.entries({ ...drafted, ...changed }).filter(([, member]) => member !== null));
  }
  for (const [verb, { effect }] of Object.entries(written?.verbs ?? {})) {
    const drafted = words.verbs[verb];
    if (drafted === undefined) throw new Error(`the written set has a verb that ${suite.name} has not: ${verb}`);
    words.verbs[verb] = { ...drafted, effect };
  }
  const dir = join(into, suite.name);
  const tools = new Map(Object.entries(mapped).map(([tool, entry]) => [tool, readMapped(entry)]));
  const every: Record<string, string[]> = {};
  for (const { verb, type } of tools.values()) if (every[verb]?.includes(type) !== true) (every[verb] ??= []).push(type);
  mkdirSync(dir, { recursive: true });
  const facts = { list: { string: { max: 512 } }, max: FACTS_MAX };
  const vocabulary = {
    verbs: words.verbs,
    task: { attributes: { instruction: { string: { max: TEXT_MAX } } } },
    agent: { attributes: { facts, members: facts, secrets: facts } },
    types: words.types,
    flow: { ...words.flow, instruction: "task.instruction", members: ["agent.members"], secret: ["agent.secrets"] },
  };
  const purpose = {
    statement: `help one user with what the tools of ${suite.name} are for`,
    owner: "assistants@example.com",
    task: "required",
    flow: Object.keys(cells).length === 0 ? "standard" : { set: "standard", ...cells },
    allow: Object.entries(every).map(([verb, types]) => ({ [verb]: types })),
  };
  writeFileSync(join(dir, "vocabulary.yaml"), yaml(vocabulary));
  writeFileSync(join(dir, "purposes.yaml"), yaml({ [PURPOSE]: purpose }));
  const secrets = valuesOf(suite.trusted, new Set(written?.secrets));
  return { dir, tools, agent: { facts: wholeValues(suite.trusted), members: domainsOf(suite.trusted), secrets } };
}

/** A drafted type with the writers and secrets that it shares, for an author to change some of its members. */
function writtenOut({ types, flow: { writes, author, secret_fields: secret } }: Words, type: string): Words["types"][string] | undefined {
  const drafted = types[type];
  return drafted?.["writes"] === "common" ? { ...drafted, ...{ writes, author, secret } } : drafted;
}

type DraftedTools = Record<string, Record<string, unknown>>;

function draftOf(suite: string, said: readonly ToolSaid[]): { words: Words; mapped: DraftedTools } {
  const tools = said.map(({ name, description, parameters, required, readOnly }) => ({
    name,
    description,
    ...(readOnly === true && { annotations: { readOnlyHint: true } }),
    inputSchema: { type: "object", properties: Object.fromEntries(parameters.map((one) => [one.name, long(one.schema)])), required },
  }));
  const { files } = draft({ server: suite, instructions: null, tools, prompts: [], resources: [], templates: [] }, { server: {} });
  const { tools: mapped } = parse(files["guard.yaml"]) as { tools: DraftedTools };
  return { words: parse(files["vocabulary.yaml"]) as Words, mapped };
}

/** What has no length may be as long as a vocabulary has it. */
function long(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(long);
  if (typeof schema !== "object" || schema === null) return schema;
  const all = Object.fromEntries(
    Object.entries(schema).map(([key, member]) => [
      key,
      ["items", "anyOf", "properties"].includes(key) ? long(member) : (member as unknown),
    ]),
  );
  return all["type"] === "string" ? { maxLength: TEXT_MAX, ...all } : all;
}

/** Every value of trusted facts that stands alone: what it means, nobody has said. */
function wholeValues(facts: unknown): string[] {
  const found = new Set<string>();
  const walk = (value: unknown, key: string): void => {
    if (/note/.test(key)) return;
    if (typeof value === "string") {
      if (value.length <= 128 && (value.match(/\S+/g) ?? []).length <= 6) found.add(value);
    } else if (Array.isArray(value)) for (const item of value) walk(item, key);
    else if (typeof value === "object" && value !== null) for (const [name, member] of Object.entries(value)) walk(member, name);
  };
  walk(facts, "");
  return [...found].filter((value) => value !== "").slice(0, FACTS_MAX);
}

/** Values of the trusted facts of these names, wherever they stand. */
function valuesOf(facts: unknown, names: ReadonlySet<string>): string[] {
  if (typeof facts !== "object" || facts === null) return [];
  return Object.entries(facts).flatMap(([key, value]) => (names.has(key) ? [String(value)] : valuesOf(value, names)));
}

function domainsOf(facts: unknown): string[] {
  if (typeof facts !== "object" || facts === null) return [];
  return Object.entries(facts).flatMap(([key, value]) => (/domain/.test(key) && typeof value === "string" ? [value.toLowerCase()] : []));
}

function yaml(value: object): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
