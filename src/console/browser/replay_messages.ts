/** Messages between a decision's page and the worker that replays it. */
import type { PolicyIdentity, ShownRecord } from "../../contract/index.js";
import type { ValueDifference } from "../../replay/compare.js";

export interface ToReplay {
  /** A bundle's archive. */
  archive: ArrayBuffer;
  shown: ShownRecord;
}

export type FromReplay =
  | {
      kind: "replayed";
      /** `masked`: what the policy read, or would say, is masked in the record, so that nobody can tell. */
      is: "identical" | "differing" | "masked";
      differences: readonly ValueDifference[];
      policy: PolicyIdentity;
      /** True if the archive's content has the very digest that the record names. */
      isOwn: boolean;
      /** Milliseconds for compiling the module and evaluating it. */
      ms: number;
    }
  | { kind: "failed"; message: string };
