import { expect } from "chai";
import { checkIndex } from "../../../src/audit/index/check.js";
import type { Damage } from "../../../src/audit/tree/damage.js";

export const OPTIONS = { overdue_ms: 0, progress: (): void => undefined };
/** Of two whole blocks and the beginning of a third. */
export const RECORDS = 9000;

export function damageOf(folder: string): Damage[] {
  const { damage, notes } = checkIndex(folder);
  expect(notes).to.deep.equal([]);
  return damage;
}
