/** Security events (SSF 1.0, CAEP 1.0, RISC 1.0): subjects, how streams stand, and what their configuration is. */
import { Type, type Static, type TSchema } from "./type.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** Formats of simple subject identifiers (RFC 9493, section 3.2; SSF 1.0, section 3.4) that can name somebody here. */
export const SUBJECT_FORMATS = [
  "account",
  "did",
  "email",
  "iss_sub",
  "jwt_id",
  "opaque",
  "phone_number",
  "saml_assertion_id",
  "uri",
] as const;
export type SubjectFormat = (typeof SUBJECT_FORMATS)[number];

/** Members of a complex subject (SSF 1.0, section 3.3). */
export const SUBJECT_MEMBERS = ["user", "device", "session", "application", "tenant", "org_unit", "group"] as const;
export type SubjectMember = (typeof SUBJECT_MEMBERS)[number];

/** What a subject can be here. */
export const SUBJECT_KINDS = ["agent", "credential", "owner", "principal", "task", "token"] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

/** What a receiver says of a token that it doesn't take (RFC 8935, section 2.4; SSF 1.0, section 8.1.4). */
export const SetErrorAnswer = Type.Object({ err: Type.String(), description: Type.String() }, closed);

const Time = Type.String({ description: "RFC 3339" });
const Counts = Type.Record(Type.String(), Type.Integer());

/** How one transmitter's events arrive. */
export const ReceivedStream = Type.Object(
  {
    name: Type.String(),
    issuer: Type.String(),
    delivery: Type.Enum(["push", "poll"]),
    taken: Type.Unsafe<Partial<Record<string, number>>>({
      ...Counts,
      description: "Since the start, by what became of them: `applied`, `stale`, `no_effect`, `type_unknown`, `subject_unknown`, …",
    }),
    repeated: Type.Integer({ description: "That had been taken before" }),
    refused: Type.Unsafe<Partial<Record<string, number>>>({ ...Counts, description: "By the error (RFC 8935)" }),
    last_at: orNull(Time),
    lag_ms: orNull(Type.Integer({ description: "From when the last one was issued until it was taken" })),
    verified_at: orNull(Type.String({ description: "When a verification event last came; null: none since the start" })),
    unverified: Type.Boolean({ description: "true: `verify` is configured, and none has come for too long" }),
    poll_failing: Type.Boolean(),
    status: Type.String({ description: "As it last said: `enabled`, `paused`, `disabled`" }),
    revocations: Type.Integer({ description: "Of its own, in force" }),
  },
  closed,
);
export type ReceivedStream = Static<typeof ReceivedStream>;

/** How events of a stream get to its receiver (SSF 1.0, section 6.1). */
export const PUSH_METHOD = "urn:ietf:rfc:8935";
export const POLL_METHOD = "urn:ietf:rfc:8936";
export const DELIVERY_METHODS = [PUSH_METHOD, POLL_METHOD] as const;

const Uri = Type.String({ minLength: 1, maxLength: 2048 });
const Uris = Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { maxItems: 64, uniqueItems: true });
const StreamId = Type.String({ minLength: 1, maxLength: 128 });
const Description = Type.String({ maxLength: 1024 });

const AskedDelivery = Type.Object(
  {
    method: Type.Enum([...DELIVERY_METHODS]),
    endpoint_url: Type.Optional(
      Type.String({ ...Uri, description: "Where events are pushed to: one of `security_events.transmitter.push_endpoints`" }),
    ),
    authorization_header: Type.Optional(
      Type.String({ pattern: "^[\\x20-\\x7e]{1,2048}$", description: "Sent as `Authorization` with what is pushed; never answered" }),
    ),
  },
  closed,
);

const asked = {
  delivery: Type.Optional(AskedDelivery),
  events_requested: Type.Optional(Type.Unsafe<string[]>({ ...Uris, description: "Types of events; left out: all" })),
  description: Type.Optional(Description),
};
/** What the transmitter has said of a stream: given back with a change, it has to be the same. */
const given = {
  iss: Type.Optional(Type.String()),
  aud: Type.Optional(Type.Unknown()),
  events_supported: Type.Optional(Uris),
  events_delivered: Type.Optional(Uris),
  min_verification_interval: Type.Optional(Type.Integer()),
};
export const CreateStream = Type.Object({ ...asked, ...given }, closed);
export type CreateStream = Static<typeof CreateStream>;
export const ChangeStream = Type.Object({ stream_id: StreamId, ...asked, ...given }, closed);
export type ChangeStream = Static<typeof ChangeStream>;

export const StreamAnswer = Type.Object(
  {
    stream_id: StreamId,
    iss: Type.String(),
    aud: Type.String({ description: "The caller whose stream it is" }),
    events_supported: Uris,
    events_requested: Type.Optional(Uris),
    events_delivered: Uris,
    delivery: Type.Object({ method: Type.Enum([...DELIVERY_METHODS]), endpoint_url: Uri }, closed),
    min_verification_interval: Type.Integer({ description: "Seconds" }),
    description: Type.Optional(Description),
  },
  closed,
);
export type StreamAnswer = Static<typeof StreamAnswer>;

export const STREAM_STATUSES = ["enabled", "paused", "disabled"] as const;
export const ChangeStreamStatus = Type.Object(
  {
    stream_id: StreamId,
    status: Type.Enum([...STREAM_STATUSES], { description: "`paused`: what happens is told later. `disabled`: it isn't told" }),
    reason: Type.Optional(Description),
  },
  closed,
);
export type ChangeStreamStatus = Static<typeof ChangeStreamStatus>;
export const StreamStatusAnswer = ChangeStreamStatus;

export const ChangeStreamSubject = Type.Object(
  {
    stream_id: StreamId,
    subject: Type.Unsafe<Record<string, unknown>>({ type: "object", minProperties: 1, maxProperties: 16 }),
    verified: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type ChangeStreamSubject = Static<typeof ChangeStreamSubject>;

export const VerifyStream = Type.Object(
  { stream_id: StreamId, state: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })) },
  closed,
);
export type VerifyStream = Static<typeof VerifyStream>;

/** RFC 8936, section 2.4. */
export const PollStream = Type.Object(
  {
    maxEvents: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000, description: "0: only acknowledges" })),
    returnImmediately: Type.Optional(Type.Boolean({ description: "true: doesn't wait for an event" })),
    ack: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 100_000 })),
    setErrs: Type.Optional(
      Type.Record(
        Type.String({ maxLength: 256 }),
        Type.Object({ err: Type.String({ maxLength: 128 }), description: Type.Optional(Type.String({ maxLength: 4096 })) }),
      ),
    ),
  },
  { description: "RFC 8936; members that it doesn't know are passed over" },
);
export type PollStream = Static<typeof PollStream>;
export const PolledEvents = Type.Object(
  { sets: Type.Record(Type.String(), Type.String()), moreAvailable: Type.Optional(Type.Boolean()) },
  closed,
);
export type PolledEvents = Static<typeof PolledEvents>;

/** `/.well-known/ssf-configuration` (SSF 1.0, section 7.1). */
export const TransmitterMetadata = Type.Object(
  {
    spec_version: Type.Literal("1_0"),
    issuer: Uri,
    jwks_uri: Uri,
    delivery_methods_supported: Uris,
    configuration_endpoint: Uri,
    status_endpoint: Uri,
    add_subject_endpoint: Uri,
    remove_subject_endpoint: Uri,
    verification_endpoint: Uri,
    authorization_schemes: Type.Array(Type.Object({ spec_urn: Type.String() }, closed)),
    default_subjects: Type.Literal("ALL"),
  },
  closed,
);
export type TransmitterMetadata = Static<typeof TransmitterMetadata>;

/** How what is told to one receiver stands. */
export const ToldStream = Type.Object(
  {
    stream_id: StreamId,
    caller: Type.String(),
    method: Type.Enum([...DELIVERY_METHODS]),
    status: Type.Enum([...STREAM_STATUSES]),
    pending: Type.Integer({ description: "Events that are told next, and those not acknowledged" }),
    behind: Type.Integer({ description: "Changes of facts that it hasn't been told of, if they are to be" }),
    failing: Type.Boolean({ description: "true: the last push wasn't taken, and is tried again" }),
    set_aside: Type.Integer({ description: "Events that its receiver doesn't take" }),
  },
  closed,
);
export type ToldStream = Static<typeof ToldStream>;

export const TransmittersAnswer = Type.Object(
  {
    transmitters: Type.Array(ReceivedStream),
    unproven: Type.Unsafe<Partial<Record<string, number>>>({
      ...Counts,
      description: "Refused since the start, and not proven to come from anyone, by the error",
    }),
    queue: Type.Integer({ description: "Tokens being taken now" }),
    streams: Type.Array(ToldStream),
  },
  closed,
);
export type TransmittersAnswer = Static<typeof TransmittersAnswer>;
