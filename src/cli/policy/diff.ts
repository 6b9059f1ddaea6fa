/** `remit diff A B`: what changed, in words. */
import type { Command } from "commander";
import { diffBundles, isSame, type BundleDifference } from "../../bundle/diff.js";
import { readBundle } from "./sources.js";
import { sayJson, type Style, type Ui } from "../ui.js";

const SECTIONS: readonly [member: keyof BundleDifference, title: string, style: Style][] = [
  ["permits_more", "newly permitted", "red"],
  ["permits_less", "no longer permitted", "green"],
  ["watches", "watched otherwise", "yellow"],
  ["words", "vocabulary", "bold"],
  ["rules", "rules", "bold"],
  ["data", "other data", "bold"],
];

const EXAMPLES = `
Examples:
  $ remit diff running.tar.gz next.tar.gz
  $ remit diff running.tar.gz next.tar.gz --json | jq '.permits_more'`;

export function addDiff(program: Command, ui: Ui): void {
  program
    .command("diff")
    .description("say in words what changed between two bundles, what became permitted first")
    .argument("<before>", "a bundle")
    .argument("<after>", "another")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (before: string, after: string, options: { json?: true }) => {
      const difference = diffBundles(await readBundle(before), await readBundle(after));
      if (options.json === true) {
        sayJson(ui, { ok: true, same: isSame(difference), ...difference });
        return;
      }
      for (const [member, title, style] of SECTIONS) {
        const lines = difference[member];
        if (lines.length === 0) continue;
        ui.out(ui.paint(style, title));
        for (const line of lines) ui.out(`  ${line}`);
      }
      if (isSame(difference)) ui.out("nothing that decides has changed");
    });
}
