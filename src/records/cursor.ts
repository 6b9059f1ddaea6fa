/** Cursor of a page of records: the record at which the page ended, in either order. It stays valid for ever. */
const FORM = /^r([1-9]\d{0,15})$/;

export const toCursor = (seq: number): string => Buffer.from(`r${seq}`).toString("base64url");

/** Null for a text that is no cursor. */
export function fromCursor(cursor: string): number | null {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  const seq = FORM.exec(text)?.[1];
  return seq === undefined || toCursor(Number(seq)) !== cursor ? null : Number(seq);
}

/** Cursor of a page of several nodes' records: where it ended in those of each. */
export const toNodesCursor = (ends: Readonly<Record<string, number>>): string =>
  Buffer.from(`n${JSON.stringify(ends)}`).toString("base64url");

/** Null for a text that is no cursor of several nodes. */
export function fromNodesCursor(cursor: string): Record<string, number> | null {
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  if (!text.startsWith("n{")) return null;
  try {
    const ends = JSON.parse(text.slice(1)) as Record<string, unknown>;
    return Object.values(ends).every((end) => Number.isSafeInteger(end) && (end as number) >= 0) ? (ends as Record<string, number>) : null;
  } catch {
    return null;
  }
}
