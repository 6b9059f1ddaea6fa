import type { Clock, Random } from "./index.js";

const POOL_BYTES = 4096;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Makes UUIDs of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then random bits. */
export function uuid7(clock: Clock, random: Random): () => string {
  // Drawn in one go: a call into the random source costs more than the rest of an id.
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;
  const hex = (byte: number): string => HEX[byte] ?? "";
  let lastMs = -1;
  let time = "";
  return () => {
    if (used === POOL_BYTES) {
      random.fill(pool);
      used = 0;
    }
    const next = (): number => pool[used++] ?? 0;
    const ms = clock.wall();
    if (ms !== lastMs) {
      lastMs = ms;
      const digits = ms.toString(16).padStart(12, "0");
      time = `${digits.slice(0, 8)}-${digits.slice(8)}`;
    }
    const versioned = hex((next() & 0x0f) | 0x70) + hex(next());
    const variant = hex((next() & 0x3f) | 0x80) + hex(next());
    used += 6;
    let node = "";
    for (let i = used - 6; i < used; i++) node += hex(pool[i] ?? 0);
    used += 6; // 16 bytes an id, so that the pool holds a whole number of them
    return `${time}-${versioned}-${variant}-${node}`;
  };
}
