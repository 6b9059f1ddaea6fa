/** Modules as they are metered and compiled, in this thread or, while another policy decides here, in one of their own. */
import { createHash } from "node:crypto";
import { BundleError, type BundleCode } from "../bundle/errors.js";
import { workerThread } from "../system/thread.js";
import { metered } from "./metering.js";

/** Functions that a module may import. Metering puts the first two otherwise; the others lead to the builtins that are hosted. */
export const HOST_FUNCTIONS: ReadonlySet<string> = new Set([
  ...["opa_abort", "opa_println"],
  ...["opa_builtin0", "opa_builtin1", "opa_builtin2", "opa_builtin3", "opa_builtin4"],
]);
const DETAIL_LENGTH_MAX = 300;
const COMPILED_MAX = 4;

/** Modules that were compiled last, by the digests of their bytes: what tries or replays a policy has many instances of one. */
const compiled = new Map<string, WebAssembly.Module>();

/**
 * Returns the module with fuel, compiled; blocks for some tens of milliseconds unless it was compiled before.
 * @throws BundleError `wasm_invalid`, `wasm_unsupported`, `wasm_imports`
 */
export function compile(wasm: Uint8Array): WebAssembly.Module {
  const digest = digestOf(wasm);
  const known = compiled.get(digest);
  if (known !== undefined) return known;
  const module = compileMetered(wasm);
  keep(digest, module);
  return module;
}

/** Compiles in a thread, so that nothing waits when `compile` is asked for the same bytes. What fails there is told by `compile`. */
export async function compileAhead(wasm: Uint8Array): Promise<void> {
  const digest = digestOf(wasm);
  if (compiled.has(digest)) return;
  const thread = workerThread<never, FromCompiler>(new URL("./compile_worker.js", import.meta.url), wasm);
  const module = await new Promise<WebAssembly.Module | null>((resolve) => {
    thread.onMessage((message) => {
      resolve(message.kind === "compiled" ? message.module : null);
    });
    thread.onDeath(() => {
      resolve(null);
    });
  });
  if (module !== null) keep(digest, module);
}

/** Meters and compiles a module. @throws the errors of `compile` */
export function compileMetered(wasm: Uint8Array): WebAssembly.Module {
  let module: WebAssembly.Module;
  try {
    module = new WebAssembly.Module(metered(wasm));
  } catch (thrown) {
    throw refused("wasm_invalid", thrown);
  }
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const known = from === "env" && (kind === "memory" ? name === "memory" : HOST_FUNCTIONS.has(name));
    if (!known) throw new BundleError("wasm_imports", { file: "policy.wasm", found: `${from}.${name}` });
  }
  return module;
}

export function refused(code: BundleCode, thrown: unknown): BundleError {
  if (thrown instanceof BundleError) return thrown;
  return new BundleError(code, { file: "policy.wasm", found: describe(thrown) }, { cause: thrown });
}

/** The module aborts with strings, the SDK throws strings and plain objects, the runtime throws errors. */
export function describe(thrown: unknown): string {
  const message = typeof thrown === "object" && thrown !== null && "message" in thrown ? String(thrown.message) : String(thrown);
  return message.slice(0, DETAIL_LENGTH_MAX);
}

function keep(digest: string, module: WebAssembly.Module): void {
  const [oldest] = compiled.keys();
  if (compiled.size === COMPILED_MAX && oldest !== undefined) compiled.delete(oldest);
  compiled.set(digest, module);
}

function digestOf(wasm: Uint8Array): string {
  return createHash("sha256").update(wasm).digest("hex");
}

export type FromCompiler = { kind: "compiled"; module: WebAssembly.Module } | { kind: "closed" };
