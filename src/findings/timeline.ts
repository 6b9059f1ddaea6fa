/** Collects what the records say of a finding: its actions, and what happened to its agent and to itself. */
import type { RecordQuestion } from "../records/ask.js";
import { fromCursor } from "../records/cursor.js";
import type { Finding, FoundRecord, RecordFilter, RecordPage, ShownRecord } from "../contract/index.js";

export interface SearchedRecords {
  readonly indexedTo: number;
  /** @returns JSON; null where there is no such record. @throws Problem `index_unavailable` */
  ask(ask: RecordQuestion): Promise<string | null>;
}

/** Records of one page; and pages that are searched for the actions of one finding among others of the same agent. */
const PAGE = 500;
const PAGES_MAX = 20;
/** Changes of one fact that a timeline shows, the first of them. */
const CHANGES_MAX = 50;

/**
 * @param places the numbers of the records of the actions to show
 * @throws Problem `index_unavailable`
 */
export async function timelineOf(
  search: SearchedRecords,
  finding: Finding,
  places: readonly number[],
): Promise<{ timeline: FoundRecord[]; indexed_to: number }> {
  const timeline: FoundRecord[] = [];
  // One question after another: others search too, and only so many are answered at once.
  for (const place of places) {
    const text = await search.ask({ kind: "one", id: String(place) });
    // Those that were dropped since are told by their ids alone.
    if (text === null) continue;
    const { seq, action, outcome, record } = JSON.parse(text) as ShownRecord;
    timeline.push({ seq, action, outcome, record });
  }
  const from = Date.parse(finding.first_seen);
  const { agent } = finding;
  const keys = agent === null ? [] : [`agent/${agent}`, `narrowing/${agent}`, `revocation/agent/${agent}`];
  for (const filter of [...keys.map((key) => ({ key, from })), { key: `finding/${finding.id}` }]) {
    const { items } = await page(search, { kind: ["facts"], ...filter }, null, CHANGES_MAX);
    timeline.push(...items);
  }
  timeline.sort((one, other) => one.seq - other.seq);
  return { timeline, indexed_to: search.indexedTo };
}

/** Records of its actions, the oldest first, at most so many. @throws Problem `index_unavailable` */
export async function actionsOf(search: SearchedRecords, finding: Finding, max: number): Promise<FoundRecord[]> {
  const { agent, purpose } = finding;
  const filter: RecordFilter = {
    kind: ["decision", "observed"],
    finding: true,
    from: Date.parse(finding.first_seen),
    to: Date.parse(finding.last_seen) + 1,
    ...(agent !== null && { agent }),
    ...(purpose !== null && { purpose }),
  };
  const found: FoundRecord[] = [];
  let after: number | null = null;
  for (let pages = 0; pages < PAGES_MAX && found.length < max; pages++) {
    const { items, next } = await page(search, filter, after, PAGE);
    found.push(...items.filter(({ record }) => "answer" in record && record.answer.finding === finding.id));
    after = next === null ? null : fromCursor(next);
    if (after === null) break;
  }
  return found.slice(0, max);
}

async function page(search: SearchedRecords, filter: RecordFilter, after: number | null, limit: number): Promise<RecordPage> {
  const text = await search.ask({ kind: "page", filter, order: "oldest", after, limit });
  return JSON.parse(text ?? '{"items":[],"next":null}') as RecordPage;
}
