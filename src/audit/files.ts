/** The file operations the log's writer needs, and no others: tests put failing ones in their place. */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readdirSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

export interface LogFiles {
  /** Names in the log's directory. */
  list(): string[];
  read(name: string): Buffer;
  /** Opens for writing at given positions; makes the file where it is missing. */
  open(name: string): number;
  /** @returns how many bytes were written, which may be fewer than given */
  write(file: number, bytes: Buffer, position: number): number;
  size(file: number): number;
  truncate(file: number, length: number): void;
  sync(file: number): void;
  close(file: number): void;
  /** Makes created names durable. */
  syncDirectory(): void;
}

export function nodeFiles(directory: string): LogFiles {
  return {
    list: () => readdirSync(directory),
    read: (name) => readFileSync(join(directory, name)),
    open: (name) => openSync(join(directory, name), constants.O_RDWR | constants.O_CREAT, 0o600),
    write: (file, bytes, position) => writeSync(file, bytes, 0, bytes.length, position),
    size: (file) => fstatSync(file).size,
    truncate: ftruncateSync,
    sync: fdatasyncSync,
    close: closeSync,
    syncDirectory() {
      const folder = openSync(directory, "r");
      try {
        fsyncSync(folder);
      } finally {
        closeSync(folder);
      }
    },
  };
}
