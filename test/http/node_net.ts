/** Nodes of a cluster as they ask one another, without a wire between: a node answers at once, unless it is silent or fails. */
import type { AskedNodes, NodeAnswering } from "../../src/http/asked_nodes.js";

export class NodeNet {
  readonly silent = new Set<string>();
  /** Who asked whom, such as `a → b`. */
  readonly asked: string[] = [];
  readonly live: string[];
  /** Nodes whose lease is over. */
  readonly gone: string[] = [];
  readonly #answers = new Map<string, NodeAnswering>();

  constructor(...names: string[]) {
    this.live = names;
  }

  serve(name: string, answer: NodeAnswering): void {
    this.#answers.set(name, answer);
  }

  /** Returns the nodes as this one asks them. */
  of(name: string): AskedNodes {
    return {
      name,
      live: this.live,
      silent: this.gone,
      ask: async (question, of) => {
        const answers = new Map<string, string | null>();
        for (const node of of) {
          this.asked.push(`${name} → ${node}`);
          if (this.silent.has(node)) continue;
          try {
            const found = await this.#answers.get(node)?.(question);
            if (found !== undefined) answers.set(node, found);
          } catch {
            // It says that it can't answer.
          }
        }
        return { answers, missing: of.filter((node) => !answers.has(node)) };
      },
    };
  }
}
