/** `remit guard mcp --check`: everything that a start would read, and whether the mapping fits the policy and the approved tools. */
import type { GuardConfig } from "../../guards/mcp/config.js";
import type { Pins } from "../../guards/mcp/pins.js";
import { readGiven } from "../../system/read_file.js";
import { readYaml } from "../../system/yaml.js";
import type { Exit } from "../exit.js";
import { readBundle } from "../policy/sources.js";
import { sayError, sayJson, sayNotes, type Ui } from "../ui.js";
import { toolFaults, wordFaults, type MappingFault } from "./guard_words.js";

export interface GuardCheck {
  /** The configuration's file. */
  file: string;
  config: GuardConfig;
  pins: Pins;
  /** Bundle whose words are compared; null: none is at hand. */
  bundle: string | null;
}

/** A fault with its line. */
type PlacedFault = MappingFault & { file: string; line: number | null };

/** @returns the faults of the mapping, in words of the bundle and then of the tools */
export async function checkMapping({ file, config, pins, bundle }: GuardCheck): Promise<PlacedFault[]> {
  const { errorAt } = readYaml(readGiven(file), file);
  const words = bundle === null ? [] : wordFaults(config, (await readBundle(bundle)).data);
  return [...words, ...toolFaults(config, pins)].map((fault) => ({ ...fault, file, line: errorAt(fault.path, "").line }));
}

/** Prints the faults, and what wasn't checked. @returns null: it is good */
export function sayCheck({ file, config, pins, bundle }: GuardCheck, findings: readonly PlacedFault[], json: boolean, ui: Ui): Exit | null {
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const unapproved = [...config.tools.keys()].filter((name) => !pins.tools.has(name));
  if (json) sayJson(ui, { ok: errors === 0, tools: config.tools.size, approved: pins.tools.size, unapproved, bundle, findings });
  else {
    sayNotes(
      ui,
      findings.map((one) => ({ ...one, message: `${one.path.join(".")}: ${one.message} (${one.code})` })),
    );
    const warning = ui.paint("yellow", "warning:");
    for (const name of unapproved) ui.err(`${warning} \`${name}\` isn't approved, and so can't be called; its arguments weren't checked`);
    if (bundle === null) {
      ui.err(`${warning} no bundle is at hand: purpose, verbs, types, attributes and arguments weren't checked`);
      ui.err(`${ui.paint("cyan", "hint:")} give --bundle, or name one as \`bundle\` in ${file}`);
    }
    if (errors > 0) sayError(ui, errors === 1 ? "1 error" : `${errors} errors`);
    else ui.out(`${ui.paint("green", "good")}  ${file}`);
  }
  return errors === 0 ? null : "invalid";
}
