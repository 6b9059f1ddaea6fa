/**
 * Source of bundles: a watched path and publications. A refused bundle changes nothing but what `status` reports; the running one stays.
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { PolicyIdentity } from "../contract/index.js";
import { ARCHIVE_LIMITS, type ArchiveLimits } from "../bundle/archive.js";
import { errorMessage } from "../system/error_message.js";
import { replaceFile, together } from "../system/replaced_file.js";
import { BundleError, verifyBundle, type BundleDetail, type BundleTrust, type VerifiedBundle } from "../bundle/verify.js";
import type { ActivePolicy } from "../decision/ports.js";
import type { Clock, Timers } from "../system/index.js";
import { nullIfMissing, openRegularFile, readOpened, readRegularFile } from "../system/read_file.js";
import type { PolicyEngine } from "./engine.js";

const KEPT = "bundle.tar.gz";
/** Refusals that say something about the host, which may change, and not only about the bundle, which can't. */
const PASSING: ReadonlySet<string> = new Set([
  ...["trust_unwritable", "engine_memory", "bundle_expired", "internal"],
  // The next key may be here already.
  ...["keys_unreadable", "signature_key_unknown", "signatures_too_few"],
]);
/** Such a bundle is tried again after one poll's time, then after twice as long each time, up to this. */
const RETRY_MS_MAX = 60_000;

export interface SourceOptions {
  /** The bundle's file. Publications replace it, so that a restart finds what ran last. */
  path: string;
  name: string;
  /** Returns what bundles are verified with, for each again: keys may be rotated meanwhile. @throws BundleError `keys_unreadable` */
  trust: () => BundleTrust;
  engine: PolicyEngine;
  clock: Clock;
  timers: Timers;
  /** Milliseconds between two looks at the path. */
  poll_ms: number;
  limits?: Readonly<ArchiveLimits>;
  /** Left out: `verifyBundle`. What takes its place answers as it does. */
  verify?: typeof verifyBundle | undefined;
  /** Folder that keeps a copy of what was activated last, for a start that finds no good bundle at the path. Left out: none is kept. */
  kept?: string;
  /** Refuses a verified bundle that something else decides about. @throws BundleError. @default none is refused */
  permits?: ((identity: PolicyIdentity) => Promise<void>) | undefined;
  /** Called with each archive that became active, after it did. */
  activated?: (archive: BundleArchive) => void;
  /** Receives every activation and refusal, for the operational log. */
  report?: (outcome: BundleOutcome) => void;
}

export type BundleOutcome =
  | { outcome: "activated"; from: BundleOrigin; identity: PolicyIdentity }
  | { outcome: "refused"; from: BundleOrigin; refusal: BundleRefusal };

/**
 * `kept`: the copy of what was activated last. `stage`: a publication beside the running one. `source`: where the service fetches it.
 * `cluster`: what the feed of its cluster names.
 */
export type BundleOrigin = "path" | "publication" | "kept" | "stage" | "source" | "cluster";

export interface BundleRefusal {
  /** A `BundleCode`, or `internal` where something failed that is no reason to refuse a bundle. */
  code: string;
  message: string;
  detail: BundleDetail;
  at_ms: number;
}

/** `GET /bundles`: what is wanted, what runs, and why they differ where they do. */
export interface SourceStatus {
  name: string;
  path: string;
  /** The file that was last looked at; null where there was none. */
  wanted: { bytes: number; modified_ms: number; identity: PolicyIdentity | null } | null;
  running: PolicyIdentity | null;
  /** Why what is wanted does not run; null where it does. */
  refused: BundleRefusal | null;
}

/** Running bundle, as it was received. */
export interface BundleArchive {
  bytes: Uint8Array;
  identity: PolicyIdentity;
}

export class BundleSource {
  readonly #options: SourceOptions;
  readonly #limits: Readonly<ArchiveLimits>;
  /** The file that `#wanted` and `#refused` are about, by what `stat` says; empty where none could be read. */
  #seen = "";
  #wanted: SourceStatus["wanted"] = null;
  #refused: BundleRefusal | null = null;
  /** When what was refused is tried again, on the monotonic clock; null: once the file changes. */
  #retry: { at_ms: number; wait_ms: number } | null = null;
  /** The archive that was activated last: met again at the path, there is nothing to verify or to activate. */
  #activated: (BundleArchive & { hash: string }) | null = null;
  /** The path is looked at, and publications are taken, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  /** Code and digest of what was fetched and refused last. */
  #refusedPull: string | null = null;
  readonly #refusals = new Map<BundleOrigin, number>();

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#limits = options.limits ?? ARCHIVE_LIMITS;
  }

  get status(): SourceStatus {
    const { name, path, engine } = this.#options;
    return { name, path, wanted: this.#wanted, running: engine.active?.identity ?? null, refused: this.#refused };
  }

  /** Refusals since the start, by origin: each once, however often it is met again. */
  get refusals(): ReadonlyMap<BundleOrigin, number> {
    return this.#refusals;
  }

  /** The archive of what runs, to the byte as it was verified; null where nothing does. */
  get archive(): BundleArchive | null {
    return this.#activated?.identity === this.#options.engine.active?.identity ? this.#activated : null;
  }

  /** Does `check`, at a start: if nothing at the path can be activated, the bundle that was activated last is. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#check();
      if (this.#options.engine.active === null) await this.#restore();
    });
  }

  /** Looks at the path now and then until the returned function is called. */
  watch(): () => void {
    let looking = false;
    return this.#options.timers.every(this.#options.poll_ms, () => {
      if (looking) return;
      looking = true;
      void this.check().finally(() => {
        looking = false;
      });
    });
  }

  /**
   * Looks at the path and activates what is there if it has changed, or if it was refused for a reason that may have
   * passed. Never throws: `status` says what came of it.
   */
  check(): Promise<void> {
    return this.#inTurn(() => this.#check());
  }

  /**
   * Verifies a bundle, makes it the file at the path, and activates it.
   * @throws BundleError with the reason; the running one stays, and the file too
   */
  publish(bytes: Uint8Array): Promise<PolicyIdentity> {
    return this.#inTurn(() => this.#publish(bytes, "publication"));
  }

  /** Does the same with what was fetched; a bundle that is refused again for the same reason isn't reported again. @throws as `publish` */
  pull(bytes: Uint8Array, from: "source" | "cluster" = "source"): Promise<PolicyIdentity> {
    return this.#inTurn(async () => this.#runs(bytes) ?? (await this.#publish(bytes, from)));
  }

  /**
   * Verifies and tries a publication that is activated later; neither the file nor what is trusted changes.
   * @throws BundleError as `publish`
   */
  prove(bytes: Uint8Array): Promise<PolicyIdentity> {
    return this.#inTurn(async () => {
      try {
        const bundle = await this.#verify(bytes);
        await this.#options.engine.prove(bundle);
        return bundle.identity;
      } catch (error) {
        this.#refuse("publication", this.#refusal(error));
        throw error;
      }
    });
  }

  /**
   * Verifies a bundle and loads it beside the running one; neither the file nor what is trusted changes.
   * @throws BundleError as `publish`, and `stage_alone`, `stage_active`
   */
  stage(bytes: Uint8Array): Promise<{ candidate: ActivePolicy; active: ActivePolicy }> {
    return this.#inTurn(async () => {
      try {
        return await this.#options.engine.candidate(await this.#verify(bytes));
      } catch (error) {
        this.#refuse("stage", this.#refusal(error));
        throw error;
      }
    });
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#last.then(act);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #check(): Promise<void> {
    const { path, clock } = this.#options;
    let seen = "";
    let wanted: SourceStatus["wanted"] = null;
    try {
      seen = lookOf(await orUnreadable(path, stat(path, { bigint: true })));
      const retry = this.#retry !== null && clock.monotonic() >= this.#retry.at_ms;
      if (seen === this.#seen && !retry) return;
      const { state, bytes } = await orUnreadable(path, this.#read());
      seen = lookOf(state);
      wanted = { bytes: Number(state.size), modified_ms: Number(state.mtimeMs), identity: null };
      if (bytes === null) throw new BundleError("archive_too_large", { expected: `at most ${this.#limits.compressed_bytes_max} bytes` });
      wanted.identity = this.#runs(bytes);
      if (wanted.identity === null) {
        const bundle = await this.#verify(bytes);
        wanted.identity = bundle.identity;
        await this.#activate(bundle, bytes, "path");
      }
      this.#settle(seen, wanted, null);
    } catch (error) {
      const refusal = this.#refusal(error);
      if (refusal.code === "file_unreadable") {
        // Nothing was read, so nothing was seen: every look starts afresh.
        seen = "";
        wanted = null;
      }
      const repeated = seen === this.#seen && refusal.code === this.#refused?.code;
      this.#settle(seen, wanted, refusal);
      if (!repeated) this.#refuse("path", refusal);
    }
  }

  /** The file as one open of it finds it; `bytes` null: too many. */
  async #read(): Promise<{ state: BigIntStats; bytes: Buffer | null }> {
    const { path } = this.#options;
    const { compressed_bytes_max: most } = this.#limits;
    const file = await openRegularFile(path);
    try {
      const state = await file.stat({ bigint: true });
      return { state, bytes: state.size > most ? null : await readOpened(path, file, most) };
    } finally {
      await file.close();
    }
  }

  async #restore(): Promise<void> {
    const { kept } = this.#options;
    if (kept === undefined) return;
    const path = join(kept, KEPT);
    try {
      const bytes = await readRegularFile(path, this.#limits.compressed_bytes_max);
      await this.#activate(await this.#verify(bytes), bytes, "kept");
    } catch (error) {
      // A first start has none.
      if (errno(error) !== "ENOENT") this.#refuse("kept", this.#refusal(error));
    }
  }

  /** Whole and on disk before what it is a copy of is trusted. */
  async #keep(bytes: Uint8Array): Promise<void> {
    const { kept } = this.#options;
    if (kept === undefined) return;
    await replaceFile(join(kept, KEPT), bytes, 0o666).catch((cause: unknown) => {
      throw new BundleError("trust_unwritable", { file: join(kept, KEPT) }, { cause });
    });
  }

  async #publish(bytes: Uint8Array, from: "publication" | "source" | "cluster"): Promise<PolicyIdentity> {
    // A newer file that nobody has looked at yet comes first: an older publication must not take its place.
    await this.#check();
    let putBack = (): Promise<void> => Promise.resolve();
    try {
      const bundle = await this.#verify(bytes);
      const identity = await this.#activate(bundle, bytes, from, async () => {
        putBack = await this.#replace(bytes);
      });
      this.#settle("", { bytes: bytes.length, modified_ms: this.#options.clock.wall(), identity }, null);
      // Next in turn: whoever published needn't wait until the file is read again.
      void this.check();
      return identity;
    } catch (error) {
      // Where this fails too, the next look tells what is there.
      await putBack().catch(() => undefined);
      const refusal = this.#refusal(error);
      const pulled = from !== "publication" ? `${refusal.code} ${sha256(bytes)}` : null;
      if (pulled === null || pulled !== this.#refusedPull) this.#refuse(from, refusal);
      if (pulled !== null) this.#refusedPull = pulled;
      throw error;
    }
  }

  /** Returns the identity of the running bundle, if it is this archive to the byte. */
  #runs(bytes: Uint8Array): PolicyIdentity | null {
    const activated = this.#activated;
    if (activated === null || activated.identity !== this.#options.engine.active?.identity) return null;
    return activated.hash === sha256(bytes) ? activated.identity : null;
  }

  async #activate(
    bundle: VerifiedBundle,
    bytes: Uint8Array,
    from: BundleOutcome["from"],
    keep: () => Promise<void> = () => Promise.resolve(),
  ): Promise<PolicyIdentity> {
    const { engine, report, activated, permits } = this.#options;
    await permits?.(bundle.identity);
    const before = engine.active;
    const identity = await engine.activate(bundle, () => together(this.#keep(bytes), keep()));
    this.#activated = { hash: sha256(bytes), bytes, identity };
    if (engine.active !== before) {
      report?.({ outcome: "activated", from, identity });
      activated?.(this.#activated);
    }
    return identity;
  }

  /** Makes the bytes the file at the path; what it resolves to puts back what was there. */
  async #replace(bytes: Uint8Array): Promise<() => Promise<void>> {
    const { path } = this.#options;
    const put = (content: Uint8Array): Promise<void> => replaceFile(path, content, 0o666);
    const previous = await this.#atPath();
    await put(bytes).catch((cause: unknown) => {
      throw new BundleError("file_unwritable", { file: path, found: errno(cause) }, { cause });
    });
    return () => (previous === null ? rm(path) : put(previous));
  }

  /** Content of the file at the path; null if no file is there. It is not read if the last look found what runs there. */
  async #atPath(): Promise<Uint8Array | null> {
    const { path } = this.#options;
    const activated = this.#activated;
    if (activated !== null && this.#seen !== "" && this.#wanted?.identity === activated.identity) return activated.bytes;
    const reading = readRegularFile(path).catch(nullIfMissing);
    return await orUnreadable(path, reading);
  }

  async #verify(bytes: Uint8Array): Promise<VerifiedBundle> {
    const { name, trust, clock, verify = verifyBundle } = this.#options;
    return await verify(bytes, { name, ...trust(), nowMs: clock.wall(), limits: this.#limits });
  }

  #settle(seen: string, wanted: SourceStatus["wanted"], refused: BundleRefusal | null): void {
    const { clock, poll_ms } = this.#options;
    const waited = seen === this.#seen ? this.#retry?.wait_ms : undefined;
    const wait_ms = waited === undefined ? poll_ms : Math.max(poll_ms, Math.min(2 * waited, RETRY_MS_MAX));
    const passing = refused !== null && PASSING.has(refused.code);
    this.#retry = passing ? { at_ms: clock.monotonic() + wait_ms, wait_ms } : null;
    this.#seen = seen;
    this.#wanted = wanted;
    this.#refused = refused;
  }

  #refuse(from: BundleOrigin, refusal: BundleRefusal): void {
    this.#refusals.set(from, (this.#refusals.get(from) ?? 0) + 1);
    this.#options.report?.({ outcome: "refused", from, refusal });
  }

  #refusal(error: unknown): BundleRefusal {
    const at_ms = this.#options.clock.wall();
    if (error instanceof BundleError) {
      return { code: error.code, message: error.message, detail: error.detail, at_ms };
    }
    return { code: "internal", message: errorMessage(error), detail: {}, at_ms };
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function orUnreadable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    throw new BundleError("file_unreadable", { file: path, found: errno(cause) }, { cause });
  }
}

/** Returns a text that changes if a file is replaced or written. */
function lookOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

/** `ENOENT` and the like. */
function errno(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? String(cause);
}
