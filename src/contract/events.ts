/** `GET /events`: what is pushed to whoever follows changes. Each schema is of one event's `data`, JSON on one line. */
import { Type, type Static, type TSchema } from "./type.js";
import { REVOCATION_SCOPES } from "./facts.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Revision = Type.Integer({ description: "Facts revision; give it as `at_least` to be decided on it" });

/**
 * A change of facts, and the running work that it can hit: whatever has each of `agent`, `purpose` and `task` that isn't null.
 * What is reached by handing on is counted in, so that whoever compares these three misses nothing.
 */
export const ChangeEvent = Type.Object(
  {
    revision: orNull(Type.Integer({ description: "Its facts revision, the event's id too; null: it holds, and isn't durable yet" })),
    durable: Type.Boolean({ description: "false: it holds already, and comes again once it is durable" }),
    change: Type.String({ description: "`revoked`, `agent_suspended`, `agent_narrowed`, `task_ended`, `grant_created`, …" }),
    narrows: Type.Boolean({
      description: "true: ask again for the running work that it can hit, and stop what doesn't proceed. false: it only widens",
    }),
    key: Type.String({ description: "As in `/facts/events`: `agent/support-7`, `revocation/task/T-1`" }),
    scope: Type.Enum([...REVOCATION_SCOPES], { description: "What was changed, or cut off" }),
    of: Type.String({ description: "Which of this scope; empty for `everything`" }),
    agent: orNull(Type.String({ description: "Whose work it can hit; null: any agent's" })),
    purpose: orNull(Type.String({ description: "Work for which purpose; null: for any" })),
    task: orNull(Type.String({ description: "Work on which task; null: on any" })),
    time: Type.String({ description: "RFC 3339" }),
  },
  closed,
);
export type ChangeEvent = Static<typeof ChangeEvent>;

/** With `values`: what a key holds since a change, before the `change` that tells whom it concerns. */
export const FactEvent = Type.Object(
  {
    revision: orNull(Type.Integer({ description: "Facts revision; null: it holds, and isn't durable yet" })),
    change: Type.String({ description: "`agent_created`, `revoked`, …" }),
    key: Type.String({ description: "As in `/facts/events`" }),
    value: Type.Unknown({ description: "As in `/facts/events`; null for what no decision reads" }),
  },
  closed,
);
export type FactEvent = Static<typeof FactEvent>;

/** With `values`, for who names no event to go on after: what each key holds follows, and what has changed since. */
export const SnapshotEvent = Type.Object({ facts_revision: Revision }, closed);
export type SnapshotEvent = Static<typeof SnapshotEvent>;

const Policy = Type.Object({ bundle: Type.String(), revision: Type.String(), sequence: Type.Integer(), digest: Type.String() }, closed);

/** From here on every change is told as it comes. */
export const ReadyEvent = Type.Object(
  {
    facts_revision: Revision,
    heartbeat_ms: Type.Integer({ description: "Something comes at least so often; after three times as long, connect anew" }),
    policy: orNull(Policy),
    facts: Type.Optional(Type.Integer({ description: "With `values`, after a snapshot: how many keys it told" })),
    start: Type.Optional(
      Type.String({ description: "With `values`: another one has another store, perhaps; what was followed before it is void" }),
    ),
    caller: Type.Optional(
      Type.Object(
        {
          id: Type.String(),
          agents: orNull(Type.Array(Type.String(), { description: "null: any" })),
          purposes: orNull(Type.Array(Type.String(), { description: "null: any" })),
          token: Type.Object(
            { jti: orNull(Type.String()), expires_ms: Type.Integer({ description: "Milliseconds since the epoch" }) },
            closed,
          ),
        },
        { ...closed, description: "With `values`: who follows, and for which agents and purposes it may ask" },
      ),
    ),
  },
  closed,
);
export type ReadyEvent = Static<typeof ReadyEvent>;

/** The revision to go on after is none of this store's: it was restored, or is another. Whatever was kept of it is void. */
export const ResetEvent = Type.Object({ facts_revision: Revision }, closed);
export type ResetEvent = Static<typeof ResetEvent>;

/** Another bundle decides from now on. */
export const PolicyEvent = Policy;
export type PolicyEvent = Static<typeof PolicyEvent>;

/** Why a stream was ended by the service. */
export const STREAM_ENDS = {
  subscriber_slow: "it took events more slowly than they came",
  token_expired: "the caller's token has expired",
  caller_token_revoked: "the caller's token has been revoked",
  token_invalid: "the caller's token is no longer taken",
  keys_unavailable: "the keys of the token's issuer cannot be had now",
  shutting_down: "the service is shutting down",
} as const;
export type StreamEnd = keyof typeof STREAM_ENDS;

/** The last event of a stream that the service ends. Connecting anew with the last id misses nothing. */
export const EndEvent = Type.Object({ code: Type.Enum(Object.keys(STREAM_ENDS) as StreamEnd[]), title: Type.String() }, closed);
export type EndEvent = Static<typeof EndEvent>;

const EVENTS = {
  change: ChangeEvent,
  fact: FactEvent,
  snapshot: SnapshotEvent,
  ready: ReadyEvent,
  reset: ResetEvent,
  policy: PolicyEvent,
  end: EndEvent,
} as const;
export type EventName = keyof typeof EVENTS;

/** One event of the stream, as a reader of server-sent events gives it. */
export const StreamedEvent = Type.Union(
  Object.entries(EVENTS).map(([event, data]) =>
    Type.Object(
      {
        id: Type.Optional(Type.String({ description: "A facts revision; what isn't durable has none" })),
        event: Type.Literal(event),
        data: Type.String({ contentMediaType: "application/json", contentSchema: data }),
        retry: Type.Optional(Type.Integer({ description: "Milliseconds" })),
      },
      closed,
    ),
  ),
  { description: "Server-sent events (WHATWG HTML, section 9.2), each of these forms; `data` is JSON on one line" },
);
