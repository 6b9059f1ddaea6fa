/**
 * The store of several nodes, on a stream of NATS JetStream: a change is a message, its revision the message's sequence. Each key has a
 * subject of its own, by which the server compares and sets; several writes are one atomic batch. Marks are messages that expire.
 */
import { randomUUID } from "node:crypto";
import { jetstreamManager, type JetStreamManager, type StreamInfo } from "@nats-io/jetstream";
import { connect, headers, type MsgHdrs, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import { errorMessage } from "../system/error_message.js";
import { pause, type System, type Timers } from "../system/index.js";
import { without } from "../system/without.js";
import { FeedFollowers } from "./followers.js";
import { NatsCopies } from "./nats_copies.js";
import { dialing } from "./nats_dialing.js";
import { NatsStates } from "./nats_states.js";
import { NatsFeed, StreamReader, WRITE_ID, FeedUnreadable, factsStream, type Item } from "./nats_feed.js";
import { subjectsOf, type KeySubjects } from "./nats_keys.js";
import { LAST_SEQUENCE, WRONG_LAST_SEQUENCE, answersWithin, idOf, isNotFound, streamOf, type PublishAck } from "./nats_streams.js";
import { changeOf, checkQuery, checkedCall, type NewRow, type NewRows } from "./rows.js";
import { StoreConflict, StoreInvalid, StoreUnavailable, StoreUnsure, isChange } from "./store.js";
import type { Change, ChangeFilter, FeedTaker, Guard, Mark, Store, Write } from "./store.js";

export interface NatsStoreOptions {
  /** Name of the cluster: a word. Nodes of one name share a stream. */
  name: string;
  connection: Pick<NodeConnectionOptions, "servers" | "tls" | "authenticator" | "user" | "pass">;
  /** Copies of the stream, on as many servers. */
  replicas: number;
  /** Time for which marks are kept. */
  marks_kept_s: number;
  /** Time that a write waits for its outcome. */
  unsure_after_ms: number;
  /** Kinds of keys that guards may name, such as `agent`. */
  guarded: readonly string[];
  /** Returns true for changes that the second feed carries too. */
  isCopied: (change: Change) => boolean;
}

export interface NatsStoreEvents {
  unavailable(detail: string): void;
  ready(revision: number): void;
  /** Reports that nothing more is read: the feed has a message that this version doesn't understand. */
  broken(cause: Error): void;
}

/** Milliseconds after which a request without an answer is repeated. */
const REQUEST_MS = 2000;
/** Pause before a write is tried again, doubled each time. */
const RETRY_MS = 25;
const RETRY_MS_MAX = 200;
const WRITES_AT_ONCE = 16;
/** Attempts of a write, between any two of which another key of its kind has changed, before it waits a moment. */
const KIND_TRIES = 4;
const PING_MS = 1000;
const PINGS_LOST_MAX = 2;
const CONNECT_MS = 5000;
const GUARDED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject";

/** Streams of both feeds as the servers have them. */
export interface StreamsSeen {
  /** False if one was deleted or replaced. */
  areSame: boolean;
  /** Servers that lead them, first that of all facts; null without a leader. */
  leaders: [facts: string | null, copies: string | null];
}

interface SendOptions {
  /** Identity of the write, by which it is found again. */
  id: string;
  /** Milliseconds for which its answer is waited for. */
  within_ms: number;
}

type WriteResult = { revisions: number[] } | "conflict" | "closed";
type PublishResult = { revisions: number[] } | "conflict" | "unknown";

export class NatsStore implements Store {
  readonly #options: NatsStoreOptions;
  readonly #timers: Timers;
  readonly #events: NatsStoreEvents;
  readonly #connection: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #stream: string;
  readonly #subjects: KeySubjects;
  readonly #reader: StreamReader;
  readonly #followers: FeedFollowers;
  readonly #feed: NatsFeed;
  /** Last mark of each author from before the store was opened. */
  readonly #marksBefore: readonly Mark[];
  /** Identity of the stream: another one is another feed, whatever its name. */
  readonly id: string;
  /** Sequence that the stream had reached when it was opened. */
  readonly opened_at: number;
  /** Second feed, on a stream that another server leads. */
  readonly copies: NatsCopies;
  /** Texts beside the feeds. */
  readonly states: NatsStates;
  /** Sequence of the last change of each kind that came by the feed, to say what a guard expects. */
  readonly #lastOfKind = new Map<string, number>();
  readonly #writing = new Set<Promise<unknown>>();
  #underWay = 0;
  readonly #queue: (() => void)[] = [];
  #revision: number;
  #state: "working" | "disconnected" | "broken" | "closed" = "working";

  /**
   * Connects, and creates the stream if it is missing.
   * @throws StoreUnavailable
   */
  static async open(
    options: NatsStoreOptions,
    { clock, timers }: Pick<System, "clock" | "timers">,
    events: NatsStoreEvents,
  ): Promise<NatsStore> {
    const connection = await connect({
      ...options.connection,
      name: `remit ${options.name}`,
      pingInterval: PING_MS,
      maxPingOut: PINGS_LOST_MAX,
      maxReconnectAttempts: -1,
      ...dialing(clock),
      // All servers are named by the configuration.
      ignoreClusterUpdates: true,
      timeout: CONNECT_MS,
    }).catch((cause: unknown) => {
      throw new StoreUnavailable(`no server of the cluster can be reached: ${errorMessage(cause)}`);
    });
    try {
      const jsm = await jetstreamManager(connection, { timeout: REQUEST_MS, checkAPI: false });
      const subjects = subjectsOf(options.name);
      const info = await streamOf(jsm, timers, options, { name: `REMIT_${options.name}`, subjects, isBatched: true });
      const reader = new StreamReader(jsm, factsStream(info.config.name, subjects));
      const kinds = new Map<string, number>();
      const marks = new Map<string, Mark>();
      let revision = 0;
      for await (const items of reader.between(0, info.state.last_seq))
        for (const { content } of items) {
          if (!isChange(content)) {
            marks.set(content.by, { ...content, passed: true });
            continue;
          }
          revision = content.revision;
          kinds.set(kindOf(content.key), revision);
        }
      const opened = { connection, jsm, subjects, info, reader, revision, kinds, marks: [...marks.values()] };
      const copies = await NatsCopies.open(options, { connection, jsm }, timers);
      const states = await NatsStates.open(options, { connection, jsm }, timers);
      return new NatsStore(options, timers, events, { ...opened, copies, states });
    } catch (cause) {
      await connection.close();
      throw cause instanceof StoreUnavailable ? cause : new StoreUnavailable(errorMessage(cause));
    }
  }

  private constructor(
    options: NatsStoreOptions,
    timers: Timers,
    events: NatsStoreEvents,
    opened: {
      connection: NatsConnection;
      jsm: JetStreamManager;
      subjects: KeySubjects;
      info: StreamInfo;
      reader: StreamReader;
      revision: number;
      kinds: Map<string, number>;
      marks: readonly Mark[];
      copies: NatsCopies;
      states: NatsStates;
    },
  ) {
    this.#options = options;
    this.#timers = timers;
    this.#events = events;
    this.#connection = opened.connection;
    this.#jsm = opened.jsm;
    this.#subjects = opened.subjects;
    this.#stream = opened.info.config.name;
    this.#reader = opened.reader;
    this.copies = opened.copies;
    this.states = opened.states;
    this.copies.broken = (cause) => {
      this.#break(cause);
    };
    this.#revision = opened.revision;
    this.id = idOf(opened.info);
    this.opened_at = opened.info.state.last_seq;
    this.#marksBefore = opened.marks;
    for (const [kind, last] of opened.kinds) this.#lastOfKind.set(kind, last);
    this.#followers = new FeedFollowers(
      (after, limit) => this.changes(after, limit),
      timers,
      (cause) => {
        this.#feed.close();
        this.#break(new FeedUnreadable(errorMessage(cause), { cause }));
      },
    );
    this.#feed = new NatsFeed(this.#connection, this.#reader, timers, this.opened_at, {
      take: (items) => {
        this.#take(items);
      },
      broken: (cause) => {
        this.#break(cause);
      },
    });
    void this.#watch();
  }

  get revision(): number {
    return this.#revision;
  }

  get healthy(): boolean {
    return this.#state === "working";
  }

  /** Connection over which nodes talk to one another beside the feed. */
  get connection(): NatsConnection {
    return this.#connection;
  }

  async write(writes: readonly Write[], guard?: Guard): Promise<number[]> {
    const call = checkedCall(writes, guard);
    if (guard !== undefined && !this.#options.guarded.includes(guard.prefix.slice(0, -1)))
      throw new StoreInvalid("/guard/prefix", `one of ${this.#options.guarded.join("/, ")}/`);
    this.#needHealth();
    const id = randomUUID();
    const settled = this.#inOrder(call, id);
    this.#writing.add(settled);
    const forget = (): boolean => this.#writing.delete(settled);
    settled.then(forget, forget);
    const outcome = await Promise.race([settled, pause(this.#timers, this.#options.unsure_after_ms).then(() => "late" as const)]);
    if (outcome !== "late") return this.#answer(call, outcome);
    const known = settled.then((later) => (later === "conflict" || later === "closed" ? null : later.revisions));
    throw new StoreUnsure("no server has said whether the change is made", known);
  }

  follow(after: number, take: FeedTaker): () => void {
    return this.#followers.add(after, take, this.#feed.at, this.#marksBefore);
  }

  mark(mark: Mark): void {
    if (this.#state === "closed" || this.#connection.isClosed()) return;
    const said = headers();
    said.set("Nats-TTL", `${this.#options.marks_kept_s}s`);
    this.#connection.publish(this.#subjects.ofMarks(mark.by), JSON.stringify(mark), { headers: said });
  }

  async *entries(passing?: (changes: readonly Change[]) => Promise<void>): AsyncGenerator<Change[]> {
    const last = new Map<string, Change>();
    for await (const items of this.#reading(0, await this.#head())) {
      const changes = items.map(({ content }) => content).filter(isChange);
      await passing?.(changes);
      for (const change of changes) {
        last.delete(change.key);
        last.set(change.key, change);
      }
    }
    const latest = [...last.values()];
    for (let from = 0; from < latest.length; from += 1000) yield latest.slice(from, from + 1000);
  }

  async changes(after: number, limit: number, filter: ChangeFilter = {}): Promise<Change[]> {
    checkQuery(after, limit, filter);
    this.#needHealth();
    const { key, prefix = "" } = filter;
    const subject = key === undefined ? this.#subjects.ofKind(prefix) : this.#subjects.ofKey(key);
    if (subject !== null) return await this.#changesOf(subject, after, limit);
    const found: Change[] = [];
    for await (const items of this.#reading(after, await this.#head())) {
      for (const { content } of items) if (isChange(content) && content.key.startsWith(prefix)) found.push(content);
      if (found.length >= limit) break;
    }
    return found.slice(0, limit);
  }

  backup(): Promise<void> {
    return Promise.reject(new StoreUnavailable("a shared store is backed up by `nats stream backup`, not by one of its nodes"));
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const writing = [...this.#writing];
    const within = pause(this.#timers, this.#options.unsure_after_ms);
    this.#state = "closed";
    await Promise.race([Promise.allSettled(writing), within]);
    this.#feed.close();
    this.copies.close();
    await this.#connection.close();
  }

  /**
   * Looks whether the streams are still those that were opened, and which servers lead them.
   * @throws StoreUnavailable if nobody can say
   */
  async look(): Promise<StreamsSeen> {
    try {
      const [facts, copies, areStatesSame] = await Promise.all([
        this.#jsm.streams.info(this.#stream),
        this.copies.look(),
        this.states.isSame(),
      ]);
      return {
        areSame: idOf(facts) === this.id && copies.isSame && areStatesSame,
        leaders: [facts.cluster?.leader ?? null, copies.leader],
      };
    } catch (cause) {
      if (isNotFound(cause)) return { areSame: false, leaders: [null, null] };
      throw new StoreUnavailable(errorMessage(cause));
    }
  }

  async #changesOf(subject: string, after: number, limit: number): Promise<Change[]> {
    const found: Change[] = [];
    for (let at = after; found.length < limit;) {
      const item = await this.#asked(this.#reader.next(at + 1, subject));
      if (item === null) break;
      at = item.sequence;
      if (isChange(item.content)) found.push(item.content);
    }
    return found;
  }

  async *#reading(after: number, to: number): AsyncGenerator<Item[]> {
    try {
      yield* this.#reader.between(after, to);
    } catch (cause) {
      throw new StoreUnavailable(errorMessage(cause));
    }
  }

  /** Sequence up to which a read has to come to have all that this store has answered or passed on. */
  async #head(): Promise<number> {
    this.#needHealth();
    const { state } = await this.#asked(this.#jsm.streams.info(this.#stream));
    return Math.max(state.last_seq, this.#revision, this.#feed.at);
  }

  async #asked<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (cause) {
      throw new StoreUnavailable(errorMessage(cause));
    }
  }

  /** Makes writes in the order of their calls, some at a time: the server takes a bounded number of batches at once. */
  async #inOrder(call: NewRows, id: string): Promise<WriteResult> {
    if (this.#underWay >= WRITES_AT_ONCE)
      await new Promise<void>((resolve) => {
        this.#queue.push(resolve);
      });
    else this.#underWay++;
    try {
      return await this.#settle(call, id);
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#underWay--;
      else next();
    }
  }

  /** Repeats the very same write until its outcome is known. */
  async #settle(call: NewRows, id: string): Promise<WriteResult> {
    for (let tries = 0; ; tries++) {
      const isRepeated = tries > 0;
      let outcome: PublishResult = "unknown";
      try {
        if (isRepeated) outcome = await this.#madeBefore(call, id);
        // Others are to be made in their order, and a batch is much to have twice on a server that is slow.
        const isAlone = this.#underWay === 1 && call.rows.length === 1;
        if (outcome === "unknown") outcome = await this.#publish(call, { id, within_ms: isAlone ? answersWithin(tries) : REQUEST_MS });
        // A write that is refused for another may be refused for itself: its answer was lost, or it is still under way.
        if (outcome === "conflict" && isRepeated) {
          if (await this.#isAsExpected(call)) outcome = "unknown";
          else {
            const made = await this.#madeBefore(call, id);
            if (made !== "unknown") return made;
          }
        }
      } catch {
        outcome = "unknown";
      }
      if (outcome !== "unknown") return outcome;
      if (this.#connection.isClosed()) return "closed";
      await pause(this.#timers, Math.min(RETRY_MS * 2 ** tries, RETRY_MS_MAX));
    }
  }

  async #answer(call: NewRows, outcome: WriteResult): Promise<number[]> {
    if (outcome === "closed") throw new StoreUnavailable("it is closed");
    if (outcome === "conflict") throw await this.#conflict(call);
    const { revisions } = outcome;
    this.#revision = Math.max(this.#revision, ...revisions.slice(-1));
    for (const [i, revision] of revisions.entries()) {
      const row = call.rows[i];
      const change = row && changeOf({ ...without(row, "expected"), revision });
      if (change !== undefined && this.#options.isCopied(change)) this.copies.copy(change);
    }
    return revisions;
  }

  /**
   * The server compares a kind with what is stored, and not with what is under way on keys of it; with writes under way that are compared
   * by the kind too it does. So each write of a kind that guards name is compared so, whether or not it has a guard itself.
   */
  async #publish(call: NewRows, send: SendOptions): Promise<PublishResult> {
    const { rows, guard } = call;
    const kind = this.#options.guarded.find((one) => rows.some(({ key }) => kindOf(key) === one));
    if (guard !== null) {
      const guarded = this.#guarded(guard);
      if (guarded === "broken" || !(await this.#areLast(rows))) return "conflict";
      return await this.#send(call, send, guarded);
    }
    if (kind === undefined) return await this.#send(call, send, null);
    const subject = this.#subjects.ofKind(`${kind}/`) ?? "";
    for (let tries = 0; tries < KIND_TRIES; tries++) {
      const last = await this.#lastOf(subject);
      if (!(await this.#areLast(rows))) return "conflict";
      const outcome = await this.#send(call, send, { subject, kind, last });
      if (outcome !== "conflict") return outcome;
      // Another key of the kind has changed, or a key of these.
    }
    return "unknown";
  }

  /** @param guarded state that the kind of some keys has to have */
  async #send({ rows }: NewRows, { id, within_ms }: SendOptions, guarded: GuardedKind | null): Promise<PublishResult> {
    // One message of the kind carries the guard; the others of the call are compared by their own keys.
    const guarding = guarded === null ? undefined : rows.find(({ key }) => kindOf(key) === guarded.kind)?.key;
    const messages = rows.map((row) => this.#message(row, id, guarded !== null && row.key === guarding ? guarded : null));
    const last = messages.pop();
    if (last === undefined) throw new Error("a call has no writes");
    if (messages.length > 0) {
      const batch = randomUUID();
      for (const [index, { headers: said }] of [...messages, last].entries()) {
        said.set("Nats-Batch-Id", batch);
        said.set("Nats-Batch-Sequence", String(index + 1));
      }
      last.headers.set("Nats-Batch-Commit", "1");
    }
    for (const message of messages) this.#connection.publish(message.subject, message.data, { headers: message.headers });
    const answer = await this.#connection.request(last.subject, last.data, { headers: last.headers, timeout: within_ms });
    return outcomeOf(answer.json<PublishAck>(), rows.length);
  }

  #message({ expected, ...content }: NewRow, id: string, guarded: GuardedKind | null): { subject: string; data: string; headers: MsgHdrs } {
    const said = headers();
    said.set(WRITE_ID, id);
    said.set(LAST_SEQUENCE, String(guarded?.last ?? expected));
    if (guarded !== null) said.set(GUARDED_SUBJECT, guarded.subject);
    return { subject: this.#subjects.ofKey(content.key), data: JSON.stringify(content), headers: said };
  }

  /** Returns the state that a guard expects of its subject; `broken` if a change that is known already breaks it. */
  #guarded({ prefix, since }: Guard): GuardedKind | "broken" {
    const subject = this.#subjects.ofKind(prefix);
    if (subject === null) throw new Error(`${prefix} is no kind of keys`);
    const kind = prefix.slice(0, -1);
    const last = this.#lastOfKind.get(kind) ?? 0;
    return last > since ? "broken" : { subject, kind, last };
  }

  /** Returns whether each key's last change is the expected one: under a guard, the server compares the kind and not the key. */
  async #areLast(rows: readonly NewRow[]): Promise<boolean> {
    for (const { key, expected } of rows) if ((await this.#lastOf(this.#subjects.ofKey(key))) !== expected) return false;
    return true;
  }

  /** Returns true if nothing that is stored is a reason to refuse a call. */
  async #isAsExpected({ rows, guard }: NewRows): Promise<boolean> {
    if (guard !== null) {
      const subject = this.#subjects.ofKind(guard.prefix) ?? "";
      const last = await this.#lastOf(subject);
      if (last > guard.since) return false;
    }
    return await this.#areLast(rows);
  }

  /** Returns the sequence of a subject's last message; 0: nothing was stored there. */
  async #lastOf(subject: string): Promise<number> {
    return (await this.#jsm.streams.getMessage(this.#stream, { last_by_subj: subject }))?.seq ?? 0;
  }

  /** Looks for a write's own changes: its answer may have been lost. */
  async #madeBefore({ rows }: NewRows, id: string): Promise<PublishResult> {
    const revisions: number[] = [];
    for (const { key, expected } of rows) {
      const next = await this.#reader.next(expected + 1, this.#subjects.ofKey(key));
      if (next?.write !== id) return "unknown";
      revisions.push(next.sequence);
    }
    return { revisions };
  }

  async #conflict({ rows, guard }: NewRows): Promise<Error> {
    try {
      if (guard !== null) {
        const subject = this.#subjects.ofKind(guard.prefix) ?? "";
        const found = await this.#lastOf(subject);
        if (found > guard.since) return new StoreConflict(guard.prefix, guard.since, found);
      }
      for (const { key, expected } of rows) {
        const found = await this.#lastOf(this.#subjects.ofKey(key));
        if (found !== expected) return new StoreConflict(key, expected, found);
      }
    } catch (cause) {
      return new StoreUnavailable(errorMessage(cause));
    }
    const [first] = rows;
    return new StoreConflict(first?.key ?? "", first?.expected ?? 0, first?.expected ?? 0);
  }

  #take(items: Item[]): void {
    for (const { content } of items) {
      if (!isChange(content)) continue;
      this.#revision = Math.max(this.#revision, content.revision);
      this.#lastOfKind.set(kindOf(content.key), content.revision);
    }
    this.#followers.pass(items.map(({ content }) => content));
  }

  #break(cause: FeedUnreadable): void {
    if (this.#state === "closed") return;
    this.#state = "broken";
    this.#events.broken(cause);
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (this.#state === "closed" || this.#state === "broken") return;
      if (type === "disconnect" && this.#state === "working") {
        this.#state = "disconnected";
        this.#events.unavailable("the connection to the cluster's servers is lost");
      } else if (type === "reconnect") {
        this.#state = "working";
        this.#events.ready(this.#revision);
      }
    }
  }

  #needHealth(): void {
    if (this.#state === "closed") throw new StoreUnavailable("it is closed");
    if (this.#state === "broken") throw new StoreUnavailable("its feed can't be read");
    if (this.#state === "disconnected") throw new StoreUnavailable("no server of the cluster is connected");
  }
}

interface GuardedKind {
  subject: string;
  kind: string;
  /** Sequence that the subject's last message has to have. */
  last: number;
}

function outcomeOf({ seq, error }: PublishAck, count: number): PublishResult {
  if (error !== undefined) return WRONG_LAST_SEQUENCE.has(error.err_code ?? 0) ? "conflict" : "unknown";
  if (seq === undefined) return "unknown";
  return { revisions: Array.from({ length: count }, (_, i) => seq - count + 1 + i) };
}

const kindOf = (key: string): string => key.slice(0, Math.max(0, key.indexOf("/")));
