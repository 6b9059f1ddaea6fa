/** One request and its whole answer: bounded in time and bytes, never redirected, tried again only where no answer had begun. */
import { Addresses } from "./addresses.js";
import { strictJson } from "./strict_json.js";
import { Breaker, type BreakerLimits } from "./breaker.js";
import { pause, within } from "./deadline.js";
import { Undecided, type ProblemSaid } from "./errors.js";
import type { Answered, Outside } from "./outside.js";

export interface TransportOptions {
  /** Ends in a slash. */
  url: URL;
  /** Other addresses of the same service, in the order in which they are tried. */
  others?: readonly URL[];
  token: string | (() => string | Promise<string>);
  /** After the first attempt. */
  retries_max: number;
  breaker: BreakerLimits;
}

export interface ClientExchange {
  method?: "POST" | "PATCH";
  path: string;
  body: string;
  ms: number;
  answer_bytes_max: number;
  /** Accepts status 201 too. */
  creates?: boolean;
  /** Sent to where the last stream was opened, and answered without a body. */
  beside?: boolean;
}

export interface TransportAnswer {
  value: unknown;
  /** When the first attempt was sent, monotonic: a later one may be answered by what was meant for it. */
  sent_ms: number;
}

const RETRY_PAUSE_MS = 20;
const PROBLEM_BYTES_MAX = 64 * 1024;
const JSON_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;
const PROBLEM_TYPE = /^application\/problem\+json(?:[ \t]*;.*)?$/i;
const TOKEN = /^[\x21-\x7e]+$/;

/** Carrier of a client's requests: HTTP, or an engine in the same process. */
export interface Carrier {
  /** @throws Undecided */
  send(exchange: ClientExchange): Promise<TransportAnswer>;
  /** The head of an answer that goes on. @throws Undecided */
  open(path: string, type: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response>;
}

export class Transport implements Carrier {
  readonly #options: TransportOptions;
  readonly #outside: Outside;
  readonly #breaker: Breaker;
  readonly #addresses: Addresses;
  /** Address at which the last stream was opened. */
  #streamAt: URL | null = null;

  constructor(options: TransportOptions, outside: Outside) {
    this.#addresses = new Addresses([options.url, ...(options.others ?? [])], outside.monotonic);
    this.#options = options;
    this.#outside = outside;
    this.#breaker = new Breaker(options.breaker, outside.monotonic);
  }

  /** @throws Undecided */
  send(exchange: ClientExchange): Promise<TransportAnswer> {
    if (exchange.beside === true) return within(this.#outside, exchange.ms, undefined, (signal) => this.#beside(exchange, signal));
    return this.#breaker.run(() => within(this.#outside, exchange.ms, undefined, (signal) => this.#exchange(exchange, signal)));
  }

  /** The head of an answer that goes on. @throws Undecided */
  async open(path: string, type: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const init = { method: "GET", headers: { ...headers, authorization: await this.#authorization() }, signal };
    const url = this.#addresses.current;
    const response = await this.#sent(url, path, init, this.#outside.fetch);
    await checkStatus(response);
    if (response.headers.get("content-type")?.startsWith(type) !== true) throw await refused(response, "type_unexpected");
    this.#streamAt = url;
    return response;
  }

  async #beside({ method = "POST", path, body }: ClientExchange, signal: AbortSignal): Promise<TransportAnswer> {
    const headers = { authorization: await this.#authorization(), "content-type": "application/json" };
    const sent_ms = this.#outside.monotonic();
    const response = await this.#outside.fetch(new URL(path, this.#streamAt ?? this.#addresses.current), {
      ...{ method, headers, body, signal },
      redirect: "manual",
    });
    await response.body?.cancel().catch(() => undefined);
    if (response.status !== 204) throw new Undecided("status_unexpected");
    return { value: null, sent_ms };
  }

  async #exchange(
    { method = "POST", path, body, answer_bytes_max, creates = false }: ClientExchange,
    signal: AbortSignal,
  ): Promise<TransportAnswer> {
    const headers = { authorization: await this.#authorization(), "content-type": "application/json" };
    const { fetch, exchange = fetch } = this.#outside;
    const sent_ms = this.#outside.monotonic();
    for (let attempt = 0; ; attempt++) {
      let response: Answered;
      try {
        response = await this.#sent<Answered>(this.#addresses.current, path, { method, headers, body, signal }, exchange);
      } catch (error) {
        if (signal.aborted || attempt === this.#options.retries_max) throw error;
        await pause(this.#outside, RETRY_PAUSE_MS * 2 ** attempt);
        continue;
      }
      await checkStatus(response, creates);
      if (!JSON_TYPE.test(response.headers.get("content-type") ?? "")) throw await refused(response, "type_unexpected");
      return { value: parsed(await textOf(response, answer_bytes_max)), sent_ms };
    }
  }

  /** @throws Undecided `unreachable` */
  async #sent<T extends Answered>(at: URL, path: string, init: RequestInit, send: (url: URL, init: RequestInit) => Promise<T>): Promise<T> {
    try {
      // Elsewhere nobody is meant to see the token, or to answer.
      const response = await send(new URL(path, at), { ...init, redirect: "manual" });
      // One that can't serve now leaves what comes next to another.
      if (response.status >= 500) this.#addresses.failed(at);
      return response;
    } catch (cause) {
      this.#addresses.failed(at);
      throw new Undecided("unreachable", { cause });
    }
  }

  async #authorization(): Promise<string> {
    const { token } = this.#options;
    let said: unknown;
    try {
      said = typeof token === "string" ? token : await token();
    } catch (cause) {
      throw new Undecided("token_unavailable", { cause });
    }
    if (typeof said !== "string" || !TOKEN.test(said)) throw new Undecided("token_unavailable");
    return `Bearer ${said}`;
  }
}

/** @throws Undecided unless it is 200 */
async function checkStatus(response: Answered, creates = false): Promise<void> {
  const { status, headers } = response;
  if (status === 200 || (creates && status === 201)) return;
  // A browser shows no status of one that it doesn't follow.
  if (status === 0 || (status >= 300 && status < 400)) throw await refused(response, "redirected");
  if (!PROBLEM_TYPE.test(headers.get("content-type") ?? "")) throw await refused(response, "status_unexpected");
  const problem = parsed(await textOf(response, PROBLEM_BYTES_MAX)) as Partial<ProblemSaid> | null;
  if (typeof problem?.code !== "string") throw new Undecided("status_unexpected");
  throw new Undecided("problem", {}, { ...problem, code: problem.code, status });
}

/** Lets go of the rest of the answer. */
async function refused(
  response: Answered,
  code: "redirected" | "status_unexpected" | "type_unexpected" | "answer_too_large",
): Promise<Undecided> {
  await response.body?.cancel().catch(() => undefined);
  return new Undecided(code);
}

/** @throws Undecided `answer_too_large`, `answer_cut`, `answer_unreadable` for what isn't UTF-8 */
async function textOf(response: Answered, bytesMax: number): Promise<string> {
  if (Number(response.headers.get("content-length") ?? 0) > bytesMax) throw await refused(response, "answer_too_large");
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { value } = (await reader.read().catch((cause: unknown) => {
      throw new Undecided("answer_cut", { cause });
    })) as { value: Uint8Array | undefined };
    if (value === undefined) break;
    length += value.length;
    if (length > bytesMax) {
      await reader.cancel().catch(() => undefined);
      throw new Undecided("answer_too_large");
    }
    chunks.push(value);
  }
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
  } catch (cause) {
    throw new Undecided("answer_unreadable", { cause });
  }
}

function parsed(text: string): unknown {
  try {
    return strictJson(text);
  } catch (cause) {
    throw new Undecided("answer_unreadable", { cause });
  }
}
