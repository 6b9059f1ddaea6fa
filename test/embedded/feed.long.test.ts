import { expect } from "chai";
import { outside } from "../../src/client/outside.js";
import { readTransport } from "../../src/client/options.js";
import { Transport } from "../../src/client/transport.js";
import { compileGrantEntry } from "../../src/bundle/grant_entry.js";
import { Feed } from "../../src/embedded/feed.js";
import { exportFacts } from "../../src/facts/export.js";
import { system } from "../../src/system/index.js";
import { ask, inAnHour } from "../http/asking.js";
import { tokenFor } from "../http/running.js";
import { APP_TOKEN, beside, until, type Beside } from "./desk.js";

describe("facts that follow a service's", function () {
  let world: Beside;
  const feeds: Feed[] = [];
  before(async () => {
    world = await beside();
  });
  after(async () => {
    for (const feed of feeds) feed.close();
    await world.close();
  });

  const follow = (url: string): Feed => {
    const carrier = new Transport(readTransport({ url, token: APP_TOKEN }), outside);
    const events = {
      live: () => undefined,
      silent: () => undefined,
      refused: (detail: string) => world.said.push(detail),
    };
    const feed = new Feed(
      carrier,
      outside,
      system,
      () => null,
      compileGrantEntry,
      { age_ms_max: 2000, behind_ms_max: 60_000, head_ms: 2000 },
      () => null,
      events,
    );
    feeds.push(feed);
    feed.start();
    return feed;
  };
  const inService = async (): Promise<string[]> => (await ask(world.service, "GET", "/facts/export")).text.trimEnd().split("\n").sort();
  const inFeed = (feed: Feed): string[] => [...exportFacts(feed.registry, system.clock.wall())].map((line) => JSON.stringify(line)).sort();

  /** One of each kind of change, over and over. */
  async function change(i: number): Promise<void> {
    const agent = `f-${i}`;
    const said: [method: string, path: string, body: object][] = [
      ["POST", "/agents", { id: agent, owner: "tests", purposes: ["testing"] }],
      ["POST", "/tasks", { id: `FT-${i}`, agent, purpose: "testing", subjects: {}, expires: inAnHour() }],
      [
        "POST",
        "/grants",
        {
          id: `FG-${i}`,
          agent,
          entry: { read: "note", about: "any" },
          expires: inAnHour(),
          reason: "r",
          requested_by: "a",
          approved_by: "b",
        },
      ],
      ["POST", "/revocations", { scope: i % 2 === 0 ? { task: `FT-${i}` } : { agent }, reason: "r" }],
      ...(i % 3 === 0 ? [["PATCH", `/agents/${agent}`, { status: "suspended", reason: "r" }] as [string, string, object]] : []),
      ...(i % 4 === 0 ? [["POST", `/revocations/task/FT-${i}/lift`, { reason: "r" }] as [string, string, object]] : []),
    ];
    for (const [method, path, body] of said) {
      const { outcome } = await ask(world.service, method, path, { body });
      expect(outcome, path).to.match(/^20/);
    }
  }

  it("are the same, whether they were followed from the beginning, taken whole in the middle, or over a connection that breaks", async () => {
    const first = follow(world.wire.url);
    const steady = follow(world.service.url);
    const later: Feed[] = [];
    for (let i = 0; i < 60; i++) {
      await change(i);
      if (i % 7 === 0) world.wire.break();
      if (i % 20 === 10) later.push(follow(world.service.url));
    }
    const revision = Number((await ask(world.service, "GET", "/agents/f-0")).body["facts_revision"]);
    const wanted = await inService();
    const feeds = [first, steady, ...later];
    for (const feed of feeds) await until(() => feed.live && feed.registry.revision === revision, `revision ${revision}`);
    for (const feed of feeds) {
      expect(inFeed(feed)).to.deep.equal(wanted);
      expect(feed.registry.dump()).to.deep.equal(steady.registry.dump());
    }
    expect(world.said, "nothing was refused").to.deep.equal([]);
  });

  it("are told to nobody without the scope, and with it say who asks", async () => {
    for (const scope of ["remit:decide", "remit:audit", "remit:register"]) {
      const { outcome } = await ask(world.service, "GET", "/events?values=true", { token: tokenFor(scope, "app-1") });
      expect(outcome).to.equal("403 scope_missing authorization");
    }
    const feed = follow(world.service.url);
    await until(() => feed.live, "the feed");
    expect(feed.caller?.id).to.equal("app-1");
  });
});
