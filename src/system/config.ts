/**
 * `remit.yaml`: what every key means, its default, bounds and unit. The schema is the type, the validator and the
 * reference (`configReference`); a key that isn't here refuses the start.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { dirname, resolve } from "node:path";
import { EXPORT_DATA, EXPORT_FORMATS } from "../contract/export.js";
import { SUBJECT_FORMATS, SUBJECT_KINDS, SUBJECT_MEMBERS } from "../contract/security_events.js";
import { Type, type Static, type TProperties } from "../contract/type.js";
import { DURABILITIES, NAME_PATTERN } from "../contract/index.js";
import { readYamlAs } from "./yaml.js";
import { schemas } from "./schemas.js";

type Unit =
  | "ms"
  | "s"
  | "days"
  | "bytes"
  | "records"
  | "actions"
  | "decisions"
  | "lines"
  | "levels"
  | "members"
  | "connections"
  | "requests"
  | "tokens"
  | "tasks"
  | "agents"
  | "grants"
  | "changes"
  | "events"
  | "subscribers"
  | "findings"
  | "revocations"
  | "streams"
  | "subjects"
  | "pages";

interface Bounds {
  default: number;
  minimum: number;
  maximum: number;
}

const amount = (unit: Unit, bounds: Bounds, description: string) => Type.Integer({ ...bounds, unit, description });
const path = (description: string) => Type.String({ minLength: 1, format: "path", description });
const name = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });
const section = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });
/** A section that may be left out, since every key in it has a default. */
const defaulted = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description, default: {} });

/** Where an adapter finds a value: `context.purpose`, or, for names with dots in them, a pointer (RFC 6901): `/context/a.b`. */
const Place = Type.String({
  pattern: "^(?:(?:subject|action|resource|context)(?:\\.[^./]+)+|/(?:subject|action|resource|context)(?:/[^/]+)+)$",
});
const Given = Type.Object(
  { is: Type.Union([Type.String({ maxLength: 256 }), Type.Number(), Type.Boolean()]) },
  { additionalProperties: false },
);
const source = (description: string) =>
  Type.Union([Place, Given, Type.Array(Type.Union([Place, Given]), { minItems: 1, maxItems: 8 })], { description });
const sources = (description: string) =>
  Type.Record(
    Type.String({ pattern: NAME_PATTERN }),
    source("A place in the request, `{is: value}`, or a list of these"),
    { additionalProperties: false, description },
  );
const word = (description: string) => Type.String({ pattern: NAME_PATTERN, description }); // prettier-ignore

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const TOKEN_ALGORITHMS = [
  "ES256",
  "ES384",
  "ES512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
] as const;

/** Where an issuer's keys are: one of these. */
const issuerKeys = {
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
        url: Type.String({ maxLength: 2048, description: "Where the set is: `https`, or `http` on a loopback address. No redirect is followed" }),
        algorithms: Type.Array(Type.Enum([...TOKEN_ALGORITHMS]), {
          minItems: 1,
          maxItems: TOKEN_ALGORITHMS.length,
          description: "What its keys are for; a key for another, or that would do for several of these, is passed over",
        }),
        timeout_ms: amount("ms", { default: 2000, minimum: 100, maximum: 60_000 }, "Time for the whole answer"),
        bytes_max: amount("bytes", { default: 256 * KIB, minimum: KIB, maximum: 4 * MIB }, "Largest answer"),
        cooldown_ms: amount("ms", { default: 10_000, minimum: 100, maximum: HOUR_MS }, "Shortest time between two questions, however many tokens name unknown keys"),
        refresh_ms: amount("ms", { default: 300_000, minimum: 1000, maximum: DAY_MS }, "Age from which the keys are asked for anew, while they are used"),
        max_age_ms: amount("ms", { default: HOUR_MS, minimum: 1000, maximum: 7 * DAY_MS }, "Age from which they are no longer trusted"),
        waiting_max: amount("requests", { default: 64, minimum: 1, maximum: 10_000 }, "Requests that wait for an answer; more are refused with 503 `keys_unavailable`"),
      },
      "JWK set that the issuer publishes. This, `keys` or `jwks`",
    ),
  ),
}; // prettier-ignore

/** How often, and how long after one another, something is tried again. */
const retries = {
  retry_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "Wait after the first failure; it doubles with each"),
  retry_max_ms: amount("ms", { default: 300_000, minimum: 10, maximum: DAY_MS }, "Longest wait, unless the other side asks for a longer one, of an hour at most"),
}; // prettier-ignore

const securityEvents = section(
  {
    dir: path("Directory of what was received, of streams, and how far they have come"),
    receiver: Type.Optional(
      section(
        {
          audience: name("The `aud` that tokens have to name, where a transmitter has none of its own"),
          bytes_max: amount("bytes", { default: 16 * KIB, minimum: KIB, maximum: 20 * KIB }, "Largest token"),
          remembered_max: amount("tokens", { default: 100_000, minimum: 100, maximum: 10_000_000 }, "Last tokens that are remembered by their `jti`, also after a restart, so that none is taken twice"),
          under_way_max: amount("requests", { default: 64, minimum: 1, maximum: 10_000 }, "Tokens being taken at once; more are answered with 503 `overloaded`"),
          revocations_max: amount("revocations", { default: 100_000, minimum: 1, maximum: 10_000_000 }, "Revocations of one transmitter in force at once; events beyond are answered with 503 `facts_full`, and come again"),
          principals_max: amount("subjects", { default: 1_000_000, minimum: 1, maximum: 10_000_000 }, "Principals whose tokens from before a moment one transmitter has cut off, a moment for each; events of others beyond are answered with 503 `facts_full`"),
          transmitters: Type.Array(
            section(
              {
                name: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$", description: "Names it in revocations, records and metrics" }),
                issuer: name("The exact `iss` of its tokens"),
                audience: Type.Optional(name("The `aud` that its tokens have to name")),
                ...issuerKeys,
                authorization_file: Type.Optional(path("File of the `Authorization` that it sends with what it pushes, as its stream's `authorization_header` says it; read for each token. Left out: its signature alone proves it")),
                subjects: Type.Array(
                  section(
                    {
                      format: Type.Enum([...SUBJECT_FORMATS], { description: "Of the identifier" }),
                      issuer: Type.Optional(name("Whose names these are: `iss` or `issuer` of the identifier. Needed for `iss_sub`, `jwt_id` and `saml_assertion_id`, and `is: credential`")),
                      member: Type.Optional(Type.Enum([...SUBJECT_MEMBERS], { description: "Of this member of a complex subject; left out: of a simple one, and of `user`" })),
                      is: Type.Enum([...SUBJECT_KINDS], { description: "What it names here. `credential`: the agent that has `issuer` and the name as a credential" }),
                      names: Type.Optional(
                        Type.Record(Type.String({ minLength: 1, maxLength: 512 }), Type.String({ minLength: 1, maxLength: 256, description: "What it is called here" }), {
                          description: "Its name → the one here; others are nobody's. Left out: each name is the one here",
                        }),
                      ),
                    },
                    "Subjects of one form",
                  ),
                  { minItems: 1, maxItems: 64, description: "Whom its subjects are here; others are nobody, and events of them have no effect" },
                ),
                only: Type.Optional(
                  section(
                    Object.fromEntries(SUBJECT_MEMBERS.map((member) => [member, Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { minItems: 1, maxItems: 64, description: "Names that are of here" }))])),
                    "Members of complex subjects that have to have one of these names, where they are there; a subject with another is somebody else's",
                  ),
                ),
                critical_members: Type.Optional(
                  Type.Array(Type.Enum([...SUBJECT_MEMBERS]), { maxItems: SUBJECT_MEMBERS.length, description: "`critical_subject_members` of its metadata: a subject with one that neither `subjects` nor `only` names has no effect" }),
                ),
                poll: Type.Optional(
                  section(
                    {
                      url: Type.String({ minLength: 1, maxLength: 2048, description: "`endpoint_url` of its stream (RFC 8936): an `https` URL, or an `http` one of a loopback address. Redirects are not followed" }),
                      token_file: Type.Optional(path("File of a token that it takes as a bearer's; read before each request")),
                      events_max: amount("events", { default: 100, minimum: 1, maximum: 1000 }, "Tokens of one answer"),
                      bytes_max: amount("bytes", { default: 4 * MIB, minimum: 16 * KIB, maximum: 64 * MIB }, "Largest answer"),
                      timeout_ms: amount("ms", { default: 90_000, minimum: 100, maximum: 600_000 }, "Time for one request, which the transmitter may hold open, and its whole answer"),
                      ...retries,
                    },
                    "It is polled. Left out, it pushes to `POST /events/sets`",
                  ),
                ),
                verify: Type.Optional(
                  section(
                    {
                      url: Type.String({ minLength: 1, maxLength: 2048, description: "`verification_endpoint` of its metadata: an `https` URL, or an `http` one of a loopback address" }),
                      stream_id: name("Its stream"),
                      token_file: Type.Optional(path("File of a token that it takes as a bearer's; read before each request")),
                      every_ms: amount("ms", { default: HOUR_MS, minimum: 1000, maximum: 7 * DAY_MS }, "How often it is asked for a verification event. Without one for twice as long, the stream counts as unverified"),
                      timeout_ms: amount("ms", { default: 15_000, minimum: 100, maximum: 600_000 }, "Time for one request and its whole answer"),
                    },
                    "Asks for verification events, so that a stream that has fallen silent is seen",
                  ),
                ),
              },
              "One transmitter",
            ),
            { minItems: 1, maxItems: 16, description: "Whose events are taken" },
          ),
        },
        "Takes Security Event Tokens (RFC 8417) by push (RFC 8935) and poll (RFC 8936)",
      ),
    ),
    transmitter: Type.Optional(
      section(
        {
          issuer: Type.String({
            pattern: "^https://[a-z0-9.:\\[\\]-]{1,255}(?:/[A-Za-z0-9._~-]{1,64}){0,8}$",
            description: "The `iss` of its tokens, and the URL under which it is reached, without `/` at its end. Its path comes after `/.well-known/ssf-configuration`",
          }),
          key: path("PEM file of the private key that signs them, and nothing else: RSA of 2048 bits or more (RS256), or P-256 (ES256)"),
          kid: name("Its `kid`"),
          push_endpoints: Type.Array(Type.String({ minLength: 1, maxLength: 2048 }), {
            default: [],
            maxItems: 64,
            description: "Where streams may have events pushed to, to the letter: `https` URLs, or `http` ones of a loopback address. Redirects are not followed. Others have to poll",
          }),
          streams_max: amount("streams", { default: 16, minimum: 1, maximum: 1000 }, "Streams at once; each caller has one"),
          subjects_max: amount("subjects", { default: 1000, minimum: 0, maximum: 100_000 }, "Subjects that a stream may have removed"),
          pending_max: amount("events", { default: 1000, minimum: 1, maximum: 100_000 }, "Events of a stream that are told and not acknowledged; the next wait in the store"),
          poll_wait_ms: amount("ms", { default: 30_000, minimum: 0, maximum: 600_000 }, "How long a poll waits for an event"),
          polls_max: amount("requests", { default: 64, minimum: 1, maximum: 65_535 }, "Polls that wait at once; more are answered with 503 `subscribers_full`"),
          verification_min_s: amount("s", { default: 10, minimum: 1, maximum: 86_400 }, "`min_verification_interval`: verification events that are asked for sooner are refused with 429"),
          timeout_ms: amount("ms", { default: 15_000, minimum: 100, maximum: 600_000 }, "Time for one push and its whole answer"),
          ...retries,
        },
        "Tells others of revocations, suspensions and narrowings, as SSF 1.0 says",
      ),
    ),
  },
  "Security events, in and out (SSF 1.0, CAEP 1.0, RISC 1.0)",
); // prettier-ignore

export const ConfigSchema = section(
  {
    listen: defaulted(
      {
        host: Type.String({
          default: "127.0.0.1",
          minLength: 1,
          description: "Address to listen on. Anything but a loopback address needs `tls`",
        }),
        port: Type.Integer({ default: 8181, minimum: 0, maximum: 65535, description: "Port; 0 takes a free one" }),
      },
      "Where the service answers",
    ),
    tls: Type.Optional(
      section(
        { cert: path("PEM file of the certificate chain"), key: path("PEM file of its private key") },
        "Serves HTTPS (TLS 1.2 and later)",
      ),
    ),
    hosts: Type.Optional(
      Type.Array(Type.String({ pattern: "^[a-z0-9._:\\[\\]-]{1,255}$" }), {
        minItems: 1,
        maxItems: 64,
        description:
          "Host names that requests may give, lower case, without port. Left out on a loopback address: `localhost`, `127.0.0.1`, `[::1]`",
      }),
    ),
    identity: section(
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
              lifetime_max_s: amount("s", { default: 3600, minimum: 1, maximum: 7 * 86_400 }, "Longest life of a token; its task may live longer"),
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
        cached_tokens_max: amount("tokens", { default: 10_000, minimum: 1, maximum: 1_000_000 }, "Verified tokens remembered, of callers, agents and tasks each"),
        actors_max: amount("levels", { default: 8, minimum: 1, maximum: 32 }, "Actors that an agent's token may name in its `act`, one within the other"),
      },
      "How callers, agents and tasks are proven",
    ),
    callers: Type.Optional(
      Type.Record(
        Type.String({ minLength: 1, maxLength: 256 }),
        section(
          {
            agents: Type.Optional(Type.Array(Type.String({ pattern: NAME_PATTERN }), { description: "Left out: every agent" })),
            purposes: Type.Optional(
              Type.Array(Type.String({ pattern: NAME_PATTERN }), { description: "Left out: every purpose" }),
            ),
          },
          "What one caller may ask for",
        ),
        {
          description:
            "By a token's subject (and its issuer's `name`, where it has one): the agents and purposes this caller may ask for, and tell tasks of. A caller that isn't named may for none. Left out: every caller may for every agent",
        },
      ),
    ),
    bundle: section(
      {
        name: name("The bundle's name; one that says another is refused"),
        path: path("The signed bundle; watched"),
        keys: Type.Array(path("PEM file of a public key (ES256)"), {
          minItems: 1,
          maxItems: 16,
          description: "PEM files of the public keys (ES256) whose bundles are trusted",
        }),
        state_dir: path("Directory for the highest trusted sequence and the last good bundle"),
        poll_ms: amount("ms", { default: 1000, minimum: 50, maximum: HOUR_MS }, "How often `path` is looked at"),
        bytes_max: amount("bytes", { default: 16 * MIB, minimum: 64 * KIB, maximum: 256 * MIB }, "Largest bundle, packed"),
        waiters_max: amount("requests", { default: 64, minimum: 0, maximum: 65_535 }, "Who may wait for the next bundle at `GET /bundles/{name}` at once, each on a connection of `limits.connections_max`; more are answered with 503 `subscribers_full`"),
        waiters_per_token_max: amount("requests", { default: 16, minimum: 0, maximum: 65_535 }, "How many of them may have one token"),
        wait_max_ms: amount("ms", { default: 300_000, minimum: 0, maximum: HOUR_MS }, "How long each may wait, however long it asks for"),
      },
      "The policy to decide by",
    ),
    facts: section(
      {
        store: path("Directory of the facts' store, a SQLite database; one service writes it"),
        file: Type.Optional(path("YAML file to import, at the start and when it changes; what it doesn't name is left alone")),
        poll_ms: amount("ms", { default: 1000, minimum: 50, maximum: HOUR_MS }, "How often `file` is looked at"),
        agents_max: amount("agents", { default: 1_000_000, minimum: 1, maximum: 10_000_000 }, "Agents, past ones too: an id is never used again"),
        tasks_max: amount("tasks", { default: 1_000_000, minimum: 1, maximum: 10_000_000 }, "Tasks, live at once"),
        task_lifetime_max_ms: amount("ms", { default: 7 * DAY_MS, minimum: 1000, maximum: 366 * DAY_MS }, "Furthest expiry of a task"),
        task_depth_max: amount("levels", { default: 4, minimum: 0, maximum: 16 }, "How often a task may be handed on"),
        grants_max: amount("grants", { default: 100_000, minimum: 1, maximum: 1_000_000 }, "Grants, live at once"),
        grants_per_holder_max: amount("grants", { default: 64, minimum: 1, maximum: 256 }, "Grants of one agent or task"),
        grant_lifetime_max_ms: amount("ms", { default: 7 * DAY_MS, minimum: 1000, maximum: 366 * DAY_MS }, "Furthest expiry of a grant"),
        queue_calls_max: amount("changes", { default: 10_000, minimum: 1, maximum: 1_000_000 }, "Changes waiting for the store"),
        queue_bytes_max: amount("bytes", { default: 64 * MIB, minimum: 64 * KIB, maximum: 1024 * MIB }, "Bytes waiting for the store"),
        durable_within_ms: amount("ms", { default: 2000, minimum: 100, maximum: 60_000 }, "How long a revocation, which holds at once, waits for the disk before its answer says that it isn't durable"),
        landed_within_ms: amount("ms", { default: 1000, minimum: 10, maximum: 60_000 }, "How long a revocation waits for answers that began before it; those left then are cut off"),
      },
      "Who may act: agents, tasks, grants, revocations",
    ),
    events: defaulted(
      {
        subscribers_max: amount("subscribers", { default: 256, minimum: 0, maximum: 65_535 }, "Who may follow `GET /events` at once, each on a connection of `limits.connections_max`; more are answered with 503 `subscribers_full`"),
        heartbeat_ms: amount("ms", { default: 10_000, minimum: 100, maximum: 60_000 }, "How often a subscriber hears something; one that takes nothing for so long is cut"),
        queue_events_max: amount("events", { default: 4096, minimum: 16, maximum: 1_000_000 }, "Events that wait for one subscriber; it is cut when more do, and goes on by `Last-Event-ID`"),
        queue_bytes_max: amount("bytes", { default: MIB, minimum: 16 * KIB, maximum: 64 * MIB }, "Bytes that wait for one subscriber"),
      },
      "What is pushed to enforcement points",
    ),
    log: section(
      {
        dir: path("Directory of the records; one service writes it"),
        segment_bytes: amount("bytes", { default: 64 * MIB, minimum: 4 * KIB, maximum: 1024 * MIB }, "Size at which a new segment begins"),
        keys: Type.Optional(
          Type.Array(path("PEM file of a private key (Ed25519) that signs checkpoints, and nothing else"), {
            minItems: 1,
            maxItems: 4,
            description: "PEM files of the private keys (Ed25519) that sign the log's checkpoints, each all of them: to rotate, name the new one beside the old for a start. Left out: `key.pem` in `dir`, made at the first start",
          }),
        ),
        origin: Type.Optional(
          Type.String({ pattern: "^[a-z0-9][a-z0-9._/-]{0,127}$", description: "The log's name in its checkpoints, for good: like a URL without its scheme. Left out: one made of its first key" }),
        ),
        checkpoint_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "How long a record may be on disk before a checkpoint covers it; one is signed at once where a proof is asked for"),
        durability: Type.Enum([...DURABILITIES], {
          default: "synced",
          description: "`synced`: an answer leaves when its record is on disk. `relaxed`: when it is handed over, so the last ones may be lost, which the records then say; counted grants are refused",
        }),
        retain_days: Type.Optional(
          Type.Integer({ minimum: 1, maximum: 36_500, unit: "days", description: "How long records are kept: older ones are dropped, whole segments at a time, and the keys of masks of that time; what remains is proven as before. Left out: for ever" }),
        ),
        mask_period_days: amount("days", { default: 30, minimum: 1, maximum: 3650 }, "How long one key digests what a bundle masks. Equal values are comparable within a period, and deleting its key (`remit audit retain`) ends that too"),
        index: defaulted(
          {
            wait_ms: amount("ms", { default: 1000, minimum: 0, maximum: 60_000 }, "How long a search waits for the records that were on disk when it was asked; its answer says how far it looked"),
            overdue_ms: amount("ms", { default: 60_000, minimum: 0, maximum: 30 * DAY_MS }, "How long after its answer was valid an action of which nothing was said counts as missing its outcome"),
            questions_max: amount("requests", { default: 64, minimum: 1, maximum: 10_000 }, "Searches under way at once; more are answered with 503 `index_unavailable`"),
            followers_max: amount("subscribers", { default: 64, minimum: 0, maximum: 65_535 }, "Who may follow `GET /decisions/stream` at once, each on a connection of `limits.connections_max`; more are answered with 503 `subscribers_full`"),
          },
          "How records are searched",
        ),
        queue_records_max: amount("records", { default: 20_000, minimum: 1, maximum: 1_000_000 }, "Records waiting for the disk"),
        queue_bytes_max: amount("bytes", { default: 64 * MIB, minimum: 64 * KIB, maximum: 1024 * MIB }, "Bytes waiting for the disk"),
      },
      "The decision records",
    ),
    export: Type.Optional(
      Type.Array(
        section(
          {
            name: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$", description: "Names its cursor, in `log.dir`, and its metrics; under another name it begins anew" }),
            url: Type.String({ minLength: 1, maxLength: 2048, description: "Where records are posted to: an `https` URL, or an `http` one of a loopback address. Redirects are not followed" }),
            format: Type.Enum([...EXPORT_FORMATS], { description: "In which form" }),
            data: Type.Enum([...EXPORT_DATA], { default: "record", description: "What the `data` of `cloudevents` is: the record, or its OCSF event" }),
            token_file: Type.Optional(path("File of a token that it takes as a bearer's; read before each request")),
            gzip: Type.Boolean({ default: false, description: "Compresses requests; those of `opa_decision_log` always are" }),
            batch_records_max: amount("records", { default: 1000, minimum: 1, maximum: 10_000 }, "Records of one request"),
            batch_bytes_max: amount("bytes", { default: MIB, minimum: 32 * KIB, maximum: 16 * MIB }, "Bytes of one request before they are compressed; a record that is larger has one for itself"),
            interval_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "How long records wait for others"),
            timeout_ms: amount("ms", { default: 30_000, minimum: 100, maximum: 600_000 }, "Time for one request and its whole answer"),
            retry_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "Wait after the first failure; it doubles with each"),
            retry_max_ms: amount("ms", { default: 300_000, minimum: 10, maximum: DAY_MS }, "Longest wait, unless the sink asks for a longer one, of an hour at most"),
            from: Type.Enum(["start", "now"], { default: "start", description: "Where it begins when it has no cursor: with the first record there is, or with the next" }),
          },
          "One sink",
        ),
        { minItems: 1, maxItems: 16, description: "Sinks that take records, each all of them, in order, at least once. They have no influence on decisions" },
      ),
    ),
    limits: defaulted(
      {
        body_bytes_max: amount("bytes", { default: 64 * KIB, minimum: KIB, maximum: MIB }, "Body of one request"),
        batch_bytes_max: amount("bytes", { default: MIB, minimum: KIB, maximum: 4 * MIB }, "Body of a batch"),
        import_bytes_max: amount("bytes", { default: 64 * MIB, minimum: KIB, maximum: 512 * MIB }, "Body of an import of facts"),
        batch_actions_max: amount("actions", { default: 100, minimum: 1, maximum: 1000 }, "Actions of a batch"),
        depth_max: amount("levels", { default: 32, minimum: 4, maximum: 128 }, "Nested objects and lists of a body"),
        members_max: amount("members", { default: 256, minimum: 16, maximum: 10_000 }, "Keys of one object, elements of one list"),
        header_bytes_max: amount("bytes", { default: 16 * KIB, minimum: 4 * KIB, maximum: 128 * KIB }, "All headers of a request"),
        connections_max: amount("connections", { default: 1024, minimum: 1, maximum: 65_535 }, "Connections at once; more are closed"),
        decisions_max: amount("requests", { default: 256, minimum: 1, maximum: 65_535 }, "Requests to decide under way at once; more are answered with 503 `overloaded`"),
        decisions_per_caller_max: amount("requests", { default: 128, minimum: 1, maximum: 65_535 }, "Of these, of one caller, by its token: however much it asks for, others find room"),
        headers_ms: amount("ms", { default: 5000, minimum: 100, maximum: 60_000 }, "Time for a request's headers to arrive"),
        body_ms: amount("ms", { default: 5000, minimum: 100, maximum: 60_000 }, "Time for a request's body to arrive"),
        keep_alive_ms: amount("ms", { default: 65_000, minimum: 0, maximum: 600_000 }, "Time a connection may be idle"),
        shutdown_ms: amount("ms", { default: 10_000, minimum: 100, maximum: 300_000 }, "Time for requests in flight when the service stops"),
      },
      "Bounds of what a request may be",
    ),
    decision: defaulted(
      {
        time_skew_max_ms: amount("ms", { default: 30_000, minimum: 0, maximum: HOUR_MS }, "How far a claimed `time` may be from the host's clock"),
        approval_wait_ms: amount("ms", { default: 900_000, minimum: 1000, maximum: 30 * DAY_MS }, "How long a flag that waits may wait"),
        outcomes_max: amount("decisions", { default: 100_000, minimum: 0, maximum: 10_000_000 }, "Last decisions that are remembered, so that what became of them can be taken down without a look into the records"),
        chained_tasks_max: amount("tasks", { default: 100_000, minimum: 0, maximum: 10_000_000 }, "Tasks whose last decision is remembered, to be named in the record of the next"),
      },
      "Bounds of a decision",
    ),
    observe: defaulted(
      {
        streams_max: amount("requests", { default: 16, minimum: 1, maximum: 1024 }, "Requests to `POST /observe` under way at once; more are answered with 503 `overloaded`"),
        lines_max: amount("lines", { default: 1_000_000, minimum: 1, maximum: 1_000_000_000 }, "Lines of one request; a line may be as long as `limits.body_bytes_max`"),
        bytes_max: amount("bytes", { default: 1024 * MIB, minimum: KIB, maximum: 1024 * 1024 * MIB }, "Body of one request"),
        refused_max: amount("lines", { default: 1000, minimum: 1, maximum: 100_000 }, "Lines of one request that may be refused before no more of it is read"),
        age_max_ms: amount("ms", { default: DAY_MS, minimum: 1000, maximum: 366 * DAY_MS }, "How long ago what is reported may have happened"),
        idle_ms: amount("ms", { default: 10_000, minimum: 100, maximum: 600_000 }, "Time that a body may bring nothing; the whole may take as long as it goes on"),
        sensors: Type.Optional(
          Type.Record(
            Type.String({ minLength: 1, maxLength: 256 }),
            section(
              { silent_after_ms: amount("ms", { default: 300_000, minimum: 1000, maximum: 30 * DAY_MS }, "How long it may report nothing, by the monotonic clock; then that is a finding. An empty report counts") },
              "One sensor",
            ),
            { maxProperties: 1000, description: "By a token's subject (and its issuer's `name`, where it has one): callers that report regularly, and are missed when they don't" },
          ),
        ),
        otlp: Type.Optional(
          section(
            {
              mapping: path("YAML file of what spans mean"),
              body_bytes_max: amount("bytes", { default: MIB, minimum: KIB, maximum: 16 * MIB }, "Body of one request, packed and unpacked. It is read in one turn, and decisions wait for that"),
              spans_max: amount("members", { default: 5000, minimum: 1, maximum: 100_000 }, "Spans of one request"),
              asked_within_ms: amount("ms", { default: 60_000, minimum: 100, maximum: DAY_MS }, "How long before a call its decision may have been; later than that, the call counts as one that nobody asked for"),
              skew_ms: amount("ms", { default: 1000, minimum: 0, maximum: 60_000 }, "How far the clocks of who reports may be ahead or behind: so long after a call its decision may seem to be"),
            },
            "Takes traces (OTLP/HTTP JSON) at `POST /observe` and `POST /v1/traces`; left out, it doesn't",
          ),
        ),
      },
      "What agents did without having asked",
    ),
    behavior: defaulted(
      {
        enabled: Type.Boolean({ default: true, description: "Whether it is learned what is usual for each agent; where it isn't, nothing is unusual and no agent is narrowed or suspended by itself" }),
        agents_max: amount("agents", { default: 10_000, minimum: 1, maximum: 1_000_000 }, "Agents of which something is known, 24 KiB each at most; who was heard of longest ago is forgotten"),
        snapshot_ms: amount("ms", { default: 300_000, minimum: 1000, maximum: DAY_MS }, "How often what is known is kept, in `log.dir`; a start reads the records since"),
      },
      "What is usual, and what isn't",
    ),
    engine: defaulted(
      {
        memory_pages_max: amount("pages", { default: 512, minimum: 16, maximum: 16_384 }, "Memory of one engine instance, in pages of 64 KiB"),
        evaluation_ms_max: amount("ms", { default: 20, minimum: 1, maximum: 10_000 }, "Time that one evaluation may take; it is stopped before twice as much has passed, and denied"),
      },
      "The WebAssembly engine",
    ),
    envoy: Type.Optional(
      section(
        {
          mapping: path("What requests are in the words of the vocabulary; see docs/envoy.md. Read at the start"),
          grpc: Type.Optional(
            section(
              {
                host: Type.String({ default: "127.0.0.1", minLength: 1, description: "Address to listen on. Anything but a loopback address needs `tls`" }),
                port: Type.Integer({ default: 9191, minimum: 0, maximum: 65535, description: "Port; 0 takes a free one" }),
                tls: Type.Optional(
                  section(
                    {
                      cert: path("PEM file of the certificate chain"),
                      key: path("PEM file of its private key"),
                      client_ca: Type.Optional(path("PEM file of the authorities of which proxies must have a certificate. They give their token all the same")),
                    },
                    "Serves TLS",
                  ),
                ),
                message_bytes_max: amount("bytes", { default: 256 * KIB, minimum: KIB, maximum: 4 * MIB }, "One message, headers and body of the request in it"),
                connections_max: amount("connections", { default: 64, minimum: 1, maximum: 65_535 }, "Connections at once; more are closed"),
                calls_max: amount("requests", { default: 1024, minimum: 1, maximum: 65_535 }, "Calls of one connection under way"),
                idle_ms: amount("ms", { default: 600_000, minimum: 1000, maximum: DAY_MS }, "Time a connection may be without a call"),
              },
              "Where `envoy.service.auth.v3.Authorization` is served",
            ),
          ),
          path: Type.Optional(
            Type.String({ pattern: "^/envoy(?:/[A-Za-z0-9_-]{1,64}){0,4}$", description: "Below which requests are asked about over HTTP, such as `/envoy`, on the service's own listener; the proxy's `path_prefix`" }),
          ),
        },
        "Envoy, and other proxies that ask as it does (`ext_authz`): over gRPC, over HTTP, or both",
      ),
    ),
    findings: defaulted(
      {
        kept_max: amount("findings", { default: 10_000, minimum: 100, maximum: 1_000_000 }, "Findings kept at hand; those closed longest ago go first, and stay in the records"),
        kept_days: amount("days", { default: 90, minimum: 1, maximum: 3650 }, "How far back a start looks for them"),
        approval_lasts_ms: amount("ms", { default: 900_000, minimum: 1000, maximum: 7 * DAY_MS }, "How long an action that was approved may be asked for again, and go on once"),
        followers_max: amount("subscribers", { default: 64, minimum: 0, maximum: 65_535 }, "Who may follow `GET /findings/stream` at once, each on a connection of `limits.connections_max`; more are answered with 503 `subscribers_full`"),
        webhook: Type.Optional(
          section(
            {
              url: Type.String({ minLength: 1, maxLength: 2048, description: "Where findings are posted to as they are opened and change: an `https` URL, or an `http` one of a loopback address. Redirects are not followed" }),
              secret_file: path("File of the secrets that sign each message (Standard Webhooks), `whsec_` and Base64, one a line; read before each message"),
              timeout_ms: amount("ms", { default: 15_000, minimum: 100, maximum: 600_000 }, "Time for one message and its whole answer"),
              retry_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "Wait after the first failure; it doubles with each"),
              retry_max_ms: amount("ms", { default: 300_000, minimum: 10, maximum: DAY_MS }, "Longest wait, unless the receiver asks for a longer one, of an hour at most"),
            },
            "Who is told of findings, at least once each, in order. It has no influence on decisions",
          ),
        ),
      },
      "What people have to look into",
    ),
    security_events: Type.Optional(securityEvents),
    authzen: Type.Optional(
      section(
        {
          identifier: Type.String({
            pattern: "^https://[a-z0-9.:\\[\\]-]{1,255}(?:/[A-Za-z0-9._~-]{1,64}){0,8}$",
            description: "`policy_decision_point`: the URL that enforcement points know it by, without `/` at its end. Its path, as of a tenant, comes before that of every endpoint",
          }),
          subjects: Type.Record(
            Type.String({ minLength: 1, maxLength: 256 }),
            section(
              {
                agent: Type.Optional(source("Who acts; `subject.id`, if unsaid")),
                prefix: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,63}$", description: "Set before what `agent` finds, so that ids of two types are two agents" })),
                purpose: Type.Optional(source("In place of the `purpose` of all")),
              },
              "Subjects of one type",
            ),
            { minProperties: 1, description: "By their type, subjects that are agents or act through one. Subjects of another type are nobody here" },
          ),
          purpose: Type.Optional(source("What it is for; `context.purpose`, if unsaid. Of several places the first that has something")),
          task: Type.Optional(source("`context.task`, if unsaid")),
          agent_token: Type.Optional(source("`context.agent_token`, if unsaid")),
          task_token: Type.Optional(source("`context.task_token`, if unsaid")),
          session: Type.Optional(source("`context.session`, if unsaid")),
          source: Type.Optional(source("`context.source`, if unsaid")),
          actions: Type.Optional(
            Type.Record(Type.String({ minLength: 1, maxLength: 256 }), word("Its verb"), {
              description: "Action name → verb; an action that isn't here is the verb of its name",
            }),
          ),
          resources: Type.Optional(
            Type.Record(
              Type.String({ minLength: 1, maxLength: 256 }),
              section(
                {
                  type: Type.Optional(word("As the vocabulary has it; the same name, if unsaid")),
                  attributes: Type.Optional(sources("Attribute → where it is; an attribute that isn't here is the resource's property of its name")),
                  arguments: Type.Optional(sources("Argument → where it is; an argument that isn't here is the action's property of its name")),
                  related: Type.Optional(
                    Type.Record(
                      Type.String({ pattern: NAME_PATTERN }),
                      section({ id: source("Its id"), attributes: Type.Optional(sources("Attribute → where it is")) }, "One role"),
                      { additionalProperties: false, description: "Role → another resource that the request names. The role `subject`, where the vocabulary has it, is the request's subject" },
                    ),
                  ),
                },
                "Resources of one type",
              ),
              { description: "By their AuthZEN type, resources that aren't as the vocabulary has them" },
            ),
          ),
          meets: Type.Optional(
            Type.Array(Type.Enum(["redact", "modify", "confirm", "notify"]), {
              maxItems: 4,
              uniqueItems: true,
              description: "Obligations that whoever asks in AuthZEN meets; left out: none. What is permitted under any other is denied, since `decision` is all that they need to look at",
            }),
          ),
          entities: Type.Optional(path("YAML file of what is known: type → id → properties. They stand in for what a request leaves out, and are what a search looks through")),
          entities_max: amount("members", { default: 100_000, minimum: 1, maximum: 1_000_000 }, "Entities of that file"),
          page_results_max: amount("members", { default: 100, minimum: 1, maximum: 1000 }, "Results of one page of a search"),
          page_evaluations_max: amount("decisions", { default: 200, minimum: 1, maximum: 100_000 }, "Candidates that one page of a search looks at; the next page goes on"),
        },
        "Answers AuthZEN 1.0 requests; left out, it doesn't",
      ),
    ),
  },
  "The service's configuration",
); // prettier-ignore
export type Config = Static<typeof ConfigSchema>;

const ajv = schemas({ useDefaults: true, keywords: ["unit"], formats: { path: true } });
const validConfig = ajv.compile<Config>(ConfigSchema);

/**
 * Reads and checks a configuration file. Paths in the answer are absolute: in the file they are relative to it.
 * @throws YamlError naming file, line and key
 */
export function readConfig(file: string): Config {
  return parseConfig(readFileSync(file, "utf8"), file);
}

/** As `readConfig`, of a text; `file` says what its paths are relative to. */
export function parseConfig(text: string, file: string): Config {
  const { value, errorAt } = readYamlAs<Config>(text, file, validConfig);
  resolvePaths(ConfigSchema as Schema, value, dirname(resolve(file)));
  const { identity, listen } = value;
  for (const [i, issuer] of identity.issuers.entries()) {
    const at = ["identity", "issuers", i];
    const { audience } = issuer;
    checkIssuerKeys(issuer, at, errorAt);
    if (audience.callers === undefined && audience.agents === undefined)
      throw errorAt([...at, "audience"], "give `callers`, `agents` or both");
  }
  checkSecurityEvents(value.security_events, errorAt);
  for (const [i, { name, url, retry_ms, retry_max_ms }] of (value.export ?? []).entries()) {
    if (!isOutgoingUrl(url))
      throw errorAt(["export", i, "url"], "give an `https` URL, or an `http` one of a loopback address");
    if (retry_ms > retry_max_ms) throw errorAt(["export", i, "retry_ms"], "must be at most `retry_max_ms`");
    if (value.export?.findIndex((other) => other.name === name) !== i)
      throw errorAt(["export", i, "name"], "another sink has this name");
  }
  const webhook = value.findings.webhook;
  if (webhook !== undefined) {
    const at = ["findings", "webhook"];
    if (!isOutgoingUrl(webhook.url))
      throw errorAt([...at, "url"], "give an `https` URL, or an `http` one of a loopback address");
    if (webhook.retry_ms > webhook.retry_max_ms) throw errorAt([...at, "retry_ms"], "must be at most `retry_max_ms`");
  }
  if (value.envoy !== undefined) {
    const { grpc, path } = value.envoy;
    if (grpc === undefined && path === undefined) throw errorAt(["envoy"], "give `grpc`, `path` or both");
    if (grpc !== undefined && grpc.tls === undefined && !isLoopback(grpc.host))
      throw errorAt(["envoy", "grpc", "host"], "anything but a loopback address needs `tls`");
  }
  if (!isLoopback(listen.host)) {
    if (value.tls === undefined) throw errorAt(["listen", "host"], "anything but a loopback address needs `tls`");
    if (value.hosts === undefined) throw errorAt(["hosts"], "missing: needed on anything but a loopback address");
  }
  return value;
}

type ErrorAt = (path: readonly (string | number)[], message: string) => Error;
const OUTGOING = "give an `https` URL, or an `http` one of a loopback address";

function checkIssuerKeys(
  { keys, jwks, remote }: Pick<Config["identity"]["issuers"][number], "keys" | "jwks" | "remote">,
  at: readonly (string | number)[],
  errorAt: ErrorAt,
): void {
  if ([keys, jwks, remote].filter((given) => given !== undefined).length !== 1)
    throw errorAt(at, "give one of `keys`, `jwks` and `remote`");
  if (remote === undefined) return;
  if (!isOutgoingUrl(remote.url)) throw errorAt([...at, "remote", "url"], OUTGOING);
  if (remote.refresh_ms > remote.max_age_ms)
    throw errorAt([...at, "remote", "refresh_ms"], "must be at most `max_age_ms`");
}

const WITH_ISSUER: ReadonlySet<string> = new Set(["iss_sub", "jwt_id", "saml_assertion_id"]);

function checkSecurityEvents(events: Config["security_events"], errorAt: ErrorAt): void {
  const { receiver, transmitter } = events ?? {};
  const others = receiver?.transmitters ?? [];
  for (const [i, one] of others.entries()) {
    const at = ["security_events", "receiver", "transmitters", i];
    checkIssuerKeys(one, at, errorAt);
    const { poll, verify, subjects } = one;
    for (const member of ["name", "issuer"] as const)
      if (others.findIndex((other) => other[member] === one[member]) !== i)
        throw errorAt([...at, member], `another transmitter has this ${member}`);
    for (const [j, { format, issuer, is }] of subjects.entries())
      if ((WITH_ISSUER.has(format) || is === "credential") && issuer === undefined)
        throw errorAt([...at, "subjects", j], "give its `issuer`: whose names these are");
    if (poll !== undefined && !isOutgoingUrl(poll.url)) throw errorAt([...at, "poll", "url"], OUTGOING);
    if (poll !== undefined && poll.retry_ms > poll.retry_max_ms)
      throw errorAt([...at, "poll", "retry_ms"], "must be at most `retry_max_ms`");
    if (verify !== undefined && !isOutgoingUrl(verify.url)) throw errorAt([...at, "verify", "url"], OUTGOING);
  }
  if (transmitter === undefined) return;
  const at = ["security_events", "transmitter"];
  for (const [i, url] of transmitter.push_endpoints.entries())
    if (!isOutgoingUrl(url)) throw errorAt([...at, "push_endpoints", i], OUTGOING);
  if (transmitter.retry_ms > transmitter.retry_max_ms)
    throw errorAt([...at, "retry_ms"], "must be at most `retry_max_ms`");
}

const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/** The Host names that requests may give. */
export function allowedHosts({ hosts }: Pick<Config, "hosts">): readonly string[] {
  return hosts ?? LOOPBACK_HOSTS;
}

/** Without a password, which would stand in the log, and without a fragment, which isn't sent. */
function isOutgoingUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== "" || password !== "" || hash !== "") return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname.replace(/^\[(.*)\]$/, "$1")));
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

interface Schema {
  type?: string;
  format?: string;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  items?: Schema;
}

function resolvePaths(schema: Schema, value: unknown, folder: string): void {
  if (Array.isArray(value)) {
    const items = value as unknown[];
    for (const [i, item] of items.entries()) {
      if (schema.items?.format === "path") items[i] = resolve(folder, item as string);
      else resolvePaths(schema.items ?? {}, item, folder);
    }
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const values = value as Record<string, unknown>;
  for (const [key, member] of Object.entries(values)) {
    const of = schema.properties?.[key] ?? Object.values(schema.patternProperties ?? {})[0] ?? {};
    if (of.format === "path") values[key] = resolve(folder, member as string);
    else resolvePaths(of, member, folder);
  }
}

/** The reference of all keys as a Markdown table. */
export function configReference(): string {
  const rows = ["| key | default | bounds | meaning |", "| --- | --- | --- | --- |"];
  addRows(rows, "", ConfigSchema as Described, true);
  return `${rows.join("\n")}\n`;
}

type Described = Schema & {
  description?: string;
  default?: string | number | object;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  unit?: string;
  enum?: string[];
  required?: string[];
};

function addRows(rows: string[], prefix: string, schema: Described, required: boolean): void {
  if (prefix !== "") {
    const bounds =
      schema.enum !== undefined
        ? schema.enum.join(", ")
        : schema.minimum !== undefined
          ? `${schema.minimum} to ${schema.maximum ?? ""}${schema.unit === undefined ? "" : ` ${schema.unit}`}`
          : schema.maxItems !== undefined
            ? `${schema.minItems ?? 0} to ${schema.maxItems} elements`
            : "";
    const fallback =
      typeof schema.default === "string" || typeof schema.default === "number"
        ? `\`${schema.default}\``
        : required
          ? "required"
          : "";
    const isSection = schema.type === "object" && schema.default !== undefined;
    rows.push(`| \`${prefix}\` | ${isSection ? "" : fallback} | ${bounds} | ${schema.description ?? ""} |`);
  }
  const dot = prefix === "" ? "" : ".";
  for (const [key, member] of Object.entries(schema.properties ?? {})) {
    addRows(rows, `${prefix}${dot}${key}`, member, schema.required?.includes(key) === true);
  }
  const member = Object.values(schema.patternProperties ?? {})[0];
  if (member !== undefined) addRows(rows, `${prefix}${dot}<name>`, member, false);
  if (schema.items?.type === "object") addRows(rows, `${prefix}[]`, schema.items, false);
}
