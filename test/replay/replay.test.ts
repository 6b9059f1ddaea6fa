import { expect } from "chai";
import { FLAG_TOLD, FLOOR_CODES, type Answer, type FloorCode } from "../../src/contract/index.js";
import type { AgentProof, Grant, GrantState } from "../../src/decision/ports.js";
import type { ReplayBundles } from "../../src/replay/bundles.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { AGENT, Desk, NOW, TASK, bundleOf, bundlesOf, replayed, runningOf, type Asked } from "./desk.js";
import { LogFolder, type Json } from "./folder.js";

const own: Asked = { verb: "read", type: "incident", id: "INC-81", attributes: { reporter: "ada" } };
const another: Asked = { verb: "read", type: "account", id: "bob", attributes: { owner: "bob" } };
const reset = (notify: string, privileged: boolean): Asked => ({
  verb: "reset",
  type: "account",
  id: "ada",
  attributes: { owner: "ada", privileged, recovery_email: "ada@example.com" },
  arguments: { notify },
});
const held = reset("ada@example.com", true);
const stranger = reset("eve@example.net", false);

const proof: AgentProof = {
  actor: { issuer: "https://issuer.example", subject: "helpdesk-3" },
  principal: null,
  chain: [],
  token: { jti: "j-1", issued_ms: NOW - 1000, expires_ms: NOW + 60_000 },
};
const taskProof = { task: TASK.id, agent: AGENT.id, purpose: "it_helpdesk", token: proof.token };

describe("replaying records", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  let bundles: ReplayBundles;
  const start = async (): Promise<{ desk: Desk; log: LogFolder }> => {
    const log = new LogFolder();
    const { content } = await bundleOf();
    return { desk: new Desk(runningOf(content), log), log };
  };
  before(async () => {
    bundles = bundlesOf((await bundleOf()).content);
  });

  const identical = async (log: LogFolder): Promise<void> => {
    const found = await replayed(log.path, bundles);
    expect(found.differences).to.deep.equal([]);
    expect(found).to.include({ decisions: log.seq, identical: log.seq, unreadable: 0, masked: 0, no_bundle: 0 });
  };

  it("comes to what was decided: allow, flag, wait, deny, observed", async () => {
    const { desk, log } = await start();
    const answers: Answer[] = [];
    for (const asked of [own, another, held, stranger, { verb: "delete", type: "account", id: "ada" }]) answers.push(await desk.ask(asked));
    await desk.ask(own, "observed");
    desk.now = Date.parse("2027-03-02T21:00:00+01:00");
    answers.push(await desk.ask(own));
    expect(answers.map(({ decision }) => decision)).to.deep.equal(["allow", "flag", "flag", "deny", "deny", "flag"]);
    expect(answers[2]?.wait?.for).to.equal("approval");
    await identical(log);
  });

  it("comes to what was decided before an agent was told whether a flagged action went ahead", async () => {
    const { desk, log } = await start();
    const told = [await desk.ask(another), await desk.ask(held)].map(({ tell_agent }) => tell_agent);
    expect(told).to.deep.equal([FLAG_TOLD.proceeds, FLAG_TOLD.waits]);
    for (const seq of [1, 2])
      log.change(seq, (record) => ({ ...record, answer: { ...(record["answer"] as Json), tell_agent: FLAG_TOLD.unsaid } }));
    await identical(log);
    log.change(1, (record) => ({ ...record, answer: { ...(record["answer"] as Json), tell_agent: FLAG_TOLD.waits } }));
    expect(await replayed(log.path, bundles)).to.include({ decisions: 2, identical: 1 });
  });

  it("shows facts in messages as the policy saw them, though the registry has them otherwise", async () => {
    const { desk, log } = await start();
    desk.tasks.set(TASK.id, { ...TASK, subjects: { employee: [], incident: ["INC-81"] }, attributes: { urgency: "of old" } });
    await desk.ask(another);
    await identical(log);
  });

  describe("what the floor refused", () => {
    const asked: [code: FloorCode, spoil: (desk: Desk) => Partial<Asked> | undefined][] = [
      ["everything_revoked", (desk) => void (desk.revoked = { scope: "everything", id: "" })],
      ["token_revoked", (desk) => void ([desk.agentProof, desk.revoked] = [proof, { scope: "token", id: "j-1" }])],
      ["caller_not_permitted", (desk) => void (desk.callerPermitted = false)],
      ["facts_stale", (desk) => void (desk.stale = true)],
      ["agent_unknown", () => ({ agent: "nobody" })],
      ["agent_revoked", (desk) => void (desk.revoked = { scope: "agent", id: AGENT.id })],
      ["agent_revoked", (desk) => void desk.agents.set(AGENT.id, { ...AGENT, status: "revoked" })],
      ["owner_revoked", (desk) => void (desk.revoked = { scope: "owner", id: AGENT.owner })],
      ["agent_suspended", (desk) => void desk.agents.set(AGENT.id, { ...AGENT, status: "suspended" })],
      ["agent_token_required", (desk) => void desk.agents.set(AGENT.id, { ...AGENT, token_required: true })],
      ["agent_token_expired", (desk) => void (desk.agentProof = { ...proof, token: { ...proof.token, expires_ms: NOW } })],
      ["agent_token_mismatch", (desk) => void ([desk.agentProof, desk.proven] = [proof, "another"])],
      ["agent_token_mismatch", (desk) => void ([desk.agentProof, desk.proven] = [proof, undefined])],
      [
        "agent_token_stale",
        (desk) => {
          desk.agentProof = proof;
          desk.agents.set(AGENT.id, { ...AGENT, registered_ms: NOW });
          return undefined;
        },
      ],
      [
        "actor_stopped",
        (desk) => {
          desk.agentProof = { ...proof, chain: [proof.actor], token: { ...proof.token, issued_ms: NOW } };
          desk.agents.set(AGENT.id, { ...AGENT, registered_ms: NOW });
          desk.proven = AGENT.id;
          desk.agents.set("former", { ...AGENT, id: "former", status: "suspended" });
          let calls = 0;
          Object.defineProperty(desk, "proven", { get: () => (calls++ % 2 === 0 ? AGENT.id : "former") });
          return undefined;
        },
      ],
      ["purpose_unknown", () => ({ purpose: "nothing" })],
      ["caller_revoked", (desk) => void (desk.revoked = { scope: "caller", id: desk.caller.id })],
      ["purpose_revoked", (desk) => void (desk.revoked = { scope: "purpose", id: "it_helpdesk" })],
      ["purpose_not_registered", (desk) => void desk.agents.set(AGENT.id, { ...AGENT, purposes: new Set() })],
      ["task_required", () => ({ task: null })],
      ["task_unknown", () => ({ task: "T-404" })],
      ["task_token_mismatch", (desk) => void (desk.taskProof = { ...taskProof, agent: "another" })],
      ["task_token_expired", (desk) => void (desk.taskProof = { ...taskProof, token: { ...proof.token, expires_ms: NOW } })],
      ["task_of_another_agent", (desk) => void desk.tasks.set(TASK.id, { ...TASK, agent: "another" })],
      ["task_of_another_purpose", (desk) => void desk.tasks.set(TASK.id, { ...TASK, purpose: "another" })],
      ["task_revoked", (desk) => void (desk.revoked = { scope: "task", id: TASK.id })],
      ["task_ended", (desk) => void desk.tasks.set(TASK.id, { ...TASK, ended: true })],
      ["task_expired", (desk) => void desk.tasks.set(TASK.id, { ...TASK, expires_ms: NOW })],
      [
        "principal_revoked",
        (desk) => {
          desk.revoked = { scope: "principal", id: "ada" };
          desk.tasks.set(TASK.id, { ...TASK, principal: "ada" });
          return undefined;
        },
      ],
      [
        "principal_mismatch",
        (desk) => {
          desk.agentProof = { ...proof, principal: { issuer: "https://issuer.example", subject: "eve" } };
          desk.tasks.set(TASK.id, { ...TASK, principal: "ada" });
          let calls = 0;
          Object.defineProperty(desk, "proven", { get: () => (calls++ % 2 === 0 ? AGENT.id : undefined) });
          return undefined;
        },
      ],
      ["verb_unknown", () => ({ verb: "invent" })],
      ["type_unknown", () => ({ type: "unheard", attributes: {} })],
      ["verb_not_in_task", (desk) => void desk.tasks.set(TASK.id, { ...TASK, verbs: new Set(["search"]) })],
      ["narrowed_to_read", (desk) => (narrow(desk), held)],
      ["narrowed_to_task", (desk) => (narrow(desk), another)],
      ["narrowed_rate", (desk) => (narrow(desk, 10), undefined)],
      ["time_skew", () => ({ time: "2027-03-02T09:00:00Z" })],
    ];

    function narrow(desk: Desk, permitted = 0, agent = AGENT.id): void {
      desk.narrowed.set(agent, { actions_per_minute: 10, permitted });
    }

    it("has every row of it below", () => {
      expect(new Set(asked.map(([code]) => code))).to.deep.equal(new Set(FLOOR_CODES));
    });

    for (const [code, spoil] of asked) {
      it(code, async () => {
        const { desk, log } = await start();
        const change = spoil(desk) ?? {};
        const { reasons } = await desk.ask({ ...own, ...change });
        expect(reasons.map((reason) => reason.code)).to.deep.equal([code]);
        await identical(log);
      });
    }

    it("further up the chain, with the task whose reason it is", async () => {
      const { desk, log } = await start();
      desk.tasks.set("T-0", { ...TASK, id: "T-0", ended: true });
      desk.tasks.set(TASK.id, { ...TASK, parent: "T-0" });
      const { reasons } = await desk.ask(own);
      expect(reasons[0]).to.include({ code: "task_ended", of: "T-0" });
      await identical(log);
    });

    it("for an agent further up that is narrowed, by what its own task is about", async () => {
      const { desk, log } = await start();
      desk.agents.set("lead", { ...AGENT, id: "lead" });
      desk.tasks.set("T-0", { ...TASK, id: "T-0", agent: "lead", subjects: { employee: ["bob"] } });
      desk.tasks.set(TASK.id, { ...TASK, parent: "T-0" });
      narrow(desk, 0, "lead");
      const { reasons } = await desk.ask(own);
      expect(reasons[0]).to.include({ code: "narrowed_to_task", of: "T-0" });
      await identical(log);
    });

    it("in records from before agents were narrowed", async () => {
      const { desk, log } = await start();
      desk.tasks.set(TASK.id, { ...TASK, ended: true });
      await desk.ask(own);
      // JSON has no member that is undefined.
      log.change(1, (record) => ({ ...record, floor: { ...(record["floor"] as Json), narrowed: undefined } }));
      await identical(log);
    });
  });

  it("comes to the strictest of a chain's tasks", async () => {
    const { desk, log } = await start();
    desk.tasks.set("T-0", { ...TASK, id: "T-0", subjects: { employee: ["bob"] } });
    desk.tasks.set(TASK.id, { ...TASK, parent: "T-0" });
    const { decision, reasons } = await desk.ask(own);
    expect(decision).to.equal("flag");
    expect(reasons.map(({ of }) => of)).to.include("T-0");
    await identical(log);
  });

  const grant = (id: string, state: GrantState): Grant => ({
    state,
    input: { id, exact: false, about: "any", when: [] },
    counted: state === "used_up",
    expires_ms: NOW + 60_000,
  });

  it("names the grants that were not live", async () => {
    const { desk, log } = await start();
    desk.grants = [grant("G-1", "expired"), grant("G-2", "used_up"), grant("G-3", "revoked")];
    const closing: Asked = { verb: "delete", type: "incident", id: "INC-81", attributes: { reporter: "ada" } };
    const { reasons } = await desk.ask(closing);
    const dead = ["grant_expired", "grant_revoked", "grant_used_up"];
    expect(reasons.map(({ code }) => code)).to.have.members(["not_permitted", ...dead]);
    desk.grants.push(grant("G-4", "live"));
    expect((await desk.ask(closing)).decision).to.equal("allow");
    await identical(log);
  });

  it("finds what stands beside records, in each segment its own", async () => {
    const { desk, log } = await start();
    for (let segment = 0; segment < 3; segment++) {
      desk.grants = Array.from({ length: 1500 }, (_, i) => grant(`G-${segment}-${i}`, i % 2 === 0 ? "live" : "expired"));
      for (let i = 0; i < 3; i++) await desk.ask(own);
      await desk.ask({ ...own, verb: "invent" });
      expect(log.lines().filter((line) => line.includes('"beside":'))).to.have.length(3);
      log.rotate();
    }
    await identical(log);
  });

  describe("reports what isn't as it was decided:", () => {
    const answerOf = (record: Json): Answer & Json => record["answer"] as Answer & Json;
    const changed = (change: (answer: Answer & Json, record: Json) => unknown) => (record: Json) => {
      change(answerOf(record), record);
      return record;
    };
    const reason = (answer: Answer & Json): Json => answer.reasons[0] as Json;
    // prettier-ignore
    const planted: [what: string, asked: Asked, change: (record: Json) => unknown, at: string[]][] = [
      ["a reason's message", another, changed((answer) => (reason(answer)["message"] = "nothing")), ["/reasons/0/message"]],
      ["a reason's code", another, changed((answer) => (reason(answer)["code"] = "other")), ["/reasons/0/code"]],
      ["a reason's severity", another, changed((answer) => (reason(answer)["severity"] = "low")), ["/reasons/0/severity"]],
      ["a reason's params", another, changed((answer) => (reason(answer)["params"] = { a: 1 })), ["/reasons/0/params/a"]],
      ["whose reason it is", another, changed((answer) => (reason(answer)["of"] = "T-0")), ["/reasons/0/of"]],
      ["a reason left out", stranger, changed((answer) => answer.reasons.pop()), ["/reasons/1"]],
      ["a reason put in", own, changed((answer) => answer.reasons.push({ ...answer.reasons[0], code: "more" } as Answer["reasons"][number])), ["/reasons/1"]],
      ["an allow in place of a deny", stranger, changed((answer) => Object.assign(answer, { decision: "allow", proceed: true })), ["/decision", "/proceed"]],
      ["a deny in place of an allow", own, changed((answer) => Object.assign(answer, { decision: "deny", proceed: false })), ["/decision", "/proceed"]],
      ["whether it goes on", held, changed((answer) => (answer.proceed = true)), ["/proceed"]],
      ["an obligation put in", own, changed((answer) => answer.obligations.push({ type: "notify", channel: "x" })), ["/obligations/0"]],
      ["what the agent is told", stranger, changed((answer) => (answer.tell_agent = "Go on.")), ["/tell_agent"]],
      ["that the agent is told nothing", stranger, changed((answer) => Reflect.deleteProperty(answer, "tell_agent")), ["/tell_agent"]],
      ["what it waits for", held, changed((answer) => (answer.wait = { ...answer.wait, for: "context", until: "" })), ["/wait/for"]],
      ["what it needs", held, changed((answer) => Object.assign(answer.wait ?? {}, { needs: ["a"] })), ["/wait/needs"]],
      ["that it doesn't wait", held, changed((answer) => Reflect.deleteProperty(answer, "wait")), ["/wait"]],
      ["a finding left out", another, changed((answer) => Reflect.deleteProperty(answer, "finding")), ["/finding"]],
      ["a finding put in", own, changed((answer) => (answer.finding = "F-1")), ["/finding"]],
      ["the bundle's revision", own, changed((answer) => (answer.policy = { ...answer.policy, revision: "other" })), ["/policy/revision"]],
      ["the bundle's sequence", own, changed((answer) => (answer.policy = { ...answer.policy, sequence: 7 })), ["/policy/sequence"]],
      ["whose resource it was", another, (record) => {
        (record["input"] as { request: { resource: { attributes: Json } } }).request.resource.attributes["owner"] = "ada";
        return record;
      }, ["/decision", "/reasons/0/code"]],
      ["when it was asked", own, (record) => {
        (record["input"] as { facts: { time: Json } }).facts.time["ms"] = Date.parse("2027-03-02T23:00:00Z");
        return record;
      }, ["/decision"]],
      ["a verb that the bundle doesn't know", own, (record) => {
        (record["input"] as { request: Json }).request["verb"] = "invent";
        return record;
      }, ["/decision"]],
      ["a floor that doesn't refuse", { ...own, verb: "invent" }, (record) => {
        (record["request"] as Json)["verb"] = "read";
        return record;
      }, ["/reasons/0/code"]],
      ["a floor that refuses for something else", { ...own, verb: "invent" }, (record) => {
        (record["floor"] as Json)["facts_stale"] = true;
        return record;
      }, ["/reasons/0/code"]],
      ["a deny for taking too long that isn't one", stranger, changed((answer) => (reason(answer)["code"] = "evaluation_budget")), ["/reasons/0/code"]],
      ["an allow for taking too long", own, changed((answer) => (reason(answer)["code"] = "evaluation_budget")), ["/reasons/0/code"]],
    ];
    for (const [what, asked, change, at] of planted) {
      it(what, async () => {
        const { desk, log } = await start();
        await desk.ask(own);
        const { decision_id } = await desk.ask(asked);
        await desk.ask(own);
        log.change(2, change);
        const found = await replayed(log.path, bundles);
        expect(found).to.include({ decisions: 3, identical: 2, differing: 1, unreadable: 0 });
        const [{ seq, decision_id: id, differences } = { seq: 0, decision_id: "", differences: [] }] = found.differences;
        expect([seq, id]).to.deep.equal([2, decision_id]);
        expect(differences.map((one) => one.at)).to.include.members(at);
      });
    }
  });

  describe("denies that depend on the machine", () => {
    const failing = async (code: "evaluation_budget" | "evaluation_failed", level = 0): Promise<LogFolder> => {
      const { desk, log } = await start();
      const { policy } = desk;
      let calls = 0;
      desk.policy = {
        identity: policy.identity,
        vocabulary: policy.vocabulary,
        purposes: policy.purposes,
        catalogue: policy.catalogue,
        expires_ms: null,
        evaluate: (input) => (calls++ === level ? { ok: false, code, detail: "" } : policy.evaluate(input)),
      };
      if (level > 0) {
        desk.tasks.set("T-0", { ...TASK, id: "T-0" });
        desk.tasks.set(TASK.id, { ...TASK, parent: "T-0" });
      }
      const { reasons } = await desk.ask(own);
      expect(reasons[0]?.code).to.equal(code);
      return log;
    };

    for (const level of [0, 1]) {
      it(`an evaluation that was stopped replays as such, at level ${level} of the chain, and it is said that it ends now`, async () => {
        const log = await failing("evaluation_budget", level);
        const found = await replayed(log.path, bundles);
        expect(found).to.include({ decisions: 1, identical: 1, differing: 0, budget_ends: 1 });
      });
    }

    it("an evaluation that failed is a difference where it doesn't fail", async () => {
      const log = await failing("evaluation_failed");
      const found = await replayed(log.path, bundles);
      expect(found).to.include({ decisions: 1, differing: 1, budget_ends: 0 });
    });
  });

  describe("masked values", () => {
    const masking = {
      "vocabulary.yaml": (text: string): string =>
        text
          .replace("arguments: { notify: email }", "arguments: { notify: email, note: { masked: integer } }")
          .replace("recovery_email: email", "recovery_email: { masked: email }"),
    };
    const note = { ...own, type: "account", id: "ada", attributes: { owner: "ada" }, arguments: { note: 4711 } };
    const withEmail = { ...note, attributes: { owner: "ada", recovery_email: "ada@example.com" } };

    it("that no rule reads leave the decision as it was; of what one reads it can't be told", async () => {
      const log = new LogFolder();
      const { content } = await bundleOf(masking);
      const desk = new Desk(runningOf(content), log);
      for (const asked of [note, withEmail, { ...note, verb: "invent" }, own]) await desk.ask(asked);
      const lines = log.lines().join();
      expect(lines).to.contain("masked:2027-03-01:").and.not.contain("4711").and.not.contain("ada@example.com");
      const found = await replayed(log.path, bundlesOf(content));
      expect(found.differences).to.deep.equal([]);
      expect(found).to.include({ decisions: 4, identical: 3, masked: 1, first_masked: 2, unreadable: 0 });
    });

    const masked =
      (pointers: string[], change: (record: Json) => void = () => undefined) =>
      (record: Json) => {
        change(record);
        return { ...record, masked: pointers };
      };
    const message = (record: Json): void => {
      (record["answer"] as Answer).reasons.forEach((reason) => (reason.message = "masked:x:y"));
    };
    const proven = (record: Json): void => {
      const [principal, token] = [
        { issuer: "i", subject: "masked:x:z" },
        { expires_ms: NOW, issued_ms: null, jti: null },
      ];
      const floor = record["floor"] as Json;
      floor["agent_proof"] = { actor: { issuer: "i", subject: "a" }, chain: [], principal, token };
      (floor["task"] as Json)["principal"] = "masked:x:y";
    };
    const invented = { ...own, verb: "invent" };
    const cases: [what: string, asked: Asked, change: (record: Json) => unknown, is: "identical" | "masked"][] = [
      ["in what the policy was asked, by no mask of its own", another, masked(["/input/request/resource/attributes/owner"]), "masked"],
      [
        "in what it was asked of a task that isn't in the chain",
        another,
        masked(["/ancestors/0/request/resource/attributes/owner"]),
        "masked",
      ],
      ["in whom a task is for, whom the floor compared with nobody", invented, masked(["/floor/task/principal"]), "identical"],
      [
        "in whom a task is for, whom the floor compared with whom a token is for",
        invented,
        masked(["/floor/task/principal", "/floor/agent_proof/principal/subject"], proven),
        "masked",
      ],
      ["in whom a token is for, and the task is for nobody", invented, masked(["/floor/agent_proof/principal/subject"]), "identical"],
      ["in something else that the floor read", invented, masked(["/floor/agent_id"]), "masked"],
      ["in what the floor read of a task that isn't in the chain", invented, masked(["/ancestors/0/task/principal"]), "masked"],
      ["in a request that the floor refused without reading it", invented, masked(["/request/arguments/notify"]), "identical"],
      ["elsewhere", another, masked(["/proof/actor/subject"]), "identical"],
      ["in a message", another, masked(["/answer/reasons/0/message"], message), "masked"],
      ["nowhere", another, masked([]), "identical"],
      ["where nothing can be", another, masked(["", "/", "nowhere", "/input", "/ancestors", "/ancestors/x/y", "/~2"]), "masked"],
    ];
    for (const [what, asked, change, is] of cases) {
      it(`${what}: ${is}`, async () => {
        const { desk, log } = await start();
        await desk.ask(asked);
        log.change(1, change);
        expect(await replayed(log.path, bundles)).to.include({ decisions: 1, [is]: 1 });
      });
    }

    it("stand beside a record with what they are in", async () => {
      const log = new LogFolder();
      const { content } = await bundleOf(masking);
      const desk = new Desk(runningOf(content), log);
      desk.grants = Array.from({ length: 1000 }, (_, i) => grant(`G-${i}`, "live"));
      await desk.ask(withEmail);
      expect(log.lines()[0]).to.contain('"beside":').and.not.contain('"masked":');
      expect(await replayed(log.path, bundlesOf(content))).to.include({ decisions: 1, masked: 1 });
    });
  });

  it("counts apart what was decided by a bundle that isn't at hand, and takes each record's own", async () => {
    const { desk, log } = await start();
    const { content: next } = await bundleOf({ "purposes.yaml": (text) => text.replace("07:00-19:00", "11:00-19:00") }, 2);
    await desk.ask(own);
    desk.policy = runningOf(next);
    await desk.ask(own);
    await desk.ask(own);
    desk.policy = runningOf((await bundleOf()).content);
    await desk.ask(own);
    expect(await replayed(log.path, bundlesOf((await bundleOf()).content, next))).to.include({ decisions: 4, identical: 4 });
    const found = await replayed(log.path, bundles);
    expect(found).to.include({ decisions: 4, identical: 2, no_bundle: 2 });
    expect(found.missing).to.deep.equal([{ policy: next.identity, records: 2, first_seq: 2 }]);
  });

  describe("the range", () => {
    const at = (seq: number): number => NOW + seq * 1000;
    const cases: [from: string, to: string, range: Parameters<typeof replayed>[2], seqs: number][] = [
      ["the start", "the end", { from: null, to: null }, 6],
      ["record 3", "the end", { from: { seq: 3 }, to: null }, 4],
      ["the start", "record 3", { from: null, to: { seq: 3 } }, 3],
      ["record 4", "record 4", { from: { seq: 4 }, to: { seq: 4 } }, 1],
      ["record 7", "the end", { from: { seq: 7 }, to: null }, 0],
      ["the time of 3", "the end", { from: { ms: at(3) }, to: null }, 4],
      ["just after 3", "the end", { from: { ms: at(3) + 1 }, to: null }, 3],
      ["the start", "the time of 3", { from: null, to: { ms: at(3) } }, 3],
      ["record 2", "the time of 3", { from: { seq: 2 }, to: { ms: at(3) } }, 2],
      ["the time of 5", "the time of 2", { from: { ms: at(5) }, to: { ms: at(2) } }, 0],
    ];
    for (const [from, to, range, decisions] of cases) {
      it(`from ${from} to ${to}: ${decisions}`, async () => {
        const { desk, log } = await start();
        for (let seq = 1; seq <= 6; seq++) {
          desk.now = at(seq);
          await desk.ask(own);
          if (seq === 4) log.rotate();
        }
        expect(await replayed(log.path, bundles, range)).to.include({ decisions, identical: decisions });
      });
    }
  });

  describe("what can't be read is counted, named, and keeps nothing else from being replayed:", () => {
    const broken: [what: string, break_: (line: string) => string, why: RegExp][] = [
      ["no JSON", (line) => line.slice(0, -5), /not a JSON object/],
      ["a list", () => "[]", /not a JSON object/],
      ["null", () => "null", /not a JSON object/],
      ["an empty line", () => "", /not a JSON object/],
      ["bytes that are no text", () => "\u0000\ufffd", /not a JSON object/],
      ["an empty object", () => "{}", /version/],
      ["another version", (line) => line.replace('"v":2}', '"v":1}'), /version 1/],
      ["another number", (line) => line.replace('"seq":2', '"seq":9'), /record 9/],
      ["no number", (line) => line.replace('"seq":2,', ""), /record unknown/],
      ["no time", (line) => line.replace(/"time":"[^"]*",/, ""), /when/],
      ["a time that isn't one", (line) => line.replace(/"time":"[^"]*"/, '"time":"yesterday"'), /when/],
      ["no answer", (line) => line.replace(/"answer":\{.*\},"asked"/, '"asked"'), /answer/],
      ["another decision", (line) => line.replace('"decision":"allow"', '"decision":"maybe"'), /answer\/decision/],
      ["a member that nobody knows", (line) => line.replace('"kind"', '"extra":1,"kind"'), /additional/],
      ["nothing that it was decided on", (line) => line.replace(/"input":\{.*\},"kind"/, '"kind"'), /request|floor/],
      ["an input without facts", (line) => line.replace(/"input":\{.*\},"kind"/, '"input":{"request":{}},"kind"'), /input/],
      ["an input whose task is a number", (line) => line.replace('"task":"T-1"', '"task":1'), /task/],
      [
        "an input whose attributes are a list",
        (line) => line.replace(/"attributes":\{"reporter":"ada"\}/, '"attributes":[]'),
        /attributes/,
      ],
      [
        "something beside it that isn't there",
        (line) =>
          line
            .replace(/"input":\{.*\},"kind"/, '"kind"')
            .replace('"caller"', `"beside":{"bytes":1,"digest":"sha256:${"0".repeat(64)}"},"caller"`),
        /beside/,
      ],
    ];
    for (const [what, break_, why] of broken) {
      it(what, async () => {
        const { desk, log } = await start();
        for (let i = 0; i < 3; i++) await desk.ask(own);
        log.changeLine(2, break_);
        const found = await replayed(log.path, bundles);
        expect(found).to.include({ decisions: 2, identical: 2, differing: 0, unreadable: 1 });
        expect(found.unreadables.map(({ seq }) => seq)).to.deep.equal([2]);
        expect(found.unreadables[0]?.why).to.match(why);
      });
    }

    it("a line beside the records that was altered", async () => {
      const { desk, log } = await start();
      desk.grants = Array.from({ length: 1000 }, (_, i) => grant(`G-${i}`, "live"));
      await desk.ask(own);
      log.changeBeside((text) => text.replace('"G-17"', '"G-71"'));
      expect((await replayed(log.path, bundles)).unreadables[0]?.why).to.match(/beside it .* not what it was/);
    });

    it("a line without end, and what follows it", async () => {
      const { desk, log } = await start();
      for (let i = 0; i < 3; i++) await desk.ask(own);
      log.changeLine(2, () => "x".repeat(3_000_000));
      const found = await replayed(log.path, bundles);
      expect(found).to.include({ decisions: 1, unreadable: 1 });
      expect(found.unreadables[0]?.why).to.match(/longer than .*what follows is not read/);
    });
  });

  it("passes over a last line that is still being written, and records of something else", async () => {
    const { desk, log } = await start();
    await desk.ask(own);
    const [line = ""] = log.lines();
    const service = { kind: "service", seq: 2, time: "2027-03-02T09:15:00.000Z", v: 2 };
    log.write([line, JSON.stringify(service)]);
    log.changeLine(2, (text) => `${text}\n${line.slice(0, 40)}`);
    const text = log.lines().join("\n");
    log.write([text.slice(0, text.lastIndexOf("\n"))]);
    expect(await replayed(log.path, bundles)).to.include({ decisions: 1, identical: 1, unreadable: 0, others: 1 });
  });

  it("reads no record where the folder has none", async () => {
    expect(await replayed(new LogFolder().path, bundles)).to.include({ decisions: 0, unreadable: 0 });
  });
});
