/** Bundles that the nodes of a cluster run, and for how long these have been different. */
import type { Clock } from "../system/index.js";
import type { NodeStage } from "./stage_feed.js";

/** Bundle by which a node decides. */
export interface DecidingBundle {
  digest: string;
  /** When it began to decide there, RFC 3339. */
  since: string;
}

/** Node with what its last tick says of its bundle. */
export interface NodeBundle {
  node: string;
  /** Digest; null: none, so that every decision is refused. */
  bundle: string | null;
  /** Null: unknown. */
  bundle_since: string | null;
  /** Bundle that it tries beside that one; null: none, or unknown. */
  staged: NodeStage | null;
}

/** Nodes that run the same bundle. */
export interface BundleNodes {
  /** Null: none runs. */
  digest: string | null;
  nodes: string[];
  /** When the first of them began; null: unknown. */
  since: string | null;
}

export class FleetBundles {
  readonly #clock: Pick<Clock, "monotonic">;
  /** When they were seen to differ first. */
  #differSince: number | null = null;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Takes what the live nodes run now. @returns it by bundle, what most nodes run first, and how long they have differed here; null: all run the same */
  look(nodes: readonly NodeBundle[]): { running: BundleNodes[]; differ_ms: number | null } {
    const byDigest = new Map<string | null, BundleNodes>();
    for (const { node, bundle, bundle_since } of nodes) {
      const known = byDigest.get(bundle);
      if (known === undefined) byDigest.set(bundle, { digest: bundle, nodes: [node], since: bundle_since });
      else {
        known.nodes.push(node);
        if (bundle_since !== null && (known.since === null || bundle_since < known.since)) known.since = bundle_since;
      }
    }
    const running = [...byDigest.values()].sort(
      (a, b) => b.nodes.length - a.nodes.length || ((a.nodes[0] ?? "") < (b.nodes[0] ?? "") ? -1 : 1),
    );
    const now = this.#clock.monotonic();
    if (running.length < 2) this.#differSince = null;
    else this.#differSince ??= now;
    return { running, differ_ms: this.#differSince === null ? null : Math.round(now - this.#differSince) };
  }
}
