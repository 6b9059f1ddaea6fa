/** Flow of a service that is a node of a cluster: all nodes share what its tasks have seen and what is counted. */
import type { TaskState } from "../contract/index.js";
import type { FlowOutcomes, ValueFlow } from "../decision/ports.js";
import type { TaskWatch } from "../facts/commands.js";
import type { Flow } from "../flow/flow.js";
import { SharedFlow, type SharedFlowOptions } from "../flow/shared_flow.js";
import { loadReaders } from "../flow/values.js";
import { hasWords, type FlowWords, type WiredFlow } from "./flow.js";

export interface NodeFlowOptions extends SharedFlowOptions {
  /** Returns whether this node does what one of them has to do. */
  isFirst: () => boolean;
}

export class NodeFlow implements WiredFlow {
  readonly #shared: SharedFlow;
  readonly #isFirst: () => boolean;
  #hasWords = false;

  constructor(options: NodeFlowOptions) {
    this.#shared = new SharedFlow(options);
    this.#isFirst = options.isFirst;
  }

  readonly watch: TaskWatch = {
    begin: ({ id, expires, plan }: Pick<TaskState, "id" | "expires" | "plan">) =>
      this.#hasWords || plan !== undefined
        ? this.#shared.begin({ id, expires_ms: expires === null ? null : Date.parse(expires) })
        : Promise.resolve(false),
    lowered: (task, labels) => this.#shared.lowered(task, labels),
  };

  get port(): ValueFlow {
    return this.#shared;
  }

  get outcomes(): FlowOutcomes {
    return this.#shared.outcomes;
  }

  get size(): Flow["size"] {
    return { tasks: 0, total: 0, forgotten: 0, counters: 0, awaited: this.#shared.awaited };
  }

  start(policy: FlowWords | null): void {
    if (policy !== null) this.activated(policy);
  }

  activated(policy: FlowWords): void {
    this.#hasWords = hasWords(policy);
    if (this.#hasWords) loadReaders();
  }

  elsewhere(task: string): void {
    this.#shared.forget(task);
  }

  /** Whoever lowers them writes it. */
  lowered(): void {
    return;
  }

  ended(task: string): void {
    if (this.#isFirst()) this.#shared.ended(task);
  }
}
