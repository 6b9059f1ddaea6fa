/** OPA as WebAssembly, in a process of its own: it can be stopped, and sees no file but those that are handed to it. */
import { fork, type ChildProcess } from "node:child_process";
import { readFile, readdir, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { systemTimers } from "../system/index.js";
import type { FromChild } from "./opa_child.js";
import type { Files, OpaAnswer, OpaQuestion } from "./opa_module.js";

const CHILD = fileURLToPath(new URL("./opa_child.js", import.meta.url));

/** The compiler broke, or didn't finish in time. */
export class OpaProcessError extends Error {
  override readonly name = "OpaProcessError";
}

interface Waiting {
  fulfil: (answer: OpaAnswer) => void;
  fail: (why: string) => void;
}

/** Answers one question at a time. The process lives from the first until this one ends, and doesn't keep this one alive. */
export class OpaProcess {
  #child: ChildProcess | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #waiting: Waiting | null = null;

  /** @param artefact path of the compressed module */
  constructor(readonly artefact: string) {}

  /**
   * Asks, after all that was asked before.
   * @param limitMs milliseconds from when its turn comes to the answer
   * @throws OpaProcessError; the next question then gets a new process
   */
  async ask(question: OpaQuestion, limitMs: number): Promise<OpaAnswer> {
    const turn = this.#last.then(async () => await this.#exchange(question, limitMs));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  async #exchange(question: OpaQuestion, limitMs: number): Promise<OpaAnswer> {
    const child = (this.#child ??= this.#start());
    child.channel?.ref();
    try {
      return await new Promise<OpaAnswer>((fulfil, reject) => {
        const fail = (why: string): void => {
          if (this.#child === child) this.#child = null;
          child.kill("SIGKILL");
          reject(new OpaProcessError(why));
        };
        const cancel = systemTimers.after(limitMs, () => this.#waiting?.fail(`did not finish within ${limitMs / 1000} s`));
        this.#waiting = {
          fulfil: (answer) => {
            cancel();
            fulfil(answer);
          },
          fail: (why) => {
            cancel();
            fail(why);
          },
        };
        child.send(question, (error) => {
          if (error !== null) this.#waiting?.fail(error.message);
        });
      });
    } finally {
      this.#waiting = null;
      child.channel?.unref();
    }
  }

  #start(): ChildProcess {
    const child = fork(CHILD, [this.artefact], {
      // Optimizing 40 MB of code takes longer than running it once.
      execArgv: ["--liftoff-only"],
      env: {},
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const stop = (): void => {
      child.kill("SIGKILL");
    };
    const ended = (why: string): void => {
      process.off("exit", stop);
      if (this.#child === child) this.#waiting?.fail(why);
    };
    process.once("exit", stop);
    child.on("message", (message: FromChild) => {
      if (message.kind === "answer") this.#waiting?.fulfil(message.answer);
      else this.#waiting?.fail(message.message);
    });
    child.on("error", (error) => {
      ended(error.message);
    });
    child.on("exit", (code, signal) => {
      ended(`its process ended (${signal ?? `code ${String(code)}`})`);
    });
    child.unref();
    return child;
  }
}

/** Starting one takes a second of CPU, and a third would have little to do: a set's questions come in pairs. */
const PROCESSES_MAX = 2;

/** Answers as many questions at once as there are cores for, up to two. */
export class OpaProcesses {
  readonly #processes: { process: OpaProcess; open: number }[] = [];

  /** @param artefact path of the compressed module */
  constructor(private readonly artefact: string) {}

  /**
   * Asks the process that has least to do.
   * @param limitMs milliseconds from when its turn comes to the answer
   * @throws OpaProcessError
   */
  async ask(question: OpaQuestion, limitMs: number): Promise<OpaAnswer> {
    const chosen = this.#idlest();
    chosen.open++;
    try {
      return await chosen.process.ask(question, limitMs);
    } finally {
      chosen.open--;
    }
  }

  #idlest(): { process: OpaProcess; open: number } {
    const least = this.#processes.toSorted((one, other) => one.open - other.open)[0];
    const isFull = this.#processes.length === Math.min(PROCESSES_MAX, availableParallelism());
    if (least !== undefined && (least.open === 0 || isFull)) return least;
    const started = { process: new OpaProcess(this.artefact), open: 0 };
    this.#processes.push(started);
    return started;
  }
}

/** Reads the files and folders that arguments name, as the command would: an argument that names nothing isn't a path. */
export async function filesNamed(args: readonly string[], cwd: string): Promise<Files> {
  const files: Files = {};
  const read = async (name: string): Promise<void> => {
    const path = resolve(cwd, name);
    const found = await stat(path).catch(() => null);
    if (found?.isFile() === true) files[name] = await readFile(path);
    if (found?.isDirectory() === true) for (const below of await readdir(path)) await read(join(name, below));
  };
  for (const arg of args) await read(arg);
  return files;
}
