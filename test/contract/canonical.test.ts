import { expect } from "chai";
import fc from "fast-check";
import { canonical, quoted } from "../../src/contract/index.js";
import { CHARACTER } from "../characters.js";

/** RFC 8785: the example of section 3.2.2 and 3.2.3, and the numbers of appendix B. */
const known: [name: string, json: string, wanted: string][] = [
  [
    "the example of section 3.2.2",
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  ],
  [
    "the sorting example of section 3.2.3",
    '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}',
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign","\u{1f600}":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  ],
  ["arrays keep their order", '[56,{"d":true,"10":null,"1":[]}]', '[56,{"1":[],"10":null,"d":true}]'],
  [
    "structures",
    '{"1":{"f":{"f":"hi","F":5},"\\n":56.0},"10":{},"":"empty","a":{},"111":[{"e":"yes","E":"no"}],"A":{}}',
    '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}',
  ],
  [
    "French",
    '{"peach":"sorting","p\u00e9ch\u00e9":"order","p\u00eache":"says","sin":"accents"}',
    '{"peach":"sorting","p\u00e9ch\u00e9":"order","p\u00eache":"says","sin":"accents"}',
  ],
  ["no normalisation", '{"Unnormalized Unicode":"A\\u030a"}', '{"Unnormalized Unicode":"A\u030a"}'],
  ["minus zero", "[-0,0,-0.0]", "[0,0,0]"],
  ["integer keys are text", '{"2":1,"10":2,"1":3}', '{"1":3,"10":2,"2":1}'],
  ["a key that is a prototype's name", '{"constructor":1,"__proto__":{"b":1,"a":2}}', '{"__proto__":{"a":2,"b":1},"constructor":1}'],
  ["scalars", '"a"', '"a"'],
  ["empty ones", '[{},[],"",null]', '[{},[],"",null]'],
  ["white space goes", '\n{ "b" : [ 1 , 2 ] ,\t"a" : { } }', '{"a":{},"b":[1,2]}'],
];

/** RFC 8785, appendix B: IEEE 754 bits → text. */
const numbers: [bits: string, text: string][] = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"],
];

describe("canonical: RFC 8785", () => {
  for (const [name, json, wanted] of known) {
    it(name, () => {
      expect(canonical(JSON.parse(json))).to.equal(wanted);
    });
  }
  for (const [bits, text] of numbers) {
    it(`writes ${bits} as ${text}`, () => {
      expect(canonical(Buffer.from(bits, "hex").readDoubleBE())).to.equal(text);
    });
  }

  it("is one text for one value, in whatever order its keys stand", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = canonical(value);
        expect(canonical(shuffled(value))).to.equal(text);
        expect(canonical(JSON.parse(text))).to.equal(text);
        expect(JSON.stringify(JSON.parse(text), sortedKeys)).to.equal(JSON.stringify(value, sortedKeys));
      }),
    );
  });

  it("quotes a text as JSON does", () => {
    const texts = ["", "plain", 'a "quote"', "back\\slash", "\n", "\u007f", "\u001f", "~", "ä", "\ud83d\ude00", "\u2028", "a\u0000"];
    for (const text of texts) expect(quoted(text)).to.equal(JSON.stringify(text));
    fc.assert(
      fc.property(fc.string({ unit: CHARACTER }), fc.string(), (a, b) => {
        for (const text of [a, b]) expect(quoted(text)).to.equal(JSON.stringify(text));
      }),
    );
  });

  it("is another text for another value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const same = JSON.stringify(a, sortedKeys) === JSON.stringify(b, sortedKeys);
        expect(canonical(a) === canonical(b)).to.equal(same);
      }),
    );
  });
});

function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, shuffled(member)]),
  );
}

/** A replacer that writes each object as the list of its members in order: equal texts, equal values. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return ["members", ...Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))];
}
