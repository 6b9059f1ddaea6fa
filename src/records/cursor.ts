/** Where a page of records ended: after this record, in whichever order. It stays good for ever. */
const FORM = /^r([1-9]\d{0,15})$/;

export const toCursor = (seq: number): string => Buffer.from(`r${seq}`).toString("base64url");

/** Null for a text that is no cursor. */
export function fromCursor(cursor: string): number | null {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  const seq = FORM.exec(text)?.[1];
  return seq === undefined || toCursor(Number(seq)) !== cursor ? null : Number(seq);
}
