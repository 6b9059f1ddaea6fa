/** Reads the records of a log in batches, and leaves others their turn between them. */
import { othersTurn, type Timers } from "../system/index.js";
import { readDecisions, type RecordRange, type ReadRecord } from "./records.js";

/** Records; what is made of more at a time outlives the young generation. */
const BATCH_RECORDS = 128;

export interface ReplayProgress {
  /** Records read so far, of any kind. */
  records: number;
  /** The last one's number. */
  seq: number;
}

/** Calls `take` with the records, a batch at a time, in order. */
export async function inBatches(
  folder: string,
  range: RecordRange,
  timers: Pick<Timers, "turnEnd">,
  take: (batch: readonly ReadRecord[]) => void,
  progress: (so_far: ReplayProgress) => void,
): Promise<void> {
  let batch: ReadRecord[] = [];
  const so_far: ReplayProgress = { records: 0, seq: 0 };
  const next = async (): Promise<void> => {
    take(batch);
    batch = [];
    progress(so_far);
    await othersTurn(timers);
  };
  for (const read of readDecisions(folder, range)) {
    so_far.records++;
    so_far.seq = read.seq;
    batch.push(read);
    if (batch.length === BATCH_RECORDS) await next();
  }
  await next();
}
