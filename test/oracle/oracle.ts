/** OPA's own evaluator as a program that answers lines: built from `main.go` once, then streamed through. */
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { PACKAGE_ROOT, asset } from "../../src/system/paths.js";

const BUILD_MS_MAX = 900_000;
const ENTRYPOINT = "remit/decide";

/**
 * Finds the program in the cache, else builds it there with Go. `say` is told before that begins and when it is done.
 * @returns its path
 * @throws Error where there is no Go, or it can't build
 */
export async function buildOracle(say: (line: string) => void): Promise<string> {
  const sources = [asset("test", "oracle", "main.go"), asset("go.mod"), asset("go.sum")];
  const hash = createHash("sha256");
  for (const file of sources) hash.update(readFileSync(file));
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const target = join(cache, "remit", `oracle-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(target)) return target;
  say("building the oracle with Go, once; this takes about a minute where OPA hasn't been built before");
  await mkdir(dirname(target), { recursive: true });
  // Its own name for each process, then renamed: two builds at once both end with a whole program.
  const partial = `${target}.${process.pid}`;
  try {
    await promisify(execFile)("go", ["build", "-trimpath", "-o", partial, "./test/oracle"], {
      cwd: PACKAGE_ROOT,
      timeout: BUILD_MS_MAX,
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    await rename(partial, target);
  } catch (cause) {
    throw new Error("the oracle can't be built: it needs Go, and the Go module proxy once", { cause });
  } finally {
    await rm(partial, { force: true });
  }
  say(`built ${target}`);
  return target;
}

interface Waiting {
  answers: string[];
  count: number;
  resolve: (answers: string[]) => void;
  reject: (error: Error) => void;
}

/** One running oracle. Whoever asks bounds how much is under way: it holds what was asked and not yet answered. */
export class Oracle {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting: Waiting[] = [];
  #said = "";
  #failed: Error | null = null;

  /** @param bundle an archive, or a folder laid out as one */
  constructor(program: string, bundle: string, entrypoint = ENTRYPOINT) {
    this.#child = spawn(program, [bundle, entrypoint], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#said = (this.#said + text).slice(-2000)));
    // Its exit says why; a closed pipe only that it is gone.
    this.#child.stdin.on("error", () => undefined);
    this.#child.on("error", (error) => {
      this.#fail(error);
    });
    this.#child.on("close", (code) => {
      this.#fail(new Error(`the oracle ended with code ${String(code)}: ${this.#said.trim()}`));
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.#take(line);
    });
  }

  /**
   * @param inputs JSON texts, each on one line
   * @returns an answer for each, in order: JSON, `null` where undefined, `{"error": …}` where the evaluation failed
   */
  async ask(inputs: readonly string[]): Promise<string[]> {
    if (this.#failed !== null) throw this.#failed;
    if (inputs.length === 0) return [];
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ answers: [], count: inputs.length, resolve, reject });
      this.#child.stdin.write(`${inputs.join("\n")}\n`);
    });
  }

  async stop(): Promise<void> {
    if (this.#failed !== null) return;
    const ended = once(this.#child, "close");
    this.#child.stdin.end();
    await ended;
  }

  #take(line: string): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    first.answers.push(line);
    if (first.answers.length < first.count) return;
    this.#waiting.shift();
    first.resolve(first.answers);
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failed);
  }
}
