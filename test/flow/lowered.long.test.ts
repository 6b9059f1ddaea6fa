import { expect } from "chai";
import { Denied } from "../../src/client/index.js";
import { readUnverified } from "../../src/bundle/verify.js";
import type { FactsRecord } from "../../src/contract/index.js";
import { returnedOf } from "../../src/flow/index.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { remit } from "../cli/remit.js";
import { bundlesOf, replayed } from "../replay/desk.js";
import { openFlowDesk, type FlowDesk } from "./desk.js";

const PURPOSES = `
office:
  statement: help one user with their mail and orders
  owner: office@example.com
  task: required
  after: {read: {label: confidential}, never: [send], code: confidential_stays}
  allow:
    - {read: [mail, order], send: mail}
guarded:
  statement: the same, where only some may say so
  owner: office@example.com
  task: required
  approvers: {roles: [privacy]}
  after: {read: {label: confidential}, never: [send], code: confidential_stays}
  allow:
    - {read: [mail, order], send: mail}
`;

describe("a person who lowers a task's labels", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let desk: FlowDesk;
  let tasks = 0;
  before(async () => {
    desk = await openFlowDesk(PURPOSES);
    await desk.registrar.register({
      ...{ id: "a-3", owner: "o@org.example", purposes: ["guarded"], delegates: [] },
      attributes: { domains: ["org.example"] },
    });
  });
  after(() => desk.close());

  const issue = async (over: object = {}): Promise<string> => {
    const expires = new Date(Date.now() + 600_000).toISOString();
    const asked = { id: `t-${++tasks}`, agent: "a-1", purpose: "office", attributes: {}, expires, ...over };
    return (await desk.registrar.issue(asked)).task;
  };
  const on = (task: string, over: object = {}) => ({ agent: "a-1", purpose: "office", task, ...over });
  const read = (task: string, over: object = {}): Promise<unknown> =>
    desk.client.guard({ ...on(task, over), verb: "read", resource: { type: "order", id: "o-1" } }, () => [], { returned: returnedOf });
  const send = async (task: string, over: object = {}): Promise<string[]> => {
    try {
      const given = { recipients: ["ada@else.example"] };
      await desk.client.guard({ ...on(task, over), verb: "send", resource: { type: "mail", id: null }, arguments: given }, () => "sent");
      return [];
    } catch (cause) {
      if (cause instanceof Denied) return cause.reasons.filter(({ effect }) => effect !== "allow").map(({ code }) => code);
      throw cause;
    }
  };
  const patch = async (
    task: string,
    body: object,
    token = desk.reviewerToken("grace"),
  ): Promise<{ status: number; code?: string; field?: string }> => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(`${desk.url}/tasks/${task}`, { method: "PATCH", headers, body: JSON.stringify(body) });
    const { code, field } = (await response.json()) as { code?: string; field?: string };
    return { status: response.status, ...(code !== undefined && { code }), ...(field !== undefined && { field }) };
  };
  const LOWERS = { lowers: ["confidential"], reason: "the user has agreed" };

  it("opens again what the label closed, until the next read gives it again", async () => {
    const task = await issue();
    await read(task);
    expect(await send(task)).to.deep.equal(["confidential_stays"]);
    expect(await patch(task, LOWERS)).to.deep.equal({ status: 200 });
    expect(await send(task)).to.deep.equal([]);
    await read(task);
    expect(await send(task)).to.deep.equal(["confidential_stays"]);
    expect(await patch(task, LOWERS)).to.deep.equal({ status: 200 });
    expect(await send(task)).to.deep.equal([]);
  });

  it("does so for all that is handed on from the task, and for no other", async () => {
    const [parent, other] = [await issue(), await issue()];
    const child = await issue({ parent, expires: new Date(Date.now() + 60_000).toISOString() });
    await read(child);
    await read(other);
    expect(await patch(child, LOWERS)).to.deep.equal({ status: 400, code: "fact_invalid", field: "/lowers" });
    expect(await patch(parent, LOWERS)).to.deep.equal({ status: 200 });
    expect(await send(child)).to.deep.equal([]);
    expect(await send(other)).to.deep.equal(["confidential_stays"]);
  });

  it("is on record, stands in the timeline, and counts the same after a start", async () => {
    const [lowered, again] = [await issue(), await issue()];
    for (const task of [lowered, again]) await read(task);
    for (const task of [lowered, again]) await patch(task, LOWERS);
    await read(again);
    const found = desk.records().filter(({ change }) => change === "task_labels_lowered") as unknown as FactsRecord[];
    expect(found.at(-1)).to.deep.include({ caller: "grace", reason: "the user has agreed" });
    const { out } = await remit("audit", "timeline", "--task", lowered, "--log", desk.folder);
    expect(out).to.match(/task_labels_lowered .*grace.*the user has agreed/);
    await desk.again();
    expect(await send(lowered)).to.deep.equal([]);
    expect(await send(again)).to.deep.equal(["confidential_stays"]);
    const replay = await replayed(desk.folder, bundlesOf(await readUnverified(desk.bundle)));
    expect(replay.differences).to.deep.equal([]);
  });

  it("has nothing to say of a task that has ended", async () => {
    const task = await issue();
    await read(task);
    await patch(task, { ended: true }, desk.guardToken);
    expect((await patch(task, LOWERS)).code).to.equal("fact_invalid");
  });

  it("is a reviewer, no agent, and not the person that the task is for", async () => {
    const task = await issue({ principal: "ada" });
    await read(task);
    const refused = { status: 403, code: "approver_not_permitted" };
    expect(await patch(task, LOWERS, desk.guardToken)).to.include({ status: 403, code: "scope_missing" });
    expect(await patch(task, LOWERS, desk.token)).to.include({ status: 403, code: "scope_missing" });
    for (const name of ["a-1", "A-1", "a-3", "ada", "Ada"])
      expect(await patch(task, LOWERS, desk.reviewerToken(name)), name).to.include(refused);
    expect(await patch(task, { attributes: {} })).to.include({ status: 403, code: "scope_missing" });
    expect(await send(task)).to.deep.equal(["confidential_stays"]);
  });

  it("has the role that the purpose's approvers have", async () => {
    const over = { agent: "a-3", purpose: "guarded" };
    const task = await issue(over);
    await read(task, over);
    expect(await patch(task, LOWERS)).to.include({ status: 403, code: "approver_not_permitted" });
    expect(await send(task, over)).to.deep.equal(["confidential_stays"]);
  });

  const bad: [what: string, body: object, code: string, field: string][] = [
    ["no label", { lowers: [], reason: "r" }, "field_invalid", "/lowers"],
    ["a text", { lowers: "confidential", reason: "r" }, "field_type", "/lowers"],
    ["the same twice", { lowers: ["confidential", "confidential"], reason: "r" }, "field_invalid", "/lowers"],
    ["a label that nothing gives", { lowers: ["confidental"], reason: "r" }, "fact_invalid", "/lowers/0"],
    ["no reason", { lowers: ["confidential"] }, "fact_invalid", "/reason"],
    ["attributes beside it", { ...LOWERS, attributes: {} }, "fact_invalid", "/attributes"],
    ["an end beside it", { ...LOWERS, ended: true }, "fact_invalid", "/ended"],
  ];
  for (const [what, body, code, field] of bad) {
    it(`is refused with ${what}`, async () => {
      const task = await issue();
      await read(task);
      expect(await patch(task, body)).to.deep.equal({ status: 400, code, field });
      expect(await send(task)).to.deep.equal(["confidential_stays"]);
    });
  }
});
