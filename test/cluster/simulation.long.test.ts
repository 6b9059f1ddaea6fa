import { expect } from "chai";
import { Copies } from "../../src/cluster/copies.js";
import { Fleet } from "../../src/cluster/fleet.js";
import { Lease } from "../../src/cluster/lease.js";
import { Simulation } from "./simulate.js";

const SEEDS = 2000;
/** Beyond those of the fast test. */
const FIRST = 100_000;

describe("lease and fleet, simulated at length", function () {
  this.timeout(600_000);
  for (const feeds of [1, 2] as const)
    it(`allow nothing after a revocation was claimed on the fleet, by ${feeds} feed(s), from ${SEEDS} seeds`, () => {
      const violations: string[] = [];
      for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
        const { violation } = new Simulation({ Lease, Fleet, Copies }, { seed, feeds }).run();
        if (violation !== null) violations.push(`seed ${seed}: ${violation}`);
      }
      expect(violations).to.deep.equal([]);
    });
});
