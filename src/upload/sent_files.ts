/**
 * Files that a bucket has, as a file of lines that only grows. It saves asking the bucket for each file after a restart: a line that is lost or
 * damaged costs one question.
 */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readText } from "../system/read_file.js";

const LINE = /^(\d{16}) ([0-9a-f]{64})$/;

export class SentFiles {
  readonly #file: string;
  readonly #sent = new Map<number, string>();

  /**
   * @param target bucket and layout: what was sent to another counts for nothing
   * @param firsts first records of the segments that there are
   * @throws what the disk reports, except that there is no such file
   */
  constructor(folder: string, name: string, target: string, firsts: ReadonlySet<number>) {
    this.#file = join(folder, "export", `${name}.uploaded`);
    const [head, ...lines] = readLines(this.#file);
    for (const line of head === target ? lines : []) {
      const [, first, digest] = LINE.exec(line) ?? [];
      if (first !== undefined && digest !== undefined && firsts.has(Number(first))) this.#sent.set(Number(first), digest);
    }
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const kept = [...this.#sent].map(([first, digest]) => lineOf(first, digest));
    writeFileSync(this.#file, [target, ...kept].map((line) => `${line}\n`).join(""), { mode: 0o600 });
  }

  /** Returns true if the segment's file was sent, and had this digest. */
  has(first: number, digest: string): boolean {
    return this.#sent.get(first) === digest;
  }

  /** Notes a file that was sent. @throws what the disk reports; it is known until the process ends anyway */
  add(first: number, digest: string): void {
    this.#sent.set(first, digest);
    appendFileSync(this.#file, `${lineOf(first, digest)}\n`, { mode: 0o600 });
  }
}

const lineOf = (first: number, digest: string): string => `${String(first).padStart(16, "0")} ${digest}`;

function readLines(file: string): string[] {
  try {
    return readText(file).split("\n");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw cause;
  }
}
