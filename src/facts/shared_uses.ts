/**
 * Uses of counted grants in a cluster. A process takes a use by a change of the grant, which names how many each has taken, before it
 * decides by it: of two that want the last use, one finds the grant changed. A use that was taken and isn't needed goes back. One whose
 * process has ended before a record rested on it is burned: nobody knows whether its answer left, so nobody uses it.
 */
import { Problem, type GrantFactState } from "../contract/index.js";
import { StoreUnsure, type Json } from "../store/store.js";
import { byDeadline } from "../system/deadline.js";
import type { Timers } from "../system/index.js";
import { processOf, takenOf } from "./held_grants.js";
import { turnOf, type Ledger } from "./ledger.js";
import type { Registry } from "./registry.js";
import { without } from "../system/without.js";

export interface SharedUsesDeps {
  /** Name of this node. */
  node: string;
  /** This process of it, as in `taken` of a grant. */
  process: string;
  registry: Registry;
  ledger: Ledger;
  timers: Pick<Timers, "after" | "every">;
  /** Author of the changes. */
  by: string;
  /** Called at the start for each grant of which earlier processes of this node have taken uses that none of its records rests on. */
  burned: (grant: string, uses: number) => void;
}

/** Interval at which unused uses are looked for: one goes back after once to twice as long. */
const LOOK_EVERY_MS = 1000;
/** Attempts to take a use while others take theirs. */
const TRIES_MAX = 8;
/** Milliseconds in which what is left goes back when the service stops. */
const CLOSE_WITHIN_MS = 2000;
/** Milliseconds that a decision waits for a use: what is going back may take until the servers answer. */
const RESERVED_WITHIN_MS = 2000;

export class SharedUses {
  readonly #deps: SharedUsesDeps;
  readonly #stopLooking: () => void;
  /** Grants of which this process has taken uses, as long as they are known. */
  readonly #taken = new Set<string>();
  /** Grants of which it had an unused one when that was last looked for. */
  #idle: ReadonlySet<string> = new Set();

  constructor(deps: SharedUsesDeps) {
    this.#deps = deps;
    for (const { value } of deps.registry.allGrants()) {
      if (value.ended !== null) continue;
      const burned = this.#takenHere(value) - deps.registry.usedHere(value.id);
      if (burned > 0) deps.burned(value.id, burned);
    }
    this.#stopLooking = deps.timers.every(LOOK_EVERY_MS, () => {
      void this.#look();
    });
  }

  /**
   * Takes a use of each of these grants of which this process has none left.
   * @returns null if it has one of each
   * @throws Problem `grant_uncounted` later
   */
  reserve(ids: readonly string[]): Promise<void> | null {
    const { registry, ledger, timers } = this.#deps;
    const lacking = ids.filter((id) => registry.reserved(id) === 0);
    if (lacking.length === 0) return null;
    let waits = true;
    const take = (id: string): Promise<void> => (waits ? this.#take(id) : Promise.resolve());
    const taken = Promise.all(lacking.map((id) => ledger.inTurn(turnOf(keyOf(id)), () => take(id))));
    // A use that is taken after all is idle, and goes back; none is taken for somebody who is gone.
    const late = (): Problem => ((waits = false), new Problem("grant_uncounted"));
    return byDeadline(timers, RESERVED_WITHIN_MS, taken, late).then(() => undefined);
  }

  /** Gives back what nothing has used; nothing is decided any more. */
  async close(): Promise<void> {
    this.#stopLooking();
    const returned = Promise.all([...this.#taken].map((id) => this.#return(id)));
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.timers.after(CLOSE_WITHIN_MS, resolve);
      void returned.finally(() => {
        cancel();
        resolve();
      });
    });
  }

  #takenHere({ taken = {} }: GrantFactState): number {
    const own = Object.entries(taken).filter(([process]) => process.startsWith(processOf(this.#deps.node, "")));
    return own.reduce((sum, [, uses]) => sum + uses, 0);
  }

  async #take(id: string): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const grant = this.#deps.registry.grant(id)?.value;
      // The next attempt finds what has become of it.
      if (grant === undefined || grant.ended !== null || takenOf(grant) >= (grant.uses ?? 0)) return;
      this.#taken.add(id);
      try {
        await this.#change(grant, 1, "grant_use_taken");
        return;
      } catch (cause) {
        if (cause instanceof Problem && cause.code === "revision_stale") continue;
        throw new Problem("grant_uncounted", {}, { cause });
      }
    }
    throw new Problem("grant_uncounted");
  }

  /** Gives back what nothing has used. Nothing uses it from here on, until it is known that it stays. */
  #return(id: string): Promise<void> {
    const { registry, ledger } = this.#deps;
    return ledger.inTurn(turnOf(keyOf(id)), async () => {
      const uses = registry.reserved(id);
      const grant = registry.grant(id)?.value;
      if (uses === 0 || grant === undefined) return;
      registry.setAside(id, uses);
      try {
        await this.#change(grant, -uses, "grant_use_returned");
      } catch (cause) {
        await this.#settled(cause);
      }
      // In memory it has gone back by now, or it stays.
      registry.setAside(id, -uses);
    });
  }

  /** Waits until it is known whether a change was made, and for the change. */
  async #settled(cause: unknown): Promise<void> {
    const revisions = await unsureOf(cause)?.settled;
    const last = revisions?.at(-1);
    if (last !== undefined) while (!(await this.#deps.registry.reached(last)));
  }

  async #look(): Promise<void> {
    const before = this.#idle;
    const { registry } = this.#deps;
    for (const id of this.#taken) if (registry.grant(id) === undefined) this.#taken.delete(id);
    this.#idle = new Set([...this.#taken].filter((id) => registry.reserved(id) > 0));
    for (const id of this.#idle) if (before.has(id)) await this.#return(id);
  }

  #change(grant: GrantFactState, uses: number, change: string): Promise<void> {
    const { process, registry, ledger, by } = this.#deps;
    const { [process]: own = 0, ...others } = grant.taken ?? {};
    const taken = own + uses > 0 ? { ...others, [process]: own + uses } : others;
    const value = { ...without(grant, "taken"), ...(Object.keys(taken).length > 0 && { taken }) } as unknown as Json;
    const key = keyOf(grant.id);
    return ledger.commit([{ key, expected: registry.revisionOf(key), value, by, reason: null, change }]);
  }
}

const keyOf = (id: string): string => `grant/${id}`;

function unsureOf(cause: unknown): StoreUnsure | null {
  if (cause instanceof StoreUnsure) return cause;
  return cause instanceof Error ? unsureOf(cause.cause) : null;
}
