/** The part of the WebAssembly JavaScript interface that is used here: it is in TypeScript's DOM library only. */
declare namespace WebAssembly {
  class Module {
    readonly #module: never;
    constructor(bytes: Uint8Array);
    static imports(module: Module): { module: string; name: string; kind: "function" | "table" | "memory" | "global" }[];
  }
  class Memory {
    readonly buffer: ArrayBuffer;
    constructor(pages: { initial: number; maximum: number });
  }
  class Instance {
    readonly exports: Exports;
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
  }
  class Global {
    value: unknown;
  }
  function validate(bytes: Uint8Array): boolean;
  type Exports = Record<string, unknown>;
}
