import { expect } from "chai";
import { RemitClient } from "../../src/client/index.js";
import { outside } from "../../src/client/outside.js";
import { EVERY, ask, withAgent } from "../http/asking.js";
import { GATEWAY, action, deskBundle, endOf, giveTask, hurrying, openDesk, until, type Desk } from "./desk.js";
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
  const follower = async (options: object = {}): Promise<RemitClient> => {
    const client = desk.client({ url: proxy.url, ...options });
    await client.ready();
    return client;
  };

  it("is acted on once", async () => {
    const client = await follower();
    const held = await client.decide(action("note"));
    expect(held.fault).to.equal(null);
    expect(await client.act(held, nothing)).to.equal(1);
    expect(held.fault).to.equal("answer_used");
    expect(await endOf(client.act(held, nothing))).to.equal("answer_used");
    const twice = await client.decide(action("note"));
    const ends = await Promise.all([1, 2].map(() => endOf(client.act(twice, nothing))));
    expect(ends.sort()).to.deep.equal(["answer_used", "ran"]);
  });

  it("is stopped though what runs hears nothing of its signal; its result goes nowhere", async () => {
    const client = await follower();
    let began = false;
    const call = client.guard(action("note"), (_) => ((began = true), new Promise(() => undefined)));
    const end = endOf(call);
    await until(() => began, "its start");
    await revoke({ agent: "a-1" });
    expect(await end).to.equal("stopped");
  });

  it("is worth nothing once another bundle decides, and what runs is asked about again", async () => {
    const client = await follower();
    const held = await client.decide(action("note"));
    const running = endOf(client.guard(action("note"), goesOn));
    const asked = proxy.asked.filter((path) => path.startsWith("/decide")).length;
    const headers = { authorization: `Bearer ${EVERY}`, "content-type": "application/gzip" };
    const body = new Uint8Array(await deskBundle(13, LASTS_MS));
    const response = await fetch(`${desk.service.url}/bundles`, { method: "POST", headers, body });
    expect(response.status, await response.text()).to.be.oneOf([200, 201]);
    await until(() => held.fault !== null, "the change");
    expect(held.fault).to.equal("answer_dropped");
    await until(() => proxy.asked.filter((path) => path.startsWith("/decide")).length > asked, "another question");
    await revoke({ agent: "a-1" });
    expect(await running).to.equal("stopped");
  });

  it("is left alone by what concerns others, and by what widens", async () => {
    const client = await follower();
    await withAgent(desk.service, { id: "a-2" });
    await giveTask(desk.service, "T-2");
    const held = await client.decide(action("note"));
    let aborted = false;
    const running = client.guard(action("note"), async ({ signal }) => {
      await revoke({ agent: "a-2" });
      await revoke({ task: "T-2" });
      await giveTask(desk.service, "T-3");
      aborted = signal.aborted;
      return "done";
    });
    expect(await running).to.equal("done");
    expect(aborted).to.equal(false);
    expect(await client.act(held, nothing)).to.equal(1);
  });

  it("is asked about again for what may concern it, and goes on where it still may", async () => {
    const client = await follower();
    const grant = {
      id: "G-1",
      agent: "a-1",
      entry: { read: "invoice" },
      reason: "r",
      requested_by: "x",
      approved_by: "y",
      expires: new Date(Date.now() + 60_000).toISOString(),
    };
    await post("/grants", grant);
    let finish = (_: string): void => undefined;
    const running = client.guard(action("note"), () => new Promise<string>((resolve) => (finish = resolve)));
    await until(() => proxy.genuine.size === 1, "its question");
    const ended = await ask(desk.service, "PATCH", "/grants/G-1", { body: { ended: true, reason: "r" } });
    expect(ended.outcome).to.equal("200");
    await until(() => proxy.genuine.size >= 2, "another question");
    finish("done");
    expect(await running).to.equal("done");
  });

  it("is worth nothing after its time, since its request was sent", async () => {
    let now = 1000;
    const client = desk.client({ url: proxy.url }, { ...outside, monotonic: () => now });
    await client.ready();
    proxy.fault = () => {
      now += 500;
      return "none";
    };
    const held = await client.decide(action("note"));
    now += LASTS_MS - 501;
    expect(held.fault).to.equal(null);
    now += 1;
    expect(held.fault).to.equal("answer_expired");
    expect(await endOf(client.act(held, nothing))).to.equal("answer_expired");
  });

  it("is worth nothing while no changes are heard, and is again what it was once none was missed", async () => {
    const client = await follower();
    const held = await client.decide(action("note"));
    proxy.events = false;
    proxy.cutStreams();
    await until(() => held.fault !== null, "silence");
    expect(held.fault).to.equal("not_live");
    expect(await endOf(client.act(held, nothing))).to.equal("not_live");
    expect(await endOf(client.guard(action("note"), nothing))).to.equal("ran");
  });

  it("hears what it missed while it heard nothing, by the last event's id", async () => {
    const client = await follower();
    await giveTask(desk.service, "T-2");
    const held = await client.decide(action("note"));
    proxy.events = false;
    proxy.cutStreams();
    await until(() => held.fault === "not_live", "silence");
    await revoke({ task: "T-1" });
    proxy.events = true;
    await client.ready({ deadline_ms: 10_000 });
    expect(held.fault).to.be.oneOf(["answer_dropped", "answer_expired"]);
  });

  it("is stopped where nobody answers when it is asked about again", async () => {
    await desk.close();
    desk = await openDesk({ answerLastsMs: 1000 });
    proxy.target = desk.service.url;
    const is = { hurried: false };
    const client = desk.client({ url: proxy.url, follow: false }, hurrying(is));
    const running = client.guard(action("note"), (permitted) => {
      proxy.fault = () => "hang";
      is.hurried = true;
      return goesOn(permitted);
    });
    expect(await endOf(running)).to.equal("stopped");
  });

  it("is asked about again after people took their time, and they aren't asked twice", async () => {
    let now = 1000;
    const client = desk.client({}, { ...outside, monotonic: () => now });
    await client.ready();
    let confirmed = 0;
    const confirm = (): boolean => {
      confirmed++;
      now += LASTS_MS;
      return true;
    };
    expect(await endOf(client.guard(action("letter"), nothing, { confirm }))).to.equal("ran");
    expect(confirmed).to.equal(1);
  });

  it("isn't begun where it was revoked while people took their time", async () => {
    const client = await follower();
    const confirm = async (): Promise<boolean> => {
      await revoke({ task: "T-1" });
      return true;
    };
    let runs = 0;
    expect(await endOf(client.guard(action("letter"), (_) => runs++, { confirm }))).to.equal("denied");
    expect(runs).to.equal(0);
  });

  it("lasts as long as it does by the monotonic clock, to the millisecond, whatever the time of day", async () => {
    let now = 1000;
    const client = new RemitClient({ url: desk.service.url, token: GATEWAY, follow: true }, { ...outside, monotonic: () => now });
    try {
      await client.ready();
      const [first, second] = [await client.decide(action("note")), await client.decide(action("note"))];
      now += first.answer.valid_for_ms - 1;
      expect(await endOf(client.act(first, nothing))).to.equal("ran");
      now += 1;
      expect(await endOf(client.act(second, nothing))).to.equal("answer_expired");
    } finally {
      await client.close();
    }
  });
});
