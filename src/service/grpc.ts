/** Services over gRPC: Envoy's external authorization, with what its doors need, and OTLP. */
import { readEnvoyMapping } from "../adapters/envoy/mapping.js";
import type { Facts } from "../decision/ports.js";
import type { EnvoyDeps, HttpDeps } from "../http/deps.js";
import type { OtlpServed } from "../http/otlp_grpc.js";
import type { HttpServer } from "../http/server.js";
import type { JwtIdentity } from "../identity/jwt.js";
import type { Config } from "../system/config.js";
import type { Clock } from "../system/index.js";
import { readTls } from "./tls.js";
import { report } from "../system/log_events.js";

/**
 * Undefined where no proxy asks.
 * @throws YamlError of the mapping
 */
export function envoyDeps(
  config: Pick<Config, "envoy" | "identity" | "limits">,
  identity: JwtIdentity,
  facts: Facts,
  clock: Clock,
): EnvoyDeps | undefined {
  const { envoy, limits } = config;
  if (envoy === undefined) return undefined;
  return {
    ports: {
      mapping: readEnvoyMapping(envoy.mapping),
      clock,
      json: limits,
      agentOf: (subject) => facts.agentOf(subject),
      agentProof: (token) => identity.agentProof(token),
      actors_max: config.identity.actors_max,
    },
    authenticate: (authorization) => identity.authenticate(authorization, "remit:decide"),
    path: envoy.path,
  };
}

export interface GrpcListener {
  /** `127.0.0.1:9191` */
  address: string;
  server: Pick<HttpServer, "listen" | "close">;
}

/** Listens where the configuration says so; null where it doesn't. gRPC is loaded for it alone. */
export async function listenToEnvoy(
  { envoy }: Pick<Config, "envoy">,
  ports: EnvoyDeps | undefined,
  deps: Pick<HttpDeps, "admission" | "decider" | "flights" | "logger" | "metrics" | "newId" | "records" | "timers" | "withinTrace">,
): Promise<GrpcListener | null> {
  if (envoy?.grpc === undefined || ports === undefined) return null;
  const { host, port, tls, ...limits } = envoy.grpc;
  const { envoyGrpc } = await import("../http/envoy_grpc.js");
  const server = await envoyGrpc(ports, deps, {
    ...limits,
    tls: tls && readTls(tls, "envoy.grpc.tls"),
  });
  const address = await listenAt(server, host, port);
  report(deps.logger, "envoy_listening", { address });
  return { address, server };
}

/** Listens for traces over gRPC where the configuration says so; null where it doesn't. */
export async function listenToOtlp({ observe: { otlp } }: Pick<Config, "observe">, deps: OtlpServed): Promise<GrpcListener | null> {
  if (otlp?.grpc === undefined) return null;
  const { host, port, tls, ...limits } = otlp.grpc;
  const { otlpGrpc } = await import("../http/otlp_grpc.js");
  const server = await otlpGrpc(deps, {
    ...limits,
    message_bytes_max: otlp.body_bytes_max,
    tls: tls && readTls(tls, "observe.otlp.grpc.tls"),
  });
  const address = await listenAt(server, host, port);
  report(deps.logger, "otlp_listening", { address });
  return { address, server };
}

async function listenAt(server: GrpcListener["server"], host: string, port: number): Promise<string> {
  const listening = await server.listen(host, port);
  return `${host.includes(":") ? `[${host}]` : host}:${listening.port}`;
}
