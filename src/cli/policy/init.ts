/** `remit init`: a policy repository that works at once. */
import { cp, mkdir, readdir, rename } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { asset } from "../../system/paths.js";
import { CliError } from "../exit.js";
import { sayJson, type Ui } from "../ui.js";

/** JSON Schemas by which editors complete and check the YAML of a set; its files name them. */
const SCHEMAS = ".schemas";
/** Names that package managers drop or take for their own; the template has them without the dot. */
const DOTTED = ["gitignore", "github", "vscode"];

const EXAMPLES = `
Examples:
  $ remit init my-policies && cd my-policies
  $ remit test
  $ remit keys generate
  $ remit build`;

export function addInit(program: Command, ui: Ui): void {
  program
    .command("init")
    .description("make a policy repository: vocabulary, purposes, rules, tests, a table, a CI workflow")
    .argument("[folder]", "new or empty", ".")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folder: string, options: { json?: true }) => {
      const files = await initFolder(folder);
      if (options.json === true) {
        sayJson(ui, { ok: true, folder, files });
        return;
      }
      for (const file of files) ui.out(`  ${file}`);
      ui.err(`${ui.paint("cyan", "hint:")} next: \`remit test ${folder}\`, then \`remit keys generate\` and \`remit build ${folder}\``);
    });
}

/**
 * @returns the files that were written, relative to the folder
 * @throws CliError where something is there already
 */
async function initFolder(folder: string): Promise<string[]> {
  const there = existsSync(folder) ? (await readdir(folder)).filter((name) => name !== ".git") : [];
  if (there.length > 0) {
    throw new CliError("failed", `\`${folder}\` isn't empty`, "name a new folder: `remit init my-policies`");
  }
  await mkdir(folder, { recursive: true });
  await cp(asset("templates", "policy"), folder, { recursive: true });
  await cp(asset("rego", "schemas"), join(folder, SCHEMAS), { recursive: true });
  for (const name of DOTTED) await rename(join(folder, name), join(folder, `.${name}`));
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, "/").length))
    .filter((file) => !file.startsWith(".git/"))
    .sort();
}
