/**
 * An MCP client and an MCP server that know nothing of Remit, with the guard between them: the client's configuration names
 * `remit guard mcp` where the server's command was.
 *
 *   node dist/examples/mcp.js
 *
 * It brings its own service, on the shipped support desk's policy, and leaves nothing behind.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { runService } from "../demo/service.js";
import { sleep, system } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";

const GUARD = `
remit: {url: URL, token_file: token}
agent: support-7
purpose: customer_support
task: # a host that knows which ticket a session is about names its task instead: --task
  subjects: {ticket: [TCK-81], customer: [ada]}
  attributes: {topic: billing}
server: {command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(import.meta.filename)}, server]}
bundle: ${JSON.stringify(asset("bundles", "customer_support.tar.gz"))}
hold_ms: 50000

tools: # what each tool does, in the policy's words; a tool that isn't here can't be called
  get_customer: {read: customer, id: customer}
  get_invoice: {read: invoice, id: invoice, attributes: {customer: customer}}
  change_customer: {update: customer, id: customer, ignore: [email]}
`;

const TOOLS: Readonly<Record<string, string[]>> = {
  get_customer: ["customer"],
  get_invoice: ["invoice", "customer"],
  change_customer: ["customer", "email"],
  export_customers: [],
};

/** The server: it does whatever it is asked to. */
async function serve(): Promise<void> {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- without another library for schemas
  const server = new Server({ name: "crm", version: "1.0.0" }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: Object.entries(TOOLS).map(([name, required]) => ({
      name,
      inputSchema: { type: "object" as const, properties: Object.fromEntries(required.map((one) => [one, { type: "string" }])), required },
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, ({ params: { name, arguments: given } }) => ({
    content: [{ type: "text", text: `${name} ${JSON.stringify(given)}` }],
  }));
  await server.connect(new StdioServerTransport());
}

/** The client, as a host for a model would be. */
async function converse(): Promise<void> {
  const purposes = ["customer_support"];
  const callers = { guard: { purposes }, lead: { purposes } };
  const service = await runService({ bundle: "customer_support", callers, clock: system.clock });
  const folder = mkdtempSync(join(tmpdir(), "remit-example-"));
  const guard = [asset("dist", "src", "cli", "main.js"), "guard", "mcp", "--config", join(folder, "guard.yaml")];
  const lead = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const authorization = `Bearer ${service.token("lead", ["remit:register", "remit:audit", "remit:review"])}`;
    const headers = { authorization, "content-type": "application/json" };
    const response = await fetch(`${service.url}${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
    return (await response.json()) as Record<string, unknown>;
  };
  try {
    writeFileSync(join(folder, "guard.yaml"), GUARD.replace("URL", service.url));
    writeFileSync(join(folder, "token"), service.token("guard", ["remit:decide", "remit:register"]));
    await lead("POST", "/agents", { id: "support-7", owner: "desk@example.com", purposes });
    // A person looks at the tools once; whatever changes after that is another tool.
    execFileSync(process.execPath, [...guard, "--approve"], { stdio: "ignore" });

    const client = new Client({ name: "host", version: "1.0.0" });
    await client.connect(new StdioClientTransport({ command: process.execPath, args: guard, stderr: "ignore" }));
    const call = async (name: string, given: Record<string, string>): Promise<void> => {
      const { content, isError } = await client.callTool({ name, arguments: given });
      const [item] = content as { text: string }[];
      console.log(`${isError === true ? "refused" : "done   "}  ${name}: ${item?.text ?? ""}`);
    };
    console.log(`tools    ${(await client.listTools()).tools.map(({ name }) => name).join(", ")}`);
    await call("get_customer", { customer: "ada" });
    await call("change_customer", { customer: "ada", email: "eve@example.net" });
    await call("export_customers", {});
    // Another customer's invoice waits for a person, and the call with it.
    const waiting = call("get_invoice", { invoice: "I-9", customer: "bob" });
    await approve(lead);
    await waiting;
    await client.close();
  } finally {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a reviewer does: looks at what waits, and permits this very action once. */
async function approve(lead: (method: string, path: string, body?: object) => Promise<Record<string, unknown>>): Promise<void> {
  for (;;) {
    const { items } = (await lead("GET", "/findings?state=open")) as { items: { id: string; waiting: { decision_id: string }[] }[] };
    const finding = items.find(({ waiting }) => waiting.length > 0);
    const [waiting] = finding?.waiting ?? [];
    if (finding === undefined || waiting === undefined) {
      await sleep(50);
      continue;
    }
    await lead("POST", `/findings/${finding.id}/approvals`, { decision: waiting.decision_id, reason: "chargeback 4711" });
    return;
  }
}

await (process.argv[2] === "server" ? serve() : converse());
