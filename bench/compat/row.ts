/** One row of the board: a counterpart that people already run, and what it does with Remit. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export interface CompatRow {
  name: string;
  /** The counterpart, with its version. */
  counterpart: string;
  run: () => Promise<CompatOutcome>;
}

export type CompatOutcome =
  | { state: "green"; detail: string }
  /** It doesn't do it, on purpose; `detail` says why, and what does. */
  | { state: "explained"; detail: string }
  | { state: "red"; detail: string }
  /** The counterpart can't be had here. */
  | { state: "skipped"; detail: string };

export interface Ended {
  code: number | null;
  out: string;
  error: string;
}

const TAIL = 2000;

/** Runs a program to its end. */
export function runProgram(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let [out, error] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString()));
    child.on("error", (cause) => {
      resolve({ code: null, out, error: cause.message });
    });
    child.on("close", (code) => {
      resolve({ code, out, error: error.slice(-TAIL) });
    });
  });
}

/** Finds a virtual environment with these packages in the cache, else makes it. @returns its `python`; null if it can't be made here */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string | null> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", "compat", name);
  const [python, mark] = [join(cache, "bin", "python"), join(cache, "installed")];
  if (existsSync(mark)) return python;
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  const made = await runProgram("python3", ["-m", "venv", cache]);
  if (made.code !== 0) return null;
  const pip = ["install", "--quiet", "--disable-pip-version-check", ...packages];
  if ((await runProgram(join(cache, "bin", "pip"), pip)).code !== 0) return null;
  writeFileSync(mark, "");
  return python;
}
