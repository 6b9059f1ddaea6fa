/**
 * A service's surroundings in one folder: keys of an issuer and for task tokens, `remit.yaml`, perhaps a facts file, places for
 * state and records. For `remit dev`, `make run`, the demo, benchmarks and tests; not for production, where the issuer is yours.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import jwt from "jsonwebtoken";
import { stringify } from "yaml";
import type { Scope } from "../contract/index.js";
import { DEVELOPMENT_MARK } from "../identity/keys.js";
import type { Config } from "../system/config.js";
import { systemClock, type Clock } from "../system/index.js";

export interface SandboxOptions {
  dir: string;
  bundle: { name: string; path: string; keys: string[]; poll_ms?: number };
  /** YAML of facts to import; left out, the registry begins empty. */
  facts?: string;
  /** 0 takes a free one. */
  port: number;
  /** Each caller may speak for these; left out, for everything. */
  callers?: NonNullable<Config["callers"]>;
  /** False: nothing is unusual. */
  learns?: boolean;
  /** Port of the console, and the person who signs in there; left out: nothing is written for a console. */
  console?: { port: number; person: string };
  /** The clock by which tokens are issued. */
  clock?: Pick<Clock, "wall">;
}

export interface Sandbox {
  config: string;
  /** Configuration of the console, if one was asked for. */
  console: string;
  /** A token that the sandbox's service accepts. */
  token: (subject: string, scopes: Scope[]) => string;
  /** A token of an agent, by itself or on behalf of a principal. */
  agentToken: (subject: string, principal?: string) => string;
}

export const ISSUER = "https://issuer.localhost";
const AUDIENCE = { callers: "remit", agents: "remit-agents" };
const KID = `${DEVELOPMENT_MARK}-issuer`;
const TOKEN_LIFETIME_S = 12 * 3600;

export function makeSandbox({ dir, bundle, facts, port, callers, learns = true, console, clock = systemClock }: SandboxOptions): Sandbox {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const key = developmentKey(join(dir, "issuer.pem"));
  developmentKey(join(dir, "tasks.pem"));
  writeFileSync(join(dir, "issuer.pub.pem"), marked(createPublicKey(key).export({ type: "spki", format: "pem" })));
  if (facts !== undefined) writeFileSync(join(dir, "facts.yaml"), facts);
  const config = join(dir, "remit.yaml");
  writeFileSync(
    config,
    stringify(
      {
        listen: { host: "127.0.0.1", port },
        identity: {
          issuers: [{ issuer: ISSUER, audience: AUDIENCE, keys: [{ kid: KID, algorithm: "ES256", file: "issuer.pub.pem" }] }],
          task_tokens: { key: "tasks.pem", kid: `${DEVELOPMENT_MARK}-tasks` },
        },
        ...(callers === undefined ? {} : { callers }),
        ...(learns ? {} : { behavior: { enabled: false } }),
        bundle: { ...bundle, state_dir: "state" },
        facts: { store: "store", ...(facts === undefined ? {} : { file: "facts.yaml" }) },
        log: { dir: "records" },
      },
      // Anchors aren't read.
      { aliasDuplicateObjects: false },
    ),
  );
  const consoleConfig = join(dir, "console.yaml");
  if (console !== undefined) writeFileSync(consoleConfig, stringify(consoleOf(console, port), { aliasDuplicateObjects: false }));
  return { config, console: consoleConfig, ...tokensBy(key, clock) };
}

/** Returns the console's configuration: it signs as the sandbox's issuer, since there is no other. */
function consoleOf({ port, person }: NonNullable<SandboxOptions["console"]>, service: number): object {
  return {
    listen: { port },
    service: { url: `http://127.0.0.1:${service}` },
    issuer: { issuer: ISSUER, audience: AUDIENCE.callers, kid: KID, key: "issuer.pem" },
    local: { person, scopes: ["audit", "review", "register", "revoke", "revoke_all", "publish"].map((scope) => `remit:${scope}`) },
  };
}

/** Issues tokens by a sandbox's own issuer. */
export function tokensBy(key: KeyObject, clock: Pick<Clock, "wall"> = systemClock): Pick<Sandbox, "token" | "agentToken"> {
  // To the millisecond: one issued in the second in which its agent is registered would else be older than that.
  const signed = (claims: object, audience: string, subject: string): string =>
    jwt.sign({ ...claims, iat: clock.wall() / 1000 }, key, {
      algorithm: "ES256",
      keyid: KID,
      issuer: ISSUER,
      audience,
      subject,
      expiresIn: TOKEN_LIFETIME_S,
    });
  return {
    token: (subject, scopes) => signed({ scope: scopes.join(" ") }, AUDIENCE.callers, subject),
    agentToken: (subject, principal) =>
      principal === undefined ? signed({}, AUDIENCE.agents, subject) : signed({ act: { sub: subject } }, AUDIENCE.agents, principal),
  };
}

/** Kept between runs, so that a token pasted yesterday fails by its age and not by a new key. */
export function developmentKey(file: string): KeyObject {
  if (existsSync(file)) return createPrivateKey(readFileSync(file));
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(file, marked(privateKey.export({ type: "pkcs8", format: "pem" })), { mode: 0o600 });
  return privateKey;
}

/** Text before the key, which readers of PEM pass over, and by which a service in production refuses it. */
function marked(pem: string | Buffer): string {
  return `${DEVELOPMENT_MARK}: made on this machine for trying things out; refused where NODE_ENV=production\n${pem.toString()}`;
}
