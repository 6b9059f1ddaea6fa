/**
 * Second feed of a shared store, on a stream of its own. A copy of a change has the change's revision in its subject, which the server
 * takes once, whoever copies it. While the servers elect a leader for one of the two streams, the other one goes on.
 */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { errorMessage } from "../system/error_message.js";
import { pause, type Timers } from "../system/index.js";
import { NatsFeed, StreamReader, understood, FeedUnreadable } from "./nats_feed.js";
import { copySubjectsOf, type CopySubjects } from "./nats_keys.js";
import { LAST_SEQUENCE, OTHER_IS_STORED, answersWithin, idOf, streamOf, type PublishAck } from "./nats_streams.js";
import { writtenChange } from "./rows.js";
import { isChange, type Change, type CopyFeed, type FeedTaker, type Mark } from "./store.js";

interface Servers {
  connection: NatsConnection;
  jsm: JetStreamManager;
}

const STEP_DOWN_MS = 2000;
const COPY_RETRY_MS = 25;
const COPY_TRIES = 400;

export class NatsCopies implements CopyFeed {
  readonly #connection: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #timers: Pick<Timers, "after">;
  readonly #id: string;
  readonly #opened_at: number;
  readonly #subjects: CopySubjects;
  readonly #marks_kept_s: number;
  readonly #reader: StreamReader;
  /** Last mark of each author from before it was opened. */
  readonly #marksBefore: readonly Mark[];
  /** Called if the stream has something that this version doesn't understand. */
  broken: (cause: FeedUnreadable) => void = () => undefined;
  #feed: NatsFeed | null = null;
  /** Revisions of the changes that are being copied. */
  readonly #copying = new Set<number>();

  /** Creates the stream if it is missing. */
  static async open(
    options: { name: string; replicas: number; marks_kept_s: number },
    servers: Servers,
    timers: Pick<Timers, "after">,
  ): Promise<NatsCopies> {
    const subjects = copySubjectsOf(options.name);
    const name = `REMIT_${options.name}_COPIES`;
    const info = await streamOf(servers.jsm, timers, options, { name, subjects, isBatched: false });
    const itemOf = understood("the second feed", subjects, ({ sequence, subject, write }, value) => {
      const revision = value["revision"] as number;
      if (!Number.isSafeInteger(revision) || subjects.ofCopy(revision) !== subject) throw new Error("its subject is another change's");
      return { sequence, content: { revision, ...writtenChange(value) }, write };
    });
    const reader = new StreamReader(servers.jsm, { name, subjects, itemOf });
    const marks = new Map<string, Mark>();
    try {
      for await (const items of reader.between(0, info.state.last_seq))
        for (const { content } of items) if (!isChange(content)) marks.set(content.by, { ...content, passed: true });
    } catch (cause) {
      // Who follows it comes to the same message.
      if (!(cause instanceof FeedUnreadable)) throw cause;
    }
    return new NatsCopies(options, servers, timers, { info, subjects, reader, marks: [...marks.values()] });
  }

  private constructor(
    { marks_kept_s }: { marks_kept_s: number },
    { connection, jsm }: Servers,
    timers: Pick<Timers, "after">,
    { info, subjects, reader, marks }: { info: StreamInfo; subjects: CopySubjects; reader: StreamReader; marks: readonly Mark[] },
  ) {
    this.#connection = connection;
    this.#jsm = jsm;
    this.#timers = timers;
    this.#marks_kept_s = marks_kept_s;
    this.#id = idOf(info);
    this.#opened_at = info.state.last_seq;
    this.#subjects = subjects;
    this.#reader = reader;
    this.#marksBefore = marks;
  }

  /** Passes on the last marks from before it was opened, in this turn; then every copy, and the marks from after. There is one follower. */
  follow(take: FeedTaker): () => void {
    if (this.#marksBefore.length > 0) {
      try {
        take(this.#marksBefore);
      } catch (cause) {
        this.broken(new FeedUnreadable(errorMessage(cause), { cause }));
        return () => undefined;
      }
    }
    this.#feed = new NatsFeed(this.#connection, this.#reader, this.#timers, 0, {
      take: (items) => {
        // A mark from before says nothing of now, unless it comes now.
        const news = items.filter(({ sequence, content }) => isChange(content) || sequence > this.#opened_at || content.passed === true);
        take(news.map(({ content }) => content));
      },
      broken: (cause) => {
        this.broken(cause);
      },
    });
    return () => {
      this.close();
    };
  }

  mark(mark: Mark): void {
    if (this.#connection.isClosed()) return;
    const said = headers();
    said.set("Nats-TTL", `${this.#marks_kept_s}s`);
    this.#connection.publish(this.#subjects.ofMarks(mark.by), JSON.stringify(mark), { headers: said });
  }

  copy(change: Change): void {
    const { revision } = change;
    if (this.#copying.has(revision)) return;
    this.#copying.add(revision);
    void this.#copied(change).finally(() => this.#copying.delete(revision));
  }

  /** Copies it until the server has it, for as long as an election may take. */
  async #copied({ revision, key, value, by, time, reason, change }: Change): Promise<void> {
    const data = JSON.stringify({ revision, key, value: JSON.stringify(value), by, time, reason, change });
    const said = headers();
    said.set(LAST_SEQUENCE, "0");
    for (let tries = 0; tries < COPY_TRIES && !this.#connection.isClosed(); tries++) {
      try {
        const answer = await this.#connection.request(this.#subjects.ofCopy(revision), data, {
          headers: said,
          timeout: answersWithin(tries),
        });
        const { error } = answer.json<PublishAck>();
        // Refused for one that is there: somebody has copied it. One that is under way may be lost yet.
        if (error === undefined || error.err_code === OTHER_IS_STORED) return;
      } catch {
        // Nobody leads the stream, or the connection is lost.
      }
      await pause(this.#timers, COPY_RETRY_MS);
    }
  }

  /** Looks whether the stream is still the one that was opened, and which server leads it. @throws Error of the servers */
  async look(): Promise<{ isSame: boolean; leader: string | null }> {
    const info = await this.#jsm.streams.info(this.#reader.stream.name);
    return { isSame: idOf(info) === this.#id, leader: info.cluster?.leader ?? null };
  }

  /** Asks the server that leads the stream to let another lead it. */
  async moveLeader(): Promise<void> {
    await this.#connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${this.#reader.stream.name}`, "", { timeout: STEP_DOWN_MS });
  }

  close(): void {
    this.#feed?.close();
  }
}
