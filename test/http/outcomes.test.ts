import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { SEEN_LIMITS, SeenMemory } from "../../src/flow/seen_memory.js";
import { Problem, RecordSchema, type LogRecord } from "../../src/contract/index.js";
import { OutcomeReports, type KnownDecision } from "../../src/decision/outcomes.js";
import { schemas } from "../../src/system/schemas.js";
import { problemOf } from "../decision/world.js";
import { EVERY, ask, runWithFacts, withAgent } from "./asking.js";
import { REQUEST, tokenFor, type Running } from "./running.js";

const DECIDE = tokenFor("remit:decide");
const validRecord = schemas({ strictTypes: false }).compile(RecordSchema);

function outcomes({ folder }: Running): LogRecord[] {
  const log = join(folder, "log");
  return readdirSync(log)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(log, name), "utf8").trimEnd().split("\n"))
    .map((text) => JSON.parse(text) as LogRecord)
    .filter(({ kind }) => kind === "outcome");
}

describe("POST /decisions/{id}/outcome", function () {
  let service: Running;
  const report = (id: string, body: unknown, token = DECIDE) => ask(service, "POST", `/decisions/${id}/outcome`, { body, token });
  const decide = async (changes: object = {}, token = DECIDE): Promise<string> => {
    const { body } = await ask(service, "POST", "/decide", { body: { ...REQUEST, ...changes }, token });
    return String(body["decision_id"]);
  };

  before(async () => {
    service = await runWithFacts();
    await withAgent(service);
  });
  after(() => service.stop());

  it("puts what became of an action on record before it answers", async () => {
    const id = await decide();
    const { status, body } = await report(id, { outcome: "done", took_ms: 12.5, amount: 3, detail: "three rows" });
    expect(status).to.equal(200);
    expect(body).to.include({ decision_id: id, outcome: "done", took_ms: 12.5, amount: 3, detail: "three rows" });
    const record = outcomes(service).at(-1);
    expect(record).to.include({ kind: "outcome", decision_id: id, outcome: "done", caller: "gateway-1" });
    expect(validRecord(record), JSON.stringify(validRecord.errors)).to.equal(true);
  });

  it("takes each outcome, and of a batch's decisions too", async () => {
    const actions = [REQUEST, REQUEST, REQUEST];
    const { body } = await ask(service, "POST", "/decide/batch", { body: { actions }, token: DECIDE });
    const ids = (body["answers"] as { decision_id: string }[]).map(({ decision_id }) => decision_id);
    for (const [i, outcome] of ["done", "failed", "not_attempted"].entries()) {
      expect((await report(ids[i] ?? "", { outcome })).status, outcome).to.equal(200);
    }
  });

  it("answers the same again as the first time, and records it once", async () => {
    const id = await decide();
    const first = await report(id, { outcome: "done", took_ms: 1 });
    const again = await report(id, { took_ms: 1, outcome: "done" });
    expect(again.body).to.deep.equal(first.body);
    expect(outcomes(service).filter((record) => record.kind === "outcome" && record.decision_id === id)).to.have.length(1);
  });

  it("records one outcome, however many come at once", async () => {
    const id = await decide();
    const same = await Promise.all(Array.from({ length: 8 }, () => report(id, { outcome: "done" })));
    expect(new Set(same.map(({ text }) => text)).size).to.equal(1);
    const other = await report(id, { outcome: "failed" });
    expect(other.outcome).to.equal("409 outcome_exists");
    expect(other.body["expected"], "which it was").to.match(/^`done`, as it was reported at 20/);
    expect(outcomes(service).filter((record) => record.kind === "outcome" && record.decision_id === id)).to.have.length(1);
  });

  const NOBODYS = "0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10";
  // prettier-ignore
  const refused: [what: string, asking: () => ReturnType<typeof report>, outcome: string][] = [
    ["another outcome of the same", async () => { const id = await decide(); await report(id, { outcome: "done" }); return report(id, { outcome: "failed" }); }, "409 outcome_exists"],
    ["the same with other figures", async () => { const id = await decide(); await report(id, { outcome: "done" }); return report(id, { outcome: "done", took_ms: 1 }); }, "409 outcome_exists"],
    ["what was denied", async () => report(await decide({ agent: "nobody" }), { outcome: "done" }), "409 decision_not_permitted"],
    ["another caller's decision", async () => report(await decide({}, tokenFor("remit:decide", "gateway-2")), { outcome: "done" }), "404 decision_not_found"],
    ["another caller's denied decision", async () => report(await decide({ agent: "nobody" }, tokenFor("remit:decide", "gateway-2")), { outcome: "done" }), "404 decision_not_found"],
    ["a decision that never was", () => report(NOBODYS, { outcome: "done" }), "404 decision_not_found"],
    ["what is no id", () => report("x", { outcome: "done" }), "404 decision_not_found"],
    ["an observed action", async () => report(await observed(), { outcome: "done" }), "404 decision_not_found"],
    ["no outcome", async () => report(await decide(), {}), "400 field_missing /outcome"],
    ["an outcome that is none", async () => report(await decide(), { outcome: "fine" }), "400 field_invalid /outcome"],
    ["a negative time", async () => report(await decide(), { outcome: "done", took_ms: -1 }), "400 field_invalid /took_ms"],
    ["an amount in words", async () => report(await decide(), { outcome: "done", amount: "3" }), "400 field_type /amount"],
    ["an amount that isn't exact", async () => report(await decide(), '{"outcome":"done","amount":12345678901234567890}'), "400 number_not_exact"],
    ["more than a few words", async () => report(await decide(), { outcome: "done", detail: "x".repeat(1025) }), "400 field_invalid /detail"],
    ["an unknown field", async () => report(await decide(), { outcome: "done", decision: "allow" }), "400 field_unknown /decision"],
    ["a token that may not decide", async () => report(await decide(), { outcome: "done" }, tokenFor("remit:observe")), "403 scope_missing authorization"],
    ["no token", async () => report(await decide(), { outcome: "done" }, ""), "401 token_missing authorization"],
  ];
  async function observed(): Promise<string> {
    const body = `${JSON.stringify({ ...REQUEST, at: new Date().toISOString() })}\n`;
    const token = tokenFor("remit:observe");
    await ask(service, "POST", "/observe", { body, token, headers: { "content-type": "application/x-ndjson" } });
    const log = join(service.folder, "log");
    const [segment = ""] = readdirSync(log).filter((name) => name.endsWith(".jsonl"));
    const last = readFileSync(join(log, segment), "utf8").trimEnd().split("\n").at(-1) ?? "";
    return (JSON.parse(last) as { answer: { decision_id: string } }).answer.decision_id;
  }
  for (const [what, asking, outcome] of refused) {
    it(`refuses ${what}, and records nothing of it`, async () => {
      const { outcome: said } = await asking();
      expect(said).to.equal(outcome);
    });
  }

  it("knows of decisions before it was started, and of what became of them", async () => {
    const sections = { decision: { outcomes_max: 0 } };
    const forgetful = await runWithFacts(sections);
    try {
      await withAgent(forgetful);
      const at = (id: string, body: unknown, token = DECIDE) => ask(forgetful, "POST", `/decisions/${id}/outcome`, { body, token });
      const ids = await Promise.all(
        [{}, { agent: "nobody" }].map(async (changes) => {
          const { body } = await ask(forgetful, "POST", "/decide", { body: { ...REQUEST, ...changes }, token: DECIDE });
          return String(body["decision_id"]);
        }),
      );
      const [permitted = "", denied = ""] = ids;
      // The index opens once the service listens.
      while ((await at(NOBODYS, { outcome: "done" })).status === 503) await new Promise((resolve) => setTimeout(resolve, 20));
      expect((await at(denied, { outcome: "done" })).outcome).to.equal("409 decision_not_permitted");
      expect((await at(permitted, { outcome: "done" }, tokenFor("remit:decide", "gateway-2"))).outcome).to.equal("404 decision_not_found");
      const first = await at(permitted, { outcome: "done", took_ms: 3 });
      expect(first.status).to.equal(200);
      expect((await at(permitted, { outcome: "done", took_ms: 3 })).body).to.deep.equal(first.body);
      expect((await at(permitted, { outcome: "failed" })).outcome).to.equal("409 outcome_exists");
    } finally {
      await forgetful.stop();
    }
  });

  it("asks for the right of the caller, not for that of any", async () => {
    const id = await decide({}, EVERY);
    expect((await report(id, { outcome: "done" }, tokenFor("remit:decide", "gateway-1"))).status).to.equal(200);
  });
});

describe("outcomes", () => {
  const ID = "0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10";
  const clock = { wall: () => 0 };
  const idOf = (i: number): string => `0197f0c2-5f0e-7b2a-9d55-${String(i).padStart(12, "0")}`;

  function made(found: KnownDecision | null = null, recent_max = 2) {
    const appended: string[] = [];
    const state = { fail: false, lookups: 0 };
    const outcomes = new OutcomeReports({
      log: {
        append: (before) => {
          if (state.fail) return Promise.reject(new Problem("log_unavailable"));
          appended.push(before);
          return Promise.resolve();
        },
      },
      clock,
      recent_max,
      find: () => {
        state.lookups++;
        return Promise.resolve(found);
      },
    });
    return { outcomes, appended, state };
  }

  it("look into the records for decisions that are no longer remembered, and for no others", async () => {
    const { outcomes, state } = made({ caller: "gateway-1", proceed: true, outcome: null });
    for (let i = 0; i < 3; i++) outcomes.remember(idOf(i), "gateway-1", true);
    await outcomes.report(idOf(2), "gateway-1", { outcome: "done" });
    expect(state.lookups).to.equal(0);
    await outcomes.report(idOf(0), "gateway-1", { outcome: "done" });
    expect(state.lookups).to.equal(1);
  });

  it("know of an outcome that only the records have", async () => {
    const earlier = { decision_id: ID, outcome: "done" as const, time: "2026-03-03T09:15:00.000Z" };
    const { outcomes, appended } = made({ caller: "gateway-1", proceed: true, outcome: earlier });
    expect(await outcomes.report(ID, "gateway-1", { outcome: "done" })).to.deep.equal(earlier);
    expect((await problemOf(outcomes.report(ID, "gateway-1", { outcome: "failed" }))).code).to.equal("outcome_exists");
    expect(appended).to.deep.equal([]);
  });

  it("tell nobody of others' decisions that only the records have", async () => {
    const { outcomes } = made({ caller: "gateway-2", proceed: false, outcome: null });
    expect((await problemOf(outcomes.report(ID, "gateway-1", { outcome: "done" }))).code).to.equal("decision_not_found");
  });

  it("are recorded once, though two come in one turn, of a decision that only the records have", async () => {
    const { outcomes, appended } = made({ caller: "gateway-1", proceed: true, outcome: null });
    const report = () => outcomes.report(ID, "gateway-1", { outcome: "done" });
    const [one, other] = await Promise.all([report(), report()]);
    expect(other).to.deep.equal(one);
    expect(appended).to.have.length(1);
  });

  it("may be reported again where the disk didn't take them", async () => {
    const { outcomes, appended, state } = made();
    outcomes.remember(ID, "gateway-1", true);
    state.fail = true;
    expect((await problemOf(outcomes.report(ID, "gateway-1", { outcome: "done" }))).code).to.equal("log_unavailable");
    state.fail = false;
    await outcomes.report(ID, "gateway-1", { outcome: "failed" });
    expect(appended).to.have.length(1);
  });

  it("are one of each decision, also of two that come in the same turn", async () => {
    const { outcomes, appended } = made();
    outcomes.remember(ID, "gateway-1", true);
    const [first, second] = await Promise.allSettled([
      outcomes.report(ID, "gateway-1", { outcome: "done" }),
      outcomes.report(ID, "gateway-1", { outcome: "failed" }),
    ]);
    expect([first.status, second.status]).to.deep.equal(["fulfilled", "rejected"]);
    expect(appended).to.have.length(1);
  });

  it("are one of each decision, also of two that the records are asked about at once", async () => {
    const { outcomes, appended } = made({ caller: "gateway-1", proceed: true, outcome: null }, 0);
    const asked = ["done", "failed"].map((outcome) => outcomes.report(ID, "gateway-1", { outcome: outcome as "done" }));
    expect((await Promise.allSettled(asked)).map(({ status }) => status)).to.deep.equal(["fulfilled", "rejected"]);
    expect(appended).to.have.length(1);
  });

  it("are never forgotten before their decisions", async () => {
    const { outcomes, appended } = made();
    outcomes.remember(ID, "gateway-1", true);
    for (let i = 0; i <= 1024; i++) {
      outcomes.remember(idOf(i), "gateway-1", true);
      await outcomes.report(idOf(i), "gateway-1", { outcome: "done" });
    }
    expect((await problemOf(outcomes.report(idOf(0), "gateway-1", { outcome: "failed" }))).code).to.equal("decision_not_found");
    expect(appended).to.have.length(1025);
  });

  it("are known of none without records to look into", async () => {
    const outcomes = new OutcomeReports({ log: { append: () => Promise.resolve() }, clock, recent_max: 0 });
    outcomes.remember(ID, "gateway-1", true);
    expect((await problemOf(outcomes.report(ID, "gateway-1", { outcome: "done" }))).code).to.equal("decision_not_found");
  });

  const failures: [what: string, append: () => Promise<void>][] = [
    [
      "is full",
      () => {
        throw new Problem("log_backlog");
      },
    ],
    ["fails", () => Promise.reject(new Problem("log_unavailable"))],
  ];
  for (const [what, append] of failures) {
    it(`lower no label where the log ${what}: that widens, and would be on record nowhere`, async () => {
      const seen = new SeenMemory(SEEN_LIMITS);
      seen.permitted({ task: "T-1", agent: "a-1" }, ID, { written: [], labels: ["confidential"], lowers: [], reads: false });
      seen.permitted({ task: "T-1", agent: "a-1" }, ID, { written: [], labels: [], lowers: ["confidential", "personal"], reads: false });
      const labels = (): string[] => [...(seen.of("T-1")?.labels ?? [])];
      let isFailing = true;
      const outcomes = new OutcomeReports({
        log: { append: () => (isFailing ? append() : Promise.resolve()) },
        clock,
        recent_max: 2,
        flow: { done: () => seen.lowering("T-1", ID), returned: () => null, notMade: () => undefined },
      });
      outcomes.remember(ID, "gateway-1", true);
      expect((await problemOf(outcomes.report(ID, "gateway-1", { outcome: "done" }))).code).to.match(/^log_/);
      expect(labels()).to.deep.equal(["confidential"]);
      isFailing = false;
      await outcomes.report(ID, "gateway-1", { outcome: "done" });
      expect(labels()).to.deep.equal([]);
    });

    it(`give no use back where the log ${what}: it may be reported as done yet`, async () => {
      const back: string[] = [];
      let isFailing = true;
      const outcomes = new OutcomeReports({
        log: { append: () => (isFailing ? append() : Promise.resolve()) },
        clock,
        recent_max: 2,
        flow: { done: () => null, returned: () => null, notMade: (id) => back.push(id) },
      });
      outcomes.remember(ID, "gateway-1", true);
      expect((await problemOf(outcomes.report(ID, "gateway-1", { outcome: "not_attempted" }))).code).to.match(/^log_/);
      expect(back).to.deep.equal([]);
      isFailing = false;
      await outcomes.report(ID, "gateway-1", { outcome: "not_attempted" });
      expect(back).to.deep.equal([ID]);
    });
  }
});
