/** Answers of several nodes about their records, made one. Records of a node keep its order; between nodes they are ordered by time. */
import type { Histogram, HistogramCount, RecordOrder, Summary, SummaryGroup } from "../contract/index.js";
import type { TimedPage } from "./ask.js";

/** Answers by the name of their node. */
export type ByNode<T> = ReadonlyMap<string, T>;

/** The number after which a page goes on in the records of each node, in its order. */
export type Ends = Readonly<Record<string, number>>;

interface Head {
  node: string;
  page: TimedPage;
  at: number;
}

/**
 * The first records of several pages, `limit` at most.
 * @param before where the page before ended
 * @returns each record as JSON that names its node, and where this page ends; null if there is no more
 */
export function mergedItems(
  pages: ByNode<TimedPage>,
  { order, limit, before }: { order: RecordOrder; limit: number; before: Ends },
): { items: string[]; ends: Ends | null } {
  const heads: Head[] = [...pages].map(([node, page]) => ({ node, page, at: 0 }));
  const items: string[] = [];
  for (let next = firstOf(heads, order); next !== null && items.length < limit; next = firstOf(heads, order)) {
    const { text } = next.page.items[next.at] as TimedPage["items"][number];
    items.push(`{"node":${JSON.stringify(next.node)},${text.slice(1)}`);
    next.at++;
  }
  const goesOn = heads.some(({ page, at }) => at < page.items.length || page.more);
  return {
    items,
    ends: goesOn ? { ...before, ...Object.fromEntries(heads.map((head) => [head.node, endOf(head, order, before)])) } : null,
  };
}

function firstOf(heads: readonly Head[], order: RecordOrder): Head | null {
  let first: Head | null = null;
  for (const head of heads) {
    const time = head.page.items[head.at]?.time_ms;
    if (time === undefined) continue;
    const least = first?.page.items[first.at]?.time_ms;
    if (least === undefined || (order === "oldest" ? time < least : time > least)) first = head;
  }
  return first;
}

function endOf({ node, page, at }: Head, order: RecordOrder, before: Ends): number {
  if (at === page.items.length && !page.more) return order === "oldest" ? page.to : 1;
  const taken = page.seqs[at - 1];
  if (taken !== undefined) return taken;
  // None was taken: what comes later moves no page.
  return before[node] ?? (order === "oldest" ? 0 : page.indexed_to + 1);
}

/** @param limit groups at most */
export function mergedSummary(summaries: ByNode<Summary>, limit: number): Pick<Summary, "records" | "groups" | "more"> {
  const groups = new Map<string, SummaryGroup>();
  let records = 0;
  for (const [node, summary] of summaries) {
    records += summary.records;
    for (const group of summary.groups) {
      const key = JSON.stringify(group.of);
      const known = groups.get(key);
      groups.set(key, known === undefined ? { ...group, node } : both(known, { ...group, node }));
    }
  }
  const all = [...groups.values()].sort((a, b) => b.records - a.records || (a.last < b.last ? 1 : a.last > b.last ? -1 : 0));
  return { records, groups: all.slice(0, limit), more: all.length > limit };
}

function both(a: SummaryGroup, b: SummaryGroup): SummaryGroup {
  const later = b.last > a.last ? b : a;
  return { ...later, ...sums(a, b), first: a.first < b.first ? a.first : b.first };
}

export function mergedCounts(histograms: ByNode<Histogram>): HistogramCount[] {
  const counts = new Map<string, HistogramCount>();
  for (const histogram of histograms.values())
    for (const count of histogram.counts) {
      const key = JSON.stringify([count.from, count.of]);
      const known = counts.get(key);
      counts.set(key, known === undefined ? count : { ...known, ...sums(known, count) });
    }
  return [...counts.values()].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : b.records - a.records));
}

type CountsOfGroup = Pick<HistogramCount, "records" | "allow" | "deny" | "flag" | "proceed">;

function sums(a: CountsOfGroup, b: CountsOfGroup): CountsOfGroup {
  return {
    records: a.records + b.records,
    allow: a.allow + b.allow,
    deny: a.deny + b.deny,
    flag: a.flag + b.flag,
    proceed: a.proceed + b.proceed,
  };
}
