/** OPA as a WebAssembly module: one question in, one answer out, and no file but those that come with the question. */
import type { StartedModule } from "./wasi.js";

/** Path → content. */
export type Files = Record<string, Uint8Array>;

export interface OpaQuestion {
  args: string[];
  files: Files;
  stdin: string;
}

export interface OpaAnswer {
  code: number;
  stdout: string;
  stderr: string;
  /** Files that the command has written. */
  files: Files;
}

interface Compiler {
  memory: WebAssembly.Memory;
  reserve(bytes: number): number;
  run(): number;
  answered(): number;
}

/**
 * Runs one command.
 * @throws Error if the module broke; it can't be used any more
 */
export function askModule({ exports, stderr }: StartedModule, { args, files, stdin }: OpaQuestion): OpaAnswer {
  const compiler = exports as unknown as Compiler;
  const base64 = Object.entries(files).map(([name, content]) => [name, Buffer.from(content).toString("base64")]);
  const question = { args, stdin: Buffer.from(stdin).toString("base64"), files: Object.fromEntries(base64) as unknown };
  const text = Buffer.from(JSON.stringify(question));
  try {
    const address = compiler.reserve(text.length) >>> 0;
    new Uint8Array(compiler.memory.buffer, address, text.length).set(text);
    const length = compiler.run() >>> 0;
    const said = Buffer.from(compiler.memory.buffer, compiler.answered() >>> 0, length).toString();
    const answer = JSON.parse(said) as Omit<OpaAnswer, "files"> & { files: Record<string, string> };
    const written = Object.entries(answer.files).map(([name, content]) => [name, new Uint8Array(Buffer.from(content, "base64"))]);
    return { ...answer, files: Object.fromEntries(written) as Files };
  } catch (cause) {
    throw new Error(`broke: ${stderr().trim() || String(cause)}`, { cause });
  }
}
