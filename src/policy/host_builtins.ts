/** Calls of the host's builtins from a module: operands out of its memory, the result into it, and fuel for both. */
import { HOSTED } from "../bundle/builtins/index.js";
import type { Builtin } from "../bundle/builtins/function.js";
import { readTerm, termText } from "../bundle/builtins/term.js";

/** Units for each byte of an operand that is read, and of a result that is written, beside what the module itself uses for them. */
const BYTE_COST = 20;
/** Units for a call. */
const CALL_COST = 500;

/** The module's exports that a call needs (OPA's WASM ABI). */
export interface ValueExports {
  opa_malloc(bytes: number): number;
  opa_value_dump(value: number): number;
  opa_value_parse(address: number, length: number): number;
}

export interface HostedModule {
  exports: ValueExports;
  memory: WebAssembly.Memory;
  fuel: WebAssembly.Global & { value: bigint };
}

/** Builtins that a module needs, by the numbers that it calls them by. */
export type NeededBuiltins = ReadonlyMap<number, Builtin>;

/** Returns the builtins of a module; the name of the first that isn't hosted instead, if there is one. */
export function neededBuiltins(needed: Readonly<Record<string, unknown>>): NeededBuiltins | string {
  const found = new Map<number, Builtin>();
  for (const [name, id] of Object.entries(needed)) {
    const builtin = HOSTED.get(name);
    if (builtin === undefined || typeof id !== "number") return name;
    found.set(id, builtin);
  }
  return found;
}

/**
 * Calls a builtin. @returns address of the result; 0 for undefined
 * @throws RangeError without fuel, or if the result doesn't fit
 */
export function callBuiltin(needed: NeededBuiltins, module: HostedModule, id: number, operands: readonly number[]): number {
  const builtin = needed.get(id);
  if (builtin === undefined) throw new RangeError(`builtin ${id} isn't one that the module names`);
  const { exports, memory, fuel } = module;
  const spend = (units: number): void => {
    fuel.value -= BigInt(Math.min(Math.ceil(units), Number.MAX_SAFE_INTEGER));
    if (fuel.value < 0n) throw new RangeError("a builtin needs more fuel than there is");
  };
  spend(CALL_COST);
  const terms = operands.map((operand) => {
    const text = textAt(memory, exports.opa_value_dump(operand));
    spend(text.length * BYTE_COST);
    return readTerm(text.toString("utf8"));
  });
  const result = builtin(terms, spend);
  if (result === undefined) return 0;
  const text = Buffer.from(termText(result));
  spend(text.length * BYTE_COST);
  const address = exports.opa_malloc(text.length) >>> 0;
  if (address === 0 || address + text.length > memory.buffer.byteLength) throw new RangeError("a builtin's result doesn't fit into memory");
  Buffer.from(memory.buffer).set(text, address);
  const parsed = exports.opa_value_parse(address, text.length);
  if (parsed === 0) throw new RangeError("a builtin's result can't be read");
  return parsed;
}

function textAt(memory: WebAssembly.Memory, address: number): Buffer {
  const view = Buffer.from(memory.buffer);
  const from = address >>> 0;
  const end = view.indexOf(0, from);
  if (from === 0 || end < 0) throw new RangeError("an operand of a builtin can't be read");
  return view.subarray(from, end);
}
