/** Archives of bundles by their digests, from the first source that has one. Nothing is verified here: whoever activates one does that. */

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Thrown if nobody has the archive of a digest. */
export class BundleUnreachable extends Error {
  override readonly name = "BundleUnreachable";
}

export class BundleArchives {
  readonly #sources: readonly ((digest: string) => Promise<Uint8Array | null>)[];
  /** Archive that was published here, which needn't be fetched. */
  #given: { digest: string; bytes: Uint8Array } | null = null;

  /** @param sources asked one after another; null of one: it has none */
  constructor(sources: readonly ((digest: string) => Promise<Uint8Array | null>)[]) {
    this.#sources = sources;
  }

  /** Keeps an archive until it is asked for, or isn't needed. */
  give(digest: string, bytes: Uint8Array): void {
    this.#given = { digest, bytes };
  }

  /** Forgets an archive that was given and that nobody has asked for. */
  drop(): void {
    this.#given = null;
  }

  /** @throws BundleUnreachable, or what a source throws */
  async find(digest: string): Promise<Uint8Array> {
    if (DIGEST.test(digest)) {
      const given = this.#given;
      if (given?.digest === digest) {
        this.#given = null;
        return given.bytes;
      }
      for (const find of this.#sources) {
        const bytes = await find(digest);
        if (bytes !== null) return bytes;
      }
    }
    throw new BundleUnreachable(`no archive of ${digest} is in the cluster's object store`);
  }
}
