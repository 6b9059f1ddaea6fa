/**
 * The worker's side of the index: follows the log up to where it is said to be durable, and answers what it is asked meanwhile,
 * a little of each at a time. Whatever goes wrong with its file, it begins again; the log has everything.
 */
import type { MessagePort } from "node:worker_threads";
import type { RecordFilter } from "../../contract/index.js";
import type { Clock, Timers } from "../../system/index.js";
import { LineTooLong } from "../reading.js";
import { answer, some, type Ask, type Some } from "./ask.js";
import { briefText } from "./brief.js";
import { IndexFile, partialOf, removeIndex } from "./file.js";
import { RecordIndex, type Lacking } from "./record_index.js";
import { TooManyGroups } from "./summary.js";
import { IndexUnfit } from "./unfit.js";

/** What is told of a record: all of it, as on a page, or what a finding is made of (`brief.ts`). */
export type Tells = "all" | "brief";

export type ToIndexer =
  /** Records up to this one are on disk. */
  | { kind: "durable"; seq: number }
  | { kind: "ask"; id: number; ask: Ask }
  /** Tells records after this one as they come, and once there were some, no more until it is told to anew. */
  | { kind: "follow"; id: number; filter: RecordFilter; after: number; tells: Tells }
  | { kind: "unfollow"; id: number }
  | { kind: "close" };

export type FromIndexer =
  /** It goes on after this record; `unfit`: why what was there was thrown away, where it was. */
  | { kind: "opened"; seq: number; unfit: string | null }
  | { kind: "indexed"; seq: number }
  | { kind: "answered"; id: number; text: string | null }
  | { kind: "refused"; id: number; why: "unavailable" | "too_many_groups" }
  | ({ kind: "told"; id: number } & Pick<Some, "items" | "seqs" | "to">)
  /** Of the records up to where it has come, the others of which are found all the same; or behind that, where it comes no further. */
  | ({ kind: "lacking" } & Lacking)
  | { kind: "failed"; detail: string }
  | { kind: "closed" };

export interface IndexerOptions {
  folder: string;
  file: string;
  /** How long after its answer was valid an action without outcome counts as missing one. */
  overdue_ms: number;
  /** How long a question waits for what was durable when it was asked. */
  wait_ms: number;
  /** The last record that is known to be on disk. */
  durable: number;
}

interface Waiting {
  id: number;
  ask: Ask;
  /** What was durable when it was asked. */
  seq: number;
  cancel: () => void;
}

interface Job {
  /** @returns whether it is done */
  step: () => boolean;
  refuse: (why: "unavailable" | "too_many_groups") => void;
}

interface Follower {
  filter: RecordFilter;
  tells: Tells;
  /** The last record that it was told, or needn't be. */
  after: number;
  /** Whether it may be told more. */
  ready: boolean;
}

/** So many records are taken in before others have their turn. */
const RECORDS_AT_ONCE = 256;
/** How long records gather, where nobody waits for them. */
const GATHER_MS = 5;
const STEPS_AT_ONCE = 8;
/** What a follower is told at once. */
const TOLD_AT_ONCE = 100;
const RETRY_MS = 100;
const RETRY_MS_MAX = 10_000;

export function serveIndex(
  port: Pick<MessagePort, "postMessage" | "on" | "close">,
  options: IndexerOptions,
  { clock, timers }: { clock: Clock; timers: Timers },
): void {
  let { durable } = options;
  let index: RecordIndex | null = null;
  let told = -1;
  let waiting: Waiting[] = [];
  let jobs: Job[] = [];
  const followers = new Map<number, Follower>();
  let planned = false;
  let gathering = false;
  let closed = false;
  let stuck = false;
  let looked = false;
  /** How many records were said to be lacking. */
  let lacking = 0;
  /** The record behind which it was said that there is nothing to take. */
  let endedAt = -1;
  let retryMs = RETRY_MS;
  let cancelRetry = (): void => undefined;
  const reply = (message: FromIndexer): void => {
    port.postMessage(message);
  };

  function open(): void {
    try {
      const { opened, unfit } = openIndex(options, durable);
      index = opened;
      told = opened.indexedTo;
      looked = false;
      reply({ kind: "opened", seq: told, unfit });
      plan();
    } catch (cause) {
      fail(cause);
    }
  }

  function fail(cause: unknown): void {
    const failed = index;
    index = null;
    try {
      failed?.close();
      if (cause instanceof IndexUnfit) removeIndex(options.file);
    } catch {
      // It is looked at again when it is opened.
    }
    reply({ kind: "failed", detail: cause instanceof Error ? cause.message : String(cause) });
    for (const { refuse } of jobs) refuse("unavailable");
    jobs = [];
    cancelRetry = timers.after(retryMs, open);
    retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
  }

  function plan(): void {
    if (planned) return;
    planned = true;
    timers.turnEnd(run);
  }

  function run(): void {
    planned = false;
    if (index === null || closed) return;
    try {
      if (index.outlives && jobs.length === 0) {
        index.close();
        open();
        return;
      }
      const more = stuck ? false : index.advance(durable, RECORDS_AT_ONCE);
      tellIndexed(index, more);
      start(index);
      if (!more && !looked) lookForLacking(index);
      if (!more && !stuck) tellUnreached(index);
      jobs = jobs.filter(({ step }) => !step());
      if (more || jobs.length > 0) plan();
      if (!more) retryMs = RETRY_MS;
    } catch (cause) {
      if (cause instanceof LineTooLong) {
        // What comes before the damage is found all the same.
        stuck = true;
        reply({ kind: "failed", detail: cause.message });
        plan();
      } else fail(cause);
    }
  }

  function tellIndexed({ indexedTo }: RecordIndex, more: boolean): void {
    if (indexedTo === told || (more && indexedTo - told < 4 * RECORDS_AT_ONCE)) return;
    told = indexedTo;
    reply({ kind: "indexed", seq: told });
  }

  /** Once for each time that it is opened: what comes after that this service writes. */
  function lookForLacking(on: RecordIndex): void {
    looked = true;
    work(
      on.lacking(),
      (found) => {
        if (found !== null && found.records !== lacking) reply({ kind: "lacking", ...found });
        lacking = found?.records ?? 0;
      },
      () => undefined,
    );
  }

  /** What is on disk and isn't there to take: its lines are gone, or no records, or say other numbers. Once for each place. */
  function tellUnreached({ indexedTo }: RecordIndex): void {
    if (indexedTo >= durable || indexedTo === endedAt) return;
    endedAt = indexedTo;
    reply({ kind: "lacking", records: durable - indexedTo, first: indexedTo + 1 });
  }

  function start(on: RecordIndex): void {
    const ready = waiting.filter(({ seq }) => seq <= on.indexedTo);
    if (ready.length > 0) waiting = waiting.filter(({ seq }) => seq > on.indexedTo);
    for (const one of ready) {
      one.cancel();
      begin(on, one);
    }
    for (const [id, follower] of followers) if (follower.ready && follower.after < on.indexedTo) tell(on, id, follower);
  }

  function begin(on: RecordIndex, { id, ask, seq }: Waiting): void {
    const until = on.indexedTo;
    const steps = answer(on, ask, until, clock.wall());
    work(
      steps,
      (text) => {
        // What can't be found yet may be there.
        if (until < seq && isLacking(ask, text)) reply({ kind: "refused", id, why: "unavailable" });
        else reply({ kind: "answered", id, text });
      },
      (why) => {
        reply({ kind: "refused", id, why });
      },
    );
  }

  function tell(on: RecordIndex, id: number, follower: Follower): void {
    const { filter, tells, after } = follower;
    follower.ready = false;
    const ask = { filter, order: "oldest", after, limit: TOLD_AT_ONCE } as const;
    work(
      some(on, ask, on.indexedTo, clock.wall(), tells === "brief" ? briefText : undefined),
      ({ items, seqs, to }) => {
        follower.after = to;
        if (!followers.has(id)) return;
        if (items.length === 0) follower.ready = true;
        reply({ kind: "told", id, items, seqs, to });
      },
      () => {
        follower.ready = true;
      },
    );
  }

  function work<T>(steps: Generator<void, T, void>, done: (result: T) => void, refuse: Job["refuse"]): void {
    const step = (): boolean => {
      try {
        for (let i = 0; i < STEPS_AT_ONCE; i++) {
          const { value, done: over } = steps.next();
          if (over !== true) continue;
          done(value);
          return true;
        }
        return false;
      } catch (cause) {
        if (!(cause instanceof TooManyGroups)) throw cause;
        refuse("too_many_groups");
        return true;
      }
    };
    jobs.push({ step, refuse });
  }

  function take(message: ToIndexer): void {
    switch (message.kind) {
      case "durable":
        durable = message.seq;
        if (waiting.length > 0) plan();
        else gather();
        return;
      case "ask": {
        const { id, ask } = message;
        const one: Waiting = { id, ask, seq: durable, cancel: () => undefined };
        one.cancel = timers.after(options.wait_ms, () => {
          expire(one);
        });
        waiting.push(one);
        plan();
        return;
      }
      case "follow":
        followers.set(message.id, { filter: message.filter, tells: message.tells, after: message.after, ready: true });
        plan();
        return;
      case "unfollow":
        followers.delete(message.id);
        return;
      case "close":
        close();
    }
  }

  /** It has waited for long enough: it is told what there is, or that there is nothing. */
  function expire(one: Waiting): void {
    waiting = waiting.filter((other) => other !== one);
    if (index === null) reply({ kind: "refused", id: one.id, why: "unavailable" });
    else begin(index, one);
    plan();
  }

  function gather(): void {
    if (gathering) return;
    gathering = true;
    timers.after(GATHER_MS, () => {
      gathering = false;
      plan();
    });
  }

  function close(): void {
    closed = true;
    cancelRetry();
    try {
      index?.close();
    } catch {
      // What is lost of it is made again.
    }
    reply({ kind: "closed" });
    port.close();
  }

  port.on("message", take);
  open();
}

/** What is there, or where that doesn't fit a new one. */
export function openIndex(
  { folder, file, overdue_ms }: Pick<IndexerOptions, "folder" | "file" | "overdue_ms">,
  to = Infinity,
): { opened: RecordIndex; unfit: string | null } {
  const attempt = (): RecordIndex => {
    const opened = new IndexFile(file);
    try {
      const index = new RecordIndex({ folder, file: opened, overdue_ms }, to);
      if (!index.outlives) return index;
      index.forget();
      index.close();
    } catch (cause) {
      opened.close();
      throw cause;
    }
    return attempt();
  };
  // Of a making anew that was broken off: nobody else has the folder now.
  removeIndex(partialOf(file));
  try {
    return { opened: attempt(), unfit: null };
  } catch (cause) {
    if (!(cause instanceof IndexUnfit)) throw cause;
    removeIndex(file);
    return { opened: attempt(), unfit: cause.message };
  }
}

/** Whether it says of something that it isn't there. */
function isLacking({ kind }: Ask, text: string | null): boolean {
  return text === null || (kind === "decided" && (JSON.parse(text) as unknown[]).includes(null));
}
