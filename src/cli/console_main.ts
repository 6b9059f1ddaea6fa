#!/usr/bin/env node
/** The `remit` command of a host that serves the console, and nothing else. */
import { main } from "./program.js";

const COMMANDS = {
  console: async () => (await import("./service/console.js")).addConsole,
};

await main(COMMANDS, import.meta.url);
