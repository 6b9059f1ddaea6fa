/** A record of a change of facts, written: what is too large for a leaf stands beside it. */
import { hash } from "node:crypto";
import { RECORD_BYTES_MAX, aroundSeq, canonical } from "../contract/index.js";
import type { Beside } from "./ports.js";

/** Members with a key's content, under its kind; and the member that names what of it is masked. */
const APART: ReadonlySet<string> = new Set(["agent", "bundle", "finding", "grant", "import", "masked", "narrowing", "revocation", "task"]);
/** `seq` and braces come to it. */
const BYTES_MAX = RECORD_BYTES_MAX - 64;

type Members = Readonly<Record<string, unknown>>;

export interface FactsText {
  before: string;
  after: string;
  beside?: Beside | undefined;
}

export function factsText(record: Members): FactsText {
  const { before, after } = aroundSeq(record);
  if (Buffer.byteLength(before) + Buffer.byteLength(after) <= BYTES_MAX) return { before, after };
  const members = Object.entries(record);
  const text = canonical(Object.fromEntries(members.filter(([name]) => APART.has(name))));
  const digest = `sha256:${hash("sha256", text)}`;
  const left = Object.fromEntries(members.filter(([name]) => !APART.has(name)));
  return { ...aroundSeq({ ...left, beside: { bytes: Buffer.byteLength(text), digest } }), beside: { digest, text } };
}

/** The record that was written so. */
export function readFactsText({ before, after, beside }: FactsText): Record<string, unknown> {
  const record = JSON.parse(`{${before},${after}}`) as Record<string, unknown>;
  if (beside === undefined) return record;
  delete record["beside"];
  return { ...record, ...(JSON.parse(beside.text) as Record<string, unknown>) };
}
