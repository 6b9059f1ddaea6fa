/** Pages of a list: in the order of ids, so that a page goes on where the last one ended whatever changes in between. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { Problem } from "../contract/index.js";
import type { SortedIds } from "./sorted_ids.js";

export interface PageAsked {
  /** `next` of the page before; null for the first. */
  cursor: string | null;
  limit: number;
}

/** A page looks at no more, so that a filter which finds little doesn't hold decisions up. */
const LOOKED_AT_MAX = 2000;

/** Returns a page of facts, with the cursor of the next. @throws Problem `field_invalid` for an invalid cursor */
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
    if (items.length >= limit) return { items, next: toCursor(id) };
    // The caller may not know of what was passed over last.
    if (looked >= LOOKED_AT_MAX) return { items, next: item === null ? sealed(id) : toCursor(id) };
  }
  return { items, next: null };
}

const toCursor = (id: string): string => Buffer.from(id, "utf8").toString("base64url");

function fromCursor(cursor: string): string {
  const id = cursor.startsWith(SEALED) ? opened(cursor) : Buffer.from(cursor, "base64url").toString("utf8");
  if (id === "" || (!cursor.startsWith(SEALED) && toCursor(id) !== cursor)) {
    throw new Problem("field_invalid", { field: "/cursor", expected: "`next` of another page" });
  }
  return id;
}

/** No Base64 begins so. Sealed cursors are good until the service stops. */
const SEALED = "~";
const KEY = randomBytes(32);
const [IV_BYTES, TAG_BYTES] = [12, 16];

function sealed(id: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", KEY, iv);
  const text = Buffer.concat([cipher.update(id, "utf8"), cipher.final()]);
  return SEALED + Buffer.concat([iv, cipher.getAuthTag(), text]).toString("base64url");
}

/** Returns an empty text for what was sealed by nobody here. */
function opened(cursor: string): string {
  const bytes = Buffer.from(cursor.slice(SEALED.length), "base64url");
  if (bytes.length <= IV_BYTES + TAG_BYTES) return "";
  const decipher = createDecipheriv("aes-256-gcm", KEY, bytes.subarray(0, IV_BYTES));
  decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch {
    return "";
  }
}
