/** Files of the records of sealed segments: each with a note beside it that says what it was made from, what is in it, and its own digest. */
import { createHash, hash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { segmentName } from "../audit/log/segments.js";
import { openRegular } from "../system/read_file.js";
import type { SearchEngine } from "./engine.js";
import { INSERT_MS_MAX, quoted, SCHEMA_VERSION, STATISTICS, type FoundChecks, type Statistics } from "./schema.js";

/** Folder of the Parquet files, in a log's folder. */
export const PARQUET_FOLDER = join("records", "parquet");

export interface SegmentNote extends Statistics {
  schema: number;
  /** Number of the first record that is missing or unreadable; null: none. */
  missing_first: number | null;
  /** First record of the segment, and of the next one. */
  first: number;
  end: number;
  /** Bytes of the segment, and the digest of the last of them: a file of another log isn't taken for this one's. */
  segment_bytes: number;
  segment_tail: string;
  parquet_bytes: number;
  parquet_digest: string;
}

export interface SealedFile extends SegmentNote {
  path: string;
  /** True if the file's bytes are those that the note names; null: not checked yet. */
  sound: boolean | null;
}

/** A segment that nothing is added to, as it is on the disk. */
export type SealedSegment = Pick<SegmentNote, "first" | "end" | "segment_bytes" | "segment_tail">;

/** Describes a sealed segment by its size and its end. @throws what the disk reports */
export function sealedSegment(folder: string, { first, end }: { first: number; end: number }): SealedSegment {
  const file = openRegular(join(folder, segmentName(first)));
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(file, tail, 0, tail.length, size - tail.length);
    return { first, end, segment_bytes: size, segment_tail: hash("sha256", tail) };
  } finally {
    closeSync(file);
  }
}

const TAIL_BYTES = 4096;
/**
 * A column gets a dictionary, and with it a Bloom filter by which a question passes over a row group, unless each of its values is another:
 * without them, who touched a resource costs ten times as much, and files are two thirds as large.
 */
const LAYOUT = "ROW_GROUP_SIZE 8192, DICTIONARY_SIZE_LIMIT 8191, STRING_DICTIONARY_PAGE_SIZE_LIMIT 4194304";
const OURS = /^(\d{16})\.(?:parquet|json)(?:\.partial)?$/;

export class ParquetFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Returns the file of a segment; null if no file was made from the segment as it is, and in this version. */
  read(segment: SealedSegment): SealedFile | null {
    try {
      const note = JSON.parse(readFileSync(this.#path(segment.first, "json"), "utf8")) as SegmentNote;
      const path = this.#path(segment.first, "parquet");
      const fits = Object.entries({ schema: SCHEMA_VERSION, ...segment }).every(
        ([name, value]) => note[name as keyof SegmentNote] === value,
      );
      return fits && statSync(path).size === note.parquet_bytes ? { ...note, path, sound: null } : null;
    } catch {
      return null;
    }
  }

  /**
   * Writes the file of a segment, and its note last: one without the other counts for nothing.
   * @param rows statement for the rows, in order
   * @param isGood whether the rows that were written are those of the segment
   * @returns null if they aren't
   * @throws what the disk or the engine reports
   */
  async write(
    segment: SealedSegment,
    rows: string,
    engine: Pick<SearchEngine, "rows">,
    isGood: (found: FoundChecks) => boolean,
    missing_first: number | null = null,
  ): Promise<SealedFile | null> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = this.#path(segment.first, "parquet");
    const partial = `${path}.partial`;
    const about = Object.entries({ schema: SCHEMA_VERSION, segment: segmentName(segment.first), ...segment });
    const metadata = about.map(([name, value]) => `remit_${name}: '${value}'`).join(", ");
    try {
      await engine.rows(
        `COPY (${rows}) TO '${quoted(partial)}' (FORMAT parquet, COMPRESSION zstd, ${LAYOUT}, KV_METADATA {${metadata}})`,
        [],
        INSERT_MS_MAX,
      );
      const [found] = await engine.rows<FoundChecks & Statistics>(`SELECT ${STATISTICS} FROM read_parquet('${quoted(partial)}')`);
      if (found === undefined || !isGood(found)) {
        this.drop(segment.first);
        return null;
      }
      const { records, from_ms, to_ms, ids, outcomes } = found;
      const whole: SegmentNote = {
        schema: SCHEMA_VERSION,
        ...segment,
        records,
        missing_first,
        from_ms,
        to_ms,
        ids,
        outcomes,
        parquet_bytes: statSync(partial).size,
        parquet_digest: digestOf(partial),
      };
      rmSync(this.#path(segment.first, "json"), { force: true });
      renameSync(partial, path);
      const note = this.#path(segment.first, "json");
      writeFileSync(`${note}.partial`, JSON.stringify(whole), { mode: 0o600 });
      renameSync(`${note}.partial`, note);
      return { ...whole, path, sound: true };
    } catch (cause) {
      this.drop(segment.first);
      throw cause;
    }
  }

  drop(first: number): void {
    for (const end of ["parquet", "parquet.partial", "json", "json.partial"]) rmSync(this.#path(first, end), { force: true });
  }

  /** Deletes files of segments that aren't there. */
  dropAllBut(firsts: ReadonlySet<number>): void {
    if (!existsSync(this.#folder)) return;
    for (const name of readdirSync(this.#folder)) {
      const first = OURS.exec(name)?.[1];
      if (first !== undefined && !firsts.has(Number(first))) this.drop(Number(first));
    }
  }

  #path(first: number, end: string): string {
    return join(this.#folder, `${String(first).padStart(16, "0")}.${end}`);
  }
}

/** Returns true if the bytes of a file are those that its note names; checked once. */
export function isSound(file: SealedFile): boolean {
  try {
    return (file.sound ??= digestOf(file.path) === file.parquet_digest);
  } catch {
    return (file.sound = false);
  }
}

/** Returns the SHA-256 of a file, read in chunks: a question about all records would have all files in memory. */
function digestOf(path: string): string {
  const digest = createHash("sha256");
  const file = openSync(path, "r");
  try {
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) digest.update(chunk.subarray(0, read));
    return digest.digest("hex");
  } finally {
    closeSync(file);
  }
}

const chunk = Buffer.allocUnsafeSlow(256 * 1024);
