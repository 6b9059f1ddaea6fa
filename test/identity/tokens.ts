import { createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { JwtIdentity, type IdentityOptions, type Issuer } from "../../src/identity/jwt.js";
import { FixedKeys, type TokenKey } from "../../src/identity/keys.js";
import { TaskTokens, type TaskTokensOptions } from "../../src/identity/task_tokens.js";
import { system, type Clock } from "../../src/system/index.js";

export const ISSUER = "https://issuer.example";
/** Has agents only, with a key of its own. */
export const OTHER_ISSUER = "https://other.example";
/** Has agents with JWT-SVIDs of `example.org`. */
export const SPIFFE_ISSUER = "https://spire.example";
export const AUDIENCE = "remit";
export const AGENT_AUDIENCE = "remit-agents";
export const NOW_S = 1_772_532_000; // 2026-03-03T10:00:00Z

const p256 = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
export const ec = p256();
export const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
/** Nobody's. */
export const strangerEc = p256();
export const otherEc = p256();
export const svidEc = p256();
export const taskEc = p256();

export const LIMITS = { token_bytes_max: 4096, json: { depth_max: 16, members_max: 64 } };

export class MovableClock implements Clock {
  wall_ms = NOW_S * 1000;
  monotonic_ms = 5000;
  wall(): number {
    return this.wall_ms;
  }
  monotonic(): number {
    return this.monotonic_ms;
  }
  pass(ms: number): void {
    this.wall_ms += ms;
    this.monotonic_ms += ms;
  }
}

export const keyOf = (kid: string, pair: { publicKey: KeyObject }, changes: Partial<TokenKey> = {}): TokenKey => ({
  ...{ kid, algorithm: "ES256", key: pair.publicKey, development: false },
  ...changes,
});

export const issuer = (changes: Partial<Issuer> = {}): Issuer => ({
  issuer: ISSUER,
  audience: { callers: AUDIENCE, agents: AGENT_AUDIENCE },
  keys: new FixedKeys([keyOf("ec-1", ec), keyOf("rsa-1", rsa, { algorithm: "RS256" })]),
  ...changes,
});

const ISSUERS: readonly Issuer[] = [
  issuer(),
  { issuer: OTHER_ISSUER, audience: { agents: AGENT_AUDIENCE }, keys: new FixedKeys([keyOf("ec-1", otherEc)]) },
  {
    issuer: SPIFFE_ISSUER,
    audience: { agents: AGENT_AUDIENCE },
    keys: new FixedKeys([keyOf("svid-1", svidEc)]),
    trust_domain: "example.org",
  },
];

export function taskTokens(
  changes: Partial<TaskTokensOptions> = {},
  clock: Clock = new MovableClock(),
  Build: typeof TaskTokens = TaskTokens,
): TaskTokens {
  return new Build(
    {
      keys: { sign: taskEc.privateKey, verify: keyOf("task-1", taskEc) },
      lifetime_max_s: 3600,
      leeway_s: 5,
      cached_tokens_max: 100,
      ...LIMITS,
      ...changes,
    },
    { clock, random: system.random },
  );
}

/** The classes, perhaps of another build. */
export interface Builds {
  JwtIdentity: typeof JwtIdentity;
  TaskTokens: typeof TaskTokens;
}

export function identity(
  changes: Partial<IdentityOptions> = {},
  clock: Clock = new MovableClock(),
  builds: Builds = { JwtIdentity, TaskTokens },
): JwtIdentity {
  return new builds.JwtIdentity(
    {
      issuers: ISSUERS,
      tasks: taskTokens({}, clock, builds.TaskTokens),
      leeway_s: 5,
      token_lifetime_max_s: 86_400,
      cached_tokens_max: 100,
      actors_max: 4,
      production: false,
      ...LIMITS,
      ...changes,
    },
    clock,
  );
}

type Json = Record<string, unknown>;
const encode = (value: string | Buffer): string => Buffer.from(value).toString("base64url");

export function signed(signingInput: string, key: KeyObject): string {
  const signature = sign("sha256", Buffer.from(signingInput), { key, dsaEncoding: "ieee-p1363" });
  return `${signingInput}.${encode(signature)}`;
}

/** Makes good tokens of one kind, and others from them. */
export class Tokens {
  constructor(
    readonly claims: Readonly<Json> & { exp: number },
    readonly header: Readonly<Json>,
    readonly key: KeyObject,
  ) {}

  /** A token with these claims and header members changed; undefined leaves one out. */
  token(changed: Json = {}, changedHeader: Json = {}, key: KeyObject = this.key): string {
    return this.tokenOf(JSON.stringify({ ...this.claims, ...changed }), JSON.stringify({ ...this.header, ...changedHeader }), key);
  }

  /** A token of any payload and header text, signed all the same. */
  tokenOf(payload: string | Buffer, headerText: string = JSON.stringify(this.header), key: KeyObject = this.key): string {
    return signed(`${encode(headerText)}.${encode(payload)}`, key);
  }

  hmac(algorithm: "sha256" | "sha512", secret: string | Buffer, changedHeader: Json): string {
    const input = `${encode(JSON.stringify({ ...this.header, ...changedHeader }))}.${encode(JSON.stringify(this.claims))}`;
    return `${input}.${encode(createHmac(algorithm, secret).update(input).digest())}`;
  }
}

const times = { iat: NOW_S - 10, exp: NOW_S + 600 };
const HEADER = { alg: "ES256", typ: "JWT", kid: "ec-1" };

export const callers = new Tokens(
  { iss: ISSUER, sub: "gateway-1", aud: AUDIENCE, ...times, scope: "remit:decide remit:register" },
  HEADER,
  ec.privateKey,
);
export const agents = new Tokens({ iss: ISSUER, sub: "agent-7", aud: AGENT_AUDIENCE, ...times, jti: "j-1" }, HEADER, ec.privateKey);
/** Of `OTHER_ISSUER`, whose key has the same id. */
export const others = new Tokens({ ...agents.claims, iss: OTHER_ISSUER }, HEADER, otherEc.privateKey);
export const svids = new Tokens(
  { sub: "spiffe://example.org/agents/support-7", aud: AGENT_AUDIENCE, ...times },
  { ...HEADER, kid: "svid-1" },
  svidEc.privateKey,
);
export const tasks = new Tokens(
  {
    iss: "urn:remit:tasks",
    sub: "T-1",
    aud: "urn:remit:task",
    agent: "agent-7",
    purpose: "support",
    ...times,
    jti: "t-1",
  },
  { alg: "ES256", typ: "remit-task+jwt", kid: "task-1" },
  taskEc.privateKey,
);
