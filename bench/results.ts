/** Everything that a run found; written as JSON and shown as `docs/benchmarks.md`. */
import type { InProcess } from "./in_process.js";
import type { Machine } from "./machine.js";
import type { Measured } from "./measure.js";

export interface Row extends Measured {
  name: string;
  connections: number;
  /** Answers a second. */
  rate: number;
}

/** One server under a constant arrival rate. */
export interface OpenRow extends Measured {
  name: string;
  /** Of the server's own rate in the closed loop. */
  share: number;
  /** Requests a second that were due. */
  rate: number;
}

export interface Results {
  machine: Machine;
  quick: boolean;
  repeats: number;
  seconds: number;
  open_seconds: number;
  /** Of 25 kB. */
  sync_ms: number;
  closed: Row[];
  open: OpenRow[];
  in_process: InProcess;
  /** From the start of the process to its first decision: the first start ever, which imports 1,000 agents and tasks; … */
  first_start_ms: number;
  /** … and later ones, which have them in the store. */
  first_decision_ms: number;
  memory: { decisions: number; batched: number; rss_mb: number };
}
