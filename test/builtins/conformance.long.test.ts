import { readFileSync } from "node:fs";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { COMPILER_BUILD_MS_MAX, compiler } from "../build/support.js";
import { compiled, failing, instanceOf, type Case } from "./conformance.js";

const { cases } = JSON.parse(readFileSync(asset("test", "vectors", "opa_builtins", "cases.json"), "utf8")) as { cases: Case[] };

const POLICY = `package p

answer := {"size": units.parse(input.size), "known": object.subset(input.all, input.some)}

long := units.parse(input.size)

bytes := hex.decode(input.hex)

many := [n | some i in input.times; n := units.parse(sprintless[i])]

sprintless := {i: "1k" | some i in input.times}
`;
const ENTRYPOINTS = ["p/answer", "p/long", "p/bytes", "p/many"];

describe("builtins of the host in a module", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let wasm: Buffer;
  before(async () => {
    wasm = await compiled(await compiler(), [POLICY], ENTRYPOINTS);
  });

  it(`answer all ${cases.length} of OPA's cases as OPA does`, async () => {
    expect(cases.length).to.be.above(390);
    expect(await failing(await compiler(), cases)).to.deep.equal([]);
  });

  it("would be caught answering otherwise", async () => {
    const [first] = cases.filter(({ want_result }) => want_result?.length === 1);
    if (first === undefined) throw new Error("no case has a result");
    expect(
      await failing(await compiler(), [{ ...first, want_result: [{ ...first.want_result?.[0], x: "something else" }] }]),
    ).to.have.length(1);
  });

  it("see what they are called with, and what they return is seen", () => {
    const instance = instanceOf(wasm, "p/answer");
    const input = { size: "10Ki", all: { a: [1, 2], b: { c: null } }, some: { b: { c: null } } };
    for (let i = 0; i < 3; i++)
      expect(instance.evaluate(JSON.stringify(input))).to.deep.include({ ok: true, result: { size: 10_240, known: true } });
  });

  it("cost the same fuel each time, and more for more", () => {
    const instance = instanceOf(wasm, "p/many");
    const fuel = (times: number): number =>
      instance.evaluate(JSON.stringify({ times: Array.from({ length: times }, (_, i) => i) })).fuel ?? 0;
    expect(fuel(10)).to.equal(fuel(10));
    expect(fuel(1_000)).to.be.above(50 * fuel(10));
  });

  it("end an evaluation that has no fuel left for them, before they do the work", () => {
    const instance = instanceOf(wasm, "p/long", {}, 5_000_000);
    const began = performance.now();
    for (const size of ["1e999999", "1e-999999", "9e500000k"]) {
      expect(instance.evaluate(JSON.stringify({ size }))).to.include({ ok: false, code: "evaluation_budget" });
      expect(instance.evaluate('{"size":"9k"}')).to.include({ ok: true, result: 9_000 });
    }
    expect(performance.now() - began).to.be.below(30_000);
  });

  it("fail an evaluation on what no text is, 2,000 times, and the next ones are right", () => {
    const instance = instanceOf(wasm, "p/bytes");
    for (let i = 0; i < 2_000; i++) {
      expect(instance.evaluate('{"hex":"ff"}')).to.include({ ok: false, code: "evaluation_failed", detail: "bytes that aren't UTF-8" });
      if (i % 100 === 0) expect(instance.evaluate('{"hex":"c3a9"}')).to.include({ ok: true, result: "é" });
    }
    expect(instance.status.builds).to.be.at.most(2);
  });
});
