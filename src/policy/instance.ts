/**
 * One policy in WASM, called as its rules demand (`@open-policy-agent/opa-wasm` loads it): input is JSON text that we serialised. A throw
 * leaves the module's stack where it was, until it answers nothing any more, so the instance is put back to what it was before its first
 * evaluation. Time is bounded by fuel and memory by its maximum; a result is bounded and has exactly one value.
 */
import { createRequire } from "node:module";
import type * as Sdk from "@open-policy-agent/opa-wasm";
import { BundleError } from "../bundle/errors.js";
import { EVALUATION_FUEL } from "../contract/index.js";
import type { Evaluation } from "../decision/ports.js";
import { callBuiltin, neededBuiltins, type HostedModule, type NeededBuiltins, type ValueExports } from "./host_builtins.js";
import { ABORT_EXPORT, FUEL_EXPORT, STATE_EXPORT } from "./metering.js";
import { HOST_FUNCTIONS, compile, describe, refused } from "./modules.js";

// As an ES module the SDK's types and its exports name different things; as CommonJS they agree. Whoever only reads answers
// doesn't load it.
const require = createRequire(import.meta.url);
const sdk = (): typeof Sdk => require("@open-policy-agent/opa-wasm") as typeof Sdk;

const PAGE_BYTES = 65_536;
const OPEN_BRACE = 0x7b;
/** Bytes that parsed JSON takes in the module's heap, for each byte of its text (measured: 14 to 21, up to 30). */
const HEAP_BYTES_PER_JSON_BYTE = 25;
/** Units for asking an instance whose fuel is used up how far its heap has reached. */
const ASKING_FUEL = 10_000n;

/** Units for each byte of an input that is written into the module's memory, and of a result that is parsed. */
const INPUT_COST = 4;
const RESULT_COST = 20;
/** Units that loading data may use, for each byte of it and beside that. */
const LOADING_FUEL = { byte: 20_000n, more: 10_000_000n };

export interface InstanceLimits {
  /** Units of fuel that one evaluation may use; see `metering.ts`. */
  evaluation_fuel_max: number;
  /** UTF-16 units of the input's text. */
  input_length_max: number;
  result_bytes_max: number;
  /** Pages of 64 KiB that evaluations may take beyond what data needs; where an allocating runaway ends. */
  memory_pages_max: number;
  /** Pages beyond which an instance is replaced: memory never shrinks, and one large input must not hold it for good. */
  memory_pages_kept: number;
}

export const INSTANCE_LIMITS: Readonly<InstanceLimits> = {
  evaluation_fuel_max: EVALUATION_FUEL.default,
  input_length_max: 512 * 1024,
  result_bytes_max: 256 * 1024,
  memory_pages_max: 512,
  memory_pages_kept: 96,
};

/** Exports of `opa build -t wasm` that we call (OPA's WASM ABI 1.2 and later). */
interface Exports {
  builtins(): number;
  opa_json_dump(value: number): number;
  opa_heap_ptr_get(): number;
  opa_eval(reserved: 0, entrypoint: number, data: number, input: number, inputLength: number, heap: number, format: 0): number;
}

/** Global that metering adds. */
type Fuel = WebAssembly.Global & { value: bigint };

interface Running {
  memory: WebAssembly.Memory;
  exports: Exports;
  /** Units that are left; below zero when the module has trapped for want of it. */
  fuel: Fuel;
  /** Address of the message that the module has aborted with; 0 if it hasn't. */
  abort: WebAssembly.Global & { value: number };
  entrypoint: number;
  data: number;
  heap: number;
  /** A view of `memory.buffer`, which every growth replaces, even one by nothing. */
  view: Buffer;
  /** Highest address that the heap has reached. */
  reached: number;
  /** The memory up to `heap` before the first evaluation: the data as it was loaded, and all that the module's code keeps. */
  image: Uint8Array | null;
  /** Builtins of the host that the module calls. */
  needed: NeededBuiltins;
  /** The module's own mutable globals, and their values before the first evaluation. */
  state: readonly (readonly [global: WebAssembly.Global, value: unknown])[];
}

/** Parts that an instance is made of. For serving, the engine accepts them from a verified bundle only. */
export interface Module {
  wasm: Uint8Array;
  /** JSON. */
  dataText: Uint8Array;
  metadata: { entrypoint: string; abi: string };
}

export class PolicyInstance {
  readonly #module: WebAssembly.Module;
  readonly #data: ArrayBuffer;
  readonly #entrypoint: string;
  readonly #abi: string;
  readonly #limits: Readonly<InstanceLimits>;
  readonly #pages: number;
  readonly #answers = new Answers();
  #running: Running | null;
  /** Module that was running when an evaluation threw. */
  #ended: Running | null = null;
  #builds = 0;

  /**
   * Compiles the module and loads the data; blocks for some milliseconds.
   * @throws BundleError `wasm_*`, `abi_unsupported`, `engine_memory`
   */
  constructor(module: Module, limits: Readonly<InstanceLimits> = INSTANCE_LIMITS) {
    this.#module = compile(module.wasm);
    this.#data = new Uint8Array(module.dataText).buffer;
    this.#entrypoint = module.metadata.entrypoint;
    this.#abi = module.metadata.abi;
    this.#limits = limits;
    this.#pages = 16 + Math.ceil((module.dataText.length * HEAP_BYTES_PER_JSON_BYTE) / PAGE_BYTES) + limits.memory_pages_max;
    this.#running = this.#build();
  }

  /** Instances built so far by loading the data, and how far the present one's heap has reached. */
  get status(): { builds: number; memory_bytes: number } {
    return { builds: this.#builds, memory_bytes: this.#running?.reached ?? 0 };
  }

  /** @param input the JSON text of an object, serialised by us */
  evaluate(input: string): Evaluation {
    const answer = this.#run(input);
    return answer.ok ? this.#answers.read(answer.text, answer.fuel) : answer;
  }

  #run(input: string): Answer {
    if (input.length > this.#limits.input_length_max) return failed("the input is larger than the limit");
    if (input.length < 3) return failed("the input is not an object with members");
    let running: Running | null = null;
    try {
      running = this.#running ??= this.#begin();
      const answer = call(running, input, this.#limits);
      // The view of the answer keeps the memory until it has been read.
      if (this.#isLarge(running)) this.#end(running);
      return answer;
    } catch (thrown) {
      if (running === null) return failed(describe(thrown));
      this.#end(running);
      return this.#failure(running, thrown);
    }
  }

  #end(running: Running): void {
    this.#ended = running;
    this.#running = null;
  }

  #failure({ fuel, abort, memory }: Running, thrown: unknown): FailedEvaluation {
    const { evaluation_fuel_max: most } = this.#limits;
    const left = Number(fuel.value);
    const used = most - left;
    if (left >= 0) return failed(abort.value === 0 ? describe(thrown) : messageAt(memory, abort.value), used);
    return { ok: false, code: "evaluation_budget", detail: `it needs more than ${most} units of fuel`, fuel: used };
  }

  #isLarge(running: Running): boolean {
    running.reached = Math.max(running.reached, running.exports.opa_heap_ptr_get());
    return running.reached > running.heap + this.#limits.memory_pages_kept * PAGE_BYTES;
  }

  /**
   * Loading data takes many times as long as copying it, and a new instance makes V8 collect garbage: whoever makes evaluations throw is
   * met with the instance put back to what it was.
   */
  #begin(): Running {
    const ended = this.#ended;
    this.#ended = null;
    if (ended === null) return this.#build();
    if (ended.image === null) {
      const built = this.#build();
      built.image = Uint8Array.from(built.view.subarray(0, built.heap));
      return built;
    }
    ended.fuel.value = ASKING_FUEL;
    return this.#isLarge(ended) ? inMemory(this.#module, this.#newMemory(), ended, ended.image) : restored(ended, ended.image);
  }

  /** Growing makes V8 collect garbage, so memory has all its pages from the beginning; the system gives them as they are written. */
  #newMemory(): WebAssembly.Memory {
    return new WebAssembly.Memory({ initial: this.#pages, maximum: this.#pages });
  }

  #build(): Running {
    this.#builds++;
    let policy: Sdk.LoadedPolicy;
    try {
      if (checked.get(this.#module) !== this.#pages) checkTexts(this.#module, this.#newMemory());
      checked.set(this.#module, this.#pages);
      policy = sdk().loadPolicySync(this.#module, { initial: this.#pages, maximum: this.#pages });
    } catch (thrown) {
      throw refused("wasm_invalid", thrown);
    }
    const exports = (policy.wasmInstance as WebAssembly.Instance).exports;
    checkAbi(exports, this.#abi);
    const callable = exports as unknown as Exports;
    const needed = builtinsOf(policy, callable);
    const entrypoint: unknown = (policy.entrypoints as Record<string, unknown>)[this.#entrypoint];
    if (typeof entrypoint !== "number") {
      throw new BundleError("wasm_entrypoint", { file: "policy.wasm", expected: this.#entrypoint });
    }
    const fuel = fuelOf(exports);
    fuel.value = LOADING_FUEL.more + LOADING_FUEL.byte * BigInt(this.#data.byteLength);
    try {
      policy.setData(this.#data);
    } catch (thrown) {
      throw refused("engine_memory", thrown);
    }
    const running: Running = {
      needed,
      memory: policy.mem,
      exports: callable,
      fuel,
      abort: abortOf(exports),
      entrypoint,
      data: policy.dataAddr,
      heap: policy.dataHeapPtr as number,
      view: Buffer.from(policy.mem.buffer),
      reached: policy.dataHeapPtr as number,
      image: null,
      state: stateOf(exports).map((global) => [global, global.value] as const),
    };
    if (needed.size === 0) return running;
    // The SDK has builtins of its own, which can't be replaced and differ from OPA's: such a module runs in an instance of ours.
    const image = Uint8Array.from(running.view.subarray(0, running.heap));
    return { ...inMemory(this.#module, this.#newMemory(), running, image), image };
  }
}

/** An instance as it was before its first evaluation: its stack, its data, and all that its code keeps. */
function restored(ended: Running, image: Uint8Array): Running {
  for (const [global, value] of ended.state) global.value = value;
  ended.abort.value = 0;
  current(ended).set(image);
  ended.reached = ended.heap;
  return ended;
}

/** A new instance in memory of its own, since memory never shrinks. */
function inMemory(module: WebAssembly.Module, memory: WebAssembly.Memory, ended: Running, image: Uint8Array): Running {
  const view = Buffer.from(memory.buffer);
  const exports = exportsIn(module, memory, ended.needed);
  const values = ended.state.map(([, value]) => value);
  const state = stateOf(exports).map((global, i) => [global, values[i]] as const);
  return restored(
    { ...ended, memory, view, exports: exports as unknown as Exports, fuel: fuelOf(exports), abort: abortOf(exports), state },
    image,
  );
}

function exportsIn(module: WebAssembly.Module, memory: WebAssembly.Memory, needed: NeededBuiltins = new Map()): WebAssembly.Exports {
  const env: Record<string, unknown> = { memory };
  let hosted: HostedModule | null = null;
  for (const name of HOST_FUNCTIONS) {
    const isBuiltin = name.startsWith("opa_builtin");
    env[name] = (id: number, _context: number, ...operands: number[]) => {
      if (!isBuiltin || hosted === null) throw new Error("no function of the host is called");
      return callBuiltin(needed, hosted, id, operands);
    };
  }
  const { exports } = new WebAssembly.Instance(module, { env });
  hosted = { exports: exports as unknown as ValueExports, memory, fuel: fuelOf(exports) };
  return exports;
}

/**
 * Makes the calls that the SDK makes as it loads a policy, in its order, on an instance that is thrown away: the SDK reads a text until it
 * ends, wherever that is. What a module says here it says there too: nothing tells the two instances apart.
 * @throws RangeError if a text has no end
 */
function checkTexts(module: WebAssembly.Module, memory: WebAssembly.Memory): void {
  const exports = exportsIn(module, memory) as unknown as LoadingExports;
  const read = (address: number): unknown => JSON.parse(textAt(Buffer.from(memory.buffer), address, memory.buffer.byteLength).toString());
  read(exports.opa_json_dump(exports.builtins()));
  const address = exports.opa_malloc(NO_DATA.length);
  new Uint8Array(memory.buffer).set(NO_DATA, address);
  exports.opa_json_parse(address, NO_DATA.length);
  exports.opa_heap_ptr_get();
  read(exports.opa_json_dump(exports.entrypoints()));
}

/**
 * Pages of memory with which a module's texts were checked. An instance makes them before it has any input, so every instance makes the same
 * ones. Checking each would take another memory, for which V8 collects garbage while decisions wait.
 */
const checked = new WeakMap<WebAssembly.Module, number>();

const NO_DATA = Buffer.from("{}");

interface LoadingExports extends Exports {
  opa_malloc(bytes: number): number;
  opa_json_parse(address: number, length: number): number;
  entrypoints(): number;
}

/** The message that a module aborted with, as far as it has one. */
function messageAt(memory: WebAssembly.Memory, address: number): string {
  const view = Buffer.from(memory.buffer);
  const from = address >>> 0;
  const end = view.indexOf(0, from);
  return describe(view.toString("utf8", from, end < 0 ? view.length : Math.min(end, from + MESSAGE_BYTES_MAX)));
}

const MESSAGE_BYTES_MAX = 1_024;

function abortOf(exports: WebAssembly.Exports): Running["abort"] {
  return exports[ABORT_EXPORT] as Running["abort"];
}

function stateOf(exports: WebAssembly.Exports): WebAssembly.Global[] {
  return Object.entries(exports).flatMap(([name, value]) => (name.startsWith(STATE_EXPORT) ? [value as WebAssembly.Global] : []));
}

function fuelOf(exports: WebAssembly.Exports): Fuel {
  return exports[FUEL_EXPORT] as Fuel;
}

function checkAbi(exports: WebAssembly.Exports, wanted: string): void {
  const { opa_wasm_abi_version: major, opa_wasm_abi_minor_version: minor, opa_eval: evaluate } = exports;
  const found =
    major instanceof WebAssembly.Global && minor instanceof WebAssembly.Global && typeof evaluate === "function"
      ? `${String(major.value)}.${String(minor.value)}`
      : "none";
  if (found !== wanted) throw new BundleError("abi_unsupported", { file: "policy.wasm", expected: wanted, found });
}

/** Returns the builtins of the host that a module needs; native ones aren't among them. @throws BundleError `wasm_builtin` for one that isn't hosted */
function builtinsOf(policy: Sdk.LoadedPolicy, exports: Exports): NeededBuiltins {
  let named: Record<string, unknown>;
  try {
    const memory = Buffer.from(policy.mem.buffer);
    named = JSON.parse(textAt(memory, exports.opa_json_dump(exports.builtins()), memory.length).toString()) as Record<string, unknown>;
  } catch (thrown) {
    throw refused("wasm_invalid", thrown);
  }
  const needed = neededBuiltins(named);
  if (typeof needed === "string") throw new BundleError("wasm_builtin", { file: "policy.wasm", found: needed });
  return needed;
}

/**
 * Text of an answer for `readAnswer`, a view of the instance's memory that is good until the next evaluation, and the fuel it took; or the
 * failure.
 */
type Answer = { ok: true; text: Buffer; fuel: number } | FailedEvaluation;

type FailedEvaluation = Extract<Evaluation, { ok: false }>;

/** Evaluates like the SDK's `evaluate`, without what makes that slow: a decoder and views for each call, a loop for the end. */
function call(running: Running, input: string, { evaluation_fuel_max, result_bytes_max }: Readonly<InstanceLimits>): Answer {
  const { exports, fuel, entrypoint, data, heap } = running;
  const view = current(running);
  fuel.value = BigInt(evaluation_fuel_max);
  // A UTF-16 unit takes at most three bytes; room for the worst case saves counting them first.
  if (heap + input.length * 3 > view.length) throw new RangeError("the input is larger than the memory");
  const length = view.write(input, heap);
  if (view[heap] !== OPEN_BRACE) throw new TypeError("the input is not an object with members");
  const result = exports.opa_eval(0, entrypoint, data, heap, length, heap + length, 0);
  const text = textAt(current(running), result, result_bytes_max);
  const left = Number(fuel.value) - length * INPUT_COST - text.length * RESULT_COST;
  if (left < 0) {
    fuel.value = BigInt(left);
    throw new RangeError("the input and the result are larger than their fuel");
  }
  return { ok: true, text, fuel: evaluation_fuel_max - left };
}

function current(running: Running): Buffer {
  if (running.view.buffer !== running.memory.buffer) running.view = Buffer.from(running.memory.buffer);
  return running.view;
}

/** The NUL-terminated text at an address. */
function textAt(memory: Buffer, address: number, bytesMax: number): Buffer {
  // What is negative would be looked for from the end of the memory.
  const end = memory.indexOf(0, address >>> 0);
  if (end < 0) throw new RangeError("the result has no end");
  if (end - address > bytesMax) throw new RangeError("the result is larger than the limit");
  return memory.subarray(address, end);
}

/** Answers that are kept as they were read, and how long they may be. */
const KNOWN_MAX = 1024;
const KNOWN_BYTES_MAX = 1024;

/** Reads answers, most of them once: a policy says few different things, most of them often. */
class Answers {
  readonly #known = new Map<string, unknown>();

  read(text: Buffer, fuel: number): Evaluation {
    if (text.length > KNOWN_BYTES_MAX) return readAnswer(text, fuel);
    const key = text.toString("latin1");
    const known = this.#known.get(key);
    if (known !== undefined) return { ok: true, result: known, fuel };
    const evaluation = readAnswer(text, fuel);
    if (evaluation.ok) {
      if (this.#known.size === KNOWN_MAX) this.#known.clear();
      this.#known.set(key, frozen(evaluation.result));
    }
    return evaluation;
  }
}

/** To its depths: it is given to many. */
function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}

/** Reads the text of an answer, as `opa_eval` writes it. */
function readAnswer(text: Buffer, fuel: number): Evaluation {
  let answer: unknown;
  try {
    answer = JSON.parse(text.toString("utf8"));
  } catch (thrown) {
    return failed(describe(thrown), fuel);
  }
  // Undefined is `[]`; more than one would be more than one answer.
  if (!Array.isArray(answer) || answer.length !== 1) return failed("the policy's answer is undefined", fuel);
  const [binding] = answer as unknown[];
  if (typeof binding !== "object" || binding === null || !("result" in binding)) return failed("the answer has no result", fuel);
  return { ok: true, result: binding.result, fuel };
}

function failed(detail: string, fuel?: number): FailedEvaluation {
  return { ok: false, code: "evaluation_failed", detail, ...(fuel !== undefined && { fuel }) };
}
