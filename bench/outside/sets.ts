/**
 * The policy set of a suite: one written for it, where there is one beside this file, or drafted from its catalogue of tools as `remit guard mcp --draft`
 * does it, with one purpose that knows nothing but what tools do.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { draft } from "../../src/guards/mcp/draft.js";
import { readMapped, type Mapped } from "../../src/guards/mcp/mapping.js";
import { asset } from "../../src/system/paths.js";
import { toolOf, type Tool, type ToolSaid } from "./catalogue.js";
import type { Suite } from "./data.js";
import { mappedTool, readHostFile, type HostFile, type HostTool } from "./host_file.js";
import { placeOf } from "./text.js";

export const PURPOSE = "assist";
export const POLICIES = asset("bench", "outside", "policies");

export interface ToolOfSet extends Tool {
  type: string;
  mapped: Mapped;
}

export interface OutsideSet {
  /** Ready to be built. */
  dir: string;
  handwritten: boolean;
  tools: ReadonlyMap<string, ToolOfSet>;
  /** Attributes of the agent: trusted facts. */
  agent: { places: string[]; domains: string[] };
  trusted: unknown;
}

interface Words {
  verbs: Record<string, unknown>;
  task?: object;
  types: Record<string, { attributes?: object; about?: object } | null>;
}

const PLACES_MAX = 1000;
const TEXT_MAX = 65_536;

/**
 * @param drafted whether to look away from a set that was written
 * @throws YamlError for a `host.yaml` with a name that the suite, its trusted facts or the vocabulary don't have
 */
export function setFor(suite: Pick<Suite, "name" | "tools" | "trusted">, into: string, drafted: boolean): OutsideSet {
  const { trusted } = suite;
  const handwritten = !drafted && existsSync(join(POLICIES, suite.name, "host.yaml"));
  const { dir, host } = handwritten ? writtenSet(suite, into) : draftedSet(suite, into);
  const { places, domains } = host;
  return {
    dir,
    handwritten,
    trusted,
    tools: new Map(
      suite.tools.flatMap((said) => {
        const entry = host.tools.get(said.name);
        return entry === undefined ? [] : [[said.name, toolOfSet(said, entry)] as const];
      }),
    ),
    agent: {
      places: places === undefined ? wholeValues(trusted) : places.flatMap((path) => at(trusted, path.split("."))),
      domains: domains === undefined ? domainsOf(trusted) : domains.flatMap((path) => at(trusted, path.split("."))),
    },
  };
}

/** Copies the policies of a suite that were written for it, ready to be built. @returns their folder, and the vocabulary */
export function writtenPolicies(suite: string, into: string): { dir: string; words: Words } {
  const from = join(POLICIES, suite);
  const words = parse(readFileSync(join(from, "vocabulary.yaml"), "utf8")) as Words;
  const dir = writePolicies(join(into, suite), words, readFileSync(join(from, "purposes.yaml"), "utf8"));
  cpSync(join(POLICIES, "rules_test.rego"), join(dir, "rules_test.rego"));
  cpSync(join(from, "tables"), join(dir, "tables"), { recursive: true });
  return { dir, words };
}

function writtenSet({ name, tools, trusted }: Pick<Suite, "name" | "tools" | "trusted">, into: string): { dir: string; host: HostFile } {
  const { dir, words } = writtenPolicies(name, into);
  return { dir, host: readHostFile(join(POLICIES, name, "host.yaml"), { tools, trusted, words }) };
}

function draftedSet({ name, tools }: Pick<Suite, "name" | "tools">, into: string): { dir: string; host: HostFile } {
  const { words, purposes, mapped } = draftOf(name, tools);
  const host = {
    tools: new Map(Object.entries(mapped).map(([tool, entry]) => [tool, mappedTool(entry)])),
    places: undefined,
    domains: undefined,
  };
  return { dir: writePolicies(join(into, `${name}_drafted`), words, purposes), host };
}

function writePolicies(dir: string, words: Words, purposes: string): string {
  mkdirSync(dir, { recursive: true });
  cpSync(join(POLICIES, "rules.rego"), join(dir, "rules.rego"));
  writeFileSync(join(dir, "vocabulary.yaml"), yaml(withFound(words)));
  writeFileSync(join(dir, "purposes.yaml"), purposes);
  return dir;
}

type DraftedTools = Record<string, Record<string, unknown>>;

function draftOf(suite: string, said: readonly ToolSaid[]): { words: Words; purposes: string; mapped: DraftedTools } {
  const tools = said.map(({ name, description, parameters, readOnly }) => ({
    name,
    description,
    ...(readOnly === true && { annotations: { readOnlyHint: true } }),
    inputSchema: { type: "object", properties: Object.fromEntries(parameters.map((one) => [one.name, long(one.schema)])) },
  }));
  const { files } = draft({ server: suite, instructions: null, tools, prompts: [], resources: [], templates: [] }, { server: {} });
  const words = parse(files["vocabulary.yaml"]) as Words;
  const { tools: mapped } = parse(files["guard.yaml"]) as { tools: DraftedTools };
  // What has no type in a vocabulary is not decided on as it is; where it says where something goes, the host says so.
  for (const { name, parameters } of said) {
    const entry = mapped[name];
    if (entry === undefined) continue;
    const known = JSON.stringify([entry["id"], entry["arguments"]]);
    const left = parameters.map((one) => one.name).filter((one) => !known.includes(JSON.stringify(one)));
    if (left.length > 0) entry["ignore"] = left;
  }
  const every: Record<string, string[]> = {};
  for (const entry of Object.values(mapped)) {
    const { verb, type } = readMapped(entry);
    if (every[verb]?.includes(type) !== true) (every[verb] ??= []).push(type);
  }
  const purposes = {
    [PURPOSE]: {
      statement: `help one user with what the tools of ${suite} are for`,
      owner: "assistants@example.com",
      task: "required",
      answer_lasts: "5s",
      allow: Object.entries(every).map(([verb, types]) => ({ [verb]: types, when: { does: "look" } })),
    },
  };
  return { words, purposes: yaml(purposes), mapped };
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

function withFound(words: Words): object {
  const found = parse(readFileSync(join(POLICIES, "found.yaml"), "utf8")) as {
    attributes: object;
    task: object;
    agent: object;
  };
  return {
    verbs: words.verbs,
    task: found.task,
    agent: found.agent,
    types: Object.fromEntries(
      Object.entries(words.types).map(([name, type]) => [name, { ...type, attributes: { ...type?.attributes, ...found.attributes } }]),
    ),
  };
}

function toolOfSet(said: ToolSaid, { mapped, does, places, texts, thing, answers_records, others_write }: HostTool): ToolOfSet {
  const told = toolOf(said);
  return {
    ...told,
    does: does ?? told.does,
    places: places ?? told.places,
    texts: texts ?? told.texts,
    thing: thing ?? told.thing,
    answersRecords: answers_records ?? told.answersRecords,
    othersWrite: others_write ?? told.othersWrite,
    type: mapped.type,
    mapped,
  };
}

/** What stands at a path of trusted facts; lists are gone through. */
function at(facts: unknown, [key, ...rest]: readonly string[]): string[] {
  if (Array.isArray(facts)) return facts.flatMap((one) => at(one, key === undefined ? [] : [key, ...rest]));
  if (key === undefined) return typeof facts === "string" ? [placeOf(facts)] : [];
  return typeof facts === "object" && facts !== null ? at((facts as Record<string, unknown>)[key], rest) : [];
}

/** Every value of trusted facts that stands alone: what it means, nobody has said. */
function wholeValues(facts: unknown): string[] {
  const found = new Set<string>();
  const walk = (value: unknown, key: string): void => {
    if (/note/.test(key)) return;
    if (typeof value === "string") {
      if (value.length <= 128 && (value.match(/\S+/g) ?? []).length <= 6) found.add(placeOf(value));
    } else if (Array.isArray(value)) for (const item of value) walk(item, key);
    else if (typeof value === "object" && value !== null) for (const [name, member] of Object.entries(value)) walk(member, name);
  };
  walk(facts, "");
  return [...found].filter((value) => value !== "").slice(0, PLACES_MAX);
}

function domainsOf(facts: unknown): string[] {
  if (typeof facts !== "object" || facts === null) return [];
  return Object.entries(facts).flatMap(([key, value]) => (/domain/.test(key) && typeof value === "string" ? [value.toLowerCase()] : []));
}

function yaml(value: object): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
