/**
 * A service's surroundings in one folder: an issuer's key, `remit.yaml`, a facts file, places for state and records. For
 * `make run`, the demo, benchmarks and tests; not for production, where the issuer is yours.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import jwt from "jsonwebtoken";
import { stringify } from "yaml";
import type { Scope } from "../src/contract/index.js";

export interface SandboxOptions {
  dir: string;
  bundle: { name: string; path: string; keys: string[] };
  /** YAML of agents and tasks. */
  facts: string;
  /** 0 takes a free one. */
  port: number;
}

export interface Sandbox {
  config: string;
  /** A token that the sandbox's service accepts. */
  token: (subject: string, scopes: Scope[]) => string;
}

const ISSUER = "https://issuer.localhost";
const AUDIENCE = "remit";
const TOKEN_LIFETIME_S = 12 * 3600;

export function makeSandbox({ dir, bundle, facts, port }: SandboxOptions): Sandbox {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const key = issuerKey(join(dir, "issuer.pem"));
  const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" });
  writeFileSync(join(dir, "issuer.pub.pem"), publicKey);
  writeFileSync(join(dir, "facts.yaml"), facts);
  const config = join(dir, "remit.yaml");
  writeFileSync(
    config,
    stringify({
      listen: { host: "127.0.0.1", port },
      identity: {
        issuer: ISSUER,
        audience: AUDIENCE,
        keys: [{ kid: "sandbox", algorithm: "ES256", file: "issuer.pub.pem" }],
      },
      bundle: { ...bundle, state_dir: "state" },
      facts: { file: "facts.yaml" },
      log: { dir: "records" },
    }),
  );
  return {
    config,
    token: (subject, scopes) =>
      jwt.sign({ scope: scopes.join(" ") }, key, {
        algorithm: "ES256",
        keyid: "sandbox",
        issuer: ISSUER,
        audience: AUDIENCE,
        subject,
        expiresIn: TOKEN_LIFETIME_S,
      }),
  };
}

/** Kept between runs, so that a token pasted yesterday fails by its age and not by a new key. */
function issuerKey(file: string): KeyObject {
  if (existsSync(file)) return createPrivateKey(readFileSync(file));
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return privateKey;
}
