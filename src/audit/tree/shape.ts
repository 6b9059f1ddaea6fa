/** Checks that a record's text is one that this version writes: no tree can show what a faulty writer signed. */
import { canonical, RecordSchema } from "../../contract/index.js";
import { schemas } from "../../system/schemas.js";

const isRecord = schemas().compile<object>(RecordSchema);

/** Checks a record's text. @returns what is wrong with it; null for nothing */
export function recordFault(text: string): string | null {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch {
    return "not JSON";
  }
  if (canonical(record) !== text) return "not in its canonical form";
  if (isRecord(record)) return null;
  // The schema is a choice of kinds: what is said last is of the choice, and helps nobody.
  const error = isRecord.errors?.find(({ keyword }) => keyword !== "const" && keyword !== "anyOf");
  return `not as its schema has it: \`${error?.instancePath ?? ""}\` ${error?.message ?? "is of no known kind"}`;
}
