/** Files that somebody names. */
import { readFileSync } from "node:fs";

/**
 * @throws the file system's error, always with its `path`: of a folder that is read like a file the system names none
 */
export function readBytes(file: string): Buffer {
  return naming(file, () => readFileSync(file));
}

/** @throws what `read` throws, with the path of the file, which the system leaves out of errors once it is open */
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

/** As UTF-8; what isn't, holds U+FFFD in its place. @throws as `readBytes` */
export function readText(file: string): string {
  return readBytes(file).toString("utf8");
}

/** What a file holds beside the blanks around it. @throws as `readBytes`, and where that is nothing: an empty secret would be anybody's */
export function readSecret(file: string): string {
  const text = readText(file).trim();
  if (text === "") throw new Error(`'${file}' is empty`);
  return text;
}

/** RFC 6750, section 2.1, allows less; what isn't in here would be no single header. */
const TOKEN_PATTERN = /^[\x21-\x7e]+$/;

/** A bearer token. @throws as `readBytes`, and where it holds none */
export function readToken(file: string): string {
  const token = readText(file).trim();
  if (!TOKEN_PATTERN.test(token)) throw new Error(`${file} holds no token`);
  return token;
}
