/** Either end of a range of records, for what reads a folder by itself. */
import { InvalidArgumentError } from "commander";
import type { RangeBound } from "../../replay/records.js";
import { TIME_EXPECTED, timeIn } from "./audit/source.js";

/** A record's number, or a time as `remit audit query` takes it. */
export function bound(text: string): RangeBound {
  const seq = Number(text);
  if (/^[1-9]\d*$/.test(text) && Number.isSafeInteger(seq)) return { seq };
  const time = timeIn(text);
  if (time === null) throw new InvalidArgumentError(`must be a record's number, from 1, ${TIME_EXPECTED}`);
  return { ms: Date.parse(time) };
}
