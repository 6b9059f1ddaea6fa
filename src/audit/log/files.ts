/** The file operations the log's writer needs, and no others: tests put failing ones in their place. */
import { closeSync, constants, fdatasyncSync, fstatSync, ftruncateSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { readBytes } from "../../system/read_file.js";
import { flushSync, replaceFileSync } from "../../system/replaced_file.js";

export interface LogFiles {
  /** Names in the log's directory. */
  list(): string[];
  read(name: string): Buffer;
  /** Opens for writing at given positions; makes the file where it is missing. */
  open(name: string): number;
  /** @returns number of bytes that were written, which may be fewer than given */
  write(file: number, bytes: Buffer, position: number): number;
  size(file: number): number;
  truncate(file: number, length: number): void;
  sync(file: number): void;
  close(file: number): void;
  /** Makes created names durable. */
  syncDirectory(): void;
  /** Whole and durable: whatever happens meanwhile, the file is the old one or the new one. */
  replace(name: string, bytes: Buffer): void;
}

const SEGMENT = /^(\d{16})\.jsonl$/;

/** The segments among a log's files, by the number of their first record. */
export function segmentsIn(files: Pick<LogFiles, "list">): { name: string; first: number }[] {
  return files
    .list()
    .flatMap((name) => {
      const first = SEGMENT.exec(name)?.[1];
      return first === undefined ? [] : [{ name, first: Number(first) }];
    })
    .sort((a, b) => a.first - b.first);
}

export function nodeFiles(directory: string): LogFiles {
  return {
    list: () => readdirSync(directory),
    read: (name) => readBytes(join(directory, name), Infinity),
    open: (name) => openSync(join(directory, name), constants.O_RDWR | constants.O_CREAT, 0o600),
    write: (file, bytes, position) => writeSync(file, bytes, 0, bytes.length, position),
    size: (file) => fstatSync(file).size,
    truncate: ftruncateSync,
    sync: fdatasyncSync,
    close: closeSync,
    syncDirectory() {
      flushSync(directory);
    },
    replace(name, bytes) {
      replaceFileSync(join(directory, name), bytes, 0o600);
    },
  };
}
