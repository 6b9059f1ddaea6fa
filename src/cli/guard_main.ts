#!/usr/bin/env node
/** The `remit` command beside an MCP server: it guards, and does nothing else. */
import { main } from "./program.js";

const COMMANDS = {
  guard: async () => (await import("./guard/guard.js")).addGuard,
};

await main(COMMANDS, import.meta.url);
