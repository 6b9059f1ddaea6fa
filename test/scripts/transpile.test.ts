import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { transpileChanged } from "../../scripts/transpile.js";
import { asset } from "../../src/system/paths.js";

describe("the build of changed sources", () => {
  let folder: string;
  const source = (path: string, text: string): void => {
    writeFileSync(join(folder, path), text);
  };
  const built = (path: string): string => readFileSync(join(folder, "dist", path), "utf8");

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-transpile-"));
    mkdirSync(join(folder, "src", "room"), { recursive: true });
    source("tsconfig.json", readFileSync(asset("tsconfig.json"), "utf8"));
    source("src/room/one.ts", 'import type { Two } from "./two.js";\nexport const one: Two = 1;\n');
    source("src/types.d.ts", "declare const given: string;\n");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("writes ECMAScript modules with maps to their sources, and nothing of declarations", async () => {
    expect(await transpileChanged(folder)).to.equal(1);
    expect(built("src/room/one.js")).to.equal("export const one = 1;\n//# sourceMappingURL=one.js.map");
    expect((JSON.parse(built("src/room/one.js.map")) as { sources: string[] }).sources).to.deep.equal(["../../../src/room/one.ts"]);
  });

  it("writes again what is newer than its output, and leaves the rest", async () => {
    await transpileChanged(folder);
    expect(await transpileChanged(folder)).to.equal(0);
    source("src/room/one.ts", "export const one = 2;\n");
    const later = Date.now() / 1000 + 60;
    utimesSync(join(folder, "src/room/one.ts"), later, later);
    expect(await transpileChanged(folder)).to.equal(1);
    expect(built("src/room/one.js")).to.contain("one = 2");
  });

  it("names file and line of a syntax error, and writes nothing", async () => {
    source("src/room/one.ts", "export const one = ;\n");
    const error = await transpileChanged(folder).then(String, String);
    expect(error).to.match(/one\.ts.*1,20.*Expression expected/s);
    expect(() => built("src/room/one.js")).to.throw("ENOENT");
  });
});
