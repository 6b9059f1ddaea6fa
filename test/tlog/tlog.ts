/** Go's own transparency-log library as a program that reads our logs: built from `main.go` once. */
import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { asset } from "../../src/system/paths.js";

export const BUILD_MS_MAX = 300_000;
const SOURCES = ["main.go", "read.go", "go.mod", "go.sum"];

export function hasGo(): boolean {
  return spawnSync("go", ["version"]).status === 0;
}

/**
 * Finds the program in the cache, else builds it there.
 * @returns its path
 * @throws Error where Go can't build it
 */
export async function buildTlog(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of SOURCES) hash.update(readFileSync(asset("test", "tlog", name)));
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const target = join(cache, "remit", `tlog-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(target)) return target;
  await mkdir(dirname(target), { recursive: true });
  // Its own name for each process, then renamed: two builds at once both end with a whole program.
  const partial = `${target}.${process.pid}`;
  try {
    await promisify(execFile)("go", ["build", "-trimpath", "-o", partial, "."], {
      cwd: asset("test", "tlog"),
      timeout: BUILD_MS_MAX,
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
  return target;
}

export interface Claims {
  inclusion: { index: number; size: number; proof: string[] }[];
  consistency: { before: number; size: number; proof: string[]; checkpoint: string }[];
}

export interface Seen {
  records: number;
  tiles: number;
  inclusion: number;
  consistency: number;
}

/** @returns what it has verified; what is wrong, where it says so */
export function tlog(program: string, folder: string, vkey: string, claims: Claims): Seen | string {
  const { status, stdout, stderr } = spawnSync(program, [folder, vkey], {
    input: JSON.stringify(claims),
    encoding: "utf8",
  });
  return status === 0 ? (JSON.parse(stdout) as Seen) : stderr.trim();
}

export interface ReadLog {
  size: number;
  entries: number;
  /** Hex digest of the entries, each with a newline. */
  sha256: string;
}

/** Reads a log that is served as static files. @param start index of the first entry that is read @returns what is wrong with it, where it says so */
export async function readTlog(program: string, url: string, vkey: string, start: number): Promise<ReadLog | string> {
  try {
    const { stdout } = await promisify(execFile)(program, ["read", url, vkey, String(start)], { timeout: BUILD_MS_MAX });
    return JSON.parse(stdout) as ReadLog;
  } catch (cause) {
    return (cause as { stderr?: string }).stderr?.trim() ?? String(cause);
  }
}
