/** Masks decisions and facts before they are recorded, so that nothing that a bundle masks is ever written. */
import { Problem } from "../../contract/index.js";
import { factsText, readFactsText } from "../../decision/facts_record.js";
import type { ActivePolicy, Log, Maskable, Masked, Masks, NamesOfAct } from "../../decision/ports.js";
import type { MaskKey } from "./digest.js";
import { Masking } from "./masker.js";
import { planOf, planOfAll, type Plan } from "./plan.js";

/** Parts of a bundle that masking depends on. */
export type MaskingPolicy = Pick<ActivePolicy, "vocabulary" | "catalogue">;

export interface Keys {
  /** Returns the key for a time; null if it is missing. */
  at(nowMs: number): MaskKey | null;
}

/** Masks a record before it goes to the log. Without a key nothing is masked: the record can't be written. */
export class RecordMasks implements Masks {
  readonly #keys: Keys;
  // Bundles come and go; what was made of one goes with it.
  readonly #plans = new WeakMap<MaskingPolicy["vocabulary"], Plan | null>();

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  isReady(nowMs: number): boolean {
    return this.#keys.at(nowMs) !== null;
  }

  /** @throws Problem `log_unavailable` */
  names(policy: MaskingPolicy, nowMs: number, names: NamesOfAct): NamesOfAct {
    const plan = this.#planOf(policy);
    return plan === null ? names : new Masking(plan, this.#keyAt(nowMs)).names(names);
  }

  /** @throws Problem `log_unavailable` */
  mask(policy: MaskingPolicy, nowMs: number, record: Maskable): Masked {
    const plan = this.#planOf(policy);
    return plan === null ? { ...record, pointers: [] } : new Masking(plan, this.#keyAt(nowMs)).decision(record);
  }

  /** @param policy null: nothing says what is masked, so all is that could be. @throws Problem `log_unavailable` */
  maskFacts(policy: MaskingPolicy | null, nowMs: number, record: Record<string, unknown>): Record<string, unknown> {
    const plan = policy === null ? planOfAll(record) : this.#planOf(policy);
    return plan === null ? record : new Masking(plan, this.#keyAt(nowMs)).facts(record);
  }

  /**
   * @param policy null: nothing says what is masked, so whoever an event is about is
   * @throws Problem `log_unavailable`
   */
  maskSecurityEvent(policy: MaskingPolicy | null, nowMs: number, detail: Record<string, unknown>): Record<string, unknown> {
    const plan = policy === null ? planOfAll({}) : this.#planOf(policy);
    return plan === null ? detail : new Masking(plan, this.#keyAt(nowMs)).securityEvent(detail);
  }

  #planOf({ vocabulary, catalogue }: MaskingPolicy): Plan | null {
    let plan = this.#plans.get(vocabulary);
    if (plan === undefined) this.#plans.set(vocabulary, (plan = planOf(vocabulary, catalogue)));
    return plan;
  }

  #keyAt(nowMs: number): MaskKey {
    const key = this.#keys.at(nowMs);
    if (key === null) throw new Problem("log_unavailable");
    return key;
  }
}

/** The log as changes of facts are written to it. */
export function maskedFacts(log: Log, masks: RecordMasks, policy: () => MaskingPolicy | null, clock: { wall(): number }): Log {
  return {
    append(before, after, beside) {
      const known = policy();
      if (known !== null && known.vocabulary.masks === undefined) return log.append(before, after, beside);
      try {
        // With what stands beside it; and digests may be longer than what they stand for.
        const record = readFactsText({ before, after, beside });
        const masked = factsText(masks.maskFacts(known, clock.wall(), record));
        return log.append(masked.before, masked.after, masked.beside);
      } catch (cause) {
        return Promise.reject(cause instanceof Error ? cause : new Error(String(cause)));
      }
    },
  };
}
