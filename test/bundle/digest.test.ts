import { expect } from "chai";
import { readArchive, writeArchive } from "../../src/bundle/archive.js";
import { bundleDigest, compactJson, fileHash, fileHashes, readJson } from "../../src/bundle/digest.js";
import { BundleError } from "../../src/bundle/errors.js";

const compact = (text: string): string => compactJson("data.json", Buffer.from(text));

describe("the hash of a bundle's files", () => {
  const SAME: [string, string, string][] = [
    ["white space goes", ' {\n "a" : [ 1 , 2 ]\t} ', '{"a":[1,2]}'],
    ["keys are sorted", '{"b":{"d":1,"c":2},"a":3}', '{"a":3,"b":{"c":2,"d":1}}'],
    ["keys are sorted by UTF-8 bytes, not by UTF-16 units", '{"\u{1f600}":1,"\uff5e":2}', '{"\uff5e":2,"\u{1f600}":1}'],
    ["numbers keep their spelling", "[1.50,1E2,-0,1e-7,0.10]", "[1.50,1E2,-0,1e-7,0.10]"],
    ["markup is not escaped", '["<a href=\\u0027&\\u0027>"]', "[\"<a href='&'>\"]"],
    ["line separators are escaped", '["\u2028\u2029"]', '["\\u2028\\u2029"]'],
    ["escapes take one form", '["\\u0041\\/\\u000a\\u0000\\u007f"]', '["A/\\n\\u0000\u007f"]'],
    ["backslashes and quotes survive", '["\\\\\\"",{"\\\\":1}]', '["\\\\\\"",{"\\\\":1}]'],
    ["empty things stay", '{"a":{},"b":[],"c":""}', '{"a":{},"b":[],"c":""}'],
    ["literals stay", "[true,false,null]", "[true,false,null]"],
    ["nesting stays", "[[[]],[{}]]", "[[[]],[{}]]"],
    ["__proto__ is a key like others", '{"b":1,"__proto__":{"a":1}}', '{"__proto__":{"a":1},"b":1}'],
  ];
  for (const [what, given, wanted] of SAME) {
    it(`of structured files: ${what}`, () => {
      expect(compact(given)).to.equal(wanted);
    });
  }

  it("of structured files depends on what they say and how numbers are spelled, not on the order of keys", () => {
    expect(fileHash("data.json", Buffer.from('{"x": 1.50}'))).to.not.equal(fileHash("data.json", Buffer.from('{"x": 1.5}')));
    expect(fileHash("data.json", Buffer.from('{"b":1,"a":2}'))).to.equal(fileHash("a/data.json", Buffer.from('{"a":2, "b":1}')));
    expect(fileHash(".manifest", Buffer.from('{"b":1,"a":2}'))).to.equal(fileHash(".manifest", Buffer.from('{"a":2, "b":1}')));
  });

  it("of any other file is that of its bytes", () => {
    expect(fileHash("catalogue.json", Buffer.from("{ }"))).to.not.equal(fileHash("catalogue.json", Buffer.from("{}")));
  });

  for (const text of [
    '{"a":1,"a":1}',
    '{"a":{"b":1,"\\u0062":2}}',
    '["\\udc00"]',
    "[1e999]",
    "[9007199254740993]",
    "{",
    "",
    "[1,]",
    "\ufeff{}",
  ]) {
    it(`is refused for ${JSON.stringify(text)}`, () => {
      for (const read of [compactJson, readJson]) {
        expect(() => read("data.json", Buffer.from(text)))
          .to.throw(BundleError)
          .with.property("code", "json_invalid");
      }
    });
  }

  it("makes a digest that does not depend on order but on every name and hash", () => {
    const files = new Map([
      ["a.rego", Buffer.from("a")],
      ["b.rego", Buffer.from("b")],
    ]);
    const hashes = fileHashes(files);
    const digest = bundleDigest(hashes);
    expect(bundleDigest([...hashes].reverse())).to.equal(digest);
    expect(bundleDigest(hashes.slice(1))).to.not.equal(digest);
    expect(bundleDigest(hashes.map((file) => ({ ...file, name: `x${file.name}` })))).to.not.equal(digest);
    expect(bundleDigest(fileHashes(new Map(files).set(".signatures.json", Buffer.from("x"))))).to.equal(digest);
  });
});

describe("an archive", () => {
  const files = new Map([
    ["b/x.rego", Buffer.from("package b\n")],
    ["a.json", Buffer.alloc(700, "x")],
    ["empty", Buffer.alloc(0)],
  ]);

  it("reads back as it was written, in sorted order", async () => {
    const read = await readArchive(await writeArchive(files, 1_700_000_000));
    expect([...read]).to.deep.equal([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
  });

  it("has the same bytes whatever order its files came in, and names no machine or time", async () => {
    const bytes = await writeArchive(files, 1_700_000_000);
    expect((await writeArchive(new Map([...files].reverse()), 1_700_000_000)).equals(bytes)).to.equal(true);
    expect([...bytes.subarray(0, 10)]).to.deep.equal([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
  });
});
