/** Readings of values as dates, telephone numbers and the like: their tables are large, so they come beside the worker's script. */
import type * as Values from "../../../flow/values.js";

let values: typeof Values | null = null;

export async function loadValues(): Promise<void> {
  values ??= await import("../../../flow/values.js");
}

function loaded(): typeof Values {
  if (values === null) throw new Error("`loadValues` has not been awaited");
  return values;
}

export const TEXT_MAX = 100_000;
export const plain: typeof Values.plain = (text) => loaded().plain(text);
export const nameOf: typeof Values.nameOf = (text) => loaded().nameOf(text);
export const readings: typeof Values.readings = (field) => loaded().readings(field);
export const valuesIn: typeof Values.valuesIn = (text, now, within) => loaded().valuesIn(text, now, within);
