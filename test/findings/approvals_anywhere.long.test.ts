import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { ask, inAnHour } from "../http/asking.js";
import { tokenFor } from "../http/running.js";
import { DOMAINS, Doors, TOKENS, actionOf, tryPairs, type Wanted } from "./doors.js";

const PAIRS = 60;

const BASE: Wanted = {
  ...{ caller: "app-1", agent: "a-0", purpose: "testing", task: { person: "ada", number: 1 }, verb: "create", id: "n-1", customer: "bob" },
  ...{ cents: 100, order: "O-1", order_owner: "ada", text: "hello", amount: 1, session: "S-1", source: "wl-1" },
};

describe("an approval, whichever door it waited at and is used at", function () {
  this.timeout(900_000);
  let doors: Doors;
  before(async () => (doors = await Doors.open()));
  after(() => doors.close());

  it(`permits an action if and only if all that a policy sees of it is the same: ${PAIRS} pairs`, async () => {
    const { wrong, same } = await tryPairs(doors, PAIRS, 19);
    expect(wrong).to.deep.equal([]);
    expect(same).to.be.within(PAIRS / 10, (PAIRS * 2) / 3);
  });

  describe("ends", () => {
    let n = 10_000;
    let wanted: Wanted;
    beforeEach(async () => {
      const [agent] = await doors.agents(++n);
      wanted = { ...BASE, agent };
      const held = await doors.ask("POST /decide", wanted);
      expect(await doors.approve(held)).to.equal("201");
    });
    const isPermitted = async (): Promise<boolean> => (await doors.ask("POST /decide", wanted)).proceed;
    const change = async (method: string, path: string, body: object, headers: Record<string, string> = {}): Promise<void> => {
      const { outcome } = await ask(doors.service, method, path, { body, headers });
      expect(outcome, `${method} ${path}`).to.match(/^20/);
    };
    const lifted = async (scope: object, path: string): Promise<void> => {
      await change("POST", "/revocations", { scope, reason: "r" });
      await change("POST", `/revocations/${path}/lift`, { reason: "r" });
    };

    it("with nothing: it is good meanwhile, once", async () => {
      expect([await isPermitted(), await isPermitted()]).to.deep.equal([true, false]);
    });

    const ends: [what: string, end: () => Promise<void>][] = [
      [
        "with the agent's next credential",
        async () => {
          const credentials = [{ issuer: "https://login.example", subject: `s-${n}` }];
          const { revision } = (await ask(doors.service, "GET", `/agents/${wanted.agent}`)).body;
          await change("PATCH", `/agents/${wanted.agent}`, { credentials }, { "if-match": `"${String(revision)}"` });
        },
      ],
      [
        "with a suspension that is over",
        async () => {
          await change("PATCH", `/agents/${wanted.agent}`, { status: "suspended", reason: "r" });
          await change("PATCH", `/agents/${wanted.agent}`, { status: "active", reason: "r" });
        },
      ],
      ["with a revocation of its agent, though it is lifted", () => lifted({ agent: wanted.agent }, `agent/${wanted.agent}`)],
      ["with a revocation of its owner, though it is lifted", () => lifted({ owner: "tests@example.com" }, "owner/tests@example.com")],
      [
        "with a revocation of its task, though it is lifted",
        () => lifted({ task: `T-${wanted.agent}-testing-ada-1` }, `task/T-${wanted.agent}-testing-ada-1`),
      ],
      ["with a revocation of its person, though it is lifted", () => lifted({ principal: "ada" }, "principal/ada")],
      ["with a revocation of its purpose, though it is lifted", () => lifted({ purpose: "testing" }, "purpose/testing")],
      ["with a revocation of everything, though it is lifted", () => lifted({ everything: true }, "everything")],
    ];
    for (const [what, end] of ends) {
      it(what, async () => {
        await end();
        expect(await isPermitted()).to.equal(false);
      });
    }
  });

  it("shows two actions that wait as two, with what they are made of, and lets the one that was read go on", async () => {
    const [agent] = await doors.agents(20_000);
    const [bob, cyd] = [
      { ...BASE, agent },
      { ...BASE, agent, customer: "cyd" },
    ];
    const one = await doors.ask("POST /decide", bob);
    const two = await doors.ask("POST /decide", cyd);
    const { body } = await ask(doors.service, "GET", `/findings/${one.finding}`);
    const waiting = body["waiting"] as { decision_id: string; fields: { field: string; value: string }[]; principals: string[] }[];
    expect(waiting.map(({ decision_id }) => decision_id)).to.deep.equal([one.decision_id, two.decision_id]);
    expect(waiting.map(({ fields }) => fields.find(({ field }) => field === "/resource/attributes/customer")?.value)).to.deep.equal([
      '"bob"',
      '"cyd"',
    ]);
    expect(waiting.map(({ principals }) => principals)).to.deep.equal([["ada"], ["ada"]]);
    expect(await doors.approve(one)).to.equal("201");
    expect([(await doors.ask("OPA", cyd)).proceed, (await doors.ask("OPA", bob)).proceed]).to.deep.equal([false, true]);
  });

  it("lets a task that was handed on go on, whichever of its levels was held, once, and no other below the same", async () => {
    const { service } = doors;
    const made = async (path: string, body: object): Promise<void> => {
      expect((await ask(service, "POST", path, { body })).outcome).to.equal("201");
    };
    const purposes = ["testing"];
    const expires = inAnHour();
    await made("/agents", { id: "lead", owner: "o", purposes, delegates: purposes });
    await made("/agents", { id: "helper", owner: "o", purposes });
    await made("/tasks", { id: "T-lead", agent: "lead", purpose: "testing", principal: "ada", expires });
    for (const id of ["C-1", "C-2"]) await made("/tasks", { id, agent: "helper", purpose: "testing", parent: "T-lead", expires });
    const asked = async (task: string): Promise<Answer> => {
      const body = { ...actionOf({ ...BASE, agent: "helper" }), task };
      return (await ask(service, "POST", "/decide", { body, token: TOKENS["app-1"] })).body as unknown as Answer;
    };
    const held = await asked("C-1");
    expect(held.reasons.map(({ code, of }) => [code, of])).to.deep.equal([["to_be_approved", undefined]]);
    expect(await doors.approve(held as never, tokenFor("remit:review", "ada")), "by the person at the root").to.match(/^403/);
    expect(await doors.approve(held as never)).to.equal("201");
    expect((await asked("C-2")).proceed, "another task").to.equal(false);
    const done = await asked("C-1");
    expect([done.decision, done.proceed]).to.deep.equal(["allow", true]);
    expect((await asked("C-1")).proceed, "a second time").to.equal(false);
  });

  it("is nobody's to give who has asked for it, by whatever way", async () => {
    const [agent] = await doors.agents(30_000);
    const held = await doors.ask("POST /decide", { ...BASE, agent });
    const reviewing = (subject: string): string => tokenFor("remit:decide remit:review", subject);
    expect(await doors.approve(held, reviewing("app-1"))).to.equal("403 approver_not_permitted");
    expect(await doors.approve(held, reviewing("ada"))).to.equal("403 approver_not_permitted");
    const grant = {
      ...{ id: "G-own", agent, action_digest: `sha256:${"a".repeat(64)}`, reason: "r", requested_by: "x", approved_by: "lead" },
      expires: new Date(Date.now() + 60_000).toISOString(),
    };
    expect((await ask(doors.service, "POST", "/grants", { body: grant })).outcome).to.match(/^400 field_/);
  });

  it("covers every field that has another value to it", () => {
    expect(Object.keys(DOMAINS).sort()).to.deep.equal(Object.keys(BASE).sort());
  });
});
