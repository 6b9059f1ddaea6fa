import { expect } from "chai";
import { fromCursor } from "../../src/records/cursor.js";
import { Folders, all, page } from "./asked.js";
import { bruteFilter, randomFilter } from "./brute.js";
import { drawing } from "./random_log.js";

/** Pages in which everything that matches is read: each of them costs as much as comparing a thousand records. */
const PAGES = 4;

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
        const order = draw.of(["oldest", "newest"] as const);
        const expected = bruteFilter(log.written, filter, now_ms);
        if (order === "newest") expected.reverse();
        const limit = Math.max(draw.of([7, 100, 1000]), Math.ceil(expected.length / PAGES));
        const seqs = await all(table, filter, { limit, now_ms, order });
        expect(seqs, JSON.stringify({ filter, now_ms, limit, order })).to.deep.equal(expected);
        const after = 1 + draw.below(log.last);
        const behind = expected.filter((seq) => (order === "oldest" ? seq > after : seq < after));
        const { items, next } = await page(table, filter, after, { limit: 7, now_ms, order });
        const read = { seqs: items.map(({ seq }) => seq), next: next === null ? null : fromCursor(next) };
        const rest = { seqs: behind.slice(0, 7), next: behind.length > 7 ? behind[6] : null };
        expect(read, JSON.stringify({ filter, now_ms, after, order })).to.deep.equal(rest);
        found += expected.length;
      }
      expect(found).to.be.above(1_000);
    }
  });
});
