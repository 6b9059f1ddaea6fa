/** A guard as it runs, between a real client and a real server, with a real service to ask. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Tool } from "@modelcontextprotocol/sdk/types.js";
import { stringify } from "yaml";
import { runService, type RunningService } from "../../../demo/service.js";
import { engineOptions, inProcess } from "../../../src/cli/guard/guard_in_process.js";
import { readUnverified } from "../../../src/bundle/verify.js";
import type { Scope } from "../../../src/contract/index.js";
import { parseGuardConfig, type GuardConfig } from "../../../src/guards/mcp/config.js";
import { startGuard, type RunningGuard } from "../../../src/guards/mcp/guard.js";
import { pinnedOf, type Pins } from "../../../src/guards/mcp/pins.js";
import { possibleBy } from "../../../src/guards/mcp/possible.js";
import { asking, type Remit } from "../../../src/guards/mcp/remit.js";
import { system } from "../../../src/system/index.js";
import { logger, type Logger } from "../../../src/system/logger.js";
import { asset } from "../../../src/system/paths.js";
import { TOOLS } from "./crm.js";

/** The desk's agent works on Ada's ticket about billing. */
export const MAPPING = {
  agent: "support-7",
  purpose: "customer_support",
  task: { subjects: { ticket: ["TCK-81"], customer: ["ada"] }, attributes: { topic: "billing" }, principal: "ada" },
  tools: {
    get_customer: { read: "customer", id: "customer_id" },
    get_invoice: { read: "invoice", id: "invoice_id", attributes: { customer: "customer_id" } },
    get_payment: { read: "payment", id: "payment_id", attributes: { customer: "customer_id" } },
    update_customer: { update: "customer", id: "customer_id", ignore: ["email"] },
    watch_ticket: { read: "ticket", id: "ticket_id", attributes: { customer: { is: "ada" } } },
    list_tickets: { search: "ticket" },
    search_orders: { search: "order", attributes: { customer: "filter.customer" } },
  },
  resources: [{ uri: "crm://customers/{id}", read: "customer", id: "id" }],
  prompts: { summary: { read: "customer", id: "customer" } },
};

/** Who decides the guard's calls. */
export type Mode = "by asking" | "in its own process";
export const MODES: readonly Mode[] = ["by asking", "in its own process"];

export interface Desk {
  service: RunningService;
  /** What a guard's configuration says of Remit; each time of another guard. */
  remit: () => { url: string; in_process?: { dir: string; bundle: object } };
  /** A guard's token. */
  token: string;
  /** Asks the service as an operator. */
  ask: (method: string, path: string, body?: unknown) => Promise<Record<string, unknown>>;
  /** Approves an action that waits, as a person who asked for nothing. */
  approve: (decision: string) => Promise<void>;
  stop: () => Promise<void>;
}

/** @param learns whether it learns what is usual: without, as many calls as one likes go through at any hour */
export async function openDesk(mode: Mode = "by asking", learns = true): Promise<Desk> {
  const purposes = ["customer_support"];
  const callers = { guard: { purposes }, operator: { purposes }, reviewer: { purposes } };
  const service = await runService({ bundle: "customer_support", callers, learns, clock: system.clock });
  const token = service.token("operator", [
    "remit:register",
    "remit:revoke",
    "remit:revoke_all",
    "remit:admin",
    "remit:audit",
    "remit:decide",
  ]);
  const reviewer = service.token("reviewer", ["remit:review"]);
  const ask: Desk["ask"] = (method, path, body) => askAs(token, method, path, body);
  const askAs = async (as: string, method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`${service.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${as}`, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  };
  await ask("POST", "/agents", { id: "support-7", owner: "desk@example.com", purposes: ["customer_support"] });
  const folder = mkdtempSync(join(tmpdir(), "remit-guards-"));
  const bundle = { name: "customer_support", keys: [asset("bundles", "customer_support.pub.pem")] };
  const scopes: Scope[] = ["remit:decide", "remit:register"];
  let guards = 0;
  return {
    service,
    ask,
    async approve(decision) {
      const { record } = (await ask("GET", `/decisions/${decision}`)) as { record: { answer: { finding: string } } };
      await askAs(reviewer, "POST", `/findings/${record.answer.finding}/approvals`, { decision, reason: "chargeback" });
    },
    remit: () => ({
      url: service.url,
      ...(mode === "in its own process" && { in_process: { dir: join(folder, `guard-${++guards}`), bundle } }),
    }),
    token: service.token("guard", mode === "by asking" ? scopes : [...scopes, "remit:embed", "remit:bundle"]),
    stop: async () => {
      await service.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();

export function configOf(changes: object): GuardConfig {
  return parseGuardConfig(stringify({ ...MAPPING, ...changes }, { aliasDuplicateObjects: false }), "/tmp/guard.yaml");
}

export function pinsOf(tools: readonly Tool[] = TOOLS): Pins {
  const pinned = tools.map((tool) => pinnedOf(tool)).filter((tool) => tool !== null);
  return { instructions: null, tools: new Map(pinned.map((tool) => [tool.name, tool])) };
}

export type Said = { event: string; message: string; [field: string]: unknown }[];

export interface Guarded {
  client: Client;
  guard: RunningGuard;
  /** What the guard has logged. */
  said: () => Said;
  close: () => Promise<void>;
}

export function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** Whatever it takes; what never comes fails by the test's own time. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** A guard over HTTP on both sides, and a client on it. */
export async function guarded(
  desk: Pick<Desk, "remit" | "token">,
  server: { url: string },
  changes: object = {},
  pins: Pins = pinsOf(),
  headers: Record<string, string> = {},
  between = (remit: Remit): Remit => remit,
): Promise<Guarded> {
  const config = configOf({ remit: desk.remit(), server: { url: server.url }, listen: { port: 0 }, ...changes });
  const { log, said } = logged();
  const possible =
    config.bundle === undefined ? undefined : possibleBy((await readUnverified(readFileSync(config.bundle))).data, config.purpose);
  const remit = between(await deciderOf(config, desk.token, log));
  const guard = await startGuard({ config, pins, remit, task: null, system, ...(possible !== undefined && { possible }), log });
  const client = new Client({ name: "host", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(guard.url ?? ""), { requestInit: { headers } }));
  return {
    client,
    guard,
    said,
    close: async () => {
      await client.close();
      await guard.close();
    },
  };
}

async function deciderOf({ remit: { url, in_process } }: GuardConfig, token: string, log: Logger): Promise<Remit> {
  const service = asking(url, () => token);
  return in_process === undefined ? service : inProcess(engineOptions(in_process, { url, token }), service, { system, log });
}

export function logged(): { log: ReturnType<typeof logger>; said: () => Said } {
  const stream = new PassThrough();
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const said = (): Said =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Said[number]);
  return { log: logger(system.clock, stream), said };
}

export function folderWith(files: Record<string, string>): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), "remit-guard-"));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  return {
    dir,
    remove: () => {
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
