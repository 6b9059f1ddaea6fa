/**
 * The policy that decides. A bundle is compiled, loaded and tried beside the running one, noted as trusted, and only
 * then a pointer moves: whatever fails before that leaves the running one as it was.
 */
import { PolicyResult, type Catalogue, type PolicyIdentity, type Purpose, type Vocabulary, type Zone } from "../contract/index.js";
import { BundleError, expiryOf, VerifiedBundle } from "../bundle/verify.js";
import type { TrustedStore } from "../bundle/trusted.js";
import type { ActivePolicy, Engine, Evaluation } from "../decision/ports.js";
import type { Clock } from "../system/index.js";
import { inPlace, type Evaluator, type StartEvaluator } from "./evaluator.js";
import { INSTANCE_LIMITS } from "./instance.js";
import { rehearsalInputs } from "./rehearsal.js";
import { schemas } from "../system/schemas.js";

/** Inputs that a bundle is tried with: some milliseconds at 20 µs each. */
const REHEARSALS_MAX = 400;

/** What a bundle is tried with, and its evaluator made warm. */
export function rehearsalOf({ data: { vocabulary, purposes } }: VerifiedBundle, nowMs: number): string[] {
  return rehearsalInputs(vocabulary, new Map(Object.entries(purposes)), nowMs, REHEARSALS_MAX);
}

const isResult = schemas().compile<PolicyResult>(PolicyResult);

export interface EngineOptions {
  trusted: TrustedStore;
  clock: Clock;
  /** Left out: on the calling thread. */
  start?: StartEvaluator;
}

/** What the engine runs: a bundle with its evaluator, never changed once made. */
class LoadedBundle implements ActivePolicy {
  readonly identity: PolicyIdentity;
  readonly vocabulary: Vocabulary;
  readonly purposes: ReadonlyMap<string, Purpose>;
  readonly catalogue: Catalogue;
  readonly zones: Readonly<Record<string, Zone>>;
  readonly expires_ms: number | null;
  readonly #evaluator: Evaluator;

  /** @throws BundleError as `start`, and `self_test_failed` */
  static async start(bundle: VerifiedBundle, start: StartEvaluator, nowMs: number): Promise<LoadedBundle> {
    const inputs = rehearsalOf(bundle, nowMs);
    const loaded = new LoadedBundle(bundle, await start(bundle, inputs));
    try {
      await loaded.#rehearse(inputs);
    } catch (error) {
      await loaded.#evaluator.close();
      throw error;
    }
    return loaded;
  }

  private constructor(bundle: VerifiedBundle, evaluator: Evaluator) {
    this.identity = bundle.identity;
    this.vocabulary = bundle.data.vocabulary;
    this.purposes = new Map(Object.entries(bundle.data.purposes));
    this.catalogue = bundle.catalogue;
    this.zones = bundle.data.zones;
    this.expires_ms = expiryOf(bundle.metadata);
    this.#evaluator = evaluator;
  }

  evaluate(input: string): Promise<Evaluation> {
    return this.#evaluator.evaluate(input);
  }

  evaluateAll(inputs: readonly string[]): Promise<readonly Evaluation[]> {
    return this.#evaluator.evaluateAll(inputs);
  }

  retire(): void {
    this.#evaluator.retire();
  }

  close(): Promise<void> {
    return this.#evaluator.close();
  }

  async #rehearse(inputs: string[]): Promise<void> {
    for (const evaluation of await Promise.all(inputs.map((input) => this.evaluate(input)))) {
      if (!evaluation.ok) throw new BundleError("self_test_failed", { found: evaluation.detail });
      if (!isResult(evaluation.result)) {
        const [error] = isResult.errors ?? [];
        throw new BundleError("self_test_failed", {
          expected: "a decision, whether to proceed, reasons and obligations",
          found: `${error?.instancePath ?? ""} ${error?.message ?? "another shape"}`.trim(),
        });
      }
    }
  }
}

export class PolicyEngine implements Engine {
  readonly #trusted: TrustedStore;
  readonly #clock: Clock;
  readonly #start: StartEvaluator;
  #active: LoadedBundle | null = null;
  /** Activations wait for each other: two may not both pass the check and then note themselves in the wrong order. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ trusted, clock, start = inPlace(INSTANCE_LIMITS) }: EngineOptions) {
    this.#trusted = trusted;
    this.#clock = clock;
    this.#start = start;
  }

  get active(): ActivePolicy | null {
    return this.#active;
  }

  /**
   * Resolves when the bundle decides. `keep` is called when nothing but noting it is left to do, to put its bytes where
   * a restart will look for them; until it resolves nothing is noted. What runs already is kept, and not activated again.
   * @throws BundleError `bundle_*`, `wasm_*`, `abi_unsupported`, `engine_memory`, `self_test_failed`, `trust_unwritable`
   */
  activate(bundle: VerifiedBundle, keep: () => Promise<void> = () => Promise.resolve()): Promise<PolicyIdentity> {
    const activation = this.#last.then(() => this.#activate(bundle, keep));
    this.#last = activation.catch(() => undefined);
    return activation;
  }

  /** Ends what runs; nothing is active afterwards. */
  async close(): Promise<void> {
    await this.#last;
    const active = this.#active;
    this.#active = null;
    await active?.close();
  }

  async #activate(bundle: VerifiedBundle, keep: () => Promise<void>): Promise<PolicyIdentity> {
    // The type says so already; a cast must not be a way in.
    if (!VerifiedBundle.is(bundle)) throw new TypeError("the engine takes verified bundles only");
    this.#trusted.check(bundle.identity);
    if (this.#active?.identity.digest === bundle.identity.digest) {
      await keep();
      return this.#active.identity;
    }
    const next = await LoadedBundle.start(bundle, this.#start, this.#clock.wall());
    try {
      await keep();
      await this.#trusted.advance(bundle.identity);
    } catch (error) {
      await next.close();
      throw error;
    }
    this.#active?.retire();
    this.#active = next;
    return next.identity;
  }
}
