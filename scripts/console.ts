/** Builds the console's pages and their workers into dist/console, and fails if one is larger than it may be. */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { pinnedOpaVersion } from "../src/bundle/opa.js";
import type { Library, SetFiles } from "../src/console/browser/playground_messages.js";
import { asset } from "../src/system/paths.js";
import { generatedFile, watchSchemas } from "../src/system/schemas.js";

/** Most bytes of each, compressed. */
const GZIP_BYTES_MAX = { page: 60 * 1024, playground: 150 * 1024, workers: 190 * 1024, values: 176 * 1024 };
const SOURCES = asset("src", "console", "page");
const WORKERS = asset("src", "console", "browser");
const TARGET = asset("dist", "console");
/** Sets that the playground has to begin with, by the folder that each stands in. */
const SETS: Readonly<Record<string, string>> = {
  policy: asset("templates", "policy"),
  customer_support: asset("rego", "policies", "customer_support"),
  retail: asset("rego", "policies", "retail"),
};

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(TARGET, { recursive: true });

/** Schemas that the workers' modules ask for when they are loaded. */
const asked = new Set<string>();
watchSchemas((one) => asked.add(generatedFile(one)));
for (const module of ["decision/decide.js", "authoring/starting_point.js"]) await import(`../src/${module}`);

function validatorsModule(): string {
  const members = [...asked].map((file) => `"${basename(file, ".cjs")}": require(${JSON.stringify(file)})`);
  return `exports.VALIDATORS = { ${members.join(", ")} };`;
}

const common: BuildOptions = {
  outdir: TARGET,
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  tsconfigRaw: {},
  legalComments: "none",
};
const pages = { ...common, jsx: "automatic", jsxImportSource: "preact" } as const;

/** Returns true for modules that mean their own neighbour by the name: those of the host, and the door's reader of values. */
function isOther(importer: string, name: string): boolean {
  return importer.includes(join("browser", "host")) || (name === "values" && !/\/(?:flow|authoring)\/[^/]+$/.test(importer));
}

/** Puts the worker's own host in the place of Node and of what needs it: files in memory, the compiler in the same thread. */
const inBrowser: Plugin = {
  name: "host",
  setup(building) {
    const host = (name: string): { path: string; sideEffects: boolean } => ({
      path: join(WORKERS, "host", `${name}.ts`),
      sideEffects: false,
    });
    const own: [pattern: RegExp, name: string][] = [
      [/^node:fs$/, "fs"],
      [/^node:fs\/promises$/, "fs_promises"],
      [/^node:crypto$/, "crypto"],
      [/^node:module$/, "module"],
      [/^node:os$/, "os"],
      [/(?:^\.|\/system)\/paths\.js$/, "places"],
      [/\/opa_process\.js$/, "opa_process"],
      [/(?:^\.|\/bundle)\/archive\.js$/, "archive"],
      [/(?:^\.|\/bundle)\/zones\.js$/, "zones"],
      [/(?:^\.|\/flow)\/values\.js$/, "values"],
      [/(?:^\.|\/system)\/schemas\.js$/, "schemas"],
    ];
    for (const [filter, name] of own) building.onResolve({ filter }, ({ importer }) => (isOther(importer, name) ? undefined : host(name)));
    // As CommonJS the library's exports are those that its callers here name.
    building.onResolve({ filter: /^@open-policy-agent\/opa-wasm$/ }, () => ({
      path: asset("node_modules", "@open-policy-agent", "opa-wasm", "src", "index.cjs"),
    }));
    // A policy asks none of the library's own builtins: what it may ask of a host is in `src/bundle/builtins`.
    building.onResolve({ filter: /^\.\/builtins\/index$/ }, ({ path }) => ({ path, namespace: "absent", sideEffects: false }));
    building.onResolve({ filter: /^virtual:validators$/ }, ({ path }) => ({ path, namespace: "validators" }));
    building.onLoad({ filter: /.*/, namespace: "validators" }, () => ({ contents: validatorsModule(), resolveDir: asset() }));
    building.onResolve({ filter: /^node:path$/ }, () => ({
      path: asset("node_modules", "path-browserify", "index.js"),
      sideEffects: false,
    }));
    building.onResolve({ filter: /^node:buffer$/ }, () => host("buffer"));
    // Programs, threads and compression that no browser has: nothing that runs here reaches them.
    building.onResolve({ filter: /^node:|\/system\/thread\.js$/ }, ({ path }) => ({ path, namespace: "absent", sideEffects: false }));
    building.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: "module.exports = {}" }));
  },
};

await build({ ...pages, entryPoints: { app: join(SOURCES, "main.tsx"), playground: join(SOURCES, "playground", "main.tsx") } });
await build({ ...common, entryPoints: { app: join(SOURCES, "style.css") } });
await build({
  ...common,
  entryPoints: { "playground-worker": join(WORKERS, "playground.ts"), "replay-worker": join(WORKERS, "replay.ts") },
  inject: [join(WORKERS, "host", "globals.ts")],
  plugins: [inBrowser],
  splitting: true,
  chunkNames: "values-[hash]",
});
copyFileSync(join(SOURCES, "icon.svg"), join(TARGET, "icon.svg"));
writeLibrary();
checkSize("page", /^app-/);
checkSize("playground", /^(?:playground-[A-Z0-9]+\.js|app-[A-Z0-9]+\.css)$/);
checkSize("workers", /^(?:playground|replay)-worker-/);
checkSize("values", /^values-/);

/** Files that compiling needs, and sets to begin with, in one. */
function writeLibrary(): void {
  const text = (...path: string[]): string => readFileSync(asset(...path), "utf8");
  const remit = readdirSync(asset("rego", "remit")).filter((name) => !name.endsWith("_test.rego"));
  const assets: SetFiles = {
    "go.mod": text("go.mod"),
    "rego/capabilities.json": JSON.stringify(JSON.parse(text("rego", "capabilities.json"))),
    "rego/conventions/conventions.rego": text("rego", "conventions", "conventions.rego"),
    ...Object.fromEntries(remit.map((name) => [`rego/remit/${name}`, text("rego", "remit", name)])),
  };
  const sets = Object.fromEntries(Object.entries(SETS).map(([name, folder]) => [name, setFiles(folder)]));
  const library = JSON.stringify({ opa: pinnedOpaVersion(), assets, sets } satisfies Library);
  const hash = createHash("sha256").update(library).digest("hex").slice(0, 8).toUpperCase();
  writeFileSync(join(TARGET, `library-${hash}.json`), library);
}

function setFiles(folder: string): SetFiles {
  const tables = readdirSync(join(folder, "tables")).map((name) => join("tables", name));
  const files = [...readdirSync(folder), ...tables].filter((name) => /\.(?:yaml|rego)$/.test(name)).sort();
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

function checkSize(part: keyof typeof GZIP_BYTES_MAX, pattern: RegExp): void {
  const bytes = readdirSync(TARGET)
    .filter((name) => pattern.test(name) && /\.(?:js|css)$/.test(name))
    .reduce((sum, name) => sum + gzipSync(readFileSync(join(TARGET, name)), { level: 9 }).length, 0);
  const max = GZIP_BYTES_MAX[part];
  if (bytes > max) throw new Error(`the console's ${part} has ${bytes} bytes, compressed; at most ${max}`);
  console.log(`console: ${part} ${bytes} bytes, compressed`);
}
