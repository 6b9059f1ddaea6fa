import { expect } from "chai";
import type { Answer, ExplainAnswer } from "../../src/contract/index.js";
import { EVERY, ask, runWithFacts, withAgent, type Told } from "./asking.js";
import { AUDIT } from "./decisions_support.js";
import { REQUEST, tokenFor, type Running } from "./running.js";

describe("POST /explain", function () {
  let service: Running;
  before(async () => {
    service = await runWithFacts();
    await withAgent(service);
  });
  after(() => service.stop());

  const explain = (body: unknown, token = AUDIT): Promise<Told> => ask(service, "POST", "/explain", { body: body as object, token });
  const decide = async (changes: object = {}): Promise<Answer> => {
    const { body } = await ask(service, "POST", "/decide", { body: { ...REQUEST, ...changes }, token: EVERY });
    return body as unknown as Answer;
  };

  it("explains a decision on record as the running policy decides it", async () => {
    for (const customer of ["ada", "bob"]) {
      const { decision_id, decision, proceed, reasons } = await decide({ resource: { type: "note", id: "n-1", attributes: { customer } } });
      const { status, body } = await explain({ decision_id });
      const { explanation, ...about } = body as unknown as ExplainAnswer;
      expect(status).to.equal(200);
      expect(about).to.deep.equal({
        ...{ decision_id, decided: { decision, proceed, reasons } },
        ...{ refused: null, same_policy: true, masked: false },
      });
      expect(explanation?.decision).to.equal(decision);
      expect(explanation?.would_pass === null).to.equal(explanation?.proceed);
    }
  });

  it("names the reason for which the service itself refused", async () => {
    const { decision_id, reasons } = await decide({ agent: "nobody" });
    const { body } = await explain({ decision_id });
    expect(body).to.deep.include({ refused: "agent_unknown", explanation: null, decided: { decision: "deny", proceed: false, reasons } });
  });

  const REFUSED: [what: string, body: unknown, token: string, code: string][] = [
    ["a caller that only decides", { decision_id: "x" }, tokenFor("remit:decide", "gateway-1"), "scope_missing"],
    ["a caller that reviews", { decision_id: "x" }, tokenFor("remit:review", "lead-1"), "scope_missing"],
    ["no token that is one", { decision_id: "x" }, "notatoken", "token_invalid"],
    ["an id that is none", { decision_id: "0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10" }, AUDIT, "record_not_found"],
    ["the number of a record that is no decision", { decision_id: "1" }, AUDIT, "record_not_found"],
    ["nothing", {}, AUDIT, "field_missing"],
    ["a number", { decision_id: 4 }, AUDIT, "field_type"],
    ["an empty id", { decision_id: "" }, AUDIT, "field_invalid"],
    ["an id without end", { decision_id: "x".repeat(65) }, AUDIT, "field_invalid"],
    ["an input of its own", { decision_id: "x", input: {} }, AUDIT, "field_unknown"],
    ["a list", [], AUDIT, "field_type"],
  ];
  for (const [what, body, token, code] of REFUSED) {
    it(`refuses ${what}`, async () => {
      expect((await explain(body, token)).body["code"]).to.equal(code);
    });
  }
});
