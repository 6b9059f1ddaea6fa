/** The records as the service asks them: a process of its own has them, nothing that decides waits for it, and it is started again when it ends. */
import { Problem, type RecordFilter } from "../contract/index.js";
import type { Timers } from "../system/index.js";
import { childProcess } from "../system/child.js";
import { SupervisedThread, type ThreadOwner } from "../system/supervised_thread.js";
import type { Thread } from "../system/thread.js";
import type { RecordQuestion } from "./ask.js";
import type { Extent, FromRecords, RefusedWhy, ServingOptions, ToRecords } from "./serve.js";

export interface SearchOptions {
  directory: string;
  wait_ms: number;
  overdue_ms: number;
  /** Questions that are answered at once; more are refused. */
  questions_max: number;
}

export interface SearchEvents {
  /** It goes on after this record; `removed`: the index of an earlier version was deleted. */
  opened(seq: number, removed: boolean): void;
  /** Reports how many records are missing from the log or can't be read, and the first of them; all others are found. */
  lacking(records: number, first: number): void;
  /** Reports that nothing is found until it is opened again. */
  failed(detail: string): void;
}

export type RecordsThread = Thread<ToRecords, FromRecords>;

/** Records that match, each as JSON, and up to which record was looked. */
export interface MatchedPage {
  items: readonly string[];
  seqs: readonly number[];
  to: number;
}

export interface Following {
  /** The last record that was told, or needn't be. */
  readonly after: number;
  /** Asks for more: nothing further arrives until this is called, once for each time that there were items. */
  goOn(): void;
  stop(): void;
}

interface Question {
  resolve: (text: string | null) => void;
  reject: (cause: Error) => void;
}

interface Follower {
  filter: RecordFilter;
  extent: Extent;
  after: number;
  /** True if it waits for `goOn`. */
  held: boolean;
  tell: (told: MatchedPage) => void;
}

const RESTART_MS = 250;
/** Milliseconds for which news of durable records is held back: a question brings its own. */
const DURABLE_MS = 50;
/** Milliseconds from the start to the process's, unless a question comes first: a service decides before anybody searches. */
const BEGIN_MS = 1_000;
/** The module of its process, and the megabytes that the process's heap may have. */
const RECORDS_PROCESS = [new URL("./process.js", import.meta.url), 64] as const;

export class RecordSearch {
  readonly #options: SearchOptions;
  readonly #timers: Timers;
  readonly #events: SearchEvents;
  readonly #spawn: (options: ServingOptions) => RecordsThread;
  readonly #questions = new Map<number, Question>();
  readonly #followers = new Map<number, Follower>();
  /** Null before it begins. */
  #process: SupervisedThread<ToRecords, FromRecords> | null = null;
  #isOpen = false;
  #nextId = 1;
  #durable = 0;
  #indexedTo = 0;
  #telling = false;
  /** Cancels the start that is to come; null before `start` and after the first one. */
  #cancelBegin: (() => void) | null = null;
  #isClosing = false;

  constructor(
    options: SearchOptions,
    timers: Timers,
    events: SearchEvents,
    spawn: (options: ServingOptions) => RecordsThread = (data) => childProcess(RECORDS_PROCESS[0], data, RECORDS_PROCESS[1]),
  ) {
    this.#options = options;
    this.#timers = timers;
    this.#events = events;
    this.#spawn = spawn;
  }

  /** The last record that is found. */
  get indexedTo(): number {
    return this.#indexedTo;
  }

  /** The last record that is on disk. */
  get durable(): number {
    return this.#durable;
  }

  /** Begins, by the first question or in a second; until then, whatever is asked is refused. */
  start(): void {
    if (this.#process !== null || this.#isClosing || this.#cancelBegin !== null) return;
    this.#cancelBegin = this.#timers.after(BEGIN_MS, () => {
      this.#begin();
    });
  }

  /** Starts the process, if that was put off: somebody waits for what it finds. */
  hurry(): void {
    if (this.#cancelBegin !== null && !this.#isClosing) this.#begin();
  }

  #begin(): void {
    this.#cancelBegin?.();
    this.#cancelBegin = null;
    if (this.#process !== null || this.#isClosing) return;
    const { directory: folder, wait_ms, overdue_ms } = this.#options;
    const spawn = (): RecordsThread => {
      const thread = this.#spawn({ folder, wait_ms, overdue_ms, durable: this.#durable });
      for (const [id, { filter, extent, after, held }] of this.#followers)
        if (!held) thread.postMessage({ kind: "follow", id, filter, after, extent });
      return thread;
    };
    const owner: ThreadOwner<FromRecords> = {
      received: (message) => {
        this.#receive(message);
      },
      died: ({ message }) => {
        this.#isOpen = false;
        this.#refuseAll();
        if (!this.#isClosing) this.#events.failed(`its process ended: ${message}`);
      },
    };
    this.#process = new SupervisedThread(spawn, owner, this.#timers, RESTART_MS);
  }

  /** Records up to this one are on disk. */
  durableTo(seq: number): void {
    this.#durable = seq;
    if (this.#telling) return;
    this.#telling = true;
    this.#timers.after(DURABLE_MS, () => {
      this.#telling = false;
      this.#process?.post({ kind: "durable", seq: this.#durable });
    });
  }

  /**
   * @returns JSON; null where there is no such record
   * @throws Problem `index_unavailable`; `parameter_invalid` if a summary has too many groups, or the question takes too long or too much memory
   */
  ask(ask: RecordQuestion): Promise<string | null> {
    this.hurry();
    if (this.#process?.running !== true || this.#isClosing || this.#questions.size >= this.#options.questions_max)
      return Promise.reject(new Problem("index_unavailable"));
    const id = this.#nextId++;
    this.#process.post({ kind: "ask", id, ask, durable: this.#durable });
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
    });
  }

  /**
   * Tells of all records after this one that match, in order, each once, whatever becomes of the process. It doesn't start one before its
   * time: whoever waits for what it tells calls `hurry`.
   */
  follow(filter: RecordFilter, after: number, tell: (told: MatchedPage) => void, extent: Extent = "all"): Following {
    const id = this.#nextId++;
    const follower: Follower = { filter, extent, after, held: false, tell };
    this.#followers.set(id, follower);
    // A process that starts receives all followers.
    this.#process?.post({ kind: "follow", id, filter, after, extent });
    return {
      get after() {
        return follower.after;
      },
      goOn: () => {
        if (!follower.held || !this.#followers.has(id)) return;
        follower.held = false;
        this.#process?.post({ kind: "follow", id, filter, after: follower.after, extent });
      },
      stop: () => {
        this.#followers.delete(id);
        this.#process?.post({ kind: "unfollow", id });
      },
    };
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#cancelBegin?.();
    // All that it has is derived: nothing is lost with one that hasn't opened it yet.
    await (this.#isOpen ? this.#process?.close({ kind: "close" }) : this.#process?.end());
    this.#refuseAll();
  }

  #receive(message: Exclude<FromRecords, { kind: "closed" }>): void {
    switch (message.kind) {
      case "opened":
        this.#isOpen = true;
        this.#indexedTo = message.seq;
        this.#events.opened(message.seq, message.removed);
        return;
      case "indexed":
        this.#indexedTo = message.seq;
        return;
      case "answered":
        this.#question(message.id)?.resolve(message.text);
        return;
      case "refused":
        this.#question(message.id)?.reject(problemOf(message.why));
        return;
      case "sent":
        this.#tell(message);
        return;
      case "lacking":
        this.#events.lacking(message.records, message.first);
        return;
      case "failed":
        this.#events.failed(message.detail);
    }
  }

  #tell({ id, items, seqs, to }: Extract<FromRecords, { kind: "sent" }>): void {
    const follower = this.#followers.get(id);
    if (follower === undefined || follower.held) return;
    follower.after = to;
    follower.held = items.length > 0;
    follower.tell({ items, seqs, to });
  }

  #question(id: number): Question | undefined {
    const question = this.#questions.get(id);
    this.#questions.delete(id);
    return question;
  }

  #refuseAll(): void {
    const refused = [...this.#questions.values()];
    this.#questions.clear();
    for (const { reject } of refused) reject(new Problem("index_unavailable"));
  }
}

function problemOf(why: RefusedWhy): Problem {
  if (why === "unavailable") return new Problem("index_unavailable");
  if (why === "too_dear")
    return new Problem("parameter_invalid", { field: "from", expected: "a range, and filters, that fewer records match" });
  return new Problem("parameter_invalid", { field: "by", expected: "fields, and filters, that leave fewer groups" });
}
