import { expect } from "chai";
import type { Problem } from "../../src/contract/index.js";
import { admission } from "../../src/http/admission.js";
import { StillTimers } from "../facts/world.js";

describe("admission", () => {
  const rows: [what: string, max: number, share: number, by: (i: number) => string, admitted: number][] = [
    ["one caller has its share", 8, 3, () => "a", 3],
    ["one caller has all where its share is all", 5, 5, () => "a", 5],
    ["a share of one", 8, 1, () => "a", 1],
    ["many callers have all together", 6, 2, (i) => `c-${i}`, 6],
    ["two callers have two shares", 8, 3, (i) => `c-${i % 2}`, 6],
  ];
  for (const [what, max, share, by, admitted] of rows)
    it(`begins exactly as many as it may: ${what}`, async () => {
      const timers = new StillTimers();
      const gate = admission(max, timers, share);
      const ends: (() => void)[] = [];
      const asked = Array.from({ length: 3 * max }, (_, i) =>
        gate
          .admit(
            () =>
              new Promise<string>((resolve) =>
                ends.push(() => {
                  resolve("decided");
                }),
              ),
            by(i),
          )
          .catch((cause: unknown) => (cause as Problem).code),
      );
      await new Promise(setImmediate);
      expect([ends.length, gate.underWay, gate.full]).to.deep.equal([admitted, admitted, admitted === max]);
      await timers.advance(1000);
      for (const end of ends) end();
      const told = await Promise.all(asked);
      expect(told.filter((one) => one === "decided")).to.have.lengthOf(admitted);
      expect(told.filter((one) => one === "overloaded")).to.have.lengthOf(3 * max - admitted);
      expect(gate.underWay).to.equal(0);
    });
});
