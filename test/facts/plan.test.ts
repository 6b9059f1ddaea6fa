import { expect } from "chai";
import { ImportLine, type TaskPlan } from "../../src/contract/index.js";
import type { TaskFact } from "../../src/facts/entities.js";
import { exportFacts } from "../../src/facts/export.js";
import type { Registry } from "../../src/facts/registry.js";
import { schemas } from "../../src/system/schemas.js";

const PLAN: TaskPlan = [{ step: "memo", verb: "read", type: "mail", arguments: { id: ["user"] } }];
const TASK: TaskFact = {
  ...{ id: "t-1", agent: "a-1", purpose: "office", parent: null, principal: null, subjects: {}, attributes: {} },
  ...{ verbs: null, plan: PLAN, expires_ms: null, ended: false, ending: null, revision: 3 },
  lowered: { labels: ["confidential"], at: "2027-03-01T10:00:00.000Z", by: "grace", reason: "agreed" },
};

describe("an export of a task with a plan", () => {
  it("has the plan, and not who lowered labels, which stand in no import", () => {
    const none = (): [] => [];
    const registry = { agents: none, tasks: () => [TASK], allGrants: none, revocations: none, narrowings: { all: none } };
    const lines = [...exportFacts(registry as unknown as Registry, 0)];
    expect(lines).to.deep.equal([{ task: { id: "t-1", agent: "a-1", purpose: "office", subjects: {}, attributes: {}, plan: PLAN } }]);
    expect(schemas().compile(ImportLine)(lines[0])).to.equal(true);
  });
});
