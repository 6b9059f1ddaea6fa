/** Tokens that have been verified, remembered so that a token seen again costs a look-up. */
import NodeCache from "node-cache";
import type { Clock } from "../system/index.js";
import type { KeySet, TokenKey } from "./keys.js";

export interface Verified<T> {
  value: T;
  jti: string | null;
  /** The key that it was verified by; withdrawn, it is verified again. */
  key: TokenKey;
  keys: KeySet;
  /** Both clocks have to agree that it hasn't expired: the wall's may have been set back. */
  until_wall_ms: number;
  until_monotonic_ms: number;
}

export class VerifiedTokens<T> {
  readonly #max: number;
  readonly #clock: Clock;
  // Expiry is ours: this cache's own would follow the wall clock only. By digest, so that no name in it is a caller's.
  readonly #tokens = new NodeCache({ useClones: false, stdTTL: 0, checkperiod: 0 });
  readonly #byJti = new Map<string, Set<string>>();

  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  get size(): number {
    return this.#tokens.getStats().keys;
  }

  /** @returns "expired" for good: looked at afresh, a token could pass by a wall clock that was set back */
  find(digest: string): T | "expired" | undefined {
    const known = this.#tokens.get<Verified<T>>(digest);
    if (known === undefined) return undefined;
    if (this.#clock.wall() >= known.until_wall_ms || this.#clock.monotonic() >= known.until_monotonic_ms) return "expired";
    return known.keys.trusts(known.key) ? known.value : undefined;
  }

  add(digest: string, verified: Verified<T>): void {
    if (this.size >= this.#max) {
      this.#tokens.flushAll();
      this.#byJti.clear();
    }
    this.#tokens.set(digest, verified);
    if (verified.jti === null) return;
    const digests = this.#byJti.get(verified.jti);
    if (digests === undefined) this.#byJti.set(verified.jti, new Set([digest]));
    else digests.add(digest);
  }

  forget(jti: string): void {
    for (const digest of this.#byJti.get(jti) ?? []) this.#tokens.del(digest);
    this.#byJti.delete(jti);
  }
}
