/** Connections of the guard to the server behind it: as a process of its own, or over Streamable HTTP. */
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Timers } from "../../system/index.js";
import type { Answered } from "../../client/outside.js";
import { nodeExchange, type GuardedAnswer } from "../outside.js";
import type { GuardConfig } from "./config.js";
import { Asks } from "./asks.js";
import { HttpServerEnd, PipeEnd, type End } from "./end.js";
import { MessageCount } from "./message_count.js";
import type { ServerLogin, TokenJudgement } from "./oauth/server_login.js";
import { headersOf, variablesOf } from "./server_values.js";

/** A call isn't sent twice, so it must not meet a connection that the server is about to end. */
const IDLE_MS = 4000;
/** Fetch, section 2.2.3: a `Response` of these has no body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);
/** Time that an answer that has arrived may take to be read, once its connection is over. */
const READ_MS = 1000;

/**
 * A new connection to the server.
 * @param login at the server; null: it isn't signed in to
 * @throws ServerValueError
 */
export function connectServer({ server, limits }: Pick<GuardConfig, "server" | "limits">, timers: Timers, login: ServerLogin | null): End {
  const { command, url, dir } = server;
  if (command !== undefined) {
    const [program = "", ...args] = command;
    const transport = new StdioClientTransport({
      command: program,
      args,
      env: variablesOf(server),
      ...(dir !== undefined && { cwd: dir }),
      stderr: "inherit",
      maxBufferSize: limits.message_bytes_max,
    });
    return new PipeEnd(transport, limits.waiting_bytes_max);
  }
  let end: HttpServerEnd | null = null;
  const broken = (message: string): void => {
    timers.after(READ_MS, () => {
      end?.broken(message);
    });
  };
  const headers = headersOf(server);
  const at = new URL(url ?? "");
  const exchange = signed(nodeExchange(IDLE_MS), login);
  const transport = new StreamableHTTPClientTransport(at, {
    requestInit: { headers },
    fetch: bounded(limits.message_bytes_max, exchange, signed(fetched, login), broken),
  });
  const asks = new Asks({ url: at, headers, exchange, message_bytes_max: limits.message_bytes_max });
  return (end = new HttpServerEnd(transport, asks, timers));
}

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/**
 * `fetch`, where no message of an answer is larger than the limit. An answer that ends is told of, since one that ends without
 * having answered would else be waited for; one that can be resumed isn't over when it ends.
 */
function bounded(
  bytesMax: number,
  exchange: ReturnType<typeof nodeExchange>,
  stream: Sender<StreamedAnswer>,
  ended: (request: string) => void,
): Fetch {
  return async (url, init) => {
    const sent = typeof init?.body === "string" ? init.body : null;
    const got = await (sent === null ? stream : exchange)(new URL(url), init ?? {});
    const { status, fields: headers } = got;
    if (got.body === null || BODILESS.has(status)) return new Response(null, { status, headers });
    const reader = got.body.getReader();
    const message = new MessageCount();
    const over = (): void => {
      if (sent !== null && !message.resumable) ended(sent);
    };
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const { value } = await reader.read();
          if (value === undefined) {
            controller.close();
            over();
          } else if (message.add(value) > bytesMax) {
            void reader.cancel().catch(() => undefined);
            throw new Error(`a message of more than ${bytesMax} bytes`);
          } else controller.enqueue(value);
        } catch (cause) {
          controller.error(cause);
          over();
        }
      },
      cancel: () => reader.cancel(),
    });
    return new Response(body, { status, headers });
  };
}

type Sender<A> = (url: URL, init: RequestInit) => Promise<A>;
type StreamedAnswer = Pick<GuardedAnswer, "status" | "fields"> & Pick<Answered, "body">;

/** Returns a sender whose requests have the token of a login. */
function signed<A extends TokenJudgement>(send: Sender<A>, login: ServerLogin | null): Sender<A> {
  if (login === null) return send;
  return (url, init) => {
    const { headers } = init;
    const named = headers instanceof Headers ? Object.fromEntries(headers) : (headers as Record<string, string> | undefined);
    return login.send(url, (authorization) => send(url, { ...init, headers: { ...named, authorization } }));
  };
}

/** Sends a request whose answer may last long, or be empty. */
async function fetched(url: URL, init: RequestInit): Promise<StreamedAnswer> {
  const { status, headers, body } = await fetch(url, init);
  return { status, fields: [...headers], body };
}
