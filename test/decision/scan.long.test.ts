import { expect } from "chai";
import fc from "fast-check";
import { Problem } from "../../src/contract/index.js";
import { outcome, hasLoneSurrogate, hasUnsafeInteger } from "./scan_support.js";
import { CHARACTER } from "../characters.js";

describe("scan: the bytes of a request", () => {
  describe("properties", () => {
    it("passes every value that JSON.stringify can write exactly, unchanged", () => {
      fc.assert(
        fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: CHARACTER }), fc.nat(3), (value, indent) => {
          const text = JSON.stringify(value, null, indent);
          const got = outcome(text, { depth_max: 64, members_max: 4096 });
          if (got instanceof Problem) {
            // What isn't exact: integers past 2^53, which `jsonValue` may draw as doubles, and lone surrogates.
            expect(["number_not_exact", "surrogate_lone"]).to.include(got.code);
            expect(got.code === "number_not_exact" ? hasUnsafeInteger(value) : hasLoneSurrogate(value)).to.be.true;
          } else {
            expect(JSON.stringify(JSON.parse(got))).to.equal(JSON.stringify(value));
          }
        }),
        { numRuns: 2000 },
      );
    });
  });
});
