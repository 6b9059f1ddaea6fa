/**
 * Texts of a shared store beside its feeds, each of which the nodes read whole and replace: one message a subject, on a stream of their own. They
 * are read from the stream's leader; a write names the message that it replaces.
 */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import type { Timers } from "../system/index.js";
import { stateSubjectOf } from "./nats_keys.js";
import { LAST_SEQUENCE, WRONG_LAST_SEQUENCE, idOf, statesStreamOf, type PublishAck } from "./nats_streams.js";

const REQUEST_MS = 2000;
/** No message lives for less. */
const KEPT_S_MIN = 1;

export class NatsStates {
  readonly #connection: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #stream: string;
  readonly #id: string;
  readonly #subjectOf: (key: string) => string;

  /** Creates the stream if it is missing. */
  static async open(
    options: { name: string; replicas: number },
    { connection, jsm }: { connection: NatsConnection; jsm: JetStreamManager },
    timers: Pick<Timers, "after">,
  ): Promise<NatsStates> {
    const subjectOf = stateSubjectOf(options.name);
    const info = await statesStreamOf(jsm, timers, options, { name: `REMIT_${options.name}_STATES`, subject: subjectOf(null) });
    return new NatsStates(connection, jsm, info, subjectOf);
  }

  private constructor(connection: NatsConnection, jsm: JetStreamManager, info: StreamInfo, subjectOf: (key: string) => string) {
    this.#connection = connection;
    this.#jsm = jsm;
    this.#stream = info.config.name;
    this.#id = idOf(info);
    this.#subjectOf = subjectOf;
  }

  /** Returns whether the stream is still the one that was opened. @throws where nobody can say */
  async isSame(): Promise<boolean> {
    return idOf(await this.#jsm.streams.info(this.#stream)) === this.#id;
  }

  /** Returns the text of a key with its message's sequence; 0 and null: it has no text. @throws where nobody can say */
  async read(key: string): Promise<{ revision: number; text: string | null }> {
    const message = await this.#jsm.streams.getMessage(this.#stream, { last_by_subj: this.#subjectOf(key) });
    if (message === null) return { revision: 0, text: null };
    return { revision: message.seq, text: message.string() };
  }

  /**
   * Replaces the text of a key if its message is still the expected one; 0: if it has no text.
   * @param kept_ms milliseconds after which it is gone; null: never
   * @returns false if another one is there
   * @throws where nobody can say whether it is written
   */
  async write(key: string, text: string, expected: number, kept_ms: number | null): Promise<boolean> {
    const said = headers();
    said.set(LAST_SEQUENCE, String(expected));
    if (kept_ms !== null) said.set("Nats-TTL", `${Math.max(KEPT_S_MIN, Math.ceil(kept_ms / 1000))}s`);
    const answer = await this.#connection.request(this.#subjectOf(key), text, { headers: said, timeout: REQUEST_MS });
    const { seq, error } = answer.json<PublishAck>();
    if (error !== undefined) {
      if (WRONG_LAST_SEQUENCE.has(error.err_code ?? 0)) return false;
      throw new Error(error.description ?? `error ${error.code} of the servers`);
    }
    if (seq === undefined) throw new Error("the servers have not said where the message is");
    return true;
  }

  /** Deletes the text of a key; a failure leaves it. */
  drop(key: string): void {
    this.#jsm.streams.purge(this.#stream, { filter: this.#subjectOf(key) }).catch(() => undefined);
  }
}
