import { expect } from "chai";
import type { ApprovalList, Finding } from "../../src/contract/index.js";
import { OTHERS_INVOICE } from "../findings/service_support.js";
import { ConsoleDesk, PERSON, type SignedIn } from "./running.js";

const REVIEWER = { local: { person: "bea@example.com", scopes: ["remit:review"] } };

describe("what the console passes on", function () {
  let desk: ConsoleDesk;
  let ada: SignedIn;
  before(async () => {
    desk = await ConsoleDesk.open();
    ada = await desk.signIn();
  });
  after(() => desk.close());

  const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

  it("is asked under the person's own name, with the scopes that the route needs and no other", async () => {
    await desk.desk.decide("read invoice/I-1 customer-1");
    expect(json((await ada.service("/decisions?agent=support-1")).text)["items"]).to.have.lengthOf(1);
    const answer = await ada.service("/agents/support-1");
    expect(answer.status).to.equal(200);
    expect(answer.headers)
      .to.include({ "cache-control": "no-store" })
      .and.property("etag")
      .match(/^"\d+"$/);
    await ada.send("/agents/support-1/narrowing", { reason: "looks odd" });
    const { body } = await desk.desk.ask("GET", "/agents/support-1/narrowing");
    expect(body).to.include({ by: `console:${PERSON}`, reason: "looks odd" });
  });

  it("lets the one approve who looked, and shows what became of it", async () => {
    const answer = await desk.desk.decide(OTHERS_INVOICE, 2);
    const list = json((await ada.service("/approvals?state=waiting")).text) as unknown as ApprovalList;
    const [item] = list.items;
    expect(item?.action.decision_id).to.equal(answer.decision_id);
    expect(item?.refusal).to.equal(null);
    const approved = await ada.send(`/findings/${item?.finding ?? ""}/approvals`, { reason: "ticket 12", decision: answer.decision_id });
    expect(approved.status).to.equal(201);
    expect((await desk.desk.decide(OTHERS_INVOICE, 2)).proceed).to.equal(true);
  });

  it("judges a finding only at the state that was seen", async () => {
    const answer = await desk.desk.decide("read order/O-9 customer-9", 3);
    const path = `/findings/${answer.finding ?? ""}`;
    const shown = await ada.service(path);
    const etag = shown.headers.etag ?? "";
    const finding = json(shown.text) as unknown as Finding;
    const body = { state: "expected", reason: "fine", seen: finding.actions.all };
    expect((await ada.send(path, body)).code).to.equal("revision_required");
    expect((await ada.send(path, { ...body, seen: finding.actions.all + 1 }, { headers: { "if-match": etag } })).code).to.equal(
      "revision_stale",
    );
    await desk.desk.decide("read order/O-8 customer-9", 3);
    expect((await ada.send(path, body, { headers: { "if-match": etag } })).code).to.equal("revision_stale");
  });

  it("keeps the service's refusals as they are, as JSON", async () => {
    const answer = await ada.service("/agents/nobody");
    expect(answer).to.include({ status: 404, code: "agent_not_found" });
    expect(answer.headers["content-type"]).to.equal("application/problem+json");
    expect((await ada.service("/metrics")).headers["content-type"]).to.equal("text/plain; charset=utf-8");
  });

  it("opens nothing that the person's scopes don't", async () => {
    const other = await ConsoleDesk.open(REVIEWER);
    try {
      const bea = await other.signIn();
      const scoped: [method: string, path: string, body: object | null][] = [
        ["GET", "/decisions", null],
        ["GET", "/agents", null],
        ["GET", "/bundles", null],
        ["GET", "/facts/events", null],
        ["POST", "/explain", { decision_id: "x" }],
        ["POST", "/revocations", { scope: { agent: "support-1" }, reason: "x" }],
        ["POST", "/revocations/everything/lift", { reason: "x" }],
        ["POST", "/agents/support-1/narrowing", { reason: "x" }],
        ["PATCH", "/agents/support-1", { status: "suspended", reason: "x" }],
      ];
      for (const [method, path, body] of scoped) {
        const answer = body === null ? await bea.service(path) : await bea.send(path, body, { method });
        expect(answer.code, path).to.equal("scope_missing");
      }
      expect((await bea.service("/findings")).status).to.equal(200);
      const { text } = await bea.get("/api/me");
      expect(json(text)).to.deep.include({ person: "bea@example.com", scopes: ["remit:review"] });
    } finally {
      await other.close();
    }
  });

  it("asks the service for no scope beyond those that its issuer may give", async () => {
    const config = { local: { person: PERSON, scopes: ["remit:admin", "remit:audit"] } };
    const other = await ConsoleDesk.open(config);
    try {
      const one = await other.signIn();
      expect((await one.service("/facts/events")).status).to.equal(200);
      expect((await one.send("/facts/import", {})).code).to.equal("not_found");
    } finally {
      await other.close();
    }
  });

  it("signs out whoever the service cuts off", async () => {
    const other = await ConsoleDesk.open();
    try {
      const one = await other.signIn();
      const token = other.desk.token("remit:revoke", "desk-2");
      await other.desk.ask("POST", "/revocations", { scope: { caller: `console:${PERSON}` }, reason: "left" }, { token });
      // The console hears of it as well: the service's answer and the end of the session race.
      expect((await one.service("/agents")).code).to.be.oneOf(["caller_cut_off", "session_missing"]);
      expect((await one.get("/api/me")).code).to.equal("session_missing");
    } finally {
      await other.close();
    }
  });

  it("says that the service doesn't answer, and goes on when it does", async () => {
    const other = await ConsoleDesk.open();
    try {
      const one = await other.signIn();
      await other.desk.service.stop();
      expect((await one.service("/agents")).code).to.equal("service_unreachable");
      expect((await one.get("/api/me")).status).to.equal(200);
    } finally {
      await other.running.stop();
    }
  });

  it("announces a new address to the terminal when somebody looks for one, and one at a time", async () => {
    const other = await ConsoleDesk.open();
    try {
      await other.ask("/");
      await other.ask("/live");
      expect(other.announced).to.have.lengthOf(1);
      const { pathname, search } = new URL(other.announced[0] ?? "");
      expect((await other.ask(`${pathname}${search}`)).status).to.equal(303);
    } finally {
      await other.close();
    }
  });
});
