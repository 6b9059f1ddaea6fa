/** Settings of who may ask, and how that is proven. */
import { NAME_PATTERN, SCOPES, type Scope } from "../../contract/index.js";
import { Type, type Static } from "../../contract/type.js";
import { DAY_MS, HOUR_MS, KIB, MIB, amount, name, ownKey, path, section, type ErrorAt } from "./parts.js";
import { OUTGOING, isOutgoingUrl } from "./urls.js";

const TOKEN_ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const;

const scope = Type.Enum(Object.keys(SCOPES) as Scope[]);
/** Path to a claim, of few steps. */
const claimPath = Type.String({ pattern: "^[A-Za-z0-9_-]{1,64}(?:\\.[A-Za-z0-9_-]{1,64}){0,3}$" });

/** Sources of an issuer's keys: exactly one is set. */
export const issuerKeys = {
  keys: Type.Optional(
    Type.Array(
      section(
        {
          kid: name("The `kid` of tokens that this key signed; with one key only, tokens may leave it out"),
          algorithm: Type.Enum([...TOKEN_ALGORITHMS], { description: "The one algorithm this key is for" }),
          file: path("PEM file of the public key"),
        },
        "One key",
      ),
      { minItems: 1, maxItems: 64, description: "Its public keys. This, `jwks` or `remote`" },
    ),
  ),
  jwks: Type.Optional(path("JWK set (RFC 7517) of public keys, each with `kid` and `alg`. This, `keys` or `remote`")),
  remote: Type.Optional(
    section(
      {
        url: Type.Optional(
          Type.String({
            maxLength: 2048,
            description: "Where the set is: `https`, or `http` on a loopback address. No redirect is followed. This, or `discovery`",
          }),
        ),
        discovery: Type.Optional(
          Type.Literal(true, {
            description:
              "The issuer's own metadata says where the set is: `<issuer>/.well-known/openid-configuration` of an issuer of tokens, `/.well-known/ssf-configuration` of a transmitter of events",
          }),
        ),
        ca: Type.Optional(path("PEM file of the certificates to trust here, in place of the system's")),
        algorithms: Type.Array(Type.Enum([...TOKEN_ALGORITHMS]), {
          minItems: 1,
          maxItems: TOKEN_ALGORITHMS.length,
          description: "What its keys are for; a key for another, or that would do for several of these, is passed over",
        }),
        timeout_ms: amount("ms", { default: 2000, minimum: 100, maximum: 60_000 }, "Time for each whole answer"),
        bytes_max: amount("bytes", { default: 256 * KIB, minimum: KIB, maximum: 4 * MIB }, "Largest answer"),
        cooldown_ms: amount(
          "ms",
          { default: 10_000, minimum: 100, maximum: HOUR_MS },
          "Shortest time between two questions, however many tokens name unknown keys",
        ),
        refresh_ms: amount(
          "ms",
          { default: 300_000, minimum: 1000, maximum: DAY_MS },
          "Age from which the keys are asked for anew, while they are used",
        ),
        max_age_ms: amount("ms", { default: HOUR_MS, minimum: 1000, maximum: 7 * DAY_MS }, "Age from which they are no longer trusted"),
        waiting_max: amount(
          "requests",
          { default: 64, minimum: 1, maximum: 10_000 },
          "Requests that wait for an answer; more are refused with 503 `keys_unavailable`",
        ),
      },
      "JWK set that the issuer publishes. This, `keys` or `jwks`",
    ),
  ),
};

export const identity = section(
  {
    issuers: Type.Array(
      section(
        {
          issuer: name("The exact `iss` of its tokens"),
          audience: section(
            {
              callers: Type.Optional(name("The `aud` of callers' tokens; left out, it has none")),
              agents: Type.Optional(name("The `aud` of agents' tokens; left out, it has none. Never the same as callers'")),
            },
            "What its tokens are for",
          ),
          name: Type.Optional(
            Type.String({
              pattern: "^[a-z0-9._-]{1,64}$",
              description: "Set before the subjects of its callers, as `name:subject`; needed where several issuers have callers",
            }),
          ),
          ...issuerKeys,
          spiffe_trust_domain: Type.Optional(
            Type.String({
              pattern: "^[a-z0-9._-]{1,255}$",
              description: "Its tokens are JWT-SVIDs of this trust domain, with or without `iss`",
            }),
          ),
          scopes_claim: Type.Optional(
            Type.Union([claimPath, Type.Array(claimPath, { minItems: 1, maxItems: 8 })], {
              description:
                "Where its callers' tokens say scopes, as a text with spaces or a list: `scope` if left out, else such as `scp`, `roles`, `permissions` or `realm_access.roles`, where a dot steps into an object. Of several claims, what all of them say",
            }),
          ),
          scope_prefix: Type.Optional(
            Type.String({
              pattern: "^[\\x21-\\x7e]{1,256}$",
              description:
                "Stands in its tokens in place of `remit:`, as in `https://api.example.com/remit.` for `https://api.example.com/remit.decide`",
            }),
          ),
          scopes_max: Type.Optional(
            Type.Array(scope, {
              description: "The most that its callers may have, whatever their tokens or `callers` say. Left out: every scope",
            }),
          ),
          actor_claim: Type.Optional(
            Type.Enum(["azp", "client_id", "cid", "appid"], {
              description:
                "The client that an agent's token was issued to is the acting agent, for the token's subject, if the token has no `act`. Left out: the subject acts",
            }),
          ),
        },
        "One issuer",
      ),
      { minItems: 1, maxItems: 64, description: "Whose tokens are taken" },
    ),
    task_tokens: Type.Optional(
      section(
        {
          key: path("PEM file of the private key (P-256) that signs them, and nothing else"),
          kid: name("Its `kid`"),
          lifetime_max_s: amount(
            "s",
            { default: 3600, minimum: 1, maximum: 7 * 86_400 },
            "Longest life of a token; its task may live longer",
          ),
        },
        "Signed tokens for tasks; left out, none are issued or read",
      ),
    ),
    leeway_s: amount("s", { default: 5, minimum: 0, maximum: 60 }, "Allowed difference of clocks at `nbf`, `iat` and a caller's `exp`"),
    token_bytes_max: amount("bytes", { default: 8 * KIB, minimum: 256, maximum: 64 * KIB }, "Longest token"),
    token_lifetime_max_s: amount(
      "s",
      { default: 86_400, minimum: 60, maximum: 366 * 86_400 },
      "Furthest `exp` from now; a token that lives longer is refused",
    ),
    cached_tokens_max: amount(
      "tokens",
      { default: 10_000, minimum: 1, maximum: 1_000_000 },
      "Verified tokens remembered, of callers, agents and tasks each",
    ),
    actors_max: amount(
      "levels",
      { default: 8, minimum: 1, maximum: 32 },
      "Actors that an agent's token may name in its `act`, one within the other",
    ),
  },
  "How callers, agents and tasks are proven",
);

export const callers = Type.Record(
  ownKey(256),
  section(
    {
      agents: Type.Optional(Type.Array(Type.String({ pattern: NAME_PATTERN }), { description: "Left out: every agent" })),
      purposes: Type.Optional(Type.Array(Type.String({ pattern: NAME_PATTERN }), { description: "Left out: every purpose" })),
      roles: Type.Optional(
        Type.Array(Type.String({ pattern: NAME_PATTERN }), {
          description: "What it is when it approves an action, as `approvers` of a purpose names it. Left out: none",
        }),
      ),
      scopes: Type.Optional(
        Type.Array(scope, {
          description:
            "Scopes that it has, in place of those its token says: for workloads whose tokens have none. Left out: those of its token",
        }),
      ),
    },
    "What one caller may ask for",
  ),
  {
    additionalProperties: false,
    description:
      "By a token's subject (and its issuer's `name`, where it has one): the agents and purposes this caller may ask for, and tell tasks of. `<name>:*` is every caller of that issuer without an entry of its own. A caller that isn't named may for none. Left out: every caller may for every agent",
  },
);

export function checkIssuers(issuers: Static<typeof identity>["issuers"], errorAt: ErrorAt): void {
  for (const [i, issuer] of issuers.entries()) {
    const at = ["identity", "issuers", i];
    checkIssuerKeys(issuer, at, errorAt);
    if (issuer.actor_claim !== undefined && issuer.spiffe_trust_domain !== undefined)
      throw errorAt([...at, "actor_claim"], "not with `spiffe_trust_domain`: a JWT-SVID is its subject's alone");
    const { callers: ofCallers, agents } = issuer.audience;
    if (ofCallers === undefined && agents === undefined) throw errorAt([...at, "audience"], "give `callers`, `agents` or both");
    for (const key of ["issuer", "spiffe_trust_domain"] as const)
      if (issuer[key] !== undefined && issuers.findIndex((other) => other[key] === issuer[key]) !== i)
        throw errorAt([...at, key], `another issuer has this ${key}`);
    if (issuers.some(({ audience }) => ofCallers !== undefined && audience.agents === ofCallers))
      throw errorAt([...at, "audience", "callers"], "must be none of agents' tokens");
  }
  const withCallers = [...issuers.entries()].filter(([, { audience }]) => audience.callers !== undefined);
  if (withCallers.length === 0) throw errorAt(["identity", "issuers"], "give one with an `audience` of `callers`");
  if (withCallers.length === 1) return;
  for (const [at, [i, { name }]] of withCallers.entries()) {
    const place = ["identity", "issuers", i, "name"];
    if (name === undefined) throw errorAt(place, "missing: several issuers have callers");
    if (withCallers.findIndex(([, other]) => other.name === name) !== at) throw errorAt(place, "another issuer has this name");
  }
}

type Issuer = Static<typeof identity>["issuers"][number];

const ALL_OF_ISSUER = /^([a-z0-9._-]{1,64}):\*$/;

/**
 * Rejects entries of `callers` that would be missed only when they are needed: those for callers of an unknown issuer, and scopes
 * that the issuer's cap takes away again.
 */
export function checkCallers(issuers: readonly Issuer[], given: Static<typeof callers> | undefined, errorAt: ErrorAt): void {
  const withCallers = issuers.filter(({ audience }) => audience.callers !== undefined);
  for (const [caller, { scopes = [] }] of Object.entries(given ?? {})) {
    const named = ALL_OF_ISSUER.exec(caller)?.[1];
    if (named !== undefined && !withCallers.some(({ name }) => name === named))
      throw errorAt(["callers", caller], `no issuer of callers has the \`name\` ${named}`);
    const issuer = withCallers.find(({ name }) => name === undefined || caller.startsWith(`${name}:`));
    const beyond = scopes.findIndex((one) => issuer?.scopes_max?.includes(one) === false);
    if (beyond !== -1) throw errorAt(["callers", caller, "scopes", beyond], "is not in `scopes_max` of its issuer");
  }
}

export function checkIssuerKeys(
  { issuer, keys, jwks, remote }: Pick<Issuer, "issuer" | "keys" | "jwks" | "remote">,
  at: readonly (string | number)[],
  errorAt: ErrorAt,
): void {
  if ([keys, jwks, remote].filter((given) => given !== undefined).length !== 1)
    throw errorAt(at, "give one of `keys`, `jwks` and `remote`");
  if (remote === undefined) return;
  if ((remote.url === undefined) === (remote.discovery === undefined))
    throw errorAt([...at, "remote"], "give one of `url` and `discovery`");
  if (remote.url !== undefined && !isOutgoingUrl(remote.url)) throw errorAt([...at, "remote", "url"], OUTGOING);
  if (remote.discovery !== undefined && !isOutgoingUrl(issuer)) throw errorAt([...at, "issuer"], `for \`discovery\` ${OUTGOING}`);
  if (remote.refresh_ms > remote.max_age_ms) throw errorAt([...at, "remote", "refresh_ms"], "must be at most `max_age_ms`");
}
