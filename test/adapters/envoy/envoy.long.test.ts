import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parse, stringify } from "yaml";
import { freePort } from "../../../demo/ports.js";
import { parseEnvoyMapping } from "../../../src/adapters/envoy/mapping.js";
import { PROXY_REFUSALS } from "../../../src/contract/refusals.js";
import { parseConfig } from "../../../src/system/config.js";
import { asset } from "../../../src/system/paths.js";
import { until } from "../../client/desk.js";
import type { Json } from "../../http/asking.js";
import { PROXY, agentToken, openProxy, type Proxied } from "./proxy.js";
import { skip } from "../../skip.js";

const DOC = readFileSync(asset("docs", "envoy.md"), "utf8");

/** The block below a heading that begins with this comment. */
function block(comment: string, heading = ""): string {
  const found = new RegExp("```yaml\n# " + comment + "[^]*?```").exec(DOC.slice(DOC.indexOf(heading)));
  if (found === null) throw new Error(`no block ${comment}`);
  return found[0].replace(/^```yaml\n/, "").replace(/```$/, "");
}

describe("docs/envoy.md", () => {
  it("shows a mapping and a configuration that are read", () => {
    const { at, upstream_meets } = parseEnvoyMapping(block("envoy.yaml"), "envoy.yaml");
    expect([at("crm.example.org", { method: "POST", parts: ["mcp"], query: "" }).length, upstream_meets.size]).to.deep.equal([1, 0]);
    const others = {
      identity: { issuers: [{ issuer: "i", audience: { callers: "a" }, jwks: "j" }] },
      bundle: { name: "b", path: "p", keys: ["k"], state_dir: "s" },
      facts: { store: "f" },
      log: { dir: "l" },
    };
    const { envoy } = parseConfig(`${block("remit.yaml")}\n${stringify(others)}`, "/etc/remit.yaml");
    expect(envoy).to.deep.include({ mapping: "/etc/envoy.yaml", path: "/envoy" });
    expect(envoy?.grpc).to.include({ host: "127.0.0.1", port: 9191, connections_max: 64 });
  });

  it("lists the codes of what is refused, as they are, and no others", () => {
    const rows = [...DOC.matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (.*?) +\|$/gm)].map(([, code, status, title]) => [
      code,
      Number(status),
      title,
    ]);
    expect(rows).to.deep.equal(Object.entries(PROXY_REFUSALS).map(([code, { status, title }]) => [code, status, title]));
  });
});

const cached = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", "envoy-1.40.0", "envoy");
const ENVOY = process.env["ENVOY_BIN"] ?? (existsSync(cached) ? cached : null);

const MAPPING = `
agent: {bearer: true}
purpose: {is: testing}
task: {token_header: remit-task}
upstream_meets: [redact]
routes:
  - {on: GET /notes/:id, read: note, id: path.id}
  - {on: POST /notes/:id/send, send: note, id: path.id, arguments: {text: body.text}}
  - {on: GET /cards/:id, read: card, id: path.id}
  - {on: GET /tickets/:id, read: ticket, id: path.id}
  - {on: GET /invoices/:id, read: invoice, id: path.id}
  - {on: GET /vaults/:id, read: vault, id: path.id}
`;

interface Through {
  status: number;
  headers: IncomingHttpHeaders;
  body: Json;
}

/** Envoy with a listener for each variant, as the guide has them, between a client and a server that says what reached it. */
class RealEnvoy {
  readonly #folder = mkdtempSync(join(tmpdir(), "remit-envoy-"));
  readonly #child: ChildProcess;
  readonly #ports: Record<string, number>;
  said = "";

  constructor(binary: string, config: object, ports: Record<string, number>) {
    const file = join(this.#folder, "envoy.json");
    writeFileSync(file, JSON.stringify(config));
    this.#ports = ports;
    this.#child = spawn(binary, [
      "-c",
      file,
      "--disable-hot-restart",
      "--concurrency",
      "1",
      "-l",
      "warning",
      "--file-flush-interval-msec",
      "50",
    ]);
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.on("data", (chunk: Buffer) => (this.said += chunk.toString()));
  }

  async get(
    variant: string,
    path: string,
    { method = "GET", headers = {}, body = "" }: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<Through> {
    const sized = body === "" ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) };
    const asking = httpRequest({
      host: "127.0.0.1",
      port: this.#ports[variant],
      path,
      method,
      headers: { host: "crm.example.org", ...sized, ...headers },
      agent: false,
    });
    asking.end(body);
    const [response] = (await once(asking, "response")) as [IncomingMessage];
    let text = "";
    for await (const chunk of response) text += String(chunk);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: text.startsWith("{") ? (JSON.parse(text) as Json) : { text },
    };
  }

  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null) await once(this.#child, "exit");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

type Filter = { typed_config: Record<string, unknown> } & Record<string, unknown>;

/** The guide's own filter and cluster, with this service's addresses and token. */
function configured(remit: { url: string; envoy: string | null }, upstream: number, ports: Record<string, number>): object {
  const own = (text: string): string =>
    text
      .replaceAll("REMIT_TOKEN", PROXY)
      .replaceAll("127.0.0.1:8181", new URL(remit.url).host)
      .replaceAll("9191", remit.envoy?.split(":")[1] ?? "0");
  const [grpc] = parse(own(block("http_filters", "## Envoy over gRPC"))) as Filter[];
  const [http] = parse(own(block("http_filters", "## Envoy over HTTP"))) as Filter[];
  const [cluster] = parse(own(block("clusters"))) as object[];
  if (grpc === undefined || http === undefined || cluster === undefined) throw new Error("the guide lacks a block");
  const partial = structuredClone(grpc);
  partial.typed_config["with_request_body"] = { max_request_bytes: 8, allow_partial_message: true, pack_as_bytes: true };
  const open = structuredClone(grpc);
  Object.assign(open.typed_config, { failure_mode_allow: true });
  const endpoint = (name: string, port: number): object => ({
    name,
    connect_timeout: "0.5s",
    type: "STATIC",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } } }] }],
    },
  });
  const listener = (variant: string, filter: Filter): object => ({
    name: variant,
    address: { socket_address: { address: "127.0.0.1", port_value: ports[variant] } },
    // prettier-ignore
    filter_chains: [{ filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      stat_prefix: variant,
      normalize_path: false,
      access_log: [{ name: "envoy.access_loggers.stdout", typed_config: { "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", log_format: { text_format_source: { inline_string: "log %DYNAMIC_METADATA(envoy.filters.http.ext_authz:outcome)% %DYNAMIC_METADATA(envoy.filters.http.ext_authz:decision_id)%\n" } } } }],
      http_filters: [filter, { name: "envoy.filters.http.router", typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
      route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "upstream" } }] }] },
    } }] }],
  });
  return {
    static_resources: {
      listeners: [listener("gRPC", grpc), listener("HTTP", http), listener("partial", partial), listener("fail-open", open)],
      clusters: [cluster, endpoint("remit_http", Number(new URL(remit.url).port)), endpoint("upstream", upstream)],
    },
  };
}

describe("a real Envoy", function () {
  let proxied: Proxied;
  let upstream: Server;
  let envoy: RealEnvoy;
  let reached: IncomingHttpHeaders[] = [];
  const agent = (): Record<string, string> => ({
    authorization: `Bearer ${agentToken()}`,
    "remit-task": proxied.taskToken,
  });

  before(async function () {
    if (ENVOY === null) skip(this, "no Envoy; `.ci/envoy` fetches one, `ENVOY_BIN` names another");
    proxied = await openProxy({ mapping: MAPPING });
    upstream = createServer((request, response) => {
      reached.push(request.headers);
      request.resume().on("end", () => response.end("done"));
    }).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    const variants = ["gRPC", "HTTP", "partial", "fail-open"];
    const ports = Object.fromEntries(await Promise.all(variants.map(async (name) => [name, await freePort()] as const)));
    envoy = new RealEnvoy(ENVOY, configured(proxied.service, (upstream.address() as AddressInfo).port, ports), ports);
    await until(
      () =>
        envoy.get("gRPC", "/").then(
          () => true,
          () => false,
        ),
      "Envoy",
    );
  });
  beforeEach(() => {
    reached = [];
  });
  after(async () => {
    if (ENVOY === null) return;
    await envoy.close();
    upstream.close();
    upstream.closeAllConnections();
    await proxied.close();
  });

  for (const variant of ["gRPC", "HTTP"]) {
    it(`lets what is permitted reach the server, over ${variant}, with nothing that a client claims to be ours`, async () => {
      const forged = { "x-remit-decision": "deny", "x-remit-decision-id": "d-0", "x-remit-obligations": "[]" };
      const seen = await envoy.get(variant, "/notes/n-1", { headers: { ...agent(), ...forged } });
      expect([seen.status, seen.body], envoy.said).to.deep.equal([200, { text: "done" }]);
      const [headers] = reached;
      expect(headers?.["x-remit-decision"]).to.equal("allow");
      expect(headers?.["x-remit-decision-id"]).to.match(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
      expect(headers).to.not.have.property("x-remit-obligations");
      expect(headers).to.not.have.property("x-remit-authorization");
      expect((await envoy.get(variant, "/tickets/t-1", { headers: agent() })).status).to.equal(200);
      expect(reached[1]?.["x-remit-decision"]).to.equal("flag");
      expect((await envoy.get(variant, "/cards/c-1", { headers: { ...agent(), ...forged } })).status).to.equal(200);
      expect(JSON.parse(String(reached[2]?.["x-remit-obligations"]))).to.deep.equal([{ type: "redact", fields: ["card_number", "iban"] }]);
      const sent = await envoy.get(variant, "/notes/n-1/send", { method: "POST", headers: agent(), body: '{"text":"hello"}' });
      expect(sent.status, JSON.stringify(sent.body)).to.equal(200);
    });

    const refused: [
      what: string,
      path: string,
      init: { method?: string; headers?: Record<string, string>; body?: string },
      outcome: string,
    ][] = [
      ["what is denied", "/vaults/v-1", {}, "403 denied"],
      ["what waits", "/invoices/i-1", {}, "403 waiting"],
      ["what no route names", "/admin", {}, "403 route_unmapped"],
      ["an encoded slash", "/notes/a%2fb", {}, "400 path_not_canonical"],
      ["a climb", "/notes/../vaults/v-1", {}, "403 route_unmapped"],
      ["nobody", "/notes/n-1", { headers: { authorization: "" } }, "401 token_missing"],
      ["a bad token", "/notes/n-1", { headers: { authorization: "Bearer a.b.c" } }, "401 token_invalid"],
      [
        "a body with a member that no policy has seen",
        "/notes/n-1/send",
        { method: "POST", body: '{"text":"a","to":"b"}' },
        "400 action_invalid",
      ],
      [
        "a body that says that it is whole, and of which nothing is shown",
        "/notes/n-1/send",
        { method: "POST", headers: { "x-envoy-auth-partial-body": "false" } },
        "400 action_invalid",
      ],
    ];
    for (const [what, path, init, outcome] of refused) {
      it(`stops ${what}, over ${variant}, and tells the client`, async () => {
        const seen = await envoy.get(variant, path, { ...init, headers: { ...agent(), ...init.headers } });
        expect(`${seen.status} ${String(seen.body["code"])}`, envoy.said).to.equal(outcome);
        expect(seen.headers["content-type"]).to.equal("application/problem+json");
        if (seen.status === 401) expect(seen.headers["www-authenticate"]).to.match(/^Bearer/);
        expect(reached).to.deep.equal([]);
      });
    }
  }

  it("shows a part of a body as a part, and what hides in the rest reaches nobody", async () => {
    const seen = await envoy.get("partial", "/notes/n-1/send", {
      method: "POST",
      headers: { ...agent(), "x-envoy-auth-partial-body": "false" },
      body: '{"a":1} {"text":"x"}',
    });
    expect(`${seen.status} ${String(seen.body["code"])}`).to.equal("400 action_invalid");
    expect(reached).to.deep.equal([]);
  });

  it("answers by itself that a body is too large to be shown", async () => {
    const seen = await envoy.get("gRPC", "/notes/n-1/send", {
      method: "POST",
      headers: agent(),
      body: JSON.stringify({ text: "x".repeat(70_000) }),
    });
    expect([seen.status, reached.length]).to.deep.equal([413, 0]);
  });

  it("has the decision in its access log", async () => {
    const seen = await envoy.get("gRPC", "/vaults/v-1", { headers: agent() });
    await until(() => envoy.said.includes(`log deny ${String(seen.body["decision_id"])}`), "the line");
  });

  it("lets nothing pass when the service is gone, or is slow to say so; what is set to fail open is let pass then alone", async () => {
    await proxied.service.stopKeeping();
    for (const variant of ["gRPC", "HTTP"])
      expect((await envoy.get(variant, "/notes/n-1", { headers: agent() })).status, variant).to.equal(403);
    expect(reached).to.deep.equal([]);
    // What the guide says of `failure_mode_allow`, held to be so.
    expect((await envoy.get("fail-open", "/notes/n-1", { headers: agent() })).status).to.equal(200);
  });
});
