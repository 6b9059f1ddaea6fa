import { readFileSync } from "node:fs";
import { expect } from "chai";
import { HOSTED } from "../../src/bundle/builtins/index.js";
import { readTerm, termText } from "../../src/bundle/builtins/term.js";
import { CAPABILITIES_FILE } from "../../src/bundle/check.js";
import type { Capabilities } from "../../src/bundle/capabilities.js";

/** Operands and results as Rego has them; null: undefined. */
const CASES: Readonly<Record<string, readonly [operands: string, result: string | null][]>> = {
  "strings.any_prefix_match": [
    ['["a/b", ["x", "a/"]]', "true"],
    ['[{"a", "b"}, {"c"}]', "false"],
    ['[["a"], []]', "false"],
    ['["", [""]]', "true"],
    ['["a", [1]]', null],
    ['[1, ["a"]]', null],
    ['["a", {"a": "a"}]', null],
  ],
  "strings.any_suffix_match": [
    ['["a.pdf", [".exe", ".pdf"]]', "true"],
    ['["é", ["é"]]', "true"],
    ['["pdf", ["a.pdf"]]', "false"],
    ["[null, []]", null],
  ],
  "strings.count": [
    ['["aaa", "aa"]', "1"],
    ['["😀b", ""]', "3"],
    ['["", "x"]', "0"],
    ["[1, 2]", null],
  ],
  "strings.split_n": [
    ['["a,b,c", ",", 2]', '["a","b"]'],
    ['["a,b,c", ",", -1]', '["c"]'],
    ['["a,b", ",", 0]', "[]"],
    ['["a,b", ",", 9223372036854775807]', '["a","b"]'],
    ['["a,b", ",", 1.5]', null],
  ],
  indexof_n: [
    ['["😀a😀a", "a"]', "[1,3]"],
    ['["aaa", "aa"]', "[0,1]"],
    ['["a", "b"]', "[]"],
    ['["a", ""]', null],
  ],
  "glob.quote_meta": [['["*.{a,b}\\\\"]', '"\\\\*.\\\\{a,b\\\\}\\\\\\\\"']],
  "units.parse": [
    ['["500m"]', "0.5"],
    ['["10Ki"]', "10240"],
    ['["1.5M"]', "1500000"],
    ['["1e3"]', "1000"],
    ['["100E"]', "100000000000000000000"],
    ['["-3k"]', "-3000"],
    ['["1 k"]', null],
    ['["k"]', null],
    ['["1.2.3"]', null],
    ['["1e9999999"]', null],
    ['["1zz"]', null],
    ["[1]", null],
  ],
  "units.parse_bytes": [
    ['["10MiB"]', "10485760"],
    ['["1.5kb"]', "1500"],
    ['["0.3kb"]', "300"],
    ['["7"]', "7"],
    ['["b"]', null],
    ['["1kbb"]', null],
    ['[""]', null],
  ],
  "semver.is_valid": [
    ['["1.2.3-rc.1+x"]', "true"],
    ['["v1.2.3"]', "true"],
    ['["01.2.3"]', "false"],
    ['["1.2.3-01"]', "false"],
    ['["1.2"]', "false"],
    ["[1]", "false"],
  ],
  "semver.compare": [
    ['["1.0.0-alpha.9", "1.0.0-alpha.10"]', "-1"],
    ['["1.0.0", "1.0.0-rc.1"]', "1"],
    ['["1.0.0-1", "1.0.0-a"]', "-1"],
    ['["1.0.0+a", "1.0.0+b"]', "0"],
    ['["1.0.0-a", "1.0.0-a.b"]', "-1"],
    ['["1", "1.0.0"]', null],
  ],
  "object.subset": [
    ['[{"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}]', "true"],
    ['[{"a": 1}, {"a": 1, "b": 2}]', "false"],
    ["[{1, 2}, {2}]", "true"],
    ["[[1, 2, 3], [2, 3]]", "true"],
    ["[[1, 2, 3], {3, 1}]", "true"],
    ["[[1, 2, 3], [1, 3]]", "false"],
    ['[{"a": 1}, [1]]', null],
    ["[1, 1]", null],
  ],
  "crypto.md5": [['["a"]', '"0cc175b9c0f1b6a831c399e269772661"']],
  "crypto.sha1": [['["a"]', '"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"']],
  "crypto.sha256": [
    ['["a"]', '"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"'],
    ["[1]", null],
  ],
  "crypto.hmac.md5": [['["a", "k"]', '"ddcf3d210049e7135f61affae73731cd"']],
  "crypto.hmac.sha1": [['["", ""]', '"fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"']],
  "crypto.hmac.sha256": [['["", ""]', '"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"']],
  "crypto.hmac.sha512": [["[1, 2]", null]],
  "crypto.hmac.equal": [
    ['["a", "a"]', "true"],
    ['["a", "b"]', "false"],
    ['["a", 1]', null],
  ],
  "hex.encode": [['["é"]', '"c3a9"']],
  "hex.decode": [
    ['["C3a9"]', '"é"'],
    ['["c3a"]', null],
    ['["zz"]', null],
  ],
  "base64url.encode_no_pad": [['["??>"]', '"Pz8-"']],
  "urlquery.encode": [['["a b&é~!*"]', '"a+b%26%C3%A9~%21%2A"']],
  "urlquery.decode": [
    ['["a+b%26%C3%A9é"]', '"a b&éé"'],
    ['["%zz"]', null],
  ],
};

describe("builtins that the host has for policies", () => {
  const run = (name: string, operands: string, spend: (units: number) => void = () => undefined): string | null => {
    const terms = readTerm(operands);
    if (!Array.isArray(terms)) throw new Error("operands are a list");
    const result = HOSTED.get(name)?.(terms, spend);
    return result === undefined ? null : termText(result);
  };

  it("are all in the table here, and may be used", () => {
    expect(Object.keys(CASES).sort()).to.deep.equal([...HOSTED.keys()].sort());
    const { builtins } = JSON.parse(readFileSync(CAPABILITIES_FILE, "utf8")) as Capabilities;
    expect([...HOSTED.keys()].filter((name) => !builtins.some((one) => one.name === name))).to.deep.equal([]);
  });

  for (const [name, cases] of Object.entries(CASES)) {
    it(`answer as OPA does: ${name}`, () => {
      for (const [operands, result] of cases) expect([operands, run(name, operands)]).to.deep.equal([operands, result]);
    });
  }

  it("are undefined for whatever else they are given, and throw only for bytes that are no text", () => {
    const garbage = [
      "null",
      "true",
      "0",
      "-1",
      "1e400",
      '""',
      '"\\u0000"',
      '"💥"',
      "[]",
      "set()",
      "{}",
      "{1: 2}",
      "[[[]]]",
      "{{1}}",
      '"ff"',
      '"%ff"',
    ];
    const thrown: string[] = [];
    for (const name of HOSTED.keys())
      for (const a of garbage)
        for (const b of garbage)
          for (const operands of [`[${a}]`, `[${a}, ${b}]`, `[${a}, ${b}, ${a}]`]) {
            try {
              run(name, operands);
            } catch (error) {
              thrown.push(`${name} ${(error as Error).message}`);
            }
          }
    expect([...new Set(thrown)].sort()).to.deep.equal(["hex.decode bytes that aren't UTF-8", "urlquery.decode bytes that aren't UTF-8"]);
  });

  const costly: [name: string, operands: string][] = [
    ["units.parse", '["1e999999"]'],
    ["units.parse_bytes", '["1e-999999"]'],
    ["object.subset", `[[${"1,".repeat(3000)}1], [${"1,".repeat(3000)}2]]`],
    ["strings.any_prefix_match", `[[${'"a",'.repeat(3000)}"a"], [${'"b",'.repeat(3000)}"b"]]`],
  ];
  for (const [name, operands] of costly) {
    it(`pay for their work before they do it: ${name}`, () => {
      const most = 1_000_000;
      let spent = 0;
      const spend = (units: number): void => {
        spent += units;
        if (spent > most) throw new RangeError("no fuel");
      };
      expect(() => run(name, operands, spend)).to.throw("no fuel");
    });
  }
});

describe("values of Rego as text", () => {
  for (const text of [
    "null",
    "true",
    "-1.5",
    "18446744073709551616",
    '"a\\"\\\\\\u0000é"',
    "[]",
    "[1,[2]]",
    "set()",
    "{1,2}",
    "{}",
    '{"a":{"b":1}}',
    "{1:2}",
    '{[1]:{"x"}}',
  ])
    it(`are read and written: ${text}`, () => {
      expect(termText(readTerm(` ${text} `))).to.equal(text);
    });
  for (const text of ["", "nul", "[1", "[1,]", "{1:2,3}", '"a', "1 2", "{,}", "set(", "tru", "-", '{"a" 1}'])
    it(`aren't, if they are none: ${JSON.stringify(text)}`, () => {
      expect(() => readTerm(text)).to.throw(SyntaxError);
    });
});
