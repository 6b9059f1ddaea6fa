import { expect } from "chai";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PACKAGES, PackageError, assemble, contentOf, manifestOf, packageFolders, type Manifest } from "../../scripts/packages.js";
import { asset } from "../../src/system/paths.js";

const FOLDERS = ["audit", "cli", "client", "coaz", "console", "contract", "embedded", "flow", "mcp-guard", "service"];
const MAP_COMMENT = "sourceMappingURL=";
/** Rooms that a package must never have, by the role of whoever installs it. */
const NEVER: Readonly<Record<string, readonly string[]>> = {
  contract: ["client", "guards", "decision", "system"],
  client: ["system", "decision", "bundle", "store", "cli", "http"],
  coaz: ["system", "decision", "bundle", "store", "cli", "http"],
  flow: ["client", "guards", "decision", "bundle", "http"],
  embedded: ["http", "cli", "authoring", "review"],
  "mcp-guard": ["http", "authoring", "review"],
  service: ["authoring", "review", "embedded", "client"],
  audit: ["embedded", "guards", "findings", "adapters"],
  console: ["service", "http", "decision", "store", "facts", "records", "policy", "guards"],
};

/** The service as a whole, and the packages that have it. The room of its parts has the core that engines share. */
const [SERVICE, SERVES] = ["dist/src/service.js", ["cli", "service"]];

describe("the packages", () => {
  const root = JSON.parse(readFileSync(asset("package.json"), "utf8")) as Record<string, unknown> & {
    dependencies: Record<string, string>;
    workspaces: string[];
  };

  it("are those that the documents name, one for each role of trust", () => {
    expect(packageFolders()).to.deep.equal(FOLDERS);
    for (const folder of FOLDERS) expect(manifestOf(folder).name).to.equal(`@remit-pdp/${folder}`);
  });

  for (const folder of FOLDERS) {
    it(`take from their rooms alone, and depend on what they load: ${folder}`, () => {
      const manifest = manifestOf(folder);
      const { modules } = contentOf(manifest);
      for (const room of NEVER[folder] ?? []) expect(manifest.remit.rooms, room).not.to.include(room);
      expect(modules.files.has(SERVICE), SERVICE).to.equal(SERVES.includes(folder));
      const used = new Set([...modules.files].map((file) => file.split("/")[2]?.replace(/\.js$/, "")));
      // A room that nothing is taken from is one that somebody may take from by accident.
      expect(manifest.remit.rooms.filter((room) => !used.has(room))).to.deep.equal([]);
      for (const [name, version] of Object.entries(manifest.dependencies ?? {})) expect(version, name).to.equal(root.dependencies[name]);
      // Published by its folder it would be empty: `dist` is a link there, which npm leaves out.
      expect(manifest.private).to.equal(true);
    });
  }

  it("are, as far as programs import them, themselves within the project", () => {
    for (const folder of FOLDERS.filter((one) => manifestOf(one).exports !== undefined)) {
      expect(root.workspaces).to.include(`packages/${folder}`);
      expect(lstatSync(join(PACKAGES, folder, "dist")).isSymbolicLink(), folder).to.equal(true);
    }
  });

  describe("of a tree of a few modules", () => {
    let tree: string;
    beforeEach(() => {
      tree = mkdtempSync(join(tmpdir(), "remit-packages-"));
      const files: Record<string, string> = {
        "src/a/index.js": 'import { b } from "../b/b.js";\nexport * from "node:fs";\nawait import("./later.js");\n',
        "src/a/index.d.ts": 'export type { B } from "../b/b.js";\n',
        "src/a/later.js":
          'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);\nrequire("left/pad.js");\n',
        "src/b/b.js": 'export const b = new Worker(new URL("./thread.js", import.meta.url));\n//# sourceMappingURL=b.js.map\n',
        "src/b/b.d.ts": 'export type B = import("@scope/types/deep").C;\n',
        "src/b/thread.js": "export {};\n",
        "src/c/unused.js": "export {};\n",
      };
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(tree, "dist", path)), { recursive: true });
        writeFileSync(join(tree, "dist", path), text);
      }
    });
    afterEach(() => {
      rmSync(tree, { recursive: true, force: true });
    });

    const manifest = (changes: Partial<Manifest> = {}, rooms = ["a", "b"]): Manifest => ({
      ...{ name: "@x/a", description: "", private: true, exports: { ".": "./dist/src/a/index.js" } },
      ...{ dependencies: { left: "1.0.0" }, peerDependencies: { "@scope/types": "1" }, remit: { rooms } },
      ...changes,
    });

    it("have what is imported, required, imported later and run as a thread, and nothing else", () => {
      const { modules, types } = contentOf(manifest(), tree);
      expect([...modules.files].sort()).to.deep.equal(["a/index", "a/later", "b/b", "b/thread"].map((name) => `dist/src/${name}.js`));
      expect([[...modules.packages], [...types.packages]]).to.deep.equal([["left"], ["@scope/types"]]);
      expect([...types.files].sort()).to.deep.equal(["dist/src/a/index.d.ts", "dist/src/b/b.d.ts"]);
    });

    const refused: [what: string, given: Manifest, why: RegExp][] = [
      ["a module of another room", manifest({}, ["a"]), /dist\/src\/b\/b\.js is of the room `b`, which it doesn't take/],
      ["no rooms", manifest({}, []), /is of the room `a`/],
      ["a package that it doesn't name", manifest({ dependencies: {} }), /it loads left; its dependencies are none/],
      ["a package that it doesn't load", manifest({ dependencies: { left: "1", right: "1" } }), /its dependencies are left, right/],
      ["types that nobody brings", manifest({ peerDependencies: {} }), /its types are @scope\/types's/],
      ["a program that isn't built", manifest({ bin: { x: "./dist/src/a/main.js" } }), /there is no dist\/src\/a\/main\.js; build first/],
    ];
    for (const [what, given, why] of refused) {
      it(`are refused with ${what}`, () => {
        expect(() => contentOf(given, tree)).to.throw(PackageError, why);
      });
    }
  });

  it("have no maps to sources that they don't have, and nothing that names one", () => {
    const into = mkdtempSync(join(tmpdir(), "remit-packages-"));
    try {
      for (const folder of FOLDERS) {
        const target = assemble(folder, into);
        const files = readdirSync(target, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map(({ parentPath, name }) => join(parentPath, name));
        expect(files.length, folder).to.be.above(3);
        expect(
          files.filter((file) => file.endsWith(".map")),
          folder,
        ).to.deep.equal([]);
        const naming = files.filter(
          (file) => /\.(?:[cm]?js|d\.[cm]?ts|css)$/.test(file) && readFileSync(file, "utf8").includes(MAP_COMMENT),
        );
        expect(naming, folder).to.deep.equal([]);
      }
    } finally {
      rmSync(into, { recursive: true, force: true });
    }
  });

  it("are written without what is the build's own, and with TypeBox's types where only types need it", () => {
    const into = mkdtempSync(join(tmpdir(), "remit-packages-"));
    try {
      const target = assemble("client", into);
      const made = JSON.parse(readFileSync(join(target, "package.json"), "utf8")) as Record<string, unknown>;
      expect(made).not.to.have.any.keys("remit", "private", "dependencies", "scripts");
      expect(made).to.include({ name: "@remit-pdp/client", version: root["version"], license: "Apache-2.0", type: "module" });
      const types = readFileSync(join(target, "dist", "src", "contract", "type.d.ts"), "utf8");
      expect(types).to.contain('"../../types/typebox/index.mjs"').and.not.to.contain('"typebox"');
      expect(existsSync(join(target, "dist", "types", "typebox", "license"))).to.equal(true);
      expect(readFileSync(join(target, "dist", "src", "client", "index.js"), "utf8")).not.to.contain("sourceMappingURL");
    } finally {
      rmSync(into, { recursive: true, force: true });
    }
  });
});
