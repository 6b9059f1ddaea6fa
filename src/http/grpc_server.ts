/** A gRPC server on a listener of its own, bounded in what a connection may bring. gRPC is loaded where one is made. */
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { Server, ServerInterceptor } from "@grpc/grpc-js";
import type { Timers } from "../system/index.js";
import type { HttpServer } from "./server.js";

export interface GrpcOptions {
  tls?: { cert: Buffer; key: Buffer; client_ca: Buffer | null } | undefined;
  message_bytes_max: number;
  connections_max: number;
  calls_max: number;
  idle_ms: number;
}

export interface GrpcServer {
  /** Services are added to it. */
  server: Server;
  door: Pick<HttpServer, "listen" | "close">;
}

const KEEPALIVE_MS = 30_000;

/** @param connected called with each new connection, before anything is read of it */
export async function grpcServer(
  options: GrpcOptions,
  timers: Timers,
  { interceptors = [], connected }: { interceptors?: ServerInterceptor[]; connected?: (socket: Socket) => void } = {},
): Promise<GrpcServer> {
  const { Server, ServerCredentials } = await import("@grpc/grpc-js");
  const server = new Server({
    interceptors,
    "grpc.max_receive_message_length": options.message_bytes_max,
    "grpc.max_concurrent_streams": options.calls_max,
    "grpc.max_connection_idle_ms": options.idle_ms,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_MS,
    "grpc.enable_channelz": 0,
  });
  const { tls } = options;
  const injector = server.createConnectionInjector(
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(tls.client_ca, [{ private_key: tls.key, cert_chain: tls.cert }], tls.client_ca !== null),
  );
  const sockets = new Set<Socket>();
  // A listener of our own, since what a barrier cuts off is a connection.
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    connected?.(socket);
    injector.injectConnection(socket);
  });
  listener.maxConnections = options.connections_max;
  return {
    server,
    door: {
      listen: (host, port) =>
        new Promise((resolve, reject) => {
          listener.once("error", reject);
          listener.listen(port, host, () => {
            listener.off("error", reject);
            resolve(listener.address() as AddressInfo);
          });
        }),
      close: (ms) =>
        new Promise((resolve) => {
          const cancel = timers.after(ms, () => {
            for (const socket of sockets) socket.destroy();
          });
          listener.close(() => {
            cancel();
            server.forceShutdown();
            resolve();
          });
          injector.drain(ms);
        }),
    },
  };
}
