/**
 * All findings, as a fold of the records that name one. It follows the index of records, which tells each once, in order, and
 * only when it is on disk: there is one way in, whether a service has just started or runs for long, and no decision waits for
 * it. How far back it looks, and how many it keeps, is bounded; what is older is in the records.
 */
import {
  FINDING_PATTERN,
  Problem,
  isVerdict,
  type Finding,
  type FindingNews,
  type FindingState,
  type FindingStateName,
  type RecordFilter,
  type Severity,
} from "../contract/index.js";
import type { Timers } from "../system/index.js";
import { gravity } from "./about.js";
import { FindingFold } from "./finding.js";
import type { SeenAny } from "./finding_record.js";
import { kinOf, type FindingKin } from "./kin.js";

const ID = new RegExp(FINDING_PATTERN);

/** State of findings, as facts. */
export interface States {
  /** Revision of the last change. */
  readonly revision: number;
  finding(id: string): (FindingState & { revision: number }) | undefined;
}

/** The index of records. */
export interface FollowedIndex {
  /** The last record that is on disk. */
  readonly durable: number;
  /** Has what follows begin at once. */
  hurry(): void;
  follow(
    filter: RecordFilter,
    after: number,
    tell: (told: { items: readonly string[]; to: number }) => void,
    tells: "brief",
  ): { goOn(): void; stop(): void };
}

export interface FindingsLimits {
  /** Findings; closed ones are forgotten first, and of these or of the open ones those of the agent that has most. */
  kept_max: number;
  /** Time that a question waits for the records that are on disk when it is asked. */
  wait_ms: number;
}

/** All that is given has to hold. */
export interface FindingsFilter {
  agent?: string;
  purpose?: string;
  state?: FindingStateName;
  /** No verdict on it. */
  unjudged?: true;
  /** At least. */
  severity?: Severity;
  /** Code of any reason to look into it. */
  code?: string;
  /** Seen at this time or later: milliseconds since the epoch. */
  since?: number;
}

/** Place up to which somebody was told: this record, and this facts revision. */
export interface ReaderPlace {
  seq: number;
  revision: number;
}

/** News of a finding, with the record and the state's revision that it goes up to. */
export interface News extends FindingNews {
  at: ReaderPlace;
}

export class Findings {
  readonly #states: States;
  readonly #limits: FindingsLimits;
  readonly #timers: Timers;
  readonly #byId = new Map<string, FindingFold>();
  /** The oldest first. */
  #all: FindingFold[] = [];
  #to = 0;
  #waiting: { seq: number; arrived: () => void }[] = [];
  readonly #listeners = new Set<() => void>();
  #followed: FollowedIndex | null = null;
  /** The last record that was on disk when it began; null: it hasn't. */
  #began: number | null = null;
  #stop = (): void => undefined;

  constructor(states: States, limits: FindingsLimits, timers: Timers) {
    this.#states = states;
    this.#limits = limits;
    this.#timers = timers;
  }

  /** @param from records from then on, in milliseconds since the epoch */
  start(followed: FollowedIndex, from: number): void {
    this.#followed = followed;
    this.#began = followed.durable;
    const following = followed.follow(
      { kind: ["decision", "observed", "notice"], finding: true, from },
      0,
      ({ items, to }) => {
        this.#takeAll(items);
        this.#reach(to);
        if (items.length > 0) following.goOn();
      },
      "brief",
    );
    this.#stop = () => {
      following.stop();
    };
  }

  stop(): void {
    this.#stop();
    this.#listeners.clear();
  }

  /** Takes in the next record that names a finding. */
  take(seen: SeenAny): void {
    const { finding } = seen.record.kind === "notice" ? seen.record : seen.record.answer;
    if (finding === undefined || !ID.test(finding)) return;
    const known = this.#byId.get(finding);
    if (known !== undefined) known.take(seen);
    else {
      const opened = new FindingFold(finding, seen);
      this.#byId.set(finding, opened);
      this.#all.push(opened);
      if (this.#all.length > this.#limits.kept_max) this.#forgetOne();
    }
    this.#to = Math.max(this.#to, seen.seq);
  }

  /** A log that was damaged has records that are none: what can't be read as one is passed over, here as in searches. */
  #takeAll(items: readonly string[]): void {
    for (const seen of JSON.parse(`[${items.join(",")}]`) as SeenAny[]) {
      try {
        this.take(seen);
      } catch (cause) {
        if (!(cause instanceof TypeError)) throw cause;
      }
    }
  }

  /** The last record that is in here. */
  get indexedTo(): number {
    return this.#to;
  }

  get size(): number {
    return this.#all.length;
  }

  /** Findings that nobody has closed. */
  get open(): number {
    return this.#all.filter((one) => !isVerdict(this.#stateOf(one.id))).length;
  }

  /** Returns a finding as far as is known by now. */
  at(id: string): Finding | null {
    const fold = this.#byId.get(id);
    return fold === undefined ? null : this.#whole(fold);
  }

  /** Records of the actions that began a finding, and of the latest: their numbers. */
  places(id: string): number[] {
    return this.#byId.get(id)?.places ?? [];
  }

  /**
   * With every record in it that was on disk when it was asked for.
   * @throws Problem `finding_not_found`; `index_unavailable` where it may be among what can't be found yet
   */
  async get(id: string): Promise<Finding> {
    const isWhole = await this.caughtUp();
    const found = this.at(id);
    if (found !== null) return found;
    throw new Problem(isWhole ? "finding_not_found" : "index_unavailable");
  }

  /** Waits a moment for what is on disk; whether it is all in here. */
  caughtUp(): Promise<boolean> {
    const seq = this.#followed?.durable ?? 0;
    if (this.#to >= seq) return Promise.resolve(true);
    this.#followed?.hurry();
    return new Promise((resolve) => {
      const waiting = {
        seq,
        arrived: (): void => {
          cancel();
          resolve(true);
        },
      };
      const cancel = this.#timers.after(this.#limits.wait_ms, () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        resolve(false);
      });
      this.#waiting.push(waiting);
    });
  }

  /**
   * The newest first, by when they were opened: what comes later moves no page.
   * @param before the record that opened the last one of the page before
   * @returns with them, the number of the record that opened each; `next`: of the last one if there are more
   */
  page(
    filter: FindingsFilter,
    before: number | null,
    limit: number,
    sees: (finding: Finding) => boolean,
  ): { items: Finding[]; seqs: number[]; next: number | null } {
    const items: Finding[] = [];
    const seqs: number[] = [];
    for (let i = this.#all.length - 1; i >= 0; i--) {
      const fold = this.#all[i];
      if (fold === undefined || (before !== null && fold.seq >= before) || !this.#matches(fold, filter)) continue;
      const finding = this.#whole(fold);
      if (!sees(finding)) continue;
      if (items.length === limit) return { items, seqs, next: seqs.at(-1) ?? null };
      items.push(finding);
      seqs.push(fold.seq);
    }
    return { items, seqs, next: null };
  }

  /** Returns the findings that have one of these keys, as far as it matters for which are one. */
  kin(keys: ReadonlySet<string>): FindingKin[] {
    return this.#all.flatMap((fold) => {
      const { key } = fold;
      return key !== null && keys.has(key) ? (kinOf(this.#whole(fold)) ?? []) : [];
    });
  }

  /** Yields all findings, the newest first. */
  *newestFirst(): Generator<Finding> {
    for (let i = this.#all.length - 1; i >= 0; i--) {
      const fold = this.#all[i];
      if (fold !== undefined) yield this.#whole(fold);
    }
  }

  /** Calls when there may be news, until the returned function is called. */
  listen(listener: () => void): () => void {
    this.#followed?.hurry();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The state of a finding has changed. */
  judged(): void {
    this.#tell();
  }

  /** Returns the place from which a new listener begins. */
  get now(): ReaderPlace {
    return { seq: Math.max(this.#to, this.#followed?.durable ?? 0), revision: this.#states.revision };
  }

  /**
   * Findings that are news to whoever was told up to a place, each as it is now. Nothing is queued for anybody: whoever was
   * away for long hears of each once.
   * @returns with them, up to where it was told then
   */
  news(after: ReaderPlace, max: number, filter: FindingsFilter = {}): { news: News[]; to: ReaderPlace } {
    // Until what was there at the start is in here, what was said of it can't be told.
    const revision = this.#isWhole ? Math.max(this.#states.revision, after.revision) : after.revision;
    const upTo = { seq: Math.max(this.#to, after.seq), revision };
    const seen: { fold: FindingFold; at: ReaderPlace }[] = [];
    const judged: { fold: FindingFold; at: ReaderPlace }[] = [];
    for (const fold of this.#all) {
      const at = { seq: fold.news, revision: this.#revisionOf(fold.id) };
      if (at.seq > after.seq) seen.push({ fold, at });
      else if (this.#isWhole && at.revision > after.revision) judged.push({ fold, at });
    }
    seen.sort((a, b) => a.at.seq - b.at.seq);
    judged.sort((a, b) => a.at.revision - b.at.revision);
    const some = [...seen, ...judged].slice(0, max);
    const to = { ...upTo };
    if (some.length < seen.length) {
      to.seq = some.at(-1)?.at.seq ?? after.seq;
      to.revision = after.revision;
    } else if (some.length < seen.length + judged.length) {
      to.revision = some.length === seen.length ? after.revision : (some.at(-1)?.at.revision ?? after.revision);
    }
    const news = some.flatMap(({ fold, at }): News[] => {
      if (!this.#matches(fold, filter)) return [];
      const change = fold.seq > after.seq && at.revision === 0 ? "opened" : "changed";
      return [{ change, finding: this.#whole(fold), at }];
    });
    return { news, to };
  }

  get #isWhole(): boolean {
    return this.#began !== null && this.#to >= this.#began;
  }

  #reach(to: number): void {
    this.#to = Math.max(this.#to, to);
    const arrived = this.#waiting.filter(({ seq }) => seq <= this.#to);
    if (arrived.length > 0) this.#waiting = this.#waiting.filter(({ seq }) => seq > this.#to);
    for (const one of arrived) one.arrived();
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Forgets the oldest finding of the agent that has most: a closed one if there is any, so that no agent crowds out another's. */
  #forgetOne(): void {
    const closed = this.#all.filter(({ id }) => isVerdict(this.#stateOf(id)));
    const forgotten = oldestOfMost(closed.length > 0 ? closed : this.#all);
    this.#all.splice(this.#all.indexOf(forgotten), 1);
    this.#byId.delete(forgotten.id);
  }

  #matches(fold: FindingFold, filter: FindingsFilter): boolean {
    return isAsked(fold, () => this.#stateOf(fold.id), filter);
  }

  #whole(fold: FindingFold): Finding {
    const fact = this.#states.finding(fold.id);
    if (fact === undefined) return { ...fold.told, state: "open", verdict: null, revision: 0 };
    const { revision, ...verdict } = fact;
    return { ...fold.told, state: verdict.state, verdict, revision };
  }

  #stateOf(id: string): FindingStateName {
    return this.#states.finding(id)?.state ?? "open";
  }

  #revisionOf(id: string): number {
    return this.#states.finding(id)?.revision ?? 0;
  }
}

/** Returns whether a finding is one that a filter asks for. */
export function fits(finding: Finding, filter: FindingsFilter): boolean {
  const { codes, last_seen: lastSeen, state } = finding;
  return isAsked({ ...finding, lastSeen, hasCode: (code) => codes.some((one) => one.code === code) }, () => state, filter);
}

function isAsked(
  one: Pick<FindingFold, "agent" | "purpose" | "severity" | "lastSeen" | "hasCode">,
  stateOf: () => FindingStateName,
  { agent, purpose, state, unjudged, severity, code, since }: FindingsFilter,
): boolean {
  return (
    (agent === undefined || one.agent === agent) &&
    (purpose === undefined || one.purpose === purpose) &&
    (state === undefined || stateOf() === state) &&
    (unjudged === undefined || !isVerdict(stateOf())) &&
    (severity === undefined || gravity(one.severity) >= gravity(severity)) &&
    (code === undefined || one.hasCode(code)) &&
    (since === undefined || Date.parse(one.lastSeen) >= since)
  );
}

/** @param folds at least one, the oldest first */
function oldestOfMost(folds: readonly FindingFold[]): FindingFold {
  const byAgent = new Map<string, FindingFold[]>();
  for (const fold of folds) {
    const same = byAgent.get(fold.agent ?? "");
    if (same === undefined) byAgent.set(fold.agent ?? "", [fold]);
    else same.push(fold);
  }
  const most = [...byAgent.values()].reduce((a, b) => (b.length > a.length ? b : a));
  return most[0] as FindingFold;
}
