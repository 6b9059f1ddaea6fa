/**
 * Compares what a policy permits with what its agents did over a period, and proposes narrower entries, with evidence that nothing would
 * have been missed. A person reads the change; nothing here makes it.
 */
import { canonical, type Catalogue, type Purpose, type Scalar, type Vocabulary } from "../contract/index.js";
import type { BundleContent } from "../bundle/verify.js";
import { RunningBundle } from "../replay/bundles.js";
import type { ReplayProgress } from "../replay/batches.js";
import { readDecisions, type RecordRange, type UnreadableRecord } from "../replay/records.js";
import type { Timers } from "../system/index.js";
import { History, type AgentKnown, type GrantKnown } from "./history.js";
import { narrowerEntries, narrowerPurposes, type NarrowerEntry } from "./narrower_entry.js";
import { LEFT, propose, tooLittle, wordsOf, type Floors, type Left, type ProposedNarrowing, type WhenChange } from "./proposal.js";
import { stopped, tryOut, withPurposes, type Trial } from "./trial.js";
import { Usage, type CellUse, type UsageCounts, type UseExample } from "./usage.js";
import { walk } from "./walk.js";
import { readWritten, type PermittedCell, type PermittingLine, type WrittenEntry } from "./written_purposes.js";

export interface RecommendOptions {
  /** Folder of the log. */
  folder: string;
  /** Milliseconds since the epoch, from the first up to before the second. */
  from_ms: number;
  to_ms: number;
  /** Ids of the purposes to look at. */
  purposes: readonly string[];
  /** Text of `purposes.yaml`. */
  text: string;
  vocabulary: Vocabulary;
  floors: Floors;
  /** Policies that may have been in force: how long an entry has been is told by them. */
  known: readonly BundleContent[];
  /** Policy by which the change is tried; null: the data alone decides, and `untried` says why. */
  policy: BundleContent | null;
  untried: string | null;
  timers: Pick<Timers, "turnEnd">;
  progress: (so_far: ReplayProgress) => void;
  /** Called for each record of the period that can't be read; reading goes on. */
  unreadable: (one: UnreadableRecord) => void;
}

export interface CellReport extends PermittedCell {
  words: string;
  uses: number;
  waited: number;
  agents: number;
  resources: number;
  first: string | null;
  last: string | null;
  relations: CellUse["relations"];
  /** Values that a `when` could narrow: those that occurred, how often the value was unknown, and the largest amount. */
  values: { name: string; seen: { value: Scalar; uses: number }[]; unknown: number; most: number | null }[];
  examples: UseExample[];
}

export interface EntryReport {
  purpose: string;
  line: PermittingLine;
  /** Line of the entry in `purposes.yaml`, from 1. */
  at: number;
  cells: CellReport[];
}

export interface ProposalReport extends NarrowerEntry {
  purpose: string;
  line: PermittingLine;
  at: number;
  /** The whole entry goes. */
  whole: boolean;
  unused: { verb: string; type: string; words: string }[];
  about_task: boolean;
  when: readonly WhenChange[];
  /** Uses of the part that stays. */
  uses: number;
  agents: number;
}

export interface PurposeReport {
  purpose: string;
  counts: UsageCounts;
  /** Null: enough was seen to propose something. */
  too_little: string | null;
  /** Kinds of use that came up only in the second half of the time: had the same been proposed half-way, they would have been denied. */
  came_late: { since: string; kinds: number; uses: number } | null;
  /** Registered for it, and nothing of theirs was permitted for it in the period. */
  idle_agents: { agent: string; owner: string; registered: string }[];
  /** False: nobody is registered for it. */
  has_agents: boolean;
}

export interface Recommendation {
  period: { from: string; to: string };
  floors: Floors;
  /** True if one of the given policies decided in the period; otherwise it is unknown how long an entry has been in force. */
  ages_known: boolean;
  purposes: PurposeReport[];
  entries: EntryReport[];
  proposals: ProposalReport[];
  left: { purpose: string; line: PermittingLine; at: number; why: string; cells: readonly PermittedCell[] }[];
  /** Trial of the changed policy on the recorded actions; null: nothing is proposed, or the policy couldn't be asked. */
  trial: Trial | null;
  /** Why the policy wasn't asked; null where it was, or there was nothing to ask. */
  untried: string | null;
  /** Entries whose narrowing the policy has shown to deny what was used: none is proposed. */
  withheld: string[];
  grants: { unused: Pick<GrantKnown, "id" | "agent" | "task" | "reason" | "approved_by" | "expires">[]; left_off: number };
}

const DAY_MS = 86_400_000;
const ROUNDS_MAX = 5;
const LISTED_MAX = 1_000;

/** @throws SourceErrors for the purposes, BundleError where the policy doesn't start */
export async function recommend(options: RecommendOptions): Promise<Recommendation> {
  const { text, vocabulary, floors, from_ms, to_ms } = options;
  const written = readWritten(text, vocabulary);
  const usages = new Map<string, Usage>();
  for (const id of options.purposes) {
    const [compiled, entries] = [written.purposes[id], written.entries.get(id)];
    if (compiled !== undefined && entries !== undefined) usages.set(id, new Usage(id, compiled, entries, vocabulary));
  }
  const seen = readUses(options, usages);
  const history = readHistory(options);
  const tooFew = new Map([...usages].map(([id, usage]) => [id, tooLittle(usage, floors)]));
  const ripe = [...usages].filter(([id]) => tooFew.get(id) === null);

  const proposeAll = (withheld: ReadonlySet<string>): { narrowings: ProposedNarrowing[]; left: Left[] } => {
    const all = ripe.map(([purpose, usage]) =>
      propose(
        {
          ...{ purpose, vocabulary, usage, compiled: written.purposes[purpose] as Purpose },
          entries: written.entries.get(purpose) ?? [],
          age_ms: (entry, cell) => ageOf(purpose, entry, cell, options, seen.digests),
          rules_allow: mayAllow(purpose, options.policy?.catalogue ?? written.catalogue),
        },
        floors,
        withheld,
      ),
    );
    return { narrowings: all.flatMap((one) => one.narrowings), left: all.flatMap((one) => one.left) };
  };
  const settled = await settle(options, written, proposeAll);
  const { narrowings, left, trial, withheld } = settled;
  return {
    period: { from: iso(from_ms), to: iso(to_ms) },
    floors,
    ages_known: options.known.some(({ identity }) => seen.digests.has(identity.digest)),
    purposes: [...usages].map(([id, usage]) =>
      purposeReport(id, usage, tooFew.get(id) ?? null, written.entries.get(id) ?? [], history, floors, to_ms),
    ),
    entries: [...usages].flatMap(([id, usage]) => (written.entries.get(id) ?? []).map((one) => entryReport(id, one, usage))),
    proposals: narrowerEntries(text, narrowings).map((entry, i) => proposalReport(narrowings[i] as ProposedNarrowing, entry, usages)),
    left: left.map(({ written: one, why, cells }) => ({ ...placeOf(one), why: LEFT[why], cells })),
    trial,
    untried: trial === null && narrowings.length > 0 ? options.untried : null,
    withheld: [...withheld],
    grants: unusedGrants(history, seen.grants, options),
  };
}

interface Settled {
  narrowings: ProposedNarrowing[];
  left: Left[];
  trial: Trial | null;
  withheld: ReadonlySet<string>;
}

/** Proposes, asks the policy itself, and withholds what that shows to deny something that was used, until nothing is. */
async function settle(
  options: RecommendOptions,
  written: { catalogue: Catalogue },
  proposeAll: (withheld: ReadonlySet<string>) => { narrowings: ProposedNarrowing[]; left: Left[] },
): Promise<Settled> {
  const withheld = new Set<string>();
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const { narrowings, left } = proposeAll(withheld);
    const settled = { narrowings, left, withheld };
    if (narrowings.length === 0 || options.policy === null) return { ...settled, trial: null };
    const trial = await tryChange(options, options.policy, written.catalogue, narrowerPurposes(options.text, narrowings));
    const wrong = stopped(trial).filter((cell) => !withheld.has(cell));
    if (wrong.length === 0) return { ...settled, trial };
    for (const cell of wrong) withheld.add(cell);
  }
  // Each change stops something else: then none is safe to propose.
  return { narrowings: [], left: [], withheld, trial: null };
}

function tryChange(options: RecommendOptions, policy: BundleContent, catalogue: Catalogue, text: string): Promise<Trial> {
  const { folder, purposes, vocabulary, timers, progress } = options;
  const [before, after] = [readWritten(options.text, vocabulary), readWritten(text, vocabulary)];
  const now = new RunningBundle(withPurposes(policy, before.purposes, catalogue));
  const then = new RunningBundle(withPurposes(policy, after.purposes, { ...catalogue, ...after.catalogue }));
  return tryOut(folder, rangeOf(options), new Set(purposes), { now, then }, timers, progress);
}

/** Up to before its end. */
function rangeOf({ from_ms, to_ms }: Pick<RecommendOptions, "from_ms" | "to_ms">): RecordRange {
  return { from: { ms: from_ms }, to: { ms: to_ms - 1 } };
}

interface Uses {
  /** When each policy first decided, milliseconds since the epoch. */
  digests: Map<string, number>;
  /** That a decision rested on. */
  grants: Set<string>;
}

function readUses(options: RecommendOptions, usages: ReadonlyMap<string, Usage>): Uses {
  const digests = new Map<string, number>();
  const grants = new Set<string>();
  const so_far = { records: 0, seq: 0 };
  for (const read of readDecisions(options.folder, rangeOf(options))) {
    so_far.records++;
    so_far.seq = read.seq;
    if (so_far.records % 128 === 0) options.progress(so_far);
    if (read.what === "unreadable") {
      options.unreadable({ seq: read.seq, why: read.why });
      for (const usage of usages.values()) usage.counts.unreadable++;
    }
    if (read.what !== "decision") continue;
    const { policy, reasons } = read.record.answer;
    const { digest } = policy;
    for (const { code, params } of reasons) if (code === "granted") grants.add(String(params["grant"]));
    const ms = Date.parse(read.record.time);
    if (!digests.has(digest) || ms < (digests.get(digest) ?? 0)) digests.set(digest, ms);
    for (const usage of usages.values()) usage.take(read);
  }
  return { digests, grants };
}

/** Grants' uses are in decisions' reasons; what was granted, in records of facts. */
function readHistory({ folder, from_ms, to_ms }: RecommendOptions): History {
  const history = new History();
  const within = (ms: number): boolean => ms >= from_ms && ms < to_ms;
  for (const { line, record, time_ms, beside } of walk(
    folder,
    () => false,
    () => undefined,
  )) {
    if (record === null || time_ms >= to_ms) continue;
    history.take(record, line.seq, within(time_ms), record["kind"] === "facts" ? beside() : null);
  }
  return history;
}

/** From when on a policy that has the very same permission decided. */
function ageOf(
  purpose: string,
  { line, entry }: WrittenEntry,
  { verb, type }: PermittedCell,
  { known, to_ms }: RecommendOptions,
  digests: ReadonlyMap<string, number>,
): number | null {
  const wanted = meaning(entry);
  const since = known.flatMap(({ identity, data }) => {
    const began = digests.get(identity.digest);
    const there = data.purposes[purpose]?.[line][type]?.[verb] ?? [];
    return began !== undefined && there.some((one) => meaning(one) === wanted) ? [began] : [];
  });
  const anyKnown = known.some(({ identity }) => digests.has(identity.digest));
  if (since.length === 0) return anyKnown ? 0 : null;
  return to_ms - Math.min(...since);
}

/** Returns the part of an entry that says what it lets through, not what it is called. */
function meaning({ about, when }: WrittenEntry["entry"]): string {
  return canonical({ about, when });
}

function mayAllow(purpose: string, catalogue: Catalogue): boolean {
  return Object.values(catalogue).some(
    ({ effect, purposes, sources }) =>
      effect === "allow" && purposes.includes(purpose) && sources.some((source) => source.includes(".rego:")),
  );
}

function purposeReport(
  id: string,
  usage: Usage,
  too_little: string | null,
  entries: readonly WrittenEntry[],
  history: History,
  { days }: Floors,
  to_ms: number,
): PurposeReport {
  const registered = [...history.agents.values()].filter((agent) => agent.purposes.includes(id) && agent.status !== "revoked");
  const idle = registered.filter((agent) => !usage.agents.has(agent.id) && isOld(agent, to_ms, days));
  return {
    purpose: id,
    counts: usage.counts,
    too_little,
    came_late: cameLate(usage, entries),
    idle_agents: idle.slice(0, LISTED_MAX).map(({ id: agent, owner, registered: since }) => ({ agent, owner, registered: since })),
    has_agents: registered.length > 0,
  };
}

function isOld({ registered }: AgentKnown, to_ms: number, days: number): boolean {
  return !(to_ms - Date.parse(registered) < days * DAY_MS);
}

function cameLate(usage: Usage, entries: readonly WrittenEntry[]): PurposeReport["came_late"] {
  const { first, last } = usage.counts;
  if (first === null || last === null) return null;
  const middle = (Date.parse(first) + Date.parse(last)) / 2;
  const late = entries.flatMap((one) => usage.of(one)).filter(({ uses, first_ms }) => uses > 0 && first_ms >= middle);
  return { since: iso(middle), kinds: late.length, uses: late.reduce((sum, { uses }) => sum + uses, 0) };
}

function entryReport(purpose: string, written: WrittenEntry, usage: Usage): EntryReport {
  const cells = usage.of(written).map((use) => ({
    ...{ verb: use.verb, type: use.type, words: wordsOf(written, use), uses: use.uses, waited: use.waited },
    ...{ agents: use.agents.size, resources: use.resources.size },
    ...{ first: use.first || null, last: use.last || null, relations: use.relations, examples: use.examples },
    values: use.fields.map(({ name, values, unknown, most }) => ({
      ...{ name, unknown, most: Number.isFinite(most) ? most : null },
      seen: [...values].map(([value, uses]) => ({ value, uses })),
    })),
  }));
  return { purpose, line: written.line, at: written.at, cells };
}

function proposalReport(narrowing: ProposedNarrowing, entry: NarrowerEntry, usages: ReadonlyMap<string, Usage>): ProposalReport {
  const { written, unused, about_task, when } = narrowing;
  const uses = usages.get(String(written.path[0]))?.of(written) ?? [];
  const agents = new Set(uses.flatMap((use) => use.agents.all));
  return {
    ...placeOf(written),
    ...entry,
    whole: unused.length === written.cells.length,
    unused: unused.map((cell) => ({ ...cell, words: wordsOf(written, cell) })),
    ...{ about_task, when, agents: agents.size },
    uses: uses.reduce((sum, use) => sum + use.uses, 0),
  };
}

function placeOf({ path, line, at }: WrittenEntry): { purpose: string; line: PermittingLine; at: number } {
  return { purpose: String(path[0]), line, at };
}

function unusedGrants(history: History, used: ReadonlySet<string>, { from_ms, to_ms }: RecommendOptions): Recommendation["grants"] {
  const lived = [...history.grants.values()].filter(({ not_before, expires, ended }) => {
    const over = Math.min(Date.parse(expires), ended === null ? Infinity : Date.parse(ended.at));
    return Date.parse(not_before) < to_ms && over > from_ms;
  });
  const unused = lived.filter(({ id }) => !used.has(id));
  return {
    unused: unused
      .slice(0, LISTED_MAX)
      .map(({ id, agent, task, reason, approved_by, expires }) => ({ id, agent, task, reason, approved_by, expires })),
    left_off: Math.max(0, unused.length - LISTED_MAX),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
