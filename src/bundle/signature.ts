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
/**
 * First signer's `.signatures.json` of a bundle that a second one has signed: OPA's own file has one signature, so the second signer's takes
 * its place and covers this file too.
 */
export const COSIGNATURES_FILE = "cosignatures.json";

/** Files of a bundle that differ by who signed it, and when. */
export const SIGNING_FILES: ReadonlySet<string> = new Set([SIGNATURES_FILE, COSIGNATURES_FILE]);

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
 * Returns the files of a signed bundle with a second signature. The bundle's digest stays the same.
 * @param key P-256 private key of the second signer
 * @param keys public keys, of which one has to have signed the bundle
 * @throws BundleError as `verifySignature`; `signature_count` if it has two already, `signer_twice` if both are the same key's
 */
export function cosignFiles(files: ReadonlyMap<string, Buffer>, key: KeyObject, keys: TrustedKeys): Map<string, Buffer> {
  verifySignature(files, keys);
  const first = files.get(SIGNATURES_FILE) ?? Buffer.of();
  if (files.has(COSIGNATURES_FILE)) throw new BundleError("signature_count", { file: COSIGNATURES_FILE, expected: "one signer so far" });
  if (readSignature(SIGNATURES_FILE, first).kid === keyId(key)) throw new BundleError("signer_twice", { found: keyId(key) });
  const cosigned = new Map(files).set(COSIGNATURES_FILE, first);
  return cosigned.set(SIGNATURES_FILE, signFiles(cosigned, key));
}

/**
 * Every file but the signature is listed in it, no more and no fewer, with its own hash, by a key that is trusted. Of two signers one may be
 * unknown, as while keys are rotated, unless two are wanted.
 * @param signers_min signers that have to be trusted, 1 or 2
 * @returns the hashes, for the bundle's digest
 * @throws BundleError `signature_*`, `signatures_too_few`, `file_*`
 */
export function verifySignature(files: ReadonlyMap<string, Uint8Array>, keys: TrustedKeys, signers_min = 1): FileHash[] {
  const last = readSignature(SIGNATURES_FILE, files.get(SIGNATURES_FILE));
  const first = files.get(COSIGNATURES_FILE);
  const signers = new Set<string>();
  let present: FileHash[] = [];
  const check = ({ kid, token, alg }: Signature, covers: (name: string) => boolean): void => {
    const key = keys.get(kid);
    if (key === undefined) return;
    // The key says which algorithm it is for; what the header says must agree, and decides nothing.
    if (alg !== "ES256") throw new BundleError("signature_algorithm", { expected: "ES256" });
    const signed = readClaims(token, key);
    // Nothing of the content is read before a signature of a trusted key is there.
    if (present.length === 0) present = fileHashes(files);
    const covered = present.filter(({ name }) => covers(name));
    compare(covered, signed);
    signers.add(kid);
  };
  check(last, () => true);
  if (first !== undefined) check(readSignature(COSIGNATURES_FILE, first), isContent);
  if (signers.size === 0) {
    throw new BundleError("signature_key_unknown", { expected: `one of ${[...keys.keys()].join(", ")}`, found: last.kid });
  }
  if (signers.size < signers_min) {
    throw new BundleError("signatures_too_few", { expected: `${signers_min} trusted signers`, found: [...signers].join(", ") });
  }
  return present.filter(({ name }) => isContent(name));
}

/** Returns the hashes of what a bundle is made of, whoever signed it. */
export function contentHashes(files: ReadonlyMap<string, Uint8Array>): FileHash[] {
  return fileHashes(files).filter(({ name }) => isContent(name));
}

function isContent(name: string): boolean {
  return name !== COSIGNATURES_FILE;
}

/** A signature as its file has it, unverified. */
interface Signature {
  kid: string;
  alg: string;
  token: string;
}

function readSignature(file: string, content: Uint8Array | undefined): Signature {
  if (content === undefined) throw new BundleError("signature_missing", { expected: `a file \`${file}\`` });
  const value = readJson(file, content);
  if (!isSignatureFile(value)) {
    throw new BundleError("signature_malformed", { file, expected: '`{"signatures": ["<JWS>"]}`' });
  }
  const [token, ...more] = value.signatures;
  if (token === undefined || more.length > 0) {
    throw new BundleError("signature_count", { file, found: String(value.signatures.length) });
  }
  const { kid, alg } = readHeader(token);
  return { kid, alg, token };
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
