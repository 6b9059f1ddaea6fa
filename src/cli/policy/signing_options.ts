/** Options and keys of the commands that sign bundles. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import { keyId, publicKey } from "../../bundle/signature.js";
import { TrustedStore } from "../../bundle/trusted_store.js";
import { verifyBundle } from "../../bundle/verify.js";
import { parseTime } from "../../contract/index.js";
import { PolicyEngine } from "../../policy/engine.js";
import { systemClock } from "../../system/index.js";
import { CliError } from "../exit.js";
import { defaultKeyPath } from "./keys.js";

/** Without `--expires`: long enough to notice, short enough that a forgotten bundle ends. */
export const EXPIRES_DAYS = 90;
export const KEY_VARIABLE = "REMIT_SIGNING_KEY";
/** Describes `--key`. */
export const KEY_OPTION = `private key in PEM form (default: $${KEY_VARIABLE}, else ${defaultKeyPath()}.pem)`;

/** Loads a bundle as a service would and tries it: what only shows when rules run, such as two that contradict each other. */
export async function rehearse(archive: Uint8Array, name: string, key: KeyObject, builtMs: number): Promise<void> {
  const keys = new Map([[keyId(key), publicKey(key.export({ type: "pkcs8", format: "pem" }))]]);
  const verified = await verifyBundle(archive, { keys, name, nowMs: builtMs });
  const folder = await mkdtemp(join(tmpdir(), "remit-rehearsal-"));
  try {
    const engine = new PolicyEngine({
      trusted: await TrustedStore.open(folder),
      clock: { wall: () => builtMs, monotonic: () => systemClock.monotonic() },
    });
    await engine.activate(verified);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function signingKey(file: string | undefined): Promise<KeyObject> {
  const given = process.env[KEY_VARIABLE];
  const path = file ?? `${defaultKeyPath()}.pem`;
  let text = given ?? "";
  if (file !== undefined || text === "") {
    try {
      text = await readFile(path, "utf8");
    } catch (cause) {
      const hint = "`remit keys generate` makes one; or name it with --key";
      throw new CliError("failed", `there is no signing key at \`${path}\``, hint, { cause });
    }
  }
  try {
    const key = createPrivateKey(text);
    keyId(key);
    return key;
  } catch (cause) {
    throw new CliError("invalid", "the signing key is not a P-256 private key in PEM form", null, { cause });
  }
}

export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError("not a whole number.");
  return number;
}

export function time(text: string): number {
  const ms = parseTime(text);
  if (ms === null) throw new InvalidArgumentError("not an RFC 3339 time, such as 2027-01-01T00:00:00Z.");
  return ms;
}
