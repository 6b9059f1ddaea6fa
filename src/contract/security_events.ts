/** Security events (SSF 1.0, CAEP 1.0, RISC 1.0): subjects, how streams stand, and what their configuration is. */
import { Type, about, type Static, type TSchema } from "./type.js";

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

/** Kinds of subjects here. */
export const SUBJECT_KINDS = ["agent", "credential", "owner", "principal", "task", "token"] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

/** Error of a receiver for a token that it refuses (RFC 8935, section 2.4; SSF 1.0, section 8.1.4). */
export const SetErrorAnswer = Type.Object(
  {
    err: Type.String({ description: "Code of the error (RFC 8935, section 2.4)" }),
    description: Type.String({ description: "The error in words" }),
  },
  { ...closed, title: "SetError", description: "Why a security event token was refused" },
);

const Counts = Type.Record(Type.String(), Type.Integer());

/** Delivery of one transmitter's events. */
export const ReceivedStream = Type.Object(
  {
    name: Type.String({ description: "Name of the transmitter in the configuration" }),
    issuer: Type.String({ description: "`iss` of its tokens" }),
    delivery: Type.Enum(["push", "poll"], { description: "Whether it pushes events or they are polled" }),
    taken: Type.Unsafe<Partial<Record<string, number>>>({
      ...Counts,
      description:
        "Numbers of events since the start, by what became of them: `applied`, `stale`, `no_effect`, `type_unknown`, `subject_unknown`, …",
    }),
    repeated: Type.Integer({ description: "Tokens that came again after they were taken" }),
    refused: Type.Unsafe<Partial<Record<string, number>>>({ ...Counts, description: "Numbers of refused tokens, by the error (RFC 8935)" }),
    last_at: orNull(Type.String({ description: "When the last token was taken, RFC 3339; null: none since the start" })),
    lag_ms: orNull(Type.Integer({ description: "Milliseconds from issuing the last token to taking it; null: none since the start" })),
    verified_at: orNull(Type.String({ description: "When a verification event last came, RFC 3339; null: none since the start" })),
    unverified: Type.Boolean({ description: "Whether `verify` is configured and no verification event has come for too long" }),
    poll_failing: Type.Boolean({ description: "Whether the last poll failed and is tried again" }),
    status: Type.String({ description: "Status that it last reported: `enabled`, `paused`, `disabled`" }),
    revocations: Type.Integer({ description: "Revocations of its own that are in force" }),
  },
  { ...closed, title: "ReceivedStream", description: "Events that come in from one transmitter" },
);
export type ReceivedStream = Static<typeof ReceivedStream>;

/** Delivery of a stream's events to its receiver (SSF 1.0, section 6.1). */
export const PUSH_METHOD = "urn:ietf:rfc:8935";
export const POLL_METHOD = "urn:ietf:rfc:8936";
export const DELIVERY_METHODS = [PUSH_METHOD, POLL_METHOD] as const;

const Uri = Type.String({ minLength: 1, maxLength: 2048 });
const Uris = Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { maxItems: 64, uniqueItems: true });
const StreamId = Type.String({ minLength: 1, maxLength: 128, description: "Id of the stream" });
const Description = Type.String({ maxLength: 1024, description: "Note of the receiver, for people. Left out: none" });
const Method = Type.Enum([...DELIVERY_METHODS], {
  title: "DeliveryMethod",
  description: "How events are delivered: pushed (RFC 8935) or polled (RFC 8936)",
});
const Supported = about(Uris, "Types of events that the service can send");
const Delivered = about(Uris, "Types of events that are sent");

const AskedDelivery = Type.Object(
  {
    method: Method,
    endpoint_url: Type.Optional(
      Type.String({ ...Uri, description: "With push: where events are sent, one of `security_events.transmitter.push_endpoints`" }),
    ),
    authorization_header: Type.Optional(
      Type.String({ pattern: "^[\\x20-\\x7e]{1,2048}$", description: "With push: sent as `Authorization`; never shown again" }),
    ),
  },
  { ...closed, title: "AskedDelivery", description: "How events are to be delivered. Left out: polled" },
);

const asked = {
  delivery: Type.Optional(AskedDelivery),
  events_requested: Type.Optional(
    Type.Unsafe<string[]>({ ...Uris, description: "Types of events that the receiver wants. Left out: all" }),
  ),
  description: Type.Optional(Description),
};
/** Members of a stream that the transmitter sets: sent back with a change, they must be the same. */
const given = {
  iss: Type.Optional(Type.String({ description: "As answered before, or left out" })),
  aud: Type.Optional(Type.Unknown({ description: "As answered before, or left out" })),
  events_supported: Type.Optional(about(Uris, "As answered before, or left out")),
  events_delivered: Type.Optional(about(Uris, "As answered before, or left out")),
  min_verification_interval: Type.Optional(Type.Integer({ description: "As answered before, or left out; seconds" })),
};
export const CreateStream = Type.Object(
  { ...asked, ...given },
  { ...closed, title: "CreateStream", description: "A stream of security events to be sent to the caller" },
);
export type CreateStream = Static<typeof CreateStream>;
export const ChangeStream = Type.Object(
  { stream_id: StreamId, ...asked, ...given },
  { ...closed, title: "ChangeStream", description: "Members of a stream to change" },
);
export type ChangeStream = Static<typeof ChangeStream>;

export const StreamAnswer = Type.Object(
  {
    stream_id: StreamId,
    iss: Type.String({ description: "Issuer of the events" }),
    aud: Type.String({ description: "Caller whose stream it is" }),
    events_supported: Supported,
    events_requested: Type.Optional(about(Uris, "Types of events that the receiver wants. Left out: all")),
    events_delivered: Delivered,
    delivery: Type.Object(
      { method: Method, endpoint_url: about(Uri, "Where events are pushed to, or polled from") },
      { ...closed, title: "Delivery", description: "How events are delivered" },
    ),
    min_verification_interval: Type.Integer({ description: "Seconds that must pass between two requests for a verification event" }),
    description: Type.Optional(Description),
  },
  { ...closed, title: "Stream", description: "A stream of security events, as it is configured" },
);
export type StreamAnswer = Static<typeof StreamAnswer>;

export const STREAM_STATUSES = ["enabled", "paused", "disabled"] as const;
const StatusName = Type.Enum([...STREAM_STATUSES], {
  title: "StreamStatusName",
  description: "`enabled`: events are sent. `paused`: they are kept and sent later. `disabled`: they are not kept",
});
export const ChangeStreamStatus = Type.Object(
  {
    stream_id: StreamId,
    status: StatusName,
    reason: Type.Optional(Type.String({ maxLength: 1024, description: "Why. Left out: not said" })),
  },
  { ...closed, title: "StreamStatus", description: "Whether events of a stream are sent" },
);
export type ChangeStreamStatus = Static<typeof ChangeStreamStatus>;
export const StreamStatusAnswer = ChangeStreamStatus;

export const ChangeStreamSubject = Type.Object(
  {
    stream_id: StreamId,
    subject: Type.Unsafe<Record<string, unknown>>({
      type: "object",
      minProperties: 1,
      maxProperties: 16,
      description: 'Subject identifier (RFC 9493): `{"format": "opaque", "id": …}`',
    }),
    verified: Type.Optional(Type.Boolean({ description: "Whether the receiver has verified the subject; read and ignored" })),
  },
  { ...closed, title: "ChangeStreamSubject", description: "A subject to add to a stream, or to remove" },
);
export type ChangeStreamSubject = Static<typeof ChangeStreamSubject>;

export const VerifyStream = Type.Object(
  {
    stream_id: StreamId,
    state: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1024, description: "Text that the verification event repeats. Left out: none" }),
    ),
  },
  { ...closed, title: "VerifyStream", description: "Request for a verification event" },
);
export type VerifyStream = Static<typeof VerifyStream>;

/** RFC 8936, section 2.4. */
export const PollStream = Type.Object(
  {
    maxEvents: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000,
        description: "Events to answer at most; 0: only acknowledge. Left out: as many as the service likes",
      }),
    ),
    returnImmediately: Type.Optional(
      Type.Boolean({ description: "Whether to answer at once if there is no event; default false: wait for one" }),
    ),
    ack: Type.Optional(
      Type.Array(Type.String({ maxLength: 256 }), { maxItems: 100_000, description: "`jti` of events that were taken; default none" }),
    ),
    setErrs: Type.Optional(
      Type.Record(
        Type.String({ maxLength: 256 }),
        Type.Object({
          err: Type.String({ maxLength: 128, description: "Code of the error (RFC 8935, section 2.4)" }),
          description: Type.Optional(Type.String({ maxLength: 4096, description: "The error in words. Left out: not said" })),
        }),
        { description: "Events that were refused: `jti` to error; default none" },
      ),
    ),
  },
  { title: "PollStream", description: "Poll (RFC 8936, section 2.4); unknown members are ignored" },
);
export type PollStream = Static<typeof PollStream>;
export const PolledEvents = Type.Object(
  {
    sets: Type.Record(Type.String(), Type.String(), { description: "Events: `jti` to signed token; empty: none" }),
    moreAvailable: Type.Optional(Type.Boolean({ description: "Whether there are more events to poll. Left out: no" })),
  },
  { ...closed, title: "PolledEvents", description: "Events of a stream that weren't acknowledged" },
);
export type PolledEvents = Static<typeof PolledEvents>;

/** `/.well-known/ssf-configuration` (SSF 1.0, section 7.1). */
export const TransmitterMetadata = Type.Object(
  {
    spec_version: Type.Literal("1_0", { description: "Version of the specification" }),
    issuer: about(Uri, "Issuer of the events: `iss` of each token"),
    jwks_uri: about(Uri, "Where the public keys are"),
    delivery_methods_supported: about(Uris, "Methods by which events can be delivered"),
    configuration_endpoint: about(Uri, "Where streams are created, read and changed"),
    status_endpoint: about(Uri, "Where the status of a stream is read and changed"),
    add_subject_endpoint: about(Uri, "Where a subject is added to a stream"),
    remove_subject_endpoint: about(Uri, "Where a subject is removed from a stream"),
    verification_endpoint: about(Uri, "Where a verification event is asked for"),
    authorization_schemes: Type.Array(Type.Object({ spec_urn: Type.String({ description: "URN of the scheme" }) }, closed), {
      description: "Ways to authenticate at these endpoints",
    }),
    default_subjects: Type.Literal("ALL", { description: "Subjects that a new stream has: all" }),
  },
  {
    ...closed,
    title: "TransmitterMetadata",
    description: "Where others follow the security events of this service (SSF 1.0, section 7.1)",
  },
);
export type TransmitterMetadata = Static<typeof TransmitterMetadata>;

/** State of what one receiver is sent. */
export const ToldStream = Type.Object(
  {
    stream_id: StreamId,
    caller: Type.String({ description: "Caller whose stream it is" }),
    method: Method,
    status: StatusName,
    pending: Type.Integer({ description: "Events that wait to be sent or acknowledged" }),
    behind: Type.Integer({ description: "Changes of facts that the stream has yet to look at" }),
    failing: Type.Boolean({ description: "Whether the last push failed and is tried again" }),
    set_aside: Type.Integer({ description: "Events that the receiver refused" }),
  },
  { ...closed, title: "SentStream", description: "Events that are sent to one receiver" },
);
export type ToldStream = Static<typeof ToldStream>;

export const TransmittersAnswer = Type.Object(
  {
    transmitters: Type.Array(ReceivedStream, { description: "Events that come in, by transmitter" }),
    unproven: Type.Unsafe<Partial<Record<string, number>>>({
      ...Counts,
      description: "Numbers of tokens since the start that were refused and not proven to come from a known transmitter, by the error",
    }),
    queue: Type.Integer({ description: "Tokens that are being taken now" }),
    streams: Type.Array(ToldStream, { description: "Events that are sent, by stream" }),
  },
  { ...closed, title: "Transmitters", description: "Streams of security events, both ways" },
);
export type TransmittersAnswer = Static<typeof TransmittersAnswer>;
