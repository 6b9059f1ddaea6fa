import { expect } from "chai";
import { zone, zoneNames } from "../../src/bundle/zones.js";
import { DAY_MS, WEEK_MS } from "../../src/bundle/hours.js";
import { WEEKS_BUCKET_MS } from "../../src/contract/index.js";
import { FROM } from "./zones_support.js";

describe("the zones of a bundle", () => {
  // Zones whose rules no edition of the data has changed lately: Intl has its own edition, that of Node's ICU.

  it("leave no gap, and keep each week in the buckets it is looked for in", () => {
    for (const name of zoneNames()) {
      const { first, weeks } = zone(name, FROM, FROM + 400 * DAY_MS);
      let covered = FROM;
      weeks.forEach((bucket, index) => {
        for (const [since, until, began] of bucket) {
          expect(since, name).to.equal(covered);
          expect(since, name)
            .to.be.within(began, began + WEEK_MS - 1)
            .and.be.below(until);
          expect(until, name).to.be.at.most(Math.min(began + WEEK_MS, (first + index + 1) * WEEKS_BUCKET_MS));
          expect(since, name).to.be.at.least((first + index) * WEEKS_BUCKET_MS);
          expect(Number.isInteger(began), name).to.equal(true);
          covered = until;
        }
      });
      expect(covered, name).to.equal(FROM + 400 * DAY_MS);
    }
  });
});
