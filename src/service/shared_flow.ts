/** Flow of a service that is a node of a cluster: all nodes share what its tasks have seen and what is counted. */
import type { TaskState } from "../contract/index.js";
import type { FlowOutcomes, ValueFlow } from "../decision/ports.js";
import type { TaskWatch } from "../facts/commands.js";
import type { Flow } from "../flow/flow.js";
import { SharedFlow, type SharedFlowOptions } from "../flow/shared_flow.js";
import { loadReaders } from "../flow/values.js";
import { hasWords, permittedBefore, type FindTask, type FlowWords, type WiredFlow } from "./flow.js";

export interface NodeFlowOptions extends SharedFlowOptions {
  find: FindTask;
  /** Returns whether this node does what one of them has to do. */
  isFirst: () => boolean;
}

export class NodeFlow implements WiredFlow {
  readonly #shared: SharedFlow;
  readonly #isFirst: () => boolean;
  readonly #find: FindTask;
  /** Words of the active bundle; null: it has none. */
  #policy: FlowWords | null = null;

  constructor(options: NodeFlowOptions) {
    this.#shared = new SharedFlow(options);
    this.#isFirst = options.isFirst;
    this.#find = options.find;
  }

  readonly watch: TaskWatch = {
    begin: ({ id, expires, plan }: Pick<TaskState, "id" | "expires" | "plan">) =>
      this.#policy !== null || plan !== undefined
        ? this.#shared.begin({ id, expires_ms: expires === null ? null : Date.parse(expires) })
        : Promise.resolve(false),
    lowered: (task, labels) => this.#shared.lowered(task, labels),
  };

  get port(): ValueFlow {
    return this.#shared;
  }

  get outcomes(): FlowOutcomes {
    return {
      ...this.#shared.outcomes,
      recall: (record) => {
        const question = this.#policy === null ? null : permittedBefore(record, this.#policy, this.#find);
        if (question !== null) this.#shared.recall(record.answer.decision_id, question);
      },
    };
  }

  get size(): Flow["size"] {
    return { tasks: 0, total: 0, forgotten: 0, counters: 0, awaited: this.#shared.awaited };
  }

  start(policy: FlowWords | null): void {
    if (policy !== null) this.activated(policy);
  }

  activated(policy: FlowWords): void {
    this.#policy = hasWords(policy) ? policy : null;
    if (this.#policy !== null) loadReaders();
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
