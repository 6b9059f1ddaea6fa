/** A service that a proxy asks, and what asks it: a gRPC client made of the protos that Envoy publishes, and HTTP as Envoy's filter sends it. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Metadata, credentials, loadPackageDefinition, type ChannelCredentials, type Client, type ServiceError } from "@grpc/grpc-js";
import { loadSync, type Options, type PackageDefinition } from "@grpc/proto-loader";
import { deskBundle, giveTask } from "../../client/desk.js";
import { ask, runWithFacts, withAgent, type Json } from "../../http/asking.js";
import { tokenFor, type Running } from "../../http/running.js";

/** The caller that the proxy is. */
export const PROXY = tokenFor("remit:decide", "envoy-1");

export const SPIFFE = "spiffe://example.org/agent/billing";

/** The token of agent `a-1`. An agent takes none that was issued before it was registered, and tokens count in whole seconds. */
export const agentToken = (claims: object = {}, subject = "agent-1", lifetime_s = 3600): string =>
  tokenFor("", subject, lifetime_s, { iat: Math.ceil(Date.now() / 1000), ...claims }, { audience: "remit-agents" });

const deps = join(dirname(createRequire(import.meta.url).resolve("@grpc/grpc-js-xds/package.json")), "deps");

/** As Envoy publishes them (Apache-2.0), brought by grpc-js-xds. */
export const publishedWith = (options: Options): PackageDefinition =>
  loadSync(join("envoy", "service", "auth", "v3", "external_auth.proto"), {
    keepCase: true,
    longs: String,
    enums: String,
    oneofs: true,
    includeDirs: ["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map((folder) => join(deps, folder)),
    ...options,
  });
export const PUBLISHED = publishedWith({});

interface Published {
  envoy: {
    service: {
      auth: {
        v3: { Authorization: new (address: string, by: ChannelCredentials, options?: object) => AuthorizationClient };
      };
    };
  };
}
interface AuthorizationClient extends Client {
  check: (
    request: object,
    metadata: Metadata,
    options: { deadline: number },
    done: (error: ServiceError | null, answer?: Json) => void,
  ) => { cancel: () => void };
}
const { Authorization } = (loadPackageDefinition(PUBLISHED) as unknown as Published).envoy.service.auth.v3;

/** A request that a proxy holds back. */
export interface Held {
  method?: string;
  path: string;
  host?: string;
  headers?: Record<string, string>;
  body?: string;
  /** Of the body, what the proxy shows; all of it, if unsaid. */
  shown?: string;
}

export interface Answered {
  /** `allow`, or the status and code that the client gets. */
  outcome: string;
  headers: Record<string, string>;
  remove: string[];
  body: Json;
  metadata: Json;
}

export interface Proxied {
  service: Running;
  taskToken: string;
  /** A fault of gRPC, or of HTTP, is thrown. */
  check: (door: Door, held: Held, more?: { token?: string | null; attributes?: object }) => Promise<Answered>;
  client: AuthorizationClient;
  close: () => Promise<void>;
}
export type Door = "gRPC" | "HTTP";

export const AGENT_HEADERS = (proxied: Proxied): Record<string, string> => ({
  authorization: `Bearer ${agentToken()}`,
  "remit-task": proxied.taskToken,
});

export interface ProxyOptions {
  mapping: string;
  sections?: object;
  envoy?: object;
  answerLastsMs?: number;
  credentials?: ChannelCredentials;
  agent?: object;
}

const issuers = [
  {
    issuer: "https://issuer.example",
    audience: { callers: "remit", agents: "remit-agents" },
    keys: [{ kid: "k1", algorithm: "ES256", file: "issuer.pem" }],
  },
];

export async function openProxy({
  mapping,
  sections = {},
  envoy = {},
  answerLastsMs = 60_000,
  agent = {},
  ...options
}: ProxyOptions): Promise<Proxied> {
  const folder = mkdtempSync(join(tmpdir(), "remit-envoy-"));
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(join(folder, "tasks.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(join(folder, "envoy.yaml"), mapping);
  const service = await runWithFacts(
    {
      identity: { issuers, task_tokens: { key: join(folder, "tasks.pem"), kid: "tasks" } },
      envoy: { mapping: join(folder, "envoy.yaml"), grpc: { port: 0, ...envoy }, path: "/envoy" },
      ...sections,
    },
    await deskBundle(12, answerLastsMs),
  );
  rmSync(folder, { recursive: true });
  const named = [
    { issuer: "https://issuer.example", subject: "agent-1" },
    { issuer: "spiffe://example.org", subject: SPIFFE },
  ];
  await withAgent(service, { credentials: named, ...agent });
  await giveTask(service, "T-1");
  const { body } = await ask(service, "POST", "/tasks/T-1/token");
  const client = new Authorization(service.envoy ?? "", options.credentials ?? credentials.createInsecure());
  const proxied: Proxied = {
    service,
    taskToken: String(body["task_token"]),
    client,
    check: (door, held, { token = PROXY, attributes = {} } = {}) =>
      door === "gRPC" ? overGrpc(client, held, token, attributes) : overHttp(service, held, token),
    close: async () => {
      client.close();
      await service.stop();
    },
  };
  return proxied;
}

export function metadataOf(token: string | null): Metadata {
  const metadata = new Metadata();
  if (token !== null) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

/** As Envoy's filter makes it of a request. */
export function checkRequest(
  { method = "GET", path, host = "crm.example.org", headers = {}, body = "", shown = body }: Held,
  attributes: object = {},
): object {
  const pseudo = { ":method": method, ":path": path, ":authority": host, ":scheme": "https" };
  const sized =
    body === ""
      ? {}
      : {
          "content-length": String(Buffer.byteLength(body)),
          "content-type": "application/json",
          "x-envoy-auth-partial-body": String(shown !== body),
        };
  return {
    attributes: {
      source: { address: { socket_address: { address: "10.0.0.5", port_value: 41234 } } },
      request: {
        time: { seconds: "1790000000" },
        http: {
          id: "5415544797791892902",
          method,
          path,
          host,
          scheme: "https",
          protocol: "HTTP/1.1",
          headers: { ...pseudo, ...sized, ...headers },
          size: Buffer.byteLength(body),
          body: shown,
        },
      },
      ...attributes,
    },
  };
}

function overGrpc(client: AuthorizationClient, held: Held, token: string | null, attributes: object): Promise<Answered> {
  return new Promise((resolve, reject) => {
    client.check(checkRequest(held, attributes), metadataOf(token), { deadline: Date.now() + 20_000 }, (error, answer) => {
      if (error !== null || answer === undefined) reject(error ?? new Error("no answer"));
      else resolve(answered(answer));
    });
  });
}

interface Option {
  header: { key: string; value: string };
  append_action: string;
}
interface Said {
  status: { code: number; message: string };
  http_response?: "denied_response" | "ok_response";
  denied_response?: { status: { code: string }; headers: Option[]; body: string };
  ok_response?: { headers: Option[]; headers_to_remove: string[] };
  dynamic_metadata: { fields: Record<string, Record<string, unknown>> };
}

/** The names that Envoy's enumeration has for what we answer. */
const STATUSES: Record<string, number> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  ServiceUnavailable: 503,
};

export function answered(answer: Json): Answered {
  const { status, denied_response, ok_response, dynamic_metadata } = answer as unknown as Said;
  const options = denied_response?.headers ?? ok_response?.headers ?? [];
  if (options.some(({ append_action }) => append_action !== "OVERWRITE_IF_EXISTS_OR_ADD"))
    throw new Error("a header is added to the client's own");
  if ((status.code === 0) !== (denied_response === undefined) || (ok_response === undefined) === (denied_response === undefined))
    throw new Error("status and response don't agree");
  const metadata = Object.fromEntries(Object.entries(dynamic_metadata.fields).map(([name, value]) => [name, value[String(value["kind"])]]));
  const body = denied_response === undefined ? {} : (JSON.parse(denied_response.body) as Json);
  const downstream = denied_response === undefined ? 200 : STATUSES[denied_response.status.code];
  if (denied_response !== undefined && body["status"] !== downstream) throw new Error("the body says another status");
  return {
    outcome: denied_response === undefined ? "allow" : `${downstream ?? "?"} ${String(body["code"])}`,
    headers: Object.fromEntries(options.map(({ header: { key, value } }) => [key, value])),
    remove: ok_response?.headers_to_remove ?? [],
    body,
    metadata,
  };
}

/** What Envoy's HTTP filter sends: the method and path as they were, its own token beside the client's. */
function overHttp(
  { port }: Running,
  { method = "GET", path, host = "crm.example.org", headers = {}, body = "", shown = body }: Held,
  token: string | null,
): Promise<Answered> {
  const sized = body === "" ? {} : { "content-type": "application/json", "x-envoy-auth-partial-body": String(shown !== body) };
  const sent = {
    host,
    "content-length": String(Buffer.byteLength(shown)),
    ...sized,
    ...headers,
    ...(token === null ? {} : { "x-remit-authorization": `Bearer ${token}` }),
  };
  return new Promise((resolve, reject) => {
    const asking = httpRequest(
      {
        port,
        host: "127.0.0.1",
        method,
        path: `/envoy${path}`,
        headers: sent,
        agent: false,
        insecureHTTPParser: false,
      },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => {
          const given = response.headers;
          const status = response.statusCode ?? 0;
          if (status >= 500) reject(new Error(`${status}: a proxy may let that pass`));
          else if (status === 200)
            resolve({
              outcome: "allow",
              headers: ours(given),
              remove: String(given["x-envoy-auth-headers-to-remove"] ?? "")
                .split(", ")
                .filter((name) => name !== ""),
              body: {},
              metadata: {},
            });
          else {
            const said = text === "" ? {} : (JSON.parse(text) as Json);
            resolve({
              outcome: `${status} ${String(said["code"])}`,
              headers: ours(given),
              remove: [],
              body: said,
              metadata: {},
            });
          }
        });
      },
    );
    asking.on("error", reject);
    asking.end(shown);
  });
}

function ours(headers: IncomingHttpHeaders): Record<string, string> {
  const names = ["content-type", "www-authenticate", "retry-after"];
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith("x-remit-") || names.includes(name))
      .map(([name, value]) => [name, String(value)]),
  );
}
