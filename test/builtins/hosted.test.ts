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
  "net.cidr_is_valid": [
    ['["10.0.0.0/8"]', "true"],
    ['["2001:db8::/32"]', "true"],
    ['["010.0.0.0/8"]', "false"],
    ['["10.0.0.0/33"]', "false"],
    ['["fe80::1%eth0/64"]', "false"],
    ["[1]", "false"],
  ],
  "net.cidr_contains_matches": [
    ['["10.0.0.0/8", "10.1.2.3"]', '{["10.0.0.0/8","10.1.2.3"]}'],
    ['[["10.0.0.0/8", "::/0"], {"a": "::ffff:10.1.2.3", "b": ["1::/16", 7]}]', '{[0,"a"],[1,"b"]}'],
    ['["10.0.0.0/8", {"11.0.0.0/8"}]', "set()"],
    ['["x", "10.0.0.1"]', null],
    ["[[1], []]", null],
    ["[[], [1]]", "set()"],
  ],
  "net.cidr_expand": [
    ['["10.0.0.254/30"]', '{"10.0.0.252","10.0.0.253","10.0.0.254","10.0.0.255"}'],
    ['["::1/127"]', '{"::","::1"}'],
    ['["10.0.0.1"]', null],
  ],
  "net.cidr_merge": [
    ['[["10.0.0.0/9", "10.128.0.0/9"]]', '{"10.0.0.0/8"}'],
    ['[{"192.0.2.112", "10.0.0.0/30", "10.0.0.4/31"}]', '{"10.0.0.0/30","10.0.0.4/31","192.0.2.112/24"}'],
    ["[[]]", "set()"],
    ['[["::1"]]', null],
    ['["10.0.0.0/8"]', null],
  ],
  "uri.parse": [
    [
      '["HTTP://u:p@[::1]:80/a%2fb?q#f"]',
      '{"fragment":"f","hostname":"::1","path":"/a/b","port":"80","raw_path":"/a%2fb","raw_query":"q","scheme":"http"}',
    ],
    ['["mailto:a@b"]', '{"scheme":"mailto"}'],
    ['["http://a:80a/"]', null],
    ['["http://a%41/"]', null],
    ['["a:b/c"]', '{"scheme":"a"}'],
    ['["1a:b/c"]', null],
    ["[1]", null],
  ],
  "uri.is_valid": [
    ['["https://example.com/a b"]', "true"],
    ['["http://exa mple.com/"]', "false"],
    ['[""]', "false"],
    ["[1]", "false"],
  ],
  "uuid.parse": [
    ['["{00000000-0000-4000-8000-000000000000}"]', '{"variant":"RFC4122","version":4}'],
    [
      '["urn:uuid:000003e8-48b9-21ee-b200-325096b39f47"]',
      '{"clocksequence":12800,"domain":"Person","id":1000,"macvariables":"local:unicast","nodeid":"32-50-96-b3-9f-47","time":1693566990121469600,"variant":"RFC4122","version":2}',
    ],
    ['["00000000-0000-4000-8000-00000000000g"]', null],
    ["[1]", null],
  ],
  "json.patch": [
    ['[{"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}, {"op": "copy", "from": "/a/0", "path": "/b"}]]', '{"a":[1,2],"b":1}'],
    ['[{"a": {1, 2}}, [{"op": "remove", "path": ["a", 1]}]]', '{"a":{2}}'],
    ['[{"a~b": 1}, [{"op": "test", "path": "/a~0b", "value": 1}]]', '{"a~b":1}'],
    ['[{}, [{"op": "replace", "path": "/a", "value": 1}]]', null],
    ['[[1], [{"op": "remove", "path": "/01"}]]', null],
    ['[{}, [{"op": "drop", "path": "/a"}]]', null],
    ["[{}, [1]]", null],
    ["[{}, {}]", null],
  ],
  "numbers.range_step": [
    ["[5, 1, 2]", "[5,3,1]"],
    ["[1, 1, 9]", "[1]"],
    ["[1, 5, 0]", null],
    ["[1, 5, 1.5]", null],
  ],
  "graph.reachable_paths": [
    ['[{"a": ["b", "c"], "b": {"a"}, "c": []}, ["a"]]', '{["a","b"],["a","c"]}'],
    ['[{"a": ["x"]}, {"a", "q"}]', '{["a"]}'],
    ["[{}, 1]", null],
  ],
  "urlquery.encode_object": [
    ['[{"b": {"z", "é"}, "a": ["y x", "1"]}]', '"a=y+x&a=1&b=z&b=%C3%A9"'],
    ['[{"a": 1}]', null],
    ["[[]]", null],
  ],
  "urlquery.decode_object": [
    ['["a=1&b&a=%C3%A9+"]', '{"a":["1","é "],"b":[""]}'],
    ['["a;b=1"]', null],
    ['["%zz"]', null],
  ],
  "time.parse_rfc3339_ns": [
    ['["2017-06-02T19:00:00.5-07:00"]', "1496455200500000000"],
    ['["2017-06-03T2:00:00,25Z"]', "1496455200250000000"],
    ['["1677-09-21T00:12:43.145224191-00:00"]', null],
    ['["2023-02-29T00:00:00Z"]', null],
    ['["2016-12-31T23:59:60Z"]', null],
    ["[1]", null],
  ],
  "time.parse_duration_ns": [
    ['["1h15m30.5s"]', "4530500000000"],
    ['["-1.5d"]', "-129600000000000"],
    ['["1w1us"]', "604800000001000"],
    ['["9223372036854775808ns"]', null],
    ['["1.2.3d"]', null],
    ['["5"]', null],
  ],
  "time.date": [
    ["[1582977600000000000]", "[2020,2,29]"],
    ['[[-1, "UTC"]]', "[1969,12,31]"],
    ["[1.5]", null],
    ["[9223372036854775808]", null],
    ["[[]]", null],
  ],
  "time.clock": [
    ["[1517832000000000000]", "[12,0,0]"],
    ['[[-1, ""]]', "[23,59,59]"],
    ['[[0, ""], 1]', "[0,0,0]"],
    ["[[0, 1]]", null],
  ],
  "time.weekday": [
    ["[1517832000000000000]", '"Monday"'],
    ["[[-1]]", '"Wednesday"'],
    ['["Monday"]', null],
  ],
  "time.add_date": [
    ["[1585852421593912000, 3, 9, 12]", "1705257221593912000"],
    ["[1582977600000000000, 1, 0, 0]", "1614600000000000000"],
    ["[0, 2262, 1, 1]", null],
    ["[0, 1.5, 0, 0]", null],
  ],
  "time.diff": [
    ["[1582977600000000000, 0]", "[50,1,28,12,0,0]"],
    ["[0, 1582977600000000000]", "[50,1,28,12,0,0]"],
    ["[0, null]", null],
  ],
  "regex.find_n": [
    ['["a.", "paranormal", 2]', '["ar","an"]'],
    ['["a*", "baaac", -1]', '["","aaa",""]'],
    ['["(a|ab)(c|bcd)", "abcd", -1]', '["abcd"]'],
    ['["[", "a", -1]', null],
    ['["(?=a)", "a", -1]', null],
    ['["a", "a", 1.5]', null],
  ],
  "regex.replace": [
    ['["-wy-wxxy-", "w(x*)y", "<$1>$$"]', '"-<>$-<xx>$-"'],
    ['["jane doe", "(?P<first>\\\\w+) (\\\\w+)", "$2 ${first}"]', '"doe jane"'],
    ['["foo", "(o)", "$1x"]', '"f"'],
    ['["😀é", "", "-"]', '"-😀-é-"'],
    ['["foo", "[", ""]', null],
  ],
  "regex.template_match": [
    ['["urn:foo:{.*}", "urn:foo:bar:baz", "{", "}"]', "true"],
    ['["urn.foo:{[0-9]+|x}", "urnxfoo:1", "{", "}"]', "false"],
    ['["urn:{a", "urn:a", "{", "}"]', null],
    ['["urn:{a}", "urn:a", "{{", "}"]', null],
  ],
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
    const named = ["hex.decode", "uri.is_valid", "uri.parse", "urlquery.decode", "urlquery.decode_object"];
    expect([...new Set(thrown)].sort()).to.deep.equal(named.map((name) => `${name} bytes that aren't UTF-8`));
  });

  const closed: [name: string, operands: string, why: string][] = [
    ["time.date", '[[0, "Europe/Berlin"]]', "isn't UTC"],
    ["time.diff", '[0, [0, "Local"]]', "isn't UTC"],
    ["time.add_date", "[0, 0, 0, 10000001]", "more than 10000000"],
    ["regex.replace", '["a", "(?P<n>a)(?P<n>b)?", "$n"]', "one name"],
  ];
  for (const [name, operands, why] of closed) {
    it(`fail where they would differ from OPA: ${name} of ${operands}`, () => {
      expect(() => run(name, operands)).to.throw(RangeError, why);
    });
  }

  const costly: [name: string, operands: string][] = [
    ["units.parse", '["1e999999"]'],
    ["units.parse_bytes", '["1e-999999"]'],
    ["object.subset", `[[${"1,".repeat(3000)}1], [${"1,".repeat(3000)}2]]`],
    ["numbers.range_step", "[0, 9007199254740993, 1]"],
    ["net.cidr_expand", '["::/0"]'],
    ["net.cidr_merge", `[[${'"10.0.0.1",'.repeat(3000)}"10.0.0.1"]]`],
    ["net.cidr_contains_matches", `[[${'"10.0.0.0/8",'.repeat(3000)}"10.0.0.0/8"], [${'"10.0.0.0/8",'.repeat(3000)}"10.0.0.0/8"]]`],
    ["json.patch", `[[1], [${'{"op": "copy", "from": "", "path": "/-"},'.repeat(64)}{"op": "copy", "from": "", "path": "/-"}]]`],
    ["graph.reachable_paths", `[{${Array.from({ length: 40 }, (_, i) => `"${i}": ["${i + 1}", "${i + 2}"]`).join()}}, ["0"]]`],
    ["regex.find_n", `["(x+x+)+y", "${"x".repeat(5000)}", -1]`],
    ["regex.find_n", `["x*y|x", "${"x".repeat(5000)}", -1]`],
    ["regex.find_n", `["${"a".repeat(90_000)}", "a", -1]`],
    ["regex.replace", `["${"x".repeat(300)}", "x", "${"$0".repeat(300)}"]`],
    ["regex.replace", '["", "((a{30}){30}){30}", ""]'],
    ["regex.template_match", `["${"{(?i)\\\\pL}".repeat(200)}", "a", "{", "}"]`],
    ["regex.template_match", `["{(x+x+)+y}", "${"x".repeat(5000)}", "{", "}"]`],
    ["regex.find_n", `["xy", "${"x".repeat(9000)}", -1]`],
    ["regex.find_n", `["", "${"x".repeat(300)}", -1]`],
    ["regex.replace", `["${"x".repeat(10)}", "x", "${"$0".repeat(2000)}"]`],
    ["regex.replace", `["${"x".repeat(3000)}", "x+", "${"$0".repeat(1000)}"]`],
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
