/** What evaluates a module, and how one is started. */
import type { Evaluation } from "../decision/ports.js";
import { PolicyInstance, type InstanceLimits, type Module } from "./instance.js";

export interface Evaluator {
  /** @param input the JSON text of a policy's input, serialised by us */
  evaluate(input: string): Promise<Evaluation>;
  /** As `evaluate`, of each and in their order. */
  evaluateAll(inputs: readonly string[]): Promise<readonly Evaluation[]>;
  /** Ends it soon: what has begun, or is about to, is still answered. */
  retire(): void;
  /** Ends it once what was asked has been answered. */
  close(): Promise<void>;
}

/**
 * Loads a module and makes it ready; `warmUp` are inputs to evaluate before it is.
 * @throws BundleError `wasm_*`, `abi_unsupported`, `engine_memory`
 */
export type StartEvaluator = (module: Module, warmUp: string[]) => Promise<Evaluator>;

/** Evaluates on the calling thread, where nothing can stop an evaluation: for authors' tools, which have no bystanders. */
export function inPlace(limits: Readonly<InstanceLimits>): StartEvaluator {
  // An async function, so that what the constructor throws is a rejection.
  return async (module) => {
    const instance = new PolicyInstance(module, limits);
    return Promise.resolve({
      evaluate: (input) => Promise.resolve(instance.evaluate(input)),
      evaluateAll: (inputs) => Promise.resolve(inputs.map((input) => instance.evaluate(input))),
      retire: () => undefined,
      close: () => Promise.resolve(),
    });
  };
}
