import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { SEGMENT_RECORDS_MAX, segmentName } from "../../src/audit/log/segments.js";
import { openTable, takeAll } from "../../src/records/table_opening.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { fromCursor } from "../../src/records/cursor.js";
import { Folders, all, page } from "./asked.js";
import { bruteFilter, randomFilter } from "./brute.js";
import { drawing } from "./random_log.js";

/** Pages in which everything that matches is read: each of them costs as much as comparing a thousand records. */
const PAGES = 4;

/** Most records that a segment can have: the last group may bring as many as may wait for the disk. */
const SEGMENT_MOST = SEGMENT_RECORDS_MAX + 20_000;

describe("the table of records", function () {
  const filters = Number(process.env["RECORD_FILTERS"] ?? 12);
  this.timeout(120_000 + filters * 1_000);
  const folders = new Folders();
  afterEach(() => {
    folders.clear();
  });

  it("has room for a segment of as many records as it can have, the smallest that facts make", async () => {
    const folder = temporaryDirectory();
    const agent = { attributes: {}, credentials: [], delegates: [], id: "", name: null, owner: "ada", purposes: ["support"], version: "1" };
    const lines = Array.from({ length: SEGMENT_MOST }, (_, i) => {
      const facts = { agent: { ...agent, id: `agent-${i}` }, caller: "ops", change: "agent_created", facts_revision: i + 1 };
      return `${JSON.stringify({ ...facts, kind: "facts", reason: null, seq: i + 1, time: "2027-03-02T09:00:00.000Z", v: 2 })}\n`;
    });
    writeFileSync(join(folder, segmentName(1)), lines.join(""));
    const { table } = await openTable(folder);
    try {
      await takeAll(table, () => undefined);
      expect(table.indexedTo).to.equal(SEGMENT_MOST);
      const { items } = await page(table, { key: `agent/agent-${SEGMENT_MOST - 1}` }, 0, { limit: 7, now_ms: Date.now(), order: "oldest" });
      expect(items.map(({ seq }) => seq)).to.deep.equal([SEGMENT_MOST]);
    } finally {
      table.close();
    }
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
