/**
 * What the MCP guard adds to a call: the same tool of the same server, called directly and through the guard in turn, over pipes and
 * over Streamable HTTP. Every guarded call is decided by a service whose records are on disk before it answers.
 *
 *   node dist/bench/mcp.js [--calls 2000] [--json]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client as McpClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { stringify } from "yaml";
import { makeSandbox } from "../dev/sandbox.js";
import { RemitClient } from "../src/client/index.js";
import { writePins } from "../src/guards/mcp/pins.js";
import { sleep } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";
import { KEY, NAME, bundleBytes, publicPem } from "../test/bundle/support.js";
import { crmOverHttp } from "../test/guards/mcp/crm.js";
import { inAnHour, pinsOf } from "../test/guards/mcp/support.js";
import { judge, quantile, type Mark } from "./client.js";
import { syncMs } from "./measure.js";
import { Processes, answers, freePort, program } from "./processes.js";

const { values } = parseArgs({
  options: { calls: { type: "string", default: "2000" }, json: { type: "boolean", default: false } },
});
const calls = Number(values.calls);
const WARM_UP = 300;
const PAUSE_MS = 5;
/** Beside the durable write of the decision's record, which depends on the disk alone. */
const ADDED_MS_MOST = 1;

const processes = new Processes();
const dir = join(processes.folder, "remit");
mkdirSync(dir);
writeFileSync(join(dir, "mcp.tar.gz"), await bundleBytes({ expires: null }));
writeFileSync(join(dir, "mcp.pem"), publicPem(KEY));
const port = await freePort();
const bundle = { name: NAME, path: join(dir, "mcp.tar.gz"), keys: [join(dir, "mcp.pem")] };
const { config, token } = makeSandbox({ dir, bundle, port });
processes.start("remit", "measured", process.execPath, [asset("dist", "src", "cli", "main.js"), "serve", "--config", config]); // prettier-ignore
const url = `http://127.0.0.1:${port}`;
await answers(`${url}/readyz`);
const asGuard = token("guard", ["remit:decide", "remit:register"]);
const tell = async (path: string, body: object): Promise<void> => {
  const headers = { authorization: `Bearer ${asGuard}`, "content-type": "application/json" };
  const response = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
};
const AS = { agent: "mcp-bench", purpose: "testing" };
await tell("/agents", { id: AS.agent, owner: "bench@example.com", purposes: [AS.purpose] });

const server = [process.execPath, join(program("mcp"), "..", "..", "test", "guards", "mcp", "crm.js")];
const crm = await crmOverHttp();
const guardPort = await freePort();

/** The command of a guard. */
function guardBy(name: string, changes: object): string[] {
  const file = join(processes.folder, `${name}.yaml`);
  const tools = { get_customer: { read: "note", id: "customer_id", attributes: { customer: "customer_id" } } };
  const text = { ...AS, remit: { url, token_file: "token" }, tools, ...changes };
  writeFileSync(join(processes.folder, "token"), asGuard);
  writeFileSync(file, stringify(text, { aliasDuplicateObjects: false }));
  writePins(join(processes.folder, `${name}.lock.json`), pinsOf());
  return [asset("dist", "src", "cli", "main.js"), "guard", "mcp", "--config", file];
}

async function connected(transport: ConstructorParameters<typeof StdioClientTransport>[0] | URL): Promise<McpClient> {
  const client = new McpClient({ name: "bench", version: "1" });
  const over = transport instanceof URL ? new StreamableHTTPClientTransport(transport) : new StdioClientTransport({ ...transport, stderr: "ignore" }); // prettier-ignore
  await client.connect(over);
  return client;
}

interface Found {
  direct: number[];
  guarded: number[];
}

/** In turn, so that whatever else the machine does meets both. */
async function measured(direct: McpClient, guarded: McpClient): Promise<Found> {
  const found: Found = { direct: [], guarded: [] };
  const call = async (client: McpClient): Promise<number> => {
    const began = performance.now();
    const result = await client.callTool({ name: "get_customer", arguments: { customer_id: "ada" } });
    if (result["isError"] === true) throw new Error(`a call was refused: ${JSON.stringify(result)}`);
    return performance.now() - began;
  };
  for (let i = 0; i < WARM_UP + calls; i++) {
    const [without, through] = [await call(direct), await call(guarded)];
    // A model thinks between its calls, and what became of the one before is told meanwhile.
    await sleep(PAUSE_MS);
    if (i < WARM_UP) continue;
    found.direct.push(without);
    found.guarded.push(through);
  }
  await Promise.all([direct.close(), guarded.close()]);
  return found;
}

/** What asking for the same decision takes by itself. */
async function asking(): Promise<number[]> {
  const client = new RemitClient({ url, token: asGuard });
  await tell("/tasks", { id: "T-bench", ...AS, expires: inAnHour() });
  const resource = { type: "note", id: "ada", attributes: { customer: "ada" } };
  const action = { ...AS, task: "T-bench", verb: "read", resource, arguments: {} };
  const ms: number[] = [];
  for (let i = 0; i < WARM_UP + calls; i++) {
    const began = performance.now();
    await client.decide(action);
    if (i >= WARM_UP) ms.push(performance.now() - began);
    await sleep(PAUSE_MS);
  }
  await client.close();
  return ms;
}

const overPipes = await measured(
  await connected({ command: server[0] ?? "", args: server.slice(1) }),
  await connected({ command: process.execPath, args: guardBy("pipes", { server: { command: server } }) }),
);
processes.start("guard", "measuring", process.execPath, guardBy("http", { server: { url: crm.url }, listen: { port: guardPort } })); // prettier-ignore
const guardUrl = `http://127.0.0.1:${guardPort}/mcp`;
while (
  !(await fetch(guardUrl).then(
    () => true,
    () => false,
  ))
)
  await new Promise((resolve) => setTimeout(resolve, 20));
const overHttp = await measured(await connected(new URL(crm.url)), await connected(new URL(guardUrl)));
const asked = await asking();
const sync_ms = syncMs(processes.folder);
await crm.close();
await processes.stopAll();

const p50 = (ms: number[]): number => quantile(ms, 0.5);
const added = ({ direct, guarded }: Found): number => p50(guarded) - p50(direct);
const shown = (figure: string, found: number, unit = "ms"): Mark => ({ figure, found, unit, most: null });
const marks: Mark[] = [
  shown("a durable write on this disk", sync_ms),
  { figure: "over pipes: what the guard adds to a call beside that, p50", found: added(overPipes) - sync_ms, unit: "ms", most: ADDED_MS_MOST },
  { figure: "over HTTP: what the guard adds to a call beside that, p50", found: added(overHttp) - sync_ms, unit: "ms", most: ADDED_MS_MOST },
  shown("what asking for the decision takes, p50", p50(asked)),
  shown("over pipes: a call without the guard, p50", p50(overPipes.direct)),
  shown("over pipes: a call through the guard, p50", p50(overPipes.guarded)),
  shown("over pipes: a call through the guard, p99", quantile(overPipes.guarded, 0.99)),
  shown("over pipes: through the guard × without", p50(overPipes.guarded) / p50(overPipes.direct), "×"),
  shown("over HTTP: a call without the guard, p50", p50(overHttp.direct)),
  shown("over HTTP: a call through the guard, p50", p50(overHttp.guarded)),
  shown("over HTTP: a call through the guard, p99", quantile(overHttp.guarded, 0.99)),
  shown("over HTTP: through the guard × without", p50(overHttp.guarded) / p50(overHttp.direct), "×"),
]; // prettier-ignore
judge(marks, values.json);
process.exit();
