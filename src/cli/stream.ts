/** Follows a stream of server-sent events, whatever becomes of the connection. */
import { backOffMs } from "../system/attempts.js";
import { sleep, systemTimers } from "../system/index.js";
import { Client, type QueryMembers, type ServiceFlags } from "./client.js";
import { EventReader } from "../client/event_source.js";
import { CliError } from "./exit.js";
import type { Ui } from "./ui.js";

export interface StreamEvent {
  event: string;
  data: unknown;
}

/** Until the service says how often something comes. */
const SILENT_MS_MAX = 30_000;
const HEARTBEATS_MISSED = 3;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 30_000;

/**
 * Yields events until the consumer has enough.
 * @param after what to begin after; left out: now
 * @throws CliError for what won't be other at another attempt
 */
export async function* followed(
  options: ServiceFlags,
  path: string,
  query: QueryMembers,
  after: number | string | undefined,
  ui: Ui,
): AsyncGenerator<StreamEvent> {
  const following = { lastId: null as string | null, failed: 0, connected: false, told: false };
  for (;;) {
    const reader = new EventReader();
    try {
      // Made anew each time: the file may hold another token by now.
      const client = new Client(options);
      const { lastId } = following;
      const request = lastId === null ? { query: { ...query, after } } : { query, last_event_id: lastId };
      for await (const streamed of eventsOf(client, reader, path, request)) {
        Object.assign(following, { failed: 0, connected: true, told: false });
        yield streamed;
      }
    } catch (cause) {
      if (!(cause instanceof CliError) || cause.exit !== "unavailable" || !following.connected) throw cause;
      if (!following.told) ui.err(`${cause.message}; trying again`);
      following.told = true;
    }
    following.lastId = reader.lastId ?? following.lastId;
    await sleep(backOffMs({ retry_ms: reader.retry_ms ?? RETRY_MS, retry_max_ms: RETRY_MS_MAX }, ++following.failed));
  }
}

interface StreamRequest {
  query: QueryMembers;
  last_event_id?: string;
}

/** Yields events of one connection, until it ends or is silent for too long. @throws CliError */
async function* eventsOf(client: Client, reader: EventReader, path: string, request: StreamRequest): AsyncGenerator<StreamEvent> {
  const silence = new AbortController();
  let silent_ms = SILENT_MS_MAX;
  let cancel = (): void => undefined;
  const wait = (): void => {
    cancel();
    cancel = systemTimers.after(silent_ms, () => {
      silence.abort();
    });
  };
  wait();
  try {
    const { body } = await client.open("GET", path, { ...request, signal: silence.signal });
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      for (const { event, data: text } of reader.read(chunk)) {
        const data = JSON.parse(text) as unknown;
        if (event === "ready") silent_ms = HEARTBEATS_MISSED * (data as { heartbeat_ms: number }).heartbeat_ms;
        yield { event, data };
      }
      wait();
    }
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError("unavailable", "the connection broke off", null, { cause });
  } finally {
    cancel();
    silence.abort();
  }
}
