import { tokenFor } from "./running.js";

export const AUDIT = tokenFor("remit:audit", "auditor-1");
