/**
 * What a tool answered, taken apart: fields that hold one value as records have it, and text that anyone could have written. A text
 * within a record can't leave its field, since the record is read by a parser; what looks like a record in a text stays text.
 */
import { parseDocument } from "yaml";

export interface Field {
  /** Of the nearest member that has a name; "" where none has. */
  key: string;
  value: string;
  /** Number of the record that it is part of. */
  record: number;
}

export interface Output {
  /** Values that stand alone. */
  fields: Field[];
  /** What is text, with the record it is part of. */
  texts: { text: string; record: number }[];
}

const LENGTH_MAX = 1_000_000;
const FIELDS_MAX = 20_000;
/** Members in which records keep what people wrote. */
const WRITTEN = new Set(
  "body content contents description text subject title message note notes comment comments review reviews feedback summary detail details answer html raw bio about caption snippet reason remark remarks instructions".split(
    " ",
  ),
);
/** No value of a record has more. */
const WORDS_MAX = 6;

export function isWritten(key: string): boolean {
  return WRITTEN.has(
    key
      .toLowerCase()
      .split(/[^a-z]+/)
      .at(-1) ?? "",
  );
}

/** @param asRecords false: whatever it looks like, it is what somebody wrote */
export function readOutput(raw: string, asRecords: boolean): Output {
  const output: Output = { fields: [], texts: [] };
  const parts = asRecords ? raw.split(/\n---\n/) : [raw];
  for (const [part, text] of parts.entries()) {
    const found = asRecords ? structured(text) : undefined;
    if (found === undefined) output.texts.push({ text, record: part * FIELDS_MAX });
    else walk(found, "", part * FIELDS_MAX, output, { next: part * FIELDS_MAX + 1 });
  }
  return output;
}

/** Undefined where it is no record, whole or cut off at its end. */
function structured(text: string): unknown {
  if (text.length > LENGTH_MAX) return undefined;
  if (!/^\s*(?:- |\[|\{|[A-Za-z_][\w ]*:(?:\s|$))/.test(text)) return undefined;
  for (let lines = text.split("\n"), tries = 0; tries < 4 && lines.length > 0; tries++, lines = lines.slice(0, -1)) {
    const document = parseDocument(lines.join("\n"), { schema: "failsafe", uniqueKeys: true });
    if (document.errors.length > 0) continue;
    const value: unknown = document.toJS({ maxAliasCount: 0 });
    return typeof value === "object" && value !== null ? value : undefined;
  }
  return undefined;
}

function walk(value: unknown, key: string, record: number, output: Output, numbers: { next: number }): void {
  if (output.fields.length + output.texts.length > FIELDS_MAX) return;
  if (Array.isArray(value)) for (const item of value as unknown[]) walk(item, key, record, output, numbers);
  else if (typeof value === "object" && value !== null) {
    const own = numbers.next++;
    for (const [name, member] of Object.entries(value)) {
      // `shared_with: {ada@example.com: r}`: the name is a value too.
      if (!/^[A-Za-z_]\w*$/.test(name)) add(output, key === "" ? "name" : key, name, typeof member === "object" ? numbers.next : own);
      walk(member, /^[A-Za-z_]\w*$/.test(name) ? name : key, own, output, numbers);
    }
  } else if (typeof value === "string") add(output, key, value, record);
}

function add(output: Output, key: string, value: string, record: number): void {
  if (value === "" || value === "null") return;
  const isText = isWritten(key) || (value.match(/\S+/g) ?? []).length > WORDS_MAX;
  if (isText) output.texts.push({ text: value, record });
  // A title is text, and yet what a record is known by.
  if (!isText || value.length <= 120) output.fields.push({ key, value, record });
}

/** Whether it could hold an instruction to the agent. */
export function hasRoom({ fields, texts }: Output): boolean {
  const words = (text: string): number => (text.match(/\p{L}{2,}/gu) ?? []).length;
  return texts.some(({ text }) => words(text) > 2) || fields.some(({ value }) => words(value) > 3);
}
