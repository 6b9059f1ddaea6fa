/** The bundles at hand, by their digest. A policy runs as it does in a service: on a thread that is stopped over its budget. */
import type { Catalogue, PolicyIdentity, Purpose, Vocabulary } from "../contract/index.js";
import type { BundleContent } from "../bundle/verify.js";
import type { ActivePolicy, Evaluation } from "../decision/ports.js";
import { vocabularyReader, type VocabularyReader } from "../decision/values.js";
import type { Evaluator, StartEvaluator } from "../policy/evaluator.js";

/** Each holds a thread and its spare. Records of one bundle stand together, so that two would nearly do. */
const RUNNING_MAX = 4;

/** A bundle that runs. Whether it has expired is not asked: it decided then. */
export class RunningBundle implements ActivePolicy {
  readonly identity: PolicyIdentity;
  readonly vocabulary: Vocabulary;
  readonly purposes: ReadonlyMap<string, Purpose>;
  readonly catalogue: Catalogue;
  readonly expires_ms = null;
  readonly reader: VocabularyReader;
  readonly #evaluator: Evaluator;

  private constructor({ identity, data, catalogue }: BundleContent, evaluator: Evaluator) {
    this.identity = identity;
    this.vocabulary = data.vocabulary;
    this.purposes = new Map(Object.entries(data.purposes));
    this.catalogue = catalogue;
    this.reader = vocabularyReader(data.vocabulary);
    this.#evaluator = evaluator;
  }

  /** @throws BundleError `wasm_*`, `abi_unsupported`, `engine_memory`, `self_test_failed` */
  static async start(bundle: BundleContent, start: StartEvaluator): Promise<RunningBundle> {
    return new RunningBundle(bundle, await start(bundle, []));
  }

  evaluate(input: string): Promise<Evaluation> {
    return this.#evaluator.evaluate(input);
  }

  close(): Promise<void> {
    return this.#evaluator.close();
  }
}

export class Bundles {
  readonly #known: ReadonlyMap<string, BundleContent>;
  readonly #start: StartEvaluator;
  /** The one that was asked for last at the end. */
  readonly #running = new Map<string, Promise<RunningBundle>>();

  constructor(bundles: readonly BundleContent[], start: StartEvaluator) {
    this.#known = new Map(bundles.map((bundle) => [bundle.identity.digest, bundle]));
    this.#start = start;
  }

  /** Null where it is not at hand. @throws BundleError as `RunningBundle.start` */
  async find(digest: string): Promise<RunningBundle | null> {
    const bundle = this.#known.get(digest);
    if (bundle === undefined) return null;
    const running = this.#running.get(digest) ?? RunningBundle.start(bundle, this.#start);
    this.#running.delete(digest);
    this.#running.set(digest, running);
    const [oldest] = this.#running;
    if (oldest !== undefined && this.#running.size > RUNNING_MAX) {
      this.#running.delete(oldest[0]);
      await (await oldest[1]).close();
    }
    return running;
  }

  async close(): Promise<void> {
    const running = [...this.#running.values()];
    this.#running.clear();
    for (const bundle of running) await (await bundle).close();
  }
}
