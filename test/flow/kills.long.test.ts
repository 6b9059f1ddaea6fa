import { expect } from "chai";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SCOPES, type DecisionRecord, type OutcomeRecord, type Scope } from "../../src/contract/index.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { Dice } from "../differential/dice.js";
import { Child, sleep, type Json, type Place } from "../service/child.js";
import { makeFlowOffice, recordsIn, VOCABULARY, type FlowOffice } from "./desk.js";

const MAILS = 60;
const AMOUNT = 1_000;
const CALLERS = 64;
const KILLS = Number(process.env["REMIT_KILLS"] ?? 8);
const PURPOSES = `
office:
  statement: help one user with their mail and orders
  owner: office@example.com
  task: required
  limits:
    - {send: mail, at_most: ${MAILS}, code: too_many_mails}
    - {refund: order, sum: arguments.amount, at_most: ${AMOUNT}, per: day, by: owner, code: refunds_used_up}
  allow:
    - {read: [mail, order], send: mail, refund: order}
`;

describe("budgets of a service that is killed while its callers ask", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let office: FlowOffice;
  let place: Place;
  before(async () => {
    office = await makeFlowOffice(PURPOSES, VOCABULARY);
    const { dir, sandbox, records } = office;
    const main = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
    place = { folder: dir, main, config: sandbox.config, token: sandbox.token("tests", Object.keys(SCOPES) as Scope[]), records };
  });
  after(() => {
    rmSync(office.dir, { recursive: true, force: true });
  });

  it("never go beyond their bound, keep nothing reserved, and are used up to the last", async () => {
    const dice = new Dice(7);
    let child = new Child(place);
    await child.ready();
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    for (const id of ["a-1", "a-2"]) {
      const agent = { id, owner: "o@org.example", purposes: ["office"], delegates: ["office"], attributes: { domains: [] } };
      expect((await child.told("POST", "/agents", agent)).status, id).to.equal(201);
      const task = { id: `t-${id}`, agent: id, purpose: "office", expires };
      expect((await child.told("POST", "/tasks", task)).status, id).to.equal(201);
    }
    const told = { permitted: new Map<string, number>(), givenBack: new Set<string>() };
    let over = false;
    let answers = 0;
    /** One caller: sends or refunds, and now and then says that nothing came of it. */
    const caller = async (n: number): Promise<void> => {
      const agent = n % 2 === 0 ? "a-1" : "a-2";
      while (!over) {
        const isMail = dice.below(2) === 0;
        const amount = isMail ? 0 : 1 + dice.below(60);
        const action = isMail
          ? { verb: "send", resource: { type: "mail", id: null } }
          : { verb: "refund", resource: { type: "order", id: `o-${dice.below(9)}` }, arguments: { amount } };
        const body = { agent, purpose: "office", task: `t-${agent}`, ...action };
        const answer = await child.ask("POST", "/decide", { body });
        if (answer?.status !== 200) return;
        answers++;
        const { decision_id: id, proceed } = answer.body as { decision_id: string; proceed: boolean };
        if (!proceed) {
          await sleep(5);
          continue;
        }
        told.permitted.set(id, amount);
        if (answers % 2 === 0) continue;
        const reported = await child.ask("POST", `/decisions/${id}/outcome`, { body: { outcome: "not_attempted" } });
        if (reported?.status === 200) told.givenBack.add(id);
      }
    };
    for (let kill = 0; kill < KILLS; kill++) {
      over = false;
      const callers = Array.from({ length: CALLERS }, (_, n) => caller(n));
      // By what was answered and not by the clock, so that a busy machine sees as much.
      const until = answers + 40 + dice.below(200);
      while (answers < until) await sleep(1);
      await child.kill();
      over = true;
      await Promise.all(callers);
      child = new Child(place);
      await child.ready();
      const { mails, refunds, ids } = onRecord(place.records);
      expect(Math.max(...mails.values()), `mails of a task after kill ${kill + 1}`).to.be.at.most(MAILS);
      expect(refunds, `sum of refunds after kill ${kill + 1}`).to.be.at.most(AMOUNT);
      for (const id of told.permitted.keys()) expect(ids.has(id), "what a caller was told is on record").to.equal(true);
    }
    // What is left fits to the last, so that nothing is held by what was cut off.
    const send = async (agent: string): Promise<boolean> => {
      const body = { agent, purpose: "office", task: `t-${agent}`, verb: "send", resource: { type: "mail", id: null } };
      return (await child.told("POST", "/decide", body)).body["proceed"] === true;
    };
    const refund = async (amount: number): Promise<boolean> => {
      const body = {
        agent: "a-1",
        purpose: "office",
        task: "t-a-1",
        verb: "refund",
        resource: { type: "order", id: "last" },
        arguments: { amount },
      };
      return (await child.told("POST", "/decide", body)).body["proceed"] === true;
    };
    for (const agent of ["a-1", "a-2"]) while (await send(agent));
    const left = AMOUNT - onRecord(place.records).refunds;
    expect(await refund(left + 1)).to.equal(false);
    expect(await refund(left)).to.equal(true);
    const { mails, refunds } = onRecord(place.records);
    expect([...mails.values()]).to.deep.equal([MAILS, MAILS]);
    expect(refunds).to.equal(AMOUNT);
    expect(told.givenBack.size).to.be.above(0);
    expect(await child.stop()).to.equal(0);
  });
});

/** Mails by task and the sum of refunds that were permitted and not given back, as the records say. */
function onRecord(folder: string): { mails: Map<string, number>; refunds: number; ids: Set<string> } {
  const records = recordsIn(folder) as unknown as (DecisionRecord | OutcomeRecord)[];
  const back = new Set(records.flatMap((one) => (one.kind === "outcome" && one.outcome === "not_attempted" ? [one.decision_id] : [])));
  const mails = new Map<string, number>([
    ["t-a-1", 0],
    ["t-a-2", 0],
  ]);
  const ids = new Set<string>();
  let refunds = 0;
  for (const record of records) {
    if (record.kind !== "decision" || !record.answer.proceed) continue;
    ids.add(record.answer.decision_id);
    if (back.has(record.answer.decision_id)) continue;
    const { request } = record.input as { request: { verb: string; task: string; arguments: Json } };
    if (request.verb === "send") mails.set(request.task, (mails.get(request.task) ?? 0) + 1);
    else if (request.verb === "refund") refunds += request.arguments["amount"] as number;
  }
  return { mails, refunds, ids };
}
