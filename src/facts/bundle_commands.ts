/** Changes of what the feed of a cluster says of bundles: the one by which all nodes decide, and the one that they try beside it. */
import { Problem, type BundleActivation, type StagedActivation } from "../contract/index.js";
import type { Json } from "../store/store.js";
import { without } from "../system/without.js";
import { iso, type BundleFact } from "./entities.js";
import { turnOf, type Attribution, type Ledger } from "./ledger.js";
import type { Registry } from "./registry.js";

/** Attempts at a change, between any two of which another node has made one. */
const TRIES = 5;

export class BundleCommands {
  readonly #registry: Registry;
  readonly #ledger: Ledger;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(registry: Registry, ledger: Ledger, now: () => number) {
    this.#registry = registry;
    this.#ledger = ledger;
    this.#now = now;
  }

  /**
   * Names a bundle as the one by which all nodes of the cluster decide, which ends a stage. Naming the active one again changes nothing.
   * @returns the facts revision of the change
   * @throws Problem `bundle_refused` unless it may follow the active one, `store_unavailable`, and those of the log
   */
  name(bundle: Pick<BundleActivation, "id" | "digest" | "sequence" | "revision">, act: Attribution): Promise<number> {
    return this.#change(bundle.id, act, "bundle_named", (known) => {
      if (known?.digest === bundle.digest) return null;
      if (known !== undefined && bundle.sequence <= known.sequence) {
        const expected = `a sequence above ${known.sequence}, which is active in the cluster; found ${bundle.sequence}`;
        throw new Problem("bundle_refused", { reason: bundle.sequence < known.sequence ? "bundle_older" : "bundle_changed", expected });
      }
      return { ...bundle, since: iso(this.#now()), ...act };
    });
  }

  /**
   * Has all nodes try a bundle beside the named one. The same share again changes nothing.
   * @param beside digest of the bundle beside which it was tried here
   * @returns the facts revision of the change
   * @throws Problem `bundle_refused` unless that is the named one, `store_unavailable`, and those of the log
   */
  stage(
    id: string,
    beside: string,
    staged: Pick<StagedActivation, "digest" | "sequence" | "revision" | "share">,
    act: Attribution,
  ): Promise<number> {
    return this.#change(id, act, "bundle_staged", (known) => {
      if (known?.digest !== beside) throw new Problem("bundle_refused", { reason: "stage_unnamed" });
      if (known.staged?.digest === staged.digest && known.staged.share === staged.share) return null;
      return { ...activationOf(known), staged: { ...staged, since: iso(this.#now()), ...act } };
    });
  }

  /**
   * Ends the stage of a bundle on all nodes; one that has ended meanwhile, or another, is left as it is.
   * @returns the facts revision of the last change
   * @throws Problem `store_unavailable`, and those of the log
   */
  endStage(id: string, digest: string, act: Attribution): Promise<number> {
    return this.#change(id, act, "bundle_stage_ended", (known) =>
      known?.staged?.digest === digest ? without(activationOf(known), "staged") : null,
    );
  }

  #change(id: string, act: Attribution, change: string, next: (known: BundleFact | undefined) => BundleActivation | null): Promise<number> {
    const key = `bundle/${id}`;
    return this.#ledger.inTurn(turnOf(key), async () => {
      for (let left = TRIES - 1; ; left--) {
        const value = next(this.#registry.bundle(id));
        if (value === null) {
          await this.#ledger.ready();
          return this.#registry.revisionOf(key);
        }
        try {
          const expected = this.#registry.revisionOf(key);
          await this.#ledger.commit([{ key, expected, value: value as unknown as Json, ...act, change }]);
          return this.#registry.revisionOf(key);
        } catch (cause) {
          // Another node has made one meanwhile, which memory has by now.
          if (!(cause instanceof Problem) || cause.code !== "revision_stale" || left === 0) throw cause;
        }
      }
    });
  }
}

function activationOf(known: BundleFact): BundleActivation {
  return without(known, "facts_revision");
}
