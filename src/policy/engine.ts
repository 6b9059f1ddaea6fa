/**
 * The policy that decides. A bundle is compiled, loaded and tried beside the running one, noted as trusted, and only
 * then a pointer moves: whatever fails before that leaves the running one as it was.
 */
import { PolicyResult, type Catalogue, type PolicyIdentity, type Purpose, type Vocabulary, type Zone } from "../contract/index.js";
import { BundleError, expiryOf, VerifiedBundle } from "../bundle/verify.js";
import type { TrustedStore } from "../bundle/trusted_store.js";
import type { ActivePolicy, Engine, Evaluation } from "../decision/ports.js";
import type { Clock } from "../system/index.js";
import { PolicyInstance } from "./instance.js";
import { rehearsalInputs } from "./rehearsal.js";
import { schemas } from "../system/schemas.js";

/** Inputs that a bundle is tried with: some milliseconds at 20 µs each. */
const REHEARSALS_MAX = 400;

const isResult = schemas().compile<PolicyResult>(PolicyResult);

/** @throws BundleError `wasm_*`, `abi_unsupported`, `engine_memory` */
export type LoadInstance = (bundle: VerifiedBundle) => PolicyInstance;

export interface EngineOptions {
  trusted: TrustedStore;
  clock: Clock;
  /** @default a new `PolicyInstance` with its default limits */
  load?: LoadInstance;
  /** Prepares what loading a bundle would block for, while another one decides. @default nothing is prepared */
  prepare?: (bundle: VerifiedBundle) => Promise<void>;
  /** Called with each evaluation that ran out of fuel, for the operator's log. */
  overran?: (detail: string) => void;
}

/**
 * Evaluates made-up requests from the bundle's own words: tries the policy, and warms its code up.
 * @throws BundleError `self_test_failed`
 */
export function rehearse(instance: PolicyInstance, { data: { vocabulary, purposes } }: VerifiedBundle, nowMs: number): void {
  for (const input of rehearsalInputs(vocabulary, new Map(Object.entries(purposes)), nowMs, REHEARSALS_MAX)) {
    const evaluation = instance.evaluate(input);
    if (!evaluation.ok) throw new BundleError("self_test_failed", { found: evaluation.detail });
    if (isResult(evaluation.result)) continue;
    const [error] = isResult.errors ?? [];
    throw new BundleError("self_test_failed", {
      expected: "a decision, whether to proceed, reasons and obligations",
      found: `${error?.instancePath ?? ""} ${error?.message ?? "another shape"}`.trim(),
    });
  }
}

/** A bundle with its instance, never changed once made. */
class LoadedBundle implements ActivePolicy {
  readonly identity: PolicyIdentity;
  readonly vocabulary: Vocabulary;
  readonly purposes: ReadonlyMap<string, Purpose>;
  readonly catalogue: Catalogue;
  readonly zones: Readonly<Record<string, Zone>>;
  readonly expires_ms: number | null;
  readonly #instance: PolicyInstance;
  readonly #overran: (detail: string) => void;

  constructor(bundle: VerifiedBundle, instance: PolicyInstance, overran: (detail: string) => void) {
    this.identity = bundle.identity;
    this.vocabulary = bundle.data.vocabulary;
    this.purposes = new Map(Object.entries(bundle.data.purposes));
    this.catalogue = bundle.catalogue;
    this.zones = bundle.data.zones;
    this.expires_ms = expiryOf(bundle.metadata);
    this.#instance = instance;
    this.#overran = overran;
  }

  evaluate(input: string): Evaluation {
    const evaluation = this.#instance.evaluate(input);
    if (!evaluation.ok && evaluation.code === "evaluation_budget") this.#overran(evaluation.detail);
    return evaluation;
  }
}

export class PolicyEngine implements Engine {
  readonly #trusted: TrustedStore;
  readonly #clock: Clock;
  readonly #load: LoadInstance;
  readonly #prepare: (bundle: VerifiedBundle) => Promise<void>;
  readonly #overran: (detail: string) => void;
  #active: LoadedBundle | null = null;
  /** Activations wait for each other: two may not both pass the check and then note themselves in the wrong order. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({
    trusted,
    clock,
    load = (bundle) => new PolicyInstance(bundle),
    prepare = () => Promise.resolve(),
    overran = () => undefined,
  }: EngineOptions) {
    this.#trusted = trusted;
    this.#clock = clock;
    this.#load = load;
    this.#prepare = prepare;
    this.#overran = overran;
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

  /**
   * Loads and tries a bundle that may follow the active one, without activating it or noting it as trusted.
   * @throws BundleError as `activate`, and `stage_alone`, `stage_active`
   */
  candidate(bundle: VerifiedBundle): Promise<{ candidate: ActivePolicy; active: ActivePolicy }> {
    const loading = this.#last.then(async () => {
      if (!VerifiedBundle.is(bundle)) throw new TypeError("the engine takes verified bundles only");
      const active = this.#active;
      if (active === null) throw new BundleError("stage_alone");
      this.#trusted.check(bundle.identity);
      if (active.identity.digest === bundle.identity.digest) throw new BundleError("stage_active");
      return { candidate: await this.#loaded(bundle), active };
    });
    this.#last = loading.catch(() => undefined);
    return loading;
  }

  /**
   * Loads and tries a bundle that may be activated, without activating it or noting it as trusted.
   * @throws BundleError as `activate`
   */
  prove(bundle: VerifiedBundle): Promise<void> {
    const proving = this.#last.then(async () => {
      if (!VerifiedBundle.is(bundle)) throw new TypeError("the engine takes verified bundles only");
      this.#trusted.check(bundle.identity);
      if (this.#active?.identity.digest !== bundle.identity.digest) await this.#loaded(bundle);
    });
    this.#last = proving.catch(() => undefined);
    return proving;
  }

  async #loaded(bundle: VerifiedBundle): Promise<LoadedBundle> {
    if (this.#active !== null) await this.#prepare(bundle);
    const instance = this.#load(bundle);
    rehearse(instance, bundle, this.#clock.wall());
    return new LoadedBundle(bundle, instance, this.#overran);
  }

  async #activate(bundle: VerifiedBundle, keep: () => Promise<void>): Promise<PolicyIdentity> {
    // The type says so already; a cast must not be a way in.
    if (!VerifiedBundle.is(bundle)) throw new TypeError("the engine takes verified bundles only");
    this.#trusted.check(bundle.identity);
    if (this.#active?.identity.digest === bundle.identity.digest) {
      await keep();
      return this.#active.identity;
    }
    const next = await this.#loaded(bundle);
    await this.#trusted.advance(bundle.identity, keep);
    this.#active = next;
    return next.identity;
  }
}
