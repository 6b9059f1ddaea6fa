/** Evaluation of a module as it is, without limits and without fuel: what metering is compared with. */
import { createRequire } from "node:module";
import type * as Sdk from "@open-policy-agent/opa-wasm";

const require = createRequire(import.meta.url);
const PAGES = 2048;

interface Exports {
  opa_eval(reserved: 0, entrypoint: number, data: number, input: number, length: number, heap: number, format: 0): number;
}

export class PlainInstance {
  readonly exports: WebAssembly.Exports;
  readonly #memory: Buffer;
  readonly #evaluate: (length: number) => number;
  readonly #heap: number;

  /** @param entrypoint index of the one that is evaluated */
  constructor(wasm: Uint8Array, dataText: Uint8Array, entrypoint = 0) {
    const { loadPolicySync } = require("@open-policy-agent/opa-wasm") as typeof Sdk;
    const policy = loadPolicySync(new WebAssembly.Module(wasm), { initial: PAGES, maximum: PAGES });
    policy.setData(new Uint8Array(dataText).buffer);
    const { mem, dataAddr } = policy;
    this.exports = (policy.wasmInstance as unknown as WebAssembly.Instance).exports;
    this.#memory = Buffer.from(mem.buffer);
    this.#heap = policy.dataHeapPtr as number;
    const exports = this.exports as unknown as Exports;
    this.#evaluate = (length) => exports.opa_eval(0, entrypoint, dataAddr, this.#heap, length, this.#heap + length, 0);
  }

  /** @returns the text of the result, as the module writes it */
  evaluate(input: string): string {
    const at = this.run(input);
    return this.#memory.toString("utf8", at, this.#memory.indexOf(0, at));
  }

  /** Evaluates and reads nothing. @returns where the result is */
  run(input: string): number {
    return this.#evaluate(this.#memory.write(input, this.#heap));
  }
}
