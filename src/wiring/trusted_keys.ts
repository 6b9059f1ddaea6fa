/** The keys that bundles are verified with, as the configuration names them. */
import { keyId, publicKey } from "../bundle/signature.js";
import type { TrustedKeys } from "../bundle/verify.js";
import { KeyRefused } from "../identity/keys.js";
import type { Config } from "../system/config.js";
import { readText } from "../system/read_file.js";

/** @throws KeyRefused naming the key of the configuration, or the file system's error */
export function trustedKeys({ bundle }: Config): TrustedKeys {
  return keysOf(bundle.keys, "bundle.keys");
}

/** Keys of builders whose provenance is asked of every bundle; undefined: none is. @throws as `trustedKeys` */
export function provenanceKeys({ bundle }: Config): TrustedKeys | undefined {
  return bundle.provenance_keys === undefined ? undefined : keysOf(bundle.provenance_keys, "bundle.provenance_keys");
}

function keysOf(files: readonly string[], named: string): TrustedKeys {
  return new Map(
    files.map((file, i) => {
      const pem = readText(file);
      const at = `${named}.${i}: \`${file}\``;
      // A key that signs has no place where bundles are only verified.
      if (pem.includes("PRIVATE KEY")) throw new KeyRefused(`${at} holds a private key; give the public one`);
      try {
        const key = publicKey(pem);
        return [keyId(key), key];
      } catch (cause) {
        throw new KeyRefused(`${at} holds no P-256 public key in PEM form`, { cause });
      }
    }),
  );
}
