/**
 * Data of AgentDojo's suites for `outside.ts`, made from the package that its authors publish. The package is installed once, at the version
 * below, into a cache outside the tree; where it can't be had, this is said, and the program ends well.
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { asset } from "../src/system/paths.js";
import { pythonWith, runProgram } from "./compat/row.js";
import { namesOf, readOptions } from "./options.js";

const PACKAGE = "agentdojo==0.1.35";
const SUITES = ["banking", "slack", "travel", "workspace"];
const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", "benchmarks");

const { folder, suites } = readOptions("agentdojo", {
  about: "Makes the data of AgentDojo's suites from its package, for outside.js --folder.",
  options: {
    folder: { says: "folder in which the folder agentdojo is written; if left out, one in the cache", default: CACHE },
    suites: { says: "suites to convert, separated by commas", default: "slack,travel" },
  },
  examples: ["", "--suites banking,workspace --folder ../data"],
});
const names = namesOf("suites", suites, SUITES);

const python = await pythonWith("agentdojo", [PACKAGE]);
if (python === null) console.log(`Skipped: no Python with ${PACKAGE}.`);
else {
  const { code, out, error } = await runProgram(python, [
    asset("bench", "outside", "agentdojo_suites.py"),
    join(folder, "agentdojo"),
    ...names,
  ]);
  process.stdout.write(out);
  if (code === 0) console.log(`Next: node dist/bench/outside.js --folder ${folder}`);
  else {
    console.error(error.trim());
    process.exitCode = 1;
  }
}
