/** Pages of a list: in the order of ids, so that a page goes on where the last one ended whatever changes in between. */
import { Problem } from "../contract/index.js";
import type { SortedIds } from "./sorted_ids.js";

export interface PageAsked {
  /** `next` of the page before; null for the first. */
  cursor: string | null;
  limit: number;
}

/** A page looks at no more, so that a filter which finds little doesn't hold decisions up. */
const LOOKED_AT_MAX = 2000;

/** @throws Problem `field_invalid` for a cursor that is none */
export function page<T>(
  ids: SortedIds,
  { cursor, limit }: PageAsked,
  found: (id: string) => T | null,
): { items: T[]; next: string | null } {
  const items: T[] = [];
  let looked = 0;
  for (const id of ids.after(cursor === null ? "" : fromCursor(cursor))) {
    const item = found(id);
    if (item !== null) items.push(item);
    looked++;
    if (items.length >= limit || looked >= LOOKED_AT_MAX) return { items, next: toCursor(id) };
  }
  return { items, next: null };
}

const toCursor = (id: string): string => Buffer.from(id, "utf8").toString("base64url");

function fromCursor(cursor: string): string {
  const id = Buffer.from(cursor, "base64url").toString("utf8");
  if (id === "" || toCursor(id) !== cursor) {
    throw new Problem("field_invalid", { field: "/cursor", expected: "`next` of another page" });
  }
  return id;
}
