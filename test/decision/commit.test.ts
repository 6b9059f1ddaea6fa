import { expect } from "chai";
import { Problem, type PolicyResult, type SeenRecord, type Vocabulary } from "../../src/contract/index.js";
import { decider } from "../../src/decision/decide.js";
import type { IncidentPort, Pdp } from "../../src/decision/pdp.js";
import { ALLOWED, AGENT, CALLER, NOW, REQUEST, TASK, World, live, policyOf, problemOf } from "./world.js";

const DENIED: PolicyResult = {
  decision: "deny",
  proceed: false,
  reasons: [{ effect: "deny", code: "read_only", severity: "high", params: {} }],
  obligations: [],
};
const OF_FLOW: Partial<Vocabulary> = { flow: { slots: [], own: [], members: [], secret: [] } };

/** A world whose decider has more ports, each of which says that it was called. */
class Watched extends World {
  readonly said: string[];

  constructor(result: PolicyResult = ALLOWED, ports: (said: string[]) => Partial<Pdp> = () => ({})) {
    const said: string[] = [];
    super((pdp) => decider({ ...pdp, ...ports(said) }));
    this.said = said;
    const policy = policyOf(() => result);
    this.active = { ...policy, vocabulary: { ...policy.vocabulary, ...OF_FLOW } };
  }
}

const lost = (): Promise<void> => Promise.reject(new Error("the disk is gone"));

/** A profile that notes what it learns, and whatever it forgets again. */
function noting(world: World, said: string[]): void {
  world.profile = { ...world.profile, learn: () => said.push("learned"), unrecorded: () => said.push("unlearned") };
}

describe("what is noted of values", () => {
  const flow = (said: string[]): Partial<Pdp> => ({
    flow: {
      ask: () => ({ facts: {} as never, note: { of: "this action" } }),
      permitted: (id, note, seen) => said.push(`permitted ${id.length} ${JSON.stringify(note)}${seen === undefined ? "" : " seen"}`),
      seenIn: () => null,
      notMade: () => said.push("not made"),
    },
  });
  const NOTED = 'permitted 36 {"of":"this action"}';

  it("is kept of an action that is permitted", async () => {
    const world = new Watched(ALLOWED, flow);
    await world.decide();
    expect(world.said).to.deep.equal([NOTED]);
  });

  it("isn't of one that is denied, by the policy or before it", async () => {
    const world = new Watched(DENIED, flow);
    await world.decide();
    world.agents.clear();
    await world.decide();
    expect(world.said).to.deep.equal([]);
  });

  it("is kept of whatever has happened, as it would have been denied", async () => {
    const world = new Watched(DENIED, flow);
    await world.observe();
    expect(world.said).to.deep.equal([NOTED]);
  });

  it("is taken back where the record didn't reach the disk", async () => {
    const world = new Watched(ALLOWED, flow);
    world.append = lost;
    await world.decide().catch(() => undefined);
    expect(world.said).to.deep.equal([NOTED, "not made"]);
  });

  it("isn't of an action of which the policy wants to know nothing", async () => {
    const world = new Watched(ALLOWED, flow);
    world.active = policyOf(() => ALLOWED);
    await world.decide();
    await world.observe();
    expect(world.said).to.deep.equal([]);
  });

  it("is what an action returned, as far as that is reported with it and remembered", async () => {
    const SEEN = { full: false, others: false, task: "T-1", values: [] } as unknown as SeenRecord;
    const RETURNED = { paths: [] };
    for (const [returned, seen, noted] of [
      [RETURNED, SEEN, `${NOTED} seen`],
      [RETURNED, null, NOTED],
      [null, SEEN, NOTED],
      [undefined, SEEN, NOTED],
    ] as const) {
      const asked: unknown[] = [];
      const world = new Watched(ALLOWED, (said) => {
        const { flow: port } = flow(said);
        return { ...(port && { flow: { ...port, seenIn: (...of) => (asked.push(...of), seen) } }) };
      });
      const { intake, attempt, observed } = world.decider;
      const policy = intake.activePolicy();
      const question = await intake.question(intake.read(REQUEST, policy), CALLER, policy, intake.arrival());
      const happened = { at: new Date(NOW).toISOString(), at_ms: NOW, outcome: null, ...(returned !== undefined && { returned }) };
      const { answer } = observed.write(attempt({ ...question, kind: "observed", happened }));
      expect(world.said).to.deep.equal([noted]);
      expect(asked).to.deep.equal(returned === RETURNED ? [answer.decision_id, { of: "this action" }, RETURNED] : []);
    }
  });
});

describe("the finding of a decision", () => {
  const findings =
    (id: (decision: string) => string | null) =>
    (said: string[]): Partial<Pdp> => ({
      findings: {
        place: ({ decision_id, known, agent, time_ms, opens }: Parameters<IncidentPort["place"]>[0]) => {
          said.push(`${agent} ${known ? "known" : "unknown"} ${time_ms - NOW} ${opens}`);
          return id(decision_id);
        },
        unrecorded: () => said.push("unrecorded"),
      },
    });

  it("is placed with whether its agent is registered", async () => {
    const world = new Watched(
      DENIED,
      findings(() => "F-1"),
    );
    await world.decide();
    world.agents.clear();
    await world.decide();
    expect(world.said).to.deep.equal([`${AGENT.id} known 0 false`, `${AGENT.id} unknown 0 false`]);
  });

  it("is taken back with its record if it began with it, and stays if another opened it", async () => {
    for (const [id, taken] of [
      [(decision: string) => `F-${decision}`, true],
      [(decision: string) => `F-${decision}-ways`, true],
      [() => "F-019b0000-0000-7000-8000-000000000000", false],
      [() => null, false],
    ] as const) {
      const world = new Watched(DENIED, findings(id));
      world.append = lost;
      await world.decide().catch(() => undefined);
      expect(world.said.includes("unrecorded"), String(id)).to.equal(taken);
    }
  });
});

describe("actions of an agent that is narrowed", () => {
  const narrowed = (permitted: number) => ({ since_ms: NOW, actions_per_minute: 5, permitted }) as never;

  it("are counted if they are permitted, and neither denials nor what has happened", async () => {
    for (const [result, counted] of [
      [ALLOWED, 1],
      [DENIED, 0],
    ] as const) {
      const world = new Watched(result);
      world.narrowed.set(AGENT.id, narrowed(0));
      await world.decide();
      await world.observe();
      expect(world.narrowed.get(AGENT.id)?.permitted).to.equal(counted);
    }
  });

  it("count for each agent of the chain once, and for none that isn't narrowed", async () => {
    const world = new Watched();
    world.agents.set("lead-1", { ...AGENT, id: "lead-1" });
    world.tasks.set("T-0", { ...TASK, id: "T-0", agent: AGENT.id }).set("T-1", { ...TASK, parent: "T-0" });
    world.narrowed.set(AGENT.id, narrowed(0));
    await world.decide();
    expect(world.narrowed.get(AGENT.id)?.permitted).to.equal(1);
    expect([...world.narrowed.keys()]).to.deep.equal([AGENT.id]);
  });

  it("are asked for by the names of those that are narrowed alone", async () => {
    const spent: unknown[] = [];
    const spend = { value: (...of: unknown[]) => (spent.push(...of), true) };
    const world = new World((pdp) => decider({ ...pdp, facts: Object.create(pdp.facts, { spend }) as Pdp["facts"] }));
    world.agents.set("lead-1", { ...AGENT, id: "lead-1" });
    world.tasks.set("T-0", { ...TASK, id: "T-0", agent: "lead-1" }).set("T-1", { ...TASK, parent: "T-0" });
    await world.decide();
    expect(spent).to.deep.equal([]);
    world.narrowed.set("lead-1", narrowed(0));
    await world.decide();
    expect(spent).to.deep.equal([["lead-1"], NOW]);
  });
});

describe("the time of a decision", () => {
  it("is told by its stages, that of the disk apart", async () => {
    const world = new World();
    world.monotonic_ms = 1000;
    world.active = policyOf(() => ((world.monotonic_ms += 2), ALLOWED));
    world.append = async () => {
      await new Promise(setImmediate);
      world.monotonic_ms += 5;
    };
    expect((await world.decide()).stages).to.deep.equal({ read: 0, evaluate: 2, record: 5 });
  });
});

describe("an answer that comes when its node may no longer allow", () => {
  const watched = (result: PolicyResult): Watched =>
    new Watched(result, (said) => ({
      flow: {
        ask: () => ({ facts: {} as never, note: {} }),
        permitted: () => said.push("permitted"),
        seenIn: () => null,
        notMade: () => said.push("not made"),
      },
      withheld: (id) => said.push(`withheld ${id.length}`),
      decided: (id, caller, proceed) => said.push(`decided ${id.length} ${caller} ${proceed}`),
    }));

  for (const [left_ms, result, said] of [
    [1, ALLOWED, ["permitted", `decided 36 ${CALLER.id} true`]],
    [0, ALLOWED, ["permitted", "not made", "withheld 36"]],
    [-5, ALLOWED, ["permitted", "not made", "withheld 36"]],
    [0, DENIED, [`decided 36 ${CALLER.id} false`]],
  ] as const)
    it(`is ${said.length > 2 ? "withheld" : "given"} if it is ${result.decision} with ${left_ms} ms left when its record is on disk`, async () => {
      const world = watched(result);
      const lease = { left_ms: 1000 };
      world.lease = lease;
      world.append = () => ((lease.left_ms = left_ms), Promise.resolve());
      const code = await world.decide().then(
        ({ answer }) => answer.decision,
        (cause: unknown) => (cause as Problem).code,
      );
      expect([code, world.said]).to.deep.equal([said.length > 2 ? "answer_late" : result.decision, said]);
    });
});

describe("a batch of which one answer comes too late, or can't be recorded", () => {
  const last: [what: string, append: (lease: { left_ms: number }) => Promise<void>, code: string][] = [
    ["comes too late", (lease) => ((lease.left_ms = 0), Promise.resolve()), "answer_late"],
    ["can't be recorded", () => Promise.reject(new Problem("log_unavailable")), "log_unavailable"],
    [
      "isn't even decided",
      () => {
        throw new Problem("log_backlog");
      },
      "log_backlog",
    ],
  ];
  for (const [what, append, code] of last)
    it(`permits nothing of what nobody receives, where the last ${what}`, async () => {
      const open = new Set<string>();
      const withheld: string[] = [];
      const world = new Watched(ALLOWED, () => ({
        flow: {
          ask: () => ({ facts: {} as never, note: {} }),
          permitted: (id) => open.add(id),
          seenIn: () => null,
          notMade: (id) => open.delete(id),
        },
        withheld: (id) => withheld.push(id),
      }));
      const lease = { left_ms: 1000 };
      world.lease = lease;
      let records = 0;
      world.append = () => (++records < 3 ? Promise.resolve() : append(lease));
      expect((await problemOf(world.batch([REQUEST, REQUEST, REQUEST]))).code).to.equal(code);
      expect([...open]).to.deep.equal([]);
      expect(withheld.length).to.be.at.least(2);
    });
});

describe("a record that can't be written", () => {
  const BY_GRANT: PolicyResult = {
    ...ALLOWED,
    reasons: [{ effect: "allow", code: "granted", severity: "info", params: { grant: "G-1", lifted: ["not_permitted"] } }],
  };

  it("leaves the grants' uses as they were, learns nothing, and isn't named by the next record of its task", async () => {
    const mask = (): never => {
      throw new Problem("log_unavailable");
    };
    const world = new Watched(BY_GRANT, () => ({
      masks: { isReady: () => true, names: (_: unknown, __: unknown, names: object) => names, mask } as never,
    }));
    const { vocabulary } = world.active as { vocabulary: Vocabulary };
    const masked = { ...world.active, vocabulary: { ...vocabulary, masks: [] as never } } as typeof world.active;
    const learned: string[] = [];
    noting(world, learned);
    world.uses = new Map([["G-1", 1]]);
    world.grantsOf = () => [live("G-1", { counted: true })];
    const unmasked = world.active;
    world.active = masked;
    expect((await problemOf(world.decide())).code).to.equal("log_unavailable");
    expect([world.uses.get("G-1"), learned, world.records]).to.deep.equal([1, [], []]);
    world.active = unmasked;
    await world.decide();
    expect(world.uses.get("G-1")).to.equal(0);
    expect((JSON.parse(world.records[0] ?? "{}") as { previous: unknown }).previous).to.equal(null);
  });

  it("gives up its uses and forgets what was learned if the disk fails after the log has taken it", async () => {
    const world = new Watched();
    const learned: string[] = [];
    noting(world, learned);
    world.append = lost;
    await world.decide().catch(() => undefined);
    world.append = () => Promise.resolve();
    await world.decide();
    expect(learned).to.deep.equal(["learned", "unlearned", "learned"]);
    const previous = world.records.map((record) => (JSON.parse(record) as { previous: unknown }).previous);
    expect(previous).to.deep.equal([null, null]);
  });

  it("is forgotten if it was of what has happened", async () => {
    const world = new Watched();
    noting(world, world.said);
    const { intake, attempt, observed } = world.decider;
    const policy = intake.activePolicy();
    const question = await intake.question(intake.read(REQUEST, policy), CALLER, policy, intake.arrival());
    observed.unrecorded(observed.write(attempt({ ...question, kind: "observed" })));
    expect(world.said).to.deep.equal(["learned", "unlearned"]);
  });

  const backlog = new Problem("log_backlog");
  const rejecting: [how: string, append: () => Promise<void>][] = [
    [
      "at once",
      () => {
        throw backlog;
      },
    ],
    ["a turn later", () => Promise.reject(backlog)],
  ];
  for (const [how, append] of rejecting)
    it(`has never been if the log takes none and says so ${how}`, async () => {
      const said: string[] = [];
      let rejects = true;
      const world = new World((pdp) => {
        const { log } = pdp;
        const half = { append: { value: (...of: Parameters<typeof log.append>) => (rejects ? append() : log.append(...of)) } };
        const permitted = (): unknown => said.push("permitted");
        const flow = { ask: () => ({ facts: {} as never, note: {} }), permitted, seenIn: () => null, notMade: () => undefined };
        return decider({ ...pdp, flow, log: Object.create(log, half) as typeof log });
      });
      const policy = policyOf(() => ALLOWED);
      world.active = { ...policy, vocabulary: { ...policy.vocabulary, ...OF_FLOW } };
      noting(world, said);
      expect((await problemOf(world.decide())).code).to.equal("log_backlog");
      expect(said).to.deep.equal([]);
      rejects = false;
      await world.decide();
      expect(said).to.deep.equal(["permitted", "learned"]);
      expect((JSON.parse(world.records[0] ?? "{}") as { previous: unknown }).previous).to.equal(null);
    });

  it("teaches nothing that the agent has not done itself", async () => {
    const world = new Watched();
    noting(world, world.said);
    world.settled = () => world.said.push("settled");
    await world.decide();
    expect(world.said).to.deep.equal(["learned", "settled"]);
    world.permitted = false;
    await world.decide();
    expect(world.said).to.deep.equal(["learned", "settled"]);
  });
});

describe("a revocation", () => {
  const KEYS = [
    "everything/",
    "token/c-1",
    `caller/${CALLER.id}`,
    `agent/${AGENT.id}`,
    `owner/${AGENT.owner}`,
    "principal/ada",
    "purpose/support",
    "task/T-1",
  ];
  const REASON = (key: string): string => `${key.slice(0, key.indexOf("/"))}_revoked`;
  const world = (): World => {
    const made = new World();
    made.authenticate = () => ({ ...CALLER, token: { jti: "c-1", issued_ms: NOW, expires_ms: null } as never });
    return made;
  };
  const codeIn = async (of: World): Promise<string | undefined> => (await of.decide(REQUEST)).answer.reasons[0]?.code;

  for (const key of KEYS)
    it(`of ${key} denies, and says so`, async () => {
      const one = world();
      one.revoked.add(key);
      expect(await codeIn(one)).to.equal(REASON(key));
    });

  it("of something else denies nothing", async () => {
    const one = world();
    for (const key of KEYS) one.revoked.add(`${key}x`).add(`${key.slice(0, key.indexOf("/"))}/`);
    one.revoked.delete("everything/");
    expect(await codeIn(one)).to.equal("read_own");
  });

  it("is told by its widest scope", async () => {
    for (let i = 0; i < KEYS.length; i++) {
      const one = world();
      for (const key of KEYS.slice(i)) one.revoked.add(key);
      expect(await codeIn(one)).to.equal(REASON(KEYS[i] ?? ""));
    }
  });

  it("keeps a policy that can't be asked from being asked", async () => {
    const one = world();
    one.active = null;
    expect((await problemOf(one.decide())).code).to.equal("bundle_missing");
  });
});
