import { expect } from "chai";
import { readFileSync } from "node:fs";
import { INSTANCE_LIMITS, type Module } from "../../src/policy/instance.js";
import type { Evaluator } from "../../src/policy/evaluator.js";
import { inThreads } from "../../src/policy/threads.js";
import { BundleError } from "../../src/bundle/verify.js";
import { system } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";

/** Looks at every three numbers below `n`: what its input asks decides how long it runs. Its source lies beside it. */
const RUNAWAY: Module = {
  wasm: readFileSync(asset("test", "fixtures", "runaway.wasm")),
  dataText: Buffer.from(JSON.stringify({ numbers: Array.from({ length: 300 }, (_, i) => i) })),
  metadata: { entrypoint: "remit/decide", abi: "1.3" },
};
const ENDLESS = 300;
/** Room for the slow growth of an evaluation that isn't stopped at once on a busy machine, so that time ends it and not memory. */
const LIMITS = { ...INSTANCE_LIMITS, memory_pages_max: 16_384 };
/** Takes some tenths of a second. */
const LONG = 60;
/** As the evaluator waits before it starts a spare. */
const SPARE_AFTER_MS = 500;
/** Looks at a thread with work and no processor, after which it counts as broken. */
const STARVED_LOOKS = 50;

function input(n: number | string, name = ""): string {
  return JSON.stringify({ facts: { time: { claim_ms: null, ms: 1 } }, request: { n, name } });
}

describe("evaluation in a thread", () => {
  let evaluator: Evaluator;
  const reports: string[] = [];

  async function start(evaluation_ms_max: number): Promise<void> {
    reports.length = 0;
    const report = (detail: string): void => void reports.push(detail);
    evaluator = await inThreads({ limits: LIMITS, evaluation_ms_max, system, report })(RUNAWAY, [input(0)]);
  }

  // A worker that is unref'd doesn't keep the process alive, and neither does a promise that waits for one.
  const alive = setInterval(() => undefined, 1000);
  after(() => {
    clearInterval(alive);
  });

  afterEach(() => evaluator.close());

  it("answers each input with its own result, in any number", async () => {
    await start(1000);
    const answers = await Promise.all(Array.from({ length: 3000 }, (_, i) => evaluator.evaluate(input(i % 3))));
    for (const [i, answer] of answers.entries()) {
      expect(answer).to.deep.equal({ ok: true, result: { decision: "allow", n: i % 3, found: 0, conflict: 0 } });
    }
  });

  it("answers many that are given at once each with its own, in their order", async () => {
    await start(1000);
    expect(await evaluator.evaluateAll([])).to.deep.equal([]);
    const answers = await evaluator.evaluateAll(Array.from({ length: 3000 }, (_, i) => input(i % 7)));
    expect(answers.map((answer) => (answer.ok ? (answer.result as { n: number }).n : answer.code))).to.deep.equal(
      Array.from({ length: 3000 }, (_, i) => i % 7),
    );
  });

  it("lets nobody change what others are answered", async () => {
    await start(1000);
    const [one, other] = await evaluator.evaluateAll([input(1), input(1)]);
    if (one?.ok !== true || other?.ok !== true) throw new Error("it was not answered");
    expect(() => {
      (one.result as { decision: string }).decision = "deny";
    }).to.throw(TypeError);
    expect(other.result).to.include({ decision: "allow" });
  });

  it("stops the one that doesn't end, and evaluates the others of its batch all the same", async () => {
    await start(20);
    const asked = [input(2), input(3), input(ENDLESS, "culprit"), input(4), input(5)];
    const answers = await Promise.all(asked.map((one) => evaluator.evaluate(one)));
    expect(answers.map((answer) => (answer.ok ? (answer.result as { n: number }).n : answer.code))).to.deep.equal([
      2,
      3,
      "evaluation_budget",
      4,
      5,
    ]);
    expect(reports).to.have.length(1);
  });

  it("refuses a request that was stopped before, at whatever moment it comes again, and no other", async () => {
    await start(20);
    await evaluator.evaluate(input(ENDLESS, "culprit"));
    const later = input(ENDLESS, "culprit").replace('"ms":1', '"ms":2');
    expect(await evaluator.evaluate(later)).to.deep.include({ ok: false, code: "evaluation_budget" });
    expect(reports).to.have.length(1);
    expect((await evaluator.evaluate(input(3, "bystander"))).ok).to.equal(true);
  });

  it("outlives one stop after another", async () => {
    await start(20);
    for (let i = 0; i < 4; i++) {
      const [stopped, other] = await Promise.all([evaluator.evaluate(input(ENDLESS, `culprit ${i}`)), evaluator.evaluate(input(3))]);
      expect(stopped).to.deep.include({ ok: false, code: "evaluation_budget" });
      expect(other).to.deep.include({ ok: true });
    }
  });

  it("has one spare at most, however fast one stop follows another", async () => {
    let planned = 0;
    let most = 0;
    const after = (ms: number, call: () => void): (() => void) => {
      const spare = ms === SPARE_AFTER_MS;
      const settle = (): void => {
        if (spare && !settled) planned--;
        settled = true;
      };
      let settled = false;
      if (spare) most = Math.max(most, ++planned);
      const cancel = system.timers.after(ms, () => {
        settle();
        call();
      });
      return () => {
        settle();
        cancel();
      };
    };
    const outside = { ...system, timers: { ...system.timers, after } };
    const options = { limits: LIMITS, evaluation_ms_max: 20, system: outside, report: () => undefined };
    evaluator = await inThreads(options)(RUNAWAY, [input(0)]);
    for (let i = 0; i < 3; i++) {
      const stopped = await evaluator.evaluate(input(ENDLESS, `culprit ${i}`));
      expect(stopped).to.deep.include({ ok: false, code: "evaluation_budget" });
      expect((await evaluator.evaluate(input(3))).ok).to.equal(true);
    }
    expect(most).to.equal(1);
  });

  it("denies what is given no processor, once: the same request may ask again", async function () {
    // Only there is the time counted that a thread was given.
    if (process.platform !== "linux") skip(this, "the processor time of a thread is counted on Linux alone");
    reports.length = 0;
    let look = (): void => undefined;
    const every = (_ms: number, call: () => void): (() => void) => {
      look = call;
      return () => undefined;
    };
    const outside = { ...system, timers: { ...system.timers, every } };
    const report = (detail: string): void => void reports.push(detail);
    const options = { limits: LIMITS, evaluation_ms_max: 10_000, system: outside, report };
    evaluator = await inThreads(options)(RUNAWAY, [input(0)]);
    const asked = evaluator.evaluate(input(LONG, "starved"));
    const state = { answered: false };
    void asked.then(() => (state.answered = true));
    while (!state.answered) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      // So many looks in no time: for all that they can see, a thread with work is given no processor for it.
      for (let looks = 0; looks <= STARVED_LOOKS; looks++) look();
    }
    expect(await asked).to.deep.include({ ok: false, code: "evaluation_budget" });
    expect(reports).to.deep.equal([]);
    expect(await evaluator.evaluate(input(LONG, "starved"))).to.deep.include({ ok: true });
  });

  it("lets a long evaluation end where the limit allows it: it is the limit that stops", async () => {
    await start(10_000);
    const answer = await evaluator.evaluate(input(LONG));
    expect(answer).to.deep.include({ ok: true });
    expect(reports).to.deep.equal([]);
  });

  it("fails what the module aborts on and goes on", async () => {
    await start(1000);
    const answers = await Promise.all([input("abort"), input(2), "[]", "", "{", input(3)].map((one) => evaluator.evaluate(one)));
    expect(answers.map(({ ok }) => ok)).to.deep.equal([false, true, false, false, false, true]);
  });

  it("answers what was asked before it is closed", async () => {
    await start(1000);
    const asked = Array.from({ length: 200 }, () => evaluator.evaluate(input(3)));
    await evaluator.close();
    expect((await Promise.all(asked)).every(({ ok }) => ok)).to.equal(true);
    expect(await evaluator.evaluate(input(3))).to.deep.include({ ok: false, code: "evaluation_failed" });
  });

  it("still answers for a while after it was retired, also where an evaluation has to be stopped then", async () => {
    await start(20);
    evaluator.retire();
    const [stopped, other] = await Promise.all([evaluator.evaluate(input(ENDLESS)), evaluator.evaluate(input(3))]);
    expect(stopped).to.deep.include({ ok: false, code: "evaluation_budget" });
    expect(other).to.deep.include({ ok: true });
  });

  it("refuses a module as the calling thread would", async () => {
    await start(1000);
    const options = { limits: LIMITS, evaluation_ms_max: 20, system, report: () => undefined };
    for (const [module, code] of [
      [{ ...RUNAWAY, wasm: Buffer.from("not wasm") }, "wasm_invalid"],
      [{ ...RUNAWAY, metadata: { entrypoint: "other", abi: "1.3" } }, "wasm_entrypoint"],
      [{ ...RUNAWAY, metadata: { entrypoint: "remit/decide", abi: "1.2" } }, "abi_unsupported"],
      [{ ...RUNAWAY, dataText: Buffer.from("{") }, "engine_memory"],
    ] as const) {
      const error: unknown = await inThreads(options)(module, []).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(BundleError);
      expect((error as BundleError).code).to.equal(code);
    }
  });
});
