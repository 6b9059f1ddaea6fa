/** The keys that bundles are verified with, as the configuration names them. */
import type { KeyObject } from "node:crypto";
import { BundleError } from "../bundle/errors.js";
import { keyId, publicKey } from "../bundle/signature.js";
import type { BundleTrust, TrustedKeys } from "../bundle/verify.js";
import { KeyRefused } from "../identity/keys.js";
import type { Config } from "../system/config.js";
import { errorMessage } from "../system/error_message.js";
import { readText } from "../system/read_file.js";

/**
 * Reads what bundles are verified with.
 * @throws KeyRefused naming the key of the configuration, or the file system's error
 */
export function bundleTrust({ bundle }: Config): BundleTrust {
  const { signers_min } = bundle;
  const keys = keysOf(bundle.keys, "bundle.keys");
  if (keys.size < signers_min)
    throw new KeyRefused(`bundle.keys has ${keys.size} key, and bundle.signers_min wants ${signers_min} signers`);
  const { provenance_keys: builders } = bundle;
  return { keys, signers_min, ...(builders !== undefined && { provenanceKeys: keysOf(builders, "bundle.provenance_keys") }) };
}

/** Returns `bundleTrust` as a source asks for it: a file that is being replaced refuses a bundle, and ends nothing. */
export function trustNow(config: Config): () => BundleTrust {
  return () => {
    try {
      return bundleTrust(config);
    } catch (cause) {
      throw new BundleError("keys_unreadable", { found: errorMessage(cause) }, { cause });
    }
  };
}

/** A file may have several keys, one after the other. */
const PEM = /-----BEGIN [A-Z ]+-----[^-]*-----END [A-Z ]+-----/g;

function keysOf(files: readonly string[], named: string): TrustedKeys {
  return new Map(
    files.flatMap((file, i) => {
      const text = readText(file);
      const at = `${named}.${i}: \`${file}\``;
      // A key that signs has no place where bundles are only verified.
      if (text.includes("PRIVATE KEY")) throw new KeyRefused(`${at} holds a private key; give the public one`);
      return (text.match(PEM) ?? [text]).map((pem): [string, KeyObject] => {
        try {
          const key = publicKey(pem);
          return [keyId(key), key];
        } catch (cause) {
          throw new KeyRefused(`${at} holds no P-256 public key in PEM form`, { cause });
        }
      });
    }),
  );
}
