/** A policy with many packages of custom rules, and data with as many purposes as wanted. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArchive } from "../src/bundle/archive.js";
import { CAPABILITIES_FILE, libraryFiles } from "../src/bundle/check.js";
import { findOpa, runOpa } from "../src/bundle/opa.js";
import type { PolicyData } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";
import { PURPOSE } from "./workload.js";

export function purposeId(i: number): string {
  return `${PURPOSE}_${i}`;
}

/** The shipped rules in `packages` packages, each for one purpose, as one module. */
export async function moduleOf(packages: number, folder: string): Promise<Uint8Array> {
  const opa = await findOpa();
  mkdirSync(join(folder, "rules"), { recursive: true });
  for (const file of await libraryFiles()) cpSync(asset("rego", file), join(folder, file));
  const rules = readFileSync(asset("rego", "policies", PURPOSE, "rules.rego"), "utf8");
  for (let i = 0; i < packages; i++) {
    const text = rules.replace(`package rules.${PURPOSE}`, `package rules.${purposeId(i)}`);
    writeFileSync(join(folder, "rules", `${purposeId(i)}.rego`), text);
  }
  const options = ["--target", "wasm", "--prune-unused", "--capabilities", CAPABILITIES_FILE];
  const args = ["build", ...options, "--entrypoint", "remit/decide", "--bundle", ".", "--output", "many.tar.gz"];
  const { code, stderr } = await runOpa(opa, args, folder);
  if (code !== 0) throw new Error(`the rules could not be compiled: ${stderr}`);
  const wasm = (await readArchive(readFileSync(join(folder, "many.tar.gz")))).get("policy.wasm");
  if (wasm === undefined) throw new Error("`opa build` wrote no policy.wasm");
  return wasm;
}

export function withPurposes(data: PolicyData, count: number): PolicyData {
  const purpose = data.purposes[PURPOSE];
  if (purpose === undefined) throw new Error(`the bundle has no purpose ${PURPOSE}`);
  const purposes = Object.fromEntries(Array.from({ length: count }, (_, i) => [purposeId(i), purpose]));
  return { ...data, purposes };
}
