/**
 * The policy that decides. A bundle is compiled, loaded and tried beside the running one, noted as trusted, and only
 * then a pointer moves: whatever fails before that leaves the running one as it was.
 */
import { Ajv } from "ajv";
import { PolicyResult, type Catalogue, type PolicyIdentity, type Purpose, type Vocabulary } from "../contract/index.js";
import { BundleError, expiryOf, VerifiedBundle } from "../bundle/verify.js";
import type { TrustedStore } from "../bundle/trusted.js";
import type { ActivePolicy, Engine, Evaluation } from "../decision/ports.js";
import type { Clock } from "../system/index.js";
import { INSTANCE_LIMITS, PolicyInstance, type InstanceLimits } from "./instance.js";
import { rehearsalInputs } from "./rehearsal.js";

/** Inputs that a bundle is tried with: some milliseconds at 20 µs each. */
const REHEARSALS_MAX = 400;

const isResult = new Ajv({ strict: true, allowUnionTypes: true }).compile<PolicyResult>(PolicyResult);

export interface EngineOptions {
  trusted: TrustedStore;
  clock: Clock;
  limits?: Readonly<InstanceLimits>;
}

/** What the engine runs: a bundle with its instance, never changed once made. */
class LoadedBundle implements ActivePolicy {
  readonly identity: PolicyIdentity;
  readonly vocabulary: Vocabulary;
  readonly purposes: ReadonlyMap<string, Purpose>;
  readonly catalogue: Catalogue;
  readonly expires_ms: number | null;
  readonly #instance: PolicyInstance;

  constructor(bundle: VerifiedBundle, limits: Readonly<InstanceLimits>) {
    this.identity = bundle.identity;
    this.vocabulary = bundle.data.vocabulary;
    this.purposes = new Map(Object.entries(bundle.data.purposes));
    this.catalogue = bundle.catalogue;
    this.expires_ms = expiryOf(bundle.metadata);
    this.#instance = new PolicyInstance(bundle, limits);
  }

  evaluate(input: string): Promise<Evaluation> {
    return Promise.resolve(this.#instance.evaluate(input));
  }

  /** @throws BundleError `self_test_failed` */
  rehearse(nowMs: number): void {
    for (const input of rehearsalInputs(this.vocabulary, this.purposes, nowMs, REHEARSALS_MAX)) {
      const evaluation = this.#instance.evaluate(input);
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

  /** Evaluates until V8 has compiled what decisions run through. */
  warmUp(nowMs: number, evaluations: number): void {
    const inputs = rehearsalInputs(this.vocabulary, this.purposes, nowMs, REHEARSALS_MAX);
    if (inputs.length === 0) return;
    for (let done = 0; done < evaluations; done++) this.#instance.evaluate(inputs[done % inputs.length] ?? "");
  }
}

export class PolicyEngine implements Engine {
  readonly #trusted: TrustedStore;
  readonly #clock: Clock;
  readonly #limits: Readonly<InstanceLimits>;
  #active: LoadedBundle | null = null;
  /** Activations wait for each other: two may not both pass the check and then note themselves in the wrong order. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ trusted, clock, limits = INSTANCE_LIMITS }: EngineOptions) {
    this.#trusted = trusted;
    this.#clock = clock;
    this.#limits = limits;
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

  /** Evaluates made-up inputs on the active bundle, so that the first real decisions are as fast as later ones. */
  warmUp(evaluations: number): void {
    this.#active?.warmUp(this.#clock.wall(), evaluations);
  }

  async #activate(bundle: VerifiedBundle, keep: () => Promise<void>): Promise<PolicyIdentity> {
    // The type says so already; a cast must not be a way in.
    if (!VerifiedBundle.is(bundle)) throw new TypeError("the engine takes verified bundles only");
    this.#trusted.check(bundle.identity);
    if (this.#active?.identity.digest === bundle.identity.digest) {
      await keep();
      return this.#active.identity;
    }
    const next = new LoadedBundle(bundle, this.#limits);
    next.rehearse(this.#clock.wall());
    await keep();
    await this.#trusted.advance(bundle.identity);
    this.#active = next;
    return next.identity;
  }
}
