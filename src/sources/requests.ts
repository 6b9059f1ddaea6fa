/** GET requests to where bundles come from: bounded in time and bytes, to public addresses, and redirected only to hosts that are named. */
import { Agent as HttpAgent, request as requestHttp, type IncomingHttpHeaders } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { Timers } from "../system/index.js";
import { isPrivate, literalAddress, publicLookup } from "../system/addresses.js";
import { answerBody } from "../system/answer_body.js";

export interface RequestsOptions {
  /** True if private addresses may be asked. */
  private: boolean;
  /** Hosts (with their port, unless it is the scheme's) that may be redirected to, beside that of the request. */
  redirect_hosts: readonly string[];
}

export interface SourceQuestion {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** Until the whole answer is there, redirects and all. */
  timeout_ms: number;
  /** Most bytes of an answer. */
  bytes_max: number;
}

export interface SourceAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

const REDIRECTS_MAX = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Credentials are for the host that they were given for. */
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "cookie", "x-amz-security-token"]);

export class Requests {
  readonly #options: RequestsOptions;
  readonly #timers: Pick<Timers, "after">;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #over = new AbortController();

  constructor(options: RequestsOptions, timers: Pick<Timers, "after">) {
    this.#options = options;
    this.#timers = timers;
    const connecting = { keepAlive: true, maxSockets: 2, ...(!options.private && { lookup: publicLookup }) };
    this.#http = new HttpAgent(connecting);
    this.#https = new HttpsAgent({ ...connecting, rejectUnauthorized: true });
  }

  /** Returns any whole answer, whatever its status. @throws Error saying why no answer came */
  async get({ url, headers, timeout_ms, bytes_max }: SourceQuestion): Promise<SourceAnswer> {
    const over = new AbortController();
    const cancel = this.#timers.after(timeout_ms, () => {
      over.abort(new Error(`no whole answer within ${timeout_ms} ms`));
    });
    const signal = AbortSignal.any([over.signal, this.#over.signal]);
    try {
      let [at, sent] = [url, headers];
      for (let redirects = 0; ; redirects++) {
        const got = await this.#once(at, sent, bytes_max, signal);
        const { location } = got.headers;
        if (!REDIRECTS.has(got.status) || location === undefined) return got;
        if (redirects === REDIRECTS_MAX) throw new Error(`redirected more than ${REDIRECTS_MAX} times`);
        const next = this.#redirected(at, location);
        if (next.origin !== at.origin)
          sent = Object.fromEntries(Object.entries(sent).filter(([name]) => !CREDENTIALS.has(name.toLowerCase())));
        at = next;
      }
    } finally {
      cancel();
    }
  }

  close(): void {
    this.#over.abort(new Error("closed"));
    this.#http.destroy();
    this.#https.destroy();
  }

  #redirected(from: URL, location: string): URL {
    if (!URL.canParse(location, from.href)) throw new Error("redirected to what is no URL");
    const next = new URL(location, from);
    if (next.origin === from.origin) return next;
    const isSecure = next.protocol === "https:" || from.protocol === "http:";
    if (isSecure && this.#options.redirect_hosts.includes(next.host)) return next;
    throw new Error(`redirected to ${next.protocol}//${next.host}, which isn't among \`redirect_hosts\``);
  }

  #once(url: URL, headers: Readonly<Record<string, string>>, bytesMax: number, signal: AbortSignal): Promise<SourceAnswer> {
    const address = literalAddress(url);
    // A name is looked at when it is resolved.
    if (!this.#options.private && address !== null && isPrivate(address)) throw new Error(`${address} is a private address`);
    const secure = url.protocol === "https:";
    return new Promise((resolve, reject) => {
      const options = {
        agent: secure ? this.#https : this.#http,
        headers: { "accept-encoding": "identity", "user-agent": "Remit", ...headers },
        signal,
      };
      const request = (secure ? requestHttps : requestHttp)(url, options, (response) => {
        answerBody(response, bytesMax).then(
          (body) => {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
          },
          (cause: unknown) => {
            request.destroy();
            reject(signal.aborted ? (signal.reason as Error) : (cause as Error));
          },
        );
      });
      request.on("error", (cause) => {
        reject(signal.aborted ? (signal.reason as Error) : cause);
      });
      request.end();
    });
  }
}
