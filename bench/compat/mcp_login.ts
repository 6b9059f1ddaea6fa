/**
 * The MCP guard's login as a client of the protocol's own conformance suite, which starts this with the address of a server: signs in as a person with a
 * browser would, lists the server's tools and calls one. A call that needs more scopes is made again after another login, once.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { parseGuardConfig, type GuardConfig } from "../../src/guards/mcp/config.js";
import { discover, initialize } from "../../src/guards/mcp/meeting.js";
import { oauthServer, signIn } from "../../src/guards/mcp/oauth/login.js";
import { openLogin } from "../../src/guards/mcp/oauth/server_login.js";
import { CallRefusal } from "../../src/mapping/call_refusal.js";
import { connectServer } from "../../src/guards/mcp/servers.js";
import { STATELESS } from "../../src/guards/mcp/stateless.js";
import { Upstream } from "../../src/guards/mcp/upstream.js";
import { system } from "../../src/system/index.js";

/** Address of the document that the suite's servers expect of clients that have one. */
const DOCUMENT = "https://conformance-test.local/client-metadata.json";
const ATTEMPTS_MAX = 3;

type ServerConfig = GuardConfig["server"];

const url = process.argv.at(-1) ?? "";
const given = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as { client_id?: string; client_secret?: string };
const dir = mkdtempSync(join(tmpdir(), "remit-login-"));
try {
  await run();
} finally {
  rmSync(dir, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const isStateless = process.env["MCP_CONFORMANCE_PROTOCOL_VERSION"] === STATELESS;
  const server = { url, oauth: { logins: "logins" }, ...(isStateless && { revision: STATELESS }) };
  const text = stringify({ remit: { url: "http://127.0.0.1:9" }, agent: "a", purpose: "p", server });
  const config = parseGuardConfig(text, join(dir, "guard.yaml"));
  for (let attempt = 1; ; attempt++) {
    try {
      await use({ ...config, server: await login(config.server) });
      return;
    } catch (cause) {
      const isNeeded = cause instanceof CallRefusal && cause.code === "login_needed";
      if (!isNeeded || attempt === ATTEMPTS_MAX) throw cause;
    }
  }
}

/** Signs in as the client that the scenario gives, else as one with a document, else as one that registers itself. @returns the server with that client */
async function login(server: ServerConfig): Promise<ServerConfig> {
  const { client_id, client_secret } = given;
  if (client_id === undefined) {
    const withDocument = { ...server, oauth: { ...server.oauth, client_id: DOCUMENT } };
    return signedIn(withDocument).catch((cause: unknown) => {
      if ((cause as { code?: unknown }).code !== "client_refused") throw cause;
      return signedIn(server);
    });
  }
  const secret = join(dir, "client.secret");
  if (client_secret !== undefined) writeFileSync(secret, client_secret);
  return signedIn({ ...server, oauth: { ...server.oauth, client_id, ...(client_secret !== undefined && { client_secret_file: secret }) } });
}

async function signedIn(server: ServerConfig): Promise<ServerConfig> {
  const signed = oauthServer(server);
  if (signed === null) throw new Error("no login in the configuration");
  await signIn(signed, { device: false, show: ({ url: page }) => void fetch(page).catch(() => undefined) }, system);
  return server;
}

async function use(config: GuardConfig): Promise<void> {
  const upstream: Upstream = new Upstream(connectServer(config, system.timers, openLogin(config.server, system)), {
    ...{ request: () => undefined, notification: () => undefined, ignored: () => undefined, closed: () => undefined },
  });
  try {
    await upstream.begin();
    await (config.server.revision === STATELESS ? discover(upstream) : initialize(upstream));
    await upstream.ask("tools/list", undefined);
    await upstream.ask("tools/call", { name: "test-tool", arguments: {} });
  } finally {
    await upstream.close();
  }
}
