import type { Damage } from "../../../src/audit/tree/damage.js";
import { verifyLog, type KeptCheckpoint, type Verification } from "../../../src/audit/tree/verify.js";
import { LOG_KEY } from "./written.js";

export function verify(folder: string, ...elsewhere: KeptCheckpoint[]): Verification {
  return verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere });
}

export const named = (damage: readonly Damage[]): string => damage.map(({ message }) => message).join("; ");
