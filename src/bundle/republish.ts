/**
 * The way back: an earlier bundle's content under a later sequence, since trust only moves forward. Nothing is compiled, so neither sources nor
 * a compiler are needed; only who holds a signing key can do it.
 */
import type { KeyObject } from "node:crypto";
import { canonical, parseTime, type BundleMetadata, type PolicyIdentity } from "../contract/index.js";
import { writeArchive } from "./archive.js";
import { revisionOf, rfc3339, wholeSeconds, zonesOfBundle } from "./build.js";
import { bundleDigest, fileHashes, readJson } from "./digest.js";
import { BundleError } from "./errors.js";
import { SIGNATURES_FILE, SIGNING_FILES, signFiles } from "./signature.js";
import { readUnverified, verifyBundle, type TrustedKeys } from "./verify.js";
import { TZDATA_VERSION } from "./zones.js";
import { packageVersion } from "../system/package_version.js";

export interface RepublishOptions {
  /** P-256 private key that signs the new bundle. */
  key: KeyObject;
  /** Public keys, of which one has to have signed the old bundle. That it has expired doesn't matter. */
  keys: TrustedKeys;
  /** Higher than the old bundle's. */
  sequence: number;
  /** Milliseconds since the epoch; null: never. */
  expiresMs: number | null;
  /** Milliseconds since the epoch. Parts of a second are dropped. */
  builtMs: number;
}

export interface RepublishedBundle {
  archive: Buffer;
  metadata: BundleMetadata;
  revision: string;
  digest: string;
  /** The bundle whose content it has. */
  from: PolicyIdentity;
}

/**
 * Signs an old bundle's policy, vocabulary, purposes and sources again, byte for byte; sequence, times and the local weeks of its zones are new.
 * @throws BundleError of an old bundle that isn't trusted, and `bundle_older` if the sequence isn't higher than its own
 */
export async function republishBundle(
  bytes: Uint8Array,
  { key, keys, sequence, expiresMs, builtMs: nowMs }: RepublishOptions,
): Promise<RepublishedBundle> {
  const { metadata: claimed } = await readUnverified(bytes);
  const old = await verifyBundle(bytes, { keys, name: claimed.name, nowMs: parseTime(claimed.built) ?? 0 });
  if (sequence <= old.metadata.sequence) {
    throw new BundleError("bundle_older", { expected: `sequence ${old.metadata.sequence + 1} or more`, found: String(sequence) });
  }
  const builtMs = wholeSeconds(nowMs);
  const metadata: BundleMetadata = {
    ...old.metadata,
    sequence,
    built: rfc3339(builtMs),
    expires: expiresMs === null ? null : rfc3339(expiresMs),
    builder: `remit ${packageVersion()}`,
    tzdata: TZDATA_VERSION,
  };
  const revision = revisionOf(metadata);
  const manifest = readJson(".manifest", old.files.get(".manifest") ?? Buffer.of()) as object;
  const zones = zonesOfBundle(Object.keys(old.data.zones), builtMs, expiresMs);
  const files = new Map(old.files);
  for (const name of SIGNING_FILES) files.delete(name);
  files.set(".manifest", Buffer.from(canonical({ ...manifest, revision, metadata })));
  files.set("data.json", Buffer.from(canonical({ ...old.data, zones })));
  const digest = bundleDigest(fileHashes(files));
  files.set(SIGNATURES_FILE, signFiles(files, key));
  return { archive: await writeArchive(files, builtMs / 1000), metadata, revision, digest, from: old.identity };
}
