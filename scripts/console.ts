/** Builds the console's page into dist/console: one script, one style, and fails if they are larger than a page may be. */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { asset } from "../src/system/paths.js";

/** Most bytes of script and style together, compressed. */
const GZIP_BYTES_MAX = 60 * 1024;
const SOURCES = asset("src", "console", "page");
const TARGET = asset("dist", "console");

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(TARGET, { recursive: true });
await build({
  entryPoints: { app: join(SOURCES, "main.tsx") },
  outdir: TARGET,
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  tsconfigRaw: {},
  legalComments: "none",
});
await build({
  entryPoints: { app: join(SOURCES, "style.css") },
  outdir: TARGET,
  entryNames: "[name]-[hash]",
  minify: true,
});
copyFileSync(join(SOURCES, "icon.svg"), join(TARGET, "icon.svg"));
const bytes = readdirSync(TARGET)
  .filter((name) => /\.(?:js|css)$/.test(name))
  .reduce((sum, name) => sum + gzipSync(readFileSync(join(TARGET, name)), { level: 9 }).length, 0);
if (bytes > GZIP_BYTES_MAX) throw new Error(`the console's page has ${bytes} bytes, compressed; at most ${GZIP_BYTES_MAX}`);
console.log(`console: ${bytes} bytes, compressed`);
