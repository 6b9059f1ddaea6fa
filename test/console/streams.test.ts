/** Pages that don't read what they are sent, over real sockets, and the changes of a service that are sent to them. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { expect } from "chai";
import type { Scope } from "../../src/contract/index.js";
import type { SignedInSession } from "../../src/console/sessions.js";
import { LiveStreams } from "../../src/console/streams.js";
import type { Tokens } from "../../src/console/tokens.js";
import type { ServiceUpstream } from "../../src/console/upstream.js";
import { system } from "../../src/system/index.js";
import { until } from "../store/support.js";

const HEARTBEAT_MS = 5000;

describe("the console's streams", () => {
  let server: Server;
  let streams: LiveStreams;
  let session: SignedInSession;
  let events: PassThrough;
  let heartbeat: () => void;
  let heard: unknown[] = [];
  const pages: Socket[] = [];
  let responses: ServerResponse[] = [];

  beforeEach(async () => {
    session = { person: { id: "ada", scopes: new Set<Scope>(["remit:audit"]), signed_in_ms: null }, csrf: "", ended: new Set() };
    events = new PassThrough();
    const answer = (path: string): IncomingMessage =>
      Object.assign(path === "/events" ? events : new PassThrough(), {
        statusCode: 200,
        headers: { "content-type": "text/event-stream" },
      }) as unknown as IncomingMessage;
    const every = (ms: number, run: () => void): (() => void) => {
      if (ms === HEARTBEAT_MS) heartbeat = run;
      return () => undefined;
    };
    streams = new LiveStreams({
      upstream: { open: (path: string) => Promise.resolve(answer(path)) } as unknown as ServiceUpstream,
      tokens: { forStream: () => "token" } as unknown as Tokens,
      system: { ...system, timers: { ...system.timers, every } },
      changed: ({ of }) => heard.push(of),
    });
    streams.start();
    heard = [];
    responses = [];
    server = createServer((_request, response) => {
      responses.push(response);
      streams.open(response, session, {});
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => {
    streams.close();
    for (const page of pages.splice(0)) page.destroy();
    server.close();
    server.closeAllConnections();
  });

  /** Opens a page, which reads what it is sent or doesn't. */
  async function open(reads: boolean): Promise<{ socket: Socket; bytes: () => number }> {
    const before = streams.size;
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    pages.push(socket);
    socket.on("error", () => undefined);
    let bytes = 0;
    if (reads) socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
    else socket.pause();
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await until(() => streams.size > before);
    return { socket, bytes: () => bytes };
  }

  const change = (n: number): string =>
    `event: change\nid: ${n}\ndata: ${JSON.stringify({ change: "revoked", of: "x".repeat(64 * 1024) })}\n\n`;

  it("cut a page off that doesn't read, and go on for one that does", async () => {
    await open(false);
    const reader = await open(true);
    for (let n = 1; streams.size === 2; n++) {
      if (n > 2000) throw new Error("128 MB wait for a page that reads nothing");
      const before = reader.bytes();
      events.write(change(n));
      await until(() => reader.bytes() > before);
    }
    const before = reader.bytes();
    events.write(change(9999));
    await until(() => reader.bytes() - before > 64 * 1024);
    expect(streams.size).to.equal(1);
  });

  it("hear of changes before anybody looks, and once nobody does any more", async () => {
    events.write(change(1));
    await until(() => heard.length === 1);
    const { socket } = await open(true);
    socket.destroy();
    await until(() => streams.size === 0);
    events.write(change(2));
    await until(() => heard.length === 2);
  });

  it("outlive the end of a session whose page doesn't read", async () => {
    const { socket } = await open(false);
    const reader = await open(true);
    for (let n = 1; responses[0]?.writableLength === 0; n++) {
      const before = reader.bytes();
      events.write(change(n));
      await until(() => reader.bytes() > before);
    }
    expect(streams.size).to.equal(2);
    for (const end of [...session.ended]) end();
    expect(streams.size).to.equal(0);
    heartbeat();
    // Though nobody has read what was waiting.
    await until(() => responses.every(({ closed }) => closed));
    expect(socket.isPaused()).to.equal(true);
  });
});
