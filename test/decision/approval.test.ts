import { expect } from "chai";
import { approvalOf } from "../../src/decision/approval.js";
import type { AgentProof, Facts } from "../../src/decision/ports.js";
import type { Level, Situation } from "../../src/decision/situation.js";
import { AGENT, CALLER, NOW, SITUATION, TASK } from "./world.js";
import type { Question } from "../../src/decision/question.js";

const PROOF: AgentProof = {
  actor: { issuer: "agents", subject: "s7" },
  principal: { issuer: "people", subject: "eve" },
  chain: [{ issuer: "agents", subject: "s1" }],
  token: { jti: "j-1", issued_ms: NOW, expires_ms: NOW + 1000 },
};

/** All that an approval may depend on. */
interface Told {
  caller: string;
  bundle: string;
  proof: AgentProof | null;
  request: Record<string, unknown>;
  own: Partial<Situation>;
  above: Partial<Situation> | null;
  /** Revisions of last changes, by `scope/id`. */
  changes: Record<string, number>;
}

const LEAD: Partial<Situation> = {
  agent_id: "lead-1",
  agent: { ...AGENT, id: "lead-1", owner: "leads@example.com" },
  task_id: "T-0",
  task: { ...TASK, id: "T-0", principal: "bob" },
};
const BASE: Told = {
  caller: CALLER.id,
  bundle: "sha256:1",
  proof: PROOF,
  request: {
    ...{ agent: AGENT.id, purpose: "support", task: "T-1", verb: "update" },
    resource: { type: "invoice", id: "I-1", attributes: { customer: "ada" } },
    related: {},
    arguments: { note: "hi" },
    context: { session: "S-1", source: "wl-1", trace: "t-1" },
  },
  own: {},
  above: LEAD,
  changes: {},
};

function approval(changes: Partial<Told> = {}): ReturnType<typeof approvalOf> {
  const { caller, bundle, proof, request, own, above, changes: revisions } = { ...BASE, ...changes };
  const question = {
    action: { request },
    asker: { caller: { ...CALLER, id: caller }, agent_proof: proof },
    policy: { identity: { digest: bundle } },
  } as unknown as Question;
  const level = (situation: Partial<Situation>): Level => ({ situation: { ...SITUATION, ...situation }, grants: [] });
  const levels: [Level, ...Level[]] = [level({ agent_proof: proof, ...own }), ...(above === null ? [] : [level(above)])];
  const facts = { lastChange: (scope: string, id: string) => revisions[`${scope}/${id}`] ?? 0 } as unknown as Facts;
  return approvalOf(question, levels, facts);
}

const request = (changes: object): Partial<Told> => ({ request: { ...BASE.request, ...changes } });
const changed = (key: string): Partial<Told> => ({ changes: { [key]: 7 } });
const CHANGED = [
  ...["everything/", `caller/${CALLER.id}`, "purpose/support"],
  ...[`agent/${AGENT.id}`, `owner/${AGENT.owner}`, "task/T-1", "principal/ada"],
  ...["agent/lead-1", "owner/leads@example.com", "task/T-0", "principal/bob"],
];

describe("an approval's digest", () => {
  const OTHERS: [what: string, changes: Partial<Told>][] = [
    ["caller", { caller: "gateway-2" }],
    ["bundle", { bundle: "sha256:2" }],
    ["agent", request({ agent: "support-8" })],
    ["purpose", request({ purpose: "sales" })],
    ["verb", request({ verb: "read" })],
    ["resource", request({ resource: { type: "invoice", id: "I-2", attributes: { customer: "ada" } } })],
    ["attribute", request({ resource: { type: "invoice", id: "I-1", attributes: { customer: "eve" } } })],
    ["related resource", request({ related: { pay_from: { type: "payment_method", id: "P-1", attributes: {} } } })],
    ["argument", request({ arguments: { note: "bye" } })],
    ["session", request({ context: { session: "S-2", source: "wl-1", trace: "t-1" } })],
    ["source", request({ context: { session: "S-1", source: "wl-2", trace: "t-1" } })],
    ["token", { proof: null }],
    ["actor of its token", { proof: { ...PROOF, actor: { issuer: "agents", subject: "s8" } } }],
    ["earlier actor of its token", { proof: { ...PROOF, chain: [] } }],
    ["person of its token", { proof: { ...PROOF, principal: { issuer: "people", subject: "mallory" } } }],
    ["task", { own: { task_id: "T-2", task: { ...TASK, id: "T-2" } } }],
    ["person of its task", { own: { task: { ...TASK, principal: "mallory" } } }],
    ["task above", { above: { ...LEAD, task_id: "T-9" } }],
    ["agent above", { above: { ...LEAD, agent_id: "lead-2" } }],
    ["person of the task above", { above: { ...LEAD, task: { ...TASK, principal: "mallory" } } }],
    ["task that wasn't handed on", { above: null }],
    ...CHANGED.map((key): [string, Partial<Told>] => [`change to ${key}`, changed(key)]),
  ];
  for (const [what, changes] of OTHERS)
    it(`is another with another ${what}`, () => {
      expect(approval(changes).digest).not.to.equal(approval().digest);
    });

  it("tells all of these apart from one another", () => {
    const all = OTHERS.map(([, changes]) => approval(changes).digest);
    expect(new Set(all).size).to.equal(all.length);
    expect(all[0]).to.match(/^sha256:[0-9a-f]{64}$/);
  });

  const SAME: [what: string, changes: Partial<Told>][] = [
    ["trace", request({ context: { session: "S-1", source: "wl-1", trace: "t-2" } })],
    ["token of the same parties", { proof: { ...PROOF, token: { ...PROOF.token, jti: "j-2" } } }],
    ["time", { own: { now_ms: NOW + 60_000 } }],
    ["change to another's agent", changed("agent/other")],
    ["change to an agent that isn't registered", { own: { agent: undefined }, changes: { [`owner/${AGENT.owner}`]: 7 } }],
  ];
  for (const [what, changes] of SAME)
    it(`is the same with another ${what}`, () => {
      expect(approval(changes).digest).to.equal(approval({ ...changes, changes: {}, request: BASE.request, proof: PROOF }).digest);
    });

  it("rests on no change of a task or person that there isn't", () => {
    const none: Partial<Told> = { proof: null, above: null, own: { task_id: null, task: undefined } };
    const digest = (changes: Told["changes"]): string => approval({ ...none, changes }).digest;
    expect(digest({ "task/null": 7, "principal/null": 7, "task/": 7, "principal/": 7 })).to.equal(digest({}));
  });
});

describe("persons that an action is for", () => {
  const cases: [what: string, changes: Partial<Told>, persons: string[]][] = [
    ["those of its tasks and of its token", {}, ["ada", "bob", "eve"]],
    ["once where a token names the task's", { proof: { ...PROOF, principal: { issuer: "people", subject: "ada" } } }, ["ada", "bob"]],
    ["its tasks' without a token", { proof: null }, ["ada", "bob"]],
    ["its token's without a task", { above: null, own: { task_id: null, task: undefined } }, ["eve"]],
    ["nobody", { proof: null, above: null, own: { task: { ...TASK, principal: null } } }, []],
  ];
  for (const [what, changes, persons] of cases)
    it(`are ${what}`, () => {
      expect([...approval(changes).principals].sort()).to.deep.equal(persons);
    });
});
