/**
 * Batches to a topic of Kafka, a message for each event. They are acknowledged once every in-sync replica has them. All messages of a log have
 * its name as key, so one partition has them, in the log's order.
 */
import { isIP } from "node:net";
import { ProduceAcks, Producer, type MultipleErrors } from "@platformatic/kafka";
import type { ExportFormat } from "../../contract/export.js";
import type { System } from "../../system/index.js";
import type { Posted } from "../../system/post.js";
import { readText } from "../../system/read_file.js";
import { readTlsFiles, type TlsFiles } from "../../system/tls_files.js";
import type { EachEvent } from "./sink.js";

export interface KafkaOptions {
  /** `host:port` of each. */
  brokers: readonly string[];
  topic: string;
  sasl?: { mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512"; username: string; password_file: string };
}

export interface KafkaPostOptions {
  /** From the first byte sent to the acknowledgement of the last message. */
  timeout_ms: number;
  format: ExportFormat;
  gzip: boolean;
  tls?: TlsFiles;
}

/** Most bytes of a batch's events: a broker takes 1 MiB by default, with what the protocol puts around each. */
export const KAFKA_BYTES_MAX = 768 * 1024;
const [OK, TOO_LARGE] = [200, 413];
/** Attempts after the first of each request, within the deadline; an idempotent producer with fewer would try for ever. */
const [RETRIES, RETRY_MS] = [2, 100];
/** Errors of a batch, or of a record by itself, that a broker will never take. */
const NEVER = ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD"];
const CONTENT_TYPES: Partial<Record<ExportFormat, string>> = {
  cloudevents: "application/cloudevents+json; charset=UTF-8",
  cef: "text/plain; charset=utf-8",
};

/** Connects to brokers when there is something to send. */
export function kafkaPoster(
  { brokers, topic, sasl }: KafkaOptions,
  { timeout_ms, format, gzip, tls }: KafkaPostOptions,
  { timers }: Pick<System, "timers">,
): { each: EachEvent; close: () => void } {
  let producer: Producer | null = null;
  let giveUp: (cause: Error) => void = () => undefined;

  // The name by which a server chooses its certificate is never an address.
  const hasNames = brokers.every((broker) => isIP(broker.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1")) === 0);
  const open = (): Producer =>
    new Producer({
      ...{ clientId: "remit", bootstrapBrokers: [...brokers], autocreateTopics: false },
      ...{ idempotent: true, acks: ProduceAcks.ALL, retries: RETRIES, retryDelay: RETRY_MS },
      ...{ timeout: timeout_ms, connectTimeout: timeout_ms, requestTimeout: timeout_ms },
      ...(tls !== undefined && { tls: readTlsFiles(tls), tlsServerName: hasNames }),
      ...(sasl !== undefined && {
        sasl: { mechanism: sasl.mechanism, username: sasl.username, password: () => readPassword(sasl.password_file) },
      }),
    });

  const drop = (): void => {
    const dropped = producer;
    producer = null;
    // What was under way fails, which nobody waits for any more.
    dropped?.close(true, () => undefined);
  };

  const each: EachEvent = async (events) => {
    const deadline = new Promise<never>((_resolve, reject) => {
      giveUp = reject;
    });
    const cancel = timers.after(timeout_ms, () => {
      giveUp(new Error(`no acknowledgement within ${timeout_ms} ms`));
    });
    try {
      producer ??= open();
      const messages = events.map(({ seq, log, text }) => ({
        topic,
        key: Buffer.from(log),
        value: text,
        headers: new Map([
          [Buffer.from("content-type"), Buffer.from(CONTENT_TYPES[format] ?? "application/json")],
          [Buffer.from("remit-record"), Buffer.from(String(seq))],
        ]),
      }));
      await Promise.race([producer.send({ messages, ...(gzip && { compression: "gzip" as const }) }), deadline]);
      return answer(OK);
    } catch (cause) {
      // What it has numbered and not sent would keep it from what follows.
      drop();
      if (isRefused(cause)) return answer(TOO_LARGE);
      throw new Error(detailOf(cause), { cause });
    } finally {
      cancel();
      // Nobody waits for the deadline any more, so nothing may fail it.
      giveUp = () => undefined;
    }
  };

  return {
    each,
    close: () => {
      giveUp(new Error("closed"));
      drop();
    },
  };
}

/** Reads a password, of one line. @throws Error if the file is empty, and whatever the disk reports */
function readPassword(file: string): string {
  const password = readText(file).replace(/\r?\n$/, "");
  if (password === "" || password.includes("\n")) throw new Error(`${file} holds no password of one line`);
  return password;
}

function answer(status: number): Posted {
  return { status, retry_after: null };
}

function isRefused(cause: unknown): boolean {
  const found = cause as Partial<MultipleErrors>;
  return NEVER.some((code) => (found.findBy?.("apiId", code) ?? null) !== null);
}

/** Returns the first of the innermost messages: those around it say only that something has failed. */
function detailOf(cause: unknown): string {
  for (let error = cause; ;) {
    const { errors = [], cause: inner, message } = error as { errors?: unknown[]; cause?: unknown; message?: string };
    const next = errors[0] ?? inner;
    if (next === undefined) return message ?? String(error);
    error = next;
  }
}
