import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "remit-"));
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** All whole records of a log's directory, in order. */
export function readLog(directory: string): { seq: number; id: number; facts_revision?: number }[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(directory, name), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { seq: number; id: number; facts_revision?: number });
}
