import { expect } from "chai";
import type { RemitClient } from "../../src/client/index.js";
import { ask } from "../http/asking.js";
import { action, endOf, openDesk, until, type Desk } from "./desk.js";
import { FaultyProxy } from "./faulty_proxy.js";
import { LASTS_MS, nothing, goesOn } from "./held_support.js";

describe("an answer that is kept, and an action that runs on", function () {
  let desk: Desk;
  let proxy: FaultyProxy;
  beforeEach(async () => {
    desk = await openDesk({ answerLastsMs: LASTS_MS });
    proxy = await FaultyProxy.open(desk.service.url);
  });
  afterEach(async () => {
    await desk.close();
    await proxy.close();
  });

  const post = async (path: string, body: object): Promise<void> => {
    const { outcome } = await ask(desk.service, "POST", path, { body });
    if (!outcome.startsWith("20")) throw new Error(`${path}: ${outcome}`);
  };
  const revoke = (scope: object) => post("/revocations", { scope, reason: "incident" });
  const suspend = async (): Promise<void> => {
    const { outcome } = await ask(desk.service, "PATCH", "/agents/a-1", {
      body: { status: "suspended", reason: "incident" },
      headers: { "if-match": `"${String((await ask(desk.service, "GET", "/agents/a-1")).body["revision"])}"` },
    });
    if (!outcome.startsWith("20")) throw new Error(`suspending: ${outcome}`);
  };
  const follower = async (options: object = {}): Promise<RemitClient> => {
    const client = desk.client({ url: proxy.url, ...options });
    await client.ready();
    return client;
  };

  const taken: [what: string, take: () => Promise<void>][] = [
    ["its agent is revoked", () => revoke({ agent: "a-1" })],
    ["its agent is suspended", suspend],
    ["its task is revoked", () => revoke({ task: "T-1" })],
    [
      "its task ends",
      () =>
        desk
          .client()
          .endTask("T-1")
          .then(() => undefined),
    ],
    ["its purpose is revoked", () => revoke({ purpose: "testing" })],
    ["everything is revoked", () => revoke({ everything: true })],
  ];
  for (const [what, take] of taken) {
    it(`is worth nothing once ${what}`, async () => {
      const client = await follower();
      const held = await client.decide(action("note"));
      await take();
      await until(() => held.fault !== null, "the change");
      expect(held.fault).to.equal("answer_dropped");
      expect(await endOf(client.act(held, nothing))).to.equal("answer_dropped");
    });

    it(`is stopped once ${what}`, async () => {
      const client = await follower();
      let signal: AbortSignal | undefined;
      const call = endOf(client.guard(action("note"), (permitted) => ((signal = permitted.signal), goesOn(permitted))));
      await until(() => signal !== undefined, "its start");
      await take();
      expect(await call).to.equal("stopped");
      expect(signal?.aborted).to.equal(true);
    });
  }

  it("is asked about again when its answer runs out, while no changes are heard", async () => {
    await desk.close();
    desk = await openDesk({ answerLastsMs: 1000 });
    proxy.target = desk.service.url;
    const client = desk.client({ url: proxy.url, follow: false });
    const running = endOf(client.guard(action("note"), goesOn));
    await until(() => proxy.genuine.size >= 3, "three questions");
    await revoke({ task: "T-1" });
    expect(await running).to.equal("stopped");
  });
});
