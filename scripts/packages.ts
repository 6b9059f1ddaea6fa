/**
 * Assembles what is published: `node dist/scripts/packages.js`, after a build. A package is a manifest, `packages/<folder>/package.json`,
 * whose member `remit` names the rooms of `src` that it may take. It gets the modules that its programs and exports load, and no more.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { asset } from "../src/system/paths.js";

/** `packages/<folder>/package.json`. */
export interface Manifest {
  name: string;
  description: string;
  private: true;
  exports?: Record<string, string>;
  bin?: Record<string, string>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  remit: {
    /** Folders below `src`, and files beside them, that it may take from. */
    rooms: string[];
    /** Files and folders, from the root, that its modules read. */
    assets?: string[];
  };
}

/** A manifest and its modules take or name something that the other doesn't say. */
export class PackageError extends Error {
  override readonly name = "PackageError";
}

/** Files from the root, and packages of others, that some modules load. */
export interface Loaded {
  files: Set<string>;
  packages: Set<string>;
}

export const PACKAGES = asset("packages");
export const ASSEMBLED = asset("dist", "packages");
/** Types of schemas are TypeBox's, which nothing loads at run time: a package that needs its types only brings them along. */
const TYPEBOX = "node_modules/typebox/build/index.d.mts";
const OWN_TYPEBOX = "dist/types/typebox";

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(PACKAGES, folder, "package.json"), "utf8")) as Manifest;
}

/** Returns the folders of all packages for Node. */
export function packageFolders(): string[] {
  return readdirSync(PACKAGES)
    .filter((folder) => existsSync(join(PACKAGES, folder, "package.json")))
    .sort();
}

/**
 * Returns what a package consists of.
 * @throws PackageError for a module outside its rooms, and for dependencies that aren't those which its modules load
 */
export function contentOf(manifest: Manifest, root = asset()): { modules: Loaded; types: Loaded } {
  const { exports = {}, bin = {}, dependencies = {}, peerDependencies = {}, remit } = manifest;
  const exported = Object.values(exports);
  const modules = loadedBy([...exported, ...Object.values(bin)].map(plain), root);
  const types = loadedBy(
    exported.map((file) => plain(file).replace(/js$/, "d.ts")),
    root,
  );
  for (const file of [...modules.files, ...types.files]) {
    const room = /^dist\/src\/([^/]+?)(?:\.d\.ts|\.js)?(?:\/|$)/.exec(file)?.[1] ?? file;
    if (!remit.rooms.includes(room)) throw new PackageError(`${manifest.name}: ${file} is of the room \`${room}\`, which it doesn't take`);
  }
  const wanted = [...modules.packages].sort();
  const named = Object.keys(dependencies).sort();
  if (wanted.join() !== named.join())
    throw new PackageError(
      `${manifest.name}: it loads ${wanted.join(", ") || "no package"}; its dependencies are ${named.join(", ") || "none"}`,
    );
  for (const name of types.packages)
    if (![...wanted, ...Object.keys(peerDependencies), "typebox"].includes(name))
      throw new PackageError(`${manifest.name}: its types are ${name}'s, which it doesn't depend on`);
  return { modules, types };
}

/**
 * Writes a package below `into`.
 * @throws PackageError
 * @returns its folder
 */
export function assemble(folder: string, into = ASSEMBLED, root = asset()): string {
  const manifest = manifestOf(folder);
  const { modules, types } = contentOf(manifest, root);
  const target = join(into, folder);
  rmSync(target, { recursive: true, force: true });
  const put = (file: string, text: string | Buffer): void => {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    writeFileSync(join(target, file), text);
  };
  for (const file of modules.files) put(file, readFileSync(join(root, file), "utf8").replace(/\n\/\/# sourceMappingURL=.*\n?$/, "\n"));
  const brings = types.packages.has("typebox") && !modules.packages.has("typebox");
  for (const file of types.files) put(file, brings ? withOwnTypebox(file, root) : readFileSync(join(root, file)));
  if (brings) putTypebox(put, root);
  for (const file of Object.values(manifest.bin ?? {})) chmodSync(join(target, file), 0o755);
  for (const path of ["LICENSE", ...(manifest.remit.assets ?? [])]) cpSync(join(root, path), join(target, path), { recursive: true });
  cpSync(join(PACKAGES, folder, "README.md"), join(target, "README.md"));
  put("package.json", `${JSON.stringify(published(manifest, root), null, 2)}\n`);
  return target;
}

/** A manifest as it is published: the root's own version and conditions, without what is the build's. */
function published({ remit: _, private: __, ...manifest }: Manifest, root: string): object {
  const { version, license, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, unknown>;
  return { ...manifest, version, license, engines, type: "module", publishConfig: { access: "public", provenance: true } };
}

const plain = (file: string): string => file.replace(/^\.\//, "");

/** Everything that modules load, and what that loads. @throws PackageError for a module that isn't there */
export function loadedBy(entries: readonly string[], root: string): Loaded {
  const loaded: Loaded = { files: new Set(entries), packages: new Set() };
  for (const file of loaded.files) {
    const path = join(root, file);
    if (!existsSync(path)) throw new PackageError(`there is no ${file}; build first`);
    for (const name of namedIn(file, readFileSync(path, "utf8"))) {
      if (name.startsWith(".")) loaded.files.add(declared(relative(root, join(dirname(path), name)), file));
      else if (!name.startsWith("node:"))
        loaded.packages.add(
          name
            .split("/")
            .slice(0, name.startsWith("@") ? 2 : 1)
            .join("/"),
        );
    }
  }
  return loaded;
}

const declared = (module: string, by: string): string => (/\.d\.m?ts$/.test(by) ? module.replace(/\.(m?)js$/, ".d.$1ts") : module);

/** What modules name, by their texts: most are in several packages. */
const namedBefore = new Map<string, readonly string[]>();

/** The modules that a module's text names: in imports, exports, `import()`, `require()`, and as a thread's. */
function namedIn(file: string, text: string): readonly string[] {
  const known = namedBefore.get(text);
  if (known !== undefined) return known;
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const add = (node: ts.Node | undefined): void => {
    if (node !== undefined && ts.isStringLiteralLike(node)) found.push(node.text);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal);
    if (ts.isCallExpression(node) && (node.expression.kind === ts.SyntaxKind.ImportKeyword || isNamed(node.expression, "require")))
      add(node.arguments[0]);
    if (ts.isNewExpression(node) && isNamed(node.expression, "URL") && node.arguments?.[1]?.getText() === "import.meta.url") {
      const [path] = node.arguments;
      if (path !== undefined && ts.isStringLiteralLike(path) && path.text.endsWith(".js")) add(path);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  namedBefore.set(text, found);
  return found;
}

const isNamed = (node: ts.Node, name: string): boolean => ts.isIdentifier(node) && node.text === name;

function withOwnTypebox(file: string, root: string): string {
  const place = relative(dirname(file), `${OWN_TYPEBOX}/index.mjs`);
  return readFileSync(join(root, file), "utf8").replaceAll(
    /(["'])typebox\1/g,
    JSON.stringify(place.startsWith(".") ? place : `./${place}`),
  );
}

function putTypebox(put: (file: string, text: Buffer) => void, root: string): void {
  const build = dirname(TYPEBOX);
  for (const file of loadedBy([TYPEBOX], root).files) put(join(OWN_TYPEBOX, relative(build, file)), readFileSync(join(root, file)));
  put(`${OWN_TYPEBOX}/license`, readFileSync(join(root, "node_modules/typebox/license")));
}

if (process.argv[1] === asset("dist", "scripts", "packages.js"))
  for (const folder of packageFolders()) {
    const { modules } = contentOf(manifestOf(folder));
    assemble(folder);
    console.log(
      `${manifestOf(folder).name}: ${modules.files.size} modules, packages: ${[...modules.packages].sort().join(", ") || "none"}`,
    );
  }
