import { expect } from "chai";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { openFlowDesk, type FlowDesk } from "./desk.js";

const VOCABULARY = `
verbs:
  send: {class: send, collection: true}
task:
  attributes: {address: [confirmed, refused], topic: {string: {max: 20}}}
types:
  parcel:
    attributes: {weight: integer}
`;
const PURPOSES = `
shop:
  statement: send what was ordered
  owner: shop@example.com
  task: required
  allow:
    - {send: parcel, when: {task.address: confirmed}}
  flag:
    - {send: parcel, when: {task.address: {known: false}}, code: address_unconfirmed, proceed: false, needs: [task.address]}
    - {send: parcel, when: {weight: {at_least: 31}}, code: heavy, proceed: false}
`;

describe("an action that waits for a fact", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let desk: FlowDesk;
  before(async () => {
    desk = await openFlowDesk(PURPOSES, { vocabulary: VOCABULARY, purpose: "shop", attributes: {} });
  });
  after(() => desk.close());

  const issue = async (id: string): Promise<void> => {
    const expires = new Date(Date.now() + 600_000).toISOString();
    await desk.registrar.issue({ id, agent: "a-1", purpose: "shop", attributes: {}, expires });
  };
  const send = async (task: string, weight: number) => {
    const resource = { type: "parcel", id: null, attributes: { weight } };
    const { answer } = await desk.client.decide({ agent: "a-1", purpose: "shop", task, verb: "send", resource });
    return { decision: answer.decision, proceed: answer.proceed, for: answer.wait?.for, needs: answer.wait?.needs };
  };
  const learn = async (task: string, address: string): Promise<number> => {
    const headers = { authorization: `Bearer ${desk.guardToken}`, "content-type": "application/json" };
    const body = JSON.stringify({ attributes: { address } });
    return (await fetch(`${desk.url}/tasks/${task}`, { method: "PATCH", headers, body })).status;
  };

  it("names it, and goes on once the host has learned it", async () => {
    await issue("t-1");
    expect(await send("t-1", 1)).to.deep.equal({ decision: "flag", proceed: false, for: "context", needs: ["task.address"] });
    expect(await learn("t-1", "confirmed")).to.equal(200);
    expect(await send("t-1", 1)).to.deep.equal({ decision: "allow", proceed: true, for: undefined, needs: undefined });
  });

  it("isn't permitted by whatever is learned", async () => {
    await issue("t-2");
    expect(await learn("t-2", "somewhere")).to.equal(400);
    expect(await learn("t-2", "refused")).to.equal(200);
    expect((await send("t-2", 1)).decision).to.equal("deny");
  });

  it("waits for a person where another flag does", async () => {
    await issue("t-3");
    expect(await send("t-3", 31)).to.include({ decision: "flag", proceed: false, for: "approval" });
  });
});
