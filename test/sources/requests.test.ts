import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { Requests } from "../../src/sources/requests.js";
import { systemTimers } from "../../src/system/index.js";
import { TestServer, having, type Answering } from "./server.js";

const GOOD = Buffer.from("bytes");

describe("a request to a source of bundles", () => {
  let server: TestServer;
  let other: TestServer;
  let requests: Requests;
  beforeEach(async () => {
    server = await new TestServer(having(GOOD)).start();
    other = await new TestServer(having(GOOD)).start();
    requests = new Requests({ private: true, redirect_hosts: [] }, systemTimers);
  });
  afterEach(async () => {
    requests.close();
    await Promise.all([server.stop(), other.stop()]);
  });

  const get = async (by = requests, url = server.url(), timeout_ms = 10_000): Promise<string> => {
    try {
      const { status, body } = await by.get({
        url: new URL(url),
        headers: { authorization: "Bearer secret" },
        timeout_ms,
        bytes_max: 1000,
      });
      return `${status} ${body.toString()}`;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const redirect =
    (location: string, status = 302): Answering =>
    (_, response) =>
      response.writeHead(status, { location }).end();

  it("has the whole answer, whatever its status", async () => {
    expect(await get()).to.equal("200 bytes");
    server.answering = (_, response) => response.writeHead(503).end("later");
    expect(await get()).to.equal("503 later");
  });

  const bad: [what: string, reason: RegExp, answering: Answering][] = [
    [
      "data without end",
      /more than 1000 bytes/,
      (_, response) => {
        response.writeHead(200);
        // A response whose connection is gone calls back at once, and isn't always destroyed.
        const send = (): void => {
          if (response.socket?.destroyed === false) response.write(Buffer.alloc(65_536), send);
        };
        send();
      },
    ],
    [
      "more data than it may be, said ahead",
      /more than 1000 bytes/,
      (_, response) => response.writeHead(200, { "content-length": 1001 }).write("x"),
    ],
    ["a compressed answer", /compressed/, (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(GOOD))],
    [
      "an answer that ends too early",
      /aborted|too early|hang up/,
      (_, response) => {
        response.writeHead(200, { "content-length": 100 }).write("half", () => response.destroy());
      },
    ],
    ["no answer at all", /hang up|ECONNRESET/, (request) => request.socket.destroy()],
    ["what isn't HTTP", /Parse Error|HPE/i, (request) => request.socket.end("SSH-2.0-OpenSSH\r\n\r\n")],
  ];
  for (const [what, reason, answering] of bad) {
    it(`ends with ${what}`, async () => {
      server.answering = answering;
      expect(await get()).to.match(reason);
    });
  }

  it("ends in time with an answer that drips, and with none", async () => {
    server.answering = (_, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write("x"), 10);
      response.on("close", () => {
        clearInterval(drip);
      });
    };
    expect(await get(requests, server.url(), 150)).to.equal("no whole answer within 150 ms");
    server.answering = () => undefined;
    expect(await get(requests, server.url(), 50)).to.equal("no whole answer within 50 ms");
  });

  it("follows a redirect on the same host, with what it was given", async () => {
    server.answering = (request, response) => {
      (request.url === "/bundle.tar.gz" ? redirect("/there", 307) : having(GOOD))(request, response);
    };
    expect(await get()).to.equal("200 bytes");
    expect(server.asked.map(({ url, headers }) => [url, headers.authorization])).to.deep.equal([
      ["/bundle.tar.gz", "Bearer secret"],
      ["/there", "Bearer secret"],
    ]);
  });

  const elsewhere = (): [string, RegExp][] => [
    [other.url(), /redirected to http:\/\/127\.0\.0\.1:\d+, which isn't among/],
    ["http://169.254.169.254/latest/meta-data/", /redirected to http:\/\/169\.254\.169\.254/],
    ["file:///etc/passwd", /redirected to file:/],
    ["gopher://127.0.0.1:6379/_FLUSHALL", /redirected to gopher:/],
    [`//${other.host}/x`, /redirected to http:/],
    ["http://[", /redirected to what is no URL/],
    [server.url("/bundle.tar.gz"), /redirected more than 3 times/],
  ];
  it("follows none elsewhere, and none without end", async () => {
    for (const [location, reason] of elsewhere()) {
      server.answering = redirect(location);
      expect(await get()).to.match(reason);
    }
    expect(other.asked).to.deep.equal([]);
  });

  it("follows one to a host that is named, without the credentials", async () => {
    const named = new Requests({ private: true, redirect_hosts: [other.host] }, systemTimers);
    server.answering = redirect(other.url());
    expect(await get(named)).to.equal("200 bytes");
    expect(other.asked.map(({ headers }) => headers.authorization)).to.deep.equal([undefined]);
    named.close();
  });

  it("goes to no private address, by number, by name, or redirected to one", async () => {
    const outside = new Requests({ private: false, redirect_hosts: [other.host] }, systemTimers);
    expect(await get(outside)).to.equal("127.0.0.1 is a private address");
    expect(await get(outside, server.url().replace("127.0.0.1", "localhost"))).to.match(/localhost has a private address/);
    expect(server.asked).to.deep.equal([]);
    outside.close();
  });

  it("breaks off when it is closed", async () => {
    server.answering = () => undefined;
    const asked = get();
    while (server.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    requests.close();
    expect(await asked).to.equal("closed");
  });
});
