/** Digest that stands in a record in place of a masked value. */
import { createHmac } from "node:crypto";
import { canonical } from "../../contract/index.js";

const DIGEST_BYTES = 16;

export interface MaskKey {
  /** Its first day, `2026-11-01`. */
  period: string;
  key: Buffer;
}

/**
 * Equal for equal values of one field within one period, and for nothing else: without the key it says nothing of the value.
 * @param field names no NUL
 */
export function maskText({ period, key }: MaskKey, field: string, value: unknown): string {
  const digest = createHmac("sha256", key)
    .update(`${field}\0${canonical(value)}`)
    .digest()
    .subarray(0, DIGEST_BYTES);
  return `masked:${period}:${digest.toString("base64url")}`;
}
