/**
 * Writes docs/rego.md, the fields and helpers that rules see: `node dist/scripts/rego.js`. A test holds the file equal to what this
 * makes of the input's schema and of the library's METADATA.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { inputSchema, type ValueType } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";

interface Schema {
  type: string | string[];
  description?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  items?: Schema;
}

const HEAD = `# Rego reference: input and helpers

Rules in Rego read \`input\` and call the helpers of \`data.remit\`.
[Writing a policy](policies.md#rules-in-rego) explains how to write rules; this page lists every field and helper.

## The input

<!-- not run: two expressions of a rule -->

\`\`\`rego
input.request.resource.attributes.customer # null when the host doesn't know it
input.facts.task.subjects.ticket # ["TCK-81"], or null
\`\`\`

A name in \`<…>\` is a word of your [vocabulary](explain/glossary.md#what-is-asked).
Every field is present unless its meaning says that it may be missing.
A field whose type includes \`null\` may be null, and null equals null: test the type before you compare two of them.
\`remit build\` checks rules against this schema.

`;

const OF_VOCABULARY = `
Types of the vocabulary have these types in Rego; each may be null, except for an element of a list.

`;

const HELPERS = `
## Helpers

Write \`import data.remit.reason\` in rules, and \`import data.remit.given\` in their unit tests.

`;

const NAMED: ValueType = { kind: "string", max: 1 };
/** Types of a vocabulary, as \`vocabulary.yaml\` spells them → in Rego. */
const VALUES: [written: string, type: ValueType][] = [
  ["id", { kind: "id" }],
  ["email", { kind: "email" }],
  ["string", NAMED],
  ["integer", { kind: "integer" }],
  ["number", { kind: "number" }],
  ["boolean", { kind: "boolean" }],
  ["[billing, delivery]", { kind: "enum", values: ["billing", "delivery"] }],
  ["{list: id, max: 8}", { kind: "list", of: { kind: "id" }, max: 8 }],
  ["{object: {city: string}}", { kind: "object", fields: { city: NAMED } }],
];

export function regoText(): string {
  const named = inputSchema({
    verbs: {},
    task: { subjects: ["<subject>"], attributes: { "<attribute>": NAMED } },
    agent: { attributes: { "<attribute>": NAMED } },
    types: {
      "<type>": {
        id: "name",
        about: {},
        attributes: { "<attribute>": NAMED },
        arguments: { "<argument>": NAMED },
        related: { "<role>": "<type>" },
      },
    },
  }) as unknown as Schema;
  const values = inputSchema({
    verbs: {},
    task: { subjects: [], attributes: Object.fromEntries(VALUES) },
    agent: { attributes: {} },
    types: {},
  }) as unknown as Schema;
  const types = values.properties?.["facts"]?.properties?.["task"]?.properties?.["attributes"]?.properties ?? {};
  return [
    HEAD,
    table(["field", "type", "meaning"], fields("input", named)),
    OF_VOCABULARY,
    table(
      ["in the vocabulary", "in Rego"],
      Object.entries(types).map(([written, schema]) => [code(written), typeText(schema)]),
    ),
    HELPERS,
    table(["helper", "gives"], [...helpers("reason"), ...helpers("given")]),
  ].join("");
}

/** Every field, by its path, but for the values of the vocabulary's own names. */
function fields(path: string, { properties = {}, items }: Schema): string[][] {
  return Object.entries({ ...properties, ...(items?.properties === undefined ? {} : { "[_]": items }) }).flatMap(([name, schema]) => {
    const at = name === "[_]" ? `${path}[_]` : `${path}.${name}`;
    const isValue = name.startsWith("<") && schema.properties === undefined && schema.items === undefined;
    const meaning = isValue ? "Value of the type that the vocabulary gives it; null when it isn't known." : (schema.description ?? "");
    return [[code(at), isValue ? "of the vocabulary" : typeText(schema), meaning], ...fields(at, schema)];
  });
}

function typeText({ type, items, enum: values }: Schema): string {
  const present = Array.isArray(type) ? type : [type];
  const known = values?.filter((value) => value !== null).map((value) => code(JSON.stringify(value)));
  return present
    .map((one) => (one === "array" ? `array of ${String(items?.type)}` : one === "string" && known !== undefined ? known.join(", ") : one))
    .join(" or ");
}

/** The helpers of one module: name, arguments, title and description of each that has METADATA. */
function helpers(module: string): string[][] {
  const source = readFileSync(asset("rego", "remit", `${module}.rego`), "utf8");
  return [...source.matchAll(/^# METADATA\n((?:#.*\n)+)(default )?((\w+)\([^)]*\))/gm)].map(
    ([, comment = "", isDefault, found = "", name = ""]) => {
      // A default names no arguments.
      const head = isDefault === undefined ? found : (new RegExp(`^${name}\\([^)]*\\)`, "m").exec(source)?.[0] ?? found);
      const { title, description } = parse(comment.replace(/^# ?/gm, "")) as { title: string; description?: string };
      return [code(`${module}.${head}`), `${title}.${description === undefined ? "" : ` ${description}`}`];
    },
  );
}

function code(text: string): string {
  return `\`${text}\``;
}

/** As Prettier leaves it. */
function table(head: string[], rows: string[][]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: string[]): string => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |\n`;
  return line(head) + line(widths.map((width) => "-".repeat(width))) + rows.map(line).join("");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) writeFileSync(asset("docs", "rego.md"), regoText());
