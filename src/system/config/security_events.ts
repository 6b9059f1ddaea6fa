/** Security events, in and out. */
import { SUBJECT_FORMATS, SUBJECT_KINDS, SUBJECT_MEMBERS } from "../../contract/security_events.js";
import { Type, type Static } from "../../contract/type.js";
import { checkIssuerKeys, issuerKeys } from "./identity.js";
import { DAY_MS, HOUR_MS, KIB, MIB, amount, folder, name, ownKey, path, retries, section, type ErrorAt } from "./parts.js";
import { OUTGOING, isOutgoingUrl } from "./urls.js";

export const securityEvents = section(
  {
    dir: folder("Directory of what was received, of streams, and how far they have come"),
    receiver: Type.Optional(
      section(
        {
          audience: name("The `aud` that tokens have to name, where a transmitter has none of its own"),
          bytes_max: amount("bytes", { default: 16 * KIB, minimum: KIB, maximum: 20 * KIB }, "Largest token"),
          remembered_max: amount(
            "tokens",
            { default: 100_000, minimum: 100, maximum: 10_000_000 },
            "Last tokens that are remembered by their `jti`, also after a restart, so that none is taken twice",
          ),
          under_way_max: amount(
            "requests",
            { default: 64, minimum: 1, maximum: 10_000 },
            "Tokens being taken at once; more are answered with 503 `overloaded`",
          ),
          revocations_max: amount(
            "revocations",
            { default: 100_000, minimum: 1, maximum: 10_000_000 },
            "Revocations of one transmitter in force at once; events beyond are answered with 503 `facts_full`, and come again",
          ),
          principals_max: amount(
            "subjects",
            { default: 1_000_000, minimum: 1, maximum: 10_000_000 },
            "Principals whose tokens from before a moment one transmitter has cut off, a moment for each; events of others beyond are answered with 503 `facts_full`",
          ),
          transmitters: Type.Array(
            section(
              {
                name: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$", description: "Names it in revocations, records and metrics" }),
                issuer: name("The exact `iss` of its tokens"),
                audience: Type.Optional(name("The `aud` that its tokens have to name")),
                ...issuerKeys,
                authorization_file: Type.Optional(
                  path(
                    "File of the `Authorization` that it sends with what it pushes, as its stream's `authorization_header` says it; read for each token. Left out: its signature alone proves it",
                  ),
                ),
                subjects: Type.Array(
                  section(
                    {
                      format: Type.Enum([...SUBJECT_FORMATS], { description: "Of the identifier" }),
                      issuer: Type.Optional(
                        name(
                          "Whose names these are: `iss` or `issuer` of the identifier. Needed for `iss_sub`, `jwt_id` and `saml_assertion_id`, and `is: credential`",
                        ),
                      ),
                      member: Type.Optional(
                        Type.Enum([...SUBJECT_MEMBERS], {
                          description: "Of this member of a complex subject; left out: of a simple one, and of `user`",
                        }),
                      ),
                      is: Type.Enum([...SUBJECT_KINDS], {
                        description: "What it names here. `credential`: the agent that has `issuer` and the name as a credential",
                      }),
                      names: Type.Optional(
                        Type.Record(ownKey(512), Type.String({ minLength: 1, maxLength: 256, description: "What it is called here" }), {
                          additionalProperties: false,
                          description: "Its name → the one here; others are nobody's. Left out: each name is the one here",
                        }),
                      ),
                    },
                    "Subjects of one form",
                  ),
                  {
                    minItems: 1,
                    maxItems: 64,
                    description: "Whom its subjects are here; others are nobody, and events of them have no effect",
                  },
                ),
                only: Type.Optional(
                  section(
                    Object.fromEntries(
                      SUBJECT_MEMBERS.map((member) => [
                        member,
                        Type.Optional(
                          Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
                            minItems: 1,
                            maxItems: 64,
                            description: "Names that are of here",
                          }),
                        ),
                      ]),
                    ),
                    "Members of complex subjects that have to have one of these names, where they are there; a subject with another is somebody else's",
                  ),
                ),
                critical_members: Type.Optional(
                  Type.Array(Type.Enum([...SUBJECT_MEMBERS]), {
                    maxItems: SUBJECT_MEMBERS.length,
                    description:
                      "`critical_subject_members` of its metadata: a subject with one that neither `subjects` nor `only` names has no effect",
                  }),
                ),
                poll: Type.Optional(
                  section(
                    {
                      url: Type.String({
                        minLength: 1,
                        maxLength: 2048,
                        description:
                          "`endpoint_url` of its stream (RFC 8936): an `https` URL, or an `http` one of a loopback address. Redirects are not followed",
                      }),
                      token_file: Type.Optional(path("File of a token that it takes as a bearer's; read before each request")),
                      events_max: amount("events", { default: 100, minimum: 1, maximum: 1000 }, "Tokens of one answer"),
                      bytes_max: amount("bytes", { default: 4 * MIB, minimum: 16 * KIB, maximum: 64 * MIB }, "Largest answer"),
                      timeout_ms: amount(
                        "ms",
                        { default: 90_000, minimum: 100, maximum: 600_000 },
                        "Time for one request, which the transmitter may hold open, and its whole answer",
                      ),
                      ...retries,
                    },
                    "It is polled. Left out, it pushes to `POST /events/sets`",
                  ),
                ),
                verify: Type.Optional(
                  section(
                    {
                      url: Type.String({
                        minLength: 1,
                        maxLength: 2048,
                        description: "`verification_endpoint` of its metadata: an `https` URL, or an `http` one of a loopback address",
                      }),
                      stream_id: name("Its stream"),
                      token_file: Type.Optional(path("File of a token that it takes as a bearer's; read before each request")),
                      every_ms: amount(
                        "ms",
                        { default: HOUR_MS, minimum: 1000, maximum: 7 * DAY_MS },
                        "How often it is asked for a verification event. Without one for twice as long, the stream counts as unverified",
                      ),
                      timeout_ms: amount(
                        "ms",
                        { default: 15_000, minimum: 100, maximum: 600_000 },
                        "Time for one request and its whole answer",
                      ),
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
            description:
              "The `iss` of its tokens, and the URL under which it is reached, without `/` at its end. Its path comes after `/.well-known/ssf-configuration`",
          }),
          key: path("PEM file of the private key that signs them, and nothing else: RSA of 2048 bits or more (RS256), or P-256 (ES256)"),
          kid: name("Its `kid`"),
          push_endpoints: Type.Array(Type.String({ minLength: 1, maxLength: 2048 }), {
            default: [],
            maxItems: 64,
            description:
              "Where streams may have events pushed to, to the letter: `https` URLs, or `http` ones of a loopback address. Redirects are not followed. Others have to poll",
          }),
          streams_max: amount("streams", { default: 16, minimum: 1, maximum: 1000 }, "Streams at once; each caller has one"),
          subjects_max: amount("subjects", { default: 1000, minimum: 0, maximum: 100_000 }, "Subjects that a stream may have removed"),
          pending_max: amount(
            "events",
            { default: 1000, minimum: 1, maximum: 100_000 },
            "Events of a stream that are told and not acknowledged; the next wait in the store",
          ),
          poll_wait_ms: amount("ms", { default: 30_000, minimum: 0, maximum: 600_000 }, "How long a poll waits for an event"),
          polls_max: amount(
            "requests",
            { default: 64, minimum: 1, maximum: 65_535 },
            "Polls that wait at once; more are answered with 503 `subscribers_full`",
          ),
          verification_min_s: amount(
            "s",
            { default: 10, minimum: 1, maximum: 86_400 },
            "`min_verification_interval`: verification events that are asked for sooner are refused with 429",
          ),
          timeout_ms: amount("ms", { default: 15_000, minimum: 100, maximum: 600_000 }, "Time for one push and its whole answer"),
          ...retries,
        },
        "Tells others of revocations, suspensions and narrowings, as SSF 1.0 says",
      ),
    ),
  },
  "Security events, in and out (SSF 1.0, CAEP 1.0, RISC 1.0)",
);

const WITH_ISSUER: ReadonlySet<string> = new Set(["iss_sub", "jwt_id", "saml_assertion_id"]);

export function checkSecurityEvents({ receiver, transmitter }: Static<typeof securityEvents>, errorAt: ErrorAt): void {
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
  if (transmitter.retry_ms > transmitter.retry_max_ms) throw errorAt([...at, "retry_ms"], "must be at most `retry_max_ms`");
}
