/** Counts of the stage of a bundle on all nodes of a cluster, each of which counts its own decisions. */
import { StagedBundle } from "../contract/index.js";
import { schemas } from "../system/schemas.js";
import { othersOf, type AskedNodes } from "./asked_nodes.js";

/** Begins a question for what a stage has come to; the digest of the staged bundle stands behind it. */
export const STAGE = "stage ";
/** Time in which a node has to answer: whoever looks at a stage waits for that. */
const ASKED_MS = 2000;
const DIFFERENCES_MAX = 100;
const isStagedBundle = schemas().compile<StagedBundle>(StagedBundle);

/** Stages as this node has them. */
export interface OwnStage {
  /** The bundle that is tried here. */
  readonly status: { readonly staged: StagedBundle | null };
  /** That, or what the feed of the cluster has staged. */
  readonly staged: StagedBundle | null;
}

export class FleetStage {
  readonly #bundles: OwnStage;
  /** Digest of the bundle that the feed of the cluster has staged; null: none, and a stage is of this node alone. */
  readonly #fed: () => string | null;
  readonly #nodes: AskedNodes;

  constructor(bundles: OwnStage, fed: () => string | null, nodes: AskedNodes) {
    this.#bundles = bundles;
    this.#fed = fed;
    this.#nodes = nodes;
  }

  /** Returns what the stage has come to, with the counts of all nodes that try it; null if nothing is staged. */
  async whole(): Promise<StagedBundle | null> {
    const { staged } = this.#bundles;
    if (staged === null || staged.identity.digest !== this.#fed()) return staged;
    const { name, silent } = this.#nodes;
    const isTried = this.#bundles.status.staged?.identity.digest === staged.identity.digest;
    const others = othersOf(this.#nodes);
    const { answers } = await this.#nodes.ask(STAGE + staged.identity.digest, others, undefined, ASKED_MS);
    const found = new Map(others.map((node) => [node, stageIn(answers.get(node) ?? null, staged)]));
    const missing = [...silent, ...others.filter((node) => found.get(node) === null)];
    if (!isTried) missing.push(name);
    const parts = [...found.values()].filter((part) => part !== null);
    return { ...parts.reduce(sumOf, staged), missing: missing.sort() };
  }

  /** Answers what another node asks. @param digest what stands behind `STAGE` @returns JSON; null if this node doesn't try it */
  answer(digest: string): string | null {
    const { staged } = this.#bundles.status;
    return staged?.identity.digest === digest ? JSON.stringify(staged) : null;
  }
}

/** Returns a node's part of a stage; null if it doesn't try this one for as many agents. */
function stageIn(text: string | null, { identity, share }: StagedBundle): StagedBundle | null {
  let part: unknown;
  try {
    part = JSON.parse(text ?? "null");
  } catch {
    return null;
  }
  return isStagedBundle(part) && part.identity.digest === identity.digest && part.share === share ? part : null;
}

function sumOf(one: StagedBundle, other: StagedBundle): StagedBundle {
  const differences = new Map<string, StagedBundle["differences"][number]>();
  for (const difference of [...one.differences, ...other.differences]) {
    const { from, to, reason, agent, count } = difference;
    const key = JSON.stringify([from, to, reason, agent]);
    differences.set(key, { ...difference, count: count + (differences.get(key)?.count ?? 0) });
  }
  return {
    ...one,
    since: one.since < other.since ? one.since : other.since,
    compared: one.compared + other.compared,
    flips: one.flips + other.flips,
    other_reasons: one.other_reasons + other.other_reasons,
    errors: one.errors + other.errors,
    skipped: one.skipped + other.skipped,
    differences: [...differences.values()].sort((a, b) => b.count - a.count).slice(0, DIFFERENCES_MAX),
  };
}
