/** Archives of bundles that were active, the last few of them: a record is decided again by the bundle that decided it. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../system/replaced_file.js";
import { nullIfMissing, readRegularFile } from "../system/read_file.js";

const FOLDER = "active";
const NAME = /^([0-9a-f]{64})\.tar\.gz$/;
const DIGEST = /^sha256:([0-9a-f]{64})$/;

export interface KeptArchiveOptions {
  /** Folder below which they are kept. */
  state_dir: string;
  /** Archives that are kept; 0 keeps none. */
  max: number;
  bytes_max: number;
}

export class KeptArchives {
  readonly #options: KeptArchiveOptions;
  readonly #folder: string;

  constructor(options: KeptArchiveOptions) {
    this.#options = options;
    this.#folder = join(options.state_dir, FOLDER);
  }

  /** Keeps an archive as the last, and removes the oldest beyond the bound. @throws the file system's error */
  async keep(digest: string, bytes: Uint8Array): Promise<void> {
    const name = nameOf(digest);
    if (name === null || this.#options.max === 0) return;
    await mkdir(this.#folder, { recursive: true });
    // Written again when it is active again: that makes it the last.
    await replaceFile(join(this.#folder, name), bytes, 0o666);
    const others = (await this.#names()).filter((one) => one !== name);
    for (const one of others.slice(this.#options.max - 1)) await rm(join(this.#folder, one), { force: true });
  }

  /** Returns the digests of what is kept, the last active first. @throws the file system's error */
  async digests(): Promise<string[]> {
    return (await this.#names()).map((name) => `sha256:${name.slice(0, 64)}`);
  }

  async #names(): Promise<string[]> {
    const names = (await readdir(this.#folder).catch(nullIfMissing)) ?? [];
    const kept = names.filter((one) => NAME.test(one)).map(async (name) => ({ name, ms: (await stat(join(this.#folder, name))).mtimeMs }));
    return (await Promise.all(kept)).sort((a, b) => b.ms - a.ms).map(({ name }) => name);
  }

  /** Returns an archive that is kept, as it was verified then; null if it isn't. @throws the file system's error */
  async find(digest: string): Promise<Uint8Array | null> {
    const name = nameOf(digest);
    if (name === null) return null;
    return await readRegularFile(join(this.#folder, name), this.#options.bytes_max).catch(nullIfMissing);
  }
}

/** A digest that isn't one names no file. */
function nameOf(digest: string): string | null {
  const hex = DIGEST.exec(digest)?.[1];
  return hex === undefined ? null : `${hex}.tar.gz`;
}
