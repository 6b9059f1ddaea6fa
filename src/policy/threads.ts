/**
 * Evaluates where it can be stopped: WebAssembly has neither fuel nor timeout, so a thread of its own evaluates, and is
 * killed when one evaluation takes too long. That one is failed, the others of its batch go to a spare thread that was
 * ready before. Batches are handed over once a turn of the event loop, through shared memory.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Evaluation } from "../decision/ports.js";
import type { System } from "../system/index.js";
import { BundleError } from "../bundle/errors.js";
import type { EvaluateWorkerData, StartMessage } from "./evaluate_worker.js";
import type { Evaluator, StartEvaluator } from "./evaluator.js";
import { Exchange } from "./exchange.js";
import { Answers, failed, type InstanceLimits, type Module } from "./instance.js";

export interface ThreadOptions {
  limits: Readonly<InstanceLimits>;
  /** Milliseconds that one evaluation may take; it is stopped before twice as many have passed. */
  evaluation_ms_max: number;
  system: Pick<System, "clock" | "timers">;
  /** Told of each evaluation that was stopped, and of each thread that broke. */
  report: (detail: string) => void;
}

type Options = ThreadOptions & { module: Module; warm_up: string[] };

/** For services. @throws BundleError as `PolicyInstance`, and `self_test_failed` where the module doesn't come to its start's end */
export function inThreads(options: ThreadOptions): StartEvaluator {
  return (module, warm_up) => ThreadedEvaluator.start({ ...options, module, warm_up });
}

interface Pending {
  input: string;
  resolve: (evaluation: Evaluation) => void;
}

/** Inputs of one batch, in bytes: many times what a turn brings. An input has its own, lower limit. */
const INPUT_BYTES = 4 * 1024 * 1024;
const ANSWER_BYTES = 1024 * 1024;
/** Requests that were stopped once and are refused at once after that. */
const STOPPED_MAX = 1024;
const NOTHING_BEGUN = -1;
/** Looks at a thread that has work and does none of it, until it counts as broken. */
const STARVED_LOOKS_MAX = 50;
/** A thread that has just begun needs its processor more than a spare does. */
const SPARE_AFTER_MS = 500;
const START_MS_MAX = 10_000;
const RETIRE_MS = 2_000;
const OVERRUN = { ok: false, code: "evaluation_budget" } as const;

/** A thread that is ready, and the memory shared with it. */
interface Thread {
  worker: Worker;
  exchange: Exchange;
  /** Milliseconds of processor that it has had, or null where nobody counts them. */
  cpuMs: () => number | null;
}

class ThreadedEvaluator implements Evaluator {
  readonly #options: Options;
  readonly #stopped = new Set<string>();
  readonly #stopWatching: () => void;
  readonly #answers = new Answers();
  #queue: Pending[] = [];
  /** Null while a spare takes over. */
  #thread: Thread | null = null;
  /** Null while there is none: a thread that is needed then is started then. */
  #spare: Promise<Thread> | null = null;
  #stopSpare = (): void => undefined;
  #retired = false;
  #batch: Pending[] = [];
  /** The item that was running at the last look, and at how many looks in a row. */
  #seen: { item: number; looks: number; cpuMs: number | null } = { item: NOTHING_BEGUN, looks: 0, cpuMs: null };
  #lookedAt: number;
  #flushing = false;
  #recovering = false;
  #closed = false;

  /** Resolves when a thread is ready; the one that would take over becomes so meanwhile. */
  static async start(options: Options): Promise<Evaluator> {
    const evaluator = new ThreadedEvaluator(options);
    try {
      await evaluator.#takeOver();
      return evaluator;
    } catch (error) {
      evaluator.#stopWatching();
      throw error;
    }
  }

  private constructor(options: Options) {
    this.#options = options;
    this.#lookedAt = options.system.clock.monotonic();
    this.#stopWatching = options.system.timers.every(options.evaluation_ms_max, () => {
      this.#watch();
    });
  }

  /** @param input the JSON text of a policy's input, serialised by us */
  evaluate(input: string): Promise<Evaluation> {
    return new Promise((resolve) => {
      this.#enqueue(input, resolve);
    });
  }

  evaluateAll(inputs: readonly string[]): Promise<readonly Evaluation[]> {
    if (inputs.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const found = new Array<Evaluation>(inputs.length);
      let left = inputs.length;
      for (const [i, input] of inputs.entries()) {
        this.#enqueue(input, (evaluation) => {
          found[i] = evaluation;
          if (--left === 0) resolve(found);
        });
      }
    });
  }

  #enqueue(input: string, resolve: Pending["resolve"]): void {
    if (this.#closed) resolve(failed("the policy has been replaced"));
    else if (input.length > this.#options.limits.input_length_max) resolve(failed("the input is larger than the limit"));
    else if (this.#stopped.size > 0 && this.#stopped.has(requestDigest(input)))
      resolve({ ...OVERRUN, detail: "the same request was stopped before" });
    else {
      this.#queue.push({ input, resolve });
      if (this.#thread === null && !this.#recovering) void this.#recover();
      else this.#flushSoon();
    }
  }

  retire(): void {
    // A decision that took this policy may not have asked it yet; none takes this long to.
    this.#options.system.timers.after(RETIRE_MS, () => {
      void this.close();
    });
    this.#dropSpare();
  }

  async close(): Promise<void> {
    while (this.#queue.length > 0 || this.#batch.length > 0) {
      await new Promise<void>((resolve) => {
        this.#options.system.timers.after(1, resolve);
      });
    }
    this.#closed = true;
    this.#stopWatching();
    this.#dropSpare();
    await this.#thread?.worker.terminate();
  }

  #startSpare(): void {
    this.#spare = startThread(this.#options);
    // A spare that can't be had is met when it is needed, and not before.
    this.#spare.catch(() => undefined);
  }

  #dropSpare(): void {
    this.#retired = true;
    this.#stopSpare();
    this.#spare?.then(
      ({ worker }) => worker.terminate(),
      () => undefined,
    );
    this.#spare = null;
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#options.system.timers.turnEnd(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** Hands the next batch over, where there is one and the thread has none. */
  #flush(): void {
    if (this.#thread === null || this.#batch.length > 0 || this.#queue.length === 0) return;
    const { exchange, worker } = this.#thread;
    exchange.clear();
    let taken = 0;
    for (const { input } of this.#queue) {
      if (!exchange.add(input)) break;
      taken++;
    }
    this.#batch = this.#queue.splice(0, taken);
    this.#seen = { item: NOTHING_BEGUN, looks: 0, cpuMs: null };
    worker.postMessage(taken);
  }

  #answered(thread: Thread, count: number): void {
    // A thread that was killed meanwhile has nothing more to say.
    if (thread !== this.#thread) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#seen = { item: NOTHING_BEGUN, looks: 0, cpuMs: null };
    let item = 0;
    for (const answer of thread.exchange.answers(count)) {
      batch[item++]?.resolve(answer.ok ? this.#answers.read(answer.text, answer.fuel) : answer);
    }
    // Answers that didn't fit: their items go first in the next batch.
    this.#queue.unshift(...batch.slice(count));
    this.#flush();
  }

  /** Called every `evaluation_ms_max`: an item that runs at two looks in a row has had that long, and less than twice that. */
  #watch(): void {
    const { evaluation_ms_max: period, system } = this.#options;
    const now = system.clock.monotonic();
    const late = now - this.#lookedAt > 2 * period;
    this.#lookedAt = now;
    if (this.#thread === null || this.#batch.length === 0) return;
    const item = this.#thread.exchange.begun;
    // A look that comes late itself says that the machine is short of time, and nothing about the evaluation.
    const again = !late && item === this.#seen.item;
    const cpuMs = this.#thread.cpuMs();
    this.#seen = again ? { ...this.#seen, looks: this.#seen.looks + 1 } : { item, looks: 1, cpuMs };
    if (this.#seen.looks < (item === NOTHING_BEGUN ? STARVED_LOOKS_MAX : 2)) return;
    // An evaluation that was hardly given a processor has not overrun; waiting for one has its own, longer end.
    const ran = cpuMs === null || this.#seen.cpuMs === null ? period : cpuMs - this.#seen.cpuMs;
    const starved = ran < period / 2;
    if (starved && this.#seen.looks < STARVED_LOOKS_MAX) return;
    const culprit = this.#batch[item];
    // Who was starved is no culprit: it is denied this once, and may ask again.
    if (culprit !== undefined && !starved) this.#remember(requestDigest(culprit.input));
    void this.#replace(this.#thread, { ...OVERRUN, detail: `stopped after ${period} ms` });
  }

  #remember(digest: string): void {
    const [oldest] = this.#stopped;
    if (this.#stopped.size === STOPPED_MAX && oldest !== undefined) this.#stopped.delete(oldest);
    this.#stopped.add(digest);
    this.#options.report(`an evaluation was stopped; request ${digest}`);
  }

  /** Ends a thread: the item it was at gets `verdict`, the others go to the spare. */
  async #replace(thread: Thread, verdict: Evaluation): Promise<void> {
    if (thread !== this.#thread || this.#closed) return;
    this.#thread = null;
    this.#recovering = true;
    const batch = this.#batch;
    this.#batch = [];
    const { begun } = thread.exchange;
    batch[begun]?.resolve(verdict);
    // What came before it was evaluated and never handed back: nothing was decided on it, so it is evaluated again.
    this.#queue.unshift(...batch.filter((_, item) => item !== begun));
    await thread.worker.terminate();
    await this.#recover();
  }

  /** A thread is had, or everything that waits for one is failed; the next evaluation then tries again. */
  async #recover(): Promise<void> {
    this.#recovering = true;
    try {
      await this.#takeOver();
    } catch (error) {
      this.#options.report(`no evaluating thread can be started: ${String(error)}`);
      const waiting = this.#queue;
      this.#queue = [];
      for (const { resolve } of waiting) resolve(failed("no evaluating thread can be started"));
    } finally {
      this.#recovering = false;
    }
  }

  /** Puts the spare to work, or where there is none a new thread. @throws what kept it from starting */
  async #takeOver(): Promise<void> {
    // Whatever was to be started for the thread before would be one too many, and nobody's.
    this.#stopSpare();
    const starting = this.#spare ?? startThread(this.#options);
    this.#spare = null;
    const thread = await starting;
    if (this.#closed) {
      await thread.worker.terminate();
      return;
    }
    thread.worker.on("message", (count: number) => {
      this.#answered(thread, count);
    });
    thread.worker.on("error", (error) => {
      this.#options.report(`the evaluating thread broke: ${error.message}`);
    });
    thread.worker.on("exit", () => {
      void this.#replace(thread, failed("the evaluating thread broke"));
    });
    this.#thread = thread;
    this.#stopSpare = this.#options.system.timers.after(SPARE_AFTER_MS, () => {
      if (!this.#retired) this.#startSpare();
    });
    this.#flush();
  }
}

async function startThread({ module, limits, warm_up, system }: Options): Promise<Thread> {
  const exchange = Exchange.of({ input_bytes: INPUT_BYTES, answer_bytes: ANSWER_BYTES });
  const { wasm, dataText, metadata } = module;
  const data: EvaluateWorkerData = { module: { wasm, dataText, metadata }, limits, buffers: exchange.buffers, warm_up };
  const worker = new Worker(new URL("./evaluate_worker.js", import.meta.url), {
    workerData: data,
    // It makes hardly any garbage: V8's usual young generation would only take memory.
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  });
  worker.unref();
  let cancel = (): void => undefined;
  const started = new Promise<StartMessage>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    cancel = system.timers.after(START_MS_MAX, () => {
      resolve({ refused: "self_test_failed", detail: { found: `it did not start within ${START_MS_MAX} ms` } });
    });
  });
  const message = await started.finally(cancel);
  worker.removeAllListeners("error");
  if ("ready" in message) return { worker, exchange, cpuMs: cpuReader(message.cpu_file) };
  await worker.terminate();
  throw new BundleError(message.refused, message.detail);
}

function cpuReader(file: string | null): () => number | null {
  return () => {
    try {
      return file === null ? null : Number(readFileSync(file, "utf8").split(" ")[0]) / 1e6;
    } catch {
      return null;
    }
  };
}

/** Of what an agent asked, without the facts and the moment, which differ each time. */
function requestDigest(input: string): string {
  // Facts come first, and the moment last among them.
  const start = input.indexOf('}},"request":{');
  return createHash("sha256")
    .update(start < 0 ? input : input.slice(start))
    .digest("hex");
}
