import { expect } from "chai";
import { readFacts } from "../../src/facts/file.js";

const GOOD = "agents: {a-1: {owner: ops, purposes: [support]}}\n";

describe("a facts file", () => {
  // prettier-ignore
  const bad: [string, string, string][] = [
    ["an unknown key", "agents: {}\ntask: {}\n", "f.yaml:2: task: unknown key"],
    ["an unknown key of an agent", "agents:\n  a-1:\n    owner: o\n    purposes: []\n    stauts: revoked\n", "f.yaml:5: agents.a-1.stauts: unknown key"],
    ["an agent without owner", "agents: {a-1: {purposes: []}}", "agents.a-1.owner: missing"],
    ["an agent without purposes", "agents: {a-1: {owner: o}}", "agents.a-1.purposes: missing"],
    ["an unknown status", "agents: {a-1: {owner: o, purposes: [], status: paused}}", "agents.a-1.status: must be one of active, suspended, revoked"],
    ["an agent's name that is none", 'agents: {"*": {owner: o, purposes: []}}', "agents.*: the key must match pattern"],
    ["an agent twice", "agents:\n  a-1: {owner: o, purposes: []}\n  a-1: {owner: o, purposes: [x]}\n", "f.yaml:3: "],
    ["an agent by alias", "agents:\n  a-1: &a {owner: o, purposes: []}\n  a-2: *a\n", "f.yaml:2: anchors are not read"],
    ["a task of nobody", `${GOOD}tasks: {T: {agent: a-2, purpose: p}}`, "f.yaml:2: tasks.T.agent: no agent `a-2`"],
    ["a task with a day as expiry", `${GOOD}tasks: {T: {agent: a-1, purpose: p, expires: "2026-03-03"}}`, "tasks.T.expires: must be an RFC 3339"],
    ["subjects that are no list", `${GOOD}tasks: {T: {agent: a-1, purpose: p, subjects: {customer: ada}}}`, "tasks.T.subjects.customer: must be array"],
    ["a subject that isn't canonical", `${GOOD}tasks: {T: {agent: a-1, purpose: p, subjects: {customer: [" ada"]}}}`, "tasks.T.subjects.customer: each must be"],
    ["a principal that isn't canonical", `${GOOD}tasks: {T: {agent: a-1, purpose: p, principal: "ada\\u202e"}}`, "tasks.T.principal: must be"],
    ["a list", "- a", "must be object"],
  ];
  for (const [what, yaml, wanted] of bad) {
    it(`is refused for ${what}, naming the place`, () => {
      expect(() => readFacts(Buffer.from(yaml), "f.yaml")).to.throw(wanted);
    });
  }
});
