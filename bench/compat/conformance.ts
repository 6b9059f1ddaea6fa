/** The protocol's own conformance suite before the MCP guard's login: each scenario starts its servers, and `mcp_login` as their client. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asset } from "../../src/system/paths.js";
import { checksIn, hasFailed, installedSuite, NOT_INSTALLED, passedOf, type SuiteCheck } from "./conformance_suite.js";
import { runProgram, type CompatOutcome } from "./row.js";

const TIMEOUT_MS = "60000";
const STATELESS = ["--spec-version", "2026-07-28"];
/** Runs of the suite: those of both revisions, what the later one adds, and a server of before RFC 9728 with metadata. */
const RUNS: readonly (readonly string[])[] = [
  ["--suite", "auth"],
  ["--suite", "auth", ...STATELESS],
  ["--scenario", "auth/2025-03-26-oauth-metadata-backcompat", "--spec-version", "2025-03-26"],
  ...[
    ...["resource-mismatch", "offline-access-scope", "offline-access-not-supported", "authorization-server-migration"],
    ...["iss-supported", "iss-not-advertised", "iss-supported-missing", "iss-wrong-issuer", "iss-unexpected", "iss-normalized"],
    "metadata-issuer-mismatch",
  ].map((name) => ["--scenario", `auth/${name}`, ...STATELESS]),
];

export async function byConformance(): Promise<CompatOutcome> {
  const suite = await installedSuite();
  if (suite === null) return { state: "skipped", detail: NOT_INSTALLED };
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
  const [wrong, ...others] = checks.filter(hasFailed);
  const passed = passedOf(checks);
  if (wrong !== undefined)
    return { state: "red", detail: `${wrong.id}: ${wrong.errorMessage ?? wrong.status}, and ${others.length} others` };
  if (passed === 0) return { state: "red", detail: "the suite has checked nothing" };
  return { state: "green", detail: `${passed} checks of logins, as of 2025-03-26, 2025-11-25 and 2026-07-28` };
}
