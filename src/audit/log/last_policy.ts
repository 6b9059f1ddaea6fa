/** The policy that a log says ran last: what was trusted is remembered there, too, under a signed checkpoint. */
import { closeSync, fstatSync, readSync } from "node:fs";
import { join } from "node:path";
import { RECORD_BYTES_MAX, type PolicyIdentity } from "../../contract/index.js";
import { openRegular } from "../../system/read_file.js";
import { NEWLINE, segmentsOf } from "./record_lines.js";

const POLICY = '"policy":{';
const CHUNK_BYTES = 256 * 1024;
/** More than a record may have. */
const LINE_BYTES_MAX = 2 * RECORD_BYTES_MAX;
const LINE_END = Buffer.from([NEWLINE]);

interface Stated {
  kind?: string;
  engine?: object;
  change?: string;
  policy?: PolicyIdentity;
  answer?: { policy?: PolicyIdentity | null };
}

/**
 * Returns the policy of the last record that has one and was made by this service; null if none has. Another engine's may be behind. Each
 * start with a bundle records its activation, so no more is read than what engines, sensors and callers have added since.
 */
export function lastPolicy(folder: string): PolicyIdentity | null {
  return lastOf(folder, (stated) => (stated.kind === "decision" ? (stated.answer?.policy ?? null) : activatedIn(stated)));
}

/**
 * Returns the policy that a log says was activated last; null if it has no activation, or no longer has one. A decision may be a staged
 * policy's, which nobody has activated. Reads all since the last start.
 */
export function lastActivated(folder: string): PolicyIdentity | null {
  return lastOf(folder, activatedIn);
}

function lastOf(folder: string, policyOf: (stated: Stated) => PolicyIdentity | null): PolicyIdentity | null {
  for (const { name } of segmentsOf(folder).reverse())
    for (const line of linesBackward(join(folder, name))) {
      const stated = line.includes(POLICY) ? statedIn(line.toString()) : null;
      const found = stated === null || stated.engine !== undefined ? null : policyOf(stated);
      if (found !== null) return found;
    }
  return null;
}

function activatedIn({ kind, change, policy }: Stated): PolicyIdentity | null {
  return kind === "bundle" && change === "activated" ? (policy ?? null) : null;
}

/** Null for a line that is no record: others say that it is damaged, and a start isn't refused for it. */
function statedIn(line: string): Stated | null {
  try {
    return JSON.parse(line) as Stated;
  } catch {
    return null;
  }
}

/** Whole lines, the last one first. What is longer than any record is passed over, and never in memory whole. */
function* linesBackward(path: string): Generator<Buffer, void, undefined> {
  const file = openRegular(path);
  try {
    // What follows the last newline is being written, or was torn.
    let rest: Buffer | null = null;
    let isTooLong = false;
    for (let end = fstatSync(file).size; end > 0;) {
      const from = Math.max(0, end - CHUNK_BYTES);
      const chunk = Buffer.alloc(end - from);
      const read = chunk.subarray(0, readSync(file, chunk, 0, chunk.length, from));
      end = from;
      let bytes: Buffer = rest === null ? read.subarray(0, read.lastIndexOf(NEWLINE) + 1) : Buffer.concat([read, rest]);
      if (bytes.length === 0) continue;
      for (let at = bytes.lastIndexOf(NEWLINE, -2); at >= 0; at = bytes.lastIndexOf(NEWLINE, -2)) {
        if (!isTooLong) yield bytes.subarray(at + 1, -1);
        isTooLong = false;
        bytes = bytes.subarray(0, at + 1);
      }
      isTooLong ||= bytes.length > LINE_BYTES_MAX;
      rest = isTooLong ? LINE_END : bytes;
    }
    if (rest !== null && rest.length > 1 && !isTooLong) yield rest.subarray(0, -1);
  } finally {
    closeSync(file);
  }
}
