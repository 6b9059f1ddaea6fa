/** Servers and load generators as processes of their own: each ends with this one, however that ends. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asset } from "../src/system/paths.js";
import { Copies } from "../test/threats/copies.js";
import type { Edit } from "../test/threats/cut.js";
import { CORES } from "./machine.js";

/** The core of what is measured, and that of what measures it; or all of them. If there is only one, it is the same for all. */
export type Core = "measured" | "measuring" | "any";

const CORE: Record<Core, string> = { measured: "0", measuring: "1", any: `0-${CORES - 1}` };
const PINNED = CORES > 1;
const ANSWER_MS_MAX = 20_000;

export class Processes {
  /** For what they write; gone afterwards. */
  readonly folder = mkdtempSync(join(tmpdir(), "remit-bench-"));
  readonly #copies = madeUnder(asset(".work"));
  readonly #running = new Set<ChildProcess>();
  #stopping = false;

  /** @param own whether this program is itself what is measured, on every core that there is */
  constructor({ own = false } = {}) {
    // Many programs here ask by themselves: on the core of what they measure they would be in its way.
    if (PINNED && !own) spawnSync("taskset", ["--all-tasks", "--pid", "--cpu-list", CORE.measuring, String(process.pid)]);
    process.once("exit", () => {
      for (const child of this.#running) child.kill("SIGKILL");
      rmSync(this.folder, { recursive: true, force: true });
      rmSync(this.#copies, { recursive: true, force: true });
    });
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      process.once(signal, () => process.exit(code));
    }
  }

  /**
   * A copy of the service with edits, gone afterwards.
   * @returns its main module
   */
  copy(name: string, edits: readonly Edit[]): string {
    return new Copies(join(this.#copies, name), edits).path("cli/main.js");
  }

  /** Its output goes to `<name>.log` in the folder, past this program: who reads a busy server's log is part of the load. */
  start(name: string, core: Core, command: string, args: string[]): ChildProcess {
    const output = openSync(join(this.folder, `${name}.log`), "a");
    const child = this.#spawn(core, command, args, output);
    closeSync(output);
    child.once("exit", (code, signal) => {
      if (this.#stopping || !this.#running.has(child)) return;
      console.error(`${name} ended by itself: ${signal ?? `exit code ${code ?? "unknown"}`}`);
    });
    return child;
  }

  /** Moves a process with all its threads. */
  pin({ pid }: ChildProcess, core: Core): void {
    if (PINNED) spawnSync("taskset", ["--all-tasks", "--pid", "--cpu-list", CORE[core], String(pid)]);
  }

  /**
   * @returns what it prints
   * @throws Error with its error output, if it fails and prints nothing
   */
  async run(core: Core, command: string, args: string[]): Promise<string> {
    const child = this.#spawn(core, command, args);
    const [out, err]: [string[], string[]] = [[], []];
    child.stdout?.setEncoding("utf8").on("data", (text: string) => out.push(text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => err.push(text));
    const [code] = (await once(child, "close")) as [number | null];
    this.#running.delete(child);
    // A program that judges its own figures fails after it has printed them.
    if (code !== 0 && out.length === 0) throw new Error(`${command} ${args.join(" ")} failed:\n${err.join("")}`);
    return out.join("");
  }

  async stop(child: ChildProcess): Promise<void> {
    this.#running.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }

  async stopAll(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#running].map((child) => this.stop(child)));
  }

  #spawn(core: Core, command: string, args: string[], output: number | "pipe" = "pipe"): ChildProcess {
    const pinned = PINNED ? ["taskset", "-c", CORE[core]] : [];
    const [first = command, ...rest] = [...pinned, command, ...args];
    const child = spawn(first, rest, { stdio: ["ignore", output, output] });
    this.#running.add(child);
    return child;
  }
}

/** A program beside this one. */
export function program(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}

/** Resolves with the milliseconds until the URL answered well. */
export async function answers(url: string, request: RequestInit = {}, every_ms = 50): Promise<number> {
  const began = performance.now();
  while (performance.now() - began < ANSWER_MS_MAX) {
    const ok = await fetch(url, request).then(
      async (response) => {
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    if (ok) return performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve, every_ms));
  }
  throw new Error(`${url} does not answer`);
}

/** Where modules find the packages that they need. */
function madeUnder(work: string): string {
  mkdirSync(work, { recursive: true });
  return mkdtempSync(join(work, "bench-"));
}
