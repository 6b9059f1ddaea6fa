/** The bundles at hand, by their digest. A policy runs as it does in a service: in place, bounded by fuel. */
import type { Catalogue, PolicyIdentity, Purpose, Vocabulary } from "../contract/index.js";
import type { BundleContent } from "../bundle/verify.js";
import type { ActivePolicy, Evaluation } from "../decision/ports.js";
import { vocabularyReader, type VocabularyReader } from "../decision/values.js";
import { PolicyInstance } from "../policy/instance.js";

/** Records of one bundle are next to each other, so that two would nearly do. */
const RUNNING_MAX = 4;

/** A bundle that runs. Whether it has expired is not asked: it decided then. */
export class RunningBundle implements ActivePolicy {
  readonly identity: PolicyIdentity;
  readonly vocabulary: Vocabulary;
  readonly purposes: ReadonlyMap<string, Purpose>;
  readonly catalogue: Catalogue;
  readonly expires_ms = null;
  readonly reader: VocabularyReader;
  readonly #instance: PolicyInstance;

  /** @throws BundleError `wasm_*`, `abi_unsupported`, `engine_memory` */
  constructor(bundle: BundleContent) {
    const { identity, data, catalogue } = bundle;
    this.identity = identity;
    this.vocabulary = data.vocabulary;
    this.purposes = new Map(Object.entries(data.purposes));
    this.catalogue = catalogue;
    this.reader = vocabularyReader(data.vocabulary);
    this.#instance = new PolicyInstance(bundle);
  }

  evaluate(input: string): Evaluation {
    return this.#instance.evaluate(input);
  }
}

export class ReplayBundles {
  readonly #known: ReadonlyMap<string, BundleContent>;
  /** The one that was asked for last at the end. */
  readonly #running = new Map<string, RunningBundle>();

  constructor(bundles: readonly BundleContent[]) {
    this.#known = new Map(bundles.map((bundle) => [bundle.identity.digest, bundle]));
  }

  /** Null if it is not at hand. @throws BundleError as `RunningBundle` */
  find(digest: string): RunningBundle | null {
    const bundle = this.#known.get(digest);
    if (bundle === undefined) return null;
    const running = this.#running.get(digest) ?? new RunningBundle(bundle);
    this.#running.delete(digest);
    this.#running.set(digest, running);
    const [oldest] = this.#running.keys();
    if (oldest !== undefined && this.#running.size > RUNNING_MAX) this.#running.delete(oldest);
    return running;
  }
}
