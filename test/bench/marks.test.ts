import { expect } from "chai";
import { marks } from "../../bench/marks.js";
import { markdown } from "../../bench/report.js";
import { OPA_LOGGED, ratio, REMIT, type ClosedRow, type OpenRow, type Results, type Round } from "../../bench/results.js";

function round(figures: Partial<Round> = {}): Round {
  const cost = { cpu_us: 100, rss_mb: 50, p50: 1, p99: 10, p999: 20, generator: 0.5 };
  return { rate: 1000, requests: 1000, failures: 0, seconds: 1, ...cost, ...figures };
}

function closed(engine: string, connections: number, figures: Partial<Round> = {}, pinned = true): ClosedRow {
  return { engine, connections, pinned, rounds: [round(figures)] };
}

function open(engine: string, figures: Partial<Round> = {}): OpenRow {
  return { engine, share: 0.5, due: 500, rounds: [round(figures)] };
}

/** Every figure exactly at its gate. */
function results(changes: Partial<Results> = {}): Results {
  return {
    machine: { processor: "P", cores: 2, memory_gib: 4, kernel: "6", node: "20" },
    load_before: 0,
    quick: false,
    seed: 1,
    rounds: 1,
    seconds: 1,
    sync_ms: 0,
    checked: 10_000,
    closed: [
      closed(REMIT, 1, { cpu_us: 220 }),
      closed(REMIT, 1, { p50: 0.15 }, false),
      closed(REMIT, 16, { rate: 2200 }),
      closed(OPA_LOGGED, 16),
      closed(REMIT, 64, { rate: 3000, cpu_us: 35 }),
      closed(OPA_LOGGED, 64),
    ],
    open: [open(REMIT, { p50: 2, p99: 10 })],
    threads: [{ connections: 1, us: { main: 10 } }],
    in_process: {
      evaluate: 9,
      decide: 22,
      small_world: { evaluate: 10, decide: 20 },
      large_world: { evaluate: 12, decide: 24 },
      sizes: { packages: 1, small: { purposes: 1, agents: 1 }, large: { purposes: 2, agents: 2 } },
    },
    batch: { recorded_us: 25, indexed_us: 40 },
    first_decision_ms: 400,
    memory: { decisions: 10, rss_mb: 150 },
    parts: { behavior_us: 7, observed_us: 33, embedded_us: 25, embedded_batch_us: 15, mcp_ms: 1, bystanders_ms: 10 },
    ...changes,
  };
}

/** With another figure in one row. */
function worse(engine: string, connections: number, figures: Partial<Round>, isPinned = true): Pick<Results, "closed"> {
  const isMeant = (row: ClosedRow): boolean => row.engine === engine && row.connections === connections && row.pinned === isPinned;
  const changed = ({ rounds, ...row }: ClosedRow): ClosedRow => ({ ...row, rounds: rounds.map((one) => ({ ...one, ...figures })) });
  return { closed: results().closed.map((row) => (isMeant(row) ? changed(row) : row)) };
}

describe("marks of the benchmark", () => {
  it("meet the gate with figures exactly at it", () => {
    expect(marks(results()).filter(({ met }) => met === "missed" || met === null)).to.deep.equal([]);
  });

  const { in_process, parts } = results();
  const cases: [string, Partial<Results>][] = [
    ["decisions/s, × OPA with its log, 64", worse(OPA_LOGGED, 64, { rate: 1001 })],
    ["CPU a decision, × the same", worse(REMIT, 64, { cpu_us: 35.1 })],
    ["decisions/s, × OPA with its log, 16", worse(REMIT, 16, { rate: 2199 })],
    ["p50 less one `fdatasync`", worse(REMIT, 1, { p50: 0.16 }, false)],
    ["CPU a decision, 1 connection", worse(REMIT, 1, { cpu_us: 221 })],
    ["p50 at 50 %", { open: [open(REMIT, { p50: 2.1, p99: 10 })] }],
    ["p99 at 50 %", { open: [open(REMIT, { p50: 2, p99: 10.1 })] }],
    ["evaluation in process", { in_process: { ...in_process, evaluate: 9.1 } }],
    ["whole `decide()`", { in_process: { ...in_process, decide: 22.1 } }],
    ["evaluation, large", { in_process: { ...in_process, large_world: { evaluate: 12.1, decide: 24 } } }],
    ["`decide()`, large", { in_process: { ...in_process, large_world: { evaluate: 12, decide: 24.1 } } }],
    ["action in a batch", { batch: { recorded_us: 25.1, indexed_us: 40 } }],
    ["what behaviour adds", { parts: { ...parts, behavior_us: 7.1 } }],
    ["observed line", { parts: { ...parts, observed_us: 33.1 } }],
    ["embedded engine, one", { parts: { ...parts, embedded_us: 25.1 } }],
    ["embedded engine, batched", { parts: { ...parts, embedded_batch_us: 15.1 } }],
    ["MCP guard", { parts: { ...parts, mcp_ms: 1.1 } }],
    ["bystanders' p99", { parts: { ...parts, bystanders_ms: 10.1 } }],
    ["start to first", { first_decision_ms: 401 }],
    ["RSS after", { memory: { decisions: 10, rss_mb: 151 } }],
  ];

  it("are as many as the cases here", () => {
    expect(marks(results())).to.have.length(cases.length);
  });

  for (const [what, changes] of cases) {
    it(`miss only "${what}…" past its gate`, () => {
      const missed = marks(results(changes)).filter(({ met }) => met === "missed");
      expect(missed.map((one) => one.what.startsWith(what))).to.deep.equal([true]);
    });
  }

  it("don't count what was not measured as met", () => {
    const unmeasured = marks(results({ closed: [], open: [], parts: { ...parts, mcp_ms: Number.NaN } })).filter(({ met }) => met === null);
    expect(unmeasured).to.have.length(8);
  });

  it("compare within rounds: a round that was busy for both changes no ratio", () => {
    const ours = [round({ rate: 300 }), round({ rate: 30 }), round({ rate: 330 })];
    const theirs = [round({ rate: 100 }), round({ rate: 10 }), round({ rate: 100 })];
    expect(ratio(ours, theirs, "rate")).to.deep.equal({ median: 3, least: 3, most: 3.3 });
  });
});

describe("the page of the benchmark", () => {
  it("begins with where Remit loses, has nothing there where it is ahead, and lists every mark", () => {
    const rows = [closed("OPA", 16, { rate: 4400 }), closed("Cerbos, HTTP", 16, { rate: 100, cpu_us: 200 })];
    const text = markdown(results({ closed: [...results().closed, ...rows] }));
    expect(text).to.match(/^# Benchmarks\n\n[^\n]*\n\n## Where Remit loses\n/);
    const [, loses = ""] = text.split("## ");
    expect(loses).to.include("| 16 connections, pinned | decisions/s |  | 0.50 |  |");
    expect(loses).not.to.include("64 connections, pinned | decisions/s");
    for (const { what } of marks(results())) expect(text).to.include(what);
  });

  it("warns if other processes used the machine", () => {
    expect(markdown(results({ load_before: 0.4 }))).not.to.include("not to be trusted");
    expect(markdown(results({ load_before: 3 }))).to.include("its load average was 3.00 before the run began");
  });

  it("says how many gates are missed, and that a rate may be the generator's", () => {
    const text = markdown(results({ ...worse(REMIT, 64, { cpu_us: 50, generator: 0.95 }), first_decision_ms: 500 }));
    expect(text).to.include(`2 of ${marks(results()).length} gates below are missed.`);
    expect(text).to.include("| 64 | Remit | ≥ 3000 |");
  });
});
