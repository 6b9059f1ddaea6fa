import { expect } from "chai";
import { briefText } from "../../src/records/brief.js";
import { actionOf } from "../../src/records/row.js";
import { rowOf } from "../../src/records/row.js";
import { FindingFold } from "../../src/findings/finding.js";
import { decisionId, deny, flag, log, NOW } from "./sightings.js";
import type { SeenAny } from "../../src/findings/finding_record.js";

const ID = decisionId(NOW, 1);
const REQUEST = {
  agent: "support-7",
  purpose: "support",
  task: "T-1",
  verb: "read",
  resource: { type: "invoice", id: "I-1" },
};
const ANSWER = {
  action_digest: "sha256:1",
  decision: "flag",
  decision_id: ID,
  finding: `F-${ID}`,
  proceed: true,
  reasons: [flag("unrelated")],
};
const INPUT = {
  facts: { agent: { id: "support-7", version: "2" }, behavior: { risk: 41, reasons: [] } },
  request: REQUEST,
};
const RECORD = {
  kind: "decision",
  time: "2026-03-03T09:00:00.000Z",
  caller: "desk",
  answer: ANSWER,
  input: INPUT,
  v: 2,
};

/** What a finding is made of one record; the error's class where it can't be. */
function told(seen: SeenAny): unknown {
  try {
    return new FindingFold(`F-${ID}`, seen).told;
  } catch (cause) {
    return (cause as Error).constructor.name;
  }
}

const with_ = (answer: object, more: object = {}): object => ({ ...RECORD, answer: { ...ANSWER, ...answer }, ...more });
const floored = (agent: object | null): object =>
  with_({ decision: "deny", reasons: [deny("agent_unknown")] }, { input: undefined, request: REQUEST, floor: { agent } });

describe("a finding is the same, told of a record in brief or whole:", () => {
  // prettier-ignore
  const records: [what: string, record: object][] = [
    ["a decision", RECORD],
    ["one that was observed", { ...RECORD, kind: "observed", outcome: "done" }],
    ["one with several reasons, of tasks and params", with_({ reasons: [{ ...deny("never"), of: "T-0", params: { a: [1] } }, log("noted"), flag("odd")] })],
    ["one that waits for a person", with_({ wait: { for: "approval", until: "2026-03-03T10:00:00.000Z" } })],
    ["one that an engine elsewhere decided, and waits", with_({ wait: { for: "approval", until: "2026-03-03T10:00:00.000Z" } }, { engine: { id: "e-1" } })],
    ["one without tasks", { ...RECORD, input: { ...INPUT, request: { ...REQUEST, task: null } } }],
    ["one that is too large, whose input stands beside it", { ...RECORD, input: undefined, beside: { bytes: 9, digest: "sha256:2" } }],
    ["a refusal of the floor", floored({ status: "active" })],
    ["one of an agent that nobody has registered", floored(null)],
    ["a notice", { kind: "notice", time: RECORD.time, id: ID, agent: "support-7", purpose: null, caller: "s", code: "tool_changed", severity: "high", message: "m", detail: {}, finding: `F-${ID}`, v: 2 }],
    ["a damaged one, whose reasons are none", with_({ reasons: "none" })],
    ["a damaged one, with a reason that is none", with_({ reasons: [null] })],
    ["a damaged one, whose facts are none", { ...RECORD, input: { facts: "none", request: REQUEST } }],
    ["a damaged one, whose risk and version are none", { ...RECORD, input: { facts: { agent: { version: 2 }, behavior: { risk: "41" } }, request: REQUEST } }],
  ];
  for (const [what, record] of records) {
    it(what, () => {
      const row = rowOf(record);
      const text = JSON.stringify(record);
      const brief = JSON.parse(briefText({ seq: 7, row, text, record, outcome: null, beside: null, beside_missing: false })) as SeenAny;
      const whole = { seq: 7, action: actionOf(row), record } as unknown as SeenAny;
      expect(told(brief)).to.deep.equal(told(whole));
      expect(brief.seq).to.equal(7);
    });
  }
});
