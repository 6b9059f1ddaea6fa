import { expect } from "chai";
import fc from "fast-check";
import { purposes, vocabulary } from "./support.js";
import { CHARACTER } from "../characters.js";

describe("reading what authors write", () => {
  it("ends with a value or with errors, whatever the text", () => {
    const words = fc.constantFrom(
      ..."verbs task types agent attributes about allow flag never when read book class hours open zone mon-fri".split(" "),
      ..."{ } [ ] : , - \n  \" ' & * ! | > # % @ ? ~ null true 1 -0 1e999 __proto__ constructor toString".split(" "),
      "\n",
      "\n  ",
      "\n- ",
      ": ",
      "{",
      "}",
    );
    const text = fc.oneof(
      fc.string({ unit: CHARACTER, maxLength: 200 }),
      fc.array(words, { maxLength: 60 }).map((all) => all.join(" ")),
    );
    fc.assert(
      fc.property(text, (source) => {
        for (const { notes } of [vocabulary(source), purposes(source)]) {
          expect(notes.some(({ severity }) => severity === "error")).to.equal(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});
