/**
 * Builds what the Python client takes answers of tools apart with: `src/flow/returned_values.ts` as one script for V8 alone, in
 * packages/python/src/remit_pdp/_flow.js. Two implementations would find different values in the same answer.
 */
import { statSync } from "node:fs";
import { build, type Plugin } from "esbuild";
import { asset } from "../src/system/paths.js";

const TARGET = asset("packages", "python", "src", "remit_pdp", "_flow.js");

/** Modules that stand for what V8 alone doesn't have, and for what isn't needed: an answer's days are found by their form, not by words. */
const OWN: Readonly<Record<string, string>> = {
  entry: `
    import { returnedOf } from "./src/flow/returned_values.ts";
    // The engine hands texts over as UTF-8, which half of a pair isn't.
    const escaped = (letter) => "\\\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0");
    globalThis.returned = (answer) => JSON.stringify(returnedOf(JSON.parse(answer))).replace(/[^ -~]/g, escaped);`,
  globals: `export { Buffer } from "buffer"; export { URL } from "whatwg-url";`,
  module: `
    import * as phones from "libphonenumber-js/min";
    export const createRequire = () => (name) => {
      if (name !== "libphonenumber-js/min") throw new Error(name + " isn't built in");
      return phones;
    };`,
  encoding: `
    import { Buffer } from "buffer";
    export const utf8Encode = (text) => Buffer.from(text, "utf8");
    export const utf8DecodeWithoutBOM = (bytes) => Buffer.from(bytes).toString("utf8");`,
  schemas: `const any = new Proxy(() => any, { get: () => any, apply: () => any }); export { any as Type };`,
};

const own: Plugin = {
  name: "own",
  setup(building) {
    const places: [pattern: RegExp, name: string][] = [
      [/^own:/, ""],
      [/^node:module$/, "module"],
      [/^\.\/encoding(?:\.js)?$/, "encoding"],
      [/^\.\/type\.js$/, "schemas"],
    ];
    for (const [filter, name] of places)
      building.onResolve({ filter }, ({ path }) => ({ path: name === "" ? path.slice("own:".length) : name, namespace: "own" }));
    building.onResolve({ filter: /contract\/index\.js$/ }, () => ({ path: asset("src", "contract", "flow.ts") }));
    building.onLoad({ filter: /.*/, namespace: "own" }, ({ path }) => ({ contents: OWN[path] ?? "", resolveDir: asset() }));
  },
};

await build({
  entryPoints: ["own:entry"],
  inject: ["own:globals"],
  outfile: TARGET,
  bundle: true,
  minify: true,
  charset: "ascii",
  format: "iife",
  target: "es2022",
  mainFields: ["module", "main"],
  define: { "import.meta.url": '""' },
  tsconfigRaw: {},
  legalComments: "linked",
  logLevel: "warning",
  plugins: [own],
});
console.log(`Python: flow ${statSync(TARGET).size} bytes`);
