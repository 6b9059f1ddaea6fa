import { expect } from "chai";
import { Problem } from "../../src/contract/index.js";
import { answering } from "../../src/http/asked_nodes.js";
import { FleetRecords, RECEIPT } from "../../src/http/fleet_records.js";
import type { RecordQuestion } from "../../src/records/ask.js";
import { NodeNet } from "./node_net.js";

const DECISION = "01a22683-8654-7c00-8000-000000000000";

/** Records of one node, as its search answers. */
class Node {
  asked: RecordQuestion[] = [];
  fails = false;

  constructor(
    readonly name: string,
    /** Times of its records. */
    readonly times: readonly number[],
    readonly own: string | null = null,
  ) {}

  ask(question: RecordQuestion): Promise<string | null> {
    this.asked.push(question);
    if (this.fails) return Promise.reject(new Problem("index_unavailable"));
    const { times, name } = this;
    const group = { of: { agent: "x" }, records: times.length, allow: times.length, deny: 0, flag: 0, proceed: 0 };
    const span = { first: "2026-01-01T00:00:00.000Z", last: "2026-01-02T00:00:00.000Z", last_seq: times.length };
    switch (question.kind) {
      case "timed": {
        const { after, limit } = question.page;
        const all = times.map((time_ms, i) => ({ time_ms, seq: i + 1 })).filter(({ seq }) => after === null || seq < after);
        const found = all.toReversed().slice(0, limit);
        return Promise.resolve(
          JSON.stringify({
            items: found.map(({ time_ms, seq }) => ({ time_ms, text: `{"seq":${seq},"record":"${name}${time_ms}"}` })),
            ...{ seqs: found.map(({ seq }) => seq), to: 0, more: all.length > limit, indexed_to: times.length },
          }),
        );
      }
      case "summary":
        return Promise.resolve(
          JSON.stringify({
            by: ["agent"],
            records: times.length,
            groups: [{ ...group, ...span }],
            more: times.length > 90,
            indexed_to: times.length,
          }),
        );
      case "histogram":
        return Promise.resolve(
          JSON.stringify({ by: [], step_ms: 60_000, counts: [{ ...group, of: {}, from: span.first }], indexed_to: times.length }),
        );
      case "one":
        return Promise.resolve(this.own);
      default:
        return Promise.resolve(JSON.stringify({ kind: question.kind, of: name }));
    }
  }
}

interface Page {
  items: { node: string; record: string }[];
  next: string | null;
  nodes: { indexed_to: Record<string, number>; missing: string[] };
}

describe("searches over the nodes of a cluster", () => {
  let nodes: Node[];
  let silent: Set<string>;
  let net: NodeNet;
  const fleets = new Map<string, FleetRecords>();
  const all = (): FleetRecords => fleets.get("a") as FleetRecords;
  const refused = async (asked: Promise<unknown>): Promise<string> =>
    asked.then(
      () => "answered",
      (cause: unknown) => `${(cause as Problem).code} ${(cause as Problem).detail.field ?? ""}`.trim(),
    );

  beforeEach(() => {
    nodes = [new Node("a", [1, 4, 7]), new Node("b", [2, 5, 8, 9]), new Node("c", [3])];
    net = new NodeNet("a", "b", "c");
    ({ silent } = net);
    for (const node of nodes) {
      const fleet = new FleetRecords(node, net.of(node.name));
      fleets.set(node.name, fleet);
      net.serve(node.name, (question) => fleet.answer(question));
    }
  });

  it("give pages of all records by time, each of which names its node", async () => {
    const seen: string[] = [];
    let url = "/decisions?limit=3";
    for (let pages = 0; pages < 5; pages++) {
      const { items, next, nodes: searched } = JSON.parse(await all().page(url)) as Page;
      expect(searched).to.deep.equal({ indexed_to: { a: 3, b: 4, c: 1 }, missing: [] });
      seen.push(...items.map(({ node, record }) => `${node} ${record}`));
      if (next === null) break;
      url = `/decisions?limit=3&cursor=${next}`;
    }
    expect(seen).to.deep.equal(["b b9", "b b8", "a a7", "b b5", "a a4", "c c3", "b b2", "a a1"]);
  });

  it("name the nodes that haven't answered, and tell what the others have", async () => {
    silent.add("b");
    const { items, nodes: searched } = JSON.parse(await all().page("/decisions")) as Page;
    expect([items.length, searched]).to.deep.equal([4, { indexed_to: { a: 3, c: 1 }, missing: ["b"] }]);
    const summary = JSON.parse(await all().summary("/decisions/summary?by=agent")) as { records: number; nodes: Page["nodes"] };
    expect([summary.records, summary.nodes.missing]).to.deep.equal([4, ["b"]]);
  });

  it("count together", async () => {
    expect(JSON.parse(await all().summary("/decisions/summary?by=agent&limit=5"))).to.deep.include({
      by: ["agent"],
      records: 8,
      more: false,
    });
    expect(JSON.parse(await all().histogram("/decisions/histogram?step=minute"))).to.deep.include({
      step_ms: 60_000,
      counts: [{ of: {}, from: "2026-01-01T00:00:00.000Z", records: 8, allow: 8, deny: 0, flag: 0, proceed: 0 }],
    });
    expect(nodes[1]?.asked.at(-2)).to.deep.include({ kind: "summary", limit: 1000 });
  });

  it("find a decision wherever it is, and say that they can't know while a node is silent", async () => {
    nodes[2] = Object.assign(nodes[2] as Node, { own: '{"seq":1,"record":{}}' });
    expect(JSON.parse((await all().one(DECISION)) ?? "null")).to.deep.equal({ seq: 1, record: {}, node: "c" });
    silent.add("c");
    expect(await refused(all().one(DECISION))).to.equal("index_unavailable");
    silent.clear();
    nodes[2] = Object.assign(nodes[2], { own: null });
    expect(await all().one(DECISION)).to.equal(null);
    const before = nodes[1]?.asked.length;
    await all().one("17");
    expect(nodes[1]?.asked.length, "a number is of this node alone").to.equal(before);
  });

  it("get a receipt from whichever node can make it", async () => {
    const receipts: Record<string, object | null> = { b: null, c: { v: 1 } };
    for (const name of ["b", "c"])
      net.serve(
        name,
        answering({ [RECEIPT]: () => Promise.resolve(receipts[name] ? JSON.stringify(receipts[name]) : null) }, () =>
          expect.fail("asked for something else"),
        ),
      );
    const fleet = all();
    expect([await fleet.receipt(DECISION), await fleet.receipt("17"), await fleet.receipt("../x")]).to.deep.equal(['{"v":1}', null, null]);
    silent.add("c");
    expect(await refused(fleet.receipt(DECISION))).to.equal("index_unavailable");
  });

  it("ask one node, if one is named", async () => {
    expect(JSON.parse((await all().ofNode("b", "/decisions?node=b&limit=2")) ?? "")).to.deep.include({
      items: [
        { seq: 4, record: "b9" },
        { seq: 3, record: "b8" },
      ],
      next: "cjM",
      indexed_to: 4,
    });
    expect(JSON.parse((await all().ofNode("c", "/decisions/summary?by=new&node=c")) ?? "")).to.deep.equal({ kind: "new", of: "c" });
    silent.add("b");
    expect(await refused(all().ofNode("b", "/decisions?node=b"))).to.equal("index_unavailable");
  });

  const bad: [string, string, (fleet: FleetRecords, url: string) => Promise<unknown>][] = [
    ["/decisions?cursor=cjM", "parameter_invalid cursor", (fleet, url) => fleet.page(url)],
    ["/decisions?limit=0", "parameter_invalid limit", (fleet, url) => fleet.page(url)],
    ["/decisions?agnet=x", "parameter_unknown agnet", (fleet, url) => fleet.page(url)],
    ["/decisions/summary?by=new", "parameter_missing node", (fleet, url) => fleet.summary(url)],
    ["/decisions/summary", "parameter_missing by", (fleet, url) => fleet.summary(url)],
    ["/decisions/histogram?step=year", "parameter_invalid step", (fleet, url) => fleet.histogram(url)],
    ["/decisions?node=gone", "parameter_invalid node", (fleet, url) => fleet.ofNode("gone", url)],
    ["/decisions/summary?by=agent;drop", "parameter_invalid by", (fleet, url) => fleet.answer(url)],
    ["/decisions?limit=1%20OR%201", "parameter_invalid limit", (fleet, url) => fleet.answer(url)],
    ["/agents", "record_not_found", (fleet, url) => fleet.answer(url)],
    ["/decisions/a/b", "record_not_found", (fleet, url) => fleet.answer(url)],
    ["", "record_not_found", (fleet, url) => fleet.answer(url)],
    ["/constructor", "record_not_found", (fleet, url) => fleet.answer(url)],
  ];
  for (const [url, code, ask] of bad)
    it(`refuse ${url === "" ? "nothing" : url}, whoever asks: ${code}`, async () => {
      expect(await refused(ask(all(), url))).to.equal(code);
      for (const node of nodes) expect(node.asked).to.deep.equal([]);
    });

  it("refuse more groups than can be added up", async () => {
    nodes[1] = Object.assign(nodes[1] as Node, { times: Array.from({ length: 100 }, (_, i) => i) });
    expect(await refused(all().summary("/decisions/summary?by=agent"))).to.equal("parameter_invalid by");
  });
});
