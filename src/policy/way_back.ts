/**
 * The way back: a bundle that was signed in advance, and is kept until somebody goes back to it. It decides nothing before, and it is no
 * exception to what a publication has to be: its sequence is above every one that was trusted, and it is verified once more when it is used.
 */
import { join } from "node:path";
import type { PolicyIdentity } from "../contract/index.js";
import type { ArchiveLimits } from "../bundle/archive.js";
import { BundleError } from "../bundle/errors.js";
import { policyDigest } from "../bundle/policy_digest.js";
import type { TrustedStore } from "../bundle/trusted_store.js";
import { replaceFile } from "../system/replaced_file.js";
import { expiryOf, readUnverified, type BundleContent, type VerifiedBundle } from "../bundle/verify.js";
import type { Clock } from "../system/index.js";
import { nullIfMissing, readRegularFile } from "../system/read_file.js";
import type { KeptArchives } from "./kept_archives.js";

const FILE = "back.tar.gz";

export interface WayBackOptions {
  state_dir: string;
  limits: Readonly<ArchiveLimits>;
  kept: KeptArchives;
  trusted: Pick<TrustedStore, "check">;
  clock: Clock;
  /** Verifies a bundle as a publication. @throws BundleError */
  verify: (bytes: Uint8Array) => Promise<VerifiedBundle>;
  /** Returns the archive of the active bundle; null if none is. */
  active: () => { bytes: Uint8Array; identity: PolicyIdentity } | null;
}

/** Bundle that is kept as the way back. */
export interface PreparedBack {
  identity: PolicyIdentity;
  /** Earlier bundle that has the same policy. */
  of: PolicyIdentity;
  /** Milliseconds since the epoch; null: never. */
  expires_ms: number | null;
}

export class WayBack {
  readonly #options: WayBackOptions;
  #prepared: (PreparedBack & { bytes: Uint8Array }) | null = null;

  constructor(options: WayBackOptions) {
    this.#options = options;
  }

  /** Bundle that can be gone back to; null: none is kept, it has expired, or a later one has been trusted since. */
  get status(): PreparedBack | null {
    if (this.#prepared === null) return null;
    const { identity, of, expires_ms } = this.#prepared;
    if (expires_ms !== null && expires_ms <= this.#options.clock.wall()) return null;
    try {
      this.#options.trusted.check(identity);
    } catch {
      return null;
    }
    return identity.digest === this.#options.active()?.identity.digest ? null : { identity, of, expires_ms };
  }

  /** Reads what an earlier process kept. @throws BundleError if it can't be used any more; the file system's error */
  async open(): Promise<void> {
    const { state_dir, limits } = this.#options;
    const bytes = await readRegularFile(join(state_dir, FILE), limits.compressed_bytes_max).catch(nullIfMissing);
    if (bytes !== null) this.#prepared = await this.#look(bytes);
  }

  /**
   * Resolves when a bundle is kept as the way back, in the place of the one before.
   * @throws BundleError as `verify`, `bundle_*` if it may not follow the active one, and `back_unknown`; `trust_unwritable`
   */
  async keep(bytes: Uint8Array): Promise<PolicyIdentity> {
    const { state_dir } = this.#options;
    const prepared = await this.#look(bytes);
    await replaceFile(join(state_dir, FILE), bytes, 0o666).catch((cause: unknown) => {
      throw new BundleError("trust_unwritable", { file: join(state_dir, FILE) }, { cause });
    });
    this.#prepared = prepared;
    return prepared.identity;
  }

  /** Returns the archive of the way back. @throws BundleError `back_missing` unless it has this digest */
  archive(digest: string): Uint8Array {
    if (this.#prepared === null || this.status?.identity.digest !== digest) throw new BundleError("back_missing", { expected: digest });
    return this.#prepared.bytes;
  }

  async #look(bytes: Uint8Array): Promise<PreparedBack & { bytes: Uint8Array }> {
    const bundle = await this.#options.verify(bytes);
    this.#options.trusted.check(bundle.identity);
    const of = await this.#earlier(bundle);
    if (of === null) throw new BundleError("back_unknown", { found: bundle.identity.digest });
    return { identity: bundle.identity, of, expires_ms: expiryOf(bundle.metadata), bytes };
  }

  /** Returns the last bundle with the same policy that was active here; null: none that is kept, or it is the active one's. */
  async #earlier(bundle: BundleContent): Promise<PolicyIdentity | null> {
    const { kept, active, limits } = this.#options;
    const wanted = policyDigest(bundle);
    const running = active();
    if (running !== null && policyDigest(await readUnverified(running.bytes, limits)) === wanted) return null;
    for (const digest of await kept.digests()) {
      // A kept bundle was verified when it became active; one that can't be read any more is passed over.
      const content = await this.#content(digest);
      if (content !== null && content.identity.digest === digest && policyDigest(content) === wanted) return content.identity;
    }
    return null;
  }

  async #content(digest: string): Promise<BundleContent | null> {
    const { kept, limits } = this.#options;
    try {
      const bytes = await kept.find(digest);
      return bytes === null ? null : await readUnverified(bytes, limits);
    } catch {
      return null;
    }
  }
}
