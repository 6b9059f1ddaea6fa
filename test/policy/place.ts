/** A service's folder in which two bundles were active, for what is kept there as the way back. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ARCHIVE_LIMITS } from "../../src/bundle/archive.js";
import { republishBundle } from "../../src/bundle/republish.js";
import { TrustedStore } from "../../src/bundle/trusted_store.js";
import { readUnverified, verifyBundle } from "../../src/bundle/verify.js";
import type { PolicyIdentity } from "../../src/contract/index.js";
import { KeptArchives } from "../../src/policy/kept_archives.js";
import { WayBack } from "../../src/policy/way_back.js";
import { KEY, KEYS, NAME, NOW_MS, bundleBytes, policyData } from "../bundle/support.js";

export const NEVER = { expires: null } as const;

/** Bundles 12 and 13 were active, one after the other; 13 decides. */
export class Place {
  now_ms = NOW_MS;
  keys = KEYS;
  active!: { bytes: Uint8Array; identity: PolicyIdentity };

  private constructor(
    readonly folder: string,
    readonly kept: KeptArchives,
    readonly trusted: TrustedStore,
  ) {}

  static async open(): Promise<Place> {
    const folder = await mkdtemp(join(tmpdir(), "remit-back-"));
    const kept = new KeptArchives({ state_dir: folder, max: 8, bytes_max: ARCHIVE_LIMITS.compressed_bytes_max });
    const place = new Place(folder, kept, await TrustedStore.open(folder));
    await place.activate(await bundleBytes({ ...NEVER, sequence: 12 }, policyData(["testing"])));
    await place.activate(await bundleBytes({ ...NEVER, sequence: 13 }, policyData(["testing", "later"])));
    return place;
  }

  async activate(bytes: Uint8Array): Promise<void> {
    const { identity } = await readUnverified(bytes);
    await this.trusted.advance(identity);
    await this.kept.keep(identity.digest, bytes);
    this.active = { bytes, identity };
  }

  /** Opens the way back as a start does. */
  async wayBack(Class = WayBack): Promise<WayBack> {
    const { folder, kept, trusted } = this;
    const wayBack = new Class({
      ...{ state_dir: folder, limits: ARCHIVE_LIMITS, kept, trusted, clock: { wall: () => this.now_ms, monotonic: () => 0 } },
      verify: (bytes) => verifyBundle(bytes, { keys: this.keys, name: NAME, nowMs: this.now_ms }),
      active: () => this.active,
    });
    await wayBack.open();
    return wayBack;
  }

  close(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** Returns a bundle whose content is signed again. */
export const again = async (sequence: number, old: Promise<Buffer>, expiresMs: number | null = null): Promise<Buffer> =>
  (await republishBundle(await old, { key: KEY, keys: KEYS, sequence, expiresMs, builtMs: NOW_MS })).archive;
/** Returns the bundle that was active first. */
export const old12 = (): Promise<Buffer> => bundleBytes({ ...NEVER, sequence: 12 }, policyData(["testing"]));
