/**
 * The floors under an answer, in Node: what HTTP, gRPC and an evaluation in WASM cost by themselves.
 *
 *   node dist/bench/floor.js constant <port>                       parses the body, gives a constant answer
 *   node dist/bench/floor.js wasm <port> <bundle> <data.json>      evaluates the body by `desk/answer` of the bundle's module
 *   node dist/bench/floor.js grpc <port> <path of the call>        a constant answer, after as long as a decision takes: what is
 *                                                                  under way meanwhile is what the garbage collector has to copy
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type * as Sdk from "@open-policy-agent/opa-wasm";
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import { readArchive } from "../src/bundle/archive.js";

const HOST = "127.0.0.1";
/** `status { code: 0 }` of a `CheckResponse`, which is what the load wants. */
const PERMITTED = Buffer.from("0a020800", "hex");
const DECIDED_MS = 8;

const [kind, port, ...rest] = process.argv.slice(2);
if (kind === "constant") overHttp((body) => (JSON.parse(body.toString()), { decision: "allow", reasons: [] }));
else if (kind === "wasm") overHttp(await evaluation(rest[0] ?? "", rest[1] ?? ""));
else overGrpc(rest[0] ?? "/");

function overHttp(answer: (body: Buffer) => unknown): void {
  createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const text = JSON.stringify(body.length === 0 ? {} : answer(body));
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text);
    });
  }).listen(Number(port), HOST);
}

async function evaluation(bundle: string, data: string): Promise<(body: Buffer) => unknown> {
  const wasm = (await readArchive(readFileSync(bundle))).get("policy.wasm");
  if (wasm === undefined) throw new Error(`${bundle} has no policy.wasm`);
  // As an ES module its types and its exports name different things; as CommonJS they agree.
  const { loadPolicy } = createRequire(import.meta.url)("@open-policy-agent/opa-wasm") as typeof Sdk;
  const text = readFileSync(data);
  const policy = await loadPolicy(wasm, { initial: 64, maximum: 1024 });
  policy.setData(arrayBuffer(text));
  return (body) => (policy.evaluate(arrayBuffer(body), "desk/answer") as { result: unknown }[])[0]?.result;
}

/** JSON text in this form is taken as it is. */
function arrayBuffer(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

function overGrpc(path: string): void {
  const server = new Server();
  const same = (bytes: Buffer): Buffer => bytes;
  const codec = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
  const call = { path, requestStream: false as const, responseStream: false as const, ...codec };
  const answer = (_call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => {
    setTimeout(() => {
      done(null, PERMITTED);
    }, DECIDED_MS);
  };
  server.addService({ call }, { call: answer });
  server.bindAsync(`${HOST}:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
}
