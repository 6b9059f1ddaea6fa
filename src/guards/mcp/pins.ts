/**
 * The tools that a person has approved, as they were then: `guard.lock.json` beside the configuration, made to be read in a
 * review. A tool is what its definition says to a model; with other words it is another tool, and waits for approval.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { canonical } from "../../contract/index.js";
import { areSimilar } from "../../contract/similar.js";
import { overBounds } from "./measure.js";
import { TOOL_NAME, isObject } from "../../mapping/call_mapping.js";
import { without } from "../../system/without.js";

/** Tool definition as a server lists it. */
export type ToolDefinition = Readonly<Record<string, unknown>> & { name: string };

export interface Pins {
  /** Instructions of the server to a model; null: none. */
  instructions: string | null;
  tools: ReadonlyMap<string, ToolDefinition>;
}

/** Bounds on one tool's definition. */
const DEFINITION = { arguments_bytes_max: 256 * 1024, arguments_depth_max: 64, arguments_members_max: 20_000 };
const FORMAT = 1;

export class LockError extends Error {
  override readonly name = "LockError";
}

export function lockFile(config: string): string {
  return `${config.replace(/\.ya?ml$/, "")}.lock.json`;
}

/** Reads the approved tools. @returns nothing approved if the file doesn't exist @throws LockError */
export function readPins(file: string): Pins {
  if (!existsSync(file)) return { instructions: null, tools: new Map() };
  const unreadable = (cause?: unknown): LockError =>
    new LockError(`\`${file}\` holds no approved tools; \`remit guard mcp --approve\` writes it`, { cause });
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw unreadable(cause);
  }
  const { format, instructions, tools } = isObject(read) ? read : {};
  if (format !== FORMAT || !(typeof instructions === "string" || instructions === null) || !Array.isArray(tools)) throw unreadable();
  const pinned = tools.map((tool: unknown) => pinnedOf(tool));
  if (pinned.includes(null)) throw unreadable();
  return { instructions, tools: new Map(pinned.flatMap((tool) => (tool === null ? [] : [[tool.name, tool]]))) };
}

export function writePins(file: string, { instructions, tools }: Pins): void {
  const sorted = [...tools.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  writeFileSync(file, `${JSON.stringify({ format: FORMAT, instructions, tools: sorted }, null, 2)}\n`);
}

/**
 * Returns the pinned part of a listed tool: all but `_meta`, which is the transport's. Null if the tool is invalid: without a name that a
 * tool may have, or with a definition beyond the bounds.
 */
export function pinnedOf(tool: unknown): ToolDefinition | null {
  if (!isObject(tool) || overBounds(tool, DEFINITION) !== null) return null;
  const { name } = tool;
  return typeof name === "string" && TOOL_NAME.test(name) ? { ...without(tool, "_meta"), name } : null;
}

/** The members in which two definitions of one tool differ. */
export function differences(a: ToolDefinition, b: ToolDefinition): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => canonicalOf(a[name]) !== canonicalOf(b[name])).sort();
}

function canonicalOf(value: unknown): string {
  return value === undefined ? "" : canonical(value);
}

/** The first two that look alike, or null. */
export function alikeIn(names: readonly string[]): [string, string] | null {
  for (const [i, name] of names.entries()) {
    const other = names.slice(0, i).find((one) => areSimilar(one, name));
    if (other !== undefined) return [other, name];
  }
  return null;
}
