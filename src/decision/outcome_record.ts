/** The record of an outcome: what a call returned stands in it, or beside it where that is too large. */
import { hash } from "node:crypto";
import { RECORD_BYTES_MAX, aroundSeq, canonical } from "../contract/index.js";
import type { Beside } from "./ports.js";

/** Bytes of a record that are left for what isn't `seen`. */
const REST_BYTES_MAX = 8 * 1024;

/** @returns the arguments of `Log`'s `append` */
export function besideIfLarge(
  members: Readonly<Record<string, unknown>>,
  seen: object | null,
): [before: string, after: string, beside?: Beside] {
  if (seen === null) return pair(members);
  const text = canonical({ seen });
  const bytes = Buffer.byteLength(text);
  if (bytes <= RECORD_BYTES_MAX - REST_BYTES_MAX) return pair({ ...members, seen });
  const digest = `sha256:${hash("sha256", text)}`;
  return [...pair({ ...members, beside: { bytes, digest } }), { digest, text }];
}

function pair(members: Readonly<Record<string, unknown>>): [string, string] {
  const { before, after } = aroundSeq(members);
  return [before, after];
}
