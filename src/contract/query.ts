/** Asking the records: what they are found by, and what is answered. */
import type { DecisionKind } from "./decision.js";
import { EndEvent, streamed } from "./events.js";
import type { Severity } from "./policy.js";
import { OUTCOMES, OutcomeRecord, RecordSchema } from "./record.js";
import { Type, about, type Static, type TSchema } from "./type.js";

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

/** Kinds that a query is about if it names none. */
export const JUDGED: readonly RecordKind[] = ["decision", "observed"];

/** Subjects that have records of several kinds. `policy`: what became of bundles, and what administrators did with them. */
export const RECORD_SUBJECTS = ["policy"] as const;
export type RecordSubject = (typeof RECORD_SUBJECTS)[number];

/** Actions about bundles, as records of administrators name them. */
export const POLICY_ACTIONS = ["publish", "stage", "stage_ended", "drop_stage", "keep_back", "roll_back"] as const;

export const DECISIONS = ["allow", "deny", "flag"] as const satisfies readonly DecisionKind[];

/**
 * States of the outcome of an action that could proceed: what was reported last, or, without a report, `pending` for as long as its answer
 * is valid and a while after it, then `missing`. An observed action has the outcome on its line.
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
  /** Person for whom it was asked; masked as in the record. */
  principal?: string;
  /** Owner of the agent, as the policy read it. */
  owner?: string;
  verb?: string;
  type?: string;
  resource?: string;
  resource_prefix?: string;
  decision?: readonly DecisionKind[];
  /** Code of any reason. */
  reason?: string;
  /** At least, of any reason. */
  severity?: Severity;
  /** A bundle's digest. */
  bundle?: string;
  proceed?: boolean;
  finding?: boolean;
  outcome?: readonly OutcomeState[];
  /**
   * Subject of a record of another kind: a fact's key (`agent/support-7`), the result of a bundle, the service or an action (`activated`,
   * `started`, `failed`), the code of a refusal, an administrator's action.
   */
  key?: string;
  /** Subject that has records of several kinds. */
  about?: RecordSubject;
  /** Milliseconds since the epoch: from here on, … */
  from?: number;
  /** … up to before here. */
  to?: number;
}

export const ORDERS = ["newest", "oldest"] as const;
export type RecordOrder = (typeof ORDERS)[number];

/** Action that was judged; an action on a collection has no id. */
export const RecordAction = Type.Object(
  {
    agent: Type.String({ description: "Agent that acted" }),
    purpose: Type.String({ description: "Purpose that it acted for" }),
    task: orNull(Type.String({ description: "Task that it worked on; null: none" })),
    verb: Type.String({ description: "Verb of the action" }),
    type: Type.String({ description: "Type of the resource" }),
    id: orNull(Type.String({ description: "Id of the resource; null: the verb acts on the collection" })),
  },
  { ...closed, title: "RecordAction", description: "The action that was judged" },
);
export type RecordAction = Static<typeof RecordAction>;

/** Member of answers that are made of several nodes' answers. */
export const ofNodes = {
  nodes: Type.Optional(
    Type.Object(
      {
        indexed_to: Type.Record(Type.String(), Type.Integer(), { description: "`indexed_to` of each node that has answered, by its name" }),
        missing: Type.Array(Type.String(), { description: "Nodes that have not answered: what they have isn't in here" }),
      },
      { ...closed, title: "SearchedNodes", description: "Nodes whose records were searched. Left out: those of one" },
    ),
  ),
};
const onNode = { node: Type.Optional(Type.String({ description: "Node that has the record, if several were searched" })) };
const IndexedTo = Type.Integer({ description: "`seq` of the last record that this answer knows; later ones are not in it" });

const found = {
  seq: Type.Integer({ description: "Number of the record, from 1; one more than the index of its leaf in the log's tree" }),
  action: orNull(about(RecordAction, "The action that was judged; null: the record is not of an action")),
  outcome: orNull(
    Type.Enum([...OUTCOME_STATES], {
      title: "OutcomeState",
      description:
        "What became of the action. `pending`: not reported yet. `missing`: not reported in time. Null: it couldn't go on, or is no decision",
    }),
  ),
  record: RecordSchema,
  ...onNode,
};

export const FoundRecord = Type.Object(found, { ...closed, title: "FoundRecord", description: "A record, and what is known of it" });
export type FoundRecord = Static<typeof FoundRecord>;

export const RecordPage = Type.Object(
  {
    items: Type.Array(FoundRecord, {
      description: "Records of this page; may be fewer than `limit`, or none, and the search still goes on",
    }),
    next: orNull(Type.String({ description: "Where the next page begins, to be given as `cursor`; null: there is no more" })),
    indexed_to: IndexedTo,
    ...ofNodes,
  },
  { ...closed, title: "RecordPage", description: "One page of records" },
);
export type RecordPage = Static<typeof RecordPage>;

export const ShownRecord = Type.Object(
  {
    ...found,
    leaf: Type.Integer({ description: "Index of the record's leaf in the log's tree, from 0" }),
    beside: orNull(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "Members that were too large for the record itself; null: there are none, or `beside_missing`",
      }),
    ),
    beside_missing: Type.Boolean({
      description: "Whether members beside the record are missing or altered: `action` may then be null; `remit audit verify` reports more",
    }),
    outcomes: Type.Array(OutcomeRecord, { description: "All that was reported of the action, in order" }),
    indexed_to: IndexedTo,
  },
  { ...closed, title: "ShownRecord", description: "One record whole, and what became of it" },
);
export type ShownRecord = Static<typeof ShownRecord>;

/** Fields that a summary can count by. `rule`: each reason's code, with its effect and severity. */
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

const time = (description: string) => Type.String({ description: `${description}, RFC 3339` });
const count = (description: string) => Type.Integer({ minimum: 0, description });

export const SummaryGroup = Type.Object(
  {
    of: Type.Record(Type.String(), orNull(Type.String()), {
      description: "Value of each field of `by`, null if a record has none; with `rule`, also `effect` and `severity`",
    }),
    records: count("Records in this group"),
    allow: count("Those that were allowed"),
    deny: count("Those that were denied"),
    flag: count("Those that were flagged"),
    proceed: Type.Integer({ description: "Those that could go on" }),
    first: time("When the first was recorded"),
    last: time("When the last was recorded"),
    last_seq: Type.Integer({ description: "`seq` of the last" }),
    ...onNode,
  },
  { ...closed, title: "SummaryGroup", description: "Records that have the same values in the fields of `by`" },
);
export type SummaryGroup = Static<typeof SummaryGroup>;

export const Summary = Type.Object(
  {
    by: Type.Array(Type.Enum([...SUMMARY_FIELDS], { title: "SummaryField", description: "A field that records can be counted by" }), {
      description: "Fields that are counted by, as asked",
    }),
    records: Type.Integer({ description: "Records that match the filters" }),
    groups: Type.Array(SummaryGroup, { description: "Groups, the largest first" }),
    more: Type.Boolean({ description: "Whether there are more groups than `limit`" }),
    indexed_to: IndexedTo,
    ...ofNodes,
  },
  { ...closed, title: "Summary", description: "Numbers of records" },
);
export type Summary = Static<typeof Summary>;

/** Fields that a histogram can count by. */
export const HISTOGRAM_FIELDS = SUMMARY_FIELDS.filter((field) => field !== "rule");
export const HISTOGRAM_FIELDS_MAX = 2;
export type HistogramField = Exclude<SummaryField, "rule">;

/** Lengths of a histogram's steps, by name, in milliseconds. Steps begin at multiples of it, in UTC. */
export const HISTOGRAM_STEPS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
export type HistogramStep = keyof typeof HISTOGRAM_STEPS;

export const HistogramCount = Type.Object(
  {
    from: time("When the step begins"),
    of: Type.Record(Type.String(), orNull(Type.String()), { description: "Value of each field of `by`, null if a record has none" }),
    records: count("Records of this step and these values"),
    allow: count("Those that were allowed"),
    deny: count("Those that were denied"),
    flag: count("Those that were flagged"),
    proceed: count("Those that could go on"),
  },
  { ...closed, title: "HistogramCount", description: "Records of one step that have the same values in the fields of `by`" },
);
export type HistogramCount = Static<typeof HistogramCount>;

export const Histogram = Type.Object(
  {
    by: Type.Array(
      Type.Enum([...HISTOGRAM_FIELDS], { title: "HistogramField", description: "A field that records can be counted by over time" }),
      {
        description: "Fields that are counted by, as asked",
      },
    ),
    step_ms: Type.Integer({ description: "Milliseconds of a step" }),
    counts: Type.Array(HistogramCount, { description: "Counts in order of time; steps without a record are left out" }),
    indexed_to: IndexedTo,
    ...ofNodes,
  },
  { ...closed, title: "Histogram", description: "Numbers of records over time" },
);
export type Histogram = Static<typeof Histogram>;

/** Fields whose values can be new. `habit`: an agent that uses a verb on a type. */
export const NOVEL_FIELDS = ["agent", "purpose", "verb", "type", "caller", "bundle", "rule", "habit"] as const;
export type NovelField = (typeof NOVEL_FIELDS)[number];

export const Novelty = Type.Object(
  {
    items: Type.Array(
      Type.Object(
        {
          field: Type.Enum([...NOVEL_FIELDS], {
            title: "NovelField",
            description: "Kind of value; `habit` is an agent that uses a verb on a type",
          }),
          value: Type.String({ description: "The value; of a habit agent, verb and type with a space between" }),
          seq: Type.Integer({ description: "`seq` of the first record that has it" }),
          time: time("When that record was made"),
        },
        { ...closed, title: "NovelValue", description: "A value that no record before the range has" },
      ),
      { description: "Values that no record before the range has, the newest first" },
    ),
    more: Type.Boolean({ description: "Whether there are more than `limit`" }),
    indexed_to: IndexedTo,
  },
  { ...closed, title: "Novelty", description: "Values that come up in the range for the first time" },
);
export type Novelty = Static<typeof Novelty>;

export const SummaryOrNovelty = Type.Union([Summary, Novelty], {
  title: "SummaryOrNovelty",
  description: "Numbers of records; with `by=new` the values that are new",
});

const After = Type.Integer({
  description: "`seq` of the record after which the stream goes on; in a cluster, in the log of the node that is asked",
});

/** From after this record on, all that match are told as they come. */
export const FollowingEvent = Type.Object(
  {
    after: After,
    heartbeat_ms: Type.Integer({
      description: "Milliseconds within which something always comes; after three times as long, connect again",
    }),
  },
  { ...closed, title: "FollowingEvent", description: "From here on records that match are sent as they come" },
);
export type FollowingEvent = Static<typeof FollowingEvent>;

/** Event sent if the record to go on after doesn't belong to this log: it was restored, or is another. The stream goes on from here. */
export const RewoundEvent = Type.Object(
  { after: After },
  { ...closed, title: "RewoundEvent", description: "The given id does not belong to this log; the stream goes on from here" },
);
export type RewoundEvent = Static<typeof RewoundEvent>;

/** Event sent by a cluster when a node stops answering or answers again: what it has is sent once it does. */
export const FollowedNodes = Type.Object(
  { missing: Type.Array(Type.String(), { description: "Nodes that don't answer now: what they have is sent once they do" }) },
  { ...closed, title: "FollowedNodes", description: "The nodes of a cluster that don't answer now" },
);
export type FollowedNodes = Static<typeof FollowedNodes>;

const EVENTS = { record: FoundRecord, ready: FollowingEvent, reset: RewoundEvent, nodes: FollowedNodes, end: EndEvent } as const;
export type RecordEventName = keyof typeof EVENTS;

/** One event of the stream, as a reader of server-sent events gives it. */
export const StreamedRecord = Type.Union(
  Object.entries(EVENTS).map(([event, data]) =>
    Type.Object(
      {
        id: Type.Optional(
          Type.String({
            description:
              "`seq` up to which all that match were sent, to be given as `Last-Event-ID`; in a cluster, up to where each node was read",
          }),
        ),
        ...streamed(event, data),
      },
      { ...closed, title: `RecordStream${event.charAt(0).toUpperCase()}${event.slice(1)}`, description: `Event \`${event}\`` },
    ),
  ),
  {
    title: "StreamedRecord",
    description: "Server-sent events (WHATWG HTML, section 9.2), each of these forms; `data` is JSON on one line",
  },
);
