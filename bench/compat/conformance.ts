/** The protocol's own conformance suite before the MCP guard's login: each scenario starts its servers, and `mcp_login` as their client. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { asset } from "../../src/system/paths.js";
import { runProgram, type CompatOutcome } from "./row.js";

export const CONFORMANCE = "@modelcontextprotocol/conformance 0.2.0-alpha.12";
/** Packages of the suite, which needs a later Node than Remit does. */
const PACKAGES = [CONFORMANCE.replace(" ", "@"), "node@22.23.3"];
const TIMEOUT_MS = "60000";
const STATELESS = ["--spec-version", "2026-07-28"];
/** Runs of the suite: those of both revisions, and what the later one adds. */
const RUNS: readonly (readonly string[])[] = [
  ["--suite", "auth"],
  ["--suite", "auth", ...STATELESS],
  ...[
    ...["resource-mismatch", "offline-access-scope", "offline-access-not-supported", "authorization-server-migration"],
    ...["iss-supported", "iss-not-advertised", "iss-supported-missing", "iss-wrong-issuer", "iss-unexpected", "iss-normalized"],
    "metadata-issuer-mismatch",
  ].map((name) => ["--scenario", `auth/${name}`, ...STATELESS]),
];

interface SuiteCheck {
  id: string;
  status: string;
  errorMessage?: string;
}

export async function byConformance(): Promise<CompatOutcome> {
  const suite = await installed();
  if (suite === null) return { state: "skipped", detail: `npm can't install ${PACKAGES.join(" and ")} here` };
  const results = mkdtempSync(join(tmpdir(), "remit-conformance-"));
  try {
    const client = `${process.execPath} ${asset("dist", "bench", "compat", "mcp_login.js")}`;
    for (const run of RUNS)
      await runProgram(suite.node, [suite.cli, "client", "--command", client, ...run, "--timeout", TIMEOUT_MS, "--output-dir", results]);
    return outcomeOf(checksIn(results));
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}

function outcomeOf(checks: readonly SuiteCheck[]): CompatOutcome {
  const [wrong, ...others] = checks.filter(({ status }) => status === "FAILURE" || status === "WARNING");
  const passed = checks.filter(({ status }) => status === "SUCCESS").length;
  if (wrong !== undefined)
    return { state: "red", detail: `${wrong.id}: ${wrong.errorMessage ?? wrong.status}, and ${others.length} others` };
  if (passed === 0) return { state: "red", detail: "the suite has checked nothing" };
  return { state: "green", detail: `${passed} checks of logins, as of 2025-11-25 and 2026-07-28` };
}

function checksIn(results: string): SuiteCheck[] {
  const files = readdirSync(results, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("checks.json"));
  return files.flatMap((name) => JSON.parse(readFileSync(join(results, name), "utf8")) as SuiteCheck[]);
}

/** Finds the suite in the cache, else installs it. @returns null if it can't be installed here */
async function installed(): Promise<{ node: string; cli: string } | null> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", "compat", "mcp-conformance");
  const mark = join(cache, "installed");
  const suite = {
    node: join(cache, "node_modules", "node", "bin", "node"),
    cli: join(cache, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"),
  };
  const wanted = PACKAGES.join(" ");
  if (existsSync(mark) && readFileSync(mark, "utf8") === wanted) return suite;
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  const { code } = await runProgram("npm", ["install", "--no-audit", "--no-fund", "--silent", "--prefix", cache, ...PACKAGES]);
  if (code !== 0) return null;
  writeFileSync(mark, wanted);
  return suite;
}
