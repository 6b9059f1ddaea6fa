import { CAEP, RISC } from "./support.js";

export const REVOKED = `${CAEP}session-revoked`;
export const DISABLED = `${RISC}account-disabled`;
export const ENABLED = `${RISC}account-enabled`;
