/** `remit verify`: whether a service that trusts these keys would take the bundle. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { keyId, publicKey } from "../bundle/signature.js";
import { verifyBundle } from "../bundle/verify.js";
import { systemClock } from "../system/index.js";
import { readGiven } from "../system/read_file.js";
import { CliError } from "./exit.js";
import { defaultKeyPath } from "./keys.js";
import { readable } from "./places.js";
import { readBundle } from "./sources.js";
import { sayJson, type Ui } from "./ui.js";
import { collect } from "./values.js";

const EXAMPLES = `
Examples:
  $ remit verify support.tar.gz --key signing.pub.pem
  $ remit verify support.tar.gz --key old.pub.pem --key new.pub.pem --name support`;

export function addVerify(program: Command, ui: Ui): void {
  program
    .command("verify")
    .description("check a bundle's signature, every file, its shape and its expiry")
    .argument("<bundle>", "a .tar.gz")
    .option("--key <file>", `a public key to trust; may be given again (default: ${defaultKeyPath()}.pub.pem)`, collect)
    .option("--name <name>", "the name it must have (default: whichever it has)")
    .option("--json", "say it as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: { key?: string[]; name?: string; json?: true }) => {
      const keys = new Map(await Promise.all((options.key ?? [`${defaultKeyPath()}.pub.pem`]).map(trustedKey)));
      const bytes = readGiven(file);
      const name = options.name ?? (await readBundle(file)).metadata.name;
      const { identity, metadata } = await verifyBundle(bytes, { keys, name, nowMs: systemClock.wall() });
      if (options.json === true) {
        sayJson(ui, { ok: true, ...identity, metadata });
        return;
      }
      ui.out(`${ui.paint("green", "verified")}  ${identity.bundle} ${identity.revision}`);
      ui.out(`  sequence  ${identity.sequence}`);
      ui.out(`  digest    ${identity.digest}`);
      ui.out(`  expires   ${metadata.expires ?? "never"}`);
    });
}

export async function trustedKey(file: string): Promise<[string, ReturnType<typeof publicKey>]> {
  if (!existsSync(file)) throw new CliError("failed", `\`${file}\` does not exist`, "--key names a public key to trust");
  const text = await readFile(readable(file), "utf8");
  try {
    const key = publicKey(text);
    return [keyId(key), key];
  } catch (cause) {
    throw new CliError("invalid", `\`${file}\` is not a P-256 public key in PEM form`, null, { cause });
  }
}
