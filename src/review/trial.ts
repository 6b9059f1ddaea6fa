/** Asks two policies the same recorded questions, and reports what the second would decide differently from the first. */
import { canonical, type Catalogue, type Purpose } from "../contract/index.js";
import type { BundleContent } from "../bundle/verify.js";
import { inBatches, type ReplayProgress } from "../replay/batches.js";
import type { RunningBundle } from "../replay/bundles.js";
import { judge } from "../replay/impact.js";
import type { ReplayableRecord } from "../replay/recorded_decision.js";
import type { RecordRange, ReadRecord } from "../replay/records.js";
import { ReplayTally, type DecisionChange } from "../replay/tally.js";
import { withheldKey } from "./proposal.js";
import type { Timers } from "../system/index.js";
import type { Conclusion } from "../decision/question.js";

export interface Trial {
  /** Decisions that both were asked. */
  decisions: number;
  /** Actions that went ahead, or waited for a person, and no longer would. */
  newly_stopped: number;
  newly_allowed: number;
  changed: number;
  changes: DecisionChange[];
  /** Decisions of which nothing can be told: a mask, another vocabulary, a floor that a policy isn't asked below. */
  untold: number;
}

/** A bundle with other purposes: they are data, so its module stays what it is. */
export function withPurposes(content: BundleContent, purposes: Record<string, Purpose>, catalogue: Catalogue): BundleContent {
  const data = { ...content.data, purposes };
  return {
    ...content,
    data,
    dataText: Buffer.from(canonical(data)),
    catalogue: { ...content.catalogue, ...catalogue },
  };
}

/** @param purposes whose decisions are looked at */
export async function tryOut(
  folder: string,
  range: RecordRange,
  purposes: ReadonlySet<string>,
  policies: { now: RunningBundle; then: RunningBundle },
  timers: Pick<Timers, "turnEnd">,
  progress: (so_far: ReplayProgress) => void,
): Promise<Trial> {
  const tally = new ReplayTally();
  let untold = 0;
  const one = (read: ReadRecord): void => {
    if (read.what !== "decision" || !purposes.has(requestOf(read).purpose)) return;
    const [now, then] = [judge(read, policies.now), judge(read, policies.then)];
    if (now.is === "decided" && then.is === "decided") tally.add(asDecided(read, now.conclusion), then.conclusion);
    else untold++;
  };
  await inBatches(
    folder,
    range,
    timers,
    (batch) => {
      batch.forEach(one);
    },
    progress,
  );
  const { decisions, newly_stopped, newly_allowed, changed, changes } = tally.counted();
  return { decisions, newly_stopped, newly_allowed, changed, changes, untold };
}

/** Purposes, verbs and types of what the second stops, as `withheldKey` has them. */
export function stopped({ changes }: Trial): string[] {
  return changes.flatMap(({ purpose, was, now, verb, type }) =>
    was.verdict !== "deny" && (now.verdict === "deny" || (now.verdict === "flag_wait" && was.verdict !== "flag_wait"))
      ? [withheldKey(purpose, { verb, type })]
      : [],
  );
}

export function requestOf({ made }: ReplayableRecord): { agent: string; purpose: string } {
  return made.by === "policy" ? made.inputs[0].request : made.request;
}

/** Returns the record as if it had the first policy's answer. */
function asDecided(recorded: ReplayableRecord, { decision, proceed, reasons, obligations }: Conclusion): ReplayableRecord {
  const answer = { ...recorded.record.answer, decision, proceed, reasons: [...reasons], obligations: [...obligations] };
  return { ...recorded, record: { ...recorded.record, answer } };
}
