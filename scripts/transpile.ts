/**
 * A build of the sources that changed, without a look at types: what a run of a few tests needs. `npm run build` ends with it too, since
 * the compiler takes a source that was changed and put back for one whose output still stands.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { asset } from "../src/system/paths.js";

interface Configuration {
  include: string[];
  compilerOptions: object;
}

const changedMs = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Returns the paths, without ending, of sources that are newer than their output. */
function changedSources(root: string, folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
      .map((path) => join(folder, path.slice(0, -".ts".length)))
      .filter((path) => changedMs(join(root, `${path}.ts`)) > changedMs(join(root, "dist", `${path}.js`))),
  );
}

/**
 * Writes the JavaScript and source maps of changed sources, as the compiler would: `isolatedModules` makes sure that each can be
 * translated alone.
 * @returns how many there were
 * @throws Error if a source has a syntax error
 */
export async function transpileChanged(root = asset()): Promise<number> {
  const { include, compilerOptions: given } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as Configuration;
  const changed = changedSources(
    root,
    include.filter((folder) => existsSync(join(root, folder))),
  );
  if (changed.length === 0) return 0;
  // Loading it takes longer than looking for changes.
  const { default: ts } = await import("typescript");
  const { options } = ts.convertCompilerOptionsFromJson(given, root);
  // A file alone doesn't know of the package, which says that modules are ECMAScript's.
  const compilerOptions = { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
  for (const path of changed) {
    const fileName = join(root, `${path}.ts`);
    const built = join(root, "dist", `${path}.js`);
    const output = ts.transpileModule(readFileSync(fileName, "utf8"), { fileName, compilerOptions, reportDiagnostics: true });
    const [wrong] = output.diagnostics ?? [];
    if (wrong !== undefined) throw new Error(ts.formatDiagnostic(wrong, ts.createCompilerHost(compilerOptions)).trim());
    mkdirSync(dirname(built), { recursive: true });
    writeFileSync(built, output.outputText);
    writeFileSync(`${built}.map`, output.sourceMapText ?? "");
  }
  return changed.length;
}

if (process.argv[1] === asset("dist", "scripts", "transpile.js")) await transpileChanged();
