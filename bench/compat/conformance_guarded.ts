/**
 * The protocol's own conformance suite before a server, and before the same server behind `remit guard mcp`: the guard may fail nothing more, but for
 * what it refuses on purpose.
 */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stringify } from "yaml";
import { freePort } from "../../demo/ports.js";
import { asset } from "../../src/system/paths.js";
import { ask, STATELESS } from "../../test/guards/mcp/stateless.js";
import { MAPPING, openDesk, type Desk } from "../../test/guards/mcp/support.js";
import { checksIn, hasFailed, installedSuite, NOT_INSTALLED, passedOf, type ConformanceSuite, type SuiteCheck } from "./conformance_suite.js"; // prettier-ignore
import { runProgram, type CompatOutcome } from "./row.js";

const REVISIONS = ["2025-11-25", STATELESS] as const;
type Revision = (typeof REVISIONS)[number];

/** Scenarios that the guard doesn't pass on purpose. */
const INTENDED: ReadonlyMap<string, string> = new Map([
  ["completion-complete", "`completion/complete` isn't offered: no policy sees what is typed"],
  ["server-sse-polling", "a call is answered by JSON within a second: there is no stream to come back to, nor any kept answers"],
]);
/** Scenarios of an extension that the guard doesn't offer, nor the server: results that are fetched later, past redaction and revocation. */
const EXTENSION = /^tasks-/;
const PROGRAM = "conformance_server.mjs";
const CLI = asset("dist", "src", "cli", "main.js");
/** What each call is to the policy: the desk's agent may read its own customer. */
const READ = { read: "customer", id: { is: "ada" } };
/** Those that the server has, and one that it hasn't: that is the server's to say. */
const RESOURCES = [
  { uri: "test://{name}", ...READ, ignore: ["name"] },
  { uri: "test://template/{id}/data", ...READ, ignore: ["id"] },
];
const STARTS_MS_MAX = 30_000;

interface ListedServer {
  tools: { name: string; inputSchema: { properties?: object } }[];
  prompts: { name: string; arguments?: { name: string }[] }[];
}

export async function byGuardedConformance(): Promise<CompatOutcome> {
  const suite = await installedSuite();
  if (suite === null) return { state: "skipped", detail: NOT_INSTALLED };
  const dir = mkdtempSync(join(tmpdir(), "remit-conformance-"));
  copyFileSync(asset("bench", "compat", PROGRAM), join(suite.folder, PROGRAM));
  const server = spawn(suite.node, [join(suite.folder, PROGRAM)], { stdio: ["ignore", "pipe", "ignore"] });
  const desk = await openDesk("by asking", false);
  try {
    const url = await lineOf(server, server.stdout, (line) => (line.startsWith("http") ? line : null));
    const compared: ComparedRevision[] = [];
    for (const revision of REVISIONS) {
      const alone = await checked(suite, url, revision, join(dir, `alone-${revision}`));
      const guard = await guarded(desk, url, revision, join(dir, `guard-${revision}`));
      try {
        compared.push({ revision, alone, through: await checked(suite, guard.url, revision, join(dir, `through-${revision}`)) });
      } finally {
        await ended(guard.process);
      }
    }
    return outcomeOf(compared);
  } finally {
    await ended(server);
    await desk.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

interface ComparedRevision {
  revision: Revision;
  alone: SuiteCheck[];
  through: SuiteCheck[];
}

function outcomeOf(compared: readonly ComparedRevision[]): CompatOutcome {
  const failed = new Set<string>();
  for (const { revision, alone, through } of compared) {
    if (passedOf(alone) === 0) return { state: "red", detail: `${revision}: the suite has checked nothing` };
    const lost = lostOf(alone, through);
    const wrong = lost.find(({ scenario }) => !INTENDED.has(scenario));
    if (wrong !== undefined) {
      const { errorMessage = "not run" } = through.find((one) => keyOf(one) === keyOf(wrong)) ?? {};
      return { state: "red", detail: `${revision}, ${lost.length} more fail: ${wrong.scenario}, ${wrong.id}: ${errorMessage}` };
    }
    for (const { scenario } of lost) failed.add(scenario);
  }
  const unneeded = [...INTENDED.keys()].find((scenario) => !failed.has(scenario));
  if (unneeded !== undefined) return { state: "red", detail: `${unneeded} passes, but is listed as intended` };
  const counts = compared.map(
    ({ revision, alone, through }) => `${revision}: ${share(alone)} checks without the guard, ${share(through)} through it`,
  );
  return { state: "green", detail: `${counts.join("; ")}. Not passed on purpose: ${[...INTENDED.values()].join("; ")}` };
}

/** Returns the checks that a server passes, and doesn't pass behind the guard, and those that fail there alone. */
function lostOf(alone: readonly SuiteCheck[], through: readonly SuiteCheck[]): SuiteCheck[] {
  const failing = new Set(alone.filter(hasFailed).map(keyOf));
  const passing = new Set(through.filter(({ status }) => status === "SUCCESS").map(keyOf));
  return [
    ...alone.filter((check) => check.status === "SUCCESS" && !passing.has(keyOf(check))),
    ...through.filter((check) => hasFailed(check) && !failing.has(keyOf(check))),
  ];
}

function keyOf({ scenario, id }: SuiteCheck): string {
  return `${scenario} ${id}`;
}

function share(checks: readonly SuiteCheck[]): string {
  const passed = passedOf(checks);
  return `${passed} of ${passed + checks.filter(hasFailed).length}`;
}

async function checked({ node, cli }: ConformanceSuite, url: string, revision: Revision, results: string): Promise<SuiteCheck[]> {
  await runProgram(node, [cli, "server", "--url", url, "--requirements", revision, "--output-dir", results]);
  return checksIn(results).filter(({ scenario }) => !EXTENSION.test(scenario));
}

/** Starts the guard's own program before a server, with all that it lists mapped and approved. */
async function guarded(desk: Desk, url: string, revision: Revision, dir: string): Promise<{ url: string; process: ChildProcess }> {
  const { tools, prompts } = await listed(url, revision);
  const port = await freePort();
  const config = {
    remit: desk.remit(),
    ...{ agent: MAPPING.agent, purpose: MAPPING.purpose, task: MAPPING.task },
    server: { url, revision },
    // A page of the guard's own origin may call, as one of the server's may call that.
    listen: { port, origins: [`http://127.0.0.1:${port}`] },
    tools: mapped(tools.map(({ name, inputSchema: { properties = {} } }) => [name, Object.keys(properties)])),
    prompts: mapped(prompts.map(({ name, arguments: named = [] }) => [name, named.map((one) => one.name)])),
    resources: RESOURCES,
  };
  const file = `${dir}.yaml`;
  writeFileSync(file, stringify(config, { aliasDuplicateObjects: false }));
  const env = { REMIT_TOKEN: desk.token };
  const approved = await runProgram(process.execPath, [CLI, "guard", "mcp", "--config", file, "--approve"], env);
  if (approved.code !== 0) throw new Error(`the tools can't be approved: ${approved.error}`);
  const guard = spawn(process.execPath, [CLI, "guard", "mcp", "--config", file], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const listening = await lineOf(guard, guard.stderr, (line) => /"url":"([^"]+)"/.exec(line)?.[1] ?? null);
  return { url: listening, process: guard };
}

function mapped(named: readonly [name: string, ignore: string[]][]): Record<string, object> {
  return Object.fromEntries(named.map(([name, ignore]) => [name, { ...READ, ...(ignore.length > 0 && { ignore }) }]));
}

async function listed(url: string, revision: Revision): Promise<ListedServer> {
  if (revision === STATELESS) {
    const [tools, prompts] = [await ask(url, "tools/list"), await ask(url, "prompts/list")];
    return { ...(tools.answer["result"] as object), ...(prompts.answer["result"] as object) } as ListedServer;
  }
  const client = new Client({ name: "compat", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const [{ tools }, { prompts }] = [await client.listTools(), await client.listPrompts()];
  await client.close();
  return { tools, prompts } as ListedServer;
}

/** Returns what the first line that has it says. @throws Error if the program ends before, or takes too long */
async function lineOf(program: ChildProcess, stream: NodeJS.ReadableStream, read: (line: string) => string | null): Promise<string> {
  const late = setTimeout(() => program.kill(), STARTS_MS_MAX);
  const lines: string[] = [];
  try {
    for await (const line of createInterface({ input: stream })) {
      lines.push(line);
      const found = read(line);
      if (found !== null) return found;
    }
  } finally {
    clearTimeout(late);
    stream.resume();
  }
  throw new Error(`a program ended before it was ready: ${lines.join(" ")}`);
}

async function ended(program: ChildProcess): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return;
  const over = once(program, "exit");
  program.kill();
  await over;
}
