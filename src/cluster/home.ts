/** The node that does for a key what one of all nodes has to do. */
import { createHash } from "node:crypto";

const KEPT_MAX = 10_000;

/**
 * Homes by rendezvous hashing: of the live nodes, each key has the one with the highest hash of both names. If a node comes or goes, only
 * the keys move that it gets or had. Nodes that see others live for a moment may both take a key for their own.
 */
export class Homes {
  readonly #live: () => readonly string[];
  #nodes = "";
  #kept = new Map<string, string>();

  /** @param live names of the live nodes, in order */
  constructor(live: () => readonly string[]) {
    this.#live = live;
  }

  /** Returns the home of a key; null where no node is live. */
  of(key: string): string | null {
    const live = this.#live();
    const nodes = live.join(" ");
    if (nodes !== this.#nodes || this.#kept.size >= KEPT_MAX) this.#kept = new Map();
    this.#nodes = nodes;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    let [home, most]: [string | null, string] = [null, ""];
    for (const node of live) {
      const weight = createHash("sha256").update(`${node}\0${key}`).digest("hex");
      if (weight <= most) continue;
      [home, most] = [node, weight];
    }
    if (home !== null) this.#kept.set(key, home);
    return home;
  }
}
