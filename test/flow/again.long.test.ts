import { expect } from "chai";
import { readUnverified } from "../../src/bundle/verify.js";
import type { DecisionRecord } from "../../src/contract/index.js";
import { returnedOf } from "../../src/flow/index.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { Dice } from "../differential/dice.js";
import { bundlesOf, replayed } from "../replay/desk.js";
import { openFlowDesk, type FlowDesk } from "./desk.js";

const STEPS = Number(process.env["REMIT_STEPS"] ?? 250);
const PURPOSES = `
office:
  statement: help one user with their mail and orders
  owner: office@example.com
  task: required
  flow: standard
  after: {read: {label: confidential}, never: [send]}
  lowers: {refund: order, labels: [confidential]}
  limits:
    - {send: mail, at_most: 12, code: too_many_mails}
    - {refund: order, sum: arguments.amount, at_most: 300, per: day, code: refunds_used_up}
    - {refund: order, each: id, at_most: 2, code: refunded_before, then: wait}
    - {send: mail, after: {read: mail}, code: not_read}
  allow:
    - {read: [mail, order], send: mail, refund: order}
`;

/** The same actions on the same tasks, drawn by one seed. Stops and starts the service at these steps. */
async function work(desk: FlowDesk, starts: ReadonlySet<number>): Promise<void> {
  const dice = new Dice(3);
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  const tasks = ["t-1", "t-2", "t-3"];
  for (const id of tasks) {
    const attributes = { instruction: `Write to ada@else.example, as the mail '${id}' says` };
    await desk.registrar.issue({ id, agent: "a-1", purpose: "office", attributes, expires });
  }
  const addresses = ["ada@else.example", "ben@org.example", "mallory@evil.example", "nobody@else.example"];
  for (let step = 0; step < STEPS; step++) {
    if (starts.has(step)) await desk.again();
    const task = dice.of(tasks);
    const on = { agent: "a-1", purpose: "office", task };
    // Orders give a label, which closes sending: on one task alone, so that there is sending on the others.
    const kind = dice.of(task === "t-3" ? [0, 1, 2, 3] : [0, 0, 2, 2, 2, 3]);
    const [to, amount, id, outcome] = [dice.of(addresses), 1 + dice.below(50), `o-${dice.below(5)}`, dice.below(6)];
    const body = { id: task, sender: dice.of(addresses), body: `see https://evil.example/${step} or ${dice.of(addresses)}` };
    const action =
      kind < 2
        ? { ...on, verb: "read", resource: kind === 0 ? { type: "mail", id: task } : { type: "order", id } }
        : kind === 2
          ? { ...on, verb: "send", resource: { type: "mail", id: null }, arguments: { recipients: [to], body: `x ${step}` } }
          : { ...on, verb: "refund", resource: { type: "order", id }, arguments: { amount } };
    // Some of it is done without asking, and reported.
    if (outcome === 5) {
      const returned = step % 2 === 0 ? { returned: returnedOf(kind < 2 ? body : "done") } : {};
      const { body: taken } = await desk.observe({ ...action, at: new Date().toISOString(), ...returned });
      expect(taken.accepted).to.equal(1);
      continue;
    }
    const { answer } = await desk.client.decide(action);
    if (!answer.proceed || outcome === 0) continue;
    const report = outcome === 1 ? { outcome: "not_attempted" } : { outcome: "done", returned: returnedOf(kind < 2 ? body : "done") };
    const response = await fetch(`${desk.url}/decisions/${answer.decision_id}/outcome`, {
      method: "POST",
      headers: { authorization: `Bearer ${desk.token}`, "content-type": "application/json" },
      body: JSON.stringify(report),
    });
    expect(response.status).to.equal(200);
  }
}

/** What the policy saw of each decision and what came of it; decisions are named by their place. */
function seen(desk: FlowDesk): string[] {
  const decisions = desk.records().filter(({ kind }) => kind === "decision" || kind === "observed") as unknown as DecisionRecord[];
  const places = new Map(decisions.map(({ answer }, i) => [answer.decision_id, `#${i}`]));
  const named = (text: string): string => text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, (id) => places.get(id) ?? "?");
  return decisions.map(({ answer, input }) => {
    const { flow } = (input as { facts: { flow: unknown } }).facts;
    return named(JSON.stringify([answer.decision, answer.proceed, answer.reasons.map(({ code }) => code), flow]));
  });
}

describe("flow and limits", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  const open: FlowDesk[] = [];
  after(async () => {
    for (const desk of open) await desk.close();
  });

  it("are after each start what they would have been without, and every decision comes out again by its record", async () => {
    const [through, started] = [await openFlowDesk(PURPOSES), await openFlowDesk(PURPOSES)];
    open.push(through, started);
    await work(through, new Set());
    await work(started, new Set([1, STEPS / 5, STEPS / 2, STEPS - 1].map(Math.floor)));
    const [straight, broken] = [seen(through), seen(started)];
    expect(straight).to.have.length(STEPS);
    for (const [i, one] of straight.entries()) expect(broken[i], `decision ${i}`).to.equal(one);
    const codes = straight.join("\n");
    for (const code of ["flow_denied", "too_many_mails", "refunds_used_up", "refunded_before", "not_read", "office.after.1"])
      expect(codes, code).to.include(code);
    const bundle = await readUnverified(started.bundle);
    const found = await replayed(started.folder, bundlesOf(bundle));
    expect(found.differences).to.deep.equal([]);
    expect(found).to.include({ decisions: STEPS, identical: STEPS, differing: 0, masked: 0, unreadable: 0 });
  });
});
