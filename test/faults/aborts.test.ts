import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { BundleError } from "../../src/bundle/verify.js";
import { INSTANCE_LIMITS, PolicyInstance } from "../../src/policy/instance.js";
import { post, run, type Running } from "../http/running.js";
import { action, decisionRecords, FAULTS_WASM, faultsBundle, permitted, told, type Fault } from "./support.js";

const BATCHES = 51;
const BATCH = 100;
/** Of each batch; the others are bystanders. */
const ABORTING = 98;
const AT_ONCE = 6;
const FAILED = "deny evaluation_failed";
const OVER_BUDGET = "deny evaluation_budget";
/** Fuel for what is bounded by memory. */
const MUCH = 1e9;

/** Mostly what is cheapest to abort on; memory and size run out now and then. */
function faultOf(item: number): Fault | undefined {
  if (item >= ABORTING) return undefined;
  return item === 7 ? "huge" : "conflict";
}

/** Answer to an action with such a fault: most need more than one evaluation may use. */
function toldOf(id: string, fault: Fault | undefined): string {
  if (fault === undefined) return permitted(id);
  return fault === "conflict" ? FAILED : OVER_BUDGET;
}

async function answersOf(response: Response): Promise<Answer[]> {
  expect(response.status).to.equal(200);
  return ((await response.json()) as { answers: Answer[] }).answers;
}

describe("inputs on which evaluations abort", () => {
  let service: Running;
  before(async () => {
    // Out of the way here: nothing of this is to be stopped, however busy the machine is.
    service = await run({ engine: { evaluation_ms_max: 2000 } }, await faultsBundle());
  });
  after(() => service.stop());

  it(`are denied, ${BATCHES * ABORTING} of them, each with its record, and those beside them are decided right`, async () => {
    const expected = new Map<string, string>();
    const answered = new Map<string, string>();
    let next = 0;
    let done = false;
    const culprits = async (): Promise<void> => {
      for (let batch = next++; batch < BATCHES; batch = next++) {
        const ids = Array.from({ length: BATCH }, (_, item) => `n-${batch}-${item}`);
        const actions = ids.map((id, item) => action(id, faultOf(item)));
        const answers = await answersOf(await post(service, "/decide/batch", { actions }));
        for (const [item, id] of ids.entries()) {
          const answer = answers[item];
          if (answer === undefined) throw new Error("an answer is missing");
          answered.set(answer.decision_id, told(answer));
          expected.set(answer.decision_id, toldOf(id, faultOf(item)));
        }
      }
    };
    const bystander = async (): Promise<void> => {
      for (let i = 0; !done; i++) {
        const response = await post(service, "/decide", action(`by-${i}`));
        expect(response.status).to.equal(200);
        const answer = (await response.json()) as Answer;
        answered.set(answer.decision_id, told(answer));
        expected.set(answer.decision_id, permitted(`by-${i}`));
      }
    };
    const standing = bystander();
    await Promise.all(Array.from({ length: AT_ONCE }, culprits));
    done = true;
    await standing;
    const wrong = [...expected].filter(([id, text]) => answered.get(id) !== text);
    expect(wrong).to.deep.equal([]);
    expect([...expected.values()].filter((text) => text === FAILED || text === OVER_BUDGET)).to.have.length(BATCHES * ABORTING);
    expect(expected.size).to.be.greaterThan(BATCHES * BATCH);

    await service.stopKeeping();
    const recorded = new Map(decisionRecords(service.folder).map(({ answer }) => [answer.decision_id, told(answer)]));
    expect(recorded.size).to.equal(expected.size);
    expect([...expected].filter(([id, text]) => recorded.get(id) !== text)).to.deep.equal([]);
    expect(service.said()).not.to.contain("failed unexpectedly");
  });
});

describe("inputs that need much", () => {
  let service: Running;
  before(async () => {
    service = await run({ engine: { evaluation_ms_max: 2000 } }, await faultsBundle());
  });
  after(() => service.stop());

  it("are denied before memory or the result's limit ends, beside others that are decided right", async () => {
    const faults: (Fault | undefined)[] = ["memory", undefined, "huge", "large", undefined, "memory", "conflict", undefined];
    const actions = faults.map((fault, item) => action(`n-${item}`, fault));
    const answers = await answersOf(await post(service, "/decide/batch", { actions }));
    expect(answers.map(told)).to.deep.equal(faults.map((fault, item) => toldOf(`n-${item}`, fault)));
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

  /** Bytes of the instance's memory after each evaluation. */
  function held(instance: PolicyInstance, faults: (Fault | undefined)[]): number[] {
    return faults.map((fault) => {
      instance.evaluate(input(fault));
      return instance.status.memory_bytes;
    });
  }

  it("is given back: before the next one the instance is another", () => {
    const instance = new PolicyInstance(module, { ...INSTANCE_LIMITS, evaluation_fuel_max: MUCH });
    const [small = 0, afterLarge, again] = held(instance, [undefined, "large", undefined]);
    expect(small).to.be.greaterThan(0);
    expect(afterLarge).to.equal(0);
    expect(again).to.equal(small);
    expect(instance.status.builds).to.equal(2);
  });

  it("would stay for good without that", () => {
    const instance = new PolicyInstance(module, { ...INSTANCE_LIMITS, evaluation_fuel_max: MUCH, memory_pages_kept: 512 });
    const [small = 0, afterLarge = 0, again] = held(instance, [undefined, "large", undefined]);
    expect(afterLarge).to.be.greaterThan(5 * small);
    expect(again).to.equal(afterLarge);
  });

  it("is given back after an abort too, a thousand times over", () => {
    const instance = new PolicyInstance(module);
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
