/**
 * Writes src/decision/canonical_texts.ts, the functions that write what stands in each record: `node dist/scripts/writers.js`. A test
 * holds the file equal to what this makes of the schemas.
 */
import { writeFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { ActRecord, Answer, FloorFacts, inputSchema } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";

export interface Schema {
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

const FILE = asset("src", "decision", "canonical_texts.ts");
const HEAD = `/**
 * Writers of each record's parts as canonical JSON (RFC 8785), with sorted keys. They are generated from the
 * schemas by \`node dist/scripts/writers.js\`. What a schema leaves open has to be in that order already: it was put so where it was read.
 */
import { quoted, quotedOrNull, type ActRecord, type Answer, type FloorFacts, type PolicyInput } from "../contract/index.js";
`;
const OPEN = `
function openText(value: object): string {
  for (const _ in value) return JSON.stringify(value);
  return Array.isArray(value) ? "[]" : "{}";
}
`;
/** A word that needs no escape in JSON. */
const PLAIN = /^[a-z_]+$/;
const NO_WORDS: Parameters<typeof inputSchema>[0] = {
  agent: { attributes: {} },
  task: { attributes: {}, subjects: [] },
  types: {},
  verbs: {},
};

/** Name and type of what is written, and its schema. */
export const WRITTEN: readonly [name: string, type: string, schema: Schema][] = [
  ["answer", "Answer", Answer],
  ["request", 'PolicyInput["request"]', (inputSchema(NO_WORDS) as Schema).properties?.["request"] ?? {}],
  ["floor", "FloorFacts", FloorFacts],
  ["act", "ActRecord", ActRecord],
];

/** Returns the text of the module. */
export async function writersText(): Promise<string> {
  const written = WRITTEN.flatMap(([name, type, schema]) => writer(name, type, schema));
  const text = [HEAD, ...written, OPEN].join("\n\n");
  return await format(text, { ...(await resolveConfig(FILE)), filepath: FILE });
}

/** Returns the function that writes one object, behind those of the objects within it. */
export function writer(path: string, type: string, schema: Schema, isWithin = false): string[] {
  const within: string[] = [];
  const required = new Set(schema.required);
  const members = Object.entries(schema.properties ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  // Members before the first that is always there have their comma behind them, the others before.
  const first = members.findIndex(([name]) => required.has(name));
  if (first === -1) throw new Error(`${path}: none of its members is always there`);
  const parts = members.map(([name, member], i) => {
    const isSure = required.has(name);
    const known = isSure ? `${type}["${name}"]` : `NonNullable<${type}["${name}"]>`;
    const { text, functions } = memberText(`${path}_${name}`, known, member, `value.${name}`);
    within.push(...functions);
    const whole = `\`${i > first ? "," : ""}"${name}":${text}${i < first ? "," : ""}\``;
    return isSure ? whole : `(value.${name} === undefined ? "" : ${whole})`;
  });
  const body = ['"{"', ...parts, '"}"'].join(" + ");
  return [...within, `${isWithin ? "" : "export "}function ${nameOf(path)}(value: ${type}): string { return ${body}; }`];
}

/** Returns what goes into a template for one value, and the functions that it calls. */
function memberText(path: string, type: string, schema: Schema, value: string): { text: string; functions: string[] } {
  const { isNullable, present } = withoutNull(schema);
  const orNull = (text: string): string => (isNullable ? `\${${value} === null ? "null" : ${text}}` : `\${${text}}`);
  const only = (text: string): { text: string; functions: string[] } => ({ text, functions: [] });
  const words = present.enum ?? (present.const === undefined ? null : [present.const]);
  const all = words ?? present.anyOf?.map((one) => one.const);
  if (!isNullable && all?.every((word) => typeof word === "string" && PLAIN.test(word)) === true) return only(`"\${${value}}"`);
  if (present.type === "string") return only(`\${${isNullable ? "quotedOrNull" : "quoted"}(${value})}`);
  if (["boolean", "integer", "number"].includes(String(present.type))) return only(`\${${value}}`);
  const known = isNullable ? `NonNullable<${type}>` : type;
  if (present.type === "object" && present.properties !== undefined && Object.keys(present.properties).length > 0)
    return { text: orNull(`${nameOf(path)}(${value})`), functions: writer(path, known, present, true) };
  const { items } = present;
  if (items?.properties !== undefined)
    return { text: `[\${${value}.map(${nameOf(path)}).join(",")}]`, functions: writer(path, `${known}[number]`, items, true) };
  return only(orNull(`openText(${value})`));
}

export function withoutNull(schema: Schema): { isNullable: boolean; present: Schema } {
  const { anyOf, type } = schema;
  if (Array.isArray(type) && type.includes("null"))
    return { isNullable: true, present: { ...schema, type: type.filter((one) => one !== "null")[0] ?? "null" } };
  const [present = {}, ...others] = anyOf?.filter((one) => one.type !== "null") ?? [];
  if (anyOf === undefined || others.length + 1 === anyOf.length) return { isNullable: false, present: schema };
  return { isNullable: true, present: others.length === 0 ? present : { ...schema, anyOf: [present, ...others] } };
}

function nameOf(path: string): string {
  return `${path.replace(/_+([a-z])/g, (_, letter: string) => letter.toUpperCase())}Text`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(FILE, await writersText());
