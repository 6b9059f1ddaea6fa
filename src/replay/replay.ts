/**
 * Decides recorded decisions again, each by its record and the bundle that decided it, and says what comes out otherwise:
 * where nothing does, the records are complete, and are of what was decided.
 */
import type { PolicyIdentity } from "../contract/index.js";
import type { Timers } from "../system/index.js";
import { inBatches, type ReplayProgress } from "./batches.js";
import type { ReplayBundles } from "./bundles.js";
import type { ValueDifference } from "./compare.js";
import { judgeAgain } from "./judge.js";
import type { ReplayableRecord } from "./recorded_decision.js";
import type { RecordRange, ReadRecord, UnreadableRecord } from "./records.js";

export interface Differing {
  seq: number;
  decision_id: string;
  bundle: PolicyIdentity;
  differences: readonly ValueDifference[];
}

/** A bundle that records name and nobody gave. */
export interface Missing {
  policy: PolicyIdentity;
  records: number;
  first_seq: number;
}

/** Counts of the records in the range. Each decision counts once among `identical`, `differing`, `masked` and `no_bundle`. */
export interface Replayed {
  decisions: number;
  identical: number;
  differing: number;
  /** Their decision may have depended on a value that is masked: it can't be told. */
  masked: number;
  /** Null where nothing is masked. */
  first_masked: number | null;
  no_bundle: number;
  unreadable: number;
  /** Records of something else. */
  others: number;
  /** Decisions among `identical` that `evaluation_budget` denied, and whose evaluation ended this time. */
  budget_ends: number;
  missing: readonly Missing[];
}

export interface ReplayListener {
  differing: (one: Differing) => void;
  unreadable: (one: UnreadableRecord) => void;
  progress: (so_far: ReplayProgress) => void;
}

type Verdict = { is: "identical"; ended?: true } | { is: "masked" | "no_bundle" } | { is: "differing"; differing: Differing };

/** Replays the decisions of a range, and reports differences in the records' order. @throws BundleError if a bundle can't be run */
export async function replay(
  folder: string,
  range: RecordRange,
  bundles: ReplayBundles,
  timers: Pick<Timers, "turnEnd">,
  told: ReplayListener,
): Promise<Replayed> {
  const counts = { decisions: 0, identical: 0, differing: 0, masked: 0, no_bundle: 0, unreadable: 0, others: 0, budget_ends: 0 };
  const missing = new Map<string, Missing>();
  let first_masked: number | null = null;
  const one = (read: ReadRecord): Verdict | null => (read.what === "decision" ? judge(read, bundles) : null);
  await inBatches(
    folder,
    range,
    timers,
    (batch) => {
      const verdicts = batch.map(one);
      for (const [i, read] of batch.entries()) {
        const verdict = verdicts[i];
        if (read.what === "unreadable") {
          counts.unreadable++;
          told.unreadable({ seq: read.seq, why: read.why });
        } else if (read.what === "other" || verdict === null || verdict === undefined) counts.others++;
        else {
          counts.decisions++;
          counts[verdict.is]++;
          if (verdict.is === "identical" && verdict.ended) counts.budget_ends++;
          if (verdict.is === "differing") told.differing(verdict.differing);
          if (verdict.is === "masked") first_masked ??= read.seq;
          if (verdict.is === "no_bundle") miss(missing, read);
        }
      }
    },
    told.progress,
  );
  return { ...counts, first_masked, missing: [...missing.values()] };
}

function judge(recorded: ReplayableRecord, bundles: ReplayBundles): Verdict {
  const { answer } = recorded.record;
  const bundle = bundles.find(answer.policy.digest);
  if (bundle === null) return { is: "no_bundle" };
  const judged = judgeAgain(recorded, bundle);
  if (judged.is !== "differing") return judged;
  const { seq } = recorded;
  const { decision_id } = answer;
  return { is: "differing", differing: { seq, decision_id, bundle: answer.policy, differences: judged.differences } };
}

function miss(missing: Map<string, Missing>, { seq, record }: ReplayableRecord): void {
  const { policy } = record.answer;
  const known = missing.get(policy.digest);
  if (known === undefined) missing.set(policy.digest, { policy, records: 1, first_seq: seq });
  else known.records++;
}
