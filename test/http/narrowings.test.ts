import { expect } from "chai";
import { ask, decided, inAnHour, runWithFacts, withAgent, type Json, type Told } from "./asking.js";
import { Follower } from "./following.js";
import { tokenFor, type Running } from "./running.js";

const own = { task: "T-1", resource: { type: "note", id: "n-1", attributes: { customer: "ada" } } };
const others = { task: "T-1", resource: { type: "note", id: "n-2", attributes: { customer: "bob" } } };
const unsaid = { task: "T-1", resource: { type: "note", id: "n-3", attributes: {} } };

describe("narrowings over HTTP", () => {
  let service: Running;
  beforeEach(async () => {
    service = await runWithFacts();
    await withAgent(service, { delegates: ["testing"] });
    await withAgent(service, { id: "a-2" });
    await given("T-1");
  });
  afterEach(() => service.stop());

  const asked = (method: string, path: string, body?: unknown, token?: string): Promise<Told> =>
    ask(service, method, path, { ...(body !== undefined && { body }), ...(token !== undefined && { token }) });
  const given = (id: string, changes: object = {}): Promise<Told> =>
    asked("POST", "/tasks", { id, agent: "a-1", purpose: "testing", subjects: { customer: ["ada"] }, expires: inAnHour(), ...changes });
  const narrow = (changes: object = {}, agent = "a-1"): Promise<Told> =>
    asked("POST", `/agents/${agent}/narrowing`, { reason: "incident 12", ...changes });
  const widen = (): Promise<Told> => asked("POST", "/agents/a-1/narrowing/lift", { reason: "looked at" });

  it("leave an agent with reading what its task is about, from the answer on, until they are lifted", async () => {
    expect(await decided(service, others)).to.equal("allow permitted");
    const { body } = await narrow();
    expect(body).to.include({ agent: "a-1", actions_per_minute: 10, by: "gateway-1", in_force: "node", durable: true, told: 0 });
    expect(body["waited_ms"]).to.be.a("number");
    const told = await asked("POST", "/decide", { agent: "a-1", purpose: "testing", verb: "read", ...others });
    expect(told.body).to.nested.include({
      decision: "deny",
      "reasons[0].code": "narrowed_to_task",
      "reasons[0].message": "agent a-1 is narrowed to what its task is about, and nothing says that of note n-2",
      tell_agent: "You are not permitted to do this for now: only to read what your task is about, and not too often.",
    });
    expect(told.body["facts_revision"]).to.be.at.least(body["revision"] as number);
    expect(await decided(service, own)).to.equal("allow permitted");
    expect(await decided(service, unsaid)).to.equal("deny narrowed_to_task");
    expect(await decided(service, { resource: own.resource })).to.equal("deny narrowed_to_task");
    expect(await decided(service, { ...others, task: undefined, agent: "a-2" })).to.equal("allow permitted");
    expect((await widen()).body).to.nested.include({ "lifted.by": "gateway-1", "lifted.reason": "looked at" });
    expect(await decided(service, others)).to.equal("allow permitted");
  });

  it("leave so many actions a minute, which what isn't permitted doesn't use up", async () => {
    await narrow({ actions_per_minute: 2 });
    for (let i = 0; i < 5; i++) expect(await decided(service, others)).to.equal("deny narrowed_to_task");
    const found = await Promise.all(Array.from({ length: 8 }, () => decided(service, own)));
    expect(found.sort()).to.deep.equal([
      ...Array.from({ length: 2 }, () => "allow permitted"),
      ...Array.from({ length: 6 }, () => "deny narrowed_rate"),
    ]);
    const { body } = await asked("POST", "/decide", { agent: "a-1", purpose: "testing", verb: "read", ...own });
    expect(body).to.nested.include({ "reasons[0].message": "agent a-1 is narrowed to 2 actions a minute", "reasons[0].params.limit": 2 });
  });

  it("hold for each action of a batch", async () => {
    await narrow({ actions_per_minute: 2 });
    const action = { agent: "a-1", purpose: "testing", verb: "read" };
    const actions = [own, others, own, own].map((one) => ({ ...action, ...one }));
    const { body } = await asked("POST", "/decide/batch", { actions });
    const codes = (body["answers"] as { reasons: { code: string }[] }[]).map(({ reasons }) => reasons[0]?.code);
    expect(codes).to.deep.equal(["permitted", "narrowed_to_task", "permitted", "narrowed_rate"]);
  });

  it("narrow what is done on the agent's behalf, at whatever level, and count it", async () => {
    const expires = new Date(Date.now() + 60_000).toISOString();
    expect((await given("T-2", { agent: "a-2", parent: "T-1", expires })).outcome).to.equal("201");
    const handedOn = { agent: "a-2", task: "T-2", resource: own.resource };
    expect(await decided(service, handedOn)).to.equal("allow permitted,permitted");
    await narrow({ actions_per_minute: 1 });
    expect(await decided(service, { ...handedOn, resource: others.resource })).to.equal("deny narrowed_to_task");
    expect(await decided(service, handedOn)).to.match(/^allow permitted/);
    expect(await decided(service, handedOn)).to.equal("deny narrowed_rate");
    expect(await decided(service, own)).to.equal("deny narrowed_rate");
  });

  it("are told to those whom they concern, twice, and their end once", async () => {
    const mine = await (await Follower.follow(service, { query: "?agent=a-1" })).ready();
    const theirs = await (await Follower.follow(service, { query: "?agent=a-2" })).ready();
    await narrow();
    await widen();
    await asked("PATCH", "/agents/a-2", { status: "suspended", reason: "x" });
    await theirs.until(() => theirs.told.includes("agent_suspended agent/a-2"));
    await mine.until(() => mine.told.includes("agent_widened narrowing/a-1"));
    expect(mine.told).to.deep.equal(["agent_narrowed narrowing/a-1?", "agent_narrowed narrowing/a-1", "agent_widened narrowing/a-1"]);
    expect(mine.changes.map(({ narrows, scope, of, agent }) => [narrows, scope, of, agent])).to.deep.equal([
      [true, "agent", "a-1", "a-1"],
      [true, "agent", "a-1", "a-1"],
      [false, "agent", "a-1", "a-1"],
    ]);
    expect(theirs.told).not.to.include("agent_narrowed narrowing/a-1");
    for (const follower of [mine, theirs]) follower.close();
  });

  it("are listed, each with who and why, for those who may see the agent", async () => {
    await narrow();
    await narrow({ reason: "incident 13" }, "a-2");
    await widen();
    const list = async (query: string, token?: string): Promise<unknown[]> =>
      ((await asked("GET", `/narrowings${query}`, undefined, token)).body["items"] as Json[]).map(({ agent }) => agent);
    expect([await list(""), await list("?in_force=true"), await list("?in_force=false")]).to.deep.equal([["a-1", "a-2"], ["a-2"], ["a-1"]]);
    expect(await list("?limit=1", tokenFor("remit:audit"))).to.deep.equal(["a-1"]);
    const { headers, body } = await asked("GET", "/agents/a-2/narrowing");
    expect(headers.get("etag")).to.equal(`"${String(body["revision"])}"`);
    expect(body).to.include({ reason: "incident 13", lifted: null, purpose: null });
    const { items } = (await asked("GET", "/facts/events?key=narrowing%2Fa-1")).body as { items: Json[] };
    expect(items.map(({ change, by, reason }) => [change, by, reason])).to.deep.equal([
      ["agent_narrowed", "gateway-1", "incident 12"],
      ["agent_widened", "gateway-1", "looked at"],
    ]);
  });
});
