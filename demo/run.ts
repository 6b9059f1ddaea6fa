/** `make run`: the service on the shipped bundle, with everything it needs made here, and requests to paste. */
import { existsSync, rmSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { spawn, type ChildProcess } from "node:child_process";
import { homedir, userInfo } from "node:os";
import { createInterface } from "node:readline";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { Command } from "commander";
import {
  SCOPES,
  type Answer,
  type CreateAgent,
  type CreateRevocation,
  type DecideRequest,
  type IssueTask,
  type Scope,
} from "../src/contract/index.js";
import { startService, type Service } from "../src/service.js";
import { readConfig } from "../src/system/config.js";
import { system } from "../src/system/index.js";
import { logger } from "../src/system/logger.js";
import { PACKAGE_ROOT, asset } from "../src/system/paths.js";
import { deskFacts, runDesk } from "./console_desk.js";
import { makeSandbox, type Sandbox } from "./sandbox.js";

const PURPOSE = "customer_support";
const TASKS_LAST_MS = 8 * 3600 * 1000;
const CONSOLE_PORT_FROM = 9;
const CONSOLE_STARTS_MS = 60_000;
const USAGE_ERROR = 2;

const expires = new Date(system.clock.wall() + TASKS_LAST_MS).toISOString();
const agent: CreateAgent = { id: "support-7", owner: "support-platform@example.com", purposes: [PURPOSE] };
const task: IssueTask = {
  id: "T-1",
  agent: agent.id,
  purpose: PURPOSE,
  principal: "ada",
  subjects: { ticket: ["TCK-81"], customer: ["ada"] },
  attributes: { topic: "billing" },
  expires,
};
const bobsInvoice: DecideRequest = {
  agent: agent.id,
  purpose: PURPOSE,
  task: task.id,
  verb: "read",
  resource: { type: "invoice", id: "I-9", attributes: { customer: "bob", amount_cents: 125_000 } },
};

const another: CreateAgent = { ...agent, id: "support-9" };
const anothersTask: IssueTask = {
  ...task,
  id: "T-9",
  agent: another.id,
  principal: "cho",
  subjects: { ticket: ["TCK-90"], customer: ["cho"] },
};
const chosInvoice: DecideRequest = {
  ...bobsInvoice,
  agent: another.id,
  task: anothersTask.id,
  resource: { type: "invoice", id: "I-10", attributes: { customer: "cho", amount_cents: 4900 } },
};
const revocation: CreateRevocation = { scope: { agent: another.id }, reason: "incident 12" };

/** What there is to paste, in this order: what it does, and the request. */
const PASTED: readonly [what: string, path: string, body: object][] = [
  ["A support agent on ada's ticket asks to read an invoice of bob's. It is flagged, and waits for a person:", "/decide", bobsInvoice],
  ["Register another agent:", "/agents", another],
  ["Give it a task, as a host does for each ticket:", "/tasks", anothersTask],
  ["It reads an invoice of its ticket's customer. It may; outside the desk's hours, in Berlin, a person looks:", "/decide", chosInvoice],
  ["Revoke it:", "/revocations", revocation],
  ["Its next action is denied:", "/decide", chosInvoice],
  ["Lift the revocation:", `/revocations/agent/${another.id}/lift`, { reason: "a mistake" }],
];

const OFF_HOURS = `
It is outside the desk's hours (Berlin: Monday to Friday 8 to 18, Saturday 9 to 13), so whatever is allowed is flagged, too: it goes on,
with the reason \`off_hours\` and a finding for each agent. Within these hours the same requests are allowed.
`;

const { port: given } = new Command("node dist/demo/run.js")
  .description(
    "Starts the service on the shipped bundle with a console beside it, and prints where to look and what to paste. Ctrl-C stops it.",
  )
  .option("--port <port>", "where the service listens; the console takes a free port above it", process.env["PORT"] ?? "8181")
  .addHelpText(
    "after",
    `
Keys, records and configuration are in remit/dev/<port> of XDG_DATA_HOME, or of ~/.local/share.

Examples:
  $ node dist/demo/run.js               # as \`make run\`; PORT=8282 says the port, too
  $ node dist/demo/run.js --port 8282`,
  )
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE_ERROR))
  .parse()
  .opts<{ port: string }>();
const port = Number(given);
const home = resolve(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "remit");
if (!Number.isInteger(port) || port < 1 || port > 65_535) fail(`\`${given}\` is no port`, "give one from 1 to 65535");
if (isWithin(PACKAGE_ROOT, home)) {
  fail(`${home} is in the source tree, where no key may be`, "set XDG_DATA_HOME to a folder elsewhere");
}
// Looked at before anything is written: what is in the folder belongs to a service that runs.
if (await answers(port)) fail(`something answers at port ${port} already`, `\`PORT=${port + 101} make run\` takes another port`);

// A folder for each port: two that run side by side share neither facts nor records.
const dir = join(home, "dev", String(port));
// A checkout may go back to an older bundle, and what was pasted yesterday must work again: here, and only here, all of it
// is forgotten but the keys.
for (const kept of ["state", "store", "records"]) rmSync(join(dir, kept), { recursive: true, force: true });
const sandbox = makeSandbox({
  dir,
  bundle: {
    name: PURPOSE,
    path: asset("bundles", `${PURPOSE}.tar.gz`),
    keys: [asset("bundles", `${PURPOSE}.pub.pem`), join(home, "dev-key.pub.pem")].filter(existsSync),
  },
  port,
  console: { port: await consolePort(port + CONSOLE_PORT_FROM), person: `${userInfo().username}@localhost` },
});
const service = await started(sandbox);
const stopAsked = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
// Of everything, so that whatever is tried out here can be tried with one token.
const token = sandbox.token("support-gateway", Object.keys(SCOPES) as Scope[]);
await send("/agents", agent);
await send("/tasks", task);
const desk = deskFacts(expires);
for (const one of desk.agents) await send("/agents", one);
for (const one of desk.tasks) await send("/tasks", one);
const isOffHours = await asksOffHours();
const stopDesk = runDesk((request) => post("/decide", request), system);
const { child, signIn } = await startConsole(sandbox.console);

console.log(`
See it decide, in a browser. This address signs in once:

  ${signIn ?? "the console could not be started; `remit console --local` says why"}
${isOffHours ? OFF_HOURS : ""}
Remit answers at ${service.url}. Paste this into another terminal first:

export REMIT_URL=${service.url}
export REMIT_TOKEN=${token}

${PASTED.map(([what, path, body]) => `${what}\n\n${curl(path, body)}\n`).join("\n")}
\`make build && npm link\` puts \`remit\` on the PATH: it has commands for all of it and takes the same two variables (docs/tour.md,
"Register agents, tasks, grants and revocations"). Every decision is on record in
${join(dir, "records")}, the configuration is ${sandbox.config}.
Four made-up agents of a support desk ask for something twice a second. Nothing but the keys is kept for the next \`make run\`.
Ctrl-C stops.`);

await stopAsked;
stopDesk();
child.kill("SIGTERM");
await service.stop();

/** Returns true if the policy flags now what the agent may do at other times. */
async function asksOffHours(): Promise<boolean> {
  const own: DecideRequest = { ...bobsInvoice, resource: { type: "ticket", id: "TCK-81", attributes: { customer: "ada" } } };
  const { reasons } = (await (await post("/decide", own)).json()) as Answer;
  return reasons.some(({ code }) => code === "off_hours");
}

/** Starts the console, as `remit console` would. @returns the address that signs in; null if it hasn't said one */
async function startConsole(config: string): Promise<{ child: ChildProcess; signIn: string | null }> {
  const main = asset("dist", "src", "cli", "main.js");
  const child = spawn(process.execPath, [main, "console", "--local", "--config", config], { stdio: ["ignore", "pipe", "ignore"] });
  process.once("exit", () => child.kill());
  const lines = createInterface(child.stdout);
  const signIn = await new Promise<string | null>((resolve) => {
    lines.on("line", (line) => {
      const [, url] = /^Open (http\S+)$/.exec(line) ?? [];
      if (url !== undefined) resolve(url);
      else if (!line.startsWith("{")) console.log(line);
    });
    child.once("exit", () => {
      resolve(null);
    });
    system.timers.after(CONSOLE_STARTS_MS, () => {
      resolve(null);
    });
  });
  return { child, signIn };
}

/** Returns a port at which nothing answers, this one if it can be. */
async function consolePort(wanted: number): Promise<number> {
  return wanted > 65_535 || (await answers(wanted)) ? 0 : wanted;
}

function curl(path: string, body: object): string {
  return `curl -sw '\\n' "$REMIT_URL${path}" -H "authorization: Bearer $REMIT_TOKEN" -H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
}

async function started({ config }: Sandbox): Promise<Service> {
  try {
    return await startService(readConfig(config), system, logger(system.clock));
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

async function send(path: string, body: object): Promise<void> {
  const response = await post(path, body);
  if (!response.ok) fail(`POST ${path}: ${await response.text()}`);
}

function post(path: string, body: object): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return fetch(`${service.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return !isAbsolute(way) && way !== ".." && !way.startsWith(`..${sep}`);
}

function fail(message: string, hint?: string): never {
  console.error(`error: ${message}`);
  if (hint !== undefined) console.error(`hint: ${hint}`);
  process.exit(1);
}

async function answers(at: number): Promise<boolean> {
  const socket = connect(at, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
