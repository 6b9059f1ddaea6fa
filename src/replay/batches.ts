/** Takes the records of a log in batches, so that one is read while the policy is asked about the one before. */
import type { Timers } from "../system/index.js";
import { readDecisions, type Range, type Read } from "./records.js";

/** Records; more at a time keep the policy no busier, and what is made of them outlives the young generation. */
const BATCH_RECORDS = 128;

export interface Progress {
  /** Records read so far, of any kind. */
  records: number;
  /** The last one's number. */
  seq: number;
}

/**
 * Calls `take` with what is read, a batch at a time, in order. Its beginning, up to where it waits, comes in the order of the
 * records; a batch has been taken before the one after the next is read.
 */
export async function inBatches(
  folder: string,
  range: Range,
  timers: Pick<Timers, "turnEnd">,
  take: (batch: readonly Read[]) => Promise<void>,
  progress: (so_far: Progress) => void,
): Promise<void> {
  let taking = Promise.resolve();
  let batch: Read[] = [];
  const so_far: Progress = { records: 0, seq: 0 };
  const next = async (): Promise<void> => {
    const before = taking;
    taking = take(batch);
    batch = [];
    // What was asked of a thread is handed over at the end of a turn.
    const turn = new Promise<void>((resolve) => {
      timers.turnEnd(resolve);
    });
    await Promise.all([before, turn]);
    progress(so_far);
  };
  for (const read of readDecisions(folder, range)) {
    so_far.records++;
    so_far.seq = read.seq;
    batch.push(read);
    if (batch.length === BATCH_RECORDS) await next();
  }
  await next();
  await taking;
}
