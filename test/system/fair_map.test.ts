import { expect } from "chai";
import fc from "fast-check";
import { FairMap } from "../../src/system/fair_map.js";

/** The same by a search. */
class Model {
  readonly all: { holder: string; key: string; value: number }[] = [];
  constructor(readonly max: number) {}

  delete(key: string): void {
    const at = this.all.findIndex((one) => one.key === key);
    if (at >= 0) this.all.splice(at, 1);
  }

  /** @returns the keys of which one has to go; empty: none */
  set(holder: string, key: string, value: number): string[] {
    this.delete(key);
    this.all.push({ holder, key, value });
    if (this.all.length <= this.max) return [];
    const counts = new Map<string, number>();
    for (const one of this.all) counts.set(one.holder, (counts.get(one.holder) ?? 0) + 1);
    const most = Math.max(...counts.values());
    const full = [...counts].filter(([, count]) => count === most).map(([one]) => one);
    return full.map((one) => this.all.find(({ holder: of }) => of === one)?.key ?? "");
  }
}

const change = fc.record({ holder: fc.constantFrom("a", "b", "c"), key: fc.nat(30).map(String), isGone: fc.boolean() });

describe("a map that holders share", () => {
  it("loses the oldest entry of a holder with most, whatever comes and goes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(change, { maxLength: 400 }), (max, changes) => {
        const map = new FairMap<number>(max);
        const model = new Model(max);
        for (const [i, { holder, key, isGone }] of changes.entries()) {
          if (isGone) {
            map.delete(key);
            model.delete(key);
          } else {
            map.set(holder, key, i);
            const oldest = model.set(holder, key, i).filter((one) => !map.has(one));
            if (model.all.length > max) expect(oldest).to.have.lengthOf(1);
            for (const one of oldest) model.delete(one);
          }
          expect(map.size).to.equal(model.all.length);
          for (const one of model.all) expect(map.get(one.key)).to.equal(one.value);
        }
      }),
    );
  });

  it("keeps what one holder has, however many entries another adds", () => {
    const map = new FairMap<string>(10);
    for (const key of ["a1", "a2", "a3"]) map.set("a", key, key);
    for (let i = 0; i < 10_000; i++) map.set("b", `b${i}`, "");
    expect(["a1", "a2", "a3"].map((key) => map.get(key))).to.deep.equal(["a1", "a2", "a3"]);
    expect([map.has("b9999"), map.has("b9992"), map.size]).to.deep.equal([true, false, 10]);
  });

  it("has room again for what was taken out", () => {
    const map = new FairMap<number>(100);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 100; i++) map.set("a", `${round}-${i}`, i);
      for (let i = 0; i < 100; i++) map.delete(`${round}-${i}`);
      expect(map.size).to.equal(0);
    }
    expect(map.get("0-0")).to.equal(undefined);
  });
});
