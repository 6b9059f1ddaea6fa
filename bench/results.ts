/** Everything that a run finds: written as JSON, judged by `marks.ts` and shown by `report.ts`. */
import type { InProcess } from "./in_process.js";
import type { Machine } from "./machine.js";
import { median, type Measured } from "./measure.js";
import type { Figures } from "./parts.js";

/** One measurement, with its answers a second. */
export type Round = Measured & { rate: number };

export interface ClosedRow {
  engine: string;
  connections: number;
  /** Server on one core and generator on the other; else both on all cores. */
  pinned: boolean;
  rounds: Round[];
}

/** One engine under a constant arrival rate, pinned. */
export interface OpenRow {
  engine: string;
  /** Share of the engine's own rate in the closed loop. */
  share: number;
  /** Requests a second that were due. */
  due: number;
  rounds: Round[];
}

/** CPU a decision by kind of thread, microseconds. */
export interface ThreadsRow {
  connections: number;
  us: Record<string, number>;
}

export interface Results {
  machine: Machine;
  /** Load average of the last minute before anything was started. */
  load_before: number;
  quick: boolean;
  seed: number;
  rounds: number;
  seconds: number;
  /** Milliseconds of one `fdatasync` of a record's size. */
  sync_ms: number;
  /** Requests that every engine answered like the oracle. */
  checked: number;
  closed: ClosedRow[];
  open: OpenRow[];
  threads: ThreadsRow[];
  in_process: InProcess;
  /** Microseconds of CPU for an action in a batch of 100: until its record is on disk, and with the index. */
  batch: { recorded_us: number; indexed_us: number };
  /** Milliseconds from the start of the process to its first decision, with its facts in its store. */
  first_decision_ms: number;
  memory: { decisions: number; rss_mb: number };
  parts: Figures;
}

export const REMIT = "Remit";
export const OPA_LOGGED = "OPA, console decision log";

export interface Spread {
  median: number;
  least: number;
  most: number;
}

/** Ratio of one engine's figure to another's within each round: a machine that was busy was so for both. */
export function ratio(one: Round[], other: Round[], figure: keyof Round): Spread {
  const ratios = one.map((round, i) => round[figure] / (other[i]?.[figure] ?? Number.NaN));
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/** Median over rounds; NaN if it was not measured. */
export function middle(rounds: Round[] | undefined, figure: keyof Round): number {
  return median((rounds ?? []).map((round) => round[figure]));
}

export function closedRounds({ closed }: Pick<Results, "closed">, name: string, at: number, isPinned: boolean): Round[] | undefined {
  return closed.find(({ engine, connections, pinned }) => engine === name && connections === at && pinned === isPinned)?.rounds;
}
