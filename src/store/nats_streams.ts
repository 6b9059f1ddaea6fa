/** Streams of a shared store, which the first node creates with what the store relies on. */
import { randomUUID } from "node:crypto";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { pause, type Timers } from "../system/index.js";
import type { FeedSubjects } from "./nats_keys.js";
import { StoreUnavailable } from "./store.js";

const CREATE_TRIES = 20;
const RETRY_MS = 100;

export const LAST_SEQUENCE = "Nats-Expected-Last-Subject-Sequence";
/** Error code of JetStream: another sequence is the subject's last. */
export const OTHER_IS_STORED = 10071;
/** The same, or that another message is under way there. */
export const WRONG_LAST_SEQUENCE = new Set([OTHER_IS_STORED, 10164]);

const FIRST_WRITE_MS = 75;
const WRITE_MS_MAX = 2000;

/** Returns how long a write's answer is waited for until it is repeated: a server that stops in order takes some messages with it. */
export const answersWithin = (tries: number): number => Math.min(FIRST_WRITE_MS * 2 ** tries, WRITE_MS_MAX);

/** Answer of a stream to a message. */
export interface PublishAck {
  seq?: number;
  count?: number;
  error?: { code: number; err_code?: number; description?: string };
}

export interface WantedStream {
  name: string;
  subjects: FeedSubjects;
  /** True if several messages may be one write. */
  isBatched: boolean;
}

/** Returns a stream with copies on as many servers, which is created if it is missing. @throws StoreUnavailable if one with other settings is there */
export async function streamOf(
  jsm: JetStreamManager,
  timers: Pick<Timers, "after">,
  { replicas }: { replicas: number },
  { name, subjects, isBatched }: WantedStream,
): Promise<StreamInfo> {
  const wanted = {
    subjects: [subjects.all] as string[],
    retention: "limits",
    storage: "file",
    num_replicas: replicas,
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
    ...(isBatched && { allow_atomic: true }),
    allow_msg_ttl: true,
  } as const;
  return await checkedStream(jsm, timers, name, wanted, { republish: { src: subjects.all, dest: subjects.feed } });
}

/**
 * Returns a stream of texts that replace one another, each on a subject of its own, which is created if it is missing. It is read from its leader
 * alone: of another server's copy nobody knows how old it is.
 * @throws StoreUnavailable if one with other settings is there
 */
export async function statesStreamOf(
  jsm: JetStreamManager,
  timers: Pick<Timers, "after">,
  { replicas }: { replicas: number },
  { name, subject }: { name: string; subject: string },
): Promise<StreamInfo> {
  const wanted = {
    subjects: [subject],
    retention: "limits" as const,
    storage: "file" as const,
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    allow_direct: false,
    allow_msg_ttl: true,
  };
  return await checkedStream(jsm, timers, name, wanted, {});
}

type StreamSettings = Parameters<JetStreamManager["streams"]["add"]>[0];

async function checkedStream(
  jsm: JetStreamManager,
  timers: Pick<Timers, "after">,
  name: string,
  wanted: Omit<StreamSettings, "name">,
  made: Omit<StreamSettings, "name">,
): Promise<StreamInfo> {
  const info = await createdOrFound(jsm, timers, name, { name, ...wanted, ...made, metadata: { remit_feed: randomUUID() } });
  for (const [member, value] of Object.entries(wanted)) {
    const found = info.config[member as keyof typeof info.config] as unknown;
    if (JSON.stringify(found) !== JSON.stringify(value))
      throw new StoreUnavailable(`the stream ${name} has ${member} ${JSON.stringify(found)}, and needs ${JSON.stringify(value)}`);
  }
  return info;
}

/** Creates the stream, or finds the one that another node has created meanwhile. @throws the server's error once it was tried for long enough */
async function createdOrFound(
  jsm: JetStreamManager,
  timers: Pick<Timers, "after">,
  name: string,
  config: Parameters<typeof jsm.streams.add>[0],
): Promise<StreamInfo> {
  for (let tries = 1; ; tries++) {
    try {
      return await jsm.streams.info(name).catch((cause: unknown) => {
        if (!isNotFound(cause)) throw cause;
        return jsm.streams.add(config);
      });
    } catch (cause) {
      // The servers may be electing one another, or be at making it for another node.
      if (tries === CREATE_TRIES) throw cause;
    }
    await pause(timers, RETRY_MS);
  }
}

/** Identity of a stream: another one of its name is another feed. */
export const idOf = ({ created, config }: StreamInfo): string => `${config.metadata?.["remit_feed"] ?? ""} ${created}`;

export function isNotFound(cause: unknown): boolean {
  return (cause as { code?: unknown }).code === 10059;
}
