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
); // prettier-ignore
export type ReceivedStream = Static<typeof ReceivedStream>;

export const TransmittersAnswer = Type.Object(
  { transmitters: Type.Array(ReceivedStream), queue: Type.Integer({ description: "Tokens being taken now" }) },
  closed,
);
export type TransmittersAnswer = Static<typeof TransmittersAnswer>;
