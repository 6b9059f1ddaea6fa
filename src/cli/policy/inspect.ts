/** `remit inspect`: what a bundle says, whoever signed it. */
import type { Command } from "commander";
import { behaviorWords, entryWords, hoursWords } from "../../bundle/diff.js";
import type { UnverifiedBundle } from "../../bundle/verify.js";
import { maskWords, type Catalogue, type Purpose, type Vocabulary } from "../../contract/index.js";
import { readBundle } from "./sources.js";
import { sayJson, type Ui } from "../ui.js";

const EXAMPLES = `
Examples:
  $ remit inspect support.tar.gz
  $ remit inspect support.tar.gz --json | jq '.purposes | keys'

This shows what the file says, by whomever; \`remit verify\` tells whether that can be trusted.`;

export function addInspect(program: Command, ui: Ui): void {
  program
    .command("inspect")
    .description("show what a bundle says: identity, purposes, rules, files")
    .argument("<bundle>", "a .tar.gz")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: { json?: true }) => {
      const bundle = await readBundle(file);
      if (options.json === true) sayJson(ui, asJson(bundle));
      else sayBundle(ui, bundle);
    });
}

function asJson({ identity, metadata, data, catalogue, files }: UnverifiedBundle): object {
  return {
    ok: true,
    verified: false,
    ...identity,
    metadata,
    vocabulary: data.vocabulary,
    purposes: data.purposes,
    zones: Object.keys(data.zones),
    catalogue,
    files: Object.fromEntries([...files].map(([name, content]) => [name, content.length])),
  };
}

function sayBundle(ui: Ui, { identity, metadata, data, catalogue, files }: UnverifiedBundle): void {
  ui.out(`${ui.paint("bold", identity.bundle)} ${identity.revision}   (not verified)`);
  ui.out(`  sequence  ${identity.sequence}`);
  ui.out(`  built     ${metadata.built}   commit ${metadata.commit ?? "none named"}`);
  ui.out(`  expires   ${metadata.expires ?? "never"}`);
  ui.out(`  by        ${metadata.builder}, ${metadata.compiler}, WASM ABI ${metadata.abi}, tzdata ${metadata.tzdata}`);
  ui.out(`  digest    ${identity.digest}`);
  ui.out(`  verbs     ${Object.keys(data.vocabulary.verbs).join(", ")}`);
  ui.out(`  types     ${Object.keys(data.vocabulary.types).join(", ")}`);
  sayMasks(ui, data.vocabulary);
  for (const [id, purpose] of Object.entries(data.purposes)) sayPurpose(ui, id, purpose, catalogue);
  ui.out(`\n${ui.paint("bold", "files")}`);
  for (const [name, content] of files) ui.out(`  ${String(content.length).padStart(8)}  ${name}`);
}

/** Prints each masked field with the rules that decide by it. */
function sayMasks(ui: Ui, { masks = [] }: Vocabulary): void {
  const width = Math.max(0, ...masks.map((mask) => maskWords(mask).length));
  for (const [i, mask] of masks.entries()) {
    const readers = mask.read_by.length === 0 ? "read by nothing" : `read by ${mask.read_by.join(", ")}`;
    ui.out(`  ${(i === 0 ? "masked" : "").padEnd(9)} ${maskWords(mask).padEnd(width)}   ${readers}`);
  }
}

function sayPurpose(ui: Ui, id: string, purpose: Purpose, catalogue: Catalogue): void {
  ui.out(`\n${ui.paint("bold", id)}: ${purpose.statement}`);
  ui.out(`  owner ${purpose.owner}, task ${purpose.task}, hours ${hoursWords(purpose.hours)}`);
  ui.out(`  behavior ${behaviorWords(purpose.behavior)}`);
  for (const line of ["allow", "flag", "never"] as const) {
    for (const [type, verbs] of Object.entries(purpose[line])) {
      for (const [verb, entries] of Object.entries(verbs)) {
        for (const entry of entries) ui.out(`  ${entryWords(line, type, verb, entry)}`);
      }
    }
  }
  for (const [code, { effect, title, purposes, sources }] of Object.entries(catalogue)) {
    if (!purposes.includes(id) || !sources.some((source) => source.includes(".rego:"))) continue;
    ui.out(`  rule ${code} (${effect}): ${title}   ${ui.paint("dim", sources.join(", "))}`);
  }
}
