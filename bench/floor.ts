/**
 * What HTTP alone costs in Node: parses the body and gives a constant answer.
 *
 *   node dist/bench/floor.js plain|express <port>
 */
import { createServer } from "node:http";
import express from "express";

const [kind, port] = process.argv.slice(2);
const ANSWER = { decision: "allow", proceed: true };

const plain = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    JSON.parse(Buffer.concat(chunks).toString() || "{}");
    const body = JSON.stringify(ANSWER);
    response
      .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
      .end(body);
  });
});

const withExpress = express()
  .use(express.json())
  .all("/decide", (_request, response) => {
    response.json(ANSWER);
  });

if (kind === "plain") plain.listen(Number(port), "127.0.0.1");
else withExpress.listen(Number(port), "127.0.0.1");
