/**
 * Place up to which a sink has taken the records, on disk: written whole beside the old one, synced and renamed, so that a crash leaves
 * the old one or the new one.
 */
import { hash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { objectOf, textOf, type Writer } from "./exported_record.js";
import { nullIfMissing, readText } from "../../system/read_file.js";
import { replaceFileSync } from "../../system/replaced_file.js";

export interface Cursor {
  v: 1;
  /** The last record that was taken, that the format has no place for, or that was set aside; 0: none. */
  seq: number;
  /** That record's place and leaf (hex), by which it is known again; null: none. */
  last: { segment: string; offset: number; leaf: string } | null;
  writer: Writer;
}

export class CursorDamaged extends Error {
  override readonly name = "CursorDamaged";
}

export const CURSOR = ".cursor";

export function cursorFile(folder: string, sink: string): string {
  return join(folder, "export", `${sink}${CURSOR}`);
}

/**
 * Reads a sink's cursor.
 * @returns null if there is no file yet
 * @throws CursorDamaged for a file that isn't a cursor, and whatever the disk reports
 */
export function readCursor(file: string): Cursor | null {
  let text: string;
  try {
    text = readText(file);
  } catch (cause) {
    return nullIfMissing(cause);
  }
  const cursor = parsed(text.slice(text.indexOf(" ") + 1));
  if (!isCursor(cursor) || textOfCursor(cursor) !== text) throw new CursorDamaged(`${file} is no cursor`);
  return cursor;
}

/** With a digest before it, so that nothing that was altered is taken for one. */
function textOfCursor({ v, seq, last, writer }: Cursor): string {
  const text = JSON.stringify({ v, seq, last, writer });
  return `${hash("sha256", text)} ${text}\n`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Returns true if a value is a cursor. Checks by hand: the thread that reads it has no other use for a validator. */
function isCursor(value: unknown): value is Cursor {
  const { v, seq, last, writer } = objectOf(value);
  const { segment, offset, leaf } = objectOf(last);
  const { origin, version } = objectOf(writer);
  const isPlace = textOf(segment) !== null && isCount(offset) && /^[0-9a-f]{64}$/.test(textOf(leaf) ?? "");
  return v === 1 && isCount(seq) && (seq === 0 ? last === null : isPlace) && textOf(origin) !== null && textOf(version) !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** @throws whatever the disk says; the old cursor then stands */
export function writeCursor(file: string, cursor: Cursor): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replaceFileSync(file, textOfCursor(cursor), 0o600);
}
