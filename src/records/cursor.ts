/** Cursor of a page of records: the record at which the page ended, in either order. It stays valid for ever. */
const FORM = /^r([1-9]\d{0,15})$/;

export const toCursor = (seq: number): string => Buffer.from(`r${seq}`).toString("base64url");

/** Null for a text that is no cursor. */
export function fromCursor(cursor: string): number | null {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  const seq = FORM.exec(text)?.[1];
  return seq === undefined || toCursor(Number(seq)) !== cursor ? null : Number(seq);
}
