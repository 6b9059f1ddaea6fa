import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { compilePolicySet } from "../../src/bundle/compile.js";
import { SourceErrors } from "../../src/bundle/source.js";
import { VOCABULARY } from "./support.js";
import { GOOD_PURPOSES, damagedText } from "./properties_support.js";

describe("the policy language, whatever it is given", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "remit-language-"))));
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function compile(vocabularyText: string, purposesText: string): string {
    writeFileSync(join(folder, "vocabulary.yaml"), vocabularyText);
    writeFileSync(join(folder, "purposes.yaml"), purposesText);
    return JSON.stringify(compilePolicySet(folder));
  }

  it("compiles a set the same every time, or throws SourceErrors with an error that has a place", () => {
    let compiled = 0;
    fc.assert(
      fc.property(
        fc.oneof(damagedText(VOCABULARY), fc.constant(VOCABULARY)),
        fc.oneof(damagedText(GOOD_PURPOSES), fc.constant(GOOD_PURPOSES)),
        (words, lines) => {
          try {
            expect(compile(words, lines)).to.equal(compile(words, lines));
            compiled += 1;
          } catch (error) {
            if (!(error instanceof SourceErrors)) throw error;
            const errors = error.notes.filter(({ severity }) => severity === "error");
            expect(errors).to.not.be.empty;
            for (const { file, message } of errors) {
              expect(["vocabulary.yaml", "purposes.yaml"]).to.include(file);
              expect(message).to.match(/\S/).and.not.include("undefined");
            }
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(compiled).to.be.greaterThan(20);
  });
});
