import { expect } from "chai";
import fc from "fast-check";
import { FLOOR_CODES, type FloorCode } from "../../src/contract/index.js";
import { FLOOR, floor } from "../../src/decision/floor.js";
import type { NarrowedTo, Situation } from "../../src/decision/situation.js";
import type { Agent, AgentProof, TaskProof, TokenUse } from "../../src/decision/ports.js";
import { AGENT, NOW, PURPOSE, SITUATION, TASK } from "./world.js";

type Change = Partial<Situation>;

const TOKEN: TokenUse = { jti: "j-1", issued_ms: NOW - 1000, expires_ms: NOW + 60_000 };
const PROOF: AgentProof = {
  actor: { issuer: "agents", subject: "support-7" },
  principal: { issuer: "users", subject: "ada" },
  chain: [],
  token: TOKEN,
};
const PROVEN: Change = { agent_proof: PROOF, proven_agent: "support-7" };
const TASK_PROOF: TaskProof = { task: "T-1", agent: "support-7", purpose: "support", token: TOKEN };
const REGISTERED_LATELY: Agent = { ...AGENT, registered_ms: NOW - 1000 };
/** Reading what the task is about, as one of as many actions a minute. */
const LEFT: NarrowedTo = { actions_per_minute: 10, permitted: 0, verb_class: "read", relation: "task" };
const narrowed = (change: Partial<NarrowedTo>): Change => ({ narrowed: { ...LEFT, ...change } });
const proven = (token: Partial<TokenUse>): Change => ({
  ...PROVEN,
  agent_proof: { ...PROOF, token: { ...TOKEN, ...token } },
});

/** Per row, the situations in which it refuses and nothing else is wrong. */
const ALONE: Record<FloorCode, Change[]> = {
  everything_revoked: [{ revoked: "everything" }],
  token_revoked: [{ revoked: "token" }],
  caller_revoked: [{ revoked: "caller" }],
  caller_not_permitted: [{ caller_permitted: false }],
  facts_stale: [{ facts_stale: true }],
  agent_unknown: [{ agent: undefined }],
  agent_revoked: [{ agent: { ...AGENT, status: "revoked" } }, { revoked: "agent" }],
  owner_revoked: [{ revoked: "owner" }],
  principal_revoked: [{ revoked: "principal" }],
  agent_suspended: [
    { agent: { ...AGENT, status: "suspended" } },
    // Not a status of this version; it must not count as active.
    ...["", "Active", "deleted", null, undefined, true].map((status) => ({ agent: { ...AGENT, status } as never })),
  ],
  agent_token_required: [{ token_required: true }],
  agent_token_expired: [proven({ expires_ms: NOW }), proven({ expires_ms: NOW - 1 }), proven({ expires_ms: 0 })],
  agent_token_mismatch: [
    { ...PROVEN, proven_agent: "support-8" },
    { ...PROVEN, proven_agent: undefined },
    { ...PROVEN, proven_agent: "Support-7" },
  ],
  agent_token_stale: [
    { ...proven({ issued_ms: NOW - 1001 }), agent: REGISTERED_LATELY },
    // It may have been issued to who had the id before.
    { ...proven({ issued_ms: null }), agent: REGISTERED_LATELY },
  ],
  actor_stopped: [{ ...PROVEN, actor_stopped: true }],
  purpose_unknown: [{ purpose: undefined }],
  purpose_revoked: [{ revoked: "purpose" }],
  purpose_not_registered: [
    { agent: { ...AGENT, purposes: new Set<string>() } },
    { agent: { ...AGENT, purposes: new Set(["Support", "support ", "suppor", ""]) } },
  ],
  task_required: [{ task_id: null, task: undefined }],
  task_unknown: [{ task: undefined }],
  task_token_mismatch: [
    { task_proof: { ...TASK_PROOF, task: "T-2" } },
    { task_proof: { ...TASK_PROOF, agent: "support-8" } },
    { task_proof: { ...TASK_PROOF, purpose: "retail" } },
  ],
  task_token_expired: [
    { task_proof: { ...TASK_PROOF, token: { ...TOKEN, expires_ms: NOW } } },
    { task_proof: { ...TASK_PROOF, token: { ...TOKEN, expires_ms: 0 } } },
  ],
  task_of_another_agent: [
    { task: { ...TASK, agent: "support-8" } },
    { task: { ...TASK, agent: "Support-7" } },
    { task: { ...TASK, agent: "" } },
  ],
  task_of_another_purpose: [{ task: { ...TASK, purpose: "retail" } }, { task: { ...TASK, purpose: "" } }],
  task_revoked: [{ revoked: "task" }],
  task_ended: [{ task: { ...TASK, ended: true } }],
  task_expired: [{ task: { ...TASK, expires_ms: NOW } }, { task: { ...TASK, expires_ms: NOW - 1 } }, { task: { ...TASK, expires_ms: 0 } }],
  principal_mismatch: [
    { ...PROVEN, agent_proof: { ...PROOF, principal: { issuer: "users", subject: "bob" } } },
    { ...PROVEN, agent_proof: { ...PROOF, principal: { issuer: "users", subject: "Ada" } } },
  ],
  verb_unknown: [{ verb_known: false }],
  type_unknown: [{ type_known: false }],
  verb_not_in_task: [
    { task: { ...TASK, verbs: new Set(["update"]) } },
    { task: { ...TASK, verbs: new Set<string>() } },
    { task: { ...TASK, verbs: new Set(["Read", "read "]) } },
  ],
  narrowed_to_read: [
    ...(["write", "send", "admin", null] as const).map((verb_class) => narrowed({ verb_class })),
    narrowed({ verb_class: "Read" as never }),
  ],
  narrowed_to_task: [narrowed({ relation: "other" }), narrowed({ relation: "unknown" }), narrowed({ relation: undefined as never })],
  narrowed_rate: [
    narrowed({ permitted: 10 }),
    narrowed({ permitted: 11 }),
    narrowed({ actions_per_minute: 1, permitted: 1 }),
    narrowed({ actions_per_minute: 0 }),
  ],
  time_skew: [
    { claim_ms: NOW + 60_001 },
    { claim_ms: NOW - 60_001 },
    { claim_ms: 0 },
    { claim_ms: 253_402_300_799_999 },
    { claim_ms: NOW - 1, time_skew_max_ms: 0 },
  ],
};

/** Rows below that hold as well: an unknown agent is registered to nothing. */
const BACKED: Partial<Record<FloorCode, FloorCode>> = { agent_unknown: "purpose_not_registered" };

const GOOD: [name: string, change: Change][] = [
  ["everything as it should be", {}],
  ["no task where the purpose lets it be", { task_id: null, task: undefined, purpose: { ...PURPOSE, task: "optional" } }],
  ["a task where the purpose lets it be", { purpose: { ...PURPOSE, task: "optional" } }],
  ["an agent that has proven itself", PROVEN],
  ["one that must, and has", { ...PROVEN, token_required: true }],
  ["a token issued in the millisecond of its agent's registration", { ...PROVEN, agent: REGISTERED_LATELY }],
  ["a token that expires in a millisecond", proven({ expires_ms: NOW + 1 })],
  ["a token that acts for nobody", { ...PROVEN, agent_proof: { ...PROOF, principal: null } }],
  ["a token that acts for somebody, on a task that says nothing of whom", { ...PROVEN, task: { ...TASK, principal: null } }],
  ["a task that is proven", { task_proof: TASK_PROOF }],
  ["a task that ends in a millisecond", { task: { ...TASK, expires_ms: NOW + 1 } }],
  ["a task narrowed to this verb", { task: { ...TASK, verbs: new Set(["read"]) } }],
  ["an agent that is narrowed, to what it is left with", { narrowed: LEFT }],
  ["the last action that it is left with in this minute", narrowed({ permitted: 9 })],
  ["no claimed time", { claim_ms: null }],
  ["a claim at the skew, early", { claim_ms: NOW - 60_000 }],
  ["a claim at the skew, late", { claim_ms: NOW + 60_000 }],
  ["a claim to the millisecond with no skew allowed", { time_skew_max_ms: 0 }],
  ["an agent with other purposes besides", { agent: { ...AGENT, purposes: new Set(["retail", "support"]) } }],
];

const situation = (change: Change): Situation => ({ ...SITUATION, ...change });
const without = (code: FloorCode): ((s: Situation) => FloorCode | undefined) => {
  const rows = FLOOR.filter(([row]) => row !== code);
  return (s) => rows.find(([, refuses]) => refuses(s))?.[0];
};

describe("floor: what no policy can lift", () => {
  it("has a case for each row, and a row for each code", () => {
    const rows = FLOOR.map(([code]) => code);
    expect([...rows].sort()).to.deep.equal([...FLOOR_CODES].sort());
    expect([...rows].sort()).to.deep.equal(Object.keys(ALONE).sort());
    expect(new Set(rows).size).to.equal(rows.length);
    for (const [code, changes] of Object.entries(ALONE)) expect(changes, code).not.to.be.empty;
  });

  for (const [name, change] of GOOD) {
    it(`lets pass: ${name}`, () => {
      expect(floor(situation(change))).to.be.null;
    });
  }

  for (const [code] of FLOOR) {
    describe(code, () => {
      for (const [i, change] of ALONE[code].entries()) {
        it(`refuses alone (${i + 1} of ${ALONE[code].length}), and only this row does`, () => {
          expect(floor(situation(change))).to.equal(code);
          expect(without(code)(situation(change)), "with the row taken out").to.equal(BACKED[code]);
        });
      }
    });
  }

  it("answers with the first row that refuses, whichever others do too", () => {
    const order = FLOOR.map(([code]) => code);
    const changes = FLOOR.flatMap(([code]) => ALONE[code]);
    fc.assert(
      fc.property(fc.subarray(changes, { minLength: 1 }), (chosen) => {
        const merged = situation(Object.assign({}, ...chosen) as Change);
        const refusing = FLOOR.filter(([, refuses]) => refuses(merged)).map(([code]) => code);
        expect(floor(merged)).to.equal(order.find((code) => refusing.includes(code)) ?? null);
      }),
    );
  });

  it("lets no situation pass that a plain reading of the rules would refuse", () => {
    const ids = fc.constantFrom("support-7", "support-8");
    const purposes = fc.constantFrom("support", "retail");
    const agents = fc.record({
      status: fc.constantFrom("active", "active", "suspended", "revoked"),
      purposes: fc.subarray(["support", "retail"]),
    });
    const tasks = fc.record({
      agent: ids,
      purpose: purposes,
      ended: fc.boolean(),
      expires: fc.constantFrom(null, -1, 0, 1),
      verbs: fc.constantFrom<string[] | null>(null, ["read"], []),
    });
    const narrowings = fc.record({
      actions_per_minute: fc.integer({ min: 1, max: 3 }),
      permitted: fc.integer({ min: 0, max: 3 }),
      verb_class: fc.constantFrom(null, "read" as const, "read" as const, "write" as const),
      relation: fc.constantFrom("task" as const, "task" as const, "other" as const, "unknown" as const),
    });
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.boolean(),
        fc.option(agents, { nil: undefined }),
        fc.option(tasks, { nil: undefined }),
        fc.boolean(),
        fc.constantFrom("required", "optional", undefined),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(null, -60_001, -60_000, 0, 60_000, 60_001),
        fc.option(narrowings),
        (caller_permitted, facts_stale, agent, task, named, needs, verb_known, type_known, claim, left) => {
          const s = situation({
            caller_permitted,
            facts_stale,
            verb_known,
            type_known,
            agent: agent && { ...AGENT, status: agent.status, purposes: new Set(agent.purposes) },
            purpose: needs && { ...PURPOSE, task: needs },
            task_id: named ? "T-1" : null,
            task:
              named && task
                ? {
                    ...TASK,
                    agent: task.agent,
                    purpose: task.purpose,
                    ended: task.ended,
                    verbs: task.verbs && new Set(task.verbs),
                    expires_ms: task.expires === null ? null : NOW + task.expires,
                  }
                : undefined,
            claim_ms: claim === null ? null : NOW + claim,
            narrowed: left,
          });
          const fine =
            caller_permitted &&
            !facts_stale &&
            agent?.status === "active" &&
            needs !== undefined &&
            agent.purposes.includes("support") &&
            verb_known &&
            type_known &&
            Math.abs(claim ?? 0) <= 60_000 &&
            (left === null || (left.verb_class === "read" && left.relation === "task" && left.permitted < left.actions_per_minute)) &&
            (named
              ? task !== undefined &&
                task.agent === "support-7" &&
                task.purpose === "support" &&
                !task.ended &&
                (task.expires === null || task.expires > 0) &&
                (task.verbs === null || task.verbs.includes("read"))
              : needs === "optional");
          expect(floor(s) === null).to.equal(fine);
        },
      ),
      { numRuns: 20_000 },
    );
  });
});
