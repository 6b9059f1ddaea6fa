import { expect } from "chai";
import { chaos } from "./chaos.js";

describe("guards and a service, with chaos between them", function () {
  this.timeout(600_000);

  it("run nothing that isn't permitted, and end each call, through 1,000 faults and three restarts", async () => {
    const { ends, faults, hung, wrong } = await chaos({ seed: 20_260_303, faults: 1000, agents: 32, restarts: 3 });
    expect(wrong).to.deep.equal([]);
    expect(hung).to.equal(0);
    expect(faults).to.be.at.least(1000);
    // It was chaos, and some things ran all the same.
    for (const end of ["ran", "denied", "waiting", "deadline", "answer_cut", "answer_foreign", "redirected", "type_unexpected"])
      expect(ends[end], end).to.be.above(0);
  });
});
