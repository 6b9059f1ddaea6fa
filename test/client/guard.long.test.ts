import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Denied, Undecided, type Action, type GuardOptions, type Permitted } from "../../src/client/index.js";
import { outside } from "../../src/client/outside.js";
import type { Answer } from "../../src/contract/index.js";
import { ask } from "../http/asking.js";
import { tokenFor } from "../http/running.js";
import { action, codes, endOf, openDesk, until, type Desk } from "./desk.js";

interface Told {
  kind: string;
  decision_id?: string;
  outcome?: string;
  answer?: { decision_id: string };
}

describe("an action under guard", function () {
  let desk: Desk;
  before(async () => {
    desk = await openDesk();
  });
  after(() => desk.close());

  const records = (): Told[] => {
    const log = join(desk.service.folder, "log");
    return readdirSync(log)
      .filter((name) => name.endsWith(".jsonl"))
      .flatMap((name) => readFileSync(join(log, name), "utf8").trimEnd().split("\n"))
      .map((line) => JSON.parse(line) as Told);
  };
  const outcomeOf = async (decisionId: string): Promise<string | undefined> => {
    const found = (): Told | undefined => records().find((one) => one.kind === "outcome" && one.decision_id === decisionId);
    await until(() => found() !== undefined, "its outcome");
    return found()?.outcome;
  };

  it("runs where it is permitted, with what was decided, and its outcome is reported", async () => {
    const given = action("note", { arguments: { text: "hello" } });
    let permitted: Permitted | undefined;
    const result = await desk.client().guard(given, (it) => {
      permitted = it;
      return "done";
    });
    expect(result).to.equal("done");
    expect(permitted?.action).to.deep.equal(given);
    expect(Object.isFrozen(permitted?.action.arguments)).to.equal(true);
    expect(permitted?.signal.aborted).to.equal(false);
    expect(await outcomeOf(permitted?.answer.decision_id ?? "")).to.equal("done");
  });

  it("is reported as failed where it throws, and what it throws is thrown on", async () => {
    let id = "";
    const failing = desk.client().guard(action("note"), ({ answer }) => {
      id = answer.decision_id;
      throw new RangeError("no such row");
    });
    expect(await failing.catch((error: unknown) => error)).to.be.instanceOf(RangeError);
    expect(await outcomeOf(id)).to.equal("failed");
  });

  it("has passed its result on before its outcome is told, and tells that before it closes", async () => {
    const order: string[] = [];
    const client = desk.client(
      { follow: false },
      {
        ...outside,
        fetch: (url, init) => {
          order.push(url.pathname.endsWith("/outcome") ? "told" : "asked");
          return outside.fetch(url, init);
        },
      },
    );
    await client.guard(action("note"), () => undefined);
    order.push("passed on");
    await client.close();
    expect(order).to.deep.equal(["asked", "passed on", "told"]);
    expect(client.outcomes_lost).to.equal(0);
  });

  // prettier-ignore
  const obliged: [what: string, type: string, options: GuardOptions, seen: unknown][] = [
    ["redacts what it is told to, wherever it stands", "card", {}, { owner: "ada", card_number: "[redacted]", accounts: [{ iban: "[redacted]" }] }],
    ["has its host redact what isn't plain JSON", "card", { redact: (result, fields) => [Object.keys(result as object), fields] }, [["owner", "card_number", "accounts"], ["card_number", "iban"]]],
    ["runs once whoever has to confirm has done so", "letter", { confirm: (who) => who === "customer" }, { owner: "ada", card_number: "4111", accounts: [{ iban: "DE1" }] }],
    ["runs once whoever has to know has been told", "refund", { notify: () => undefined }, { owner: "ada", card_number: "4111", accounts: [{ iban: "DE1" }] }],
    ["runs where it is flagged and goes on", "ticket", {}, { owner: "ada", card_number: "4111", accounts: [{ iban: "DE1" }] }],
  ];
  for (const [what, type, options, seen] of obliged) {
    it(what, async () => {
      const client = desk.client();
      await client.ready();
      const found = { owner: "ada", card_number: "4111", accounts: [{ iban: "DE1" }] };
      expect(await client.guard(action(type), () => found, options)).to.deep.equal(seen);
    });
  }

  it("runs with its arguments set as the answer says", async () => {
    const given = action("transfer", { arguments: { amount: 5000, text: "rent" } });
    const paid = await desk.client().guard(given, ({ action: { arguments: used } }) => used);
    expect(paid).to.deep.equal({ amount: 10, text: "rent" });
    expect(given.arguments).to.deep.equal({ amount: 5000, text: "rent" });
  });

  interface Refused {
    type: string;
    options?: GuardOptions;
    changes?: Partial<Action>;
    run?: (permitted: Permitted) => unknown;
    /** Whether it had run by then; its result is withheld. */
    ran?: true;
  }
  const never = (): Promise<boolean> => new Promise(() => undefined);
  const refused: [what: string, code: string, refused: Refused][] = [
    ["what is denied", "denied", { type: "vault" }],
    ["what nothing permits", "denied", { type: "unmapped" }],
    ["an agent nobody knows", "denied", { type: "note", changes: { agent: "nobody" } }],
    ["a task of nobody", "denied", { type: "note", changes: { task: "T-404" } }],
    ["a flag that waits, when nobody waits for it", "waiting", { type: "invoice" }],
    ["a flag that waits, when nothing comes in time", "waiting", { type: "invoice", options: { wait_ms: 300 } }],
    ["a confirmation that nobody can ask for", "obligation_unmet", { type: "letter" }],
    ["a confirmation that is refused", "not_confirmed", { type: "letter", options: { confirm: () => false } }],
    ["a confirmation that is no plain yes", "not_confirmed", { type: "letter", options: { confirm: () => 1 as unknown as boolean } }],
    ["a confirmation that fails", "not_confirmed", { type: "letter", options: { confirm: () => Promise.reject(new Error("no line")) } }],
    ["a confirmation that never comes", "not_confirmed", { type: "letter", options: { confirm: never, deadline_ms: 300 } }],
    ["a notice that nobody can give", "obligation_unmet", { type: "refund" }],
    ["a notice that fails", "obligation_unmet", { type: "refund", options: { notify: () => Promise.reject(new Error("no line")) } }],
    ["a set argument, of what takes no action", "obligation_unmet", { type: "transfer", run: () => undefined }],
    ["a text that can't be redacted", "obligation_unmet", { type: "card", run: (_) => "4111 1111", ran: true }],
    ["bytes that can't be redacted", "obligation_unmet", { type: "card", run: (_) => new Uint8Array(3), ran: true }],
    ["an object of a class that can't be redacted", "obligation_unmet", { type: "card", run: (_) => ({ rows: new Map() }), ran: true }],
    [
      "a redaction that fails",
      "obligation_unmet",
      {
        type: "card",
        options: {
          redact: () => {
            throw new Error("no");
          },
        },
        ran: true,
      },
    ],
    ["whoever has lost interest", "cancelled", { type: "note", options: { signal: AbortSignal.abort() } }],
    ["an unknown verb", "denied", { type: "note", changes: { verb: "erase" } }],
    ["an unknown field", "problem", { type: "note", changes: { colour: "red" } as object }],
    ["an argument of the wrong type", "problem", { type: "note", changes: { arguments: { amount: "5" } } }],
    ["an id in another spelling", "problem", { type: "note", changes: { resource: { type: "note", id: "n\u200b-1" } } }],
    ["a request id of its own", "problem", { type: "note", changes: { request_id: "mine" } as object }],
    ["an argument of megabytes", "problem", { type: "note", changes: { arguments: { text: "x".repeat(3_000_000) } } }],
    ["an argument that is deep", "problem", { type: "note", changes: { arguments: { text: deep(100) } } }],
    ["an argument deeper than any stack", "action_unreadable", { type: "note", changes: { arguments: { text: deep(200_000) } } }],
    ["an argument that goes round in circles", "action_unreadable", { type: "note", changes: { arguments: circle() } }],
    ["an argument that no JSON holds", "action_unreadable", { type: "note", changes: { arguments: { amount: 5n } } }],
  ];
  for (const [what, code, { type, options = {}, changes = {}, run, ran }] of refused) {
    it(`refuses ${what}`, async () => {
      let runs = 0;
      const client = desk.client();
      await client.ready();
      const counted = run ?? ((_: Permitted) => ({ card_number: "4111" }));
      const call = client.guard(action(type, changes), run?.length === 0 ? () => runs++ : (it) => (runs++, counted(it)), options);
      expect(await endOf(call)).to.equal(code);
      expect(runs).to.equal(ran === true ? 1 : 0);
    });
  }

  it("reports what was permitted and not done as not attempted", async () => {
    const client = desk.client();
    await client.ready();
    const error = await client.guard(action("letter"), () => undefined, { confirm: () => false }).catch((it: unknown) => it);
    expect(await outcomeOf((error as Denied).answer?.decision_id ?? "")).to.equal("not_attempted");
  });

  it("tells the model a fixed sentence, and who operates the reasons", async () => {
    const customer = { type: "vault", id: "n-1", attributes: { customer: "ada" } };
    const denied = await desk
      .client()
      .guard(action("vault", { resource: customer }), () => undefined)
      .catch((it: unknown) => it);
    expect(denied).to.be.instanceOf(Denied);
    const { message, tell_agent, reasons } = denied as Denied;
    expect([message, tell_agent]).to.deep.equal(["Nobody may do this.", "Nobody may do this."]);
    expect(codes(reasons)).to.equal("closed_for_good");
    expect(reasons[0]?.message).to.equal("closed_for_good: ada");
    expect(String(denied)).to.equal("Denied: Nobody may do this.");
  });

  it("says what was wrong with a request, for who operates", async () => {
    const call = desk.client().guard(action("note", { arguments: { amount: "5" } }), () => undefined);
    const error = (await call.catch((it: unknown) => it)) as Undecided;
    expect(error).to.be.instanceOf(Undecided);
    expect(error.problem).to.include({ code: "field_type", field: "/arguments/amount", status: 400 });
    expect(error.message).to.equal("This cannot be decided now; nothing was done.");
  });

  it("waits for its approval, and then runs that very action, once", async () => {
    const client = desk.client();
    await client.ready();
    const asked: Answer[] = [];
    const call = client.guard(action("invoice", { verb: "send" }), () => "sent", {
      wait_ms: 10_000,
      waiting: (answer) => asked.push(answer),
    });
    await until(() => asked.length > 0, "its question");
    const { decision_id = "", finding = "" } = asked[0] ?? {};
    const approval = { body: { decision: decision_id, reason: "looked at it" }, token: tokenFor("remit:review", "reviewer-1") };
    expect((await ask(desk.service, "POST", `/findings/${finding}/approvals`, approval)).outcome).to.equal("201");
    expect(await call).to.equal("sent");
    expect(asked).to.have.length(1);
    expect(await endOf(client.guard(action("invoice", { verb: "send" }), () => "sent"))).to.equal("waiting");
  });

  const spelled: [what: string, changes: Partial<Action>][] = [
    ["an id in another script", { resource: { type: "note", id: "Übergröße-№9" } }],
    ["an id with what JSON escapes", { resource: { type: "note", id: 'a"b\\c' } }],
    ["a text with all that has to be escaped", { arguments: { text: '\u0000\b\t\n\f\r"\\\u007f\u2028\u{1f600}' } }],
    ["arguments in another order", { arguments: { text: "x", amount: 1 } }],
    ["a negative zero", { arguments: { amount: -0 } }],
    ["the largest whole number", { arguments: { amount: Number.MAX_SAFE_INTEGER } }],
    ["a power of ten", { arguments: { amount: 1e15 } }],
    ["what isn't known", { arguments: { text: null, amount: null } }],
    ["what isn't said", { arguments: { text: undefined } }],
    ["an empty object of arguments", { arguments: {} }],
    ["attributes, which no digest covers", { resource: { type: "note", id: "n-1", attributes: { customer: "ada" } } }],
    ["a date, as JSON writes it", { arguments: { text: new Date(0) } }],
  ];
  for (const [what, changes] of spelled) {
    it(`is the same action for the service: ${what}`, async () => {
      expect(await endOf(desk.client().guard(action("note", changes), () => undefined))).to.equal("ran");
    });
  }

  it("is the same action for the service where a token names its task", async () => {
    const { body } = await ask(desk.service, "POST", "/tasks/T-1/token");
    const given = action("note", { task_token: String(body["task_token"] ?? body["token"]) });
    delete given.task;
    expect(await endOf(desk.client().guard(given, () => undefined))).to.equal("ran");
  });

  const mutations: [what: string, change: (given: Action) => void][] = [
    ["its agent", (given) => (given.agent = "a-2")],
    ["its purpose", (given) => (given.purpose = "other")],
    ["its task", (given) => (given.task = "T-2")],
    ["its task left out", (given) => delete given.task],
    ["its verb", (given) => (given.verb = "send")],
    ["its resource's type", (given) => (given.resource.type = "vault")],
    ["its resource's id", (given) => (given.resource.id = "n-2")],
    ["its resource's attributes", (given) => (given.resource.attributes = { customer: "bob" })],
    ["its arguments", (given) => (given.arguments = { text: "other" })],
    ["one of its arguments", (given) => ((given.arguments ?? {})["text"] = "other")],
    ["another argument", (given) => ((given.arguments ?? {})["amount"] = 1)],
    ["an argument that no JSON holds", (given) => ((given.arguments ?? {})["amount"] = 1n)],
  ];
  for (const [what, change] of mutations) {
    it(`doesn't run when ${what} has changed since it was asked about`, async () => {
      const given = action("note", { arguments: { text: "one" } });
      let runs = 0;
      const call = desk.client().guard(given, () => runs++);
      change(given);
      expect(await endOf(call)).to.equal("action_changed");
      expect(runs).to.equal(0);
    });
  }

  it("passes a cancellation on to what runs, and gives what that makes of it", async () => {
    const controller = new AbortController();
    const result = await desk.client().guard(
      action("note"),
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            resolve("cleaned up");
          });
          controller.abort();
        }),
      { signal: controller.signal },
    );
    expect(result).to.equal("cleaned up");
  });
});

function deep(levels: number): unknown {
  let value: unknown = "bottom";
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

function circle(): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  value["text"] = value;
  return value;
}
