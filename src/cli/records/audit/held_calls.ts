/** Calls that wait for a person. Whoever holds one has it decided again while it waits, and each of these decisions is a record. */
import type { FoundRecord } from "../../../contract/index.js";
import { isJudged, whyText } from "./lines.js";

export interface StoryRecord {
  found: FoundRecord;
  /** Later decisions of the same call, which still waited. */
  again: FoundRecord[];
  /** Decision of the same action by which a call no longer waits; null: none is known, or it never waited. */
  ended: FoundRecord | null;
}

/**
 * Joins the decisions of a call that waits, until it is decided differently. An approval is bound to all that was asked, so calls are the
 * same if their approvals would be.
 * @param items records, the oldest first
 */
export function withHeldCalls(items: readonly FoundRecord[]): StoryRecord[] {
  const waiting = new Map<string, StoryRecord>();
  const story: StoryRecord[] = [];
  for (const found of items) {
    const { record } = found;
    const one: StoryRecord = { found, again: [], ended: null };
    if (!isJudged(record)) {
      story.push(one);
      continue;
    }
    const { action_digest, wait } = record.answer;
    const key = `${record.caller} ${action_digest}`;
    const first = waiting.get(key);
    if (wait?.approval_digest !== undefined && first !== undefined && isSame(first.found, found)) {
      first.again.push(found);
      continue;
    }
    if (first !== undefined) first.ended = found;
    if (wait?.approval_digest === undefined) waiting.delete(key);
    else waiting.set(key, one);
    story.push(one);
  }
  return story;
}

function isSame({ record: one }: FoundRecord, { record: other }: FoundRecord): boolean {
  if (!isJudged(one) || !isJudged(other)) return false;
  return one.answer.wait?.approval_digest === other.answer.wait?.approval_digest && whyText(one) === whyText(other);
}
