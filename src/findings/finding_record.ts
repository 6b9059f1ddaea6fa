/** Records that name a finding. */
import type { DecisionRecord, RecordAction, NoticeRecord } from "../contract/index.js";

/** A record that names a finding. */
export interface FindingRecord<R = DecisionRecord> {
  seq: number;
  action: RecordAction | null;
  record: R;
}

export type SeenAny = FindingRecord<DecisionRecord | NoticeRecord>;
