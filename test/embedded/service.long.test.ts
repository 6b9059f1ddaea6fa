import { expect } from "chai";
import { KEY, NAME, p256, publicPem } from "../bundle/support.js";
import type { DecideRequest, Answer } from "../../src/contract/index.js";
import { NotReady, type EmbeddedOptions, Undecided, type Embedded } from "../../src/embedded.js";
import { ask } from "../http/asking.js";
import { tokenFor } from "../http/running.js";
import {
  APP,
  APP_TOKEN,
  PATIENCE_MS,
  action,
  beside,
  impatientOnce,
  type Beside,
  deskBundle,
  endOf,
  giveTask,
  handedIn,
  recordsIn,
  shipped,
  standing,
  until,
} from "./desk.js";
import { once } from "node:events";
import { join } from "node:path";

const NOTE = action("note") as DecideRequest;

describe("an engine in an application, beside a service", function () {
  let world: Beside;
  beforeEach(async () => {
    world = await beside();
  });
  afterEach(async () => {
    await world.close();
  });

  const asService = async (asked: object): Promise<Record<string, unknown>> => {
    const { body } = await ask(world.service, "POST", "/decide", {
      body: asked,
      token: tokenFor("remit:decide", "app-1"),
    });
    return body;
  };

  it("answers as the service does", async () => {
    const engine = await world.open();
    for (const type of ["note", "card", "invoice", "ticket", "vault", "unmapped", "no_such_type"]) {
      const asked = { ...action(type), request_id: "r-1" } as DecideRequest;
      const [here, there] = [await engine.decide(asked), await asService(asked)];
      const without = ({ decision_id: _, finding, ...rest }: Record<string, unknown>): object => ({
        ...rest,
        wait: null,
        found: finding !== undefined,
      });
      expect(without({ ...here }), type).to.deep.equal(without(there));
    }
  });

  // prettier-ignore
  const begins: [what: string, options: (url: string) => Partial<EmbeddedOptions>, code: string | null, message: RegExp][] = [
    ["a token that may not embed", (url) => ({ service: { url, token: tokenFor("remit:decide remit:bundle", APP) } }), "scope_missing", /ms: facts are not known: the service answers 403 scope_missing, expected .*`remit:embed`.*needs the scopes/],
    ["a token that may follow, and not take values", (url) => ({ service: { url, token: tokenFor("remit:bundle remit:audit", APP) } }), "scope_missing", /ms: facts are not known: .*`remit:embed`/],
    ["a token that may not take bundles", (url) => ({ service: { url, token: tokenFor("remit:embed remit:decide", APP) } }), "scope_missing", /ms: no bundle is active: the service has no bundle for us: 403 scope_missing \(`service.token` needs/],
    ["no token", (url) => ({ service: { url, token: () => "" } }), "token_missing", /facts are not known: there is no token to ask with \(`service.token` gives none\)/],
    ["a token of nobody's", (url) => ({ service: { url, token: "x.y.z" } }), "token_invalid", /facts are not known: the service answers 401 token_invalid/],
    ["a bundle of another name", (url) => ({ service: { url, token: APP_TOKEN }, bundle: { name: "other", keys: publicPem(KEY) } }), "not_found", /no bundle is active: .* 404 not_found \(.*`bundle.name`/],
    ["keys of somebody else", (url) => ({ service: { url, token: APP_TOKEN }, bundle: { name: NAME, keys: publicPem(p256()) } }), "signature_key_unknown", /ms: no bundle is active: the service's bundle is refused: .*not trusted/],
    ["nobody there", () => ({ service: { url: "http://127.0.0.1:9", token: "t" } }), "unreachable", /facts are not known: no connection.*\(is the service at `service.url`\?\)/],
  ];
  /** Its patience ends once both its questions are answered. */
  const failing = (options: Partial<EmbeddedOptions>): Promise<unknown> => {
    const told = [/"event":"facts_(current|unavailable)"/, /"event":"bundle_(active|refused|unavailable)"/];
    const isTold = (): boolean => told.every((words) => world.said.some((line) => words.test(line)));
    const given = { ready_ms: PATIENCE_MS, facts: { age_ms_max: 3_600_000 }, ...options };
    return world.open(given, impatientOnce(isTold)).catch((cause: unknown) => cause);
  };
  for (const [what, options, code, message] of begins) {
    it(`says why it doesn't begin, and what to do: ${what}`, async () => {
      const failed = await failing(options(world.wire.url));
      expect(failed).to.be.instanceOf(NotReady);
      expect((failed as NotReady).code).to.equal(code);
      expect((failed as NotReady).message).to.match(message);
    });
  }

  const said = ({ decision, reasons }: Answer): string => `${decision} ${reasons.map(({ code }) => code).join()}`;

  const revoke = async (scope: object): Promise<void> => {
    const { status } = await ask(world.service, "POST", "/revocations", { body: { scope, reason: "test" } });
    expect(status).to.equal(200);
  };

  /** By somebody who asked for nothing. */
  const approve = (finding: string, decision: string): ReturnType<typeof ask> =>
    ask(world.service, "POST", `/findings/${finding}/approvals`, {
      body: { decision, reason: "it is right" },
      token: tokenFor("remit:review", "reviewer-1"),
    });

  it("decides a batch in order, and hands what is decided in to the service, marked as its own", async () => {
    const engine = await world.open();
    const answers = await engine.decideBatch(["note", "vault", "card"].map((type) => action(type) as DecideRequest));
    expect(answers.map(said)).to.deep.equal(["allow permitted", "deny closed_for_good", "allow permitted"]);
    await shipped(engine);
    const records = handedIn(world.service);
    expect(records.map(({ answer }) => answer)).to.deep.equal(answers);
    expect(new Set(records.map(({ caller }) => caller))).to.deep.equal(new Set(["app-1"]));
    expect(records.map(({ engine }) => engine?.seq)).to.deep.equal([...records.map(({ engine }) => engine?.seq)].sort());
  });

  it("knows a revocation before the next decision, and what is lifted", async () => {
    const engine = await world.open();
    expect(said(await engine.decide(NOTE))).to.equal("allow permitted");
    await revoke({ agent: "a-1" });
    await until(async () => said(await engine.decide(NOTE)) === "deny agent_revoked", "the revocation");
    await ask(world.service, "POST", "/revocations/agent/a-1/lift", { body: { reason: "again" } });
    await until(async () => said(await engine.decide(NOTE)) === "allow permitted", "the end of the revocation");
  });

  it("hears of a change whatever characters its reason has", async () => {
    const engine = await world.open();
    const reason = "fired\u2028see\u2029HR\u0085\r\nnow";
    const { status } = await ask(world.service, "POST", "/revocations", { body: { scope: { agent: "a-1" }, reason } });
    expect(status).to.equal(200);
    await until(async () => said(await engine.decide(NOTE)) === "deny agent_revoked", "the revocation");
    const later = await world.open();
    expect(said(await later.decide(NOTE))).to.equal("deny agent_revoked");
  });

  it("has what waits for a person decided by the service, so that what it approves is what it has seen", async () => {
    const engine = await world.open();
    const { decision_id, finding } = await engine.decide(action("invoice"));
    await shipped(engine);
    expect(handedIn(world.service).some(({ answer }) => answer.decision_id === decision_id)).to.equal(false);
    expect(handedIn(world.service).map(({ answer }) => answer.decision)).to.deep.equal(["flag"]);
    const approval = { body: { decision: decision_id, reason: "it is right" } };
    const approved = await ask(world.service, "POST", `/findings/${finding ?? ""}/approvals`, approval);
    expect(approved.outcome).to.match(/^20/);
    await until(async () => (await engine.decide(action("invoice"))).proceed, "the approval");
    expect((await engine.decide(action("invoice"))).proceed, "a second time").to.equal(false);
  });

  it("decides nothing by an older bundle than the service's for longer than the bound", async () => {
    const token = tokenFor("remit:embed remit:decide", "app-1");
    const dir = join(world.folder, "behind");
    const first = await world.open({ dir });
    await first.close();
    // It has the bundle of before, and may take no other.
    const engine = await world.open({
      dir,
      service: { url: world.wire.url, token },
      bundle: { name: NAME, keys: publicPem(KEY), behind_ms_max: 300 },
    });
    expect(said(await engine.decide(NOTE))).to.equal("allow permitted");
    const response = await fetch(`${world.service.url}/bundles`, {
      method: "POST",
      headers: { authorization: `Bearer ${tokenFor("remit:publish")}`, "content-type": "application/gzip" },
      body: new Uint8Array(await deskBundle(14)),
    });
    expect(response.ok).to.equal(true);
    await until(async () => said(await engine.decide(NOTE)) === "deny facts_stale", "the bound");
  });

  it("knows tasks that come and end", async () => {
    const engine = await world.open();
    const asked = action("note", { task: "T-2" }) as DecideRequest;
    expect(said(await engine.decide(asked))).to.equal("deny task_unknown");
    await giveTask(world.service, "T-2");
    await until(async () => said(await engine.decide(asked)) === "allow permitted", "the task");
    await ask(world.service, "PATCH", "/tasks/T-2", { body: { ended: true } });
    await until(async () => said(await engine.decide(asked)) === "deny task_ended", "the task's end");
  });

  it("drops an answer that is held when something takes it back, and stops what runs", async () => {
    const engine = await world.open();
    const held = await engine.hold(action("note"));
    let began = false;
    const running = endOf(
      engine.guard(action("note"), async ({ signal }) => {
        began = true;
        await once(signal, "abort");
      }),
    );
    await until(() => began, "the action");
    await revoke({ agent: "a-1" });
    expect(await running).to.equal("stopped");
    expect(await endOf(engine.act(held, () => expect.fail("it ran")))).to.equal("answer_dropped");
  });

  it("runs a guarded action, meets its obligations and records its outcome, here and at the service", async () => {
    const engine = await world.open();
    const card = await engine.guard(action("card"), () => ({ card_number: "4111", name: "ada" }));
    expect(card).to.deep.equal({ card_number: "[redacted]", name: "ada" });
    expect(await endOf(engine.guard(action("vault"), () => expect.fail("it ran")))).to.equal("denied");
    await until(async () => {
      const { body } = await ask(world.service, "GET", "/decisions?kind=outcome");
      return JSON.stringify(body).includes('"outcome":"done"');
    }, "the outcome");
  });

  it("asks the service about what only it can count or prove: an approval is used once, whoever asks", async () => {
    // The service is asked, however busy the machine is.
    const engine = await world.open({ deadline_ms: 30_000 });
    const flagged = await engine.decide(action("invoice"));
    expect(flagged.wait?.for).to.equal("approval");
    const { decision_id, finding = "" } = flagged;
    const { outcome, body } = await approve(finding, decision_id);
    expect(outcome).to.equal("201");
    const revision = Number(body["facts_revision"]);
    await until(() => engine.status.facts_revision >= revision, "the grant");
    const twice = await engine.decideBatch([action("invoice"), action("note"), action("invoice")] as DecideRequest[]);
    expect(twice.map(({ proceed }) => proceed).filter(Boolean)).to.have.lengthOf(2);
    expect(twice[1]?.decision).to.equal("allow");
  });

  it("tells the service what became of an action that the service has decided", async () => {
    const engine = await world.open();
    let approved = "";
    const running = engine.guard(action("invoice"), ({ answer }) => (approved = answer.decision_id), {
      wait_ms: 30_000,
      waiting: ({ decision_id, finding = "" }) => {
        void approve(finding, decision_id);
      },
    });
    expect(await running).to.equal(approved);
    await until(async () => {
      const { body } = await ask(world.service, "GET", `/decisions/${approved}`);
      return JSON.stringify(body["outcomes"]).includes('"outcome":"done"');
    }, "the outcome");
    expect(recordsIn(join(world.folder, "engine-0", "log")).some(({ kind }) => kind === "outcome")).to.equal(false);
  });

  it("records what became of an action before it closes", async () => {
    const engine = await world.open();
    const id = await engine.guard(action("note"), ({ answer }) => answer.decision_id);
    await engine.close();
    const outcomes = recordsIn(join(world.folder, "engine-0", "log")).filter((record) => record.kind === "outcome");
    expect(outcomes.map(({ decision_id, outcome }) => [decision_id, outcome])).to.deep.equal([[id, "done"]]);
    expect(await endOf(engine.decide(NOTE))).to.equal("closed");
  });

  it("waits for what the service has just said, for as long as an answer may take", async () => {
    const engine = await world.open({ facts: { age_ms_max: 60_000 }, deadline_ms: 2000 });
    world.wire.cut();
    await giveTask(world.service, "T-4");
    const revision = Number((await ask(world.service, "GET", "/tasks/T-4")).body["facts_revision"]);
    expect(await endOf(engine.reached(revision))).to.equal("deadline");
    const reached = engine.reached(revision);
    world.wire.mend();
    await reached;
    expect(said(await engine.decide(action("note", { task: "T-4" })))).to.equal("allow permitted");
  });

  describe("where the connection is cut", () => {
    it("decides on until its facts are older than the bound, and refuses from then on, until it has caught up", async () => {
      const { outside, ahead } = standing();
      const engine = await world.open({ facts: { age_ms_max: 800 } }, outside);
      world.wire.cut();
      await revoke({ agent: "a-1" });
      for (const ms of [0, 1, 799, 800]) {
        ahead.monotonic_ms = ms;
        expect(said(await engine.decide(NOTE)), `${ms} ms after the cut`).to.equal("allow permitted");
      }
      ahead.monotonic_ms = 801;
      expect(said(await engine.decide(NOTE))).to.equal("deny facts_stale");
      expect(engine.status.facts_stale).to.equal(true);
      expect(await endOf(engine.guard(action("note"), () => expect.fail("it ran")))).to.equal("denied");
      world.wire.mend();
      await until(async () => said(await engine.decide(NOTE)) === "deny agent_revoked", "what was missed");
    });

    it("holds no answer beyond it", async () => {
      const engine = await world.open({ facts: { age_ms_max: 800 } });
      const held = await engine.hold(action("note"));
      world.wire.break();
      await until(() => engine.status.facts_stale, "the bound");
      expect(await endOf(engine.act(held, () => expect.fail("it ran")))).to.equal("not_live");
    });

    it("misses nothing: facts that changed meanwhile are known once it is heard again", async () => {
      const engine = await world.open({ facts: { age_ms_max: 60_000 } });
      world.wire.cut();
      await giveTask(world.service, "T-3");
      await revoke({ task: "T-1" });
      world.wire.mend();
      await until(async () => said(await engine.decide(NOTE)) === "deny task_revoked", "the revocation");
      expect(said(await engine.decide(action("note", { task: "T-3" })))).to.equal("allow permitted");
    });

    it("counts by the clock that only goes forward, and by the other where that went further", async () => {
      const { outside, ahead } = standing();
      const engine = await world.open({ facts: { age_ms_max: 2000 } }, outside);
      ahead.wall_ms = -3_600_000;
      ahead.monotonic_ms = 1;
      expect(engine.status.facts_stale, "the clock was put back").to.equal(false);
      await until(() => engine.status.facts_age_ms === 0, "a word of the service, by that clock");
      world.wire.cut();
      // What was on its way has come.
      await engine.decide(NOTE);
      ahead.wall_ms += 10_000;
      expect(engine.status.facts_stale, "it jumped forward: perhaps the machine slept").to.equal(true);
      ahead.wall_ms -= 10_000;
      expect(engine.status.facts_stale).to.equal(false);
      ahead.monotonic_ms += 2500;
      expect(engine.status.facts_stale).to.equal(true);
      expect(said(await engine.decide(NOTE))).to.equal("deny facts_stale");
    });
  });

  it("takes the service's next bundle as it comes", async () => {
    const engine = await world.open();
    expect(engine.status.policy?.sequence).to.equal(12);
    const publish = async (sequence: number): Promise<void> => {
      const response = await fetch(`${world.service.url}/bundles`, {
        method: "POST",
        headers: { authorization: `Bearer ${tokenFor("remit:publish")}`, "content-type": "application/gzip" },
        body: new Uint8Array(await deskBundle(sequence)),
      });
      expect(response.status, await response.text()).to.be.below(300);
    };
    await publish(13);
    await until(() => engine.status.policy?.sequence === 13, "the next bundle");
    expect((await engine.decide(NOTE)).policy.sequence).to.equal(13);
  });

  it("reports once why it has no facts, and nothing of that once it is closed", async () => {
    await failing({ service: { url: world.wire.url, token: tokenFor("remit:decide remit:bundle", APP) } });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(world.said.filter((line) => line.includes("facts_unavailable"))).to.deep.equal([
      'warn: cannot get the facts; trying again {"event":"facts_unavailable","code":"scope_missing","detail":"the service answers 403 scope_missing, expected scope `remit:embed`"}',
    ]);
  });

  it("reports no alarm where it is closed", async () => {
    const engine = await world.open();
    await engine.close();
    expect(world.said.filter((line) => !line.startsWith("info: "))).to.deep.equal([]);
  });

  it("decides nothing any more once it is closed", async () => {
    const engine: Embedded = await world.open();
    await engine.close();
    const error = await engine.decide(NOTE).catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(Undecided);
    expect((error as Undecided).code).to.equal("closed");
  });
});
