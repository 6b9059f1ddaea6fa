import { readFileSync } from "node:fs";
import { expect } from "chai";
import { withoutNull, writer, writersText, WRITTEN, type Schema } from "../../scripts/writers.js";
import { canonical } from "../../src/contract/index.js";
import * as texts from "../../src/decision/canonical_texts.js";
import { asset } from "../../src/system/paths.js";
import { drawing } from "../facts/world.js";

const SEED = Number(process.env["REMIT_SEED"] ?? 1);
const VALUES = 2000;
const STRINGS = ["", "a", 'quote " and \\ back', "line\nfeed \u2028", "\u0000\u001f\u007f", "é 🙂 ünï", "__proto__", "x".repeat(70)];
const NUMBERS = [0, 1, -1, 2 ** 53 - 1, -(2 ** 53 - 1), 1_764_000_000_000];
/** What no schema closes, in the order of its keys. */
const OPEN: readonly Record<string, unknown>[] = [{}, { a: null, b: [1, "2"] }, { A: { x: true, y: [] }, a: 0.5, ä: "" }];

type Below = (bound: number) => number;

function of<T>(below: Below, all: readonly T[]): T {
  return all[below(all.length)] as T;
}

/** Returns any value of the schema, with the keys of what it closes in an order that is drawn too. */
function valueOf(schema: Schema, below: Below): unknown {
  const { isNullable, present } = withoutNull(schema);
  if (isNullable && below(3) === 0) return null;
  if (present.enum !== undefined) return of(below, present.enum);
  if (present.const !== undefined) return present.const;
  if (present.type === "string") return of(below, STRINGS);
  if (present.type === "boolean") return below(2) === 0;
  if (present.type === "integer") return of(below, NUMBERS);
  if (present.type === "number") return of(below, [...NUMBERS, 0.1, 1e-7, 1e21]);
  if (present.type === "array") return Array.from({ length: below(3) }, () => valueOf(present.items ?? {}, below));
  if (present.anyOf !== undefined && present.anyOf.every((one) => one.const !== undefined)) return of(below, present.anyOf).const;
  const members = Object.entries(present.properties ?? {}).filter(([name]) => present.required?.includes(name) === true || below(2) === 0);
  if (present.properties === undefined || members.length === 0) return of(below, OPEN);
  const drawn = members.map(([name, member]): [number, string, unknown] => [below(1000), name, valueOf(member, below)]);
  return Object.fromEntries(drawn.sort(([a], [b]) => a - b).map(([, name, value]) => [name, value]));
}

describe("what stands in each record", () => {
  it("is written by what the schemas make of it today: node dist/scripts/writers.js", async () => {
    expect(readFileSync(asset("src", "decision", "canonical_texts.ts"), "utf8")).to.equal(await writersText());
  });

  for (const [name, , schema] of WRITTEN) {
    it(`is canonical, whatever its values are and however they were put together: ${name}`, () => {
      const below = drawing(SEED);
      const text = texts[`${name}Text` as keyof typeof texts] as (value: unknown) => string;
      for (let i = 0; i < VALUES; i++) {
        const value = valueOf(schema, below);
        expect(text(value), `seed ${SEED}, value ${i}`).to.equal(canonical(value));
      }
    });
  }

  it("is refused for a schema of which nothing is always there: its commas would have no place", () => {
    expect(() => writer("odd", "Odd", { type: "object", properties: { a: { type: "string" } } })).to.throw(
      "odd: none of its members is always there",
    );
  });
});
