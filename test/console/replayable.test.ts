import { expect } from "chai";
import type { ShownRecord } from "../../src/contract/index.js";
import { maskedOf, replayability, replayedBy } from "../../src/console/replayable.js";

const shown = (record: object, more: object = {}): ShownRecord =>
  ({ record: { kind: "decision", ...record }, beside: null, beside_missing: false, ...more }) as unknown as ShownRecord;

describe("whether a record can be decided again", () => {
  const cases: [what: string, shown: ShownRecord, mayFetch: boolean, is: string, why: string][] = [
    ["what a policy was asked", shown({ input: {} }), true, "yes", ""],
    ["what the service's checks read", shown({ floor: {} }), true, "yes", ""],
    ["what stands beside its record", shown({}, { beside: { input: {} } }), true, "yes", ""],
    ["an observed action", shown({ kind: "observed", input: {} }), true, "yes", ""],
    ["a decision whose bundle the reader may not take", shown({ input: {} }), false, "chosen", "remit:publish"],
    ["a record of no decision", shown({ kind: "facts", input: {} }), true, "no", "of no decision"],
    ["one whose file beside it is gone", shown({}, { beside_missing: true }), true, "no", "missing or altered"],
    ["one whose file is gone, by who may take no bundle either", shown({}, { beside_missing: true }), false, "no", "missing or altered"],
    ["one that holds neither", shown({}), true, "no", "neither"],
  ];
  for (const [what, record, mayFetch, is, why] of cases)
    it(`says ${is === "yes" ? "yes" : is === "no" ? "no, and why," : "that its bundle has to be chosen"} of ${what}`, () => {
      const found = replayability(record, mayFetch);
      expect(found.is).to.equal(is);
      expect(found.is === "yes" ? "" : found.why).to.contain(why);
    });

  it("knows by what it was decided, and what of it is masked, wherever that stands", () => {
    const masked = ["/input/request/task"];
    expect(replayedBy(shown({ floor: {} }))).to.equal("floor");
    expect(replayedBy(shown({ input: {} }, { beside: { floor: {} } }))).to.equal("floor");
    expect(replayedBy(shown({ input: {} }))).to.equal("policy");
    expect(maskedOf(shown({ input: {}, masked }))).to.deep.equal(masked);
    expect(maskedOf(shown({}, { beside: { input: {}, masked } }))).to.deep.equal(masked);
    expect(maskedOf(shown({ input: {} }))).to.deep.equal([]);
  });
});
