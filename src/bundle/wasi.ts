/**
 * The host of a WebAssembly module that Go built for `wasip1`: clock, random numbers and standard error, without environment, files and network. `node:wasi` would offer all of those, and warns that it is experimental.
 */
import { systemClock, systemRandom } from "../system/index.js";

const ENOSYS = 52;
const EBADF = 8;
const CLOCK_REALTIME = 0;
const EVENT_BYTES = 32;
const SUBSCRIPTION_BYTES = 48;
/** Go programs expect a name of their own. */
const PROGRAM = Buffer.from("opa\0");
const STDERR_CHARS_MAX = 4096;

export interface StartedModule {
  exports: WebAssembly.Exports;
  /** Returns the end of what the module has written to standard error: after a trap, the reason. */
  stderr: () => string;
}

/**
 * Starts a module, compiled or not, of the kind "reactor".
 * @throws WebAssembly.RuntimeError from any of its functions, after which it can't be used any more
 */
export function startModule(wasm: Uint8Array<ArrayBuffer> | WebAssembly.Module): StartedModule {
  let view: DataView;
  let stderr = "";
  const memory = (): DataView => {
    // Growing detaches the buffer.
    if (view.buffer.byteLength === 0) view = new DataView(grown.buffer);
    return view;
  };
  const none = (...addresses: number[]): number => {
    for (const address of addresses) memory().setUint32(address, 0, true);
    return 0;
  };
  const absent = (): number => ENOSYS;
  const host: Record<string, (...args: never[]) => number> = {
    args_sizes_get(count: number, bytes: number): number {
      memory().setUint32(count, 1, true);
      memory().setUint32(bytes, PROGRAM.length, true);
      return 0;
    },
    args_get(addresses: number, bytes: number): number {
      memory().setUint32(addresses, bytes, true);
      new Uint8Array(memory().buffer, bytes, PROGRAM.length).set(PROGRAM);
      return 0;
    },
    environ_get: () => 0,
    environ_sizes_get: none,
    sched_yield: () => 0,
    clock_time_get(id: number, _precision: bigint, address: number): number {
      const ms = id === CLOCK_REALTIME ? systemClock.wall() : systemClock.monotonic();
      memory().setBigUint64(address, BigInt(Math.round(ms * 1e6)), true);
      return 0;
    },
    random_get(address: number, length: number): number {
      systemRandom.fill(new Uint8Array(memory().buffer, address, length));
      return 0;
    },
    fd_write(_descriptor: number, vectors: number, count: number, written: number): number {
      let bytes = 0;
      for (let i = 0; i < count; i++) {
        const [at, length] = [memory().getUint32(vectors + 8 * i, true), memory().getUint32(vectors + 8 * i + 4, true)];
        stderr = (stderr + Buffer.from(memory().buffer, at, length).toString()).slice(-STDERR_CHARS_MAX);
        bytes += length;
      }
      memory().setUint32(written, bytes, true);
      return 0;
    },
    /** Each wait is over at once: Go asks again for what it waits for. */
    poll_oneoff(subscriptions: number, events: number, count: number, stored: number): number {
      for (let i = 0; i < count; i++) {
        const userdata = memory().getBigUint64(subscriptions + SUBSCRIPTION_BYTES * i, true);
        new Uint8Array(memory().buffer, events + EVENT_BYTES * i, EVENT_BYTES).fill(0);
        memory().setBigUint64(events + EVENT_BYTES * i, userdata, true);
      }
      memory().setUint32(stored, count, true);
      return 0;
    },
    proc_exit(): number {
      throw new Error("the module ended itself");
    },
    fd_prestat_get: () => EBADF,
  };
  const module = wasm instanceof WebAssembly.Module ? wasm : new WebAssembly.Module(wasm);
  const imports = WebAssembly.Module.imports(module).map(({ name }) => [name, host[name] ?? absent]);
  const { exports } = new WebAssembly.Instance(module, {
    wasi_snapshot_preview1: Object.fromEntries(imports) as Record<string, () => number>,
  });
  const { memory: grown, _initialize: initialize } = exports as { memory: WebAssembly.Memory; _initialize: () => void };
  view = new DataView(grown.buffer);
  initialize();
  return { exports, stderr: () => stderr };
}
