/** Name of a log and the keys that sign its checkpoints: as configured, or made at its first start. */
import { createHash, createPublicKey } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../../system/error_message.js";
import { readBytes, readText } from "../../system/read_file.js";
import { replaceFileSync } from "../../system/replaced_file.js";
import { CHECKPOINT } from "./seal.js";
import { readUnverified } from "../tree/checkpoint.js";
import { generateSignerPem, readSigner } from "../tree/note.js";

/** Key of a log whose configuration names none. */
const OWN_KEY = "key.pem";

export interface LogIdentity {
  origin: string;
  /** PKCS #8 as PEM. */
  keys: string[];
  /** Their public halves, as C2SP verifier keys. */
  verifiers: string[];
}

/** The keys or the name that are configured aren't those of the log. */
export class LogKeysRefused extends Error {
  override readonly name = "LogKeysRefused";
}

/**
 * @param given files of private keys, and a name; left out, the log keeps a key in its own folder and is named after it
 * @throws LogKeysRefused, NoteError `key_refused`, and what reading says
 */
export function logIdentity(directory: string, given: { keys?: string[] | undefined; origin?: string | undefined }): LogIdentity {
  const checkpoint = join(directory, CHECKPOINT);
  const signed = existsSync(checkpoint) ? readUnverified(readBytes(checkpoint)) : null;
  const keys = given.keys?.map(keyIn) ?? [ownKey(directory, signed !== null)];
  const origin = given.origin ?? signed?.origin ?? `remit/${fingerprint(keys[0] ?? "")}`;
  if (signed !== null && signed.origin !== origin)
    throw new LogKeysRefused(`log.origin is \`${origin}\`, and the log in \`${directory}\` is \`${signed.origin}\``);
  return { origin, keys, verifiers: keys.map((pem) => readSigner(origin, pem).verifier.vkey) };
}

/** Checks the identity as a start would, and makes nothing. @throws the errors of `logIdentity` */
export function checkLogIdentity(directory: string, given: Parameters<typeof logIdentity>[1]): void {
  const isThere = [OWN_KEY, CHECKPOINT].some((name) => existsSync(join(directory, name)));
  if (isThere || given.keys !== undefined) logIdentity(directory, given);
}

/** @throws LogKeysRefused naming the key of the configuration, and what reading says */
function keyIn(file: string, i: number): string {
  const pem = readText(file);
  try {
    readSigner("remit", pem);
  } catch (cause) {
    throw new LogKeysRefused(`log.keys.${i}: \`${file}\` holds no Ed25519 private key in PEM form`, { cause });
  }
  return pem;
}

function ownKey(directory: string, isSigned: boolean): string {
  const file = join(directory, OWN_KEY);
  if (!existsSync(file) && isSigned)
    throw new LogKeysRefused(`\`${file}\` is gone, and the log has a checkpoint: put it back, or name the key in log.keys`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return keptKey(file);
}

/** Returns the private key in a file, which is made if it isn't there. */
export function keptKey(file: string): string {
  if (existsSync(file)) return readText(file);
  const pem = generateSignerPem();
  try {
    // Whole or not at all: half a key would be in the way of the next start.
    replaceFileSync(file, pem, 0o600);
  } catch (cause) {
    throw new Error(`\`${file}\` can't be written: ${errorMessage(cause)}`, { cause });
  }
  return pem;
}

/** @throws NoteError `key_refused` */
function fingerprint(pem: string): string {
  readSigner("remit", pem);
  const key = createPublicKey(pem).export({ format: "der", type: "spki" });
  return createHash("sha256").update(key).digest("hex").slice(0, 12);
}
