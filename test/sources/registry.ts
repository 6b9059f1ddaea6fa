/** A registry of images on loopback, as far as a pull needs one: manifests and blobs by tag and digest, behind a login with tokens. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { TestServer } from "./server.js";

export const NAME = "acme/policies";
export const LOGIN = "puller:s3cret";
const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

export const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export class Registry {
  readonly server = new TestServer((request, response) => {
    this.#answer(request, response);
  });
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  /** Whether pulls need a token, and how the challenge for one reads. */
  challenge: (() => string) | null = null;
  /** Token that is good now. */
  token = "t-1";
  logins = 0;

  get realm(): string {
    return this.server.url("/token");
  }

  bearer = (realm = this.realm): string => `Bearer realm="${realm}",service="registry.test",scope="repository:${NAME}:pull"`;

  /** @returns digest of the manifest */
  push(tag: string, bytes: Buffer, layers: object[] = [{ mediaType: LAYER, digest: digestOf(bytes), size: bytes.length }]): string {
    this.blobs.set(digestOf(bytes), bytes);
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(Buffer.from("{}")), size: 2 };
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers }));
    this.manifests.set(tag, manifest).set(digestOf(manifest), manifest);
    return digestOf(manifest);
  }

  #answer({ url = "", headers }: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(url, "http://registry.test");
    if (pathname === "/token") {
      const isGood = headers.authorization === `Basic ${Buffer.from(LOGIN).toString("base64")}` && searchParams.get("scope") !== null;
      this.logins++;
      response.writeHead(isGood ? 200 : 401).end(JSON.stringify(isGood ? { token: this.token } : {}));
      return;
    }
    if (this.challenge !== null && headers.authorization !== `Bearer ${this.token}`) {
      response.writeHead(401, { "www-authenticate": this.challenge() }).end();
      return;
    }
    const [, what = "", of = ""] = new RegExp(`^/v2/${NAME}/(manifests|blobs)/(.+)$`).exec(pathname) ?? [];
    const found = (what === "manifests" ? this.manifests : this.blobs).get(of);
    if (found === undefined) response.writeHead(404).end('{"errors":[{"code":"NOT_FOUND"}]}');
    else response.writeHead(200, { "content-type": what === "manifests" ? MANIFEST : "application/octet-stream" }).end(found);
  }
}
