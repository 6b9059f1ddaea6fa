/**
 * Files that a configuration names, or that a folder has. Each is opened once, without blocking, and has to be a regular file: a FIFO would never
 * answer, a device never end.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, type Stats } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

/** A regular file that nobody has a use for: keys, certificates, mappings and facts are far smaller. */
const BYTES_MAX = 512 * 1024 * 1024;
const READING = constants.O_RDONLY | constants.O_NONBLOCK;
const FIRST_BYTES = 4096;

/** @throws Error with `path`: the file system's, or with the code `NOT_A_FILE` */
export function openRegular(file: string): number {
  const opened = openSync(file, READING);
  const fault = faultOf(file, fstatSync(opened));
  if (fault === null) return opened;
  closeSync(opened);
  throw fault;
}

/** Opens a file like `openRegular`, off this thread. */
export async function openRegularFile(file: string): Promise<FileHandle> {
  const opened = await open(file, READING);
  const fault = faultOf(file, await opened.stat());
  if (fault === null) return opened;
  await opened.close();
  throw fault;
}

/** @throws Error with `path`: the file system's, or with the code `NOT_A_FILE` or `EFBIG` */
export function readBytes(file: string, bytesMax = BYTES_MAX): Buffer {
  const opened = openRegular(file);
  try {
    const into = new Growing(file, fstatSync(opened).size, bytesMax);
    while (into.took(naming(file, () => readSync(opened, into.room, 0, into.room.length, null))));
    return into.bytes;
  } finally {
    closeSync(opened);
  }
}

/** Reads an open file like `readBytes`, off this thread. */
export async function readOpened(file: string, opened: FileHandle, bytesMax = BYTES_MAX): Promise<Buffer> {
  const into = new Growing(file, (await opened.stat()).size, bytesMax);
  while (into.took((await opened.read(into.room, 0, into.room.length, null)).bytesRead));
  return into.bytes;
}

/** Reads a file like `readBytes`, off this thread. */
export async function readRegularFile(file: string, bytesMax = BYTES_MAX): Promise<Buffer> {
  const opened = await openRegularFile(file);
  try {
    return await readOpened(file, opened, bytesMax);
  } finally {
    await opened.close();
  }
}

/** A file that a person names on a command line, where it may be a pipe: `<(…)`. @throws as `readBytes` */
export function readGiven(file: string): Buffer {
  return naming(file, () => readFileSync(file));
}

/** Bytes of a file that are read until there are no more; it may grow meanwhile. */
class Growing {
  #memory: Buffer;
  #length = 0;

  constructor(
    private readonly file: string,
    size: number,
    private readonly most: number,
  ) {
    if (size > most) throw this.#tooLarge();
    // One more than it has, to meet its end.
    this.#memory = Buffer.alloc(Math.min(Math.max(size, FIRST_BYTES), most) + 1);
  }

  get room(): Buffer {
    return this.#memory.subarray(this.#length);
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  /** Counts bytes that were read. @returns true if there may be more */
  took(bytes: number): boolean {
    if (bytes === 0) return false;
    this.#length += bytes;
    if (this.#length > this.most) throw this.#tooLarge();
    if (this.#length === this.#memory.length) this.#memory = Buffer.concat([this.#memory, Buffer.alloc(this.#memory.length)]);
    return true;
  }

  #tooLarge(): Error {
    return failure(this.file, "EFBIG", `has more than ${this.most} bytes`);
  }
}

function faultOf(file: string, state: Stats): Error | null {
  if (state.isFile()) return null;
  return state.isDirectory() ? failure(file, "EISDIR", "is a folder") : failure(file, "NOT_A_FILE", "is not a regular file");
}

function failure(path: string, code: string, what: string): Error {
  return Object.assign(new Error(`${code}: '${path}' ${what}`), { code, path });
}

/** For a `catch`: returns null if a file or a folder is missing. @throws any other error */
export function nullIfMissing(cause: unknown): null {
  if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
  throw cause;
}

/** Adds a file's path to errors of `read`: the system leaves it out once the file is open. @throws what `read` throws */
export function naming<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException;
    if (error.path === undefined) {
      error.path = file;
      error.message += ` '${file}'`;
    }
    throw error;
  }
}

/** Reads a file as UTF-8; invalid bytes become U+FFFD. @throws as `readBytes` */
export function readText(file: string): string {
  return readBytes(file).toString("utf8");
}

/** Reads a secret without the blanks around it. @throws as `readBytes`, and if it is empty: an empty secret would be anybody's */
export function readSecret(file: string): string {
  const text = readText(file).trim();
  if (text === "") throw new Error(`'${file}' is empty`);
  return text;
}

/** RFC 6750, section 2.1, allows less; what isn't in here would be no single header. */
export const TOKEN_PATTERN = /^[\x21-\x7e]+$/;

/** A bearer token. @throws as `readBytes`, and where it holds none */
export function readToken(file: string): string {
  const token = readText(file).trim();
  if (!TOKEN_PATTERN.test(token)) throw new Error(`${file} holds no token`);
  return token;
}
