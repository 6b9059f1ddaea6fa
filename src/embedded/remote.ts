/** The service as an engine in an application asks it: bodies that are bounded, no redirections, its own problems as they are. */
import { Addresses } from "../client/addresses.js";
import { within } from "../client/deadline.js";
import type { Outside } from "../client/outside.js";

export interface RemoteOptions {
  /** Each ends in a slash; the first is preferred. */
  urls: readonly URL[];
  token: string | (() => string | Promise<string>);
}

export interface RemoteRequest {
  method?: "GET" | "POST";
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** Until the whole answer is there. */
  ms: number;
  answer_bytes_max: number;
}

export interface Got {
  status: number;
  etag: string | null;
  /** Time that the service says to wait; null where it doesn't. */
  retry_ms: number | null;
  bytes: Buffer;
}

export class Remote {
  readonly #options: RemoteOptions;
  readonly #outside: Outside;
  readonly #over = new AbortController();
  readonly #addresses: Addresses;

  constructor(options: RemoteOptions, outside: Outside) {
    this.#addresses = new Addresses(options.urls, outside.monotonic);
    this.#options = options;
    this.#outside = outside;
  }

  isClosed(): boolean {
    return this.#over.signal.aborted;
  }

  /** Whatever the status is. @throws Error saying why there is no whole answer */
  ask({ method = "GET", path, headers = {}, body, ms, answer_bytes_max }: RemoteRequest): Promise<Got> {
    return within(this.#outside, ms, this.#over.signal, async (signal) => {
      const { token } = this.#options;
      const url = this.#addresses.current;
      const said = typeof token === "string" ? token : await token();
      const init: RequestInit = { method, headers: { ...headers, authorization: `Bearer ${said}` }, redirect: "manual", signal };
      if (body !== undefined) init.body = body;
      const response = await this.#outside.fetch(new URL(path, url), init).catch((cause: unknown) => {
        this.#addresses.failed(url);
        throw cause;
      });
      if (response.status >= 500) this.#addresses.failed(url);
      const retry = Number(response.headers.get("retry-after") ?? NaN);
      return {
        status: response.status,
        etag: response.headers.get("etag"),
        retry_ms: Number.isFinite(retry) && retry >= 0 ? retry * 1000 : null,
        bytes: await bytesOf(response, answer_bytes_max),
      };
    });
  }

  /** Resolves after `ms`, once `sooner` does, or once it is closed. */
  pause(ms: number, sooner = new Promise<void>(() => undefined)): Promise<void> {
    return within(this.#outside, ms, this.#over.signal, () => sooner).catch(() => undefined);
  }

  /** Aborts whatever is under way. */
  close(): void {
    this.#over.abort();
  }
}

async function bytesOf(response: Response, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { value } = (await reader.read()) as { value: Uint8Array | undefined };
    if (value === undefined) break;
    length += value.length;
    if (length > bytesMax) {
      await reader.cancel().catch(() => undefined);
      throw new Error(`the answer is larger than ${bytesMax} bytes`);
    }
    chunks.push(value);
  }
  return Buffer.concat(chunks);
}
