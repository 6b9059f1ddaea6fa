import { expect } from "chai";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { openFlowDesk, VOCABULARY, type FlowDesk } from "./desk.js";

const PURPOSES = `
office:
  statement: help one user with their mail and orders
  owner: office@example.com
  task: required
  limits:
    - {send: mail, at_most: 10, code: too_many_mails}
    - {refund: order, sum: arguments.amount, at_most: 100, per: day, code: refunds_used_up, tell_agent: No more can be refunded today.}
    - {refund: order, each: id, at_most: 1, per: day, code: refunded_before, then: wait}
    - {refund: order, after: {read: order}, code: not_looked_at}
  allow:
    - {read: [mail, order], send: mail, refund: order}
`;

describe("budgets of a service", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let desk: FlowDesk;
  let tasks = 0;
  before(async () => {
    desk = await openFlowDesk(PURPOSES);
  });
  after(() => desk.close());

  const issue = async (): Promise<string> => {
    const expires = new Date(Date.now() + 600_000).toISOString();
    return (await desk.registrar.issue({ id: `t-${++tasks}`, agent: "a-1", purpose: "office", expires })).task;
  };
  const ask = async (task: string, verb: string, type: string, id: string | null, amount?: number) =>
    await desk.client.decide({
      agent: "a-1",
      purpose: "office",
      task,
      verb,
      resource: { type, id },
      ...(amount !== undefined && { arguments: { amount } }),
    });
  const tell = async (decision: string, outcome: string): Promise<number> => {
    const response = await fetch(`${desk.url}/decisions/${decision}/outcome`, {
      method: "POST",
      headers: { authorization: `Bearer ${desk.token}`, "content-type": "application/json" },
      body: JSON.stringify({ outcome }),
    });
    return response.status;
  };

  it("are exact for 64 callers at once, for what is given back, and across a start", async () => {
    const task = await issue();
    const burst = async (): Promise<string[]> => {
      const answers = await Promise.all(Array.from({ length: 64 }, () => ask(task, "send", "mail", null)));
      for (const { answer } of answers) if (!answer.proceed) expect(answer.reasons.map(({ code }) => code)).to.include("too_many_mails");
      return answers.flatMap(({ answer }) => (answer.proceed ? [answer.decision_id] : []));
    };
    const permitted = await burst();
    expect(permitted).to.have.length(10);
    for (const id of permitted.slice(0, 3)) expect(await tell(id, "not_attempted")).to.equal(200);
    expect(await tell(permitted[3] ?? "", "failed")).to.equal(200);
    await desk.again();
    expect(await burst()).to.have.length(3);
    expect(await burst()).to.have.length(0);
  });

  it("bound a sum over the day, refuse a second time and ask for the order", async () => {
    const task = await issue();
    const codes = async (id: string, amount?: number): Promise<string[]> => {
      const { answer } = await ask(task, "refund", "order", id, amount);
      return answer.reasons.filter(({ effect }) => effect !== "allow").map(({ code }) => code);
    };
    expect(await codes("o-1", 60)).to.deep.equal(["not_looked_at"]);
    await ask(task, "read", "order", "o-1");
    expect(await codes("o-1", 60)).to.deep.equal([]);
    expect(await codes("o-1", 10)).to.deep.equal(["refunded_before"]);
    expect(await codes("o-2", 41)).to.deep.equal(["refunds_used_up"]);
    expect(await codes("o-2")).to.deep.equal(["refunds_used_up"]);
    expect(await codes("o-2", 40)).to.deep.equal([]);
  });
});

describe("budgets whose values records mask", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  const LIMITS = `
office:
  statement: help one user with their orders
  owner: office@example.com
  task: required
  limits:
    - {refund: order, at_most: 4, code: too_many}
    - {refund: order, sum: arguments.amount, at_most: 100, per: day, code: used_up}
    - {send: mail, each: arguments.body, at_most: 2, per: day, code: said_before}
    - {read: order, distinct: arguments.kind, at_most: 2, per: day, code: too_many_kinds}
  allow:
    - {read: [mail, order], send: mail, refund: order}
`;
  const masking = VOCABULARY.replace("amount: integer, kind: string", "amount: {masked: integer}, kind: {masked: string}").replace(
    "recipients: {list: string, max: 10}, body: string",
    "recipients: {masked: {list: string, max: 10}}, body: {masked: string}",
  );
  let desk: FlowDesk;
  before(async () => {
    desk = await openFlowDesk(LIMITS, { vocabulary: masking, purpose: "office", attributes: { domains: ["org.example"] } });
  });
  after(() => desk.close());

  it("are the same after a start, or unknown where nobody can tell what was counted", async () => {
    const expires = new Date(Date.now() + 600_000).toISOString();
    const { task } = await desk.registrar.issue({ id: "t-1", agent: "a-1", purpose: "office", expires });
    const codes = async (verb: string, type: string, given: Record<string, string | number>): Promise<string[]> => {
      const { answer } = await desk.client.decide({
        ...{ agent: "a-1", purpose: "office", task, verb, resource: { type, id: type === "order" ? "o-1" : null }, arguments: given },
      });
      return answer.reasons.filter(({ effect }) => effect !== "allow").map(({ code }) => code);
    };
    for (const amount of [30, 30]) expect(await codes("refund", "order", { amount })).to.deep.equal([]);
    for (const kind of ["new", "old"]) expect(await codes("read", "order", { kind })).to.deep.equal([]);
    expect(await codes("send", "mail", { body: "good day" })).to.deep.equal([]);
    await desk.again();
    expect(JSON.stringify(desk.records().filter(({ kind }) => kind === "decision"))).to.include("masked:");
    expect(await codes("refund", "order", { amount: 41 })).to.deep.equal(["used_up"]);
    expect(await codes("refund", "order", { amount: 20 })).to.deep.equal([]);
    expect(await codes("refund", "order", { amount: 10 })).to.deep.equal([]);
    expect(await codes("refund", "order", { amount: 1 }), "the fifth of this task").to.deep.equal(["too_many"]);
    expect(await codes("read", "order", { kind: "third" })).to.deep.equal(["too_many_kinds"]);
    expect(await codes("send", "mail", { body: "anything else" })).to.deep.equal(["said_before"]);
  });

  it("know after a start how often a call of a task's plan was made", async () => {
    await desk.registrar.register({ id: "a-2", owner: "o@org.example", purposes: ["office"], attributes: { domains: ["org.example"] } });
    const instruction = "Write to ada@else.example and ben@else.example";
    const { task } = await desk.registrar.issue({
      ...{ id: "t-2", agent: "a-2", purpose: "office", expires: new Date(Date.now() + 600_000).toISOString(), attributes: { instruction } },
      plan: [
        { verb: "send", type: "mail", times: 2, arguments: { recipients: ["user"] } },
        { verb: "send", type: "mail", times: 1, arguments: { recipients: ["own"] } },
      ],
    });
    const send = async (to: string): Promise<string[]> => {
      const action = { agent: "a-2", purpose: "office", task, verb: "send", resource: { type: "mail", id: null } };
      const { answer } = await desk.client.decide({ ...action, arguments: { recipients: [to], body: `to ${to}` } });
      return answer.reasons.filter(({ effect }) => effect !== "allow").map(({ code }) => code);
    };
    expect(await send("ada@else.example")).to.not.include("plan_used_up");
    expect(await send("ben@else.example")).to.not.include("plan_used_up");
    await desk.again();
    expect(await send("ada@else.example")).to.include("plan_used_up");
  });
});
