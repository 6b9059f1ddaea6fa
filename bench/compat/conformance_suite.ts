/** The protocol's own conformance suite: installed once, and what its runs have checked. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { runProgram } from "./row.js";

export const CONFORMANCE = "@modelcontextprotocol/conformance 0.2.0-alpha.12";
export const CONFORMANCE_SDK = "@modelcontextprotocol/server 2.4.0";
/** Packages of the suite, which needs a later Node than Remit does, and of the server that it is run against. */
const PACKAGES = [
  ...[CONFORMANCE, CONFORMANCE_SDK].map((one) => one.replace(" ", "@")),
  "@modelcontextprotocol/node@2.1.2",
  "node@22.23.3",
];

export const NOT_INSTALLED = `npm can't install ${PACKAGES.join(", ")} here`;

export interface ConformanceSuite {
  node: string;
  cli: string;
  /** Folder whose programs find the packages. */
  folder: string;
}

export interface SuiteCheck {
  /** Scenario that it belongs to. */
  scenario: string;
  id: string;
  status: string;
  errorMessage?: string;
}

/** Finds the suite in the cache, else installs it. @returns null if it can't be installed here */
export async function installedSuite(): Promise<ConformanceSuite | null> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", "compat", "mcp-conformance");
  const mark = join(cache, "installed");
  const suite = {
    node: join(cache, "node_modules", "node", "bin", "node"),
    cli: join(cache, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"),
    folder: cache,
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

/** Returns the checks of all runs whose results are in this folder. */
export function checksIn(results: string): SuiteCheck[] {
  const files = readdirSync(results, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("checks.json"));
  return files.flatMap((name) => {
    const scenario = /([^/]+)-\d{4}-\d\d-\d\dT[^/]*\/checks\.json$/.exec(name)?.[1] ?? name;
    const checks = JSON.parse(readFileSync(join(results, name), "utf8")) as Omit<SuiteCheck, "scenario">[];
    return checks.map((check) => ({ ...check, scenario: scenario.replace(/^(server|client)-/, "") }));
  });
}

export function hasFailed({ status }: SuiteCheck): boolean {
  return status === "FAILURE" || status === "WARNING";
}

export function passedOf(checks: readonly SuiteCheck[]): number {
  return checks.filter(({ status }) => status === "SUCCESS").length;
}
