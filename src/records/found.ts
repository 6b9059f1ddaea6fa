/** A record found by a query, read from the log and held against it. */
import type { OutcomeState } from "../contract/index.js";
import type { Row } from "./row.js";

export interface Found {
  seq: number;
  row: Row;
  outcome: OutcomeState | null;
  /** The record as it stands in the log, … */
  text: string;
  /** … as it reads … */
  record: unknown;
  /** … and what stands beside it; null where nothing does, or not what the record names. Both texts are JSON. */
  beside: string | null;
  /** True if the record names a text beside it that isn't there. */
  beside_missing: boolean;
}
