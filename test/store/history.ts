/**
 * Histories of compare-and-set writes: what clients asked for and were told, held against the feed that came of it. The feed gives all
 * writes one order; the history is linearizable if that order fits what each client saw, and every refusal has a reason.
 */
import type { Change, Guard, Write } from "../../src/store/store.js";

/** One call, by stamps of one clock. */
export interface CallSeen {
  /** Names it; the value of each of its writes. */
  id: string;
  writes: readonly Pick<Write, "key" | "expected">[];
  guard?: Guard;
  began: number;
  /** When its outcome was told; Infinity if the caller was told that nobody knows. */
  ended: number;
  /** Revisions of the writes that were made; null for a call that was refused, or will never be made. */
  revisions: readonly number[] | null;
  /** Of a call that failed for another reason than what it found: it may not have been tried. */
  untried?: boolean;
}

/** Returns what is wrong with a history, in words. */
export function violationsIn(calls: readonly CallSeen[], feed: readonly Change[]): string[] {
  const violations: string[] = [];
  const by = new Map(calls.map((call) => [call.id, call]));
  const places = new Map<string, number[]>();
  const last = new Map<string, number>();
  for (const { revision, key, value } of feed) {
    const call = by.get(typeof value === "string" ? value : "");
    if (call === undefined) {
      violations.push(`revision ${revision} is nobody's`);
      continue;
    }
    const { id, writes, guard } = call;
    const expected = writes.find((write) => write.key === key)?.expected;
    if (expected !== (last.get(key) ?? 0))
      violations.push(`${id} was made at ${revision} on ${last.get(key) ?? 0} and expected ${String(expected)}`);
    places.set(id, [...(places.get(id) ?? []), revision]);
    if (guard !== undefined && places.get(id)?.length === 1)
      for (const [other, at] of last)
        if (other.startsWith(guard.prefix) && at > guard.since) violations.push(`${id} was made after ${at} in spite of its guard`);
    last.set(key, revision);
  }
  for (const { id, writes, revisions } of calls) {
    const made = places.get(id) ?? null;
    if (JSON.stringify(made) !== JSON.stringify(revisions))
      violations.push(`${id} was told ${JSON.stringify(revisions)}, and is at ${JSON.stringify(made)}`);
    if (made !== null && made.length !== writes.length) violations.push(`${id} was made in part`);
  }
  const made = calls.filter((call) => call.revisions !== null);
  // In the order of the feed nothing comes after what began when it had ended.
  let latest = -Infinity;
  for (const call of [...made].sort((a, b) => (a.revisions?.[0] ?? 0) - (b.revisions?.[0] ?? 0))) {
    if (call.ended < latest) violations.push(`${call.id} had ended before one began that comes before it`);
    latest = Math.max(latest, call.began);
  }
  for (const call of calls) {
    if (call.revisions !== null || call.untried === true) continue;
    if (!hasReason(call, made)) violations.push(`${call.id} was refused, and what it expected was so all the time`);
  }
  return violations;
}

/** Returns true if a refused call can have found something else than it expected. */
function hasReason({ writes, guard, began, ended }: CallSeen, made: readonly CallSeen[]): boolean {
  const differs = (of: (key: string) => boolean, expected: number): boolean =>
    made.some(({ writes: others, revisions, began: otherBegan, ended: otherEnded }) =>
      others.some(({ key }, i) => {
        const at = revisions?.[i] ?? 0;
        // One that comes later may have been there already; the expected one may not have been there yet.
        return of(key) && ((at > expected && otherBegan < ended) || (at === expected && otherEnded > began));
      }),
    );
  return (
    writes.some(({ key, expected }) => differs((other) => other === key, expected)) ||
    (guard !== undefined && differs((other) => other.startsWith(guard.prefix), guard.since))
  );
}
