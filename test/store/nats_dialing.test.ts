import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { expect } from "chai";
import { dialing } from "../../src/store/nats_dialing.js";
import { systemClock } from "../../src/system/index.js";

const HOUR_MS = 3_600_000;
const AGAIN_MS = 50;

/** As much of a NATS server as a client needs to connect to it. */
class Greeter {
  readonly sockets = new Set<Socket>();
  /** When each connection came, by the monotonic clock. */
  readonly came: number[] = [];
  readonly #server: Server;
  /** Whether it ends a connection at once, as one that starts does. */
  refuses = false;

  constructor() {
    this.#server = createServer((socket) => {
      this.came.push(performance.now());
      if (this.refuses) {
        socket.destroy();
        return;
      }
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
      socket.on("error", () => undefined);
      socket.write(
        'INFO {"server_id":"S","version":"2.12.0","go":"go","host":"127.0.0.1","port":4222,"max_payload":1048576,"proto":1}\r\n',
      );
      socket.on("data", (data) => {
        if (String(data).includes("PING")) socket.write("PONG\r\n");
      });
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.drop();
    this.#server.close();
  }
}

describe("a connection to the cluster's servers that is lost", () => {
  const now = Date.now;
  let greeters: Greeter[];
  let connection: NatsConnection;

  beforeEach(async () => {
    greeters = [new Greeter(), new Greeter()];
    const servers = await Promise.all(greeters.map((greeter) => greeter.listen()));
    connection = await connect({
      servers,
      noRandomize: true,
      ignoreClusterUpdates: true,
      maxReconnectAttempts: -1,
      ...dialing(systemClock),
    });
  });
  afterEach(async () => {
    Date.now = now;
    await connection.close();
    for (const greeter of greeters) greeter.close();
  });
  const back = async (): Promise<void> => {
    for await (const { type } of connection.status()) if (type === "reconnect") return;
  };
  const cameTo = (i: number): number[] => greeters[i]?.came ?? [];

  for (const [what, ahead_ms] of [
    ["back", -HOUR_MS],
    ["forward", HOUR_MS],
  ] as const)
    it(`is made again at once when the wall clock was set ${what} by an hour`, async () => {
      // So that each server has been tried once at the time before.
      const first = back();
      greeters[0]?.drop();
      await first;
      const again = back();
      Date.now = () => now() + ahead_ms;
      greeters[1]?.drop();
      await again;
      expect([cameTo(0).length, cameTo(1).length]).to.deep.equal([2, 1]);
    });

  it("is tried with each server in turn, with at least 50 ms between two attempts at one", async () => {
    const again = back();
    for (const greeter of greeters) greeter.refuses = true;
    greeters[0]?.drop();
    while (cameTo(1).length < 5) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const greeter of greeters) greeter.refuses = false;
    await again;
    const [first, second] = [cameTo(0), cameTo(1)];
    expect(Math.abs(first.length - 1 - second.length)).to.be.at.most(1);
    // On a busy machine one may be seen late, and the next one soon after it.
    for (const came of [first.slice(1), second])
      expect((came.at(-1) ?? 0) - (came[0] ?? 0)).to.be.above(((came.length - 1) * AGAIN_MS) / 2);
  });
});
