import { fileURLToPath } from "node:url";

export const RUN = fileURLToPath(new URL("../../demo/run.js", import.meta.url));
export const LAST_LINE = /Ctrl-C stops\./;
