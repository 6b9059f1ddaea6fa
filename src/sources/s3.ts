/** Bundle in S3-compatible storage, asked for by signed requests (AWS Signature Version 4). */
import { hash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import type { Clock } from "../system/index.js";
import { readCredentials } from "../upload/credentials.js";
import type { Fetched, Fetcher, SourceLimits } from "./fetcher.js";
import type { Requests } from "./requests.js";

export interface S3SourceOptions extends SourceLimits {
  /** URL of the object. */
  url: string;
  region: string;
  /** Left out: credentials are in the environment. Read before each request. */
  credentials_file?: string;
}

export class S3Source implements Fetcher {
  readonly waits = false;
  readonly #options: S3SourceOptions;
  readonly #requests: Requests;
  readonly #clock: Pick<Clock, "wall">;

  constructor(options: S3SourceOptions, requests: Requests, clock: Pick<Clock, "wall">) {
    this.#options = options;
    this.#requests = requests;
    this.#clock = clock;
  }

  async fetch(known: string | null): Promise<Fetched> {
    const { url, region, credentials_file, timeout_ms, bytes_max } = this.#options;
    const signer = new AwsV4Signer({
      ...readCredentials(credentials_file, process.env),
      method: "GET",
      url,
      headers: { "x-amz-content-sha256": hash("sha256", ""), ...(known !== null && { "if-none-match": known }) },
      service: "s3",
      region,
      datetime: new Date(this.#clock.wall()).toISOString().replace(/[:-]|\.\d{3}/g, ""),
    });
    const signed = Object.fromEntries((await signer.sign()).headers);
    const got = await this.#requests.get({ url: new URL(url), headers: signed, timeout_ms, bytes_max });
    if (got.status === 304 && known !== null) return { kind: "known" };
    if (got.status !== 200) throw new Error(`status ${got.status}${codeIn(got.body)}`);
    return { kind: "bundle", tag: got.headers.etag ?? null, bytes: got.body };
  }
}

/** The code that an error's XML names, in brackets: ` (NoSuchKey)`. */
function codeIn(body: Buffer): string {
  const code = /<Code>(\w{1,64})<\/Code>/.exec(body.toString("latin1"))?.[1];
  return code === undefined ? "" : ` (${code})`;
}
