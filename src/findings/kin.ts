/**
 * Findings of several nodes that one service would have had as one: an agent that acts through three nodes is looked into once. Each node
 * opens its own, in the turn of its decision, and they are joined when somebody reads them; so nothing waits for another node.
 */
import { isVerdict, type Finding } from "../contract/index.js";
import { gravity, openedMs } from "./about.js";
import { LENGTH_MS, QUIET_MS } from "./incidents.js";

/** A finding, as far as it matters for which others it is one with. */
export interface FindingKin extends Pick<Finding, "id" | "state"> {
  /** Agent, purpose and subject that kin have in common. */
  key: string;
  /** Milliseconds since the epoch of its last action, and of what was said of it last; null: nothing was. */
  last_ms: number;
  judged_ms: number | null;
}

const IDS_MAX = 8;
const TASKS_MAX = 16;
const CODES_MAX = 16;
const REASONS_MAX = 8;
const WAITING_MAX = 8;

/** Returns what kin have in common; null for what isn't of a registered agent, such as what a node noticed of itself. */
export function kinKey({ agent, purpose, about, code }: Pick<Finding, "agent" | "purpose" | "about" | "code">): string | null {
  return agent === null ? null : JSON.stringify([agent, purpose, about, about === "code" ? code : null]);
}

/** Returns null for a finding that has no kin. */
export function kinOf(finding: Finding): FindingKin | null {
  const { id, state, last_seen, verdict } = finding;
  const key = kinKey(finding);
  if (key === null) return null;
  return { key, id, state, last_ms: Date.parse(last_seen), judged_ms: verdict && Date.parse(verdict.at) };
}

/**
 * Returns findings of all nodes as those that are one, the oldest of each first, by the rules by which one service joins actions: while it
 * isn't quiet, not for too long, and nothing that came after a verdict. What wasn't judged with the others is looked into by itself.
 */
export function kinGroups<K extends FindingKin>(all: readonly K[]): K[][] {
  const groups = new Map<string, Group<K>[]>();
  const inTime = all.map((one) => ({ one, opened: openedMs(one.id) }));
  for (const { one, opened } of inTime.sort((a, b) => a.opened - b.opened || (a.one.id < b.one.id ? -1 : 1))) {
    const same = groups.get(one.key) ?? [];
    groups.set(one.key, same);
    const joined = joinedBy(same, one, opened);
    if (joined === undefined) same.push({ kin: [one], opened, last_ms: one.last_ms });
    else {
      joined.kin.push(one);
      joined.last_ms = Math.max(joined.last_ms, one.last_ms);
    }
  }
  return [...groups.values()].flat().map(({ kin }) => kin);
}

/** Kin that are one so far, the oldest first. */
interface Group<K> {
  kin: [K, ...K[]];
  /** When the oldest was opened, milliseconds since the epoch. */
  opened: number;
  last_ms: number;
}

/** @param same groups of its key, in the order in which they began: one that has gone on for long is behind all that may be joined */
function joinedBy<K extends FindingKin>(same: readonly Group<K>[], one: K, opened: number): Group<K> | undefined {
  for (let i = same.length - 1; i >= 0; i--) {
    const group = same[i] as Group<K>;
    if (opened - group.opened >= LENGTH_MS) return undefined;
    if (opened - group.last_ms < QUIET_MS && areJudgedAlike(group.kin[0], one)) return group;
  }
  return undefined;
}

function areJudgedAlike(oldest: FindingKin, { id, state }: FindingKin): boolean {
  if (!isVerdict(oldest.state)) return !isVerdict(state);
  return state === oldest.state && openedMs(id) <= (oldest.judged_ms ?? 0);
}

/** Returns findings that are one as one: named, and with the state, as the oldest, which is the first of them. */
export function wholeFinding<F extends Finding>(parts: readonly [F, ...F[]]): F {
  const [oldest] = parts;
  if (parts.length === 1) return oldest;
  const ids = [...new Set(parts.flatMap(({ first, last }) => [...first, ...last]))].sort();
  const latest = parts.reduce((one, other) => (other.last_seen > one.last_seen ? other : one));
  const risks = parts.flatMap(({ risk }) => risk ?? []);
  const sum = (of: keyof Finding["actions"]): number => parts.reduce((all, { actions }) => all + actions[of], 0);
  return {
    ...oldest,
    version: latest.version ?? oldest.version,
    severity: gravest(parts),
    risk: risks.length === 0 ? null : Math.max(...risks),
    actions: { all: sum("all"), allow: sum("allow"), deny: sum("deny"), flag: sum("flag") },
    tasks: [...new Set(parts.flatMap(({ tasks }) => tasks))].slice(0, TASKS_MAX),
    codes: counted(
      parts.flatMap(({ codes }) => codes),
      ({ code }) => code,
      (same) => ({ severity: gravest(same) }),
    ).slice(0, CODES_MAX),
    reasons: counted(
      parts.flatMap(({ reasons }) => reasons),
      ({ code, message }) => JSON.stringify([code, message]),
      () => ({}),
    ).slice(0, REASONS_MAX),
    first: ids.slice(0, IDS_MAX),
    last: ids.slice(IDS_MAX).slice(-IDS_MAX),
    waiting: waitingOnce(parts.flatMap(({ waiting }) => waiting)).slice(-WAITING_MAX),
    first_seen: parts.reduce((least, { first_seen }) => (first_seen < least ? first_seen : least), oldest.first_seen),
    last_seen: latest.last_seen,
    verdict: wholeVerdict(parts),
    parts: parts.map(({ id, node = "" }) => ({ id, node })),
  };
}

/** Asked for again and again, an action waits once, on whichever node. */
function waitingOnce(waiting: Finding["waiting"]): Finding["waiting"] {
  const inTime = [...waiting].sort((a, b) => Date.parse(a.until) - Date.parse(b.until));
  return [...new Map(inTime.map((one) => [one.approval_digest, one])).values()];
}

/** Returns the verdict on all of them, with what followed from it on each node. */
function wholeVerdict(parts: readonly [Finding, ...Finding[]]): Finding["verdict"] {
  const [{ verdict }] = parts;
  const all = parts.flatMap((part) => part.verdict ?? []);
  const proposals = [...new Set(all.flatMap(({ proposal }) => proposal ?? []))];
  return (
    verdict && {
      ...verdict,
      teaches: all.flatMap(({ teaches }) => teaches),
      grants: [...new Set(all.flatMap(({ grants }) => grants))],
      proposal: proposals.length === 0 ? null : proposals.join("---\n"),
    }
  );
}

function gravest(of: readonly Pick<Finding, "severity">[]): Finding["severity"] {
  return of.reduce<Finding["severity"]>((most, { severity }) => (gravity(severity) > gravity(most) ? severity : most), "info");
}

/** Returns equal ones as one, the most frequent first. */
function counted<T extends { count: number }>(all: readonly T[], keyOf: (one: T) => string, more: (same: readonly T[]) => Partial<T>): T[] {
  const byKey = new Map<string, T[]>();
  for (const one of all) byKey.set(keyOf(one), [...(byKey.get(keyOf(one)) ?? []), one]);
  return [...byKey.values()]
    .map((same) => ({ ...(same[0] as T), ...more(same), count: same.reduce((sum, { count }) => sum + count, 0) }))
    .sort((a, b) => b.count - a.count);
}
