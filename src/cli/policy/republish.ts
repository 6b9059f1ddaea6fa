/** `remit republish`: an earlier bundle's content, signed under a later sequence. */
import { type KeyObject } from "node:crypto";
import type { Command } from "commander";
import { republishBundle, type RepublishedBundle } from "../../bundle/republish.js";
import { keyId, publicKey } from "../../bundle/signature.js";
import { systemClock } from "../../system/index.js";
import { readGiven } from "../../system/read_file.js";
import { CliError } from "../exit.js";
import { ofBundle, writeWhole } from "./sources.js";
import { EXPIRES_DAYS, KEY_OPTION, rehearse, signingKey, time, wholeNumber } from "./signing_options.js";
import { sayJson, type Ui } from "../ui.js";
import { collect } from "../values.js";
import { trustedKey } from "./verify.js";

const DAY_MS = 86_400_000;

interface Options {
  out?: string;
  key?: string;
  trust?: string[];
  sequence: number;
  expires?: number;
  expiry: boolean;
  json?: true;
}

const EXAMPLES = `
Examples:
  $ remit republish last-week.tar.gz --sequence 42 --out back.tar.gz
  $ remit publish back.tar.gz --reason "refunds were let through"

The policy is that of the old bundle, byte for byte, so neither its sources nor a compiler are needed.
\`remit build --also <bundle>\` prepares the way back together with each build.`;

export function addRepublish(program: Command, ui: Ui): void {
  program
    .command("republish")
    .description("sign an earlier bundle's content under a later sequence: the way back")
    .argument("<bundle>", "the earlier .tar.gz")
    .requiredOption("--sequence <n>", "higher than that of the bundle that runs now", wholeNumber)
    .option("--out <file>", "the new bundle (default: <name>-<sequence>.tar.gz)")
    .option("--key <file>", KEY_OPTION)
    .option("--trust <file>", "a public key that may have signed the earlier bundle; may be given again (default: that of --key)", collect)
    .option("--expires <time>", `RFC 3339 (default: in ${EXPIRES_DAYS} days)`, time)
    .option("--no-expiry", "it never expires")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: Options) => {
      const key = await signingKey(options.key);
      const builtMs = systemClock.wall();
      const expiresMs = options.expiry ? (options.expires ?? builtMs + EXPIRES_DAYS * DAY_MS) : null;
      if (expiresMs !== null && expiresMs <= builtMs) throw new CliError("usage", "--expires lies in the past");
      const trusted = options.trust === undefined ? null : await Promise.all(options.trust.map(trustedKey));
      const made = await republish(file, key, trusted, { sequence: options.sequence, expiresMs, builtMs });
      const out = options.out ?? `${made.metadata.name}-${options.sequence}.tar.gz`;
      await writeWhole(out, made.archive);
      const { metadata, revision, digest, from } = made;
      if (options.json === true) sayJson(ui, { ok: true, file: out, key_id: keyId(key), revision, digest, metadata, from });
      else sayRepublished(ui, out, made);
    });
}

/**
 * Republishes a file, and tries the result as a service would.
 * @param trusted null: the public key of `key`
 */
export async function republish(
  file: string,
  key: KeyObject,
  trusted: [string, KeyObject][] | null,
  settled: { sequence: number; expiresMs: number | null; builtMs: number },
): Promise<RepublishedBundle> {
  const own: [string, KeyObject] = [keyId(key), publicKey(key.export({ type: "pkcs8", format: "pem" }))];
  const made = await ofBundle(file, () => republishBundle(readGiven(file), { key, keys: new Map(trusted ?? [own]), ...settled }));
  await rehearse(made.archive, made.metadata.name, key, settled.builtMs);
  return made;
}

export function sayRepublished(ui: Ui, out: string, { metadata, revision, digest, from }: RepublishedBundle): void {
  ui.out(`${ui.paint("bold", out)}  ${metadata.name} ${revision}, the content of sequence ${from.sequence}`);
  ui.out(`  sequence  ${metadata.sequence}`);
  ui.out(`  expires   ${metadata.expires ?? "never"}`);
  ui.out(`  digest    ${digest}`);
}
