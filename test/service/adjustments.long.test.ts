/** Permissions that adjust while a whole service runs: its profile, facts, floor and records, and people who undo it. */
import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { FLOOD } from "../../src/behavior/adjust.js";
import { Desk, type Json } from "../findings/desk.js";
import { Follower } from "../http/following.js";

const OWN = "read customer/customer-1";
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const codes = ({ decision, reasons }: Answer): string => `${decision} ${reasons.map(({ code }) => code).join()}`;

describe("adjustments of a running service", function () {
  let desk: Desk;
  beforeEach(async () => {
    desk = await Desk.open({}, undefined, 2);
  });
  afterEach(() => desk.close());

  const others = (i: number): string => `read order/X-${i} customer-${i}`;
  const narrowing = async (): Promise<Json> => (await desk.ask("GET", "/agents/support-1/narrowing")).body;

  it("are in force for whatever is handed over next, however many are asked at once", async () => {
    const asked = Array.from({ length: 100 }, (_, i) => desk.decide(others(100 + i)));
    const said = (await Promise.all(asked)).map(codes);
    const flagged = said.filter((one) => one.startsWith("flag"));
    expect(flagged).to.have.length(FLOOD.flags);
    expect(new Set(said.filter((one) => !one.startsWith("flag")))).to.deep.equal(new Set(["deny narrowed_to_task"]));
    expect(codes(await desk.decide(OWN))).to.match(/^allow/);
    expect(codes(await desk.decide(others(500), 2))).to.match(/^flag/);
    expect(await narrowing()).to.deep.include({
      by: "remit",
      reason: "30 flags within a minute",
      purpose: "customer_support",
      lifted: null,
    });
  });

  it("are findings, and seen by whoever watches the service", async () => {
    for (let i = 0; i < FLOOD.flags; i++) await desk.decide(others(100 + i));
    const found = async (): Promise<Json[]> => {
      const { body } = await desk.ask("GET", "/findings?agent=support-1&code=narrowed_by_behavior");
      return (body as { items: Json[] }).items;
    };
    const [finding, ...more] = await found();
    expect(more).to.have.lengthOf(0);
    expect(finding).to.deep.include({ about: "behavior", state: "open", severity: "high", purpose: "customer_support" });
    const metricsNow = async (): Promise<string> => {
      const headers = { authorization: `Bearer ${desk.token("remit:audit")}` };
      return (await fetch(`http://127.0.0.1:${desk.port}/metrics`, { headers })).text();
    };
    const metrics = await metricsNow();
    expect(metrics)
      .to.match(/^remit_agents_narrowed 1$/m)
      .and.to.match(/^remit_agents_suspended 0$/m);
    await desk.ask("PATCH", "/agents/support-2", { status: "suspended", reason: "r" });
    expect(await metricsNow()).to.match(/^remit_agents_suspended 1$/m);
  });

  it("are none where behaviour is turned off", async () => {
    const off = await Desk.open({ behavior: { enabled: false } });
    try {
      const said = await Promise.all(Array.from({ length: 2 * FLOOD.flags }, (_, i) => off.decide(others(100 + i))));
      expect(new Set(said.map(({ decision }) => decision))).to.deep.equal(new Set(["flag"]));
      expect((await off.ask("GET", "/agents/support-1/narrowing")).outcome).to.match(/^404 narrowing_not_found/);
    } finally {
      await off.close();
    }
  });

  it("hold over a restart, are told on /events, stand among the records, and end when a person says so", async () => {
    const follower = await (
      await Follower.follow({ port: desk.port }, { token: desk.token("remit:decide"), query: "?agent=support-1" })
    ).ready();
    for (let i = 0; i < FLOOD.flags; i++) await desk.decide(others(100 + i));
    await follower.until(() => follower.told.includes("agent_narrowed narrowing/support-1"));
    expect(follower.told).to.deep.equal(["agent_narrowed narrowing/support-1?", "agent_narrowed narrowing/support-1"]);
    follower.close();
    await desk.restart();
    expect(codes(await desk.decide(others(500)))).to.equal("deny narrowed_to_task");
    const { body } = await desk.ask("GET", "/decisions?kind=facts&key=narrowing%2Fsupport-1");
    expect((body["items"] as { record: Json }[]).map(({ record }) => [record["caller"], record["change"], record["reason"]])).to.deep.equal(
      [["remit", "agent_narrowed", "30 flags within a minute"]],
    );
    expect((await desk.ask("POST", "/agents/support-1/narrowing/lift", { reason: "the export was ordered" })).outcome).to.equal("200");
    expect(codes(await desk.decide(others(500)))).to.match(/^flag/);
    await desk.restart();
    expect(codes(await desk.decide(others(501)))).to.match(/^flag/);
  });

  it("end by themselves when the agent has been calm for long enough", async () => {
    for (let i = 0; i < FLOOD.flags; i++) await desk.decide(others(100 + i));
    expect(codes(await desk.decide(others(500)))).to.equal("deny narrowed_to_task");
    // Somebody looks while it is still too soon, and when it is time.
    await new Promise((resolve) => setTimeout(resolve, 1200));
    desk.clock.wall_ms += 14 * MINUTE_MS;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect((await narrowing())["lifted"]).to.be.null;
    // The risk that was there fades, and only then it is calm.
    while ((await narrowing())["lifted"] === null) {
      desk.clock.wall_ms += 10 * MINUTE_MS;
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    expect((await narrowing())["lifted"]).to.deep.include({
      by: "remit",
      reason: "risk has been below 40 for 15 min",
    });
    expect(codes(await desk.decide(others(500)))).to.match(/^flag/);
  });

  it("narrow and then stop an agent that goes through customers after days of ordinary work, until a person restores it", async () => {
    const first = desk.clock.wall_ms;
    // From a Tuesday on, but for the weekend.
    for (const day of [0, 1, 2, 3, 6]) {
      for (let ticket = 0; ticket < 24; ticket++) {
        desk.clock.wall_ms = first + day * DAY_MS + ticket * 10 * MINUTE_MS;
        const actions = [
          desk.action("read ticket/TCK-1 customer-1"),
          desk.action(OWN),
          desk.action(`read order/O-${ticket % 6} customer-1`),
        ];
        const { body } = await desk.ask("POST", "/decide/batch", { actions });
        for (const answer of body["answers"] as Answer[]) expect(codes(answer)).to.match(/^allow/);
      }
    }
    const said: string[] = [];
    for (let i = 0; i < 200 && !said.includes("deny agent_suspended"); i++) {
      desk.clock.wall_ms += 500;
      said.push(codes(await desk.decide(`read invoice/I-${i} customer-${100 + i}`)));
    }
    expect(said).to.include("deny narrowed_to_task").and.to.include("deny agent_suspended");
    expect(said.indexOf("deny narrowed_to_task")).to.be.below(said.indexOf("deny agent_suspended"));
    expect(codes(await desk.decide(OWN))).to.equal("deny agent_suspended");
    const restore = { status: "active", reason: "reviewed" };
    expect((await desk.ask("PATCH", "/agents/support-1", restore)).outcome).to.equal("200");
    expect(await narrowing()).to.nested.include({ "lifted.by": "desk-1", "lifted.reason": "reviewed" });
    for (let i = 0; i < 3; i++) {
      desk.clock.wall_ms += 10 * MINUTE_MS;
      expect(codes(await desk.decide(OWN))).to.match(/^allow/);
    }
  });
});
