/**
 * The side of the search that has the records: follows the log up to where it is durable, and answers questions meanwhile. When
 * something goes wrong with what was derived, it begins again; the log has everything.
 */
import type { RecordFilter } from "../contract/index.js";
import { LineTooLong } from "../audit/log/record_lines.js";
import { errorMessage } from "../system/error_message.js";
import { sleep, type Clock, type Timers } from "../system/index.js";
import { asked, TooManyGroups, type RecordQuestion, type Some } from "./ask.js";
import { briefText } from "./brief.js";
import { TooDear } from "./engine.js";
import { openTable } from "./table_opening.js";
import type { Lacking, RecordTable } from "./table.js";

/** Part of a record that is sent: all of it, as on a page, or what a finding is made of (`brief.ts`). */
export type Extent = "all" | "brief";

export type RefusedWhy = "unavailable" | "too_many_groups" | "too_dear";

export type ToRecords =
  /** Records up to this one are on disk. */
  | { kind: "durable"; seq: number }
  | { kind: "ask"; id: number; ask: RecordQuestion; durable: number }
  /** Sends records after this one as they come, and once there were some, no more until it is asked to again. */
  | { kind: "follow"; id: number; filter: RecordFilter; after: number; extent: Extent }
  | { kind: "unfollow"; id: number }
  | { kind: "close" };

export type FromRecords =
  /** It goes on after this record; `removed`: an index of an earlier version was deleted. */
  | { kind: "opened"; seq: number; removed: boolean }
  | { kind: "indexed"; seq: number }
  | { kind: "answered"; id: number; text: string | null }
  | { kind: "refused"; id: number; why: RefusedWhy }
  | ({ kind: "sent"; id: number } & Pick<Some, "items" | "seqs" | "to">)
  | ({ kind: "lacking" } & Lacking)
  | { kind: "failed"; detail: string }
  | { kind: "closed" };

export interface ServingOptions {
  folder: string;
  /** Time after its answer was valid, from which an action without outcome counts as missing one. */
  overdue_ms: number;
  /** Time that a question waits for what was durable when it was asked. */
  wait_ms: number;
  /** The last record that is known to be on disk. */
  durable: number;
}

export interface Port {
  send(message: FromRecords): void;
  onMessage(call: (message: ToRecords) => void): void;
  close(): void;
}

interface Waiting {
  id: number;
  ask: RecordQuestion;
  /** Last record that was durable when the question arrived. */
  seq: number;
  cancel: () => void;
}

interface Follower {
  filter: RecordFilter;
  extent: Extent;
  /** The last record that it was sent, or needn't be. */
  after: number;
  /** True if it may be sent more. */
  ready: boolean;
}

/** Groups that are taken in, or files that are made, before questions that wait for less have their turn. */
const STEPS_AT_ONCE = 1;
/** Milliseconds for which records gather while nobody asks. A question takes in what it needs at once. */
const GATHER_MS = 200;
/** A group costs some milliseconds, however small it is: after one of so many records the next gathers for longer. */
const BUSY_RECORDS = 100;
const GATHER_BUSY_MS = 800;
const QUESTIONS_AT_ONCE = 3;
const SENT_AT_ONCE = 100;
const RETRY_MS = 100;
const RETRY_MS_MAX = 10_000;
/** Failures in a row, of the disk mostly, after which everything is opened again. */
const FAILURES_MAX = 20;

export function serveRecords(port: Port, options: ServingOptions, { clock, timers }: { clock: Clock; timers: Timers }): void {
  let { durable } = options;
  let open: RecordTable | null = null;
  let waiting: Waiting[] = [];
  let running = 0;
  let queued: (() => Promise<void>)[] = [];
  const followers = new Map<number, Follower>();
  const state = { closed: false, hasWork: false, failures: 0, advanceAt: -Infinity };
  let stuck = false;
  let lacking = 0;
  /** The record behind which it was reported that there is nothing to take. */
  let endedAt = -1;
  let reported = -1;
  let awake = (): void => undefined;
  const now = (): { now_ms: number; overdue_ms: number } => ({ now_ms: clock.wall(), overdue_ms: options.overdue_ms });

  const isClosed = (): boolean => state.closed;
  const isAwake = (): boolean => state.hasWork;

  /** Takes in, and starts what can be answered, until it is closed. */
  async function run(): Promise<void> {
    for (let retryMs = RETRY_MS; !state.closed;) {
      try {
        if (open === null) await begin();
        await pump();
        retryMs = RETRY_MS;
      } catch (cause) {
        if (isClosed()) break;
        port.send({ kind: "failed", detail: errorMessage(cause) });
        end();
        await sleep(retryMs);
        retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
      }
    }
    end();
    port.send({ kind: "closed" });
    port.close();
  }

  async function begin(): Promise<void> {
    const { removed, table } = await openTable(options.folder);
    open = table;
    stuck = false;
    Object.assign(state, { failures: 0, advanceAt: -Infinity });
    lacking = 0;
    reported = table.indexedTo;
    port.send({ kind: "opened", seq: reported, removed });
  }

  async function pump(): Promise<void> {
    let looked = false;
    let gatherMs = GATHER_MS;
    while (!state.closed && open !== null) {
      state.hasWork = false;
      const table = open;
      // More becomes durable while this is taken in; that nothing more is there to take is true up to here alone.
      const to = durable;
      const taken = stuck ? "later" : await advance(table, to);
      if (table.indexedTo !== reported) {
        gatherMs = table.indexedTo - reported > BUSY_RECORDS ? GATHER_BUSY_MS : GATHER_MS;
        reported = table.indexedTo;
        port.send({ kind: "indexed", seq: reported });
      }
      start(table);
      if (taken === "more") continue;
      if (!looked) reportLacking(table);
      looked = true;
      if (taken === "all") reportUnreached(table, to);
      if (!isAwake()) await Promise.race([new Promise<void>((resolve) => (awake = resolve)), sleep(gatherMs)]);
    }
  }

  /**
   * Takes in records up to this one. Whatever is in the way of the next records, those before are found anyway.
   * @returns whether there is more to take; "later" if something was in the way
   * @throws if it doesn't go away
   */
  async function advance(table: RecordTable, to: number): Promise<"more" | "all" | "later"> {
    if (clock.monotonic() < state.advanceAt) return "later";
    try {
      const more = await table.advance(to, STEPS_AT_ONCE);
      state.failures = 0;
      return more ? "more" : "all";
    } catch (cause) {
      if (cause instanceof LineTooLong) stuck = true;
      else if (++state.failures > FAILURES_MAX) throw cause;
      if (stuck || state.failures === 1) port.send({ kind: "failed", detail: (cause as Error).message });
      state.advanceAt = clock.monotonic() + Math.min(RETRY_MS * 2 ** state.failures, RETRY_MS_MAX);
      return "later";
    }
  }

  /** Once for each time that it is opened: what comes after is what this service writes. */
  function reportLacking(table: RecordTable): void {
    const found = table.lacking();
    if (found !== null && found.records !== lacking) port.send({ kind: "lacking", ...found });
    lacking = found?.records ?? 0;
  }

  /** Reports records up to this one that aren't there to take: once for each place. */
  function reportUnreached({ indexedTo }: RecordTable, to: number): void {
    if (indexedTo >= to || indexedTo === endedAt) return;
    endedAt = indexedTo;
    port.send({ kind: "lacking", records: to - indexedTo, first: indexedTo + 1 });
  }

  function start(table: RecordTable): void {
    const ready = waiting.filter(({ seq }) => seq <= table.indexedTo);
    waiting = waiting.filter(({ seq }) => seq > table.indexedTo);
    for (const one of ready) {
      one.cancel();
      question(table, one);
    }
    for (const [id, follower] of followers) if (follower.ready && follower.after < table.indexedTo) send(table, id, follower);
  }

  function question(table: RecordTable, { id, ask, seq }: Waiting): void {
    inTurn(async () => {
      try {
        let until = table.indexedTo;
        const text = await asked(table, now(), (query) => {
          until = query.until;
          return query.answer(ask);
        });
        // What can't be found yet may be there.
        if (until < seq && isLacking(ask, text)) port.send({ kind: "refused", id, why: "unavailable" });
        else port.send({ kind: "answered", id, text });
      } catch (cause) {
        port.send({ kind: "refused", id, why: whyRefused(cause) });
        if (whyRefused(cause) === "unavailable") port.send({ kind: "failed", detail: (cause as Error).message });
      }
    });
  }

  function send(table: RecordTable, id: number, follower: Follower): void {
    const { filter, extent, after } = follower;
    follower.ready = false;
    inTurn(async () => {
      try {
        const ask = { filter, order: "oldest", after, limit: SENT_AT_ONCE } as const;
        const found = await asked(table, now(), (query) => query.some(ask, extent === "brief" ? briefText : undefined));
        if (followers.get(id) !== follower) return;
        const { items, seqs, to } = found;
        follower.after = to;
        follower.ready = items.length === 0;
        port.send({ kind: "sent", id, items, seqs, to });
      } catch (cause) {
        port.send({ kind: "failed", detail: (cause as Error).message });
        await sleep(RETRY_MS);
        follower.ready = true;
      }
      wake();
    });
  }

  function inTurn(act: () => Promise<void>): void {
    queued.push(act);
    next();
  }

  function next(): void {
    while (running < QUESTIONS_AT_ONCE) {
      const act = queued.shift();
      if (act === undefined) return;
      running++;
      void act().finally(() => {
        running--;
        next();
      });
    }
  }

  function wake(): void {
    state.hasWork = true;
    awake();
  }

  port.onMessage((message) => {
    switch (message.kind) {
      case "durable":
        durable = Math.max(durable, message.seq);
        if (waiting.length > 0) wake();
        return;
      case "ask": {
        durable = Math.max(durable, message.durable);
        const one: Waiting = { id: message.id, ask: message.ask, seq: durable, cancel: () => undefined };
        one.cancel = timers.after(options.wait_ms, () => {
          expire(one);
        });
        waiting.push(one);
        wake();
        return;
      }
      case "follow":
        followers.set(message.id, { filter: message.filter, extent: message.extent, after: message.after, ready: true });
        wake();
        return;
      case "unfollow":
        followers.delete(message.id);
        return;
      case "close":
        state.closed = true;
        wake();
    }
  });

  /** It has waited for long enough: it is answered from what there is, or refused. */
  function expire(one: Waiting): void {
    waiting = waiting.filter((other) => other !== one);
    if (open === null) port.send({ kind: "refused", id: one.id, why: "unavailable" });
    else question(open, one);
  }

  function end(): void {
    queued = [];
    try {
      open?.close();
    } catch {
      // What is lost of it is made again.
    }
    open = null;
  }

  void run();
}

function whyRefused(cause: unknown): RefusedWhy {
  if (cause instanceof TooManyGroups) return "too_many_groups";
  return cause instanceof TooDear ? "too_dear" : "unavailable";
}

/** Returns true if an answer shows that something asked for isn't there. */
function isLacking({ kind }: RecordQuestion, text: string | null): boolean {
  return text === null || (kind === "decided" && (JSON.parse(text) as unknown[]).includes(null));
}
