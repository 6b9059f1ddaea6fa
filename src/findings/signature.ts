/** Signatures of messages, so that whoever gets one knows whose it is: Standard Webhooks 1.0.0, symmetric signatures. */
import { createHmac } from "node:crypto";

const SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/;
/** Shortest secret in bytes, by the scheme. */
const SECRET_MIN = 24;
const SECRET_MAX = 64;
const SECOND_MS = 1000;

export class SecretRefused extends Error {
  override readonly name = "SecretRefused";
}

/**
 * The secrets in a file, one a line: every message is signed with each, so that a new one can be brought in before the old one
 * goes.
 * @throws SecretRefused, which doesn't hold any of it
 */
export function readSecrets(text: string): Buffer[] {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (lines.length === 0) throw new SecretRefused("there is no secret in it");
  return lines.map((line, i) => {
    const [, encoded = ""] = SECRET.exec(line) ?? [];
    const secret = Buffer.from(encoded, "base64");
    if (secret.length < SECRET_MIN || secret.length > SECRET_MAX || secret.toString("base64") !== encoded)
      throw new SecretRefused(`line ${i + 1} is not \`whsec_\` and ${SECRET_MIN} to ${SECRET_MAX} bytes in Base64`);
    return secret;
  });
}

/** @param id the same whenever the same message is sent again */
export function signedHeaders(id: string, now_ms: number, body: Buffer, secrets: readonly Buffer[]): Record<string, string> {
  const timestamp = String(Math.floor(now_ms / SECOND_MS));
  const sign = (secret: Buffer): string => `v1,${createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body).digest("base64")}`;
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": secrets.map(sign).join(" "),
  };
}
