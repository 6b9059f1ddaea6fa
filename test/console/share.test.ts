import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { fromFragment, patchOf, tarOf, toFragment } from "../../src/console/browser/share.js";

const FILES = {
  "vocabulary.yaml": "verbs: {}\n",
  "purposes.yaml": "a: 1\nb: 2\nc: 3\n",
  "tables/one.yaml": "cases: []\n",
  "rules.rego": "",
};
const packed = (value: unknown): string =>
  `#try=${deflateRawSync(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")}`;

describe("what leaves the playground", () => {
  let folder = "";
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "remit-share-"))));
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is the same set when a link is opened, whatever it says", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom("a.rego", "tables/b.yaml", "purposes.yaml"), fc.string({ unit: "grapheme" })),
        async (files) => {
          const fragment = await toFragment({ name: "desk", files });
          expect(fragment).to.match(/^#try=[\w-]+$/);
          expect(await fromFragment(fragment)).to.deep.equal(Object.keys(files).length === 0 ? null : { name: "desk", files });
        },
      ),
      { numRuns: 200 },
    );
  });

  const refused: [what: string, fragment: string][] = [
    ["nothing", ""],
    ["another fragment", "#results"],
    ["no base64", "#try=%%%"],
    ["nothing compressed", "#try=AAAA"],
    ["no JSON", packed("{")],
    ["null", packed(null)],
    ["a list", packed([])],
    ["no files", packed({ name: "desk", files: {} })],
    ["a file that leads out", packed({ name: "desk", files: { "../purposes.yaml": "" } })],
    ["an absolute file", packed({ name: "desk", files: { "/etc/passwd": "" } })],
    ["a folder that isn't tables", packed({ name: "desk", files: { "remit/decide.rego": "package remit" } })],
    ["a file that a set hasn't", packed({ name: "desk", files: { "data.json": "{}" } })],
    ["a file that isn't text", packed({ name: "desk", files: { "a.rego": 1 } })],
    ["a prototype", packed('{"name":"desk","files":{"__proto__":"x"}}')],
    ["a name that leads out", packed({ name: "../../remit", files: FILES })],
    ["no name", packed({ files: FILES })],
    ["more text than is opened", packed({ name: "desk", files: { "a.rego": "x".repeat(5 * 1024 * 1024) } })],
    ["more than is read at all", `#try=${"A".repeat(600_000)}`],
  ];
  for (const [what, fragment] of refused) {
    it(`is no set in a link with ${what}`, async () => {
      expect(await fromFragment(fragment)).to.equal(null);
    });
  }

  it("is a patch that git applies: changed, new and removed files", () => {
    const after = { ...FILES, "purposes.yaml": "a: 1\nb: two\nc: 3\nd: 4", "tables/two.yaml": "cases: [1]\n" } as Record<string, string>;
    delete after["tables/one.yaml"];
    execFileSync("git", ["init", "--quiet", folder]);
    for (const [name, text] of Object.entries(FILES)) {
      execFileSync("mkdir", ["-p", join(folder, name, "..")]);
      writeFileSync(join(folder, name), text);
    }
    execFileSync("git", ["apply", "-"], { cwd: folder, input: patchOf(FILES, after) });
    const found = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => /\.(?:yaml|rego)$/.test(name));
    expect(Object.fromEntries(found.map((name) => [name, readFileSync(join(folder, name), "utf8")]))).to.deep.equal(after);
  });

  it("is no patch where nothing has changed", () => {
    expect(patchOf(FILES, { ...FILES })).to.equal("");
  });

  it("is an archive that tar unpacks", async () => {
    const files = { ...FILES, "tables/long.yaml": `# ${"ü".repeat(700)}\n` };
    writeFileSync(join(folder, "set.tar"), Buffer.from(await tarOf({ name: "desk", files }).arrayBuffer()));
    execFileSync("tar", ["-xf", "set.tar"], { cwd: folder });
    for (const [name, text] of Object.entries(files)) expect(readFileSync(join(folder, "desk", name), "utf8"), name).to.equal(text);
  });
});
