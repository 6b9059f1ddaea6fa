/** Writes the playground as static files, for any server: `node dist/scripts/playground.js <folder>`, a part of `make site`. */
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliDecompressSync, gzipSync } from "node:zlib";
import { pinnedOpaVersion, wasmArtefact } from "../src/bundle/opa.js";
import { shell } from "../src/console/assets.js";
import { asset } from "../src/system/paths.js";

/** Policy of the page as far as a page can say it itself; who may frame it is the server's to say. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
  "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types remit-worker";

/**
 * Writes `index.html` and `assets/` into a folder.
 * @param built folder of the console's pages
 */
export function writePlayground(folder: string, built = asset("dist", "console")): void {
  const assets = join(folder, "assets");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(assets, { recursive: true });
  const files = readdirSync(built);
  const named = (pattern: RegExp): string => {
    const found = files.find((name) => pattern.test(name));
    if (found === undefined) throw new Error(`${built} has no built pages; run \`npm run build\``);
    return `assets/${found}`;
  };
  for (const name of files) if (/^(?:playground|values|library)-|\.css$|^icon/.test(name)) cpSync(join(built, name), join(assets, name));
  // Servers of static files say nothing of an encoding, so that the worker unpacks it.
  const compiler = wasmArtefact(pinnedOpaVersion());
  const opa = `${basename(compiler, ".br")}.gz`;
  writeFileSync(join(assets, opa), gzipSync(brotliDecompressSync(readFileSync(compiler)), { level: 9 }));
  const parts = {
    worker: named(/^playground-worker-/),
    library: named(/^library-/),
    opa: `assets/${opa}`,
  };
  const page = shell({
    style: named(/\.css$/),
    icon: "assets/icon.svg",
    script: named(/^playground-[A-Z0-9]+\.js$/),
    attributes: Object.entries(parts).map(([name, path]) => ` data-${name}="${path}"`),
    head: `<meta http-equiv="content-security-policy" content="${POLICY}">\n`,
  });
  writeFileSync(join(folder, "index.html"), page);
}

const [, program, folder] = process.argv;
if (program !== undefined && basename(program) === "playground.js" && folder !== undefined) writePlayground(folder);
