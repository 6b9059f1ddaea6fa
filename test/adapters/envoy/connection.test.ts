/** What a barrier asks of a gRPC connection: whether the answers of calls that are over have left. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { GrpcConnection, Over } from "../../../src/http/grpc_connection.js";
import { system } from "../../../src/system/index.js";
import { until } from "../../client/desk.js";

describe("a connection that answers checks", () => {
  let listener: Server;
  let client: Socket;
  let socket: Socket;
  let connection: GrpcConnection;
  const sent: string[] = [];

  beforeEach(async () => {
    sent.length = 0;
    listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const accepted = once(listener, "connection") as Promise<[Socket]>;
    client = connect((listener.address() as AddressInfo).port, "127.0.0.1");
    // Nothing is read of it until somebody asks.
    client.pause();
    [socket] = await accepted;
    connection = new GrpcConnection(socket, system.timers);
  });
  afterEach(() => {
    client.destroy();
    socket.destroy();
    listener.close();
  });

  function begin(name: string): Over {
    const over = new Over();
    connection.begin(over, () => sent.push(name));
    return over;
  }
  const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

  it("has sent an answer once its call is over and nothing waits for the kernel", async () => {
    const over = begin("a");
    await later();
    expect(sent).to.deep.equal([]);
    over.happen();
    await until(() => sent.length === 1, "the answer");
  });

  it("has sent none while the other side takes nothing, and all of them once it has", async () => {
    socket.write(Buffer.alloc(64 * 1024 * 1024));
    for (const over of [begin("a"), begin("b")]) over.happen();
    await later();
    expect(sent).to.deep.equal([]);
    client.resume();
    await until(() => sent.length === 2, "the answers");
    expect(socket.bytesWritten).to.equal(64 * 1024 * 1024);
  });

  it("has sent whatever it had when it closes, since nothing will come any more", async () => {
    begin("a");
    connection.closed();
    expect(sent).to.deep.equal(["a"]);
    await later();
    expect(sent).to.deep.equal(["a"]);
  });
});
