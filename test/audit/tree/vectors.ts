import { readFileSync } from "node:fs";
import { asset } from "../../../src/system/paths.js";
import { fromBase64, type Hash } from "../../../src/audit/tree/hash.js";

export function vectorBytes(...path: string[]): Buffer {
  return readFileSync(asset("test", "vectors", ...path));
}

export function vectors(...path: string[]): unknown {
  return JSON.parse(vectorBytes(...path).toString());
}

/** @throws Error for anything but base64 of 32 bytes */
export function hashFrom(base64: string): Hash {
  const hash = fromBase64(base64);
  if (hash === null) throw new Error(`\`${base64}\` is no hash`);
  return hash;
}
