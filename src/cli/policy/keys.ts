/** `remit keys generate`: the pair that signs bundles. */
import { generateKeyPairSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { keyId } from "../../bundle/signature.js";
import { CliError } from "../exit.js";
import { sayJson, type Ui } from "../ui.js";

/** Path to which `keys generate` writes and at which `build` looks, without the endings `.pem` and `.pub.pem`. */
export function defaultKeyPath(env: NodeJS.ProcessEnv = process.env): string {
  return join(env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "remit", "signing");
}

export interface WrittenKeys {
  /** RFC 7638 thumbprint of the public key. */
  kid: string;
  private_key: string;
  public_key: string;
}

/**
 * Writes a fresh P-256 pair to `<path>.pem` (mode 0600) and `<path>.pub.pem`.
 * @throws CliError where one of them exists
 */
export async function generateKeys(path: string): Promise<WrittenKeys> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const written = { kid: keyId(publicKey), private_key: `${path}.pem`, public_key: `${path}.pub.pem` };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const files: [string, string, number][] = [
    [written.private_key, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600],
    [written.public_key, publicKey.export({ type: "spki", format: "pem" }).toString(), 0o644],
  ];
  for (const [file, text, mode] of files) {
    try {
      await writeFile(file, text, { mode, flag: "wx" });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
      throw new CliError(
        "failed",
        `\`${file}\` exists, and a key is never overwritten`,
        "bundles signed with it would be refused for ever; choose another --out, or move it away yourself",
        { cause },
      );
    }
  }
  return written;
}

export function addKeys(program: Command, ui: Ui): void {
  const keys = program.command("keys").description("keys that sign bundles");
  keys
    .command("generate")
    .description("write a fresh ES256 key pair")
    .option("--out <path>", "where to, without ending: <path>.pem (private, mode 0600) and <path>.pub.pem", defaultKeyPath())
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  $ remit keys generate\n  $ remit keys generate --out ./ci-signing")
    .action(async ({ out, json }: { out: string; json?: true }) => {
      const written = await generateKeys(out.replace(/(\.pub)?\.pem$/, ""));
      if (json === true) {
        sayJson(ui, { ok: true, ...written });
        return;
      }
      ui.out(`private key  ${written.private_key}   (keep it secret; whoever has it can publish policy)`);
      ui.out(`public key   ${written.public_key}   (name it in remit.yaml under bundle.keys)`);
      ui.out(`key id       ${written.kid}`);
    });
}
