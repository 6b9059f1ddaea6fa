/** Files of the records of sealed segments: each with a note beside it that says what it was made from, what is in it, and its own digest. */
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { segmentName } from "../audit/segments.js";
import { quoted, SCHEMA_VERSION } from "./schema.js";

/** In a log's folder. */
export const PARQUET_FOLDER = join("records", "parquet");

/** Ids of decisions, the least and the greatest as text. */
export type IdRange = readonly [least: string, greatest: string];

/** Statistics of a segment's records: a query looks at no file that they rule out. */
export interface Statistics {
  records: number;
  /** Number of the first record that is missing or unreadable; null: none. */
  missing_first: number | null;
  from_ms: number;
  to_ms: number;
  /** Ids of its decisions, and of those that its outcomes are of. */
  ids: IdRange | null;
  outcomes: IdRange | null;
}

export interface SegmentNote extends Statistics {
  schema: number;
  /** First record of the segment, and of the next one. */
  first: number;
  end: number;
  /** Bytes of the segment, and the digest of its last record's line. */
  segment_bytes: number;
  last_digest: string;
  parquet_bytes: number;
  parquet_digest: string;
}

export interface SealedFile extends SegmentNote {
  path: string;
  /** Whether its bytes are those that the note names; null: not looked at yet. */
  sound: Promise<boolean> | null;
}

const OURS = /^(\d{16})\.(?:parquet|json)(?:\.partial)?$/;

export class ParquetFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The file of a segment; null where there is none that was made from it as it is, and in this version. */
  read(first: number, end: number, segment_bytes: number): SealedFile | null {
    try {
      const note = JSON.parse(readFileSync(this.#path(first, "json"), "utf8")) as SegmentNote;
      const path = this.#path(first, "parquet");
      const fits = note.schema === SCHEMA_VERSION && note.first === first && note.end === end && note.segment_bytes === segment_bytes;
      return fits && statSync(path).size === note.parquet_bytes ? { ...note, path, sound: null } : null;
    } catch {
      return null;
    }
  }

  /**
   * Writes the file of a segment, and its note last: one without the other counts for nothing.
   * @param rows as a statement names them, in order
   * @param copy runs a statement
   */
  async write(
    note: Omit<SegmentNote, "schema" | "parquet_bytes" | "parquet_digest">,
    rows: string,
    copy: (sql: string) => Promise<unknown>,
  ): Promise<SealedFile> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = this.#path(note.first, "parquet");
    const partial = `${path}.partial`;
    const about = {
      schema: SCHEMA_VERSION,
      first: note.first,
      end: note.end,
      segment: segmentName(note.first),
      segment_bytes: note.segment_bytes,
      last_digest: note.last_digest,
    };
    const metadata = Object.entries(about).map(([name, value]) => `remit_${name}: '${value}'`);
    try {
      await copy(
        `COPY (SELECT * FROM ${rows}) TO '${quoted(partial)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384, KV_METADATA {${metadata.join(", ")}})`,
      );
      const bytes = readFileSync(partial);
      const whole: SegmentNote = { schema: SCHEMA_VERSION, ...note, parquet_bytes: bytes.length, parquet_digest: hash("sha256", bytes) };
      rmSync(this.#path(note.first, "json"), { force: true });
      renameSync(partial, path);
      const text = this.#path(note.first, "json");
      writeFileSync(`${text}.partial`, JSON.stringify(whole), { mode: 0o600 });
      renameSync(`${text}.partial`, text);
      return { ...whole, path, sound: Promise.resolve(true) };
    } catch (cause) {
      this.drop(note.first);
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

/** Whether the bytes of a file are those that its note names; looked at once. */
export function isSound(file: SealedFile): Promise<boolean> {
  file.sound ??= readFile(file.path).then(
    (bytes) => hash("sha256", bytes) === file.parquet_digest,
    () => false,
  );
  return file.sound;
}
