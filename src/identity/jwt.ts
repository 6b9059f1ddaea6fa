/**
 * Callers prove themselves by a JWT (RFC 7519, 8725). The key pins the algorithm, never the token; issuer, audience,
 * subject and expiry are required. jsonwebtoken checks signature, times, issuer and audience; what it lets pass (no
 * expiry, a future `iat`, text as payload, claims twice, `crit`) is checked here.
 */
import { hash } from "node:crypto";
import jwt from "jsonwebtoken";
import NodeCache from "node-cache";
import { Type, type Static } from "../contract/type.js";
import { Problem, SCOPES, isCanonicalId, type Scope } from "../contract/index.js";
import type { Caller, Identity } from "../decision/ports.js";
import type { Clock } from "../system/index.js";
import type { TokenKey } from "./keys.js";
import { schemas } from "../system/schemas.js";

/** What one caller may ask for; left out: everything. */
export interface CallerRights {
  agents?: readonly string[] | undefined;
  purposes?: readonly string[] | undefined;
}

export interface IdentityOptions {
  issuer: string;
  audience: string;
  keys: readonly TokenKey[];
  leeway_s: number;
  token_bytes_max: number;
  token_lifetime_max_s: number;
  cached_tokens_max: number;
  /** By subject; a caller that isn't named may ask for nothing. Left out: every caller may ask for everything. */
  callers?: Readonly<Record<string, CallerRights>> | undefined;
  /** Reads bytes as JSON that has one reading; throws for a key that stands twice. */
  readJson: (bytes: Buffer) => unknown;
}

const Header = Type.Object({
  alg: Type.String(),
  typ: Type.Optional(Type.String({ pattern: "^([Aa][Tt]\\+)?[Jj][Ww][Tt]$" })),
  kid: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  // RFC 7515, section 4.1.11: what must be understood and isn't refuses the token.
  crit: Type.Optional(Type.Never()),
  b64: Type.Optional(Type.Never()),
  // Keys come from the configuration alone; a token that brings its own is after something.
  jwk: Type.Optional(Type.Never()),
  jku: Type.Optional(Type.Never()),
  x5u: Type.Optional(Type.Never()),
  x5c: Type.Optional(Type.Never()),
});

const SECONDS_MAX = 253_402_300_799; // the year 9999: further on, a date has no RFC 3339 text
const seconds = () => Type.Number({ minimum: 0, maximum: SECONDS_MAX });

const Claims = Type.Object({
  iss: Type.String(),
  sub: Type.String({ minLength: 1, maxLength: 256 }),
  aud: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: 64 })]),
  exp: seconds(),
  nbf: Type.Optional(seconds()),
  iat: Type.Optional(seconds()),
  /** RFC 8693, section 4.2. */
  scope: Type.Optional(Type.String()),
});

const ajv = schemas();
const isHeader = ajv.compile<Static<typeof Header>>(Header);
const isClaims = ajv.compile<Static<typeof Claims>>(Claims);

interface Verified {
  caller: Caller;
  /** Both have to agree that it hasn't expired: the wall clock may have been set back. */
  until_wall_ms: number;
  until_monotonic_ms: number;
}

const BEARER = /^bearer +/i; // RFC 7235, section 2.1: the scheme's case doesn't matter

export class JwtIdentity implements Identity {
  readonly #options: IdentityOptions;
  readonly #clock: Clock;
  readonly #keys: ReadonlyMap<string, TokenKey>;
  readonly #rights: ReadonlyMap<
    string,
    { agents: ReadonlySet<string> | null; purposes: ReadonlySet<string> | null }
  > | null;
  // Expiry is ours: this cache's own would follow the wall clock only. By digest, so that no name in it is a caller's.
  readonly #verified = new NodeCache({ useClones: false, stdTTL: 0, checkperiod: 0 });

  constructor(options: IdentityOptions, clock: Clock) {
    if (options.issuer === "" || options.audience === "") throw new TypeError("issuer and audience must be given");
    if (options.keys.length === 0) throw new TypeError("at least one key must be given");
    this.#options = options;
    this.#clock = clock;
    this.#keys = new Map(options.keys.map((key) => [key.kid, key]));
    if (this.#keys.size !== options.keys.length) throw new TypeError("two keys have the same `kid`");
    const set = (names: readonly string[] | undefined): Set<string> | null =>
      names === undefined ? null : new Set(names);
    this.#rights =
      options.callers === undefined
        ? null
        : new Map(
            Object.entries(options.callers).map(([subject, { agents, purposes }]) => [
              subject,
              { agents: set(agents), purposes: set(purposes) },
            ]),
          );
  }

  authenticate(authorization: string | undefined, scope: Scope): Caller {
    const { caller } = this.#verify(bearer(authorization));
    if (!caller.scopes.has(scope))
      throw new Problem("scope_missing", { field: "authorization", expected: `scope \`${scope}\`` });
    return caller;
  }

  mayAskFor(caller: Caller, agent: string, purpose: string): boolean {
    if (this.#rights === null) return true;
    const rights = this.#rights.get(caller.id);
    return rights !== undefined && rights.agents?.has(agent) !== false && rights.purposes?.has(purpose) !== false;
  }

  #verify(token: string): Verified {
    if (token.length > this.#options.token_bytes_max) throw invalid(`at most ${this.#options.token_bytes_max} bytes`);
    const digest = hash("sha256", token, "base64");
    const known = this.#verified.get<Verified>(digest);
    if (known !== undefined) {
      if (this.#clock.wall() < known.until_wall_ms && this.#clock.monotonic() < known.until_monotonic_ms) return known;
      // It stays: looked at afresh it could pass by a wall clock that was set back.
      throw expired();
    }
    const verified = this.#verifyFirst(token);
    if (this.#verified.getStats().keys >= this.#options.cached_tokens_max) this.#verified.flushAll();
    this.#verified.set(digest, verified);
    return verified;
  }

  #verifyFirst(token: string): Verified {
    const { issuer, audience, leeway_s, token_lifetime_max_s } = this.#options;
    const [header, payload] = this.#parts(token);
    if (!isHeader(header)) throw invalid("a header of `alg`, `typ` and `kid`");
    const key = this.#key(header.kid);
    if (header.alg !== key.algorithm) throw invalid(`algorithm ${key.algorithm}, which this key is for`);
    const nowMs = this.#clock.wall();
    try {
      jwt.verify(token, key.key, {
        algorithms: [key.algorithm],
        issuer,
        audience,
        clockTolerance: leeway_s,
        clockTimestamp: Math.floor(nowMs / 1000),
      });
    } catch (cause) {
      throw cause instanceof jwt.TokenExpiredError
        ? expired(cause)
        : invalid("a token of our issuer, for us, valid now", cause);
    }
    // Looked at only now, when it is known who wrote them.
    if (!isClaims(payload)) throw invalid("claims `iss`, `sub`, `aud`, `exp`, of their types (RFC 7519, section 4.1)");
    const { sub, exp, iat = 0, scope = "" } = payload;
    const nowS = nowMs / 1000;
    if (!isCanonicalId(sub)) throw invalid("a subject in canonical form");
    if (exp > nowS + token_lifetime_max_s + leeway_s) throw invalid(`an expiry at most ${token_lifetime_max_s} s away`);
    if (iat > nowS + leeway_s) throw invalid("an `iat` that has been");
    const untilMs = (exp + leeway_s) * 1000;
    return {
      caller: {
        id: sub,
        scopes: new Set(scope.split(" ").filter((word): word is Scope => Object.hasOwn(SCOPES, word))),
      },
      until_wall_ms: untilMs,
      until_monotonic_ms: this.#clock.monotonic() + (untilMs - nowMs),
    };
  }

  #parts(token: string): [header: unknown, payload: unknown] {
    const parts = token.split(".");
    // A base64url text has one spelling only (RFC 4648, section 3.5): others decode to the same bytes.
    const bytes = parts.map((part) => Buffer.from(part, "base64url"));
    const [header, payload] = bytes;
    if (
      bytes.length !== 3 ||
      header === undefined ||
      payload === undefined ||
      bytes.some((decoded, i) => decoded.length === 0 || decoded.toString("base64url") !== parts[i])
    ) {
      throw invalid("a signed JWT in compact form");
    }
    try {
      return [this.#options.readJson(header), this.#options.readJson(payload)];
    } catch (cause) {
      throw invalid("JSON with each name once", cause);
    }
  }

  #key(kid: string | undefined): TokenKey {
    const [only, ...others] = this.#options.keys;
    const key = kid === undefined ? (others.length === 0 ? only : undefined) : this.#keys.get(kid);
    if (key === undefined) throw invalid("a `kid` of a key in use");
    return key;
  }
}

function bearer(authorization: string | undefined): string {
  const scheme = BEARER.exec(authorization ?? "");
  if (authorization === undefined || scheme === null)
    throw new Problem("token_missing", { field: "authorization", expected: "`Bearer <token>`" });
  return authorization.slice(scheme[0].length);
}

function invalid(expected: string, cause?: unknown): Problem {
  return new Problem("token_invalid", { field: "authorization", expected }, { cause });
}

function expired(cause?: unknown): Problem {
  return new Problem("token_expired", { field: "authorization" }, { cause });
}
