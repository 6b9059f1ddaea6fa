import { createHash } from "node:crypto";
import { expect } from "chai";
import { Value } from "typebox/value";
import {
  Answer,
  NOTHING_ODD,
  Problem,
  RECORD_BYTES_MAX,
  canonical,
  type Assessment,
  type CatalogueEntry,
  type PolicyInput,
  type PolicyResult,
} from "../../src/contract/index.js";
import { decider, type Pdp } from "../../src/decision/decide.js";
import { fixedProfile } from "../../src/decision/fixed_ports.js";
import { AGENT, ALLOWED, CALLER, CATALOGUE, NOW, REQUEST, TASK, VOCABULARY, World, live, policyOf, problemOf, WAITING } from "./world.js";

interface Recorded {
  v: number;
  kind: string;
  time: string;
  caller: string;
  previous?: string | null;
  input?: PolicyInput;
  request?: PolicyInput["request"];
  floor?: Record<string, unknown>;
  answer: Answer;
  stages?: Record<string, number>;
}

const records = (world: World): Recorded[] => world.records.map((record) => JSON.parse(record) as Recorded);

const LOGGED: PolicyResult = {
  ...ALLOWED,
  reasons: [...ALLOWED.reasons, { effect: "log", code: "odd_hour", severity: "low", params: {} }],
};

const broken = (): never => {
  throw new Error("the engine broke");
};

/** Lets everything that is already on its way finish. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (why: Error) => void } {
  let [resolve, reject]: [() => void, (why: Error) => void] = [() => undefined, () => undefined];
  const promise = new Promise<void>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

describe("decide: one decision, start to end", () => {
  it("answers with all that the contract promises", async () => {
    const world = new World();
    const { answer, purpose } = await world.decide();
    expect(answer).to.deep.include({
      decision: "allow",
      proceed: true,
      request_id: "r-1",
      valid_for_ms: 5000,
      obligations: [],
      facts_revision: 7,
      policy: world.active?.identity,
    });
    expect(answer.reasons.map(({ message }) => message)).to.deep.equal(["invoice I-1"]);
    expect(answer.decision_id).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(answer.action_digest).to.match(/^sha256:[0-9a-f]{64}$/);
    expect(answer).not.to.have.any.keys("wait", "finding", "tell_agent");
    expect(purpose).to.equal("support");
    expect(Value.Errors(Answer, JSON.parse(JSON.stringify(answer)))).to.deep.equal([]);
  });

  describe("nothing is answered that isn't recorded", () => {
    for (const code of ["log_unavailable", "log_backlog"] as const) {
      it(`ends in ${code} where the log does`, async () => {
        const world = new World();
        world.append = () => Promise.reject(new Problem(code));
        expect((await problemOf(world.decide())).code).to.equal(code);
        expect((await problemOf(world.batch([REQUEST, REQUEST]))).code).to.equal(code);
      });
    }

    it("waits for the disk before it answers", async () => {
      const world = new World();
      const disk = deferred();
      world.append = () => disk.promise;
      let answered = false;
      const decided = world.decide().then((got) => ((answered = true), got));
      await turn();
      expect([world.records.length, answered]).to.deep.equal([1, false]);
      disk.resolve();
      expect((await decided).answer.proceed).to.be.true;
    });

    it("does so for a floor refusal too", async () => {
      const world = new World();
      world.agents.clear();
      world.append = () => Promise.reject(new Problem("log_unavailable"));
      expect((await problemOf(world.decide())).status).to.equal(503);
    });

    it("passes on what the log throws that is no problem, and answers nothing", async () => {
      const world = new World();
      world.append = () => Promise.reject(new Error("EIO"));
      let error: unknown;
      await world.decide().catch((thrown: unknown) => (error = thrown));
      expect((error as Error).message).to.equal("EIO");
    });

    it("records nothing of a request that it can't read, or whose caller isn't proven", async () => {
      const world = new World();
      await problemOf(world.decider.decide(Buffer.from("{"), undefined));
      await problemOf(world.decide({ ...REQUEST, colour: "red" }));
      world.authenticate = () => {
        throw new Problem("token_invalid");
      };
      expect((await problemOf(world.decide())).code).to.equal("token_invalid");
      expect(world.records).to.be.empty;
    });
  });

  it("reads bytes before it proves the caller, and proves the caller before it reads fields", async () => {
    const world = new World();
    world.authenticate = () => {
      throw new Problem("token_missing");
    };
    expect((await problemOf(world.decider.decide(Buffer.from('{"a":1,"a":2}'), undefined))).code).to.equal("json_duplicate_key");
    expect((await problemOf(world.decide({ unknown: 1 }))).code).to.equal("token_missing");
  });

  it("has no answer without a bundle", async () => {
    const world = new World();
    world.active = null;
    expect((await problemOf(world.decide())).code).to.equal("bundle_missing");
    expect((await problemOf(world.batch([REQUEST]))).code).to.equal("bundle_missing");
    expect((await problemOf(world.observe())).code).to.equal("bundle_missing");
    expect(world.records).to.be.empty;
  });

  it("has no answer from the moment its bundle expires, whoever asks", async () => {
    const world = new World();
    world.active = { ...policyOf(() => ALLOWED), expires_ms: NOW };
    for (const [now_ms, expired] of [
      [NOW - 1, false],
      [NOW, true],
      [NOW + 1, true],
      [NOW + 1e12, true],
    ] as const) {
      world.now_ms = now_ms;
      for (const ask of [() => world.decide(), () => world.batch([REQUEST]), () => world.observe()]) {
        const before = world.records.length;
        if (expired) {
          const { code, status } = await problemOf(ask);
          expect([code, status, world.records.length]).to.deep.equal(["bundle_expired", 503, before]);
        } else {
          await ask();
          expect(world.records.length).to.equal(before + 1);
        }
      }
    }
  });

  it("decides again once the expired bundle has a successor", async () => {
    const world = new World();
    world.active = { ...policyOf(() => ALLOWED), expires_ms: NOW };
    expect((await problemOf(world.decide())).code).to.equal("bundle_expired");
    world.active = { ...policyOf(() => ALLOWED, 2), expires_ms: NOW + 1 };
    expect((await world.decide()).answer).to.deep.include({ proceed: true });
  });

  describe("one decision is one turn", () => {
    const revoke = (world: World): void => {
      world.revoked.add("agent/support-7");
      world.revision++;
    };
    const saidOf = ({ answer }: { answer: Answer }): unknown[] => [answer.decision, answer.facts_revision];

    it("gathers, assesses, evaluates, records and learns before anybody else has a turn", async () => {
      const world = new World();
      const calls: string[] = [];
      const note = (call: string): void => {
        calls.push(call);
        queueMicrotask(() => {
          calls.push("others");
          revoke(world);
        });
      };
      world.grantsOf = () => (note("gather"), []);
      const assess = (): Assessment => (note("assess"), NOTHING_ODD);
      const learn = (): void => {
        note("learn");
      };
      world.profile = { ...fixedProfile(), assess, learn };
      world.active = policyOf(() => (note("evaluate"), ALLOWED));
      world.append = () => (note("append"), Promise.resolve());
      world.settled = () => {
        note("settle");
      };
      expect(saidOf(await world.decide())).to.deep.equal(["allow", 7]);
      expect(calls.slice(0, 7)).to.deep.equal(["gather", "assess", "evaluate", "append", "learn", "settle", "others"]);
    });

    const waits: [what: string, around: (world: World) => object][] = [
      [
        "its caller's proof",
        (world) => {
          world.authenticate = async () => (await turn(), revoke(world), CALLER);
          return {};
        },
      ],
      [
        "facts as new as it has seen",
        (world) => {
          world.reached = async () => (await turn(), revoke(world), true);
          return { at_least: 8 };
        },
      ],
    ];
    for (const [what, around] of waits) {
      it(`begins behind the wait for ${what}: what was revoked meanwhile denies, and no policy is asked`, async () => {
        const world = new World();
        world.active = policyOf(broken);
        const request = around(world);
        const { answer } = await world.decide({ ...REQUEST, ...request });
        expect(saidOf({ answer })).to.deep.equal(["deny", 8]);
        expect(answer.reasons.map(({ code }) => code)).to.deep.equal(["agent_revoked"]);
      });
    }

    it("sees a burst one by one, each evaluated once; behind a revocation nothing is allowed", async () => {
      const world = new World();
      let asked = 0;
      const revisions: number[] = [];
      world.active = policyOf(() => (asked++, ALLOWED));
      world.append = () => (revisions.push(world.revision), Promise.resolve());
      world.settled = () => {
        if (world.records.length === 20) revoke(world);
      };
      const decided = await Promise.all(Array.from({ length: 50 }, () => world.decide()));
      const inOrder = records(world).map((record) => saidOf(record));
      expect(inOrder.map(([, revision]) => revision)).to.deep.equal(revisions);
      const allowed = inOrder.filter(([decision]) => decision === "allow").length;
      expect([allowed, asked]).to.deep.equal([20, 20]);
      expect(inOrder).to.deep.equal(inOrder.map((_, i) => (i < allowed ? ["allow", 7] : ["deny", 8])));
      expect(decided.map(saidOf)).to.have.deep.members(inOrder);
    });

    it("is one of a batch's, which leaves others their turn after 5 ms, and sees what they change", async () => {
      const world = new World((pdp) => decider({ ...pdp, limits: { ...pdp.limits, batch_actions_max: 8 } }));
      let turns = 0;
      const began: number[] = [];
      world.active = policyOf(() => {
        began.push(turns);
        world.monotonic_ms += 2.5;
        return ALLOWED;
      });
      const ended = { yet: false };
      const others = (): void => {
        turns++;
        if (turns === 3) revoke(world);
        if (!ended.yet) setImmediate(others);
      };
      setImmediate(others);
      const decided = await world.batch(Array(8).fill(REQUEST));
      ended.yet = true;
      expect(began).to.deep.equal([0, 0, 1, 1, 2, 2]);
      expect(decided.map(saidOf)).to.deep.equal([...Array<unknown[]>(6).fill(["allow", 7]), ["deny", 8], ["deny", 8]]);
    });

    const contradictions: [what: string, make: (pdp: Pdp) => Pdp, around: (world: World) => void][] = [
      ["uses of a grant", (pdp) => ({ ...pdp, facts: { ...pdp.facts, take: () => false } }), () => undefined],
      [
        "an action of a narrowed agent",
        (pdp) => ({ ...pdp, facts: { ...pdp.facts, spend: () => false } }),
        (world) => world.narrowed.set(AGENT.id, { actions_per_minute: 5, permitted: 0 }),
      ],
    ];
    for (const [what, make, around] of contradictions) {
      it(`ends in facts_behind where ${what} can't be taken, and nothing is recorded, learned or taken`, async () => {
        const world = new World((pdp) => decider(make(pdp)));
        let learned = 0;
        world.settled = () => (learned += 1);
        around(world);
        world.uses.set("G-1", 5);
        world.grants = [live("G-1", { counted: true })];
        const reason = { effect: "allow", code: "granted", severity: "info", params: { grant: "G-1" } };
        world.active = policyOf(() => ({ ...ALLOWED, reasons: [reason] }));
        expect((await problemOf(world.decide())).code).to.equal("facts_behind");
        expect([world.records.length, learned, world.uses.get("G-1")]).to.deep.equal([0, 0, 5]);
      });
    }
  });

  describe("fuel", () => {
    const fuelOf = ({ stages }: Recorded): unknown => stages?.["fuel"];

    it("is on record for a deny that ran out of it, and none where the floor refused", async () => {
      const world = new World();
      const ranOut = { ok: false, code: "evaluation_budget", detail: "", fuel: 4_000_123 } as const;
      world.active = { ...policyOf(() => ALLOWED), evaluate: () => ranOut };
      expect((await world.decide()).answer.reasons[0]?.code).to.equal("evaluation_budget");
      await world.decide({ ...REQUEST, verb: "destroy" });
      expect(records(world).map(fuelOf)).to.deep.equal([4_000_123, undefined]);
    });

    it("is what all tasks of a chain used together", async () => {
      const world = new World();
      world.tasks.set("T-0", { ...TASK, id: "T-0" });
      world.tasks.set(TASK.id, { ...TASK, parent: "T-0" });
      await world.decide();
      expect(records(world).map(fuelOf)).to.deep.equal([2]);
    });
  });

  describe("one policy for one decision", () => {
    it("finishes with the bundle it began with, though another is activated meanwhile", async () => {
      const world = new World();
      const next = policyOf(() => ({ ...ALLOWED, decision: "deny" }), 2);
      world.active = policyOf(() => {
        world.active = next;
        return WAITING;
      }, 1);
      const first = await world.decide();
      expect([first.answer.policy.sequence, first.answer.decision]).to.deep.equal([1, "flag"]);
      expect(first.answer.reasons[0]?.message).to.equal("invoice I-1 belongs to ada, the task is about ada");
      expect((await world.decide()).answer.policy.sequence).to.equal(2);
    });

    it("holds for a whole batch", async () => {
      const world = new World();
      world.active = policyOf(() => {
        world.active = policyOf(() => null, 2);
        return ALLOWED;
      }, 1);
      const decided = await world.batch([REQUEST, REQUEST, REQUEST]);
      expect(decided.map(({ answer }) => answer.policy.sequence)).to.deep.equal([1, 1, 1]);
      expect(decided.every(({ answer }) => answer.proceed)).to.be.true;
    });

    it("takes no result of the floor's from another bundle's purposes", async () => {
      const world = new World();
      const policy = policyOf(() => ALLOWED);
      world.active = { ...policy, purposes: new Map() };
      expect((await world.decide()).answer.reasons[0]?.code).to.equal("purpose_unknown");
    });
  });

  it("asks no policy where the floor refuses", async () => {
    const world = new World();
    world.active = policyOf(() => {
      throw new Error("asked");
    });
    const changes: [change: (world: World) => void, code: string][] = [
      [(to) => Object.assign(to, { permitted: false }), "caller_not_permitted"],
      [(to) => Object.assign(to, { permitted: true, stale: true }), "facts_stale"],
      [(to) => Object.assign(to, { stale: false, tasks: new Map() }), "task_unknown"],
      [(to) => Object.assign(to, { agents: new Map() }), "agent_unknown"],
    ];
    for (const [change, code] of changes) {
      change(world);
      const { answer } = await world.decide();
      expect(answer.reasons.map((reason) => reason.code)).to.deep.equal([code]);
      expect(answer).to.deep.include({ decision: "deny", proceed: false });
    }
  });

  for (const [request, code] of [
    [{ verb: "destroy" }, "verb_unknown"],
    [{ verb: "constructor" }, "verb_unknown"],
    [{ resource: { type: "nuclear_code", id: "1" } }, "type_unknown"],
    [{ resource: { type: "toString", id: null, attributes: { anything: [1] } } }, "type_unknown"],
    [{ purpose: "retail" }, "purpose_unknown"],
    [{ purpose: "roaming" }, "purpose_not_registered"],
    [{ agent: "support-8" }, "agent_unknown"],
    [{ agent: "constructor" }, "agent_unknown"],
    [{ task: "T-2" }, "task_unknown"],
    [{ task: undefined }, "task_required"],
    [{ time: "2026-03-03T09:16:00.001Z" }, "time_skew"],
    [{ time: "2026-03-03T09:13:59.999Z" }, "time_skew"],
  ] as const) {
    it(`puts on record as ${code}: ${JSON.stringify(request)}`, async () => {
      const world = new World();
      const { answer, purpose } = await world.decide({ ...REQUEST, ...request });
      expect(answer).to.deep.include({ decision: "deny", proceed: false, obligations: [] });
      expect(answer.reasons.map((reason) => reason.code)).to.deep.equal([code]);
      expect(purpose).to.equal(code === "purpose_unknown" ? null : "purpose" in request ? request.purpose : "support");
      const [record] = records(world);
      expect(record?.answer).to.deep.equal(JSON.parse(JSON.stringify(answer)));
      expect(record?.floor).to.include({ purpose_id: record?.request?.purpose, now_ms: NOW });
      expect(record).not.to.have.property("input");
    });
  }

  for (const time of ["2026-03-03T09:16:00.000Z", "2026-03-03T09:14:00.000Z", "2026-03-03T10:15:00+01:00"]) {
    it(`takes a claim within the skew: ${time}`, async () => {
      const world = new World();
      expect((await world.decide({ ...REQUEST, time })).answer.proceed).to.be.true;
      expect(records(world)[0]?.input?.facts.time).to.deep.equal({ ms: NOW, claim_ms: Date.parse(time) });
    });
  }

  it("decides by the host's clock, whatever is claimed", async () => {
    const world = new World();
    world.tasks.set(TASK.id, { ...TASK, expires_ms: NOW });
    const { answer } = await world.decide({ ...REQUEST, time: "2026-03-03T09:14:30Z" });
    expect(answer.reasons[0]?.code).to.equal("task_expired");
  });

  describe("how long an answer lasts", () => {
    for (const [expires_ms, valid] of [
      [null, 5000],
      [NOW + 5001, 5000],
      [NOW + 5000, 5000],
      [NOW + 4999, 4999],
      [NOW + 1, 1],
      [NOW, 0],
      [NOW - 1, 0],
    ] as const) {
      it(`is ${valid} ms where the task ends ${expires_ms === null ? "when it is ended" : `in ${expires_ms - NOW} ms`}`, async () => {
        const world = new World();
        world.tasks.set(TASK.id, { ...TASK, expires_ms });
        expect((await world.decide()).answer.valid_for_ms).to.equal(valid);
      });
    }

    for (const [expires_ms, valid] of [
      [NOW + 5001, 5000],
      [NOW + 400, 400],
    ] as const)
      it(`is ${valid} ms where the bundle ends in ${expires_ms - NOW} ms`, async () => {
        const world = new World();
        world.active = { ...world.active, expires_ms } as NonNullable<typeof world.active>;
        expect((await world.decide()).answer.valid_for_ms).to.equal(valid);
      });

    it("is the purpose's own, and nothing for a purpose that isn't", async () => {
      const world = new World();
      world.agents.set(AGENT.id, { ...AGENT, purposes: new Set(["roaming"]) });
      expect((await world.decide({ ...REQUEST, purpose: "roaming", task: undefined })).answer.valid_for_ms).to.equal(1000);
      expect((await world.decide({ ...REQUEST, purpose: "nothing" })).answer.valid_for_ms).to.equal(0);
    });
  });

  it("says until when a flag waits, and opens a finding", async () => {
    const world = new World();
    world.active = policyOf(() => WAITING);
    const { answer } = await world.decide();
    const { approval_digest, ...wait } = answer.wait ?? {};
    expect(approval_digest).to.match(/^sha256:[0-9a-f]{64}$/);
    expect(wait).to.deep.equal({ for: "approval", until: new Date(NOW + 900_000).toISOString() });
    expect(answer.finding).to.equal(`F-${answer.decision_id}`);
    expect(answer.tell_agent).to.equal("A person was asked.");
  });

  it("opens a finding for a log on an allow, and none for a deny", async () => {
    const world = new World();
    world.active = policyOf(() => LOGGED);
    expect((await world.decide()).answer)
      .to.include({ decision: "allow", proceed: true })
      .and.to.have.property("finding");
    const deny: PolicyResult["reasons"][number] = { effect: "deny", code: "read_only", severity: "high", params: {} };
    world.active = policyOf(() => ({
      ...LOGGED,
      decision: "deny",
      proceed: false,
      reasons: [...LOGGED.reasons, deny],
    }));
    expect((await world.decide()).answer)
      .to.include({ decision: "deny" })
      .and.not.to.have.property("finding");
    world.agents.clear();
    expect((await world.decide()).answer).not.to.have.property("finding");
  });

  describe("at_least", () => {
    for (const [at_least, decided] of [
      [0, true],
      [6, true],
      [7, true],
      [8, false],
      [Number.MAX_SAFE_INTEGER, false],
    ] as const) {
      it(`${at_least} is ${decided ? "decided" : "refused"} at revision 7`, async () => {
        const world = new World();
        if (decided) {
          expect((await world.decide({ ...REQUEST, at_least })).answer.facts_revision).to.equal(7);
        } else {
          const problem = await problemOf(world.decide({ ...REQUEST, at_least }));
          expect([problem.code, problem.status, problem.detail.field]).to.deep.equal(["facts_behind", 503, "/at_least"]);
          expect(world.records).to.be.empty;
        }
      });
    }

    it("of any action refuses a batch before any of it is recorded", async () => {
      const world = new World();
      const problem = await problemOf(world.batch([REQUEST, { ...REQUEST, at_least: 8 }]));
      expect(problem.code).to.equal("facts_behind");
      expect(world.records).to.be.empty;
    });
  });

  describe("the action's digest", () => {
    const base = {
      ...REQUEST,
      related: { pay_from: { type: "payment_method", id: "pm_1", attributes: { customer: "ada" } } },
      arguments: { note: "hi", rate: 1, tags: ["a", "b"] },
      context: { session: "s" },
      time: "2026-03-03T09:15:00Z",
      at_least: 1,
    };
    const digest = async (request: object): Promise<string> => (await new World().decide(request)).answer.action_digest;

    const covered: Record<string, object> = {
      agent: { agent: "support-8" },
      purpose: { purpose: "retail" },
      task: { task: "T-2" },
      "no task": { task: undefined },
      verb: { verb: "update" },
      "resource type": { resource: { ...REQUEST.resource, type: "payment_method" }, arguments: {}, related: {} },
      "resource id": { resource: { ...REQUEST.resource, id: "I-2" } },
      "related id": { related: { pay_from: { ...base.related.pay_from, id: "pm_2" } } },
      "related left out": { related: undefined },
      "another role": { related: { ...base.related, attached: { type: "file", id: "a" } } },
      "an argument": { arguments: { ...base.arguments, note: "ho" } },
      "an argument's type": { arguments: { ...base.arguments, rate: 1.5 } },
      "an argument left out": { arguments: { note: "hi", rate: 1 } },
      "an argument more": { arguments: { ...base.arguments, urgent: null } },
      "the order of a list": { arguments: { ...base.arguments, tags: ["b", "a"] } },
      "no arguments": { arguments: undefined },
    };
    for (const [name, change] of Object.entries(covered)) {
      it(`changes with ${name}`, async () => {
        expect(await digest({ ...base, ...change })).not.to.equal(await digest(base));
      });
    }

    const free: Record<string, object> = {
      request_id: { request_id: "r-2" },
      "no request_id": { request_id: undefined },
      "resource attributes": { resource: { ...REQUEST.resource, attributes: { customer: "bob" } } },
      "related attributes": { related: { pay_from: { ...base.related.pay_from, attributes: { customer: "bob" } } } },
      context: { context: { session: "t", source: "x" } },
      time: { time: "2026-03-03T09:15:01Z" },
      at_least: { at_least: 2 },
    };
    for (const [name, change] of Object.entries(free)) {
      it(`doesn't change with ${name}`, async () => {
        expect(await digest({ ...base, ...change })).to.equal(await digest(base));
      });
    }

    it("doesn't change with the order or the spelling of the body", async () => {
      const world = new World();
      const spelled = JSON.stringify(Object.fromEntries(Object.entries(base).reverse()), null, 3).replace('"rate": 1', '"rate": 1.0e0');
      const { answer } = await world.decider.decide(Buffer.from(spelled), "Bearer x");
      expect(answer.action_digest).to.equal(await digest(base));
    });

    it("tells apart what joining would make one", async () => {
      const action = (type: string, id: string): object => ({ ...REQUEST, resource: { type, id } });
      const texts = [action("a", "b"), action("a", 'b"'), action("a.b", "c"), action("a", "b.c"), action("a", '","id":"c')];
      const digests = await Promise.all(texts.map(digest));
      expect(new Set(digests).size).to.equal(texts.length);
    });

    it("covers every role of a type that nobody knows, `__proto__` too", async () => {
      const asked = async (related: string): Promise<string> => {
        const body = `{"agent":"support-7","purpose":"support","verb":"read","resource":{"type":"x","id":"1"},"related":${related}}`;
        return (await new World().decider.decide(Buffer.from(body), "Bearer x")).answer.action_digest;
      };
      expect(await asked('{"constructor":{"type":"y","id":"1"}}')).not.to.equal(await asked('{"constructor":{"type":"y","id":"2"}}'));
      expect((await problemOf(asked('{"__proto__":{"type":"y","id":"1"}}'))).code).to.equal("field_unknown");
    });
  });

  describe("the record", () => {
    it("holds what the policy was asked, to the byte, and what was answered", async () => {
      const world = new World();
      let asked = "";
      const policy = policyOf(() => ALLOWED);
      world.active = {
        ...policy,
        evaluate: (input) => {
          asked = input;
          return policy.evaluate(input);
        },
      };
      const { answer } = await world.decide({ ...REQUEST, arguments: { note: 'a"\u2028\\\u{1f600}\n', rate: 0.1 } });
      expect(world.records).to.have.lengthOf(1);
      expect(world.records[0]).to.include(`"input":${asked},"kind":"decision"`);
      expect(world.records[0]).not.to.match(/[\n\r]/);
      const [record] = records(world);
      expect(record).to.have.all.keys(...["answer", "asked", "caller", "input", "kind", "previous", "seq", "stages", "time", "v"]);
      const time = "2026-03-03T09:15:00.000Z";
      expect(record).to.include({ v: 2, kind: "decision", asked: time, time, caller: "gateway-1", previous: null });
      expect(record?.answer).to.deep.equal(JSON.parse(JSON.stringify(answer)));
    });

    it("keeps below the floor what the floor read", async () => {
      const world = new World();
      world.tasks.set(TASK.id, { ...TASK, verbs: new Set(["update"]), expires_ms: NOW + 9 });
      await world.decide();
      expect(records(world)[0]?.floor).to.deep.equal({
        caller_permitted: true,
        facts_stale: false,
        revoked: null,
        agent_id: "support-7",
        token_required: false,
        agent_proof: null,
        actor_stopped: false,
        task_proof: null,
        purpose_id: "support",
        purpose_known: true,
        task_id: "T-1",
        verb_id: "read",
        verb_known: true,
        type_known: true,
        narrowed: null,
        now_ms: NOW,
        claim_ms: null,
        time_skew_max_ms: 60_000,
        agent: { purposes: ["support"], registered_ms: 0, status: "active" },
        task: {
          agent: "support-7",
          purpose: "support",
          parent: null,
          principal: "ada",
          ended: false,
          expires_ms: NOW + 9,
          verbs: ["update"],
        },
      });
    });

    it("names the grants that were found and not live, which no policy sees", async () => {
      const world = new World();
      world.active = policyOf(() => ALLOWED);
      world.grants = [live("G-1"), live("G-2", { state: "expired" }), live("G-3", { state: "used_up" })];
      await world.decide();
      expect(records(world)[0]).to.deep.include({
        not_live: [
          { grant: "G-2", level: 0, state: "expired" },
          { grant: "G-3", level: 0, state: "used_up" },
        ],
      });
      const [line = ""] = world.records;
      expect(canonical(JSON.parse(line))).to.equal(line);
    });

    it("has in its messages, of facts, what the policy saw of them", async () => {
      const world = new World();
      const message = "{agent.tier} {task.topic} {task.customer}";
      world.active = {
        ...policyOf(() => ALLOWED),
        catalogue: { ...CATALOGUE, read_own: { ...(CATALOGUE["read_own"] as CatalogueEntry), message } },
      };
      world.tasks.set(TASK.id, {
        ...TASK,
        subjects: { customer: [] },
        attributes: { topic: "of an older vocabulary" },
      });
      const { answer } = await world.decide();
      expect(answer.reasons[0]?.message).to.equal("2 unknown unknown");
    });

    it("keeps beside it what is too large for a leaf, by its digest, and nothing else", async () => {
      const world = new World();
      const { invoice } = VOCABULARY.types;
      if (invoice === undefined) throw new Error("the vocabulary has no invoices");
      const roomy = { ...invoice, arguments: { note: { kind: "string" as const, max: 12_000 } } };
      const types = { ...VOCABULARY.types, invoice: roomy };
      world.active = { ...policyOf(() => ALLOWED), vocabulary: { ...VOCABULARY, types } };
      const note = "\u4e2d".repeat(12_000);
      const { answer } = await world.decide({ ...REQUEST, arguments: { note } });
      const [record] = records(world);
      const [{ digest, text } = { digest: "", text: "" }] = world.beside;
      expect(Buffer.byteLength(world.records[0] ?? "")).to.be.below(RECORD_BYTES_MAX);
      expect(record).to.deep.include({ beside: { bytes: Buffer.byteLength(text), digest } });
      expect(record).not.to.have.any.keys("input", "request", "floor", "ancestors");
      expect(digest).to.equal(`sha256:${createHash("sha256").update(text).digest("hex")}`);
      expect(canonical(JSON.parse(text))).to.equal(text);
      expect((JSON.parse(text) as { input: PolicyInput }).input.request.arguments).to.deep.include({ note });
      expect(record?.answer).to.deep.equal(JSON.parse(JSON.stringify(answer)));
    });

    it("names the decision before it on the same task, and none that has no record", async () => {
      const world = new World();
      const first = await world.decide();
      const second = await world.decide();
      world.append = () => Promise.reject(new Problem("log_unavailable"));
      await problemOf(world.decide());
      world.append = () => Promise.resolve();
      await world.decide();
      const previous = records(world).map(({ previous }) => previous);
      expect(previous).to.deep.equal([null, first.answer.decision_id, second.answer.decision_id, null]);
    });

    it("says that it was observed, and judges all the same", async () => {
      const world = new World();
      const answer = await world.observe();
      expect(answer.decision).to.equal("allow");
      expect(records(world)[0]?.kind).to.equal("observed");
    });

    it("holds no token", async () => {
      const world = new World();
      await world.decide();
      expect(world.records.join()).not.to.include("Bearer");
    });
  });

  describe("what the policy sees", () => {
    const seen = async (request: object = REQUEST, change: (world: World) => void = () => undefined): Promise<PolicyInput> => {
      const world = new World();
      change(world);
      await world.decide(request);
      const input = records(world)[0]?.input;
      if (input === undefined) throw new Error("the floor refused");
      return input;
    };

    it("is the whole input, every field of it present", async () => {
      expect(await seen()).to.deep.equal({
        request: {
          agent: "support-7",
          purpose: "support",
          task: "T-1",
          verb: "read",
          resource: { type: "invoice", id: "I-1", attributes: { customer: "ada", amount_cents: null } },
          related: {
            pay_from: { type: "payment_method", id: null, attributes: { customer: null } },
            attached: { type: "file", id: null, attributes: {} },
          },
          arguments: { note: null, to: null, rate: null, urgent: null, tags: null, address: null },
          context: { session: null, source: null, trace: null },
        },
        facts: {
          time: { ms: NOW, claim_ms: null },
          caller: { id: "gateway-1" },
          principal: "ada",
          agent: { id: "support-7", version: "3", owner: "support@example.com", attributes: { tier: 2 } },
          task: {
            id: "T-1",
            subjects: { customer: ["ada"], ticket: null },
            attributes: { topic: "billing" },
            depth: 0,
            root: "T-1",
          },
          grants: [],
          behavior: { risk: 0, confidence: 0, channels: {}, reasons: [] },
          flow: null,
        },
      });
    });

    it("is null and empty where there is no task", async () => {
      const { facts, request } = await seen({ ...REQUEST, purpose: "roaming", task: undefined }, (world) => {
        world.agents.set(AGENT.id, { ...AGENT, purposes: new Set(["roaming"]) });
      });
      expect(request.task).to.be.null;
      expect(facts.principal).to.be.null;
      expect(facts.task).to.deep.equal({
        id: null,
        subjects: { customer: null, ticket: null },
        attributes: { topic: null },
        depth: 0,
        root: null,
      });
    });

    it("has nothing of facts that the vocabulary doesn't name or that don't fit it", async () => {
      const { facts } = await seen(REQUEST, (world) => {
        world.agents.set(AGENT.id, { ...AGENT, attributes: { tier: "two", admin: true } });
        world.tasks.set(TASK.id, { ...TASK, subjects: { invoice: ["I-1"] }, attributes: { topic: "sports", more: 1 } });
      });
      expect(facts.agent.attributes).to.deep.equal({ tier: null });
      expect(facts.task.attributes).to.deep.equal({ topic: null });
      expect(facts.task.subjects).to.deep.equal({ customer: null, ticket: null });
    });

    it("follows a fact that is replaced, and a vocabulary that is", async () => {
      const world = new World();
      await world.decide();
      world.agents.set(AGENT.id, { ...AGENT, attributes: { tier: 3 } });
      await world.decide();
      const policy = policyOf(() => ALLOWED, 2);
      world.active = { ...policy, vocabulary: { ...policy.vocabulary, agent: { attributes: {} } } };
      await world.decide();
      expect(records(world).map(({ input }) => input?.facts.agent.attributes)).to.deep.equal([{ tier: 2 }, { tier: 3 }, {}]);
    });

    it("has no status, expiry or token in it", async () => {
      const text = JSON.stringify(await seen());
      expect(text).not.to.match(/status|expires|revoked|token|scopes/);
    });
  });

  describe("what an adapter has read", () => {
    const of = (id: string): object => ({ ...REQUEST, request_id: id });

    it("is decided as anything else, and recorded under the adapter's name", async () => {
      const world = new World();
      const { answer } = await world.decider.decideAction(of("R-1"), CALLER, "opa");
      const embedded = await world.decider.decideAction(of("R-2"), CALLER);
      expect([answer.decision, embedded.answer.decision]).to.deep.equal(["allow", "allow"]);
      const [first, second] = records(world) as (Recorded & { adapter?: string })[];
      expect([first?.adapter, first?.answer.request_id, first?.caller]).to.deep.equal(["opa", "R-1", CALLER.id]);
      expect([second?.adapter, second?.answer.request_id]).to.deep.equal([undefined, "R-2"]);
      expect((await problemOf(world.decider.decideAction({}, CALLER, "opa"))).code).to.equal("field_missing");
      expect(world.records).to.have.lengthOf(2);
    });

    it("is several actions, each with an answer or a problem of its own, in their order", async () => {
      const world = new World();
      const asked = [of("R-1"), {}, { ...of("R-2"), verb: "destroy" }, { ...of("R-3"), agent: 7 }, of("R-4")];
      const decided = await world.decider.decideActions(asked, CALLER, "opa");
      const told = decided.map((one) => (one instanceof Problem ? one.code : `${one.answer.request_id ?? ""} ${one.answer.decision}`));
      expect(told).to.deep.equal(["R-1 allow", "field_missing", "R-2 deny", "field_type", "R-4 allow"]);
      expect(records(world).map(({ answer }) => answer.request_id)).to.deep.equal(["R-1", "R-2", "R-4"]);
      expect(await world.decider.decideActions([{}], CALLER, "opa")).to.have.lengthOf(1);
      expect(await world.decider.decideActions([], CALLER, "opa")).to.deep.equal([]);
    });

    it("is a list that is read whole before any of it is decided, as a batch is", async () => {
      const world = new World();
      const decided = await world.decider.decideAll([of("R-1"), of("R-2")], CALLER);
      expect(decided.map(({ answer }) => answer.request_id)).to.deep.equal(["R-1", "R-2"]);
      const problem = await problemOf(world.decider.decideAll([of("R-3"), {}], CALLER));
      expect([problem.code, problem.detail.field, world.records.length]).to.deep.equal(["field_missing", "/actions/1/agent", 2]);
      expect((await problemOf(world.decider.decideAll([], CALLER))).code).to.equal("field_invalid");
    });

    it("ends whatever was asked where something is broken, rather than in a problem", async () => {
      const world = new World();
      world.agents.get = broken;
      const failure: unknown = await world.decider.decideActions([of("R-1")], CALLER, "opa").catch((cause: unknown) => cause);
      expect(failure).to.be.instanceOf(Error).and.not.instanceOf(Problem);
      expect(world.records).to.deep.equal([]);
    });
  });

  describe("one action of several", () => {
    const world = (): World => new World((pdp) => decider({ ...pdp, limits: { ...pdp.limits, body_bytes_max: 500 } }));
    const large = { ...REQUEST, request_id: "x".repeat(256), context: { trace: "x".repeat(200) } };

    it("is refused where it is larger than an action alone may be, and with it the batch", async () => {
      const small = world();
      const problem = await problemOf(small.batch([REQUEST, large]));
      expect([problem.code, problem.detail.field, problem.detail.item]).to.deep.equal(["body_too_large", "/actions/1", 1]);
      expect(small.records).to.deep.equal([]);
      expect(await small.batch([REQUEST, REQUEST, REQUEST])).to.have.lengthOf(3);
    });

    it("is refused alone where each has an answer of its own", async () => {
      const answers = await world().decider.decideActions([REQUEST, large], CALLER, "opa");
      expect(answers.map((one) => (one instanceof Problem ? one.code : one.answer.decision))).to.deep.equal(["allow", "body_too_large"]);
    });
  });

  describe("a batch", () => {
    it("answers and records in order, each with its own id", async () => {
      const world = new World();
      const ids = ["I-1", "I-2", "I-3"];
      const decided = await world.batch(ids.map((id) => ({ ...REQUEST, request_id: id, resource: { ...REQUEST.resource, id } })));
      expect(decided.map(({ answer }) => answer.request_id)).to.deep.equal(ids);
      expect(records(world).map(({ answer }) => answer.request_id)).to.deep.equal(ids);
      expect(new Set(decided.map(({ answer }) => answer.decision_id)).size).to.equal(3);
    });

    it("records in order though one is refused by the floor", async () => {
      const world = new World();
      const decided = world.batch([REQUEST, { ...REQUEST, agent: "nobody" }, { ...REQUEST, resource: { type: "invoice", id: "I-2" } }]);
      const answers = (await decided).map(({ answer }) => answer.decision_id);
      expect(records(world).map(({ answer }) => answer.decision_id)).to.deep.equal(answers);
      expect(records(world).map(({ answer }) => answer.decision)).to.deep.equal(["allow", "deny", "allow"]);
      expect([...answers].sort()).to.deep.equal(answers);
    });

    it("waits for the disk once, for all", async () => {
      const world = new World();
      const disk = deferred();
      world.append = () => disk.promise;
      const decided = world.batch([REQUEST, REQUEST, REQUEST]);
      await turn();
      expect(world.records).to.have.lengthOf(3);
      disk.resolve();
      expect(await decided).to.have.lengthOf(3);
    });

    it("fails whole when one record can't be written, and leaves no rejection behind", async () => {
      const world = new World();
      const unhandled: unknown[] = [];
      const listen = (why: unknown): unknown => unhandled.push(why);
      process.on("unhandledRejection", listen);
      let appended = 0;
      world.append = () => (appended++ === 0 ? Promise.reject(new Problem("log_backlog")) : Promise.resolve());
      const decided = problemOf(world.batch([REQUEST, { ...REQUEST, resource: { type: "invoice", id: "I-2" } }]));
      expect((await decided).code).to.equal("log_backlog");
      await turn();
      process.off("unhandledRejection", listen);
      expect(unhandled).to.deep.equal([]);
    });

    it("judges each on the facts of its own moment", async () => {
      const world = new World();
      world.append = () => {
        world.agents.set(AGENT.id, { ...AGENT, status: "revoked" });
        world.revision++;
        return Promise.resolve();
      };
      const decided = await world.batch([REQUEST, REQUEST]);
      expect(decided.map(({ answer }) => answer.reasons[0]?.code)).to.deep.equal(["read_own", "agent_revoked"]);
      expect(decided.map(({ answer }) => answer.facts_revision)).to.deep.equal([7, 8]);
    });

    const malformed: [name: string, body: unknown, code: string, field: string, item?: number][] = [
      ["a list", [REQUEST], "field_type", ""],
      ["null", null, "field_type", ""],
      ["text", "x", "field_type", ""],
      ["nothing", {}, "field_missing", "/actions"],
      ["no list", { actions: {} }, "field_type", "/actions"],
      ["null for a list", { actions: null }, "field_type", "/actions"],
      ["an empty list", { actions: [] }, "field_invalid", "/actions"],
      ["more than the limit", { actions: Array(4).fill(REQUEST) }, "field_invalid", "/actions"],
      ["a field more", { actions: [REQUEST], "a/b": 1 }, "field_unknown", "/a~1b"],
      ["an action that is null", { actions: [null] }, "field_type", "/actions/0", 0],
      ["a bad last one", { actions: [REQUEST, REQUEST, { ...REQUEST, verb: 5 }] }, "field_type", "/actions/2/verb", 2],
      ["a missing field", { actions: [REQUEST, { ...REQUEST, purpose: undefined }] }, "field_missing", "/actions/1/purpose", 1],
      [
        "an unknown attribute",
        { actions: [REQUEST, { ...REQUEST, resource: { type: "invoice", id: "I", attributes: { x: 1 } } }] },
        "field_unknown",
        "/actions/1/resource/attributes/x",
        1,
      ],
      ["a batch in a batch", { actions: [{ actions: [REQUEST] }] }, "field_missing", "/actions/0/agent", 0],
    ];
    for (const [name, body, code, field, item] of malformed) {
      it(`is refused whole, and nothing is recorded, for ${name}`, async () => {
        const world = new World();
        let asked = 0;
        world.active = policyOf(() => (asked++, ALLOWED));
        const problem = await problemOf(world.decider.decideBatch(Buffer.from(JSON.stringify(body)), "Bearer x"));
        expect([problem.code, problem.detail.field, problem.detail.item]).to.deep.equal([code, field, item]);
        expect([asked, world.records.length]).to.deep.equal([0, 0]);
      });
    }

    it("takes as many as the limit, and one", async () => {
      expect(await new World().batch(Array(3).fill(REQUEST))).to.have.lengthOf(3);
      expect(await new World().batch([REQUEST])).to.have.lengthOf(1);
    });

    it("denies one item and allows another", async () => {
      const decided = await new World().batch([{ ...REQUEST, verb: "destroy" }, REQUEST]);
      expect(decided.map(({ answer }) => answer.decision)).to.deep.equal(["deny", "allow"]);
    });
  });

  it("never proceeds on what the engine can't say", async () => {
    const world = new World();
    const policy = policyOf(() => ALLOWED);
    world.active = {
      ...policy,
      evaluate: () => ({ ok: false, code: "evaluation_failed", detail: "trap" }),
    };
    expect((await world.decide()).answer).to.include({ decision: "deny", proceed: false });
    world.active = policyOf(() => undefined);
    expect((await world.decide()).answer.reasons[0]?.code).to.equal("result_invalid");
    world.active = { ...policy, evaluate: broken };
    let failed = false;
    await world.decide().catch(() => (failed = true));
    expect(failed, "no answer").to.be.true;
    expect(world.records).to.have.lengthOf(2);
  });

  it("makes two decisions of one request asked twice", async () => {
    const world = new World();
    const [a, b] = [await world.decide(), await world.decide()];
    expect(a.answer.decision_id).not.to.equal(b.answer.decision_id);
    expect(a.answer.action_digest).to.equal(b.answer.action_digest);
    expect(world.records).to.have.lengthOf(2);
  });
});
