import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import ts from "typescript";
import { mapError, mapStack } from "../../scripts/stacks.js";

const SOURCE = 'interface Gone {\n  by: "types";\n}\n\nexport const fail = (): Gone => {\n  throw new Error("here");\n};\n';

describe("stack traces of failures", () => {
  let root: string;
  let module: string;
  /** The place of `new Error` in what was built. */
  let place: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), "remit-stacks-"));
    module = join(root, "dist", "src", "one.js");
    mkdirSync(join(root, "dist", "src"), { recursive: true });
    const { outputText, sourceMapText = "" } = ts.transpileModule(SOURCE, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, sourceMap: true },
      fileName: "../../src/one.ts",
    });
    writeFileSync(module, outputText);
    writeFileSync(`${module}.map`, JSON.stringify({ ...(JSON.parse(sourceMapText) as object), sources: ["../../src/one.ts"] }));
    const lines = outputText.split("\n");
    const line = lines.findIndex((text) => text.includes("new Error"));
    place = `${line + 1}:${(lines[line] ?? "").indexOf("new Error") + 1}`;
    expect(place).not.to.equal("6:9");
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it("say places in sources", () => {
    const stack = (path: string): string => `Error: here\n    at fail (${path}:${place})\n    at node:internal/timers:483:21`;
    const mapped = "Error: here\n    at fail (src/one.ts:6:9)\n    at node:internal/timers:483:21";
    expect(mapStack(stack(pathToFileURL(module).href), root), "a URL").to.equal(mapped);
    expect(mapStack(stack(module), root), "a path").to.equal(mapped);
    expect(mapStack(stack("dist/src/one.js"), root), "a path from the root, as mocha shortens it").to.equal(mapped);
  });

  it("keep places that have no source, and all else that they say", () => {
    for (const text of ["at x (dist/src/two.js:1:1)", "at file:///no/such/folder/a.js:3:4", "one.js:1", "at <anonymous>", ""])
      expect(mapStack(text, root)).to.equal(text);
    expect(mapStack(`at x (dist/src/one.js:4000:1)`, root)).to.match(/one\.(js|ts):\d+:\d+/);
  });

  it("are mapped in the causes of an error too, once each, and in errors that another process had", () => {
    const inner = { message: "in", stack: `at dist/src/one.js:${place}` };
    const outer = Object.assign(new Error("out", { cause: inner }), { stack: `at dist/src/one.js:${place}` });
    Object.assign(inner, { cause: outer });
    mapError(outer, root);
    expect([outer.stack, inner.stack]).to.deep.equal(["at src/one.ts:6:9", "at src/one.ts:6:9"]);
    for (const thrown of [undefined, null, "a text", { stack: 7 }, new Error()]) mapError(thrown, root);
  });
});
