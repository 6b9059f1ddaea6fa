/** `remit cosign`: a second signature on a bundle, for services that want two. */
import type { Command } from "commander";
import { readArchive, writeArchive } from "../../bundle/archive.js";
import { cosignFiles, keyId } from "../../bundle/signature.js";
import { parseTime } from "../../contract/index.js";
import { readGiven } from "../../system/read_file.js";
import { KEY_OPTION, signingKey } from "./signing_options.js";
import { ofBundle, readBundle, writeWhole } from "./sources.js";
import { sayJson, type Ui } from "../ui.js";
import { collect } from "../values.js";
import { trustedKey } from "./verify.js";

interface CosignOptions {
  key?: string;
  trust: string[];
  out?: string;
  json?: true;
}

const EXAMPLES = `
Examples:
  $ remit inspect support.tar.gz
  $ remit cosign support.tar.gz --key release.pem --trust ci.pub.pem
  $ remit verify support.tar.gz --key ci.pub.pem --key release.pub.pem --signers 2

A service with \`bundle.signers_min: 2\` takes no bundle that one key alone has signed. Look at what you sign:
\`remit inspect\`, \`remit diff\` and \`remit verify --rebuild\` show it.`;

export function addCosign(program: Command, ui: Ui): void {
  program
    .command("cosign")
    .description("sign a bundle that somebody else has signed: the second of two signers")
    .argument("<bundle>", "a .tar.gz")
    .option("--key <file>", KEY_OPTION)
    .requiredOption("--trust <file>", "a public key, of which one has to have signed it first; may be given again", collect)
    .option("--out <file>", "the bundle with both signatures (default: in its place)")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, { key: keyFile, trust, out = file, json }: CosignOptions) => {
      const key = await signingKey(keyFile);
      const keys = new Map(await Promise.all(trust.map(trustedKey)));
      const { identity, metadata } = await readBundle(file);
      const files = await ofBundle(file, async () => cosignFiles(await readArchive(readGiven(file)), key, keys));
      await writeWhole(out, await writeArchive(files, (parseTime(metadata.built) ?? 0) / 1000));
      if (json === true) sayJson(ui, { ok: true, file: out, key_id: keyId(key), ...identity });
      else ui.out(`${ui.paint("green", "signed by a second key")}  ${out}  ${identity.bundle} ${identity.revision}, ${identity.digest}`);
    });
}
