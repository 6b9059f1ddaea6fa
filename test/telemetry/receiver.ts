/** A receiver of OTLP on loopback, which reads with a library of its own what an exporter sends. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { PROTO } from "../adapters/otlp/proto.js";

type Json = Record<string, unknown>;

export interface Sent {
  path: string;
  headers: IncomingHttpHeaders;
  resource: Json;
  items: Json[];
}

const SIGNALS: Readonly<Record<string, { message: string; resources: string; scopes: string; items: string }>> = {
  "/v1/traces": { message: "Traces", resources: "resourceSpans", scopes: "scopeSpans", items: "spans" },
  "/v1/logs": { message: "Logs", resources: "resourceLogs", scopes: "scopeLogs", items: "logRecords" },
  "/v1/metrics": { message: "Metrics", resources: "resourceMetrics", scopes: "scopeMetrics", items: "metrics" },
};

export class OtlpReceiver {
  readonly sent: Sent[] = [];
  status = 200;
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const path = request.url ?? "";
      if (this.status === 200) this.sent.push({ path, headers: request.headers, ...read(path, Buffer.concat(chunks)) });
      response.writeHead(this.status, { "content-type": "application/x-protobuf" }).end();
    });
  });

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  itemsOf(path: string): Json[] {
    return this.sent.filter((one) => one.path === path).flatMap(({ items }) => items);
  }
}

function read(path: string, body: Buffer): { resource: Json; items: Json[] } {
  const { message, resources, scopes, items } = SIGNALS[path] ?? { message: "", resources: "", scopes: "", items: "" };
  const type = PROTO.lookupType(message);
  const decoded = type.toObject(type.decode(body), { longs: String, bytes: String });
  const request: unknown = JSON.parse(JSON.stringify(decoded), (name, value: unknown) =>
    /^(?:trace|span|parentSpan)Id$/.test(name) ? Buffer.from(String(value), "base64").toString("hex") : value,
  );
  const of = (request as Json)[resources] as Json[];
  return {
    resource: attributesOf(of[0]?.["resource"] as Json),
    items: of.flatMap((one) => (one[scopes] as Json[]).flatMap((scope) => (scope[items] as Json[] | undefined) ?? [])),
  };
}

/** An item's attributes by name, each its value alone. */
export function attributesOf(item: Json): Json {
  const attributes = (item["attributes"] ?? []) as { key: string; value: Json }[];
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
