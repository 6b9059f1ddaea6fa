import { expect } from "chai";
import { Folders, all } from "./asked.js";
import { bruteFilter, randomFilter } from "./brute.js";
import { drawing } from "./random_log.js";

describe("the table of records", function () {
  const filters = Number(process.env["RECORD_FILTERS"] ?? 12);
  this.timeout(120_000 + filters * 1_000);
  const folders = new Folders();
  afterEach(() => {
    folders.clear();
  });

  it("finds for any filter, in both orders, what reading every record finds", async () => {
    const draw = drawing(42);
    // Groups with parts beside them are read line by line, the others by the engine.
    for (const [seed, beside] of [
      [1, true],
      [2, false],
    ] as const) {
      const { folder, log } = folders.with(5_000, { seed, beside, segment_bytes: 1_500_000 });
      const table = await folders.caughtUp(folder);
      const span = log.now - Date.parse(log.written[0]?.record["time"] as string);
      let found = 0;
      for (let i = 0; i < filters; i++) {
        const filter = randomFilter(draw, span);
        const now_ms = log.now - draw.below(span);
        const expected = bruteFilter(log.written, filter, now_ms);
        const limit = draw.of([7, 100, 1000]);
        const order = draw.of(["oldest", "newest"] as const);
        const seqs = await all(table, filter, { limit, now_ms, order });
        expect(seqs, JSON.stringify({ filter, now_ms, limit, order })).to.deep.equal(order === "oldest" ? expected : expected.reverse());
        found += expected.length;
      }
      expect(found).to.be.above(1_000);
    }
  });
});
