/**
 * Where bundles come from: a watched path and publications. A refused one changes nothing but what `status` says; the
 * running one stays.
 */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { PolicyIdentity } from "../contract/index.js";
import { ARCHIVE_LIMITS, type ArchiveLimits } from "../bundle/archive.js";
import { replaceFile } from "../bundle/trusted.js";
import { BundleError, verifyBundle, type BundleDetail, type TrustedKeys } from "../bundle/verify.js";
import type { Clock, Timers } from "../system/index.js";
import type { PolicyEngine } from "./engine.js";

export interface SourceOptions {
  /** The bundle's file. Publications replace it, so that a restart finds what ran last. */
  path: string;
  name: string;
  keys: TrustedKeys;
  engine: PolicyEngine;
  clock: Clock;
  timers: Timers;
  /** Milliseconds between two looks at the path. */
  poll_ms: number;
  limits?: Readonly<ArchiveLimits>;
  /** Told of every activation and refusal, for the operational log. */
  report?: (outcome: Outcome) => void;
}

export type Outcome =
  | { outcome: "activated"; from: "path" | "publication"; identity: PolicyIdentity }
  | { outcome: "refused"; from: "path" | "publication"; refusal: Refusal };

export interface Refusal {
  /** A `BundleCode`, or `file_unreadable` for a path that could not be read at all. */
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
  refused: Refusal | null;
}

export class BundleSource {
  readonly #options: SourceOptions;
  readonly #limits: Readonly<ArchiveLimits>;
  #seen = "";
  #wanted: SourceStatus["wanted"] = null;
  #refused: Refusal | null = null;
  /** The path is looked at, and publications are taken, one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#limits = options.limits ?? ARCHIVE_LIMITS;
  }

  get status(): SourceStatus {
    const { name, path, engine } = this.#options;
    return { name, path, wanted: this.#wanted, running: engine.active?.identity ?? null, refused: this.#refused };
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

  /** Looks at the path and activates what is there if it has changed. Never throws: `status` says what came of it. */
  check(): Promise<void> {
    return this.#inTurn(() => this.#check());
  }

  /**
   * Verifies a bundle, makes it the file at the path, and activates it.
   * @throws BundleError with the reason; the running one stays, and the file too
   */
  publish(bytes: Uint8Array): Promise<PolicyIdentity> {
    return this.#inTurn(() => this.#publish(bytes));
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#last.then(act);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #check(): Promise<void> {
    const { path, engine } = this.#options;
    let identity: PolicyIdentity | null = null;
    try {
      const file = await stat(path, { bigint: true });
      const seen = `${file.dev} ${file.ino} ${file.size} ${file.mtimeNs} ${file.ctimeNs}`;
      if (seen === this.#seen) return;
      this.#wanted = { bytes: Number(file.size), modified_ms: Number(file.mtimeMs), identity: null };
      this.#seen = seen;
      if (file.size > this.#limits.compressed_bytes_max) {
        throw new BundleError("archive_too_large", { expected: `at most ${this.#limits.compressed_bytes_max} bytes` });
      }
      const bundle = await this.#verify(await readFile(path));
      identity = bundle.identity;
      this.#wanted.identity = identity;
      await engine.activate(bundle);
      this.#refused = null;
      this.#options.report?.({ outcome: "activated", from: "path", identity });
    } catch (error) {
      const refusal = this.#refusal(error);
      const repeated = refusal.code === this.#refused?.code && refusal.code === "file_unreadable";
      if (refusal.code === "file_unreadable") {
        // Nothing was read, so nothing was seen: the next look starts afresh.
        this.#seen = "";
        this.#wanted = null;
      }
      this.#refused = refusal;
      if (!repeated) this.#options.report?.({ outcome: "refused", from: "path", refusal });
    }
  }

  async #publish(bytes: Uint8Array): Promise<PolicyIdentity> {
    const { path, engine, report } = this.#options;
    try {
      const bundle = await this.#verify(bytes);
      const identity = await engine.activate(bundle, () => replaceFile(dirname(path), basename(path), bytes));
      report?.({ outcome: "activated", from: "publication", identity });
      return identity;
    } catch (error) {
      report?.({ outcome: "refused", from: "publication", refusal: this.#refusal(error) });
      throw error;
    }
  }

  async #verify(bytes: Uint8Array): ReturnType<typeof verifyBundle> {
    const { name, keys, clock } = this.#options;
    return await verifyBundle(bytes, { name, keys, nowMs: clock.wall(), limits: this.#limits });
  }

  #refusal(error: unknown): Refusal {
    const at_ms = this.#options.clock.wall();
    if (error instanceof BundleError) {
      return { code: error.code, message: error.message, detail: error.detail, at_ms };
    }
    const message = error instanceof Error ? error.message : String(error);
    return { code: "file_unreadable", message, detail: {}, at_ms };
  }
}
