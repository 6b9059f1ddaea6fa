/** Bundle at an HTTP(S) URL, by OPA's bundle protocol: ETags, and long polling if the server says that it knows it. */
import { readText } from "../system/read_file.js";
import type { Fetched, Fetcher, SourceLimits } from "./fetcher.js";
import type { Requests } from "./requests.js";

export interface HttpSourceOptions extends SourceLimits {
  url: string;
  /** File with a bearer token, read before each request. */
  token_file?: string;
  /** The server may wait so long for another bundle. */
  wait_ms: number;
}

/** Content type of a server that waits (OPA's documentation, "Bundle Service API"). */
const WAITING_TYPE = "application/vnd.openpolicyagent.bundles";
const TOKEN = /^[\x21-\x7e]+$/;

export class HttpBundleSource implements Fetcher {
  readonly #options: HttpSourceOptions;
  readonly #requests: Requests;
  #waits = false;

  constructor(options: HttpSourceOptions, requests: Requests) {
    this.#options = options;
    this.#requests = requests;
  }

  get waits(): boolean {
    return this.#waits;
  }

  async fetch(known: string | null): Promise<Fetched> {
    const { url, wait_ms, timeout_ms, bytes_max } = this.#options;
    const wait = this.#waits && known !== null ? wait_ms : 0;
    const headers = {
      ...this.#authorization(),
      prefer: `modes=snapshot${wait > 0 ? `;wait=${Math.ceil(wait / 1000)}` : ""}`,
      ...(known !== null && { "if-none-match": known }),
    };
    const got = await this.#requests.get({ url: new URL(url), headers, timeout_ms: timeout_ms + wait, bytes_max });
    if (got.status === 304 && known !== null) return { kind: "known" };
    if (got.status !== 200) throw new Error(`status ${got.status}`);
    this.#waits = got.headers["content-type"] === WAITING_TYPE;
    return { kind: "bundle", tag: got.headers.etag ?? null, bytes: got.body };
  }

  #authorization(): Record<string, string> {
    const { token_file } = this.#options;
    if (token_file === undefined) return {};
    const token = readText(token_file).trim();
    if (!TOKEN.test(token)) throw new Error(`${token_file} has no token in one line`);
    return { authorization: `Bearer ${token}` };
  }
}
