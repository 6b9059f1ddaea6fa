/** One bucket of an S3-compatible storage: whether it has a file, and sending one. Requests are signed (AWS Signature Version 4). */
import { hash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import { exchanger, type Exchange, type Exchanged, type ExchangeTarget } from "../system/exchange.js";
import type { System } from "../system/index.js";
import { readCredentials } from "./credentials.js";

export interface BucketOptions {
  /** URL of the bucket, or of a folder in it. */
  url: string;
  region: string;
  /** Left out: credentials are in the environment. Read before each request. */
  credentials_file?: string;
  timeout_ms: number;
}

/** A file as it is in a bucket. */
export interface BucketFile {
  /** Name below the bucket's URL, of letters, digits and `.`, `-`, `=`, `/`. */
  key: string;
  bytes: Buffer;
  /** SHA-256 of the bytes, in hex. */
  digest: string;
}

/** The storage refused a request. */
export class BucketRefused extends Error {
  override readonly name = "BucketRefused";

  constructor(
    readonly answer: Exchanged,
    method: string,
  ) {
    super(`status ${answer.status}${codeIn(answer.body)} to ${method}`);
  }
}

/** Most bytes of an answer, which is an error's text if it is anything. */
const ANSWER_BYTES_MAX = 64 * 1024;
const EMPTY = Buffer.alloc(0);
const DIGEST_HEADER = "x-amz-meta-remit-sha256";

export class Bucket {
  readonly #options: BucketOptions;
  readonly #url: URL;
  readonly #clock: System["clock"];
  readonly #exchange: Exchange;
  readonly close: () => void;

  constructor(options: BucketOptions, { clock, timers }: Pick<System, "clock" | "timers">) {
    this.#options = options;
    this.#url = new URL(options.url);
    this.#clock = clock;
    const { exchange, close } = exchanger(this.#url, { timeout_ms: options.timeout_ms, bytes_max: ANSWER_BYTES_MAX }, timers);
    this.#exchange = exchange;
    this.close = close;
  }

  /**
   * Returns true if the bucket has these bytes under the key, by size and by the digest that was stored with them.
   * @throws BucketRefused; Error if there is no answer, or no credentials
   */
  async has({ key, bytes, digest }: BucketFile): Promise<boolean> {
    const answer = await this.#send("HEAD", key, {}, EMPTY);
    if (answer.status === 404) return false;
    if (answer.status !== 200) throw new BucketRefused(answer, "HEAD");
    return answer.headers[DIGEST_HEADER] === digest && answer.headers["content-length"] === String(bytes.length);
  }

  /** Sends a file; what has its key is replaced at once, or stays. @throws as `has` */
  async put({ key, bytes, digest }: BucketFile): Promise<void> {
    const headers = {
      "content-type": "application/vnd.apache.parquet",
      [DIGEST_HEADER]: digest,
      // Storage that knows it checks the bytes once more, and keeps it beside them.
      "x-amz-checksum-sha256": Buffer.from(digest, "hex").toString("base64"),
    };
    const answer = await this.#send("PUT", key, headers, bytes);
    if (answer.status !== 200) throw new BucketRefused(answer, "PUT");
  }

  async #send(method: ExchangeTarget["method"], key: string, more: Readonly<Record<string, string>>, body: Buffer): Promise<Exchanged> {
    const { region, credentials_file } = this.#options;
    const url = new URL(this.#url);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${key}`;
    const signer = new AwsV4Signer({
      ...readCredentials(credentials_file, process.env),
      method,
      url: url.href,
      // Storage that is sent other bytes than were signed refuses them.
      headers: { ...more, "x-amz-content-sha256": hash("sha256", body) },
      service: "s3",
      region,
      datetime: new Date(this.#clock.wall()).toISOString().replace(/[:-]|\.\d{3}/g, ""),
    });
    const { headers } = await signer.sign();
    return this.#exchange({ ...Object.fromEntries(headers), "user-agent": "Remit" }, body, { method, path: url.pathname });
  }
}

/** The code that an error's XML names, in brackets: ` (NoSuchBucket)`. */
function codeIn(body: Buffer): string {
  const code = /<Code>(\w{1,64})<\/Code>/.exec(body.toString("latin1"))?.[1];
  return code === undefined ? "" : ` (${code})`;
}
