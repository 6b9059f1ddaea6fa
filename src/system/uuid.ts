import type { Clock, Random } from "./index.js";

const BYTES = 16;
const TIME_BYTES = 6;
const POOL_BYTES = 256 * BYTES;
/** Offsets of each byte's two digits in the text, between the dashes. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const TEMPLATE = "00000000-0000-0000-0000-000000000000";
const DIGITS = Buffer.from("0123456789abcdef", "latin1");

/** Makes UUIDs of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then random bits. */
export function uuid7(clock: Clock, random: Random): () => string {
  // Drawn in one go: a call into the random source costs more than the rest of an id.
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;
  const text = Buffer.from(TEMPLATE, "latin1");
  const put = (at: number, byte: number): void => {
    const place = PLACES[at] ?? 0;
    text[place] = DIGITS[byte >> 4] ?? 0;
    text[place + 1] = DIGITS[byte & 0x0f] ?? 0;
  };
  let lastMs = -1;
  return () => {
    if (used === POOL_BYTES) {
      random.fill(pool);
      used = 0;
    }
    // A clock before 1970 has no place in an id.
    const ms = Math.max(0, clock.wall());
    if (ms !== lastMs) {
      lastMs = ms;
      for (let at = TIME_BYTES - 1, rest = ms; at >= 0; at--, rest = Math.floor(rest / 256)) put(at, rest % 256);
    }
    for (let at = TIME_BYTES; at < BYTES; at++) put(at, pool[used + at - TIME_BYTES] ?? 0);
    put(TIME_BYTES, ((pool[used] ?? 0) & 0x0f) | 0x70);
    put(TIME_BYTES + 2, ((pool[used + 2] ?? 0) & 0x3f) | 0x80);
    used += BYTES;
    // One flat string: ids are kept by the hundred thousand, and put together from parts they would take ten times as much.
    return text.toString("latin1");
  };
}
