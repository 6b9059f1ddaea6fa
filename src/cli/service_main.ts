#!/usr/bin/env node
/** The `remit` command of a decision point's host: it serves, and does nothing else. */
import { main } from "./program.js";

const COMMANDS = {
  serve: async () => (await import("./service/serve.js")).addServe,
};

await main(COMMANDS, import.meta.url);
