import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { CAPABILITIES_FILE, opaSchema } from "../../src/bundle/check.js";
import { compilePolicySet } from "../../src/bundle/compile.js";
import { inputSchema } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import type { NativeOpa } from "../oracle/go.js";
import { BUILD, compareDrawn, onBoth } from "./compilers.js";
import { nativeCompiler } from "./support.js";

/** More with `REMIT_MODULES=1000`, which takes six minutes. */
const DRAWN = Number(process.env["REMIT_MODULES"] ?? 60);
const MS_MAX = 1_800_000;
const SETS = ["rego/policies/customer_support", "rego/policies/retail", "templates/policy"];
const PACKAGE = "# METADATA\n# scope: package\n# schemas:\n#   - input: schema.input\npackage rules.m";
const CHECK = ["check", "--strict", "--format", "json", "--max-errors", "100", "--capabilities", CAPABILITIES_FILE];

/** Sources that OPA refuses, each in its own way. */
const REFUSED: readonly [why: string, rule: string][] = [
  ["a syntax error", "deny contains x if {"],
  ["a variable that is unsafe", "deny contains x if { y > 1 }"],
  ["a field that the schema lacks", 'deny contains "x" if input.request.verbs == "read"'],
  ["values that are never equal", "deny contains 1 if input.request.verb == 7"],
  ["a call with too many arguments", 'deny contains 1 if startswith("a", "b", "c", "d")'],
  ["a function that is unknown", "deny contains 1 if nobody(1)"],
  ["a builtin that may not be used", 'deny contains 1 if http.send({"method": "get", "url": "http://a"}).status == 200'],
  ["rules that need each other", "a if b\n\nb if a"],
  ["two values for one rule", "default a := 1\n\ndefault a := 2"],
  ["an import that nobody uses", "import data.remit.reason"],
  ["a variable that nobody uses", "deny contains 1 if {\n\tx := 1\n}"],
  ["METADATA that isn't YAML", "# METADATA\n# title: [\ndeny contains 1 if true"],
  ["nothing at all", ""],
];

describe("OPA as WebAssembly, beside the native program", function () {
  this.timeout(MS_MAX);
  let native: NativeOpa;
  let folder = "";

  before(async function () {
    native = await nativeCompiler(this);
    folder = await mkdtemp(join(tmpdir(), "remit-compilers-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function same(args: string[], cwd: string, code: number | null = 0, stdin?: string): Promise<void> {
    const [ours, theirs] = await onBoth(native, { args, cwd, ...(stdin !== undefined && { stdin }) });
    expect(theirs, args.join(" ")).to.deep.equal(ours);
    if (code !== null) expect(ours.code, ours.stdout + ours.stderr).to.equal(code);
  }

  for (const name of SETS) {
    it(`writes the same bytes for ${name}, and reports the same of its tests`, async () => {
      const set = compilePolicySet(asset(name));
      const stage = join(folder, set.name);
      const library = (path: string): boolean => !path.endsWith("_test.rego");
      await cp(asset("rego", "remit"), join(stage, "remit"), { recursive: true, filter: library });
      await mkdir(join(stage, "rules"));
      await mkdir(join(stage, "schemas"));
      for (const file of set.rego) await cp(join(set.dir, file), join(stage, "rules", file));
      await same([...BUILD, "--entrypoint", "remit/decide"], stage);
      await writeFile(join(stage, "schemas", "input.json"), JSON.stringify(opaSchema(inputSchema(set.vocabulary))));
      await same([...CHECK, "--schema", "schemas", "remit", "rules"], stage);
      await rm(join(stage, "schemas"), { recursive: true });
      for (const file of set.tests) await cp(join(set.dir, file), join(stage, "rules", file));
      await writeFile(join(stage, "data.json"), JSON.stringify({ vocabulary: set.vocabulary, purposes: set.purposes, zones: {} }));
      await same(["test", "--format", "json", "rules", "remit", "data.json"], stage, null);
      // Of one test: the traces of all are many megabytes.
      const one = /^test_\w+/m.exec(await readFile(join(set.dir, set.tests[0] ?? ""), "utf8"))?.[0] ?? "";
      await same(["test", "--format", "json", "--verbose", "--var-values", "--run", one, "rules", "remit", "data.json"], stage, null);
      for (const file of [...set.rego, ...set.tests]) {
        await same(["parse", "--format", "json", "--json-include", "comments,locations", join("rules", file)], stage);
        await same(["fmt", "--list", join("rules", file)], stage);
      }
      const data = ["rules", "remit", "data.json"].flatMap((source) => ["--data", source]);
      await same(["eval", "--coverage", "--format", "json", ...data, "data.rules"], stage);
      const read = JSON.stringify({ request: { verb: "read", purpose: set.name } });
      await same(["eval", "--format", "json", "--explain", "fails", "--stdin-input", ...data, "x = data.rules"], stage, 0, read);
      const inputs = JSON.stringify([{ request: {} }, { request: { verb: "read", purpose: set.name } }]);
      const query = "{i: result | some i, each in input; result := data.remit.decide with input as each}";
      await same(["eval", "--format", "json", "--stdin-input", "--bundle", stage, query], ".", null, inputs);
    });
  }

  it("says what builtins there are as the native one does", async () => {
    await same(["capabilities", "--current"], folder);
  });

  for (const name of ["customer_support", "retail"]) {
    it(`evaluates the signed bundle ${name} as the native one does`, async () => {
      const archive = asset("bundles", `${name}.tar.gz`);
      await same(
        ["eval", "--format", "raw", "--stdin-input", "--bundle", archive, "data.remit.decide"],
        ".",
        0,
        '{"request": {"verb": "read"}}',
      );
    });
  }

  for (const [why, rule] of REFUSED) {
    it(`refuses ${why} in the same words`, async () => {
      const cwd = await mkdtemp(join(folder, "refused-"));
      const { vocabulary } = compilePolicySet(asset("templates", "policy"));
      await mkdir(join(cwd, "schemas"));
      await writeFile(join(cwd, "schemas", "input.json"), JSON.stringify(opaSchema(inputSchema(vocabulary))));
      await writeFile(join(cwd, "m.rego"), rule === "" ? "" : `${PACKAGE}\n\n${rule}\n`);
      await same([...CHECK, "--schema", "schemas", "m.rego"], cwd, rule === "" ? null : 1);
      await same(["check", "--strict", "--schema", "schemas", "m.rego"], cwd, null);
      await same(["parse", "--format", "json", "m.rego"], cwd, null);
      await same(["fmt", "--list", "--fail", "m.rego"], cwd, null);
      await same([...BUILD, "--entrypoint", "rules/m/deny"], cwd, null);
    });
  }

  it(`writes the same bytes for ${DRAWN} drawn modules, and refuses the same ones`, async () => {
    const { built, refused, differing } = await compareDrawn(native, 17, DRAWN);
    expect(differing).to.equal(null);
    expect(built + refused).to.equal(DRAWN);
    expect(built).to.be.above(DRAWN / 4);
    expect(refused).to.be.above(DRAWN / 20);
  });
});
