/** Applies restrictions, which hold at once, and their end, which gives way to any newer restriction. */
import { Problem, type InForce } from "../contract/index.js";
import type { Clock } from "../system/index.js";

import type { Json } from "../store/store.js";
import { turnOf, type Attribution, type Ledger, type CommitOutcome } from "./ledger.js";
import type { Narrow } from "./narrowing.js";
import type { OtherNodes } from "./other_nodes.js";
import type { Registry } from "./registry.js";

/** Followers of changes of facts, as facts need them. */
export interface FactFollowers {
  /** Number of streams to which the last change of a key that narrowed has been sent so far. */
  told(key: string): number;
}

export interface RestrictionsDeps {
  /** Resolves when every decision that began before the call is answered or dropped. */
  barrier: () => Promise<void>;
  /** Other nodes of the cluster, once this one is a member. @default none */
  others?: (() => OtherNodes | null) | undefined;
  /** Followers of changes, once there can be any. @default none */
  followers?: (() => FactFollowers | null) | undefined;
  system: { clock: Pick<Clock, "monotonic"> };
}

export class Restrictions {
  readonly #registry: Registry;
  readonly #ledger: Ledger;
  readonly #barrier: () => Promise<void>;
  /** Null for a service that decides alone. */
  readonly #others: () => OtherNodes | null;
  readonly #followers: () => FactFollowers | null;
  readonly #clock: Pick<Clock, "monotonic">;
  /** Undoings that are under way: each fails if one of its keys is narrowed meanwhile. */
  readonly #undoing = new Set<{ readonly keys: readonly string[]; narrowed: boolean }>();

  constructor(registry: Registry, ledger: Ledger, { barrier, others, followers, system }: RestrictionsDeps) {
    this.#registry = registry;
    this.#ledger = ledger;
    this.#barrier = barrier;
    this.#others = others ?? (() => null);
    this.#followers = followers ?? (() => null);
    this.#clock = system.clock;
  }

  /**
   * It is in memory before this returns, whatever the store and the log do, and resolves when no decision is left that began
   * before.
   * @param value what the key holds; null where it holds nothing
   */
  async narrow(key: string, value: object | null, narrow: Narrow, act: Attribution, change: string): Promise<InForce> {
    const now = value as Json;
    const begun = this.#clock.monotonic();
    for (const undoing of this.#undoing) undoing.narrowed ||= undoing.keys.includes(key);
    // Repeated: it holds already, and is only seen to be durable; unless what restores it may be on its way.
    const holds = value !== null && narrow(now) === now && !this.#ledger.isChanging(turnOf(key));
    const written: Promise<CommitOutcome> = holds
      ? this.#ledger.settle(turnOf(key), key)
      : this.#ledger.narrow(turnOf(key), key, now, narrow, act, change);
    const others = this.#others();
    const held = others === null ? null : this.#ledger.held(key);
    if (held !== null) others?.tell(held);
    const clear = this.#barrier().then(() => Math.round((this.#clock.monotonic() - begun) * 10) / 10);
    const outcome = await written;
    const waited_ms = await clear;
    const told = holds ? 0 : (this.#followers()?.told(key) ?? 0);
    if (others === null || outcome.revision === null || !outcome.durable) return { in_force: "node", ...outcome, told, waited_ms };
    return { ...outcome, told, waited_ms, ...(await others.inForce(outcome.revision)) };
  }

  /** Returns where a restriction is in force; null for a service that decides alone, and if that isn't known. */
  standing(key: string): Pick<InForce, "in_force" | "fleet"> | null {
    // Until it is durable the key has the revision of an earlier change, or none.
    const revision = this.#registry.isHeld(key) ? null : this.#registry.revisionOf(key);
    return this.#others()?.standing(revision) ?? null;
  }

  /**
   * Undoes what narrows these keys, once that is durable: a permission is stored after the restriction that it ends, in the store as in memory.
   * @param undo called in the turn of each
   * @throws Problem `revision_stale` where one was narrowed since, `store_unavailable`, and those of `undo`
   */
  async undo(keys: readonly string[], undo: () => Promise<void>): Promise<void> {
    const undoing = { keys, narrowed: false };
    this.#undoing.add(undoing);
    try {
      for (const key of keys) if (this.#registry.isHeld(key)) await this.#ledger.settle(turnOf(key), key);
      const inTurns = keys.reduceRight(
        (inner, key) => () => this.#ledger.inTurn(turnOf(key), inner),
        async (): Promise<void> => {
          if (keys.some((key) => this.#registry.isHeld(key))) throw new Problem("store_unavailable");
          if (undoing.narrowed) throw new Problem("revision_stale");
          await undo();
        },
      );
      await inTurns();
    } finally {
      this.#undoing.delete(undoing);
    }
  }
}
