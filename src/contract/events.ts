/** `GET /events`: what is pushed to whoever follows changes. Each schema is of one event's `data`, JSON on one line. */
import { Type, about, type Static, type TSchema } from "./type.js";
import { policyIdentity } from "./decision.js";
import { RevocationScope } from "./facts.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Revision = Type.Integer({ description: "Facts revision; give it as `at_least` to be decided on facts that include it" });

/**
 * A change of facts, and the running work that it can hit: whatever has each of `agent`, `purpose` and `task` that isn't null.
 * What is reached by handing on is counted in, so that whoever compares these three misses nothing.
 */
export const ChangeEvent = Type.Object(
  {
    revision: orNull(
      Type.Integer({ description: "Facts revision of the change, also the event's id; null: it is in force and not durable yet" }),
    ),
    durable: Type.Boolean({ description: "Whether it is on disk. If not, it is in force already, and the event comes again once it is" }),
    change: Type.String({ description: "What happened: `revoked`, `agent_suspended`, `agent_narrowed`, `task_ended`, `grant_created`, …" }),
    narrows: Type.Boolean({
      description: "true: ask again for the running work that it can hit, and stop what may no longer proceed. false: it only widens",
    }),
    key: Type.String({ description: "Fact that was changed, as in `/facts/events`: `agent/support-7`, `revocation/task/T-1`" }),
    scope: about(RevocationScope, "Kind of thing that was changed or revoked"),
    of: Type.String({ description: "Id within the scope; empty for `everything`" }),
    agent: orNull(Type.String({ description: "Agent whose work it can hit; null: any" })),
    purpose: orNull(Type.String({ description: "Purpose of the work that it can hit; null: any" })),
    task: orNull(Type.String({ description: "Task of the work that it can hit; null: any" })),
    time: Type.String({ description: "When it was changed, RFC 3339" }),
  },
  {
    ...closed,
    title: "ChangeEvent",
    description:
      "A change of facts, and the running work that it can hit: whatever has each of `agent`, `purpose` and `task` that isn't null",
  },
);
export type ChangeEvent = Static<typeof ChangeEvent>;

/** With `values`: what a key holds since a change, before the `change` that tells whom it concerns. */
export const FactEvent = Type.Object(
  {
    revision: orNull(Type.Integer({ description: "Facts revision of the change; null: it is in force and not durable yet" })),
    change: Type.String({ description: "What happened: `agent_created`, `revoked`, …" }),
    key: Type.String({ description: "Fact that was changed, as in `/facts/events`" }),
    value: Type.Unknown({ description: "The fact after the change, as in `/facts/events`; null: no decision reads it" }),
  },
  { ...closed, title: "FactEvent", description: "With `values`: a fact after a change, before the `change` event of the same" },
);
export type FactEvent = Static<typeof FactEvent>;

/** With `values`, for who names no event to go on after: what each key holds follows, and what has changed since. */
export const SnapshotEvent = Type.Object(
  {
    facts_revision: Revision,
    gaps: Type.Optional(
      Type.Boolean({ description: "true: revisions rise, and not every number is a change's. Left out: each is the next" }),
    ),
  },
  { ...closed, title: "SnapshotEvent", description: "With `values`: all facts follow, then what has changed since" },
);
export type SnapshotEvent = Static<typeof SnapshotEvent>;

const Policy = Type.Object(policyIdentity, { ...closed, title: "BundleIdentity", description: "One built and signed bundle" });

/** From here on every change is told as it comes. */
export const ReadyEvent = Type.Object(
  {
    facts_revision: Revision,
    heartbeat_ms: Type.Integer({
      description: "Milliseconds within which something always comes; after three times as long, connect again",
    }),
    policy: orNull(about(Policy, "Bundle that decides now; null: none does")),
    facts: Type.Optional(
      Type.Integer({ description: "With `values`, after a snapshot: number of facts in it. Left out: no snapshot came before" }),
    ),
    start: Type.Optional(
      Type.String({
        description: "With `values`: id of the service's start. If it changes the store may be another, and what was kept before is void",
      }),
    ),
    shared: Type.Optional(
      Type.Object(
        {
          feed: Type.String({ description: "Id of the feed of facts: revisions of one feed are the same on all nodes" }),
          stream: Type.String({ description: "Id of this stream, for `POST /events/echo`" }),
        },
        { ...closed, title: "SharedFacts", description: "With `values`, of a node of a cluster: the facts that it shares with others" },
      ),
    ),
    caller: Type.Optional(
      Type.Object(
        {
          id: Type.String({ description: "The caller, as its token names it" }),
          agents: orNull(Type.Array(Type.String(), { description: "Agents that it may ask for; null: any" })),
          purposes: orNull(Type.Array(Type.String(), { description: "Purposes that it may ask for; null: any" })),
          token: Type.Object(
            {
              jti: orNull(Type.String({ description: "Id of the token; null: it has none" })),
              expires_ms: Type.Integer({ description: "When the token expires, in milliseconds since the epoch" }),
            },
            { ...closed, description: "Token by which the caller follows" },
          ),
        },
        { ...closed, title: "FollowingCaller", description: "With `values`: the caller that follows, and what it may ask for" },
      ),
    ),
  },
  { ...closed, title: "ReadyEvent", description: "From here on every change is sent as it comes" },
);
export type ReadyEvent = Static<typeof ReadyEvent>;

/**
 * Event sent if the revision to go on after doesn't belong to this store: it was restored, or is another. Everything kept of it is void.
 */
export const ResetEvent = Type.Object(
  { facts_revision: Revision },
  { ...closed, title: "ResetEvent", description: "The given revision does not belong to this store; what was kept of it is void" },
);
export type ResetEvent = Static<typeof ResetEvent>;

/** Another bundle decides from now on. */
export const PolicyEvent = Policy;
export type PolicyEvent = Static<typeof PolicyEvent>;

/** With `values`, of a node of a cluster: what was asked for by `POST /events/echo`. All that the node knew then was sent before it. */
export const EchoEvent = Type.Object(
  { nonce: Type.String({ description: "As it was asked for" }), facts_revision: Revision },
  {
    ...closed,
    title: "EchoEvent",
    description: "Answer to `POST /events/echo`: all that the node knew when that was asked was sent before",
  },
);
export type EchoEvent = Static<typeof EchoEvent>;

/** Body of `POST /events/echo`. */
export const AskEcho = Type.Object(
  {
    stream: Type.String({ minLength: 1, maxLength: 64, description: "Id of the stream, from its `ready`" }),
    nonce: Type.String({ minLength: 1, maxLength: 64, description: "Text that comes back on the stream" }),
  },
  { ...closed, title: "AskEcho", description: "Request for an `echo` event on a stream" },
);
export type AskEcho = Static<typeof AskEcho>;

/** Why a stream was ended by the service. */
export const STREAM_ENDS = {
  subscriber_slow: "it took events more slowly than they came",
  token_expired: "the caller's token has expired",
  caller_revoked: "the caller has been revoked",
  caller_token_revoked: "the caller's token has been revoked",
  token_invalid: "the caller's token is no longer taken",
  keys_unavailable: "the keys of the token's issuer cannot be had now",
  crowded_out: "another caller needed the place, and this one had the most",
  shutting_down: "the service is shutting down",
} as const;
export type StreamEnd = keyof typeof STREAM_ENDS;

/** Last event of a stream that the service ends. Reconnecting with the last id misses nothing. */
export const EndEvent = Type.Object(
  {
    code: Type.Enum(Object.keys(STREAM_ENDS) as StreamEnd[], { title: "StreamEnd", description: "Why the service ended the stream" }),
    title: Type.String({ description: "The same in words" }),
  },
  {
    ...closed,
    title: "EndEvent",
    description: "Last event of a stream that the service ends. Connecting again with the last id misses nothing",
  },
);

/** Members that an event of each stream has beside its id. */
export const streamed = <E extends string>(event: E, data: TSchema) => ({
  event: Type.Literal(event, { description: "Name of the event" }),
  data: Type.String({ contentMediaType: "application/json", contentSchema: data, description: "JSON on one line" }),
  retry: Type.Optional(Type.Integer({ description: "Milliseconds to wait before connecting again. Left out: as before" })),
});
export type EndEvent = Static<typeof EndEvent>;

const EVENTS = {
  change: ChangeEvent,
  fact: FactEvent,
  snapshot: SnapshotEvent,
  ready: ReadyEvent,
  reset: ResetEvent,
  policy: PolicyEvent,
  echo: EchoEvent,
  end: EndEvent,
} as const;
export type EventName = keyof typeof EVENTS;

/** One event of the stream, as a reader of server-sent events gives it. */
export const StreamedEvent = Type.Union(
  Object.entries(EVENTS).map(([event, data]) =>
    Type.Object(
      {
        id: Type.Optional(
          Type.String({ description: "Facts revision, to be given as `Last-Event-ID`. Left out: the change isn't durable yet" }),
        ),
        ...streamed(event, data),
      },
      { ...closed, title: `FactsStream${event.charAt(0).toUpperCase()}${event.slice(1)}`, description: `Event \`${event}\`` },
    ),
  ),
  { title: "StreamedEvent", description: "Server-sent events (WHATWG HTML, section 9.2), each of these forms; `data` is JSON on one line" },
);
