/**
 * What the MCP guard adds to a call: the same tool of the same server, called directly and through guards in turn, over pipes and
 * over Streamable HTTP. One guard asks a service, whose records are on disk before it answers; another decides in its own process and
 * waits for its own disk; over pipes a third decides so and doesn't wait.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client as McpClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { stringify } from "yaml";
import { freePort } from "../demo/ports.js";
import { makeSandbox } from "../demo/sandbox.js";
import { RemitClient } from "../src/client/index.js";
import { writePins } from "../src/guards/mcp/pins.js";
import { sleep } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";
import { KEY, NAME, bundleBytes, publicPem } from "../test/bundle/support.js";
import { crmOverHttp } from "../test/guards/mcp/crm.js";
import { inAnHour, pinsOf } from "../test/guards/mcp/support.js";
import { judge, quantile, type Mark } from "./client.js";
import { syncMs } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes, answers, program } from "./processes.js";

const { calls, json } = readOptions("mcp", {
  about: "Measures what the MCP guard adds to a call.",
  options: { calls: { says: "calls of each way", default: 2000, least: 1 }, json: AS_JSON },
  examples: ["", "--calls 200 --json"],
});
const WARM_UP = 300;
const PAUSE_MS = 5;
const BLOCK = 50;
/** Beside the durable write of the decision's record, which depends on the disk alone. */
const ADDED_MS_MOST = 1;

// A client, a guard and a server are what is measured, and share every core with the service.
const processes = new Processes({ own: true });
const dir = join(processes.folder, "remit");
mkdirSync(dir);
writeFileSync(join(dir, "mcp.tar.gz"), await bundleBytes({ expires: null }));
writeFileSync(join(dir, "mcp.pem"), publicPem(KEY));
const port = await freePort();
const bundle = { name: NAME, path: join(dir, "mcp.tar.gz"), keys: [join(dir, "mcp.pem")] };
const { config, token } = makeSandbox({ dir, bundle, port });
processes.start("remit", "measured", process.execPath, [asset("dist", "src", "cli", "main.js"), "serve", "--config", config]);
const url = `http://127.0.0.1:${port}`;
await answers(`${url}/readyz`);
const asGuard = token("guard", ["remit:decide", "remit:register", "remit:embed", "remit:bundle"]);
const tell = async (path: string, body: object): Promise<void> => {
  const headers = { authorization: `Bearer ${asGuard}`, "content-type": "application/json" };
  const response = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
};
const AS = { agent: "mcp-bench", purpose: "testing" };
await tell("/agents", { id: AS.agent, owner: "bench@example.com", purposes: [AS.purpose] });

const server = [process.execPath, join(program("mcp"), "..", "..", "test", "guards", "mcp", "crm.js")];
const crm = await crmOverHttp();

/** Who decides; over pipes all of them, over HTTP those that wait for a disk. */
const WAYS = {
  asking: null,
  "in its own process": "synced",
  "in its own process, without waiting for the disk": "relaxed",
} as const;
type Way = keyof typeof WAYS;

/** The command of a guard. */
function guardBy(way: Way, over: string, changes: object): string[] {
  const name = `${over}-${WAYS[way] ?? "asking"}`;
  const file = join(processes.folder, `${name}.yaml`);
  const tools = { get_customer: { read: "note", id: "customer_id", attributes: { customer: "customer_id" } } };
  const durability = WAYS[way];
  const in_process = { dir: name, bundle: { name: NAME, keys: bundle.keys }, records: { durability } };
  const remit = { url, token_file: "token", ...(durability !== null && { in_process }) };
  const text = { ...AS, remit, tools, ...changes };
  writeFileSync(join(processes.folder, "token"), asGuard);
  writeFileSync(file, stringify(text, { aliasDuplicateObjects: false }));
  writePins(join(processes.folder, `${name}.lock.json`), pinsOf());
  return [asset("dist", "src", "cli", "main.js"), "guard", "mcp", "--config", file];
}

async function connected(transport: ConstructorParameters<typeof StdioClientTransport>[0] | URL): Promise<McpClient> {
  const client = new McpClient({ name: "bench", version: "1" });
  const over =
    transport instanceof URL ? new StreamableHTTPClientTransport(transport) : new StdioClientTransport({ ...transport, stderr: "ignore" });
  await client.connect(over);
  return client;
}

interface Found {
  direct: number[];
  guarded: Map<Way, number[]>;
}

/** Block by block in turn, so that whatever else the machine does meets all, and each is called as often as a session calls its own. */
async function measured(direct: McpClient, guarded: ReadonlyMap<Way, McpClient>): Promise<Found> {
  const found: Found = { direct: [], guarded: new Map([...guarded.keys()].map((way) => [way, []])) };
  const block = async (client: McpClient, ms: number[]): Promise<void> => {
    for (let i = 0; i < BLOCK; i++) {
      const began = performance.now();
      const result = await client.callTool({ name: "get_customer", arguments: { customer_id: "ada" } });
      if (result["isError"] === true) throw new Error(`a call was refused: ${JSON.stringify(result)}`);
      ms.push(performance.now() - began);
      // A model thinks between its calls, and what became of the one before is told meanwhile.
      await sleep(PAUSE_MS);
    }
  };
  for (let done = 0; done < WARM_UP + calls; done += BLOCK) {
    const isWarm = done >= WARM_UP;
    await block(direct, isWarm ? found.direct : []);
    for (const [way, client] of guarded) await block(client, isWarm ? (found.guarded.get(way) ?? []) : []);
  }
  await Promise.all([direct, ...guarded.values()].map((client) => client.close()));
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

async function overPipesBy(way: Way): Promise<[Way, McpClient]> {
  const args = guardBy(way, "pipes", { server: { command: server } });
  return [way, await connected({ command: process.execPath, args })];
}

async function overHttpBy(way: Way): Promise<[Way, McpClient]> {
  const guardPort = await freePort();
  const guardUrl = `http://127.0.0.1:${guardPort}/mcp`;
  processes.start(
    `guard ${way}`,
    "measuring",
    process.execPath,
    guardBy(way, "http", { server: { url: crm.url }, listen: { port: guardPort } }),
  );
  const listens = (): Promise<boolean> =>
    fetch(guardUrl).then(
      () => true,
      () => false,
    );
  while (!(await listens())) await sleep(20);
  return [way, await connected(new URL(guardUrl))];
}

const ways = Object.keys(WAYS) as Way[];
const overPipes = await measured(
  await connected({ command: server[0] ?? "", args: server.slice(1) }),
  new Map(await Promise.all(ways.map(overPipesBy))),
);
const overHttp = await measured(
  await connected(new URL(crm.url)),
  new Map(await Promise.all(ways.filter((way) => WAYS[way] !== "relaxed").map(overHttpBy))),
);
const asked = await asking();
const sync_ms = syncMs(processes.folder);
await crm.close();
await processes.stopAll();

const p50 = (ms: number[]): number => quantile(ms, 0.5);
const shown = (figure: string, found: number, unit = "ms"): Mark => ({ figure, found, unit, most: null });
/** What isn't waited for is nothing that could be taken off. */
const marksOf = (over: string, { direct, guarded }: Found): Mark[] => [
  shown(`${over}: a call without the guard, p50`, p50(direct)),
  ...[...guarded].flatMap(([way, ms]) => [
    WAYS[way] === "relaxed"
      ? shown(`${over}, ${way}: what the guard adds to a call, p50`, p50(ms) - p50(direct))
      : {
          figure: `${over}, ${way}: what the guard adds to a call beside a durable write, p50`,
          found: p50(ms) - p50(direct) - sync_ms,
          unit: "ms",
          most: ADDED_MS_MOST,
        },
    shown(`${over}, ${way}: a call through the guard, p50`, p50(ms)),
    shown(`${over}, ${way}: a call through the guard, p99`, quantile(ms, 0.99)),
    shown(`${over}, ${way}: through the guard × without`, p50(ms) / p50(direct), "×"),
  ]),
];
const marks: Mark[] = [
  shown("a durable write on this disk", sync_ms),
  shown("what asking for the decision takes, p50", p50(asked)),
  ...marksOf("over pipes", overPipes),
  ...marksOf("over HTTP", overHttp),
];
judge(marks, json);
process.exit();
