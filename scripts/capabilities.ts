/** Writes rego/capabilities.json: `node dist/scripts/capabilities.js`. A test holds the file equal to what this makes. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { loadPolicy } from "@open-policy-agent/opa-wasm";
import { readArchive } from "../src/bundle/archive.js";
import { allowedCapabilities, type Capabilities } from "../src/bundle/capabilities.js";
import { findOpa, runOpa, type Opa } from "../src/bundle/opa.js";
import { HOSTED } from "../src/bundle/builtins/index.js";
import { asset } from "../src/system/paths.js";

/** The file's text. Asks the compiler for a module that calls every builtin, and the module for what its host must give. */
export async function capabilitiesText(compiler: Opa): Promise<string> {
  const all = JSON.parse((await runOpa(compiler, ["capabilities", "--current"], ".")).stdout) as Capabilities;
  const callable = all.builtins.filter(
    ({ name, deprecated }) => deprecated !== true && !["eq", "print", "internal.print", "internal.test_case"].includes(name),
  );
  const calls = callable.map(({ name, decl }, index) => {
    const operands = (decl.args ?? []).map((_, operand) => `input.a${operand}`);
    return `r${index} := x if { x := ${name}(${operands.join(", ")}) }`;
  });
  const hosted = await hostedBuiltins(compiler, ["package p", ...calls, ""].join("\n\n"));
  const native = new Set(callable.map(({ name }) => name).filter((name) => !hosted.has(name)));
  return `${JSON.stringify(
    allowedCapabilities(all, (name) => native.has(name) || HOSTED.has(name)),
    null,
    2,
  )}\n`;
}

async function hostedBuiltins(compiler: Opa, source: string): Promise<Set<string>> {
  const folder = await mkdtemp(join(tmpdir(), "remit-capabilities-"));
  try {
    await writeFile(join(folder, "p.rego"), source);
    const built = await runOpa(compiler, ["build", "-t", "wasm", "-e", "p", "-o", "b.tar.gz", "p.rego"], folder);
    if (built.code !== 0) throw new Error(built.stderr + built.stdout);
    const module = (await readArchive(await readFile(join(folder, "b.tar.gz")))).get("policy.wasm");
    if (module === undefined) throw new Error("opa build wrote no policy.wasm");
    const { wasmInstance, mem } = (await loadPolicy(module)) as unknown as {
      wasmInstance: { exports: { builtins(): number; opa_json_dump(address: number): number } };
      mem: { buffer: ArrayBuffer };
    };
    const bytes = Buffer.from(mem.buffer, wasmInstance.exports.opa_json_dump(wasmInstance.exports.builtins()));
    return new Set(Object.keys(JSON.parse(bytes.toString("utf8", 0, bytes.indexOf(0))) as object));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const text = await capabilitiesText(await findOpa());
  await writeFile(asset("rego", "capabilities.json"), text);
}
