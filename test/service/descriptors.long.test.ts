/** A stranger that keeps connections open until the process may open nothing any more. */
import { createConnection, type Socket } from "node:net";
import { expect } from "chai";
import type { Config } from "../../src/system/config.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { connectionsMax } from "../../src/service/descriptors.js";
import { Child, placeIn, sleep } from "./child.js";

const SOCKETS = 400;
const withFiles = (count: number): string[] => ["sh", "-c", `ulimit -n ${count}; exec "$@"`, "sh"];

describe("a service whose connections would take all file descriptors", function () {
  let child: Child | null = null;
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await child?.kill();
  });

  async function flood(url: string): Promise<void> {
    const { port } = new URL(url);
    for (let i = 0; i < SOCKETS; i++) {
      const socket = createConnection(Number(port), "127.0.0.1");
      socket.on("error", () => undefined);
      sockets.push(socket);
    }
    await sleep(500);
  }

  it("keeps some for what revokes, which is loaded by then, and says how many connections it takes", async () => {
    child = new Child(placeIn(temporaryDirectory()), {}, [], withFiles(256));
    await child.ready();
    expect(child.said).to.match(/"code":"descriptors_few","connections_max":128,"configured":1024,"open_files_max":256/);
    await flood(/"url":"([^"]+)"/.exec(child.said)?.[1] ?? "");
    const { outcome, body } = await child.told("POST", "/revocations", { scope: { everything: true }, reason: "tests" });
    expect([outcome, body["durable"]]).to.deep.equal(["200", true]);
    expect(child.said).not.to.match(/EMFILE/);
  });

  it("doesn't start with next to none, and says how many it needs", async () => {
    child = new Child(placeIn(temporaryDirectory()), {}, [], withFiles(140));
    expect(await child.exit(30_000)).to.equal(1);
    expect(child.said).to.match(/^error: this process may have 140 files open, and a service needs 256 at least\nhint: raise it/m);
  });

  for (const [openFiles, grpc, expected] of [
    [Infinity, undefined, 1024],
    [1152, undefined, 1024],
    [1151, undefined, 1023],
    [1152, 64, 960],
    [144, undefined, 16],
  ] as const)
    it(`takes ${expected} connections of ${openFiles} files${grpc === undefined ? "" : `, beside ${grpc} over gRPC`}`, () => {
      const config = { limits: { connections_max: 1024 }, ...(grpc !== undefined && { envoy: { grpc: { connections_max: grpc } } }) };
      const warned: object[] = [];
      const logger = { warn: (_: string, fields: object) => warned.push(fields) };
      expect(connectionsMax(config as unknown as Config, logger as never, openFiles)).to.equal(expected);
      expect(warned).to.have.lengthOf(expected === 1024 ? 0 : 1);
    });
});
