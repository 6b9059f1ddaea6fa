/** Marks that the figures have to reach: a gate, below which a run fails, and an aim. */
import { closedRounds, middle, OPA_LOGGED, ratio, REMIT, type Results, type Round, type Spread } from "./results.js";

export interface Mark {
  what: string;
  better: "more" | "less";
  gate: number;
  aim: number;
  found: Spread;
  /** Null if it was not measured. */
  met: "aim" | "gate" | "missed" | null;
}

export function marks(results: Results): Mark[] {
  const { sync_ms, open, in_process, batch, first_decision_ms, memory, parts } = results;
  const ours = (connections: number, pinned = true): Round[] | undefined => closedRounds(results, REMIT, connections, pinned);
  const ofOpa = (connections: number, figure: keyof Round): Spread => {
    const [one, other] = [ours(connections), closedRounds(results, OPA_LOGGED, connections, true)];
    return one === undefined || other === undefined ? single(Number.NaN) : ratio(one, other, figure);
  };
  const half = open.find(({ engine, share }) => engine === REMIT && share === 0.5)?.rounds;
  return [
    mark("decisions/s, × OPA with its log, 64 connections", "more", 3, 4, ofOpa(64, "rate")),
    mark("CPU a decision, × the same", "less", 0.35, 0.25, ofOpa(64, "cpu_us")),
    mark("decisions/s, × OPA with its log, 16 connections", "more", 2.2, 3, ofOpa(16, "rate")),
    mark("p50 less one `fdatasync`, 1 connection, not pinned, ms", "less", 0.15, 0.1, middle(ours(1, false), "p50") - sync_ms),
    mark("CPU a decision, 1 connection, µs", "less", 220, 150, middle(ours(1), "cpu_us")),
    mark("p50 at 50 % of its own rate, ms", "less", 2, 1, middle(half, "p50")),
    mark("p99 at 50 % of its own rate, ms", "less", 10, 5, middle(half, "p99")),
    mark("evaluation in process, µs", "less", 9, 8, in_process.evaluate),
    mark("whole `decide()` in process, µs", "less", 22, 18, in_process.decide),
    mark("evaluation, large world × small", "less", 1.2, 1.2, in_process.large_world.evaluate / in_process.small_world.evaluate),
    mark("`decide()`, large world × small", "less", 1.2, 1.2, in_process.large_world.decide / in_process.small_world.decide),
    mark("action in a batch of 100, with its record, µs", "less", 25, 18, batch.recorded_us),
    mark("what behaviour adds to a decision, µs", "less", 7, 5, parts.behavior_us),
    mark("observed line, until it is on record and signed, µs", "less", 33, 25, parts.observed_us),
    mark("embedded engine, one by one, µs", "less", 25, 15, parts.embedded_us),
    mark("embedded engine, batched, µs", "less", 15, 10, parts.embedded_batch_us),
    mark("MCP guard in process: added to a call beside one `fdatasync`, p50, ms", "less", 1, 0.5, parts.mcp_ms),
    mark("bystanders' p99 beside endless evaluations, more than alone, ms", "less", 10, 5, parts.bystanders_ms),
    mark("start to first decision, ms", "less", 400, 300, first_decision_ms),
    mark(`RSS after ${memory.decisions.toLocaleString("en")} decisions, MB`, "less", 150, 120, memory.rss_mb),
  ];
}

function single(value: number): Spread {
  return { median: value, least: value, most: value };
}

function mark(what: string, better: Mark["better"], gate: number, aim: number, figure: number | Spread): Mark {
  const found = typeof figure === "number" ? single(figure) : figure;
  const reaches = (wanted: number): boolean => (better === "more" ? found.median >= wanted : found.median <= wanted);
  const met = Number.isNaN(found.median) ? null : reaches(aim) ? "aim" : reaches(gate) ? "gate" : "missed";
  return { what, better, gate, aim, found, met };
}
