import { expect } from "chai";
import type { AgentProfile, Answer, ApprovalList } from "../../src/contract/index.js";
import { Desk } from "./desk.js";
import { OTHERS_INVOICE } from "./service_support.js";

describe("the list of what waits", function () {
  let desk: Desk;
  before(async () => {
    desk = await Desk.open({}, undefined, 3);
  });
  after(() => desk.close());

  const ada = (): { token: string } => ({ token: desk.token("remit:review", "ada@example.com") });
  const list = async (query = "", token = ada().token): Promise<ApprovalList> =>
    (await desk.ask("GET", `/approvals${query}`, undefined, { token })).body as unknown as ApprovalList;

  it("has each action that waits, over all findings, the most urgent first, and what became of it", async () => {
    const first = await desk.decide(OTHERS_INVOICE);
    desk.clock.wall_ms += 1000;
    const second = await desk.decide(OTHERS_INVOICE, 2);
    const both = (await list("?state=waiting")).items;
    expect(both.map(({ action }) => action.decision_id)).to.deep.equal([first.decision_id, second.decision_id]);
    expect(both[0]).to.include({
      state: "waiting",
      finding: first.finding,
      agent: "support-1",
      severity: "high",
      grant: null,
      refusal: null,
    });
    const asked = { reason: "asked for", decision: first.decision_id };
    const { body } = await desk.ask("POST", `/findings/${first.finding ?? ""}/approvals`, asked, ada());
    const approved = (await list()).items.find(({ action }) => action.decision_id === first.decision_id);
    expect(approved).to.include({ state: "approved", grant: (body as { id: string }).id });
    expect(approved?.given.map(({ reason }) => reason)).to.deep.equal(["asked for"]);
    expect((await list("?state=waiting")).items.map(({ agent }) => agent)).to.deep.equal(["support-2"]);
    const again: Answer = await desk.decide(OTHERS_INVOICE);
    expect(again.proceed).to.equal(true);
    expect((await list("?agent=support-1")).items.map(({ state }) => state)).to.deep.equal(["used"]);
  });

  it("tells who may not approve what is missing, and shows a stranger nothing", async () => {
    const reader = await list("?state=waiting", desk.token("remit:audit", "auditor"));
    expect(reader.items.map(({ refusal }) => refusal)).to.deep.equal(["a caller with the scope `remit:review`"]);
    const asker = await list("?state=waiting", desk.token("remit:review", "desk-1"));
    expect(asker.items.map(({ refusal }) => refusal)).to.deep.equal([
      "neither the caller that asked, nor the agent, nor the person it is for",
    ]);
    for (const scope of ["remit:decide", "remit:register remit:revoke", "remit:publish"])
      expect((await desk.ask("GET", "/approvals", undefined, { token: desk.token(scope, "other") })).outcome).to.equal(
        "403 scope_missing authorization",
      );
    for (const query of ["?state=gone", "?limit=0", "?cursor=x", "?state=waiting&state=used"])
      expect((await desk.ask("GET", `/approvals${query}`)).status, query).to.equal(400);
  });

  it("no longer has what belongs to a misuse as waiting", async () => {
    const [one] = (await list("?state=waiting")).items;
    const judged = await desk.ask(
      "POST",
      `/findings/${one?.finding ?? ""}`,
      { state: "misuse", reason: "tricked" },
      { ...ada(), headers: { "if-match": '"0"' } },
    );
    expect(judged.outcome).to.equal("200");
    expect((await list("?state=waiting")).items).to.deep.equal([]);
    expect((await list("?agent=support-2")).items.map(({ state }) => state)).to.deep.equal(["refused"]);
  });

  it("stands beside what is usual for an agent", async () => {
    const of = async (agent: string, token?: string) =>
      desk.ask("GET", `/agents/${agent}/profile`, undefined, token === undefined ? {} : { token });
    expect((await desk.decide("read invoice/I-1 customer-1")).decision).to.equal("allow");
    const { body } = await of("support-1");
    const { profile, risk, agent } = body as unknown as AgentProfile;
    expect(agent).to.equal("support-1");
    expect(risk).to.be.within(0, 100);
    expect(profile?.hours).to.have.lengthOf(24);
    expect(profile?.habits.map(({ verb, type }) => `${verb} ${type}`)).to.include("read invoice");
    expect((await of("support-3")).body).to.deep.equal({ agent: "support-3", risk: 0, profile: null });
    expect((await of("nobody")).outcome).to.equal("404 agent_not_found");
    expect((await of("support-1", desk.token("remit:decide", "gateway-2"))).outcome).to.equal("403 scope_missing authorization");
  });
});
