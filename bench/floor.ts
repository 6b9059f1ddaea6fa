/**
 * What HTTP or gRPC alone costs in Node: takes the body and gives a constant answer. Over gRPC it comes after as long as a decision
 * takes: what is under way meanwhile is what the garbage collector has to copy.
 *
 *   node dist/bench/floor.js plain|express|grpc <port> [<path of the call>]
 */
import { createServer } from "node:http";
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import express from "express";

const [kind, port, path = "/"] = process.argv.slice(2);
const ANSWER = { decision: "allow", proceed: true };

const plain = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    JSON.parse(Buffer.concat(chunks).toString() || "{}");
    const body = JSON.stringify(ANSWER);
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
  });
});

const withExpress = express()
  .use(express.json())
  .all("/decide", (_request, response) => {
    response.json(ANSWER);
  });

/** `status { code: 0 }` of a `CheckResponse`, which is as the load wants it. */
const PERMITTED = Buffer.from("0a020800", "hex");
const DECIDED_MS = 8;

function overGrpc(): void {
  const server = new Server();
  const same = (bytes: Buffer): Buffer => bytes;
  const codec = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const call = { path, requestStream: false as const, responseStream: false as const, ...codec };
  const answer = (_call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => {
    setTimeout(() => {
      done(null, PERMITTED);
    }, DECIDED_MS);
  };
  server.addService({ call }, { call: answer });
  server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
}

if (kind === "grpc") overGrpc();
else if (kind === "plain") plain.listen(Number(port), "127.0.0.1");
else withExpress.listen(Number(port), "127.0.0.1");
