/** `remit fmt`: a policy set's Rego, formatted as the build wants it. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { regoFiles } from "../../bundle/compile.js";
import { parseModules } from "../../bundle/conventions.js";
import { findOpa, runOpa, type Opa } from "../../bundle/opa.js";
import { CliError } from "../exit.js";
import { inFolder } from "./sources.js";
import { sayJson, type Ui } from "../ui.js";

interface Options {
  json?: true;
}

const EXAMPLES = `
Examples:
  $ remit fmt                       # the set in this folder
  $ remit fmt policies/support policies/shop`;

export function addFmt(program: Command, ui: Ui): void {
  program
    .command("fmt")
    .description("format the Rego of policy sets, as `opa fmt` does, and print the files that changed")
    .argument("[folders...]", "of policy sets", ["."])
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folders: string[], options: Options) => {
      const opa = await findOpa();
      const changed: string[] = [];
      for (const folder of folders) changed.push(...(await inFolder(folder, () => formatSet(opa, folder))));
      if (options.json === true) sayJson(ui, { ok: true, changed });
      else for (const file of changed) ui.out(file);
    });
}

/**
 * @returns the files that changed
 * @throws SourceErrors if a file isn't Rego; nothing is written then
 */
async function formatSet(opa: Opa, folder: string): Promise<string[]> {
  const files = regoFiles(folder);
  await parseModules(opa, folder, files);
  const changed: string[] = [];
  for (const file of files) {
    const { code, stdout, stderr } = await runOpa(opa, ["fmt", file], folder);
    if (code !== 0) throw new CliError("failed", `\`opa fmt\` failed on ${file}: ${stderr.trim()}`);
    const path = join(folder, file);
    if ((await readFile(path, "utf8")) === stdout) continue;
    await writeFile(path, stdout);
    changed.push(path);
  }
  return changed;
}
