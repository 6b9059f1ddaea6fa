import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Metadata, compressionAlgorithms, credentials, status, type ServiceError } from "@grpc/grpc-js";
import { expect } from "chai";
import { ask, runWithFacts, withAgent, type Json } from "../../http/asking.js";
import { tokenFor, type Running } from "../../http/running.js";
import { PROTO, asProtobuf } from "./proto.js";
import { MAPPING, toolSpan, traces } from "./spans.js";

const TOKEN = tokenFor("remit:observe", "collector");
const EXPORT = (signal: string): string => {
  const name = `${signal[0]?.toUpperCase() ?? ""}${signal.slice(1)}`;
  return `/opentelemetry.proto.collector.${signal}.v1.${name}Service/Export`;
};

interface Outcome {
  code: string;
  details: string;
  answer: Json | null;
}

describe("traces over gRPC", function () {
  let service: Running;
  let folder: string;

  const call = (path: string, body: Buffer, { token = TOKEN, gzip = false }: { token?: string | null; gzip?: boolean } = {}) =>
    new Promise<Outcome>((resolve) => {
      const client = new Client(service.otlp ?? "", credentials.createInsecure(), {
        "grpc.use_local_subchannel_pool": 1,
        ...(gzip && { "grpc.default_compression_algorithm": compressionAlgorithms.gzip }),
      });
      const metadata = new Metadata();
      if (token !== null) metadata.set("authorization", `Bearer ${token}`);
      client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        body,
        metadata,
        (error: ServiceError | null, bytes?: Buffer) => {
          client.close();
          const message = PROTO.lookupType("Answer");
          const answer = bytes === undefined ? null : message.toObject(message.decode(bytes), { longs: String });
          resolve({ code: status[error?.code ?? 0] ?? "", details: error?.details ?? "", answer });
        },
      );
    });
  const tool = (id: string): Json => toolSpan("read_note", JSON.stringify({ note_id: id, customer: "ada" }));
  const observed = async (): Promise<number> => {
    const { text } = await ask(service, "GET", "/metrics");
    return Number(/^remit_spans_total\{what="observed"\} (\d+)$/m.exec(text)?.[1] ?? 0);
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-otel-"));
    writeFileSync(join(folder, "otel.yaml"), MAPPING);
    const otlp = { mapping: join(folder, "otel.yaml"), body_bytes_max: 100_000, spans_max: 50, grpc: { port: 0 } };
    service = await runWithFacts({ observe: { age_max_ms: 3_600_000, otlp } });
    await withAgent(service);
  });
  after(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const gzip of [false, true]) {
    it(`put a tool's call on record${gzip ? ", packed" : ""}`, async () => {
      const before = await observed();
      const { code, answer } = await call(EXPORT("trace"), asProtobuf(traces([tool(`n-grpc-${gzip}`)])), { gzip });
      expect([code, answer]).to.deep.equal(["OK", {}]);
      expect((await observed()) - before).to.equal(1);
    });
  }

  it("are told of in OTLP's form where some are rejected", async () => {
    const { code, answer } = await call(EXPORT("trace"), asProtobuf(traces([toolSpan("read_note", "{}")])));
    expect(code).to.equal("OK");
    expect((answer?.["partialSuccess"] as Json)["rejectedSpans"]).to.equal("1");
  });

  it("come with logs and metrics, of which nothing is kept", async () => {
    for (const signal of ["logs", "metrics"]) expect((await call(EXPORT(signal), Buffer.of())).code).to.equal("OK");
  });

  const refusals: [what: string, code: string, details: RegExp, call: () => Promise<Outcome>][] = [
    ["without a token", "UNAUTHENTICATED", /^token_missing/, () => call(EXPORT("trace"), Buffer.of(), { token: null })],
    ["of a stranger", "UNAUTHENTICATED", /^token_invalid/, () => call(EXPORT("trace"), Buffer.of(), { token: "eyJ.no.token" })],
    [
      "without the scope",
      "PERMISSION_DENIED",
      /^scope_missing/,
      () => call(EXPORT("trace"), Buffer.of(), { token: tokenFor("remit:decide") }),
    ],
    ["that are garbage", "INVALID_ARGUMENT", /^field_invalid: .*as Protobuf/, () => call(EXPORT("trace"), Buffer.from("hello"))],
    ["that are JSON", "INVALID_ARGUMENT", /^field_invalid/, () => call(EXPORT("logs"), Buffer.from("{}"))],
    ["that are too large", "RESOURCE_EXHAUSTED", /larger than max/, () => call(EXPORT("trace"), Buffer.alloc(100_001))],
    ["that unpack to too much", "RESOURCE_EXHAUSTED", /larger/, () => call(EXPORT("trace"), Buffer.alloc(1_000_000), { gzip: true })],
    [
      "of too many spans",
      "INVALID_ARGUMENT",
      /^(lines_too_many|field_invalid)/,
      () => call(EXPORT("trace"), asProtobuf(traces(Array.from({ length: 2000 }, () => ({}))))),
    ],
    ["by another method", "UNIMPLEMENTED", /./, () => call("/opentelemetry.proto.collector.trace.v1.TraceService/Import", Buffer.of())],
  ];
  for (const [what, code, details, refused] of refusals) {
    it(`are refused ${what}, and nothing is on record`, async () => {
      const before = await observed();
      const outcome = await refused();
      expect(outcome.code).to.equal(code);
      expect(outcome.details).to.match(details);
      expect(await observed()).to.equal(before);
    });
  }

  it("end with the token of a caller that is revoked", async () => {
    const token = tokenFor("remit:observe", "collector-2");
    expect((await call(EXPORT("trace"), Buffer.of(), { token })).code).to.equal("OK");
    await ask(service, "POST", "/revocations", { body: { scope: { caller: "collector-2" }, reason: "gone" } });
    const outcome = await call(EXPORT("trace"), Buffer.of(), { token });
    expect([outcome.code, outcome.details.split(":")[0]]).to.deep.equal(["UNAUTHENTICATED", "caller_cut_off"]);
  });
});
