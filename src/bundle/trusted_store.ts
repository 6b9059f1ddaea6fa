/**
 * Trust only moves forward: the highest sequence that was trusted under each bundle name, and its digest, kept where a
 * restart finds them. Recorded before a bundle is activated, so that no crash leaves one in force that was not noted.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Type, type Static } from "../contract/type.js";
import { canonical, type PolicyIdentity } from "../contract/index.js";
import { BundleError } from "./errors.js";
import { makeFolder } from "../system/folder.js";
import { nothingFirst, replaceFile } from "../system/replaced_file.js";
import { schemas } from "../system/schemas.js";
import { readRegularFile } from "../system/read_file.js";

const FILE = "trusted.json";
/** A sequence stolen to the end of its range would block every later bundle. */
export const SEQUENCE_STEP_MAX = 1_000_000;

const closed = { additionalProperties: false };
const Trusted = Type.Object(
  {
    sequence: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    digest: Type.String({ pattern: "^sha256:[0-9a-f]{64}$" }),
  },
  closed,
);
type Trusted = Static<typeof Trusted>;
const State = Type.Object(
  {
    version: Type.Literal(1),
    bundles: Type.Record(Type.String({ minLength: 1 }), Trusted),
    /** Digest of `bundles` in canonical form: a flipped bit must not become another sequence. */
    check: Type.String(),
  },
  closed,
);
const isState = schemas().compile<Static<typeof State>>(State);

export class TrustedStore {
  readonly #folder: string;
  #bundles: ReadonlyMap<string, Trusted>;
  #isBehind = false;

  private constructor(folder: string, bundles: ReadonlyMap<string, Trusted>) {
    this.#folder = folder;
    this.#bundles = bundles;
  }

  /**
   * Opens the state in a folder, which is created where it is absent. No state is a first start; one that cannot be
   * read as it was written is not: starting afresh would let an old bundle in.
   * @throws BundleError `trust_unreadable`, `trust_unwritable`
   */
  static async open(folder: string): Promise<TrustedStore> {
    try {
      makeFolder(folder);
    } catch (cause) {
      throw new BundleError("trust_unwritable", { file: folder }, { cause });
    }
    return new TrustedStore(folder, await read(join(folder, FILE)));
  }

  /** True if another witness knew a later bundle when this was opened: the state was lost, or put back from a backup. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  trusted(name: string): Readonly<Trusted> | undefined {
    return this.#bundles.get(name);
  }

  /** Returns true if this bundle was trusted, or a later one. */
  knows({ bundle, sequence }: PolicyIdentity): boolean {
    return (this.#bundles.get(bundle)?.sequence ?? -1) >= sequence;
  }

  /**
   * Checks that this bundle may follow the one that was trusted under its name.
   * @throws BundleError `bundle_older`, `bundle_changed`, `bundle_sequence_jump`
   */
  check({ bundle, sequence, digest }: PolicyIdentity): void {
    const known = this.#bundles.get(bundle);
    if (known === undefined) return;
    if (sequence < known.sequence) {
      throw new BundleError("bundle_older", {
        expected: `sequence ${known.sequence} or more`,
        found: String(sequence),
      });
    }
    if (sequence === known.sequence && digest !== known.digest) {
      throw new BundleError("bundle_changed", { expected: known.digest, found: digest });
    }
    if (sequence - known.sequence > SEQUENCE_STEP_MAX) {
      const expected = `a step of at most ${SEQUENCE_STEP_MAX} from ${known.sequence}`;
      throw new BundleError("bundle_sequence_jump", { expected, found: String(sequence) });
    }
  }

  /**
   * Resolves when it is on disk that this bundle was trusted before, unless that is known already, or a later one is. One call at a time.
   * @returns whether it wasn't known
   * @throws BundleError `trust_unwritable`
   */
  async remember(identity: PolicyIdentity): Promise<boolean> {
    if (this.knows(identity)) return false;
    const { bundle, sequence, digest } = identity;
    await this.#put(bundle, { sequence, digest });
    this.#isBehind = true;
    return true;
  }

  async #put(bundle: string, trusted: Trusted, before?: () => Promise<void>): Promise<void> {
    const next = new Map(this.#bundles).set(bundle, trusted);
    await write(this.#folder, next, before);
    this.#bundles = next;
  }

  /**
   * Checks, and resolves when it is on disk that this is the bundle trusted now. One call at a time.
   * @param before has to resolve first
   * @throws BundleError as `check`, what `before` throws, and `trust_unwritable`: nothing is trusted then that was not before
   */
  async advance(identity: PolicyIdentity, before: () => Promise<void> = nothingFirst): Promise<void> {
    this.check(identity);
    const { bundle, sequence, digest } = identity;
    if (this.#bundles.get(bundle)?.sequence === sequence) await before();
    else await this.#put(bundle, { sequence, digest }, before);
  }
}

async function read(path: string): Promise<ReadonlyMap<string, Trusted>> {
  let text: string;
  try {
    text = (await readRegularFile(path)).toString("utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    throw new BundleError("trust_unreadable", { file: path }, { cause });
  }
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch (cause) {
    throw new BundleError("trust_unreadable", { file: path, expected: "JSON" }, { cause });
  }
  if (!isState(state) || state.check !== checksum(state.bundles)) {
    throw new BundleError("trust_unreadable", { file: path, expected: "what was written, to the bit" });
  }
  return new Map(Object.entries(state.bundles));
}

/** Writes the state. @throws what `before` throws, as it is, and BundleError `trust_unwritable` */
async function write(folder: string, bundles: ReadonlyMap<string, Trusted>, before = nothingFirst): Promise<void> {
  const entries = Object.fromEntries(bundles);
  const state: Static<typeof State> = { version: 1, bundles: entries, check: checksum(entries) };
  const thrown: unknown[] = [];
  const first = (): Promise<void> =>
    before().catch((cause: unknown) => {
      thrown.push(cause);
      throw cause;
    });
  try {
    await replaceFile(join(folder, FILE), `${JSON.stringify(state, null, 2)}\n`, 0o666, first);
  } catch (cause) {
    if (thrown.includes(cause)) throw cause;
    throw new BundleError("trust_unwritable", { file: join(folder, FILE) }, { cause });
  }
}

function checksum(bundles: Record<string, Trusted>): string {
  return createHash("sha256").update(canonical(bundles)).digest("hex");
}
