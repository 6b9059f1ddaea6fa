/** What is tried with traces: one permitted call that stands in for another. */
import type { Act, FoundRecord, PolicyInput } from "../../src/contract/index.js";
import { NOW } from "../facts/world.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

type Request = PolicyInput["request"];

const CALL = {
  arguments: { text: "hello", cents: 100 },
  related: {},
  resource: { type: "reply", id: null, attributes: { ticket: "TCK-1", note: null } },
} as unknown as Request;
const ACT = { agent: "a-1", verb: "create", type: "reply", id: null, time_ms: NOW, purpose: "support", task: "T-1" } as Act;

threat("F8", "a decision vouches for the call that it permitted, and for no other of the same kind", {
  async check(tree) {
    const { DecisionClaims } = await tree("adapters/otlp/decision_claims.js");
    const vouched = async (act: Partial<Act>, call: Partial<Request>, recorded: object = {}): Promise<boolean> => {
      const action = { agent: "a-1", purpose: "support", task: "T-1", verb: "create", type: "reply", id: null };
      const record = { kind: "decision", answer: { decision_id: "d-1" }, input: { request: CALL }, ...recorded };
      const items = [{ seq: 1, action, outcome: null, record }] as unknown as FoundRecord[];
      const asked = new DecisionClaims({ within_ms: 1000, skew_ms: 0, find: () => Promise.resolve({ items, next: null } as never) });
      return (await asked.before("call-1", { ...ACT, ...act }, { ...CALL, ...call })) !== null;
    };
    const said: [what: string, act: Partial<Act>, call: Partial<Request>, recorded?: object][] = [
      ["the same", {}, {}],
      ["one that says less", { task: null }, { arguments: {}, resource: { ...CALL.resource, attributes: {} } }],
      ["one that says what wasn't known", {}, { resource: { ...CALL.resource, attributes: { ticket: "TCK-1", note: "x" } } }],
      ["one whose argument is masked", {}, { arguments: { text: "bye" } }, { masked: ["/input/request/arguments/text"] }],
    ];
    for (const [what, act, call, recorded] of said) if (!(await vouched(act, call, recorded))) throw new Error(what);
    const tries: [what: string, act: Partial<Act>, call: Partial<Request>, recorded?: object][] = [
      ["another purpose", { purpose: "sales" }, {}],
      ["another task", { task: "T-2" }, {}],
      ["another amount", {}, { arguments: { text: "hello", cents: 9000 } }],
      ["another ticket", {}, { resource: { ...CALL.resource, attributes: { ticket: "TCK-99", note: null } } }],
      ["a value that looks masked", {}, {}, { input: { request: { ...CALL, arguments: { text: "masked:2027-03-01:x" } } } }],
    ];
    for (const [what, act, call, recorded] of tries) if (await vouched(act, call, recorded)) return what;
    return null;
  },
  without: {
    "the purpose": [cut.text("adapters/otlp/decision_claims.js", "DecisionClaims.before", "action.purpose === purpose", "true")],
    "the task": [cut.text("adapters/otlp/decision_claims.js", "DecisionClaims.before", "action.task === task", "true")],
    "arguments and attributes": [cut.returns("adapters/otlp/decision_claims.js", "agrees", "true")],
  },
});
