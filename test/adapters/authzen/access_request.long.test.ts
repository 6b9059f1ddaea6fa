/** What a flag, an obligation and an approval are in AuthZEN: the obligations profile, and asking a person about what waits. */
import { expect } from "chai";
import { AccessRequestError, AccessRequests, type Approvals, type ApprovalGrant } from "../../../src/adapters/authzen/access_request.js";
import { Problem, type Answer } from "../../../src/contract/index.js";
import type { Caller } from "../../../src/decision/ports.js";
import { COMPILER_BUILD_MS_MAX } from "../../build/support.js";
import { post, tokenFor, type Running } from "../../http/running.js";
import { IDENTIFIER, REVIEWER, ask, recorded, runAuthzen, type Answered } from "./running.js";

const EVALUATION = "/access/v1/evaluation";
const REQUEST = "/access/v1/request";
const agent = { type: "agent", id: "support-7" };
const context = { purpose: "customer_support", task: "T-1" };
const invoice = (id: string, customer: string) => ({
  type: "invoice",
  id,
  properties: { customer, amount_cents: 4900 },
});
const reading = (resource: object) => ({ subject: agent, action: { name: "read" }, resource, context });
/** Somebody else's. */
const held = reading(invoice("I-9", "bob"));

type Members = Record<string, unknown>;
const contextOf = ({ body }: Answered): Members => body["context"] as Members;

interface Denial {
  evaluation_id: string;
  expires_at: string;
}

describe("in AuthZEN's profiles", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;

  before(async () => {
    service = await runAuthzen({
      policies: "customer_support",
      authzen: { subjects: { agent: {} }, meets: ["notify"] },
      facts: {
        agents: { "support-7": { owner: "tests", purposes: ["customer_support"] } },
        tasks: {
          "T-1": {
            agent: "support-7",
            purpose: "customer_support",
            subjects: { ticket: ["TCK-1"], customer: ["ada"] },
            attributes: { topic: "billing" },
          },
        },
      },
      sections: { behavior: { enabled: false } },
    });
  });
  after(() => service.stop());

  async function denied(asked: object = held): Promise<Denial> {
    const { body, text } = await ask(service, EVALUATION, asked);
    expect(body["decision"], text).to.equal(false);
    const { evaluation_id, access_request } = body["context"] as { evaluation_id: string; access_request: Members };
    return { evaluation_id, expires_at: access_request["expires_at"] as string };
  }

  const finding = (evaluation: Answered): string => contextOf(evaluation)["finding"] as string;

  const submit = (denial: object, asked: object = held, headers: Record<string, string> = {}): Promise<Answered> =>
    ask(service, REQUEST, { ...asked, denial }, headers);

  const problem = ({ status, text }: Answered): [number, string] => [
    status,
    (JSON.parse(text) as { type: string }).type.replace("urn:openid:authzen:access-request:error:", ""),
  ];

  const payment = reading({ type: "payment", id: "P-1", properties: { customer: "ada", amount_cents: 4900 } });
  const refund = { ...payment, action: { name: "refund", properties: { refund_cents: 100 } } };

  it("what is permitted under an obligation is denied to whoever may not meet it", async () => {
    const read = await ask(service, EVALUATION, payment);
    expect(read.body["decision"], read.text).to.equal(false);
    expect(contextOf(read)).to.include({ reason: "obligation_unmet" });
    expect(contextOf(read)["obligations"]).to.deep.equal([
      { id: "obligation-1", type: "custom", properties: { type: "redact", fields: ["card_number", "iban"] } },
    ]);
    const several = await ask(service, "/access/v1/evaluations", {
      ...payment,
      options: { evaluations_semantic: "permit_on_first_permit" },
      evaluations: [{}, refund, {}],
    });
    expect((several.body["evaluations"] as { decision: boolean }[]).map(({ decision }) => decision)).to.deep.equal([false, true]);
    const found = await ask(service, "/access/v1/search/action", {
      subject: agent,
      resource: payment.resource,
      context,
    });
    expect(found.body["results"]).to.deep.equal([]);
  });

  it("an obligation that is met is permitted, and told", async () => {
    const refunded = await ask(service, EVALUATION, refund);
    expect(refunded.body["decision"], refunded.text).to.equal(true);
    expect(contextOf(refunded)).to.have.nested.property("obligations[0].type", "notification");
    expect(contextOf(refunded)).to.have.nested.property("obligations[0].properties.to", "billing-desk");
    expect(contextOf(refunded)).to.have.nested.property("obligations[0].properties.body").that.is.a("string");
  });

  it("a flag that goes on is permitted, and says so", async () => {
    const evaluation = await ask(service, EVALUATION, reading({ type: "customer", id: "bob" }));
    expect(evaluation.body["decision"]).to.equal(true);
    expect(contextOf(evaluation)).to.include({ outcome: "flag" });
    // Outside of the desk's hours another reason comes first.
    const codes = (contextOf(evaluation)["reasons"] as { code: string }[]).map(({ code }) => code);
    expect(codes).to.include("other_customer");
    expect(codes).to.include(contextOf(evaluation)["reason"]);
    expect(contextOf(evaluation)["finding"]).to.match(/^F-/);
  });

  it("a flag that waits is a denial that a person can be asked about", async () => {
    const evaluation = await ask(service, EVALUATION, held);
    expect(evaluation.body["decision"]).to.equal(false);
    const said = contextOf(evaluation);
    expect(said).to.include({ outcome: "flag", reason: "unrelated_financials" });
    expect(said["access_request"]).to.have.all.keys("expires_at", "endpoint");
    expect(said).to.have.nested.property("access_request.endpoint", `${IDENTIFIER}${REQUEST}`);
    expect(Date.parse(said["evaluated_at"] as string)).to.be.closeTo(Date.now(), 60_000);
    expect(finding(evaluation)).to.match(/^F-/);
  });

  it("a plain denial can't be asked about", async () => {
    const never = { ...reading({ type: "customer", id: "ada" }), action: { name: "delete" } };
    const evaluation = await ask(service, EVALUATION, never);
    expect(contextOf(evaluation)).to.not.have.any.keys("access_request");
    const denial = { evaluation_id: contextOf(evaluation)["evaluation_id"], expires_at: new Date(Date.now() + 60_000).toISOString() };
    expect(problem(await submit(denial, never))).to.deep.equal([400, "not_requestable"]);
  });

  it("what waits is asked about, approved by a person, and goes on once", async () => {
    const evaluation = await ask(service, EVALUATION, held);
    const { evaluation_id } = contextOf(evaluation) as unknown as Denial;
    const { expires_at } = contextOf(evaluation)["access_request"] as Denial;
    const submitted = await submit({ evaluation_id, expires_at }, held, { "idempotency-key": "k-1" });
    expect(submitted.status, submitted.text).to.equal(202);
    const { task } = submitted.body as { task: Members };
    expect(task).to.deep.equal({
      id: `arq_${evaluation_id}`,
      status: "pending",
      status_endpoint: `${IDENTIFIER}${REQUEST}/arq_${evaluation_id}`,
      expires_at,
    });
    expect(submitted.headers.get("location")).to.equal(task["status_endpoint"]);
    const path = new URL(task["status_endpoint"] as string).pathname;
    const pending = await ask(service, path, "", {}, "GET");
    expect(pending.body).to.deep.equal({ task });
    expect(pending.headers.get("retry-after")).to.match(/^\d+$/);
    // Asking permits nothing.
    expect(
      (await ask(service, EVALUATION, { ...held, context: { ...context, approval: { id: `approval-${evaluation_id}` } } })).body,
    ).to.deep.include({ decision: false });

    // It was asked about again meanwhile, and waits once: as the last that asked.
    const reviewer = { authorization: `Bearer ${REVIEWER}` };
    const at = `/findings/${finding(evaluation)}`;
    const { waiting } = (await (await fetch(service.url + at, { headers: reviewer })).json()) as { waiting: { decision_id: string }[] };
    const approved = await post(service, `${at}/approvals`, { decision: waiting.at(-1)?.decision_id, reason: "asked by phone" }, reviewer);
    expect(approved.status, await approved.text()).to.equal(201);
    const done = await ask(service, path, "", {}, "GET");
    expect(done.body).to.have.nested.property("task.status", "approved");
    const { result } = done.body as { result: { mode: string; approval: Members } };
    expect(result.mode).to.equal("reevaluate");
    expect(result.approval).to.have.all.keys("id", "approved_at", "approved_until");

    const again = { ...held, context: { ...context, approval: result.approval } };
    const other = await ask(service, EVALUATION, { ...again, resource: invoice("I-8", "bob") });
    expect(other.body["decision"]).to.equal(false);
    expect(contextOf(other)).to.include({ reason: "out_of_scope", next_action: "request" });
    const permitted = await ask(service, EVALUATION, again);
    expect(permitted.body["decision"], permitted.text).to.equal(true);
    expect(contextOf(permitted)["approval"]).to.deep.equal({
      id: result.approval["id"],
      approved_until: result.approval["approved_until"],
    });
    const used = await ask(service, EVALUATION, again);
    expect(used.body["decision"]).to.equal(false);
    expect(contextOf(used)).to.include({ reason: "approval_expired", next_action: "request" });
    expect(contextOf(used)).to.have.any.keys("access_request");
    // What has been answered stays so.
    expect((await ask(service, path, "", {}, "GET")).body).to.have.nested.property("task.status", "approved");
  });

  const approvals: [what: string, approval: unknown, asked: object, reason: string, next: string][] = [
    ["that there isn't", { id: "approval-x" }, held, "approval_unverifiable", "none"],
    ["without an id", {}, held, "approval_unverifiable", "none"],
    ["that is a text", "yes", held, "approval_unverifiable", "none"],
    ["with an id of another type", { id: 7 }, held, "approval_unverifiable", "none"],
    ["with a name of JavaScript's", { id: "__proto__" }, held, "approval_unverifiable", "none"],
  ];
  for (const [what, approval, asked, reason, next_action] of approvals) {
    it(`an approval ${what} permits nothing`, async () => {
      const answer = await ask(service, EVALUATION, { ...asked, context: { ...context, approval } });
      expect(answer.body["decision"]).to.equal(false);
      expect(contextOf(answer)).to.include({ reason, next_action });
    });
  }

  it("what is found to be misuse is denied", async () => {
    const evaluation = await ask(service, EVALUATION, reading(invoice("I-20", "eve")));
    const id = finding(evaluation);
    const { evaluation_id } = contextOf(evaluation) as unknown as Denial;
    const reviewer = { authorization: `Bearer ${REVIEWER}` };
    const judged = await post(
      service,
      `/findings/${id}`,
      { state: "policy_gap", reason: "not for support" },
      { ...reviewer, "if-match": '"0"' },
    );
    expect(judged.status, await judged.text()).to.equal(200);
    const { body } = await ask(service, `${REQUEST}/arq_${evaluation_id}`, "", {}, "GET");
    expect(body).to.have.nested.property("task.status", "denied");
    expect(body).to.not.have.any.keys("result");
  });

  describe("a submission", () => {
    let denial: Denial;
    before(async () => {
      denial = await denied();
    });

    it("that is sent again is the same task; under a key of another, it is refused", async () => {
      const key = { "idempotency-key": "k-2" };
      const first = await submit(denial, held, key);
      expect((await submit(denial, held, key)).body).to.deep.equal(first.body);
      expect((await submit(denial)).body).to.deep.equal(first.body);
      expect(problem(await submit(denial, { ...held, more: 1 }, key))).to.deep.equal([409, "duplicate_request"]);
    });

    const foreign: [what: string, change: (good: Denial) => object, asked: object, code: string][] = [
      ["of another resource", (good) => good, reading(invoice("I-1", "bob")), "invalid_denial_binding"],
      ["of another action", (good) => good, { ...held, action: { name: "refund" } }, "invalid_denial_binding"],
      ["of another subject", (good) => good, { ...held, subject: { type: "agent", id: "support-8" } }, "invalid_denial_binding"],
      ["with another end", (good) => ({ ...good, expires_at: "2999-01-01T00:00:00.000Z" }), held, "invalid_denial_binding"],
      [
        "of a decision that there isn't",
        (good) => ({ ...good, evaluation_id: "0197aaaa-0000-7000-8000-000000000000" }),
        held,
        "invalid_denial_binding",
      ],
      ["of what is no decision", (good) => ({ ...good, evaluation_id: "1" }), held, "invalid_denial_binding"],
      ["by a token", () => ({ binding_token: "x", expires_at: "2999-01-01T00:00:00.000Z" }), held, "invalid_denial_binding"],
      ["of several", (good) => good, { ...held, items: [] }, "not_requestable"],
    ];
    for (const [what, change, asked, code] of foreign) {
      it(`${what}: ${code}`, async () => {
        expect(problem(await submit(change(denial), asked))).to.deep.equal([400, code]);
      });
    }

    it("by another caller is of nothing that it was denied", async () => {
      const other = { authorization: `Bearer ${tokenFor("remit:decide", "gateway-2")}` };
      expect(problem(await submit(denial, held, other))).to.deep.equal([400, "invalid_denial_binding"]);
      const path = `${REQUEST}/arq_${denial.evaluation_id}`;
      expect(problem(await ask(service, path, "", other, "GET"))).to.deep.equal([404, "unknown_task"]);
    });

    const malformed: [what: string, body: object][] = [
      ["without a denial", held],
      ["with a denial that is a text", { ...held, denial: "x" }],
      ["without an end", { ...held, denial: { evaluation_id: "x" } }],
      ["without a resource", { subject: agent, action: { name: "read" } }],
    ];
    for (const [what, body] of malformed) {
      it(`${what} is refused`, async () => {
        const { status, text } = await ask(service, REQUEST, body);
        expect(status).to.equal(400);
        expect(text).to.match(/"code":"field_(missing|type)"/);
      });
    }

    it("without a token is refused", async () => {
      const response = await fetch(service.url + REQUEST, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
      expect(response.status).to.equal(401);
      expect((await fetch(`${service.url}${REQUEST}/arq_x`)).status).to.equal(401);
    });

    for (const id of ["arq_x", "x", "arq_0197aaaa-0000-7000-8000-000000000000", "arq_%00"])
      it(`has no task ${id}`, async () => {
        expect(problem(await ask(service, `${REQUEST}/${id}`, "", {}, "GET"))).to.deep.equal([404, "unknown_task"]);
      });
  });

  describe("asking", () => {
    it("leaves no record: evaluations alone do", async () => {
      const records = await recorded(service);
      expect(records.length).to.be.above(10);
      for (const { adapter } of records) expect(adapter).to.equal("authzen");
    });
  });
});

describe("a task of the access request profile", () => {
  const now = Date.UTC(2026, 2, 3, 10);
  const at = (ms: number): string => new Date(now + ms).toISOString();
  const hex = now.toString(16).padStart(12, "0");
  const id = `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
  const digest = `sha256:${"a".repeat(64)}`;
  const approved = `sha256:${"b".repeat(64)}`;
  const caller = { id: "gateway-1" } as Caller;
  const answer = { decision_id: id, action_digest: digest, finding: `F-${id}`, wait: { for: "approval", until: at(60_000) } } as Answer;
  const grant = (change: Partial<ApprovalGrant>): ApprovalGrant => ({
    id: "approval-x",
    agent: "a",
    approval: { digest: approved },
    state: "live",
    not_before: at(10),
    expires: at(600_000),
    ...change,
  });

  const requests = (changes: Partial<Approvals> = {}): AccessRequests =>
    new AccessRequests(
      {
        decision: (asked) => Promise.resolve(asked === id ? { caller: "gateway-1", agent: "a", answer } : null),
        digestsOf: () => ({ action_digest: digest, approval_digest: approved }),
        grant: () => undefined,
        approvalsOf: () => [],
        verdict: () => Promise.resolve(null),
        now: () => now,
        ...changes,
      },
      "https://pdp.example.com/access/v1/request",
    );
  const statusOf = async (changes: Partial<Approvals>): Promise<string> =>
    (await requests(changes).status(`arq_${id}`, caller)).task.status;

  const states: [what: string, changes: Partial<Approvals>, status: string][] = [
    ["waits", {}, "pending"],
    ["waits until its end", { now: () => now + 59_999 }, "pending"],
    ["is over at its end", { now: () => now + 60_000 }, "expired"],
    ["was approved since", { approvalsOf: () => [grant({})] }, "approved"],
    ["was approved, used and is over", { approvalsOf: () => [grant({ state: "used_up" })], now: () => now + 1e9 }, "approved"],
    ["was approved before it was asked about", { approvalsOf: () => [grant({ not_before: at(-1) })] }, "pending"],
    ["was approved for whoever asked when it was over", { approvalsOf: () => [grant({ not_before: at(60_001) })] }, "pending"],
    ["has a first approval of two", { approvalsOf: () => [grant({ state: "unapproved" })] }, "pending"],
    ["differs in what was approved", { approvalsOf: () => [grant({ approval: { digest } })] }, "pending"],
    ["can't be told from others, since it is masked", { digestsOf: () => null, approvalsOf: () => [grant({})] }, "pending"],
    ["is misuse", { verdict: () => Promise.resolve("misuse") }, "denied"],
    ["is fine, and was not approved by that", { verdict: () => Promise.resolve("expected") }, "pending"],
  ];
  for (const [what, changes, status] of states) {
    it(`of what ${what} is ${status}`, async () => {
      expect(await statusOf(changes)).to.equal(status);
    });
  }

  it("names the first approval since, which later ones don't change", async () => {
    const approvalsOf = (): ApprovalGrant[] => [grant({ id: "second", not_before: at(30) }), grant({ id: "first", not_before: at(20) })];
    const { result } = await requests({ approvalsOf }).status(`arq_${id}`, caller);
    expect(result?.approval.id).to.equal("first");
  });

  it("isn't made of what is over, or isn't known", async () => {
    const denial = { evaluation_id: id, expires_at: at(60_000) };
    const outcome = async (changes: Partial<Approvals>): Promise<string> => {
      try {
        return (await requests(changes).submit(denial, digest, caller, null)).task.status;
      } catch (cause) {
        if (cause instanceof AccessRequestError) return `${cause.status} ${cause.code}`;
        throw cause;
      }
    };
    expect(await outcome({})).to.equal("pending");
    expect(await outcome({ now: () => now + 60_000 })).to.equal("410 expired_denial");
    expect(await outcome({ digestsOf: () => null })).to.equal("400 invalid_denial_binding");
    expect(await outcome({ decision: () => Promise.reject(new Problem("index_unavailable")) }).catch(String)).to.match(
      /cannot be searched/,
    );
  });
});
