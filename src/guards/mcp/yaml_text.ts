/** Writes YAML that this project's reader takes: plain words where they are plain, else JSON, which YAML 1.2 is a superset of. */
export type Yaml = string | number | boolean | Yaml[] | { [key: string]: Yaml };

const PLAIN = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
const WORDS_OF_YAML = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

/** On one line. */
export function flow(value: Yaml): string {
  if (typeof value === "string") return PLAIN.test(value) && !WORDS_OF_YAML.test(value) ? value : ascii(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  return `{${Object.entries(value)
    .map(([key, member]) => `${flow(key)}: ${flow(member)}`)
    .join(", ")}}`;
}

/** @param levels of keys that have lines of their own */
export function block(value: { [key: string]: Yaml }, levels: number, indent = ""): string {
  return Object.entries(value)
    .map(([key, member]) => {
      const open = levels > 0 && typeof member === "object" && !Array.isArray(member) && Object.keys(member).length > 0;
      return open ? `${indent}${flow(key)}:\n${block(member, levels - 1, `${indent}  `)}` : `${indent}${flow(key)}: ${flow(member)}`;
    })
    .join("\n");
}

const WIDTH = 120;

/** Over several lines, none much longer than others. */
export function wrapped(value: { [key: string]: Yaml } | readonly string[], indent: string): string {
  const isList = Array.isArray(value);
  const entries = isList ? value.map(flow) : Object.entries(value).map(([key, member]) => `${flow(key)}: ${flow(member)}`);
  const lines = [`${indent}${isList ? "[" : "{"}`];
  for (const [i, entry] of entries.entries()) {
    const line = lines.at(-1) ?? "";
    if (i === 0) lines[0] = `${line}${entry}`;
    else if (line.length + entry.length + 2 <= WIDTH) lines[lines.length - 1] = `${line}, ${entry}`;
    else lines.splice(-1, 1, `${line},`, `${indent} ${entry}`);
  }
  return `${lines.join("\n")}${isList ? "]" : "}"}`;
}

function ascii(text: string): string {
  return JSON.stringify(text).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
