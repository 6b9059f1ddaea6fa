/** OPA in this very worker, which its page ends when it takes too long. */
import { join, resolve } from "path-browserify";
import { askModule, type Files, type OpaAnswer, type OpaQuestion } from "../../../bundle/opa_module.js";
import { startModule, type StartedModule } from "../../../bundle/wasi.js";
import { FILES } from "./files.js";

class WorkerOpaError extends Error {
  override readonly name = "OpaProcessError";
}

let module: StartedModule | null = null;

/** Starts OPA from its module. */
export function startOpa(wasm: WebAssembly.Module): void {
  module = startModule(wasm);
}

class WorkerOpa {
  ask(question: OpaQuestion): Promise<OpaAnswer> {
    if (module === null) return Promise.reject(new WorkerOpaError("is not loaded"));
    try {
      return Promise.resolve(askModule(module, question));
    } catch (cause) {
      return Promise.reject(new WorkerOpaError(String(cause)));
    }
  }
}

export function filesNamed(args: readonly string[], cwd: string): Promise<Files> {
  const files: Files = {};
  for (const arg of args) {
    const path = resolve(cwd, arg);
    for (const [name, content] of FILES) {
      if (name === path) files[arg] = content;
      else if (name.startsWith(`${path}/`)) files[join(arg, name.slice(path.length + 1))] = content;
    }
  }
  return Promise.resolve(files);
}

export { WorkerOpa as OpaProcesses, WorkerOpaError as OpaProcessError };
