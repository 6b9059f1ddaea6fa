/** Digests and encodings of text. */
import { createHash, createHmac } from "node:crypto";
import { ofStrings, type Builtin } from "./function.js";

const digest = (algorithm: string): Builtin => ofStrings(([text = ""]) => createHash(algorithm).update(text).digest("hex"));
const hmac = (algorithm: string): Builtin => ofStrings(([text = "", key = ""]) => createHmac(algorithm, key).update(text).digest("hex"));
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8. @throws RangeError if the bytes aren't text: OPA has such strings, and the engine doesn't, so nothing is decided on one */
export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new RangeError("bytes that aren't UTF-8", { cause });
  }
}

export const DIGESTS: Readonly<Record<string, Builtin>> = {
  "crypto.md5": digest("md5"),
  "crypto.sha1": digest("sha1"),
  "crypto.sha256": digest("sha256"),
  "crypto.hmac.md5": hmac("md5"),
  "crypto.hmac.sha1": hmac("sha1"),
  "crypto.hmac.sha256": hmac("sha256"),
  "crypto.hmac.sha512": hmac("sha512"),
  "crypto.hmac.equal": ofStrings(([a, b]) => a === b),
  "hex.encode": ofStrings(([text = ""]) => Buffer.from(text).toString("hex")),
  "hex.decode": ofStrings(([text = ""]) => (/^(?:[0-9a-fA-F]{2})*$/.test(text) ? textOf(Buffer.from(text, "hex")) : undefined)),
  "base64url.encode_no_pad": ofStrings(([text = ""]) => Buffer.from(text).toString("base64url")),
};
