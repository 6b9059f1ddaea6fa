/** How the guard reaches the server behind it: as a process of its own, or over Streamable HTTP. */
import { readFileSync } from "node:fs";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Timers } from "../../system/index.js";
import type { GuardConfig } from "./config.js";
import { HttpServerEnd, PipeEnd, type End } from "./end.js";

/** How long an answer that has arrived may take to be read, once its connection is over. */
const READ_MS = 1000;

/** A new connection to the server. @throws Error where a file of a token can't be read */
export function connectServer({ server, limits }: Pick<GuardConfig, "server" | "limits">, timers: Timers): End {
  const { command, url, token_file, env, dir } = server;
  if (command !== undefined) {
    const [program = "", ...args] = command;
    const transport = new StdioClientTransport({
      command: program,
      args,
      ...(env !== undefined && { env }),
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
  const headers: Record<string, string> =
    token_file === undefined ? {} : { authorization: `Bearer ${readFileSync(token_file, "utf8").trim()}` };
  const transport = new StreamableHTTPClientTransport(new URL(url ?? ""), {
    requestInit: { headers },
    fetch: bounded(limits.message_bytes_max, broken),
  });
  return (end = new HttpServerEnd(transport));
}

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

const LF = 0x0a;
const CR = 0x0d;

/**
 * `fetch`, where no message of an answer is larger than the limit. An answer that ends is told of, since one that ends without
 * having answered would else be waited for; one that can be resumed isn't over when it ends.
 */
function bounded(bytesMax: number, ended: (request: string) => void): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (response.body === null) return response;
    const sent = typeof init?.body === "string" ? init.body : null;
    let bytes = 0;
    let lineBegins = true;
    let resumable = false;
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        for (let i = 0; i < chunk.length; i++) {
          const byte = chunk[i];
          // An empty line ends an event (WHATWG HTML, section 9.2.6); JSON has none where it is not spaced out.
          if (byte === LF && lineBegins) bytes = 0;
          else bytes++;
          if (lineBegins && byte === 0x69 && chunk[i + 1] === 0x64 && chunk[i + 2] === 0x3a) resumable = true;
          lineBegins = byte === LF || (byte === CR && lineBegins);
          if (bytes <= bytesMax) continue;
          controller.error(new Error(`a message of more than ${bytesMax} bytes`));
          if (sent !== null) ended(sent);
          return;
        }
        controller.enqueue(chunk);
      },
      flush() {
        if (sent !== null && !resumable) ended(sent);
      },
    });
    const { status, statusText, headers } = response;
    return new Response(response.body.pipeThrough(counted), { status, statusText, headers });
  };
}
