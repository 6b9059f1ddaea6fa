/** Connections of the guard to the server behind it: as a process of its own, or over Streamable HTTP. */
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Timers } from "../../system/index.js";
import { readToken } from "../../system/read_file.js";
import type { Answered } from "../../client/outside.js";
import { nodeExchange, type GuardedAnswer } from "../outside.js";
import type { GuardConfig } from "./config.js";
import { Asks } from "./asks.js";
import { HttpServerEnd, PipeEnd, type End } from "./end.js";
import { MessageCount } from "./message_count.js";
import { headersOf, variablesOf } from "./server_values.js";

/** A call isn't sent twice, so it must not meet a connection that the server is about to end. */
const IDLE_MS = 4000;
/** Fetch, section 2.2.3: a `Response` of these has no body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);
/** Time that an answer that has arrived may take to be read, once its connection is over. */
const READ_MS = 1000;

/** A new connection to the server. @throws Error where a file of a token can't be read, ServerValueError for another value */
export function connectServer({ server, limits }: Pick<GuardConfig, "server" | "limits">, timers: Timers): End {
  const { command, url, token_file, dir } = server;
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
  const headers = { ...headersOf(server), ...(token_file !== undefined && { authorization: `Bearer ${readToken(token_file)}` }) };
  const at = new URL(url ?? "");
  const exchange = nodeExchange(IDLE_MS);
  const transport = new StreamableHTTPClientTransport(at, {
    requestInit: { headers },
    fetch: bounded(limits.message_bytes_max, exchange, broken),
  });
  const asks = new Asks({ url: at, headers, exchange, message_bytes_max: limits.message_bytes_max });
  return (end = new HttpServerEnd(transport, asks, timers));
}

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/**
 * `fetch`, where no message of an answer is larger than the limit. An answer that ends is told of, since one that ends without
 * having answered would else be waited for; one that can be resumed isn't over when it ends.
 */
function bounded(bytesMax: number, exchange: ReturnType<typeof nodeExchange>, ended: (request: string) => void): Fetch {
  return async (url, init) => {
    const sent = typeof init?.body === "string" ? init.body : null;
    const got = sent === null ? await fetched(url, init) : await exchange(new URL(url), init ?? {});
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

/** Sends a request whose answer may last long, or be empty. */
async function fetched(url: string | URL, init?: RequestInit): Promise<Pick<GuardedAnswer, "status" | "fields"> & Pick<Answered, "body">> {
  const { status, headers, body } = await fetch(url, init);
  return { status, fields: [...headers], body };
}
