import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Answer, Finding, FindingPage, ShownFinding } from "../../src/contract/index.js";
import { Receiver, status } from "../audit/export/receiver.js";
import { Follower } from "../http/following.js";
import { ALL, Desk, type Json } from "./desk.js";
import { OTHERS_INVOICE } from "./service_support.js";

describe("findings of a running service", function () {
  let desk: Desk;
  let answer: Answer;
  let id: string;
  before(async () => {
    desk = await Desk.open({}, undefined, 3);
    answer = await desk.decide(OTHERS_INVOICE);
    id = answer.finding ?? "";
  });
  after(() => desk.close());

  const list = async (query = "", token?: string): Promise<FindingPage> =>
    (await desk.ask("GET", `/findings${query}`, undefined, token === undefined ? {} : { token })).body as unknown as FindingPage;

  it("are there as soon as the answer is that names them, with the action that led to it", async () => {
    expect(id).to.equal(`F-${answer.decision_id}`);
    const { body, headers } = await desk.ask("GET", `/findings/${id}`);
    const shown = body as unknown as ShownFinding;
    expect(shown).to.deep.include({
      id,
      agent: "support-1",
      purpose: "customer_support",
      state: "open",
      severity: "high",
      code: "unrelated_financials",
    });
    expect(shown.timeline.map(({ record }) => (record as { answer?: Answer }).answer?.decision_id)).to.deep.equal([answer.decision_id]);
    expect(shown.waiting.map(({ action_digest }) => action_digest)).to.deep.equal([answer.action_digest]);
    expect(headers.get("etag")).to.equal('"0"');
  });

  it("are one for what is flagged again and again, whichever way it is asked for", async () => {
    const { body } = await desk.ask("POST", "/decide/batch", {
      actions: Array.from({ length: 20 }, (_, i) => desk.action(`read invoice/I-${100 + i} customer-9`)),
    });
    const answers = (body as unknown as { answers: Answer[] }).answers;
    expect(new Set(answers.map(({ finding }) => finding))).to.deep.equal(new Set([id]));
    expect((await desk.finding(id)).actions.flag).to.equal(21);
  });

  it("are found by agent, purpose, state, severity, code and time, in pages", async () => {
    await desk.decide(OTHERS_INVOICE, 2);
    await desk.decide("read order/O-9 customer-9", 3);
    const agents = async (query: string): Promise<unknown[]> => (await list(query)).items.map(({ agent }) => agent);
    expect(await agents("")).to.deep.equal(["support-3", "support-2", "support-1"]);
    expect(await agents("?agent=support-2")).to.deep.equal(["support-2"]);
    expect(await agents("?severity=high")).to.deep.equal(["support-2", "support-1"]);
    expect(await agents("?code=other_customer")).to.deep.equal(["support-3"]);
    expect(await agents("?purpose=retail")).to.deep.equal([]);
    expect(await agents("?state=open&since=2027-03-02T00:00:00Z")).to.have.lengthOf(3);
    expect(await agents("?since=2027-03-03T00:00:00Z")).to.deep.equal([]);
    const first = await list("?limit=2");
    const second = await list(`?limit=2&cursor=${first.next ?? ""}`);
    expect([...first.items, ...second.items].map(({ agent }) => agent)).to.deep.equal(await agents(""));
    expect(second.next).to.equal(null);
  });

  const garbage: [method: string, path: string, body: unknown, outcome: string][] = [
    ["GET", "/findings?state=closed", undefined, "400 parameter_invalid state"],
    ["GET", "/findings?severity=bad", undefined, "400 parameter_invalid severity"],
    ["GET", "/findings?since=yesterday", undefined, "400 parameter_invalid since"],
    ["GET", "/findings?cursor=x", undefined, "400 parameter_invalid cursor"],
    ["GET", "/findings?colour=red", undefined, "400 parameter_unknown colour"],
    ["GET", "/findings?limit=0", undefined, "400 parameter_invalid limit"],
    ["GET", "/findings/F-1", undefined, "404 finding_not_found"],
    ["GET", "/findings/F-0190a5e4-7c1a-7000-8000-000000000001", undefined, "404 finding_not_found"],
    ["GET", "/findings/..%2f..%2fetc", undefined, "404 finding_not_found"],
    ["GET", "/findings/stream?after=7", undefined, "400 parameter_invalid after"],
    ["POST", "/findings/F-1", { state: "misuse", reason: "r" }, "404 finding_not_found"],
    ["POST", "/findings/ID", "", "400 body_empty"],
    ["POST", "/findings/ID", "{", "400 json_invalid"],
    ["POST", "/findings/ID", '{"state":"misuse","state":"expected","reason":"r"}', "400 json_duplicate_key /state"],
    ["POST", "/findings/ID", { state: "misuse" }, "400 field_missing /reason"],
    ["POST", "/findings/ID", { state: "misuse", reason: "" }, "400 field_invalid /reason"],
    ["POST", "/findings/ID", { state: "misuse", reason: "x".repeat(513) }, "400 field_invalid /reason"],
    ["POST", "/findings/ID", { state: "closed", reason: "r" }, "400 field_invalid /state"],
    ["POST", "/findings/ID", { state: "misuse", reason: "r", by: "me" }, "400 field_unknown /by"],
    ["POST", "/findings/ID", { state: "misuse", reason: "r", keep_out: "shoot" }, "400 field_invalid /keep_out"],
    ["POST", "/findings/ID", { state: "expected", reason: "r", keep_out: "suspend" }, "400 field_invalid /keep_out"],
    ["POST", "/findings/ID", { state: "misuse", reason: "r" }, "428 revision_required"],
    ["POST", "/findings/ID/approvals", {}, "400 field_missing /reason"],
    ["POST", "/findings/ID/approvals", { reason: "r" }, "400 field_missing /decision"],
    ["POST", "/findings/ID/approvals", { reason: "r", decision: 7 }, "400 field_type /decision"],
    ["POST", "/findings/ID/approvals", { reason: "r", decision: "none" }, "409 approval_none /decision"],
    ["DELETE", "/findings/ID", undefined, "405 method_not_allowed"],
  ];
  for (const [method, path, body, outcome] of garbage) {
    it(`refuse ${method} ${path} ${JSON.stringify(body ?? "").slice(0, 60)}: ${outcome}`, async () => {
      expect((await desk.ask(method, path.replace("ID", id), body)).outcome).to.equal(outcome);
    });
  }

  it("take `If-Match` as it is, or not at all", async () => {
    const tagged = async (tag: string): Promise<string> =>
      (await desk.ask("POST", `/findings/${id}`, { state: "misuse", reason: "r" }, { headers: { "if-match": tag } })).outcome;
    expect(await tagged('"9"')).to.equal("412 revision_stale");
    expect(await tagged("0")).to.equal("400 if_match_invalid if-match");
    expect(await tagged("*")).to.equal("428 revision_required");
  });

  it("are read by who audits or reviews, and judged by who reviews alone", async () => {
    const asked = async (method: string, path: string, scope: string, body?: object): Promise<string> =>
      (await desk.ask(method, path, body, { token: desk.token(scope), headers: { "if-match": '"0"' } })).outcome;
    const judge = { state: "in_review", reason: "r" };
    const scopes: [scope: string, reads: number, judges: string][] = [
      ["remit:audit", 200, "403 scope_missing authorization"],
      ["remit:decide remit:observe remit:register remit:revoke remit:publish remit:admin", 403, "403 scope_missing authorization"],
      ["remit:review", 200, "200"],
    ];
    for (const [scope, reads, judges] of scopes) {
      expect(Number((await asked("GET", "/findings", scope)).slice(0, 3)), scope).to.equal(reads);
      expect(Number((await asked("GET", `/findings/${id}`, scope)).slice(0, 3)), scope).to.equal(reads);
      expect(await asked("POST", `/findings/${id}`, scope, judge), scope).to.equal(judges);
      if (reads === 403) expect(await asked("GET", "/findings/stream", scope), scope).to.equal(judges);
      if (judges !== "200") expect(await asked("POST", `/findings/${id}/approvals`, scope, { reason: "r" })).to.equal(judges);
    }
    expect((await desk.ask("GET", "/findings", undefined, { token: "" })).outcome).to.match(/^401 token_missing/);
    const { outcome } = await desk.judge(id, { state: "misuse", keep_out: "revoke" }, undefined, desk.token("remit:review"));
    expect(outcome).to.equal("403 scope_missing authorization");
  });

  it("are judged by who may speak for the agent, whoever else may read them", async () => {
    const callers = { "desk-1": { purposes: ["customer_support"] }, elsewhere: { purposes: ["another"] } };
    const other = await Desk.open({ callers });
    try {
      const { finding = "", decision_id } = await other.decide("read invoice/I-9 customer-9");
      const token = other.token("remit:audit remit:review", "elsewhere");
      const refused = "403 agent_not_permitted";
      expect((await other.ask("GET", `/findings/${finding}`, undefined, { token })).outcome).to.equal("200");
      for (const asked of [{ state: "in_review" }, { state: "misuse" }, { state: "policy_gap" }, { state: "expected", seen: 1 }])
        expect((await other.judge(finding, asked, 0, token)).outcome, asked.state).to.equal(refused);
      const approve = { reason: "r", decision: decision_id };
      expect((await other.ask("POST", `/findings/${finding}/approvals`, approve, { token })).outcome).to.equal(refused);
      const back = { to: "2027-03-01T00:00:00Z", reason: "r" };
      expect((await other.ask("POST", "/agents/support-1/profile/rollback", back, { token })).outcome).to.equal(refused);
      expect(await other.finding(finding)).to.deep.include({ state: "open", revision: 0 });
    } finally {
      await other.close();
    }
  });

  it("let a held action go on once, when a person has approved it", async () => {
    const held = await desk.decide("read invoice/I-500 customer-9", 2);
    expect([held.decision, held.proceed, held.wait?.for]).to.deep.equal(["flag", false, "approval"]);
    const [one, two] = await Promise.all([desk.approve(held), desk.approve(held)]);
    expect([one.status, two.status].sort()).to.deep.equal([200, 201]);
    const again = await desk.decide("read invoice/I-500 customer-9", 2);
    expect([again.decision, again.proceed]).to.deep.equal(["allow", true]);
    expect(again.action_digest).to.equal(held.action_digest);
    const third = await desk.decide("read invoice/I-500 customer-9", 2);
    expect([third.decision, third.proceed]).to.deep.equal(["flag", false]);
    expect((await desk.decide("read invoice/I-501 customer-9", 2)).proceed).to.equal(false);
  });

  it("keep an agent out at once that misused what it may, and tell the whole story afterwards", async () => {
    const flagged = await desk.decide("read order/O-77 customer-9", 3);
    const finding = flagged.finding ?? "";
    const { body, outcome } = await desk.judge(finding, { state: "misuse", reason: "read what it had no ticket for" });
    expect(outcome).to.equal("200");
    expect(body).to.deep.include({ state: "misuse" });
    expect((body["in_force"] as Json)["durable"]).to.equal(true);
    const refused = await desk.decide("read order/O-3 customer-3", 3);
    expect(refused.reasons.map(({ code }) => code)).to.deep.equal(["agent_suspended"]);
    const shown = (await desk.ask("GET", `/findings/${finding}`)).body as unknown as ShownFinding;
    const told = shown.timeline.map(({ record }) => (record.kind === "facts" ? record.change : record.kind));
    expect(told).to.deep.equal(["decision", "decision", "agent_suspended", "finding_misuse"]);
    await desk.ask("PATCH", "/agents/support-3", { status: "active", reason: "its prompt is mended" });
    const anew = await desk.decide("read order/O-78 customer-9", 3);
    expect(anew.finding).to.equal(`F-${anew.decision_id}`);
  });

  it("take what somebody else had done without asking for what it is", async () => {
    const line = { ...desk.action("delete customer/customer-9", 2), at: new Date(desk.clock.wall_ms).toISOString() };
    const response = await fetch(`${desk.service.url}/observe`, {
      method: "POST",
      headers: { authorization: `Bearer ${desk.token(ALL)}`, "content-type": "application/x-ndjson" },
      body: `${JSON.stringify(line)}\n`.repeat(3),
    });
    expect(await response.json()).to.deep.include({ accepted: 3, not_permitted: 3 });
    const { items } = await list("?code=customer_data_is_read_only");
    expect(items.map(({ agent, actions }) => [agent, actions.deny])).to.deep.equal([["support-2", 3]]);
  });
});

describe("findings as they come", function () {
  let desk: Desk;
  before(async () => {
    desk = await Desk.open({}, undefined, 4);
  });
  after(() => desk.close());

  const follow = (query = "", lastEventId?: string): Promise<Follower> =>
    Follower.follow(desk, { token: desk.token(ALL), path: "/findings/stream", query, ...(lastEventId !== undefined && { lastEventId }) });
  /** `opened support-1 open`. */
  const told = (follower: Follower): string[] =>
    follower.events
      .filter(({ event }) => event === "finding")
      .map(({ data }) => {
        const { agent, state } = data["finding"] as Finding;
        return `${String(data["change"])} ${agent ?? ""} ${state}`;
      });

  it("are told to who follows, each as it then is; and to who was away, each once", async () => {
    const follower = await (await follow()).ready();
    const only = await (await follow("?agent=support-2")).ready();
    const { finding = "" } = await desk.decide(OTHERS_INVOICE);
    await follower.until(() => told(follower).length === 1);
    await desk.judge(finding, { state: "in_review" });
    await follower.until(() => told(follower).length === 2);
    expect(told(follower)).to.deep.equal(["opened support-1 open", "changed support-1 in_review"]);
    const { lastId } = follower;
    follower.close();
    await desk.judge(finding, { state: "policy_gap" });
    await desk.decide(OTHERS_INVOICE, 2);
    await desk.restart();
    const again = await follow("", lastId ?? "");
    await again.until(() => told(again).length === 2);
    expect(told(again).sort()).to.deep.equal(["changed support-1 policy_gap", "opened support-2 open"]);
    expect(told(only).every((one) => one.includes("support-2"))).to.equal(true);
    again.close();
  });

  it("go on from here where the place to go on is none of this log's", async () => {
    const follower = await (await follow("", "999999-999999")).ready();
    expect(follower.events[0]?.event).to.equal("reset");
    await desk.decide(OTHERS_INVOICE, 3);
    await follower.until(() => told(follower).length === 1);
    follower.close();
  });

  for (const lastEventId of ["7", "x", "1-", "-1-2", "01-2", "1-2-3", `${"9".repeat(16)}-1`]) {
    it(`refuse to go on from \`${lastEventId}\``, async () => {
      const refused = await follow("", lastEventId).then(
        () => "followed",
        (cause: unknown) => (cause as Error).message,
      );
      expect(refused).to.equal("400 last_event_id_invalid last-event-id");
    });
  }

  it("end when the service stops", async () => {
    const follower = await (await follow()).ready();
    await desk.restart();
    expect(await follower.end()).to.equal("shutting_down");
  });
});

describe("a service whose webhook is down", function () {
  const receiver = new Receiver();
  let desk: Desk;
  before(async () => {
    await receiver.start();
    receiver.answer = status(503);
    const webhook = { url: receiver.url, secret_file: "secret", retry_ms: 20, retry_max_ms: 50, timeout_ms: 500 };
    desk = await Desk.open({ findings: { webhook } }, undefined, 2, (folder) => {
      writeFileSync(join(folder, "secret"), `whsec_${Buffer.alloc(32, 1).toString("base64")}`);
    });
  });
  after(async () => {
    await desk.close();
    await receiver.stop();
  });

  const until = async (holds: () => boolean): Promise<void> => {
    for (let i = 0; i < 1000 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    if (!holds()) throw new Error(`it has not come: ${desk.said}`);
  };
  const told = (): string[] =>
    receiver.taken.map(({ type, data }) => `${String(type)} ${(data as Finding).agent ?? ""} ${(data as Finding).state}`);

  it("decides as ever, says so, and tells what it owes when it is up again, after a restart too", async () => {
    const first = await desk.decide(OTHERS_INVOICE);
    await until(() => desk.said.includes("webhook_failing"));
    expect((await desk.decide("read invoice/I-10 customer-9")).finding).to.equal(first.finding);
    expect((await desk.ask("GET", "/readyz")).outcome).to.equal("200");
    await desk.restart();
    await desk.judge(first.finding ?? "", { state: "in_review" });
    expect(told()).to.deep.equal([]);
    receiver.answer = status(204);
    await until(() => told().length > 0);
    expect(told()[0]).to.equal("finding.changed support-1 in_review");
    await desk.decide(OTHERS_INVOICE, 2);
    await until(() => told().some((one) => one === "finding.opened support-2 open"));
  });
});
