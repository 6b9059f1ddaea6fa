/**
 * JSON-RPC over pipes, a message a line (MCP, "stdio"). As the SDK's transports, whose schemas walk each message and copy it: here
 * a message that passes is checked where it stands.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { getDefaultEnvironment } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { Timers } from "../../system/index.js";
import { isMessage, type JSONRPCMessage } from "./wire.js";

const LF = 0x0a;
/** How long a server may take to end once its input has, and again once it was told to. */
const END_MS_MAX = 2000;

/** Bytes as they come, cut into lines. */
class Lines {
  readonly #bytes_max: number;
  #begun: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytes_max = bytesMax;
  }

  /** @throws Error for a line that is longer than the limit */
  take(chunk: Buffer, line: (text: string) => void): void {
    let at = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, at)) {
      const whole = this.#put(chunk.subarray(at, end));
      this.clear();
      at = end + 1;
      line(whole.length === 1 ? String(whole[0]) : Buffer.concat(whole).toString("utf8"));
    }
    if (at < chunk.length) this.#put(chunk.subarray(at));
  }

  #put(part: Buffer): readonly Buffer[] {
    this.#bytes += part.length;
    if (this.#bytes > this.#bytes_max) throw new Error(`a message of more than ${this.#bytes_max} bytes`);
    this.#begun.push(part);
    return this.#begun;
  }

  clear(): void {
    this.#begun = [];
    this.#bytes = 0;
  }
}

/** What comes on one pipe and goes on another. */
abstract class Pipes implements Transport {
  onmessage?: (message: JSONRPCMessage) => void;
  onerror?: (cause: Error) => void;
  onclose?: () => void;
  readonly #lines: Lines;

  /** @param bytesMax of a message */
  constructor(bytesMax: number) {
    this.#lines = new Lines(bytesMax);
  }

  abstract start(): Promise<void>;
  abstract close(): Promise<void>;
  /** Null while there is nobody to write to. */
  protected abstract get writes(): NodeJS.WritableStream | null;

  protected readonly take = (chunk: Buffer): void => {
    try {
      this.#lines.take(chunk, (line) => {
        this.#one(line);
      });
    } catch (cause) {
      this.failed(cause);
      this.#lines.clear();
      void this.close();
    }
  };

  protected readonly failed = (cause: unknown): void => {
    this.onerror?.(cause instanceof Error ? cause : new Error(String(cause)));
  };

  #one(line: string): void {
    try {
      const message: unknown = JSON.parse(line);
      if (isMessage(message)) this.onmessage?.(message);
      else this.failed(new TypeError("not a message"));
    } catch (cause) {
      this.failed(cause);
    }
  }

  /** Resolves when the other side has room for the next. */
  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve) => {
      const { writes } = this;
      if (writes === null) throw new Error("there is nobody to write to");
      if (writes.write(`${JSON.stringify(message)}\n`)) resolve();
      else writes.once("drain", resolve);
    });
  }
}

/** This process's own pipes. */
export class OwnPipes extends Pipes {
  readonly #reads: NodeJS.ReadableStream;
  protected readonly writes: NodeJS.WritableStream;

  constructor(reads: NodeJS.ReadableStream, writes: NodeJS.WritableStream, bytesMax: number) {
    super(bytesMax);
    this.#reads = reads;
    this.writes = writes;
  }

  start(): Promise<void> {
    this.#reads.on("data", this.take);
    this.#reads.on("error", this.failed);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#reads.off("data", this.take);
    this.#reads.off("error", this.failed);
    this.#reads.pause();
    this.onclose?.();
    return Promise.resolve();
  }
}

export interface Program {
  command: readonly string[];
  /** Beside what every program is given. */
  env: Readonly<Record<string, string>> | undefined;
  dir: string | undefined;
}

/** Those of a process that is started for it, and ends with it. */
export class ProgramPipes extends Pipes {
  readonly #program: Program;
  readonly #timers: Pick<Timers, "after">;
  #process: ChildProcess | null = null;

  constructor(program: Program, bytesMax: number, timers: Pick<Timers, "after">) {
    super(bytesMax);
    this.#program = program;
    this.#timers = timers;
  }

  protected get writes(): NodeJS.WritableStream | null {
    return this.#process?.stdin ?? null;
  }

  /** @throws Error where there is no such program */
  start(): Promise<void> {
    const { command, env, dir } = this.#program;
    const [program = "", ...args] = command;
    const started = spawn(program, args, {
      env: { ...getDefaultEnvironment(), ...env },
      stdio: ["pipe", "pipe", "inherit"],
      cwd: dir,
    });
    this.#process = started;
    started.stdin.on("error", this.failed);
    started.stdout.on("error", this.failed);
    started.stdout.on("data", this.take);
    started.once("close", () => {
      this.#process = null;
      this.onclose?.();
    });
    return new Promise((resolve, reject) => {
      started.once("spawn", resolve);
      started.once("error", reject);
      started.on("error", this.failed);
    });
  }

  /** It hears that nothing more comes; what goes on all the same is told to end, and then made to. */
  async close(): Promise<void> {
    const started = this.#process;
    this.#process = null;
    if (started === null) return;
    const over = new Promise<void>((resolve) => {
      started.once("close", () => {
        resolve();
      });
    });
    started.stdin?.end();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      let cancel = (): void => undefined;
      const late = new Promise<void>((resolve) => (cancel = this.#timers.after(END_MS_MAX, resolve)));
      await Promise.race([over, late]);
      cancel();
      if (started.exitCode !== null || started.signalCode !== null) return;
      started.kill(signal);
    }
  }
}
