import { expect } from "chai";
import { judgedConnections, marks } from "../../bench/marks.js";
import { markdown, plot } from "../../bench/report.js";
import type { Results, Row } from "../../bench/results.js";

const LOGGED = "OPA, console decision log";

function row(name: string, connections: number, figures: Partial<Row> = {}): Row {
  const cost = { cpu_us: 100, rss_mb: 50, p50: 1, p99: 10, p999: 20 };
  return { name, connections, rate: 1000, requests: 1000, failures: 0, seconds: 1, ...cost, ...figures };
}

/** Every figure exactly at its mark. */
function results(changes: Partial<Results> = {}): Results {
  return {
    machine: { processor: "<P & Q>", cores: 2, memory_gib: 4, kernel: "6", node: "20" },
    quick: false,
    repeats: 1,
    seconds: 1,
    open_seconds: 1,
    sync_ms: 0.5,
    closed: [
      row("Remit", 16, { p99: 5 }),
      row(LOGGED, 16),
      row("Remit", 64, { rate: 3000, cpu_us: 35 }),
      row(LOGGED, 64),
      row("Cerbos", 64, { rate: 600 }),
    ],
    open: [{ ...row("Remit", 64), share: 0.8 }],
    in_process: {
      evaluate: 12,
      decide: 25,
      decide_threaded: 25,
      batch_action: 8,
      small_world: { evaluate: 10, decide: 20 },
      large_world: { evaluate: 12, decide: 24 },
      sizes: { packages: 1, small: { purposes: 1, agents: 1 }, large: { purposes: 2, agents: 2 } },
    },
    first_start_ms: 900,
    first_decision_ms: 400,
    memory: { decisions: 10, batched: 0, rss_mb: 150 },
    ...changes,
  };
}

const missed = (changes: Partial<Results>): string[] =>
  marks(results(changes))
    .filter(({ met }) => met === false)
    .map(({ what }) => what);

describe("marks of the benchmark", () => {
  it("are met by figures exactly at them", () => {
    expect(marks(results()).map(({ met }) => met)).to.deep.equal(Array(12).fill(true));
  });

  const { closed, in_process } = results();
  const worse = (name: string, connections: number, figures: Partial<Row>): Pick<Results, "closed"> => ({
    closed: closed.map((one) => (one.name === name && one.connections === connections ? { ...one, ...figures } : one)),
  });
  const cases: [string, Partial<Results>][] = [
    ["decisions/s, × OPA", worse(LOGGED, 64, { rate: 1001 })],
    ["CPU a decision", worse("Remit", 64, { cpu_us: 35.1 })],
    ["p99 at 16", worse("Remit", 16, { p99: 5.1 })],
    ["decisions/s, × Cerbos", worse("Cerbos", 64, { rate: 601 })],
    ["evaluation, µs", { in_process: { ...in_process, evaluate: 12.1 } }],
    ["`decide()`, µs", { in_process: { ...in_process, decide: 25.1 } }],
    ["`decide()` evaluated by", { in_process: { ...in_process, decide_threaded: 25.1 } }],
    ["an action in a batch", { in_process: { ...in_process, batch_action: 8.1 } }],
    ["evaluation, large", { in_process: { ...in_process, large_world: { evaluate: 12.1, decide: 24 } } }],
    ["`decide()`, large", { in_process: { ...in_process, large_world: { evaluate: 12, decide: 24.1 } } }],
    ["start to first", { first_decision_ms: 401 }],
    ["RSS after", { memory: { decisions: 10, batched: 0, rss_mb: 151 } }],
    ["p99 at 16", worse("Remit", 16, { p99: Number.NaN })],
  ];
  for (const [what, changes] of cases) {
    it(`misses only "${what}…" where that is past its mark`, () => {
      expect(missed(changes)).to.have.length(1);
      expect(missed(changes)[0]).to.match(new RegExp(`^${what.replace(/[()/]/g, "\\$&")}`));
    });
  }

  it("judges a slow disk with more connections, and doesn't count what was not measured as met", () => {
    expect([0.1, 1, 1.1].map(judgedConnections)).to.deep.equal([64, 64, 256]);
    const unmeasured = marks(results({ sync_ms: 1.1 })).filter(({ met }) => met === null);
    expect(unmeasured.map(({ found }) => found)).to.deep.equal(Array(3).fill("not measured"));
  });

  it("are all in the report, and the plot escapes what it is given", () => {
    const text = markdown(results(), "");
    for (const { what } of marks(results())) expect(text).to.include(what);
    const named = results({ open: [{ ...row("<a & b>", 64), share: 0.8 }] });
    expect(plot(named)).to.include("&lt;a &amp; b>").and.not.include("<a & b>");
  });
});
