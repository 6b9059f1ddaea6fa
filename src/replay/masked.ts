/** Whether a record's masks stand between it and its decision. */
import type { Recorded } from "./records.js";

const READ_BY_POLICY = /^\/(?:ancestors|input|not_live|floor|request)(?:\/|$)/;

/** Whether anything that its decision may have been made of is masked. */
export function dependsOnMask({ record }: Pick<Recorded, "record">): boolean {
  return (record.masked ?? []).some((pointer) => READ_BY_POLICY.test(pointer));
}

/** Whether anything at all is. */
export function isMasked({ record }: Pick<Recorded, "record">): boolean {
  return (record.masked ?? []).length > 0;
}
