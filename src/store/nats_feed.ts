/**
 * The stream of a shared store, read in order with nothing missing: what the server sends again is taken if it is next, and a gap is read
 * from the stream. A gap is filled once something behind it has been read, since replicas apply in order: what still lacks is gone.
 */
import type { JetStreamManager, MsgRequest, StoredMsg } from "@nats-io/jetstream";
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { errorMessage } from "../system/error_message.js";
import { pause, type Timers } from "../system/index.js";
import { writtenChange } from "./rows.js";
import type { KeySubjects, FeedSubjects } from "./nats_keys.js";
import { isChange, type Change, type Json, type Mark } from "./store.js";

/** Message of the stream. */
export interface Item {
  sequence: number;
  content: Change | Mark;
  /** Write that a change is of; empty for a mark. */
  write: string;
}

/** A message that no node of this version wrote: nothing behind it can be trusted to be understood. */
export class FeedUnreadable extends Error {
  override readonly name = "FeedUnreadable";
}

export const WRITE_ID = "Remit-Write-Id";
/** Messages that one read brings, of a gap and of all that there is. */
const GAP_BATCH = 1000;
const ALL_BATCH = 4000;
/** Bytes of messages after which a read brings no more of them. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
const BUFFER_MAX = 10_000;
/** Reads of a gap from any replica that bring nothing, before the leader is asked. */
const REPLICA_READS = 3;
const RETRY_MS = 50;
/** Status of an answer: there is no message that late. */
const NO_MESSAGE = 404;

/** Message as the stream has it. */
export interface StoredItem {
  sequence: number;
  subject: string;
  data: Uint8Array;
  write: string;
}

/** Stream to read: where its messages are, and how one of them is understood. */
export interface FeedStream {
  name: string;
  subjects: FeedSubjects;
  /** @throws FeedUnreadable */
  itemOf(stored: StoredItem): Item;
}

/** Returns how the stream of all facts is read. */
export function factsStream(name: string, subjects: KeySubjects): FeedStream {
  const itemOf = understood("the feed", subjects, ({ sequence, subject, write }, value) => {
    const written = writtenChange(value);
    if (subjects.ofKey(written.key) !== subject) throw new Error("its subject is another key's");
    return { sequence, content: { revision: sequence, ...written }, write };
  });
  return { name, subjects, itemOf };
}

/** Returns how marks are understood, and by `changeIn` all else. */
export function understood(
  feed: string,
  subjects: FeedSubjects,
  changeIn: (stored: StoredItem, value: Record<string, unknown>) => Item,
): (stored: StoredItem) => Item {
  return (stored) => {
    const { sequence, subject, data } = stored;
    try {
      const value = JSON.parse(Buffer.from(data).toString("utf8")) as Record<string, unknown>;
      if (!subject.startsWith(subjects.marks)) return changeIn(stored, value);
      const { by, n, value: said } = value;
      if (typeof by !== "string" || !Number.isSafeInteger(n) || subjects.ofMarks(by) !== subject) throw new Error("it is no mark");
      return { sequence, content: { by, n: n as number, value: (said ?? null) as Json }, write: "" };
    } catch (cause) {
      throw new FeedUnreadable(`message ${sequence} of ${feed}: ${errorMessage(cause)}`, { cause });
    }
  };
}

export class StreamReader {
  readonly stream: FeedStream;
  readonly #jsm: JetStreamManager;

  constructor(jsm: JetStreamManager, stream: FeedStream) {
    this.#jsm = jsm;
    this.stream = stream;
  }

  /** Returns the messages from a sequence on that a replica has, as many as one read brings. One that is behind may have none of them. */
  async page(from: number, batch = GAP_BATCH): Promise<Item[]> {
    const items: Item[] = [];
    const found = await this.#jsm.direct.getBatch(this.stream.name, {
      ...{ seq: from, batch, max_bytes: BATCH_BYTES_MAX },
      next_by_subj: this.stream.subjects.all,
    });
    try {
      for await (const message of found) items.push(this.#item(message));
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== NO_MESSAGE) throw cause;
    }
    return items;
  }

  /** Returns the first message from a sequence on, as the leader has it; null if it has none. */
  async next(from: number, subject = this.stream.subjects.all): Promise<Item | null> {
    const message = await this.#jsm.streams.getMessage(this.stream.name, { seq: from, next_by_subj: subject } as MsgRequest);
    return message === null ? null : this.#item(message);
  }

  /** Yields every message after a sequence, up to another at least. @throws Error if who answers as the leader hasn't come that far */
  async *between(after: number, to: number): AsyncGenerator<Item[]> {
    let at = after;
    let coming = at < to ? this.page(at + 1, ALL_BATCH) : null;
    while (coming !== null) {
      let items = await coming;
      if (items.length === 0) {
        const next = await this.next(at + 1);
        if (next === null) {
          // What lacks has expired; unless the server no longer leads, and doesn't know it yet.
          const { state } = await this.#jsm.streams.info(this.stream.name);
          if (state.last_seq < to) throw new Error(`the stream ends at ${state.last_seq}, and was at ${to}`);
          return;
        }
        items = [next];
      }
      at = items.at(-1)?.sequence ?? at;
      // While these are used the servers look for the next.
      coming = at < to ? this.page(at + 1, ALL_BATCH) : null;
      // Who stops reading doesn't hear of its failure.
      coming?.catch(() => undefined);
      yield items;
    }
  }

  #item({ seq, subject, data, header }: StoredMsg): Item {
    return this.stream.itemOf({ sequence: seq, subject, data, write: header.get(WRITE_ID) });
  }
}

export class NatsFeed {
  readonly #reader: StreamReader;
  readonly #timers: Pick<Timers, "after">;
  readonly #take: (items: Item[]) => void;
  readonly #broken: (cause: FeedUnreadable) => void;
  readonly #subscription: Subscription;
  /** Came before what it follows on. */
  #waiting: Item[] = [];
  #filling = false;
  #closed = false;
  #at: number;

  /** @param at sequence after which it begins */
  constructor(
    connection: NatsConnection,
    reader: StreamReader,
    timers: Pick<Timers, "after">,
    at: number,
    { take, broken }: { take: (items: Item[]) => void; broken: (cause: FeedUnreadable) => void },
  ) {
    this.#reader = reader;
    this.#timers = timers;
    this.#take = take;
    this.#broken = broken;
    this.#at = at;
    this.#subscription = connection.subscribe(reader.stream.subjects.feed, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
  }

  /** Sequence up to which everything has been passed on. */
  get at(): number {
    return this.#at;
  }

  close(): void {
    this.#closed = true;
    this.#subscription.unsubscribe();
  }

  #receive({ data, headers }: Msg): void {
    if (this.#closed) return;
    const sequence = Number(headers?.get("Nats-Sequence"));
    // Sent by somebody who isn't the stream.
    if (!Number.isSafeInteger(sequence)) return;
    let item: Item;
    try {
      const { stream } = this.#reader;
      item = stream.itemOf({ sequence, subject: headers?.get("Nats-Subject") ?? "", data, write: headers?.get(WRITE_ID) ?? "" });
    } catch (cause) {
      // What was passed on before was understood.
      if (sequence > this.#at) this.#end(cause as FeedUnreadable);
      return;
    }
    if (sequence <= this.#at) {
      this.#takePassed(item);
      return;
    }
    if (!this.#filling && sequence === this.#at + 1) {
      this.#pass([item]);
      return;
    }
    // Whatever is dropped is read from the stream.
    if (this.#waiting.length >= BUFFER_MAX) this.#waiting = [];
    this.#waiting.push(item);
    if (!this.#filling) void this.#fill();
  }

  /** Passes on a mark as one that was passed: its author knows whether it was ever brought. */
  #takePassed(item: Item): void {
    if (!isChange(item.content)) this.#take([{ ...item, content: { ...item.content, passed: true } }]);
  }

  async #fill(): Promise<void> {
    this.#filling = true;
    for (let tries = 0; !this.#closed;) {
      this.#passWaiting();
      const target = this.#waiting[0]?.sequence;
      if (target === undefined) break;
      try {
        const found = tries < REPLICA_READS ? await this.#reader.page(this.#at + 1) : await this.#nextOfLeader();
        this.#pass(found);
        tries = found.length === 0 ? tries + 1 : 0;
        if (found.length > 0) continue;
      } catch (cause) {
        if (cause instanceof FeedUnreadable) {
          this.#end(cause);
          return;
        }
        tries++;
      }
      await pause(this.#timers, RETRY_MS);
    }
    this.#filling = false;
  }

  async #nextOfLeader(): Promise<Item[]> {
    const next = await this.#reader.next(this.#at + 1);
    return next === null ? [] : [next];
  }

  #passWaiting(): void {
    let ready = 0;
    this.#waiting = this.#waiting.filter(({ sequence }) => sequence > this.#at).sort((a, b) => a.sequence - b.sequence);
    while (this.#waiting[ready]?.sequence === this.#at + 1 + ready) ready++;
    this.#pass(this.#waiting.splice(0, ready));
  }

  #pass(items: Item[]): void {
    const next = items.filter(({ sequence }) => sequence > this.#at);
    if (next.length === 0 || this.#closed) return;
    this.#at = next.at(-1)?.sequence ?? this.#at;
    try {
      this.#take(next);
    } catch (cause) {
      // A later version has written something that this one doesn't know. Without it nothing behind it may be passed on.
      this.#end(new FeedUnreadable(errorMessage(cause), { cause }));
    }
  }

  #end(cause: FeedUnreadable): void {
    this.close();
    this.#broken(cause);
  }
}
