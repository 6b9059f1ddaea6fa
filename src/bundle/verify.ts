/**
 * From an archive's bytes to a bundle that may be activated. Every step returns something proven or throws; nothing of
 * the content is looked at before the signature over it holds.
 */
import type { ErrorObject } from "ajv";
import { parseTime, type BundleMetadata, type Catalogue, type PolicyData, type PolicyIdentity } from "../contract/index.js";
import { ARCHIVE_LIMITS, readArchive, type ArchiveLimits } from "./archive.js";
import { bundleDigest, readJson } from "./digest.js";
import { BundleError, type BundleCode } from "./errors.js";
import { leadsToField } from "./masks.js";
import { PROVENANCE_FILE, verifyProvenance } from "./provenance.js";
import { BundleManifest, Catalogue as CatalogueSchema, Data, Metadata, ValueType } from "./schema.js";
import { SIGNING_FILES, contentHashes, verifySignature, type TrustedKeys } from "./signature.js";
import { schemas, type Validator } from "../system/schemas.js";

export { BUNDLE_CODES, BundleError, type BundleCode, type BundleDetail } from "./errors.js";
export type { TrustedKeys } from "./signature.js";

/** ABI versions of OPA's WASM modules that the engine speaks: those with `opa_eval`. */
const ABI_VERSIONS: readonly string[] = ["1.2", "1.3"];

const REQUIRED = [".manifest", "policy.wasm", "data.json", "catalogue.json"];
const WASM_MAGIC = Buffer.from("\0asm\x01\0\0\0", "latin1");

export interface VerifyOptions {
  keys: TrustedKeys;
  /** The bundle that this place is configured for. */
  name: string;
  /** Milliseconds since the epoch, read once for the whole verification. */
  nowMs: number;
  limits?: Readonly<ArchiveLimits>;
  /** Trusted signers that have to have signed it, 1 or 2. @default 1 */
  signers_min?: number;
  /** Public keys, of which one has to have signed its provenance. @default the provenance isn't looked at */
  provenanceKeys?: TrustedKeys | undefined;
}

/** Keys that a bundle is verified with, and how many of them. */
export type BundleTrust = Pick<VerifyOptions, "keys" | "signers_min" | "provenanceKeys">;

/** Content of a bundle's files. */
export interface BundleContent {
  identity: PolicyIdentity;
  metadata: BundleMetadata;
  data: PolicyData;
  /** The bytes of `data.json`, as the engine takes them: parsed and written again, numbers could change. */
  dataText: Buffer;
  catalogue: Catalogue;
  wasm: Buffer;
  files: ReadonlyMap<string, Buffer>;
}

// Only this module can name it, so only this module can make a VerifiedBundle.
const PROOF: unique symbol = Symbol("verified");

/** A bundle whose signature, name, expiry and shapes have been checked: what the engine takes, and nothing else. */
export class VerifiedBundle implements BundleContent {
  readonly #proof: typeof PROOF;
  readonly identity: PolicyIdentity;
  readonly metadata: BundleMetadata;
  readonly data: PolicyData;
  readonly dataText: Buffer;
  readonly catalogue: Catalogue;
  readonly wasm: Buffer;
  readonly files: ReadonlyMap<string, Buffer>;

  constructor(proof: typeof PROOF, content: BundleContent) {
    if (proof !== PROOF) throw new TypeError("a bundle is verified by verifyBundle");
    this.#proof = proof;
    this.identity = content.identity;
    this.metadata = content.metadata;
    this.data = content.data;
    this.dataText = content.dataText;
    this.catalogue = content.catalogue;
    this.wasm = content.wasm;
    this.files = content.files;
  }

  /** Returns true for a verified bundle, and false for an object of the same shape. */
  static is(value: object): value is VerifiedBundle {
    return #proof in value && value.#proof === PROOF;
  }
}

/** Content of an archive by an unknown author, to show and to compare. The engine does not accept it. */
export interface UnverifiedBundle extends BundleContent {
  verified: false;
}

/**
 * @throws BundleError with the code of the first thing that is wrong
 */
export async function verifyBundle(bytes: Uint8Array, options: VerifyOptions): Promise<VerifiedBundle> {
  const files = await readArchive(bytes, options.limits ?? ARCHIVE_LIMITS);
  // A delta over a signed snapshot would bring in what nobody signed (GHSA-g2pf-6v5v-qcc8).
  if (files.has("patch.json")) throw new BundleError("delta_unsupported", { file: "patch.json" });
  const hashes = verifySignature(files, options.keys, options.signers_min);
  const content = readContent(files, bundleDigest(hashes));
  checkName(content.metadata, options.name);
  checkExpiry(content.metadata, options.nowMs);
  if (options.provenanceKeys !== undefined) verifyProvenance(files, content.metadata, options.provenanceKeys);
  return new VerifiedBundle(PROOF, content);
}

/**
 * Reads an archive without asking who made it: its signature, name and expiry may be anything.
 * @throws BundleError for an archive that cannot be read as a bundle
 */
export async function readUnverified(bytes: Uint8Array, limits: Readonly<ArchiveLimits> = ARCHIVE_LIMITS): Promise<UnverifiedBundle> {
  const files = await readArchive(bytes, limits);
  return { verified: false, ...readContent(files, bundleDigest(contentHashes(files))) };
}

function readContent(files: ReadonlyMap<string, Buffer>, digest: string): BundleContent {
  checkFiles(files);
  const manifest = readManifest(file(files, ".manifest"));
  const metadata = readMetadata(manifest.metadata);
  const dataText = file(files, "data.json");
  const data = readShape<PolicyData>("data.json", dataText, isData, "data_invalid");
  checkMasks(data);
  const catalogue = readShape<Catalogue>("catalogue.json", file(files, "catalogue.json"), isCatalogue, "catalogue_invalid");
  const wasm = file(files, "policy.wasm");
  if (!wasm.subarray(0, WASM_MAGIC.length).equals(WASM_MAGIC)) {
    throw new BundleError("wasm_invalid", { file: "policy.wasm", expected: "WebAssembly 1.0" });
  }
  const identity = { bundle: metadata.name, digest, revision: manifest.revision, sequence: metadata.sequence };
  return { identity, metadata, data, dataText, catalogue, wasm, files };
}

function checkMasks({ vocabulary }: PolicyData): void {
  const at = (vocabulary.masks ?? []).findIndex((mask) => !leadsToField(mask, vocabulary));
  if (at < 0) return;
  const expected = "a field of the vocabulary";
  throw new BundleError("data_invalid", { file: "data.json", at: `/vocabulary/masks/${at}/at`, expected });
}

/** Sources ride along for people; a second file that OPA would merge into data or run as a module must not. */
function checkFiles(files: ReadonlyMap<string, Buffer>): void {
  for (const name of REQUIRED) if (!files.has(name)) throw new BundleError("file_missing", { file: name });
  for (const [name, content] of files) {
    const known = REQUIRED.includes(name) || SIGNING_FILES.has(name) || name === PROVENANCE_FILE || isSource(name);
    if (!known) throw new BundleError("file_unexpected", { file: name });
    if (content.length === 0) throw new BundleError("file_empty", { file: name });
  }
}

function isSource(name: string): boolean {
  const base = name.slice(name.lastIndexOf("/") + 1);
  return /\.(?:rego|yaml)$/.test(base) && base !== "data.yaml";
}

function file(files: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const content = files.get(name);
  if (content === undefined) throw new BundleError("file_missing", { file: name });
  return content;
}

const ajv = schemas({ schemas: [ValueType] });
const isManifest = ajv.compile<BundleManifest>(BundleManifest);
const isMetadata = ajv.compile<BundleMetadata>(Metadata);
const isData = ajv.compile<PolicyData>(Data);
const isCatalogue = ajv.compile<Catalogue>(CatalogueSchema);

function readManifest(content: Buffer): BundleManifest {
  const value = readJson(".manifest", content);
  if (typeof value === "object" && value !== null && "wasm" in value) {
    throw new BundleError("manifest_wasm", { file: ".manifest", at: "/wasm" });
  }
  if (!isManifest(value)) throw invalid("manifest_invalid", ".manifest", isManifest.errors);
  return value;
}

function readMetadata(value: object): BundleMetadata {
  if (!isMetadata(value)) throw invalid("metadata_invalid", ".manifest", isMetadata.errors, "/metadata");
  for (const [member, time] of [
    ["built", value.built],
    ["expires", value.expires],
  ] as const) {
    if (time !== null && parseTime(time) === null) {
      throw new BundleError("metadata_invalid", {
        file: ".manifest",
        at: `/metadata/${member}`,
        expected: "a date-time",
      });
    }
  }
  if (!ABI_VERSIONS.includes(value.abi)) {
    throw new BundleError("abi_unsupported", { expected: ABI_VERSIONS.join(" or "), found: value.abi });
  }
  return value;
}

function readShape<T>(name: string, content: Buffer, check: Validator<T>, code: BundleCode): T {
  const value = readJson(name, content);
  if (!check(value)) throw invalid(code, name, check.errors);
  return value;
}

function invalid(code: BundleCode, name: string, errors: Validator["errors"], under = ""): BundleError {
  const [first] = deepest(errors ?? []);
  return new BundleError(code, {
    file: name,
    at: `${under}${first?.instancePath ?? ""}`,
    ...(first?.message !== undefined && { expected: first.message.replace(/^must /, "to ") }),
  });
}

/** The error nearest to the leaf says most: a union reports every branch that did not fit. */
function deepest(errors: ErrorObject[]): ErrorObject[] {
  return [...errors].sort((a, b) => b.instancePath.split("/").length - a.instancePath.split("/").length);
}

function checkName(metadata: BundleMetadata, name: string): void {
  if (metadata.name !== name) throw new BundleError("name_mismatch", { expected: name, found: metadata.name });
}

/** @throws BundleError `bundle_expired` */
export function checkExpiry(metadata: BundleMetadata, nowMs: number): void {
  const expiresMs = expiryOf(metadata);
  if (expiresMs !== null && nowMs >= expiresMs) throw new BundleError("bundle_expired", { found: String(metadata.expires) });
}

/** Milliseconds since the epoch from which on the bundle may not decide; null: never. */
export function expiryOf({ expires }: BundleMetadata): number | null {
  // What names no moment was refused before; were it not, it must not count as never.
  return expires === null ? null : (parseTime(expires) ?? -Infinity);
}
