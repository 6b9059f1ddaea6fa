import { expect } from "chai";
import { post, run, type Running } from "../http/running.js";
import { action, decisionRecords, faultsBundle } from "./support.js";
import { IN_FLIGHT } from "./overload_support.js";
const ASKED = 400;

describe("more requests than may be decided at once", () => {
  let service: Running;
  before(async () => {
    service = await run({ limits: { decisions_max: IN_FLIGHT } }, await faultsBundle());
  });
  after(() => service.stop());

  it("are refused with 503 and when to come back; what was accepted is decided and recorded, the rest isn't", async () => {
    const decide = (i: number): Promise<Response> => post(service, "/decide", action(`n-${i}`));
    const answers = await Promise.all(Array.from({ length: ASKED }, (_, i) => decide(i)));
    const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as Record<string, unknown>[];
    const outcomes = answers.map(({ status, headers }, i) => {
      const body = bodies[i] ?? {};
      return status === 200 ? `200 ${String(body["decision"])}` : `${status} ${String(body["code"])} ${String(headers.get("retry-after"))}`;
    });
    const counts = new Map<string, number>();
    for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    expect([...counts.keys()].sort()).to.deep.equal(["200 allow", "503 overloaded 1"]);
    const accepted = counts.get("200 allow") ?? 0;
    expect(accepted).to.be.at.least(IN_FLIGHT);

    expect((await decide(ASKED)).status).to.equal(200);
    await service.stopKeeping();
    expect(decisionRecords(service.folder)).to.have.length(accepted + 1);
  });
});
