/** An identity provider that fails before people sign in to the console: how often it is asked. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { Oidc } from "../../src/console/oidc.js";
import { ConsoleProblem } from "../../src/console/problems.js";
import { system } from "../../src/system/index.js";

describe("an identity provider's metadata", () => {
  let server: Server;
  let issuer: string;
  let asked = 0;
  let isDown = false;
  let ahead_ms = 0;
  let oidc: Oidc;
  before(async () => {
    server = createServer((_, response) => {
      asked++;
      const metadata = { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` };
      response.writeHead(isDown ? 503 : 200, { "content-type": "application/json" }).end(JSON.stringify(metadata));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    [asked, ahead_ms, isDown] = [0, 0, true];
    // A clock that stands still but for the test.
    const clock = { wall: () => 1_700_000_000_000 + ahead_ms, monotonic: () => ahead_ms };
    const config = { issuer, client_id: "c", person_claim: "sub", groups_claim: "groups", groups: {} };
    oidc = new Oidc(config, "http://127.0.0.1:1", { ...system, clock });
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const begin = (): Promise<string> =>
    oidc.begin("/", false).then(
      () => "begun",
      (cause: unknown) => (cause instanceof ConsoleProblem ? cause.code : String(cause)),
    );

  it("is asked for once after a failure, and again after a rest that doubles, thirty seconds at most", async () => {
    for (const rest_ms of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      const before = asked;
      expect(await begin()).to.equal("login_refused");
      for (let i = 0; i < 20; i++) expect(await begin()).to.equal("login_refused");
      expect(asked - before, `before a rest of ${rest_ms} ms`).to.equal(1);
      ahead_ms += rest_ms - 1;
      expect(await begin()).to.equal("login_refused");
      expect(asked - before, `just before the end of ${rest_ms} ms`).to.equal(1);
      ahead_ms += 1;
    }
    isDown = false;
    expect([await begin(), await begin()]).to.deep.equal(["begun", "begun"]);
    expect(asked).to.equal(8);
  });

  it("is asked for once by many who sign in at the same time", async () => {
    isDown = false;
    expect(await Promise.all(Array.from({ length: 20 }, begin))).to.deep.equal(Array(20).fill("begun"));
    expect(asked).to.equal(1);
  });
});
