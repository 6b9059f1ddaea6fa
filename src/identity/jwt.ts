/**
 * Callers and agents prove themselves by a JWT (RFC 7519, 8725). The issuer is one of those configured, its key pins the
 * algorithm, never the token; audience, subject and expiry are required. An issuer's audiences for callers and for agents
 * differ, so that a token for one use opens nothing in another. jsonwebtoken checks signature, `nbf`, issuer and audience;
 * the rest (expiry, a future `iat`, text as payload, claims twice, `crit`) is checked here.
 */
import { hash } from "node:crypto";
import { Problem, isCanonicalId, type Scope } from "../contract/index.js";
import type { AgentProof, Caller, Identity, TaskProof, TokenSubject } from "../decision/ports.js";
import type { Clock } from "../system/index.js";
import { actorsOf, audiences, clientOf, isClaims, signInOf, tokenUse, type ClientClaim, type TokenClaims } from "./claims.js";
import { checkSigned, readCompact, type CompactLimits, type TokenHeader } from "./compact.js";
import { expired, invalid, type TokenField } from "./faults.js";
import { KeyRefused, type KeySet, type TokenKey } from "./keys.js";
import { SCOPE_CLAIM, capped, namedScopes, type ScopeRules } from "./scopes.js";
import { isSvidHeader, looksLikeSpiffe, trustDomainOf } from "./spiffe.js";
import { TASK_AUDIENCE, TASK_ISSUER, type TaskTokens, type TaskWork } from "./task_tokens.js";
import { VerifiedTokens } from "./verified_tokens.js";

/** One caller may ask for these; left out: for everything. */
export interface CallerRights {
  agents?: readonly string[] | undefined;
  purposes?: readonly string[] | undefined;
  /** Roles that it has when it approves an action; left out: none. */
  roles?: readonly string[] | undefined;
  /** Scopes that it has, whatever its token says; left out: those of its token. */
  scopes?: readonly Scope[] | undefined;
}

export type TokenPurpose = "callers" | "agents";

export interface Issuer {
  /** The exact `iss`. */
  issuer: string;
  /** Uses of its tokens, and the `aud` of each. */
  audience: Readonly<Partial<Record<TokenPurpose, string | undefined>>>;
  /** Set before its callers' subjects, as `name:subject`, where several issuers have callers. */
  name?: string | undefined;
  keys: KeySet;
  /** Its tokens are JWT-SVIDs of this trust domain (SPIFFE). */
  trust_domain?: string | undefined;
  /** Form in which its callers' tokens say scopes. @default the claim `scope`, by the names that they have here */
  scopes?: ScopeRules | undefined;
  /** Names the acting agent in a token without `act`: the client that it was issued to. */
  actor_claim?: ClientClaim | undefined;
}

export interface IdentityOptions extends CompactLimits {
  issuers: readonly Issuer[];
  /** Left out: no task tokens are issued or read. */
  tasks?: TaskTokens | undefined;
  leeway_s: number;
  token_lifetime_max_s: number;
  cached_tokens_max: number;
  actors_max: number;
  /**
   * The rights of each caller, or of every caller of an issuer by `<name>:*`, whose own entry goes before it; one that isn't named may ask
   * for nothing. Left out: every caller may ask for everything.
   */
  callers?: Readonly<Record<string, CallerRights>> | undefined;
  /** Refuses keys made for development. */
  production: boolean;
}

/** A use of tokens, and what is made of them. */
interface Use<T> {
  for: TokenPurpose;
  field: TokenField;
  /** Seconds that an expiry may be past. */
  grace_s: number;
  issuers: ReadonlyMap<string, Issuer>;
  /** The audiences of other uses: a token that names one of them as well is for too much. */
  foreign: ReadonlySet<string>;
  verified: VerifiedTokens<T>;
  read: (claims: TokenClaims, issuer: Issuer) => T;
}

const BEARER = /^bearer +/i; // RFC 7235, section 2.1: the scheme's case doesn't matter
/**
 * RFC 7519, section 5.1, and RFC 9068, section 2.1, which RFC 7515, section 4.1.9, lets begin with `application/`; none at all is common.
 * JWT-SVIDs have another one.
 */
const TYPE = /^(?:(?:application\/)?(?:at\+)?jwt|jose)?$/i;

/** Stands behind an issuer's name for all of its callers. */
const ALL_OF_ISSUER = ":*";

interface Rights {
  agents: ReadonlySet<string> | null;
  purposes: ReadonlySet<string> | null;
}

const ANY: Rights = { agents: null, purposes: null };
const NONE: Rights = { agents: new Set(), purposes: new Set() };

export class JwtIdentity implements Identity {
  readonly #options: IdentityOptions;
  readonly #clock: Clock;
  readonly #callers: Use<Caller>;
  readonly #agents: Use<AgentProof>;
  readonly #rights: ReadonlyMap<string, Rights> | null;
  /** Names of issuers whose callers have them before their subjects. */
  readonly #names: ReadonlySet<string>;
  /**
   * The last token and its digest: a request's is asked for several times, and comparing costs less than hashing. Its text is here until the
   * next one comes, as it is in the buffers of its connection: whoever reads this memory reads requests. Nothing writes it anywhere.
   */
  #last = { token: "", digest: hash("sha256", "", "base64") };

  /**
   * @throws TypeError for issuers, audiences and names that leave it open who speaks
   * @throws KeyRefused for a key of two owners, and in production for one made for development
   */
  constructor(options: IdentityOptions, clock: Clock) {
    checkIssuers(options.issuers);
    checkKeys(options);
    this.#options = options;
    this.#clock = clock;
    const { leeway_s, cached_tokens_max } = options;
    this.#callers = {
      ...usesOf(options.issuers, "callers"),
      field: "authorization",
      grace_s: leeway_s,
      verified: new VerifiedTokens(cached_tokens_max, clock),
      read: (claims, issuer) => this.#callerOf(claims, issuer),
    };
    this.#agents = {
      ...usesOf(options.issuers, "agents"),
      field: "/agent_token",
      grace_s: 0,
      verified: new VerifiedTokens(cached_tokens_max, clock),
      read: (claims, issuer) => this.#agentOf(claims, issuer),
    };
    this.#names = new Set(options.issuers.flatMap(({ audience, name }) => (audience.callers === undefined ? [] : (name ?? []))));
    const set = (names: readonly string[] | undefined): Set<string> | null => (names === undefined ? null : new Set(names));
    this.#rights =
      options.callers === undefined
        ? null
        : new Map(
            Object.entries(options.callers).map(([caller, { agents, purposes }]) => [
              caller,
              { agents: set(agents), purposes: set(purposes) },
            ]),
          );
  }

  authenticate(authorization: string | undefined, scope: Scope): Caller | Promise<Caller> {
    const caller = this.#prove(bearer(authorization), this.#callers);
    return caller instanceof Promise ? caller.then((proven) => permitted(proven, scope)) : permitted(caller, scope);
  }

  /** Id of the caller whose token this is, if it was proven lately and holds still; null otherwise. */
  knownCaller(authorization: string): string | null {
    const scheme = BEARER.exec(authorization);
    const token = authorization.slice(scheme?.[0].length);
    if (scheme === null || token.length > this.#options.token_bytes_max) return null;
    const known = this.#callers.verified.find(this.#digestOf(token));
    return known === undefined || known === "expired" ? null : known.id;
  }

  /** Id of the caller whose token this is, whatever its scopes; null unless it proves one. */
  async provenCaller(authorization: string): Promise<string | null> {
    try {
      return (await this.#prove(bearer(authorization), this.#callers)).id;
    } catch (cause) {
      if (cause instanceof Problem) return null;
      throw cause;
    }
  }

  mayAskFor(caller: Caller, agent: string, purpose: string): boolean {
    const { agents, purposes } = this.rightsOf(caller);
    return agents?.has(agent) !== false && purposes?.has(purpose) !== false;
  }

  /** The agents and purposes that a caller may ask for; null: any. */
  rightsOf(caller: Pick<Caller, "id">): Rights {
    return this.#rights === null ? ANY : (this.#rights.get(this.#entryOf(caller.id)) ?? NONE);
  }

  rolesOf({ id }: Pick<Caller, "id">): ReadonlySet<string> {
    return new Set(this.#givenTo(id).roles);
  }

  agentProof(token: string): AgentProof | Promise<AgentProof> {
    if (this.#agents.issuers.size === 0) throw new Problem("agent_token_unsupported", { field: "/agent_token" });
    return this.#prove(token, this.#agents);
  }

  taskProof(token: string): TaskProof {
    if (this.#options.tasks === undefined) throw new Problem("task_token_unsupported", { field: "/task_token" });
    return this.#options.tasks.verify(token);
  }

  get issuesTaskTokens(): boolean {
    return this.#options.tasks !== undefined;
  }

  /** @throws Problem `task_token_unsupported`, and `task_over` where the work has ended */
  issueTaskToken(work: TaskWork): string {
    if (this.#options.tasks === undefined) throw new Problem("task_token_unsupported");
    return this.#options.tasks.issue(work);
  }

  /** Tokens of this `jti` are verified afresh; whether they were revoked is for facts to say. */
  forget(jti: string): void {
    this.#callers.verified.forget(jti);
    this.#agents.verified.forget(jti);
    this.#options.tasks?.forget(jti);
  }

  #digestOf(token: string): string {
    if (this.#last.token !== token) this.#last = { token, digest: hash("sha256", token, "base64") };
    return this.#last.digest;
  }

  #givenTo(id: string): CallerRights {
    const { callers = {} } = this.#options;
    const entry = this.#entryOf(id);
    return (Object.hasOwn(callers, entry) ? callers[entry] : undefined) ?? {};
  }

  /** Returns the name of the entry of `callers` that counts for a caller: its own, or that of all callers of its issuer. */
  #entryOf(id: string): string {
    const { callers = {} } = this.#options;
    const name = id.slice(0, Math.max(0, id.indexOf(":")));
    // No name has a colon: what is before the first one is the issuer's, or a subject's own where no issuer has a name.
    return Object.hasOwn(callers, id) || !this.#names.has(name) ? id : `${name}${ALL_OF_ISSUER}`;
  }

  #prove<T>(token: string, use: Use<T>): T | Promise<T> {
    if (token.length > this.#options.token_bytes_max) throw invalid("size", use.field);
    const digest = this.#digestOf(token);
    const known = use.verified.find(digest);
    if (known === "expired") throw expired(use.field);
    if (known !== undefined) return known;
    const { header, payload } = readCompact(token, TYPE, use.field, this.#options);
    const issuer = issuerOf(payload, use);
    if (issuer === undefined) throw invalid("issuer", use.field);
    if (issuer.trust_domain === undefined ? /^jose$/i.test(header.typ ?? "") : !isSvidHeader(header)) throw invalid("header", use.field);
    const check = (key: TokenKey | undefined): T => {
      if (key === undefined) throw invalid("key", use.field);
      return this.#check(token, digest, header, payload, issuer, key, use);
    };
    const key = issuer.keys.find(header.kid);
    return key instanceof Promise ? key.then(check) : check(key);
  }

  #check<T>(token: string, digest: string, header: TokenHeader, payload: unknown, issuer: Issuer, key: TokenKey, use: Use<T>): T {
    const { leeway_s, token_lifetime_max_s } = this.#options;
    const nowMs = this.#clock.wall();
    const audience = issuer.audience[use.for] ?? "";
    // A JWT-SVID may have none; the issuer was found by its subject then.
    const iss = issuer.trust_domain === undefined ? issuer.issuer : undefined;
    checkSigned(token, header.alg, key, { issuer: iss, audience, leeway_s, nowMs }, use.field);
    // Looked at only now, when it is known who wrote them.
    if (!isClaims(payload)) throw invalid("claims", use.field);
    const { sub, exp, iat = 0, jti = null } = payload;
    if (audiences(payload).some((aud) => use.foreign.has(aud))) throw invalid("audience", use.field);
    if (!isCanonicalId(sub) || (jti !== null && !isCanonicalId(jti))) throw invalid("subject", use.field);
    // RFC 7800: whoever holds such a token has proven nothing yet.
    if (payload.cnf !== undefined) throw invalid("bound", use.field);
    const nowS = nowMs / 1000;
    if (exp > nowS + token_lifetime_max_s + leeway_s) throw invalid("lifetime", use.field);
    if (iat > nowS + leeway_s) throw invalid("start", use.field);
    const untilMs = (exp + use.grace_s) * 1000;
    if (nowMs >= untilMs) throw expired(use.field);
    const value = use.read(payload, issuer);
    use.verified.add(digest, {
      value,
      jti,
      key,
      keys: issuer.keys,
      until_wall_ms: untilMs,
      until_monotonic_ms: this.#clock.monotonic() + (untilMs - nowMs),
    });
    return value;
  }

  #callerOf(claims: TokenClaims, { name, trust_domain, scopes: rules = SCOPE_CLAIM }: Issuer): Caller {
    const { sub, act } = claims;
    if (trust_domain !== undefined && trustDomainOf(sub) !== trust_domain) throw invalid("spiffe", "authorization");
    // A caller answers for what it asks; who acts in its name would be on no record.
    if (act !== undefined) throw invalid("actors", "authorization");
    const signed_in_ms = signInOf(claims);
    if (signed_in_ms !== null && signed_in_ms > this.#clock.wall() + this.#options.leeway_s * 1000) throw invalid("start", "authorization");
    const id = name === undefined ? sub : `${name}:${sub}`;
    const scopes = this.#givenTo(id).scopes ?? namedScopes(claims, rules);
    if (scopes === null) throw invalid("claims", "authorization");
    return { id, scopes: capped(scopes, rules), token: tokenUse(claims), ...(signed_in_ms !== null && { signed_in_ms }) };
  }

  #agentOf(claims: TokenClaims, { issuer, trust_domain, actor_claim }: Issuer): AgentProof {
    const subject: TokenSubject = { issuer, subject: claims.sub };
    const token = tokenUse(claims);
    if (trust_domain !== undefined) {
      if (trustDomainOf(claims.sub) !== trust_domain || claims.act !== undefined) throw invalid("spiffe", "/agent_token");
      return { actor: subject, principal: null, chain: [], token };
    }
    const actors = actorsOf(claims.act, issuer, this.#options.actors_max);
    if (actors === null) throw invalid("actors", "/agent_token");
    if (actor_claim !== undefined && actors.length === 0) {
      const client = clientOf(claims, actor_claim);
      if (client === null) throw invalid("actors", "/agent_token");
      if (client !== claims.sub) actors.push({ issuer, subject: client });
    }
    const [actor, ...chain] = actors;
    if (looksLikeSpiffe((actor ?? subject).subject)) throw invalid("spiffe", "/agent_token");
    return actor === undefined ? { actor: subject, principal: null, chain, token } : { actor, principal: subject, chain, token };
  }
}

function bearer(authorization: string | undefined): string {
  const scheme = BEARER.exec(authorization ?? "");
  if (authorization === undefined || scheme === null)
    throw new Problem("token_missing", { field: "authorization", expected: "`Bearer <token>`" });
  return authorization.slice(scheme[0].length);
}

function permitted(caller: Caller, scope: Scope): Caller {
  if (!caller.scopes.has(scope))
    throw new Problem("scope_missing", { field: "authorization", expected: `scope \`${scope}\`` }, { caller: caller.id });
  return caller;
}

/** Returns the issuer whose keys the token has to be signed by; SPIFFE leaves `iss` to the issuer, then the subject says it. */
function issuerOf<T>(payload: unknown, { issuers }: Use<T>): Issuer | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const { iss, sub } = payload as { iss?: unknown; sub?: unknown };
  if (typeof iss === "string") return issuers.get(iss);
  const domain = iss === undefined && typeof sub === "string" ? trustDomainOf(sub) : null;
  if (domain === null) return undefined;
  return [...issuers.values()].find(({ trust_domain }) => trust_domain === domain);
}

function usesOf(issuers: readonly Issuer[], purpose: TokenPurpose) {
  const other = purpose === "callers" ? "agents" : "callers";
  return {
    for: purpose,
    issuers: new Map(issuers.filter(({ audience }) => audience[purpose] !== undefined).map((one) => [one.issuer, one])),
    foreign: new Set([TASK_AUDIENCE, ...issuers.flatMap(({ audience }) => audience[other] ?? [])]),
  };
}

function checkIssuers(issuers: readonly Issuer[]): void {
  const callers = issuers.filter(({ audience }) => audience.callers !== undefined);
  const names = callers.map(({ name }) => name);
  for (const { issuer, audience } of issuers) {
    const given = Object.values(audience).filter((aud) => aud !== undefined);
    if (issuer === "" || given.length === 0 || given.includes(""))
      throw new TypeError("an issuer must be given, and an audience for each use of its tokens");
  }
  if (callers.length === 0) throw new TypeError("an issuer of callers' tokens must be given");
  if (hasTwice([TASK_ISSUER, ...issuers.map(({ issuer }) => issuer)]))
    throw new TypeError(`an issuer is given twice, or is \`${TASK_ISSUER}\``);
  if (hasTwice(issuers.flatMap(({ trust_domain }) => trust_domain ?? []))) throw new TypeError("two issuers have the same trust domain");
  if (callers.length > 1 && (names.includes(undefined) || hasTwice(names)))
    throw new TypeError("where several issuers have callers, each needs a name of its own");
  const ofCallers = new Set(callers.map(({ audience }) => audience.callers));
  const others = [TASK_AUDIENCE, ...issuers.flatMap(({ audience }) => audience.agents ?? [])];
  if (others.some((audience) => ofCallers.has(audience)) || others.slice(1).includes(TASK_AUDIENCE))
    throw new TypeError("the audiences of callers', agents' and task tokens must differ");
}

function checkKeys({ issuers, tasks, production }: IdentityOptions): void {
  const owners = issuers.map(({ keys }) => keys.fixed);
  if (tasks !== undefined) owners.push([tasks.key]);
  if (production)
    for (const { kid, development } of owners.flat())
      if (development) throw new KeyRefused(`key \`${kid}\`: made for development, refused in production`);
  for (const [i, keys] of owners.entries())
    for (const { kid, key } of keys)
      if (owners.slice(i + 1).some((others) => others.some((other) => other.key.equals(key))))
        throw new KeyRefused(`key \`${kid}\`: two issuers, or one and the task tokens, share it`);
}

function hasTwice(values: readonly unknown[]): boolean {
  return new Set(values).size !== values.length;
}
