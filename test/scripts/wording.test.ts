import { expect } from "chai";
import { faultsIn, type Kind } from "../../scripts/wording.js";

const count = (...texts: string[]): Partial<Record<Kind, number>> => {
  const faults = faultsIn(new Map(texts.map((text, i) => [`src/${i}.ts`, text])));
  return Object.fromEntries(
    Object.entries(faults)
      .map(([kind, found]) => [kind, found.length] as const)
      .filter(([, n]) => n > 0),
  );
};

describe("the check of wording", () => {
  const TABLE: [what: string, text: string, found: Partial<Record<Kind, number>>][] = [
    ["a comment with a subject", "/** Returns the agent's baseline. */ export const a = 1;", {}],
    ["a comment without one", "/** Of the tail. */ export const a = 1;", { headless_comments: 1 }],
    ["a longer one, over lines", "/**\n * Whose they are,\n * and when.\n */\nexport const a = 1;", { headless_comments: 1 }],
    ["a tag without a subject", "/** @returns what is left */ export const a = 1;", { headless_comments: 1 }],
    ["a word that only begins alike", "/** Office hours of a desk. */ export const a = 1;", {}],
    ["a comment that is no documentation", "// Of the tail.\nexport const a = 1;", {}],
    ["a phrase of its own", "/** Reads it anew; 5 if unsaid. */ export const a = 1;", { phrases: 2 }],
    ["a participle as a type", "interface Told { a: 1 }", { participle_types: 1 }],
    ["a noun as a type", "interface ToldEvent { a: 1 }", {}],
  ];
  for (const [what, text, found] of TABLE) it(`finds in ${what}: ${JSON.stringify(found)}`, () => expect(count(text)).to.deep.equal(found));

  it("finds an exported type's name in more than one file, and lets others' own types be", () => {
    expect(count("export interface Options { a: 1 }", "export type Options = 2;", "interface Options { b: 3 }")).to.deep.equal({
      duplicate_types: 1,
    });
  });
});
