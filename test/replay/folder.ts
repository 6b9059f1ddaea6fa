/** A log's folder as a service's writer leaves it, written on this thread, and to be tampered with. */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Beside, Log } from "../../src/decision/ports.js";
import { temporaryDirectory } from "../audit/temporary.js";

export type Json = Record<string, unknown>;

export class LogFolder implements Log {
  readonly path = temporaryDirectory();
  #seq = 0;
  #segment = 1;

  append(before: string, after: string, beside?: Beside): Promise<void> {
    this.#seq++;
    if (beside !== undefined) appendFileSync(this.#file("beside"), `${beside.text}\n`);
    appendFileSync(this.#file("jsonl"), `{${before},"seq":${this.#seq},${after}}\n`);
    return Promise.resolve();
  }

  get seq(): number {
    return this.#seq;
  }

  /** What comes next is in a segment of its own. */
  rotate(): void {
    this.#segment = this.#seq + 1;
  }

  /** Of the current segment. */
  lines(): string[] {
    return readFileSync(this.#file("jsonl"), "utf8").trimEnd().split("\n");
  }

  write(lines: readonly string[]): void {
    writeFileSync(this.#file("jsonl"), lines.map((line) => `${line}\n`).join(""));
  }

  /** Changes one record of the current segment. */
  change(seq: number, change: (record: Json) => unknown): void {
    this.changeLine(seq, (line) => JSON.stringify(change(JSON.parse(line) as Json)));
  }

  changeLine(seq: number, change: (line: string) => string): void {
    this.write(this.lines().map((line, i) => (i === seq - this.#segment ? change(line) : line)));
  }

  changeBeside(change: (text: string) => string): void {
    writeFileSync(this.#file("beside"), change(readFileSync(this.#file("beside"), "utf8")));
  }

  #file(extension: string): string {
    return join(this.path, `${String(this.#segment).padStart(16, "0")}.${extension}`);
  }
}
