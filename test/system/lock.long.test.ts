import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { lock } from "../../src/system/lock.js";
import { Locked } from "../../src/system/lock_errors.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { until } from "../store/support.js";
import { skip } from "../skip.js";
import { Contest, hasContainers } from "./handovers.js";

/** Kills of each contest; more with `REMIT_KILLS=1000 make test F=system/lock.long`. */
const KILLS = Number(process.env["REMIT_KILLS"] ?? 30);

const CONTESTS: readonly [who: string, contained: (contender: number) => boolean][] = [
  ["processes of one host", () => false],
  ["containers whose processes have one number", () => true],
  ["containers and the host in turn", (contender) => contender % 2 === 0],
];

describe("a lock whose holders are killed", function () {
  for (const [who, contained] of CONTESTS) {
    it(`is never had by two of ${who}, over ${KILLS} kills`, async function () {
      this.timeout(600_000 + KILLS * 6000);
      if (contained(0) && !hasContainers()) skip(this, "no PID namespaces");
      const folder = mkdtempSync(join(temporaryDirectory(), "contest-"));
      const contest = new Contest(folder, contained);
      await contest.run(KILLS, 2);
      const holders = contest.holders();
      expect(holders.length).to.be.within(KILLS, KILLS + 1);
      expect(new Set(holders).size, holders.join()).to.equal(holders.length);
      // Those that were killed keep nobody out.
      await until(() => {
        try {
          lock("it", join(folder, "lock"))();
          return true;
        } catch (cause) {
          if (cause instanceof Locked) return false;
          throw cause;
        }
      });
    });
  }
});
