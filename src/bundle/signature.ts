/**
 * `.signatures.json` in OPA's form: one compact JWS over the list of files. ES256 only, so that a stock `opa` verifies
 * it too, and without a `scope` claim, since OPA refuses one that its own configuration does not name: what a bundle is
 * for stands in its signed manifest.
 */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { Type, type Static } from "../contract/type.js";
import { fileHashes, readJson, type FileHash } from "./digest.js";
import { BundleError } from "./errors.js";
import { schemas } from "../system/schemas.js";

export const SIGNATURES_FILE = ".signatures.json";

/** Key id → public key, from `publicKey`. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

const TOKEN_LENGTH_MAX = 1024 * 1024;

const closed = { additionalProperties: false };
const SignatureFile = Type.Object(
  {
    signatures: Type.Array(Type.String({ maxLength: TOKEN_LENGTH_MAX })),
    plugin: Type.Optional(Type.Literal("_default")),
  },
  closed,
);
const Header = Type.Object({ alg: Type.String(), typ: Type.Optional(Type.Literal("JWT")), kid: Type.String({ minLength: 1 }) }, closed);
const Claims = Type.Object(
  {
    files: Type.Array(
      Type.Object({ name: Type.String(), hash: Type.String({ pattern: "^[0-9a-f]+$" }), algorithm: Type.String() }, closed),
    ),
    // OPA's own `opa sign` may add these; they say nothing that is trusted here.
    keyid: Type.Optional(Type.String()),
    iss: Type.Optional(Type.String()),
    iat: Type.Optional(Type.Number()),
    scope: Type.Optional(Type.String()),
  },
  closed,
);
const ajv = schemas();
const isSignatureFile = ajv.compile<Static<typeof SignatureFile>>(SignatureFile);
const isHeader = ajv.compile<Static<typeof Header>>(Header);
const isClaims = ajv.compile<Static<typeof Claims>>(Claims);

/**
 * A P-256 public key from PEM text (of a public key or of a private one).
 * @throws TypeError for anything else
 */
export function publicKey(pem: string | Buffer): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new TypeError("not a key in PEM form", { cause });
  }
  assertP256(key);
  return key;
}

/** The name of a key: its JWK thumbprint (RFC 7638). The same for a private key and its public one. */
export function keyId(key: KeyObject): string {
  assertP256(key);
  const { crv, kty, x, y } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}

function assertP256(key: KeyObject): void {
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw new TypeError("not a P-256 key, which is what ES256 signs with");
  }
}

/**
 * The content of `.signatures.json` for these files.
 * @param key a P-256 private key
 */
export function signFiles(files: ReadonlyMap<string, Uint8Array>, key: KeyObject): Buffer {
  const token = jwt.sign({ files: fileHashes(files) }, key, {
    algorithm: "ES256",
    keyid: keyId(key),
    noTimestamp: true,
  });
  return Buffer.from(JSON.stringify({ signatures: [token] }));
}

/**
 * Every file but the signature is listed in it, no more and no fewer, with its own hash, by a key that is trusted.
 * @returns the hashes, for the bundle's digest
 * @throws BundleError `signature_*`, `file_*`
 */
export function verifySignature(files: ReadonlyMap<string, Uint8Array>, keys: TrustedKeys): FileHash[] {
  const { token, key } = readSignature(files.get(SIGNATURES_FILE), keys);
  const signed = readClaims(token, key);
  const present = fileHashes(files);
  compare(present, signed);
  return present;
}

function readSignature(content: Uint8Array | undefined, keys: TrustedKeys): { token: string; key: KeyObject } {
  if (content === undefined) throw new BundleError("signature_missing", { expected: `a file \`${SIGNATURES_FILE}\`` });
  const value = readJson(SIGNATURES_FILE, content);
  if (!isSignatureFile(value)) {
    throw new BundleError("signature_malformed", { file: SIGNATURES_FILE, expected: '`{"signatures": ["<JWS>"]}`' });
  }
  const [token, ...more] = value.signatures;
  if (token === undefined || more.length > 0) {
    throw new BundleError("signature_count", { file: SIGNATURES_FILE, found: String(value.signatures.length) });
  }
  const header = readHeader(token);
  const key = keys.get(header.kid);
  if (key === undefined) {
    throw new BundleError("signature_key_unknown", {
      expected: `one of ${[...keys.keys()].join(", ")}`,
      found: header.kid,
    });
  }
  // The key says which algorithm it is for; what the header says must agree, and decides nothing.
  if (header.alg !== "ES256") throw new BundleError("signature_algorithm", { expected: "ES256" });
  return { token, key };
}

/** The part before the first dot is the signer's or an attacker's: nothing of it is used but to find a pinned key. */
function readHeader(token: string): Static<typeof Header> {
  let header: unknown;
  try {
    header = jwt.decode(token, { complete: true })?.header;
  } catch (cause) {
    throw new BundleError("signature_malformed", { file: SIGNATURES_FILE, expected: "a compact JWS" }, { cause });
  }
  if (header === undefined) {
    throw new BundleError("signature_malformed", { file: SIGNATURES_FILE, expected: "a compact JWS" });
  }
  if (!isHeader(header)) throw new BundleError("signature_header", { expected: "`alg`, `kid` and `typ: JWT` only" });
  return header;
}

function readClaims(token: string, key: KeyObject): FileHash[] {
  let claims: unknown;
  try {
    claims = jwt.verify(token, key, { algorithms: ["ES256"], ignoreExpiration: true, ignoreNotBefore: true });
  } catch (cause) {
    throw new BundleError("signature_invalid", {}, { cause });
  }
  // `exp` and `nbf` are not among them: OPA ignores them, so they would promise what a stock OPA does not keep.
  if (!isClaims(claims)) throw new BundleError("signature_claims", { expected: "`files`, each `name`, `hash`, `algorithm`" });
  if (claims.scope !== undefined) throw new BundleError("signature_scope", { expected: "no `scope`" });
  return claims.files.map(({ name, hash, algorithm }) => {
    if (algorithm !== "SHA-256") throw new BundleError("signature_algorithm_unknown", { file: name, expected: "SHA-256" });
    return { name, hash, algorithm };
  });
}

function compare(present: FileHash[], signed: FileHash[]): void {
  const hashes = new Map<string, string>();
  for (const { name, hash } of signed) {
    if (hashes.has(name)) throw new BundleError("file_signed_twice", { file: name });
    hashes.set(name, hash);
  }
  for (const { name, hash } of present) {
    const wanted = hashes.get(name);
    if (wanted === undefined) throw new BundleError("file_not_signed", { file: name });
    if (wanted !== hash) throw new BundleError("file_altered", { file: name });
    hashes.delete(name);
  }
  const [absent] = hashes.keys();
  if (absent !== undefined) throw new BundleError("file_not_present", { file: absent });
}
