import { expect } from "chai";
import { span } from "../../src/facts/problems.js";

describe("a length of time", () => {
  const cases: [ms: number, said: string][] = [
    [604_800_000, "7d"],
    [90_000, "90s"],
    [5_400_000, "90m"],
    [28_800_000, "8h"],
    [1500, "1500 ms"],
  ];
  for (const [ms, said] of cases) it(`of ${ms} ms is said as ${said}`, () => expect(span(ms)).to.equal(said));
});
