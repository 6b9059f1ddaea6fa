/** Names as 32-bit numbers, the same on every machine. */

/** Returns the hash of a text, after another hash: `hash(verb, hash(type))` covers both. Never 0, which means an empty place in a table. */
export function hash(text: string, after = 0x2545f491): number {
  let h = after ^ text.length;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x9e3779b1) ^ (h >>> 15);
  return finish(h);
}

/** Returns the hash of two hashes, in this order. */
export function pair(a: number, b: number): number {
  return finish(Math.imul(a, 0x85ebca6b) ^ Math.imul(b ^ (b >>> 16), 0xc2b2ae35) ^ (a >>> 13));
}

function finish(mixed: number): number {
  let h = mixed ^ (mixed >>> 16);
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b);
  h ^= h >>> 16;
  return h >>> 0 || 1;
}
