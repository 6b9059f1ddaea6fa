/** The reference of all keys. */
import { ConfigSchema, type ConfigSchemaNode } from "../src/system/config.js";

/** The reference of all keys as a Markdown table. */
export function configReference(): string {
  const rows = ["| key | default | bounds | meaning |", "| --- | --- | --- | --- |"];
  addRows(rows, "", ConfigSchema as Described, true);
  return `${rows.join("\n")}\n`;
}

type Described = ConfigSchemaNode & {
  description?: string;
  default?: string | number | boolean | object;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  unit?: string;
  enum?: string[];
  required?: string[];
};

function addRows(rows: string[], prefix: string, schema: Described, required: boolean): void {
  if (prefix !== "") {
    const bounds =
      schema.enum !== undefined
        ? schema.enum.join(", ")
        : schema.minimum !== undefined
          ? `${schema.minimum} to ${schema.maximum ?? ""}${schema.unit === undefined ? "" : ` ${schema.unit}`}`
          : schema.maxItems !== undefined
            ? `${schema.minItems ?? 0} to ${schema.maxItems} elements`
            : "";
    const isSection = schema.type === "object" && schema.default !== undefined;
    const fallback = isSection ? "" : schema.default !== undefined ? `\`${said(schema.default)}\`` : required ? "required" : "";
    rows.push(`| \`${prefix}\` | ${fallback} | ${bounds} | ${schema.description ?? ""} |`);
  }
  const dot = prefix === "" ? "" : ".";
  for (const [key, member] of Object.entries(schema.properties ?? {})) {
    addRows(rows, `${prefix}${dot}${key}`, member, schema.required?.includes(key) === true);
  }
  const member = Object.values(schema.patternProperties ?? {})[0];
  if (member !== undefined) addRows(rows, `${prefix}${dot}<name>`, member, false);
  if (schema.items?.type === "object") addRows(rows, `${prefix}[]`, schema.items, false);
}

/** Writes a value as in YAML. */
function said(value: string | number | boolean | object): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
