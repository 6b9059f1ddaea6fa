import { expect } from "chai";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { openFlowDesk, type FlowDesk } from "./desk.js";

const PURPOSES = `
office:
  statement: help one user with their mail and orders
  owner: office@example.com
  task: required
  allow:
    - {read: [mail, order], send: mail}
  never:
    - {send: mail, when: {task.labels: confidential}, code: confidential_stays}
`;

describe("a label", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let desk: FlowDesk;
  before(async () => {
    desk = await openFlowDesk(PURPOSES);
  });
  after(() => desk.close());

  const expires = new Date(Date.now() + 600_000).toISOString();
  const issue = async (id: string, parent?: string): Promise<void> => {
    await desk.registrar.issue({ id, agent: "a-1", purpose: "office", expires, ...(parent !== undefined && { parent }) });
  };
  const ask = async (task: string, verb: string, type: string): Promise<string[]> => {
    const id = verb === "read" ? "1" : null;
    const { answer } = await desk.client.decide({ agent: "a-1", purpose: "office", task, verb, resource: { type, id } });
    return answer.proceed ? [] : answer.reasons.map(({ code }) => code);
  };

  it("flows from what is read to the task, to those handed on from it and back, and closes verbs", async () => {
    await issue("t-1");
    await issue("t-1a", "t-1");
    await issue("t-2");
    expect(await ask("t-1a", "read", "mail")).to.deep.equal([]);
    expect(await ask("t-1", "send", "mail")).to.deep.equal([]);
    expect(await ask("t-1a", "read", "order")).to.deep.equal([]);
    for (const task of ["t-1", "t-1a"]) expect(await ask(task, "send", "mail"), task).to.include("confidential_stays");
    expect(await ask("t-2", "send", "mail")).to.deep.equal([]);
    await desk.again();
    expect(await ask("t-1", "send", "mail")).to.include("confidential_stays");
  });

  for (const given of [{ kind: "outcome" }, { change: "task_labels_lowered" }])
    it(`is known after a start whatever the call that gave it has in its arguments: ${JSON.stringify(given)}`, async () => {
      const task = `t-${Object.keys(given).join("")}`;
      await issue(task);
      const resource = { type: "order", id: "1" };
      const { answer } = await desk.client.decide({ agent: "a-1", purpose: "office", task, verb: "read", resource, arguments: given });
      expect(answer.proceed).to.equal(true);
      await desk.again();
      expect(await ask(task, "send", "mail")).to.include("confidential_stays");
    });
});
