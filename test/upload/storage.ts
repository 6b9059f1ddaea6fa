/**
 * S3-compatible storage on loopback that holds every request to its signature (by an implementation of its own), and fails as it is told to.
 * Only what is used is there: PUT, HEAD and GET of an object.
 */
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const KEYS = { id: "AKIDEXAMPLE", secret: "a-secret/that+is=nowhere-else" };
export const REGION = "eu-central-1";

export interface Stored {
  bytes: Buffer;
  digest: string;
}

/** Answers in place of the storage; what it returns true for goes on to the storage. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

export class Storage {
  /** By key, below the bucket. */
  readonly objects = new Map<string, Stored>();
  /** Method and path of each request with a good signature. */
  readonly asked: string[] = [];
  /** Requests whose signature is wrong. */
  forged = 0;
  token: string | null = null;
  bucket = "audit";
  fault: Fault = () => true;
  /** Changes what is stored, as a disk that fails does. */
  keep: (bytes: Buffer) => Buffer = (bytes) => bytes;
  readonly #server: Server = createServer((request, response) => {
    request.on("error", () => undefined);
    if (this.fault(request, response)) void this.#answer(request, response);
  });

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.origin}/${this.bucket}/remit`;
  }

  get puts(): string[] {
    return this.asked.filter((one) => one.startsWith("PUT "));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks);
    const { method = "", url: path = "", headers } = request;
    const refuse = (status: number, code: string): void => {
      response.writeHead(status, { "content-type": "application/xml" });
      response.end(method === "HEAD" ? undefined : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
    };
    if (headers.authorization !== signed(request) || (headers["x-amz-security-token"] ?? null) !== this.token) {
      this.forged++;
      refuse(403, "SignatureDoesNotMatch");
      return;
    }
    this.asked.push(`${method} ${path}`);
    const key = path.startsWith("/audit/remit/") ? path.slice("/audit/remit/".length) : null;
    if (key === null) {
      refuse(404, "NoSuchBucket");
    } else if (method === "HEAD") {
      const found = this.objects.get(key);
      if (found === undefined) refuse(404, "NoSuchKey");
      else response.writeHead(200, { "content-length": found.bytes.length, "x-amz-meta-remit-sha256": found.digest }).end();
    } else if (method === "GET") {
      const found = this.objects.get(key);
      const etag = `"${found?.digest ?? ""}"`;
      if (found === undefined) refuse(404, "NoSuchKey");
      else if (headers["if-none-match"] === etag) response.writeHead(304, { etag }).end();
      else response.writeHead(200, { etag, "content-length": found.bytes.length }).end(found.bytes);
    } else if (sha256(body) !== headers["x-amz-content-sha256"]) {
      refuse(400, "XAmzContentSHA256Mismatch");
    } else if (Buffer.from(sha256(body), "hex").toString("base64") !== headers["x-amz-checksum-sha256"]) {
      refuse(400, "BadDigest");
    } else {
      this.objects.set(key, { bytes: this.keep(body), digest: String(headers["x-amz-meta-remit-sha256"]) });
      response.writeHead(200).end();
    }
  }
}

export const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");
const hmac = (key: Buffer | string, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** The header `authorization` that a request must have (AWS Signature Version 4), by the headers that it says are signed. */
function signed({ method, url = "", headers }: IncomingMessage): string {
  const named = /SignedHeaders=([^,]*)/.exec(headers.authorization ?? "")?.[1] ?? "";
  // What isn't signed could be changed on the way.
  const needed = Object.keys(headers).filter((name) => name === "host" || name.startsWith("x-amz-"));
  const names = [...new Set([...named.split(";"), ...needed])].sort();
  const date = String(headers["x-amz-date"]);
  const scope = `${date.slice(0, 8)}/${REGION}/s3/aws4_request`;
  const canonical = [
    method,
    url
      .split("/")
      .map((part) => encodeURIComponent(part))
      .join("/"),
    "",
    ...names.map((name) => `${name}:${String(headers[name])}`),
    "",
    names.join(";"),
    String(headers["x-amz-content-sha256"]),
  ].join("\n");
  const text = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical)].join("\n");
  const key = ["aws4_request", "s3", REGION, date.slice(0, 8)].reduceRight<Buffer | string>(
    (made, part) => hmac(made, part),
    `AWS4${KEYS.secret}`,
  );
  const signature = hmac(key, text).toString("hex");
  return `AWS4-HMAC-SHA256 Credential=${KEYS.id}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}
