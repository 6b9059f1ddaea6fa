import { expect } from "chai";
import type { Histogram, RecordOrder, Summary, SummaryGroup } from "../../src/contract/index.js";
import type { TimedPage } from "../../src/records/ask.js";
import { fromNodesCursor, toNodesCursor } from "../../src/records/cursor.js";
import { mergedCounts, mergedItems, mergedSummary, type Ends } from "../../src/records/merged_answers.js";
import { drawing } from "../facts/world.js";

interface Stored {
  seq: number;
  time_ms: number;
  name: string;
}

/** A node's page, as `RecordQuery` makes it; `after` 0 is none. */
function pageOf(records: readonly Stored[], order: RecordOrder, after: number, limit: number): TimedPage {
  const until = records.length;
  const within = records.filter(({ seq }) => (order === "oldest" ? seq > after : after === 0 || seq < after));
  const all = order === "oldest" ? within : within.toReversed();
  const items = all.slice(0, limit);
  const more = all.length > limit;
  return {
    items: items.map(({ seq, time_ms, name }) => ({ time_ms, text: JSON.stringify({ seq, record: name }) })),
    seqs: items.map(({ seq }) => seq),
    to: more ? (items.at(-1)?.seq ?? 0) : order === "oldest" ? until : 0,
    more,
    indexed_to: until,
  };
}

describe("records of several nodes", () => {
  for (const order of ["newest", "oldest"] as const)
    it(`are read page by page, the ${order} first, each once, in the order of each node and of time, whatever is written meanwhile`, () => {
      for (let seed = 0; seed < 300; seed++) {
        const draw = drawing(seed);
        const nodes = new Map<string, Stored[]>();
        for (let n = 0, of = 1 + draw(4); n < of; n++) nodes.set(`n${n}`, []);
        let now = 0;
        const write = (count: number): void => {
          for (let i = 0; i < count; i++) {
            const [name, records] = [...nodes][draw(nodes.size)] as [string, Stored[]];
            records.push({ seq: records.length + 1, time_ms: (now += draw(3)), name: `${name}-${records.length + 1}` });
          }
        };
        write(draw(60));
        const wanted = [...nodes].flatMap(([, records]) => [...records]);
        const seen: { name: string; node: string }[] = [];
        let ends: Ends | null = {};
        for (let pages = 0; ends !== null && pages < 200; pages++) {
          const limit: number = 1 + draw(7);
          const before: Ends = ends;
          const asked = new Map([...nodes].map(([node, records]) => [node, pageOf(records, order, before[node] ?? 0, limit)]));
          const { items, ends: next }: ReturnType<typeof mergedItems> = mergedItems(asked, { order, limit, before });
          expect(items.length).to.be.at.most(limit);
          for (const item of items) {
            const { node, record } = JSON.parse(item) as { node: string; record: string };
            seen.push({ name: record, node });
          }
          if (order === "newest") write(draw(4));
          ends = next === null ? null : (fromNodesCursor(toNodesCursor(next)) ?? expect.fail("a cursor that can't be read"));
        }
        expect(seen.map(({ name }) => name).sort(), `seed ${seed}: each once`).to.deep.equal(wanted.map(({ name }) => name).sort());
        const times = seen.map(({ name }) => wanted.find((one) => one.name === name)?.time_ms ?? NaN);
        const sorted = times.toSorted((a, b) => (order === "oldest" ? a - b : b - a));
        expect(times, `seed ${seed}: in order of time`).to.deep.equal(sorted);
        for (const { name, node } of seen) expect(name.startsWith(`${node}-`)).to.equal(true);
      }
    });

  it("that a node has not told are on a later page, once it answers", () => {
    const [a, b] = [
      [{ seq: 1, time_ms: 10, name: "a-1" }],
      [
        { seq: 1, time_ms: 5, name: "b-1" },
        { seq: 2, time_ms: 20, name: "b-2" },
      ],
    ];
    const first = mergedItems(new Map([["a", pageOf(a, "newest", 0, 1)]]), { order: "newest", limit: 1, before: { b: 2 } });
    expect([first.items.length, first.ends]).to.deep.equal([1, null]);
    const more = mergedItems(new Map([["b", pageOf(b, "newest", 2, 5)]]), { order: "newest", limit: 5, before: { a: 1, b: 2 } });
    expect(more.items.map((item) => (JSON.parse(item) as { record: string }).record)).to.deep.equal(["b-1"]);
  });

  it("keep a record's own text, and name its node", () => {
    const text = '{"seq":1,"record":{"b":1.0,"10":1,"9":2}}';
    const page = { items: [{ time_ms: 1, text }], seqs: [1], to: 0, more: false, indexed_to: 1 };
    expect(mergedItems(new Map([['a"b', page]]), { order: "newest", limit: 5, before: {} }).items).to.deep.equal([
      '{"node":"a\\"b","seq":1,"record":{"b":1.0,"10":1,"9":2}}',
    ]);
  });

  for (const cursor of [
    "",
    "r5",
    "bm90",
    Buffer.from('n{"a":-1}').toString("base64url"),
    Buffer.from('n{"a":"x"}').toString("base64url"),
    Buffer.from("n[1]").toString("base64url"),
    Buffer.from("n{").toString("base64url"),
    Buffer.from('n{"a":1.5}').toString("base64url"),
  ])
    it(`have no cursor \`${cursor}\``, () => {
      expect(fromNodesCursor(cursor)).to.equal(null);
    });

  it("are counted together: by group, and by step", () => {
    const group = (agent: string, records: number, first: string, last: string, last_seq: number): SummaryGroup => ({
      ...{ of: { agent }, records, allow: records, deny: 0, flag: 1, proceed: records },
      ...{ first: `2026-01-0${first}T00:00:00.000Z`, last: `2026-01-0${last}T00:00:00.000Z`, last_seq },
    });
    const summary = (groups: SummaryGroup[]): Summary => ({ by: ["agent"], records: 10, groups, more: false, indexed_to: 1 });
    const merged = mergedSummary(
      new Map([
        ["a", summary([group("x", 5, "2", "3", 7), group("y", 4, "1", "1", 2)])],
        ["b", summary([group("y", 3, "2", "4", 9)])],
      ]),
      1,
    );
    expect([merged.records, merged.more]).to.deep.equal([20, true]);
    expect(merged.groups).to.deep.equal([{ ...group("y", 7, "1", "4", 9), flag: 2, node: "b" }]);
    const counts = (records: number, from = "2026-01-01T00:00:00.000Z"): Histogram["counts"][number] => ({
      ...{ from, of: { agent: "x" }, records, allow: 0, deny: records, flag: 0, proceed: 0 },
    });
    const histogram = (...all: Histogram["counts"]): Histogram => ({ by: ["agent"], step_ms: 1, counts: all, indexed_to: 1 });
    const later = "2026-01-02T00:00:00.000Z";
    expect(
      mergedCounts(
        new Map([
          ["a", histogram(counts(1), counts(2, later))],
          ["b", histogram(counts(3))],
        ]),
      ),
    ).to.deep.equal([counts(4), counts(2, later)]);
  });
});
