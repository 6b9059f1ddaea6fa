import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { nodeExchange } from "../../src/guards/outside.js";

const CHUNK = Buffer.alloc(64 * 1024, "x");
const CHUNKS = 1024;
/** What sockets and buffers of both ends hold. */
const UNDER_WAY_MAX = 24 * 1024 * 1024;

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
    for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read())
      length += value.length;
    expect(length).to.equal(CHUNKS * CHUNK.length);
  });
});
