/** Files that a command takes, where `-` is its standard input. */
import { buffer } from "node:stream/consumers";
import { readGiven } from "../system/read_file.js";

/** Reads it whole. @throws Error as `readGiven` does */
export async function given(file: string): Promise<Buffer> {
  return file === "-" ? await buffer(process.stdin) : readGiven(file);
}
