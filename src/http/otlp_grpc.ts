/**
 * The OTLP/gRPC receiver (opentelemetry-proto, `docs/specification.md`): the three `Export` methods, taken as OTLP/HTTP's requests are, on a
 * listener of its own.
 */
import type { Metadata, sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import type { Signal } from "../adapters/otlp/read.js";
import type { HttpDeps } from "./deps.js";
import { failureOf } from "./failure.js";
import { authorizationIn } from "./envoy_grpc.js";
import { grpcServer, type GrpcOptions, type GrpcServer } from "./grpc_server.js";
import { rejectionAnswer, statusOf, takeSignals } from "./routes/otlp.js";

const METHODS: Readonly<Record<Signal, string>> = {
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
};

export type OtlpServed = Pick<
  HttpDeps,
  "identity" | "logger" | "metrics" | "newId" | "observing" | "otlp" | "records" | "sensors" | "timers"
>;

export async function otlpGrpc(deps: OtlpServed, options: GrpcOptions): Promise<GrpcServer["door"]> {
  const { metrics, timers } = deps;
  const { server, door } = await grpcServer(options, timers);

  async function take(signal: Signal, body: Buffer, metadata: Metadata): Promise<Uint8Array> {
    const { rejected } = await takeSignals(deps, signal, authorizationIn(metadata), () => ({ body, isProtobuf: true }));
    return rejectionAnswer(rejected);
  }

  function refusal(cause: unknown): { code: number; details: string } {
    const { problem, id } = failureOf(cause, deps);
    metrics.problem(problem.code);
    const { code, message } = statusOf(problem, id);
    return { code, details: message };
  }

  const bytes = (value: Uint8Array): Buffer => Buffer.from(value);
  for (const [signal, path] of Object.entries(METHODS) as [Signal, string][]) {
    const Export = {
      ...{ path, requestStream: false as const, responseStream: false as const },
      ...{ requestDeserialize: bytes, requestSerialize: bytes, responseSerialize: bytes, responseDeserialize: bytes },
    };
    server.addService(
      { Export },
      {
        Export: ({ request, metadata }: ServerUnaryCall<Buffer, Uint8Array>, done: sendUnaryData<Uint8Array>) => {
          take(signal, request, metadata).then(
            (answer) => {
              done(null, answer);
            },
            (cause: unknown) => {
              done(refusal(cause));
            },
          );
        },
      },
    );
  }
  return door;
}
