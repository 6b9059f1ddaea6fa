import { expect } from "chai";
import { World } from "./world.js";
import { begin, linesOf, observe, about, idsOf } from "./observe_support.js";

describe("observed actions", () => {
  describe("as lines", () => {
    it("are the same wherever the stream is cut", async () => {
      const text = Buffer.from(linesOf(about("I-1"), "{", about("I-ä"), "", { ...about("I-3"), at: "x" }, about("I-4")));
      const whole = new World();
      const wanted = await observe(whole, text.toString());
      expect(wanted).to.deep.include({ accepted: 3 });
      expect(wanted.refused.map(({ line, code }) => `${line} ${code}`)).to.deep.equal(["2 json_invalid", "5 time_invalid"]);
      for (let cut = 1; cut < text.length; cut++) {
        const world = new World();
        const observation = begin(world);
        await observation.take(text.subarray(0, cut));
        await observation.take(text.subarray(cut));
        expect(await observation.end(), `cut at ${cut}`).to.deep.equal(wanted);
        expect(idsOf(world), `cut at ${cut}`).to.deep.equal(["I-1", "I-ä", "I-4"]);
      }
    });

    // prettier-ignore
  });
});
