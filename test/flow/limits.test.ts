import { expect } from "chai";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { openFlowDesk, type FlowDesk } from "./desk.js";

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
