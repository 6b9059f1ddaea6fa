/** Random changes of a log's files, each of which a verification has to find where it is. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { verifyLog } from "../../../src/audit/tree/verify.js";
import { segmentName } from "../../../src/audit/log/segments.js";
import { LOG_KEY } from "./written.js";

/** The log that is changed: two full tiles, and records that no tile has. */
export const SMALL = { records: 600, segment_records: 150, beside_every: 50 };

export type Edit = (lines: string[], at: number) => void;

/** The segment that holds a record, of segments of so many. */
export function segmentNamed(seq: number, of: number): string {
  return segmentName(Math.floor((seq - 1) / of) * of + 1);
}

/** Changes the lines of the segment that holds a record. */
export function edit(folder: string, seq: number, of: number, change: Edit): void {
  const file = join(folder, segmentNamed(seq, of));
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  change(lines, (seq - 1) % of);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
}

export interface Often {
  /** How many of each kind. */
  counts: string[];
  /** Those that weren't found where they were, with what was said instead. */
  missed: string[];
}

/** Changes a log of `SMALL`, verifies it and changes it back, so many times. */
export function mutateOften(folder: string, times: number, seed: number, tell?: (done: number) => void): Often {
  const random = dice(seed);
  const counts = new Map<string, number>();
  const missed: string[] = [];
  for (let i = 0; i < times; i++) {
    const { what, at, restore } = mutate(folder, random);
    const { damage } = verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] });
    counts.set(what, (counts.get(what) ?? 0) + 1);
    if (!damage.some(({ from, to }) => from <= at && at <= to))
      missed.push(`${what} at ${at}: ${damage.map(({ message }) => message).join("; ")}`);
    restore();
    if ((i + 1) % 100 === 0) tell?.(i + 1);
  }
  return { counts: [...counts].map(([what, count]) => `${count} ${what}`), missed };
}

type Random = (below: number) => number;

/** xorshift32. */
function dice(seed: number): Random {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

interface Mutation {
  what: string;
  /** The record it is of; 0: the checkpoint. */
  at: number;
  restore: () => void;
}

/** One change of one file, anywhere. */
function mutate(folder: string, random: Random): Mutation {
  const { records, segment_records: of, beside_every: every } = SMALL;
  const seq = 1 + random(records);
  const segment = segmentNamed(seq, of);
  const first = Number(segment.replace(".jsonl", ""));
  const changed = (what: string, file: string, change: (bytes: Buffer) => { at: number; bytes?: Buffer }): Mutation => {
    const path = join(folder, file);
    const before = readFileSync(path);
    const after = Buffer.from(before);
    const { at, bytes } = change(after);
    writeFileSync(path, bytes ?? after);
    return {
      what,
      at,
      restore: () => {
        writeFileSync(path, before);
      },
    };
  };
  const lines = (what: string, change: Edit): Mutation =>
    changed(what, segment, () => {
      edit(folder, seq, of, change);
      return { at: seq, bytes: readFileSync(join(folder, segment)) };
    });
  /** @returns the byte it is in */
  const flip = (bytes: Buffer): number => {
    const at = random(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    return at;
  };
  const newlines = (bytes: Buffer, to: number): number => bytes.subarray(0, to).reduce((count, byte) => count + Number(byte === 0x0a), 0);
  const kinds: (() => Mutation)[] = [
    () =>
      changed("bits of records flipped", segment, (bytes) => {
        const whole = Buffer.from(bytes);
        return { at: first + newlines(whole, flip(bytes)) };
      }),
    () => lines("records dropped", (all, at) => all.splice(at, 1)),
    () => lines("records doubled", (all, at) => all.splice(at, 0, all[at] ?? "")),
    () => lines("records put in", (all, at) => all.splice(at, 0, all[random(all.length)] ?? "")),
    () =>
      lines("records swapped", (all, at) => {
        const other = (at + 1 + random(all.length - 1)) % all.length;
        [all[at], all[other]] = [all[other] ?? "", all[at] ?? ""];
      }),
    () => lines("records overwritten", (all, at) => (all[at] = "x".repeat(all[at]?.length ?? 0))),
    () =>
      changed("segments cut", segment, (bytes) => {
        const length = random(bytes.length);
        return { at: first + newlines(bytes, length), bytes: bytes.subarray(0, length) };
      }),
    () => {
      const n = random(2);
      return changed("bits of tiles flipped", join("tile", "0", `00${n}`), (bytes) => ({ at: n * 256 + Math.floor(flip(bytes) / 32) + 1 }));
    },
    () =>
      changed("bits of the checkpoint flipped", "checkpoint", (bytes) => {
        flip(bytes);
        return { at: 0 };
      }),
    () =>
      changed("bits beside records flipped", segment.replace("jsonl", "beside"), (bytes) => {
        const whole = Buffer.from(bytes);
        return { at: (Math.ceil(first / every) + newlines(whole, flip(bytes))) * every };
      }),
  ];
  return (kinds[random(kinds.length)] as () => Mutation)();
}
