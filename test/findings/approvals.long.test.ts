import { expect } from "chai";
import { Doors, tryPairs } from "./doors.js";

/** More with `REMIT_PAIRS=10000`, `bench/notes/approvals.md` has the longest run. */
const PAIRS = Number(process.env["REMIT_PAIRS"] ?? 200);

describe("approvals, whichever doors", function () {
  this.timeout(Math.max(600_000, PAIRS * 2_000));
  let doors: Doors;
  before(async () => (doors = await Doors.open()));
  after(() => doors.close());

  it(`permit an action if and only if all that a policy sees of it is the same: ${PAIRS} pairs`, async () => {
    const { wrong, same } = await tryPairs(doors, PAIRS, 1907);
    expect(wrong).to.deep.equal([]);
    expect(same).to.be.within(PAIRS / 10, PAIRS / 2);
  });
});
