/** Asking the records: what they are found by, and what is answered. */
import type { DecisionKind } from "./decision.js";
import { EndEvent } from "./events.js";
import type { Severity } from "./policy.js";
import { OUTCOMES, OutcomeRecord, RecordSchema } from "./record.js";
import { Type, type Static, type TSchema } from "./type.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const RECORD_KINDS = [
  "decision",
  "observed",
  "facts",
  "bundle",
  "service",
  "refusal",
  "admin",
  "outcome",
  "lost",
  "notice",
] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** What is asked for where no kind is named. */
export const JUDGED: readonly RecordKind[] = ["decision", "observed"];

export const DECISIONS = ["allow", "deny", "flag"] as const satisfies readonly DecisionKind[];

/**
 * What became of an action that could go on: what was said last, or, where nothing was said, `pending` for as long as its
 * answer is valid and a while after it, then `missing`. Of what was observed: what its line said.
 */
export const OUTCOME_STATES = ["missing", "pending", ...OUTCOMES] as const;
export type OutcomeState = (typeof OUTCOME_STATES)[number];

/** All that is given has to hold. Left out: whatever it is. */
export interface RecordFilter {
  kind?: readonly RecordKind[];
  caller?: string;
  agent?: string;
  purpose?: string;
  task?: string;
  verb?: string;
  type?: string;
  resource?: string;
  resource_prefix?: string;
  decision?: readonly DecisionKind[];
  /** Of any reason. */
  reason?: string;
  /** At least, of any reason. */
  severity?: Severity;
  /** A bundle's digest. */
  bundle?: string;
  proceed?: boolean;
  finding?: boolean;
  outcome?: readonly OutcomeState[];
  /**
   * What a record of another kind is about: a fact's key (`agent/support-7`), what a bundle, the service or an action came to
   * (`activated`, `started`, `failed`), the code of a refusal, what an administrator did.
   */
  key?: string;
  /** Milliseconds since the epoch: from here on, … */
  from?: number;
  /** … up to before here. */
  to?: number;
}

export const ORDERS = ["newest", "oldest"] as const;
export type RecordOrder = (typeof ORDERS)[number];

/** Of the action that was judged; an action on a collection has no id. */
export const RecordAction = Type.Object(
  {
    agent: Type.String(),
    purpose: Type.String(),
    task: orNull(Type.String()),
    verb: Type.String(),
    type: Type.String(),
    id: orNull(Type.String()),
  },
  closed,
);
export type RecordAction = Static<typeof RecordAction>;

const IndexedTo = Type.Integer({ description: "The last record that was looked at: what came later is not in here" });

const found = {
  seq: Type.Integer({ description: "Which record it is; one more than its leaf's index in the log's tree" }),
  action: orNull(RecordAction),
  outcome: orNull(Type.Enum([...OUTCOME_STATES], { description: "null: it couldn't go on, or is no decision" })),
  record: RecordSchema,
};

export const FoundRecord = Type.Object(found, closed);
export type FoundRecord = Static<typeof FoundRecord>;

export const RecordPage = Type.Object(
  {
    items: Type.Array(FoundRecord),
    next: orNull(Type.String({ description: "Give it as `cursor`; null: there is no more" })),
    indexed_to: IndexedTo,
  },
  closed,
);
export type RecordPage = Static<typeof RecordPage>;

export const ShownRecord = Type.Object(
  {
    ...found,
    leaf: Type.Integer({ description: "Its index in the log's tree" }),
    beside: orNull(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "What was too large for the record itself; null: nothing was, or `beside_missing`",
      }),
    ),
    beside_missing: Type.Boolean({
      description:
        "What stood beside the record is missing, or isn't what the record says: this is not all of it, and `action` may be null for that; `remit audit verify` says more",
    }),
    outcomes: Type.Array(OutcomeRecord, { description: "All that was said of it, in order" }),
    indexed_to: IndexedTo,
  },
  closed,
);
export type ShownRecord = Static<typeof ShownRecord>;

/** What a summary can count by. `rule`: each reason's code, with its effect and severity. */
export const SUMMARY_FIELDS = [
  "agent",
  "purpose",
  "task",
  "verb",
  "type",
  "resource",
  "caller",
  "bundle",
  "key",
  "kind",
  "decision",
  "rule",
] as const;
export type SummaryField = (typeof SUMMARY_FIELDS)[number];
export const SUMMARY_FIELDS_MAX = 4;

const Time = Type.String({ description: "RFC 3339" });
const Count = Type.Integer({ minimum: 0 });

export const SummaryGroup = Type.Object(
  {
    of: Type.Record(Type.String(), orNull(Type.String()), {
      description: "The value of each field of `by`; with `rule`, `effect` and `severity` too",
    }),
    records: Count,
    allow: Count,
    deny: Count,
    flag: Count,
    proceed: Type.Integer({ description: "Could go on" }),
    first: Time,
    last: Time,
    last_seq: Type.Integer({ description: "The last of these records" }),
  },
  closed,
);
export type SummaryGroup = Static<typeof SummaryGroup>;

export const Summary = Type.Object(
  {
    by: Type.Array(Type.Enum([...SUMMARY_FIELDS])),
    records: Type.Integer({ description: "That the filters leave" }),
    groups: Type.Array(SummaryGroup, { description: "Those of most records first" }),
    more: Type.Boolean({ description: "There are more groups than `limit`" }),
    indexed_to: IndexedTo,
  },
  closed,
);
export type Summary = Static<typeof Summary>;

/** What can be new. `habit`: an agent that uses a verb on a type. */
export const NOVEL_FIELDS = ["agent", "purpose", "verb", "type", "caller", "bundle", "rule", "habit"] as const;
export type NovelField = (typeof NOVEL_FIELDS)[number];

export const Novelty = Type.Object(
  {
    items: Type.Array(
      Type.Object(
        {
          field: Type.Enum([...NOVEL_FIELDS]),
          value: Type.String({ description: "A habit's: agent, verb and type, with a space between" }),
          seq: Type.Integer({ description: "The record that was the first to have it" }),
          time: Time,
        },
        closed,
      ),
      { description: "What no record before the range has, the newest first" },
    ),
    more: Type.Boolean({ description: "There are more than `limit`" }),
    indexed_to: IndexedTo,
  },
  closed,
);
export type Novelty = Static<typeof Novelty>;

/** From after this record on, all that match are told as they come. */
export const FollowingEvent = Type.Object(
  {
    after: Type.Integer({ description: "The record to go on after" }),
    heartbeat_ms: Type.Integer({
      description: "Something comes at least so often; after three times as long, connect anew",
    }),
  },
  closed,
);
export type FollowingEvent = Static<typeof FollowingEvent>;

/** The record to go on after is none of this log's: it was put back, or is another. It goes on from here. */
export const RewoundEvent = Type.Object({ after: Type.Integer() }, closed);
export type RewoundEvent = Static<typeof RewoundEvent>;

const EVENTS = { record: FoundRecord, ready: FollowingEvent, reset: RewoundEvent, end: EndEvent } as const;
export type RecordEventName = keyof typeof EVENTS;

/** One event of the stream, as a reader of server-sent events gives it. */
export const StreamedRecord = Type.Union(
  Object.entries(EVENTS).map(([event, data]) =>
    Type.Object(
      {
        id: Type.Optional(Type.String({ description: "The number of the last record that was told, or needn't be" })),
        event: Type.Literal(event),
        data: Type.String({ contentMediaType: "application/json", contentSchema: data }),
        retry: Type.Optional(Type.Integer({ description: "Milliseconds" })),
      },
      closed,
    ),
  ),
  { description: "Server-sent events (WHATWG HTML, section 9.2), each of these forms; `data` is JSON on one line" },
);
