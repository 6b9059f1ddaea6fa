import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { BundleError } from "../../src/bundle/verify.js";
import { INSTANCE_LIMITS, PolicyInstance } from "../../src/policy/instance.js";
import { post, run, type Running } from "../http/running.js";
import { action, FAULTS_WASM, faultsBundle, permitted, told, type Fault } from "./support.js";
import { FAILED, answersOf } from "./aborts_support.js";

describe("inputs that need much", () => {
  let service: Running;
  before(async () => {
    service = await run({ engine: { evaluation_fuel_max: 1_000_000_000 } }, await faultsBundle());
  });
  after(() => service.stop());

  it("are denied where memory or the result's limit ends, beside others that are decided right", async () => {
    const faults: (Fault | undefined)[] = ["memory", undefined, "huge", "large", undefined, "memory", "conflict", undefined];
    const actions = faults.map((fault, item) => action(`n-${item}`, fault));
    const answers = await answersOf(await post(service, "/decide/batch", { actions }));
    const denied = new Set<Fault | undefined>(["memory", "huge", "conflict"]);
    expect(answers.map(told)).to.deep.equal(faults.map((fault, item) => (denied.has(fault) ? FAILED : permitted(`n-${item}`))));
  });

  it("are read whole where results fit one by one and not together, and denied for being too long to be recorded", async () => {
    const ids = Array.from({ length: 16 }, (_, i) => `n-${i}`);
    const responses = await Promise.all(ids.map((id) => post(service, "/decide", action(id, "long"))));
    const answers = await Promise.all(responses.map((response) => response.json() as Promise<Answer>));
    expect(answers.map(told)).to.deep.equal(ids.map(() => "deny result_invalid"));
  });
});

describe("memory that one evaluation took", () => {
  const module = {
    wasm: FAULTS_WASM,
    dataText: Buffer.from("{}"),
    metadata: { entrypoint: "remit/decide", abi: "1.3" },
  };
  const input = (fault?: Fault): string => JSON.stringify({ request: action("n-1", fault) });

  /** Fuel for all that these may need: it is memory that ends them. */
  const limits = { ...INSTANCE_LIMITS, evaluation_fuel_max: 1_000_000_000 };

  /** Bytes of the instance's memory after each evaluation. */
  function held(instance: PolicyInstance, faults: (Fault | undefined)[]): number[] {
    return faults.map((fault) => {
      instance.evaluate(input(fault));
      return instance.status.memory_bytes;
    });
  }

  it("is given back: before the next one the instance is another", () => {
    const instance = new PolicyInstance(module, limits);
    const [small = 0, afterLarge, again] = held(instance, [undefined, "large", undefined]);
    expect(small).to.be.greaterThan(0);
    expect(afterLarge).to.equal(0);
    expect(again).to.equal(small);
    expect(instance.status.builds).to.equal(2);
  });

  it("would stay for good without that", () => {
    const instance = new PolicyInstance(module, { ...limits, memory_pages_kept: 512 });
    const [small = 0, afterLarge = 0, again] = held(instance, [undefined, "large", undefined]);
    expect(afterLarge).to.be.greaterThan(5 * small);
    expect(again).to.equal(afterLarge);
  });

  it("is given back after an abort too, a thousand times over", () => {
    const instance = new PolicyInstance(module, limits);
    const before = instance.evaluate(input());
    for (let i = 0; i < 1000; i++) {
      expect(instance.evaluate(input("conflict"))).to.deep.include({ ok: false, code: "evaluation_failed" });
    }
    expect(instance.evaluate(input())).to.deep.equal(before);
    expect(before.ok).to.equal(true);
  });

  it("is not to be had by a module that is broken: that is refused, not run", () => {
    expect(() => new PolicyInstance({ ...module, dataText: Buffer.from('{"a":') })).to.throw(BundleError);
  });
});
