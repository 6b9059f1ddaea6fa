/** The parts of `node:crypto` that deciding and hosted builtins use. */
import { hmac } from "@noble/hashes/hmac.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { Buffer } from "buffer";

const HASHES = { md5, sha1, sha256, sha512 };
type Algorithm = keyof typeof HASHES;
type Encoding = "hex" | "base64" | "base64url";

class Digest {
  readonly #parts: Buffer[] = [];

  constructor(private readonly end: (bytes: Uint8Array) => Uint8Array) {}

  update(data: string | Uint8Array): this {
    this.#parts.push(Buffer.from(data as Uint8Array));
    return this;
  }

  digest(encoding?: Encoding): Buffer | string {
    return encoded(this.end(Buffer.concat(this.#parts)), encoding);
  }
}

export const createHash = (algorithm: Algorithm): Digest => new Digest((bytes) => HASHES[algorithm](bytes));

export const createHmac = (algorithm: Algorithm, key: string | Uint8Array): Digest =>
  new Digest((bytes) => hmac(HASHES[algorithm], Buffer.from(key as Uint8Array), bytes));

export const hash = (algorithm: Algorithm, data: string | Uint8Array, encoding: Encoding = "hex"): Buffer | string =>
  createHash(algorithm).update(data).digest(encoding);

export function randomFillSync(bytes: Uint8Array): Uint8Array {
  return crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
}

function encoded(bytes: Uint8Array, encoding: Encoding | undefined): Buffer | string {
  const buffer = Buffer.from(bytes);
  if (encoding === undefined) return buffer;
  if (encoding !== "base64url") return buffer.toString(encoding);
  return buffer.toString("base64").replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
