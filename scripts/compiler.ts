/**
 * Builds OPA as WebAssembly into compiler/, with the licences of its modules and its checksums: `node dist/scripts/compiler.js`. Needs Go.
 * `--check` builds it elsewhere, and fails unless each byte is the one in the tree.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, brotliDecompress, constants } from "node:zlib";
import { pinnedOpaVersion, wasmArtefact } from "../src/bundle/opa.js";
import { asset, PACKAGE_ROOT } from "../src/system/paths.js";

/** Another Go builds other bytes. The `go` command fetches this one if it is another. */
const GO = "go1.26.8";
const BUILD_MS_MAX = 900_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const LICENCE = /^(licen[cs]e|copying|notice|patents)([.-].*)?$/i;
const ENV = {
  ...process.env,
  GOTOOLCHAIN: GO,
  GOOS: "wasip1",
  GOARCH: "wasm",
  GOWASM: "",
  GOFLAGS: "",
  GOEXPERIMENT: "",
  CGO_ENABLED: "0",
};

async function go(...args: string[]): Promise<string> {
  const options = { cwd: PACKAGE_ROOT, env: ENV, timeout: BUILD_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX };
  return (await promisify(execFile)("go", args, options)).stdout;
}

async function buildModule(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "remit-compiler-"));
  try {
    const target = join(folder, "opa.wasm");
    // The module is a reactor: initialized once, then called. Without symbols, since nobody debugs it here.
    await go("build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w -buildid=", "-o", target, "./compiler");
    return await readFile(target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The modules that the artefact is made of, each with the texts of its licences. */
async function noticeText(): Promise<string> {
  const format = "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}\t{{.Dir}}{{end}}{{end}}";
  const modules = [...new Set((await go("list", "-deps", "-f", format, "./compiler")).split("\n").filter(Boolean))].sort();
  const standard: [string, string] = [`Go's standard library, ${GO}`, (await go("env", "GOROOT")).trim()];
  const parts = [standard, ...modules.map((line) => line.split("\t") as [string, string])];
  const sections: string[] = [];
  for (const [name, folder] of parts) {
    const files = (await readdir(folder)).filter((file) => LICENCE.test(file)).sort();
    if (files.length === 0) throw new Error(`${name} has no licence in ${folder}`);
    const texts = await Promise.all(files.map(async (file) => (await readFile(join(folder, file), "utf8")).trim()));
    sections.push([`${"=".repeat(80)}\n${name}\n${"=".repeat(80)}`, ...texts].join("\n\n"));
  }
  const head = "What opa-*.wasm.br is made of: the sources in this folder (under Remit's own licence), and these.";
  return `${[head, ...sections].join("\n\n")}\n`;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const artefact = wasmArtefact(pinnedOpaVersion());
const [notice, sums] = [asset("compiler", "NOTICE"), asset("compiler", "SHA256SUMS")];
const [wasm, licences] = [await buildModule(), await noticeText()];
console.log(`${sha256(wasm)}  ${(wasm.length / 1e6).toFixed(1)} MB, built with ${GO}`);
const there = existsSync(artefact) ? await promisify(brotliDecompress)(await readFile(artefact)) : Buffer.of();
if (process.argv.includes("--check")) {
  const same = there.equals(wasm) && (await readFile(notice, "utf8")) === licences;
  console.log(
    same ? "the tree has the same" : `${basename(artefact)} or NOTICE in the tree differ: run \`make compiler\` and commit what it writes`,
  );
  process.exitCode = same ? 0 : 1;
} else {
  for (const old of await readdir(asset("compiler")))
    if (old.endsWith(".wasm.br") && old !== basename(artefact)) await rm(asset("compiler", old));
  // Compressing takes minutes, and another version of the compressor may give other bytes.
  if (!there.equals(wasm)) await writeFile(artefact, await compressed(wasm));
  const name = basename(artefact);
  await writeFile(notice, licences);
  await writeFile(sums, `${sha256(await readFile(artefact))}  ${name}\n${sha256(wasm)}  ${name.replace(/\.br$/, "")}\n`);
}

async function compressed(bytes: Buffer): Promise<Buffer> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return await promisify(brotliCompress)(bytes, { params });
}
