import { expect } from "chai";
import { Bag } from "../../src/system/bag.js";

const numbers = (items: { n: number }[]): number[] => items.map(({ n }) => n).sort((a, b) => a - b);

describe("a bag", () => {
  it("has what was put in and not taken out, whatever came and went", () => {
    const bag = new Bag<{ n: number }>();
    const inside = new Map<{ n: number }, number>();
    for (let n = 0; n < 5000; n++) {
      const item = { n };
      inside.set(item, bag.add(item));
      // Out of order, and now and then to the last.
      const out = n % 97 === 0 ? [...inside] : [...inside].filter((_, i) => (i * 7 + n) % 5 === 0);
      for (const [one, place] of out) {
        bag.remove(place);
        inside.delete(one);
      }
      expect(bag.size).to.equal(inside.size);
      expect(numbers(bag.all())).to.deep.equal(numbers([...inside.keys()]));
    }
  });

  it("holds nothing of what was taken out", () => {
    const bag = new Bag();
    bag.remove(bag.add({}));
    expect(bag.all()).to.deep.equal([]);
  });
});
