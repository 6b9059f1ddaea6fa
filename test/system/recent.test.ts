import { expect } from "chai";
import { Recent } from "../../src/system/recent.js";

describe("what was set last", () => {
  it("is half of the most for certain, and never more than the most", () => {
    const recent = new Recent<number>(10);
    for (let i = 0; i < 1000; i++) {
      recent.set(`k${i}`, i);
      for (let last = Math.max(0, i - 4); last <= i; last++) expect(recent.get(`k${last}`)).to.equal(last);
      const known = Array.from({ length: i + 1 }, (_, j) => `k${j}`).filter((key) => recent.has(key));
      expect(known.length).to.be.at.most(10);
    }
  });

  it("is the newer of two values, however many others came between", () => {
    const recent = new Recent<string>(8);
    for (let others = 0; others < 7; others++) {
      recent.set("a", "old");
      for (let i = 0; i < others; i++) recent.set(`${others}-${i}`, "");
      recent.set("a", "new");
      expect(recent.get("a")).to.equal("new");
    }
  });

  it("doesn't come back once it is deleted", () => {
    const recent = new Recent<number>(4);
    recent.set("a", 1);
    for (const key of ["b", "c"]) recent.set(key, 0);
    recent.set("a", 2);
    recent.delete("a");
    expect([recent.get("a"), recent.has("a"), recent.has("c")]).to.deep.equal([undefined, false, true]);
  });

  for (const max of [0, 1]) {
    it(`is nothing where ${max} may be remembered`, () => {
      const recent = new Recent<number>(max);
      recent.set("a", 1);
      expect(recent.has("a")).to.equal(false);
    });
  }
});
