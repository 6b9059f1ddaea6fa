/** OPA's own evaluator as a program that answers lines: built from `main.go` once, then streamed through. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { asset } from "../../src/system/paths.js";
import { buildGo } from "./go.js";

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
  return await buildGo("./test/oracle", join(cache, "remit", `oracle-${hash.digest("hex").slice(0, 16)}`), say);
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
