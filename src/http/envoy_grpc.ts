/**
 * Envoy's external authorization over gRPC, on a listener of its own. What can be read is answered, and a refusal is an answer: an
 * error of gRPC is for what isn't a message, since a proxy can be set to let those pass.
 */
import type { Metadata, sendUnaryData, ServerInterceptor, ServerUnaryCall } from "@grpc/grpc-js";
import { check, refusalOf, type CheckResult } from "../adapters/envoy/check.js";
import { askedOf, loadMessages, requestIdOf, responseOf, type CheckRequest, type CheckResponse } from "../adapters/envoy/messages.js";
import { httpRefusal } from "../contract/refusals.js";
import { Problem } from "../contract/index.js";
import type { EnvoyDeps, HttpDeps } from "./deps.js";
import { envoyPorts } from "./envoy_ports.js";
import { failureOf } from "./failure.js";
import { RefusedChecks } from "./refused_checks.js";
import { GrpcConnection, Over } from "./grpc_connection.js";
import { grpcServer, type GrpcOptions } from "./grpc_server.js";
import type { Flight } from "./flights.js";
import type { HttpServer } from "./server.js";

type Served = Pick<HttpDeps, "admission" | "decider" | "flights" | "logger" | "metrics" | "newId" | "records" | "timers" | "withinTrace">;

export async function envoyGrpc(envoy: EnvoyDeps, deps: Served, options: GrpcOptions): Promise<Pick<HttpServer, "listen" | "close">> {
  const { flights, metrics, timers } = deps;
  const { ServerInterceptingCall, status } = await import("@grpc/grpc-js");
  const messages = await loadMessages();
  const refusals = new RefusedChecks(deps, envoy.ports.clock);
  const connections = new Map<string, GrpcConnection>();
  /** Ends of calls, by a call's own metadata. */
  const overs = new WeakMap<Metadata, Over>();
  const ports = envoyPorts(envoy, deps);

  async function answer(message: CheckRequest, metadata: Metadata): Promise<CheckResult> {
    try {
      const caller = await envoy.authenticate(authorizationIn(metadata));
      return await check(askedOf(message), caller, ports);
    } catch (cause) {
      const { problem } = failureOf(cause, deps);
      return { refusal: refusalOf(problem) ?? httpRefusal("undecided"), answer: null, problem, headers: {}, remove: [] };
    }
  }

  async function handle(call: ServerUnaryCall<Buffer, CheckResponse>, done: sendUnaryData<CheckResponse>): Promise<void> {
    let message: CheckRequest;
    try {
      message = messages.read(call.request);
    } catch {
      done({ code: status.INVALID_ARGUMENT, details: "not a CheckRequest" });
      return;
    }
    const over = overs.get(call.metadata);
    const connection = connections.get(call.getPeer());
    if (over === undefined || over.is || connection === undefined) {
      done({ code: status.CANCELLED, details: "nobody waits for it" });
      return;
    }
    flights.begin(flightOf(over, connection));
    const answering = (): Promise<CheckResult> => answer(message, call.metadata);
    const told = await (deps.withinTrace?.(call.metadata.get("traceparent")[0]?.toString(), answering) ?? answering());
    if (told.problem !== null) metrics.problem(told.problem.code);
    refusals.tell(told, requestIdOf(message));
    done(null, responseOf(told));
  }

  const watch: ServerInterceptor = (_method, call) => {
    const over = new Over();
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, hand) => {
            overs.set(metadata, over);
            hand(metadata);
          },
          onReceiveMessage: (message, hand) => {
            hand(message);
          },
          onReceiveHalfClose: (hand) => {
            hand();
          },
          onCancel: () => {
            over.happen();
          },
        });
      },
    });
  };

  const { server, door } = await grpcServer(options, timers, {
    interceptors: [watch],
    connected: (socket) => {
      const peer = `${socket.remoteAddress ?? ""}:${socket.remotePort ?? ""}`;
      const connection = new GrpcConnection(socket, timers);
      connections.set(peer, connection);
      socket.once("close", () => {
        if (connections.get(peer) === connection) connections.delete(peer);
        connection.closed();
      });
    },
  });
  const Check = {
    path: messages.path,
    requestStream: false as const,
    responseStream: false as const,
    // What can't be read is refused in our own words.
    requestDeserialize: (bytes: Buffer) => bytes,
    requestSerialize: (bytes: Buffer) => bytes,
    responseSerialize: messages.write,
    responseDeserialize: () => ({}) as CheckResponse,
  };
  server.addService(
    { Check },
    {
      Check: (call: ServerUnaryCall<Buffer, CheckResponse>, done: sendUnaryData<CheckResponse>) => {
        // In our own words, too: a proxy may be set to let pass what is answered by an error of gRPC.
        handle(call, done).catch((cause: unknown) => {
          const { problem } = failureOf(cause, deps);
          metrics.problem(problem.code);
          done(null, responseOf({ refusal: httpRefusal("undecided"), answer: null, problem, headers: {}, remove: [] }));
        });
      },
    },
  );
  return door;
}

/** @throws Problem where there are two */
export function authorizationIn(metadata: Metadata): string | undefined {
  const [first, second] = metadata.get("authorization");
  if (second !== undefined) throw new Problem("http_invalid", { field: "authorization", expected: "the header once" });
  return first?.toString();
}

function flightOf(over: Over, connection: GrpcConnection): Flight {
  return {
    once: (event, sent) => {
      if (event === "close") connection.begin(over, sent);
    },
    destroy: () => connection.socket.destroy(),
  };
}
