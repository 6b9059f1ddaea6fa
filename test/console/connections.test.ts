/** Floods of connections, over real sockets. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { until } from "../store/support.js";
import { ConsoleDesk, type SignedIn } from "./running.js";

const MAX = 32;
/** Places that are kept for stopping everything. */
const RESERVED = MAX / 8;

describe("the console, flooded with connections", () => {
  let desk: ConsoleDesk;
  let ada: SignedIn;
  let sockets: Socket[] = [];
  beforeEach(async () => {
    desk = await ConsoleDesk.open({ listen: { port: 0, connections_max: MAX } });
    ada = await desk.signIn();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    sockets = [];
    await desk.close();
  });

  /** Opens connections that say this and no more. */
  async function flood(count: number, text: string): Promise<Socket[]> {
    const opened = Array.from({ length: count }, () => {
      const socket = connect(Number(new URL(desk.running.url).port), "127.0.0.1");
      socket.on("error", () => undefined).resume();
      sockets.push(socket);
      return socket;
    });
    for (const socket of opened) {
      if (socket.connecting) await once(socket, "connect");
      socket.write(text);
    }
    return opened;
  }
  const openOf = (all: readonly Socket[]): number => all.filter(({ destroyed }) => !destroyed).length;
  const head = (line: string, more: Record<string, string> = {}): string =>
    [`${line} HTTP/1.1`, `host: ${desk.host}`, ...Object.entries(more).map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n");

  it("goes on for those who are signed in, and for whoever comes, and says in its log that it was", async () => {
    const idle = await flood(4 * MAX, "GET /");
    await until(() => openOf(idle) <= MAX);
    expect((await ada.get("/api/me")).status).to.equal(200);
    expect((await desk.ask("/")).status).to.equal(200);
    expect(desk.said)
      .to.match(/"event":"console_crowded"/)
      .and.match(/"connections_max":32/);
    expect(desk.said.split("console_crowded")).to.have.lengthOf(2);
  });

  it("gives one person half of its places at most, so that others still have their pages", async () => {
    const bob = await desk.signIn();
    expect(bob.cookie).to.not.equal(ada.cookie);
    const page = await flood(3 * MAX, head("GET /api/me", { cookie: ada.cookie, "sec-fetch-site": "same-origin" }));
    await until(() => openOf(page) <= (MAX - RESERVED) / 2 + 1);
    expect(openOf(page)).to.be.above(RESERVED);
    expect((await desk.ask("/")).status).to.equal(200);
  });
});
