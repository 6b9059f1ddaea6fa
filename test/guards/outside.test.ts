import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, type ClientRequest, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect } from "chai";
import { nodeExchange } from "../../src/guards/outside.js";

const CHUNK = Buffer.alloc(64 * 1024, "x");
const CHUNKS = 1024;
/** What sockets and buffers of both ends hold. */
const UNDER_WAY_MAX = 24 * 1024 * 1024;
const IDLE_MS = 50;

describe("a guard's exchange", () => {
  let server: Server;
  let sent = 0;

  before(async () => {
    server = createServer((_, response) => {
      const more = (): void => {
        while (sent < CHUNKS * CHUNK.length) {
          sent += CHUNK.length;
          if (response.write(CHUNK)) continue;
          response.once("drain", more);
          return;
        }
        response.end();
      };
      more();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  it("takes no more of a body than is read of it, and all of it when it is", async () => {
    const { port } = server.address() as AddressInfo;
    const { body } = await nodeExchange()(new URL(`http://127.0.0.1:${port}/`), { method: "POST", body: "{}" });
    const reader = body.getReader();
    let length = (await reader.read()).value?.length ?? 0;
    for (let before = -1; before !== sent;) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(sent).to.be.below(UNDER_WAY_MAX);
    for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) length += value.length;
    expect(length).to.equal(CHUNKS * CHUNK.length);
  });
});

describe("a guard's connections", () => {
  let server: Server;
  /** Connections. */
  let came = 0;
  let answer: (response: ServerResponse) => void;
  const ask = async (exchange: ReturnType<typeof nodeExchange>): Promise<string> => {
    const { port } = server.address() as AddressInfo;
    const { body } = await exchange(new URL(`http://127.0.0.1:${port}/`), { method: "POST", body: "{}" });
    const reader = body.getReader();
    let text = "";
    for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) text += Buffer.from(value).toString();
    return text;
  };

  beforeEach(async () => {
    came = 0;
    answer = (response) => response.end("answer");
    server = createServer((_, response) => {
      answer(response);
    });
    // Of itself it would close none while a test runs.
    server.keepAliveTimeout = 0;
    server.on("connection", () => came++);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it("are used again", async () => {
    const exchange = nodeExchange();
    expect([await ask(exchange), await ask(exchange), came]).to.deep.equal(["answer", "answer", 1]);
  });

  it("are closed by the guard once nothing was asked on them for as long as it says, and made anew", async () => {
    const exchange = nodeExchange(IDLE_MS);
    const closed = new Promise((resolve) => {
      server.once("connection", (socket: Socket) => socket.once("close", resolve));
    });
    expect(await ask(exchange)).to.equal("answer");
    await closed;
    expect([await ask(exchange), came]).to.deep.equal(["answer", 2]);
  });

  it("wait for an answer that takes longer than that", async () => {
    answer = (response) => {
      setTimeout(() => response.end("late"), 6 * IDLE_MS);
    };
    expect([await ask(nodeExchange(IDLE_MS)), came]).to.deep.equal(["late", 1]);
  });

  it("wait for an answer no longer than five minutes of silence, however short they are kept", async () => {
    const begun = new Promise<ClientRequest>((resolve) => {
      const seen = (message: unknown): void => {
        unsubscribe("http.client.request.start", seen);
        resolve((message as { request: ClientRequest }).request);
      };
      subscribe("http.client.request.start", seen);
    });
    answer = () => undefined;
    const asked = ask(nodeExchange(IDLE_MS)).then(() => "answer", String);
    const request = await begun;
    const [socket] = (request.socket === null ? await once(request, "socket") : [request.socket]) as [Socket];
    if (socket.connecting) await once(socket, "connect");
    expect(socket.timeout).to.equal(300_000);
    // As the socket does then.
    socket.emit("timeout");
    expect(await asked).to.equal("Error: nothing came for 300000 ms");
    expect(socket.destroyed).to.equal(true);
  });
});
