/** Findings: what somebody has to look into, as it is told, judged and remembered. One incident is one finding. */
import type { Act } from "./behavior.js";
import { SeverityName, type Reason } from "./decision.js";
import { EndEvent, streamed } from "./events.js";
import { InForce } from "./facts.js";
import { FollowedNodes, FoundRecord, ofNodes } from "./query.js";
import { Type, about, type Static, type TSchema } from "./type.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const time = (description: string) => Type.String({ description: `${description}, RFC 3339` });
const count = (description: string) => Type.Integer({ minimum: 0, description });

/** `F-` and the decision that opened it; behind it what it is about, where no single code says that. */
export const FINDING_PATTERN = "^F-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-flood|-shopping|-denials)?$";

/**
 * `code`: one reason of a policy. `behavior`: what is unusual for the agent. `flood`: whatever an agent does beyond as many
 * incidents at once as are told apart. `shopping`: one action tried under several purposes, verbs or spellings, or
 * more denials than are remembered. `denials`: high and critical denials, again and again.
 */
export const FINDING_ABOUT = ["code", "behavior", "flood", "shopping", "denials"] as const;
export type FindingAbout = (typeof FINDING_ABOUT)[number];

export const FINDING_STATES = ["open", "in_review", "expected", "misuse", "policy_gap"] as const;
export type FindingStateName = (typeof FINDING_STATES)[number];

/** A person's conclusion; it closes the finding. */
export const VERDICTS = ["expected", "misuse", "policy_gap"] as const satisfies readonly FindingStateName[];
export const isVerdict = (state: FindingStateName): boolean => VERDICTS.some((verdict) => verdict === state);

/** Forms of a webhook's messages. */
export const WEBHOOK_FORMATS = ["standard", "slack", "teams", "pagerduty"] as const;
/** `action_id` of the button in Slack that approves what waits: the service writes it, and the console reads it. */
export const SLACK_APPROVE = "remit_approve";
export type WebhookFormat = (typeof WEBHOOK_FORMATS)[number];

/** Forms that need a secret in a message or its signature; of the others the address itself is one. */
export const WITH_SECRET: ReadonlySet<WebhookFormat> = new Set<WebhookFormat>(["standard", "pagerduty"]);

/** Parts of a judged action that decide which finding it belongs to. */
export interface Sighted {
  decision_id: string;
  kind: "decision" | "observed";
  agent: string;
  /** True if the agent is registered. All others share their findings: anybody can make up names. */
  known: boolean;
  purpose: string;
  verb: string;
  type: string;
  /** Null for collection verbs. */
  id: string | null;
  /** When it was decided: milliseconds since the epoch. */
  time_ms: number;
  decision: "allow" | "deny" | "flag";
  reasons: readonly Pick<Reason, "effect" | "code" | "severity">[];
  /** True if the action has to be looked into by itself, whatever came before. */
  opens: boolean;
}

const Why = Type.String({ minLength: 1, maxLength: 512, description: "Why, in words; kept with the finding" });
const StateName = Type.Enum([...FINDING_STATES], {
  title: "FindingStatus",
  description: "`open`, `in_review`, or a verdict, which closes the finding: `expected`, `misuse`, `policy_gap`",
});

/** State of a finding since somebody looked at it: what its key holds. */
export const FindingState = Type.Object(
  {
    id: Type.String({ description: "Id of the finding" }),
    agent: orNull(Type.String({ description: "Agent that it is about; null: an agent that isn't registered, or none" })),
    state: StateName,
    reason: Why,
    by: Type.String({ description: "Caller that judged it, as its token names it" }),
    at: time("When it was judged"),
    teaches: Type.Array(Type.Unsafe<Act>({ type: "object" }), {
      description: "Of `expected`: actions that are usual from now on, each distinct one once; otherwise empty",
    }),
    grants: Type.Array(Type.String(), {
      description: "Of `expected`: ids of grants for the actions that waited, good for one use each; otherwise empty",
    }),
    kept_out: orNull(Type.Enum(["suspended", "revoked"], { description: "Of `misuse`: what became of the agent; null: nothing" })),
    calibrates: Type.Optional(
      Type.Object(
        {
          purpose: Type.String({ description: "Purpose of the finding" }),
          expected: Type.Integer({
            description: "By how much the number of its verdicts `expected` changes: 1, 0, or -1 when one is taken back",
          }),
          misuse: Type.Integer({ description: "The same for `misuse`" }),
        },
        { ...closed, description: "Of a finding about behaviour: how its verdict moves the purpose's thresholds. Left out: it doesn't" },
      ),
    ),
    proposal: orNull(
      Type.String({ description: "Of `policy_gap`: proposed entries for the purpose file, as YAML, to be reviewed; null: none" }),
    ),
  },
  { ...closed, title: "FindingState", description: "How a finding stands since somebody judged it" },
);
export type FindingState = Static<typeof FindingState>;

const finding = {
  id: Type.String({ description: "Id of the finding: `F-` and the id of the decision that opened it" }),
  about: Type.Enum([...FINDING_ABOUT], {
    title: "FindingAbout",
    description:
      "What its actions have in common. `code`: one reason. `behavior`: unusual for the agent. `flood`: more incidents than are told apart. `shopping`: one action tried in several ways. `denials`: repeated high and critical denials",
  }),
  code: orNull(Type.String({ description: "Code of the reason that opened it; null: each action by itself was fine" })),
  agent: orNull(Type.String({ description: "Agent that acted; null: agents that aren't registered, or none" })),
  version: orNull(Type.String({ description: "Version of the agent when it was last seen; null: not known" })),
  purpose: orNull(Type.String({ description: "Purpose that it acted for; null: several, or one that the bundle doesn't have" })),
  severity: about(SeverityName, "Gravest severity of its reasons"),
  risk: orNull(Type.Integer({ description: "Highest risk of its actions, 0 to 100; null: nothing was unusual" })),
  actions: Type.Object(
    {
      all: count("All of its actions"),
      allow: count("Those that were allowed"),
      deny: count("Those that were denied"),
      flag: count("Those that were flagged"),
    },
    { ...closed, title: "ActionCounts", description: "Number of its actions, by decision" },
  ),
  tasks: Type.Array(Type.String(), { description: "Ids of the first tasks that it touched; empty: none" }),
  codes: Type.Array(
    Type.Object(
      { code: Type.String({ description: "Code of the reason" }), severity: SeverityName, count: count("Actions with this reason") },
      { ...closed, title: "FindingCode", description: "One reason of a finding" },
    ),
    { description: "Reasons to look into it, the most frequent first" },
  ),
  reasons: Type.Array(
    Type.Object(
      {
        code: Type.String({ description: "Code of the reason" }),
        message: Type.String({ description: "The reason in words" }),
        count: count("Actions with this message"),
      },
      { ...closed, title: "FindingReason", description: "One message of a finding" },
    ),
    { description: "Messages of these reasons, the first of them" },
  ),
  first: Type.Array(Type.String(), { description: "Ids of the decisions or notices that began it" }),
  last: Type.Array(Type.String(), { description: "Ids of the latest decisions or notices after those of `first`" }),
  waiting: Type.Array(
    Type.Object(
      {
        decision_id: Type.String({ description: "Id of the decision that waits" }),
        action_digest: Type.String({ description: "`action_digest` of its action" }),
        approval_digest: Type.String({
          description: "All that an approval is bound to, as a digest; actions with the same one are one here",
        }),
        until: time("Until when it waits"),
        purpose: Type.String({ description: "Purpose that it is for; its `approvers` say who approves" }),
        policy: Type.String({ description: "Digest of the bundle that decided; under another one it can't be approved" }),
        caller: Type.String({ description: "Caller that asked, who can't approve it" }),
        principals: orNull(
          Type.Array(Type.String(), {
            description: "Persons that it is for, who can't approve it; empty: none. Null: the request was too large to be kept here",
          }),
        ),
        fields: Type.Array(
          Type.Object(
            {
              field: Type.String({ description: "JSON pointer into the request" }),
              value: Type.String({
                description: "JSON, with what can't be seen escaped; at most 256 characters of it, and then `…`",
              }),
            },
            { ...closed, title: "WaitingField", description: "One value of a request that waits" },
          ),
          { description: "Known values of the request as the policy saw it, at most 32 of them; what is masked is masked here" },
        ),
        more: orNull(
          Type.Integer({
            minimum: 0,
            description: "Values left out here; its record has them. Null: all, since the request was too large",
          }),
        ),
      },
      { ...closed, title: "WaitingAction", description: "A decision that waits for approval" },
    ),
    { description: "Decisions that wait for approval, or did; the latest of them" },
  ),
  first_seen: time("When its first action was decided"),
  last_seen: time("When its latest action was decided"),
  state: StateName,
  verdict: orNull(about(FindingState, "How it was judged; null: nobody has looked yet")),
  revision: Type.Integer({ description: "Revision of its state, to be given as `If-Match`; 0: nobody has looked yet" }),
  node: Type.Optional(Type.String({ description: "Of a cluster: the node that has it, and does what is said of it" })),
  parts: Type.Optional(
    Type.Array(
      Type.Object(
        { id: Type.String({ description: "Id under which the node has it" }), node: Type.String({ description: "Node that has it" }) },
        { ...closed, title: "FindingPart", description: "What one node has of a finding" },
      ),
      {
        description:
          "Of a cluster: findings of several nodes that are one, the oldest first, which names it. Each `id` finds it. Left out: one node has all of it",
      },
    ),
  ),
};

export const Finding = Type.Object(finding, { ...closed, title: "Finding", description: "Something that a person has to look into" });
export type Finding = Static<typeof Finding>;

const IndexedTo = Type.Integer({ description: "`seq` of the last record that this answer knows; later ones are not in it" });

export const FindingPage = Type.Object(
  {
    items: Type.Array(Finding, { description: "Findings of this page, the newest first, by when they were opened" }),
    next: orNull(Type.String({ description: "Where the next page begins, to be given as `cursor`; null: there is no more" })),
    indexed_to: IndexedTo,
    ...ofNodes,
  },
  { ...closed, title: "FindingPage", description: "One page of findings" },
);
export type FindingPage = Static<typeof FindingPage>;

export const ShownFinding = Type.Object(
  {
    ...finding,
    timeline: Type.Array(FoundRecord, {
      description: "The actions of `first` and `last`, and what became of the agent and the finding meanwhile, in order",
    }),
    indexed_to: IndexedTo,
  },
  { ...closed, title: "ShownFinding", description: "A finding with the actions that led to it" },
);
export type ShownFinding = Static<typeof ShownFinding>;

export const JudgeFinding = Type.Object(
  {
    state: about(StateName, "How it stands from now on"),
    reason: Why,
    seen: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: "Required with `expected`: `actions.all` as you read it, so that what came since isn't approved unseen",
      }),
    ),
    keep_out: Type.Optional(
      Type.Enum(["suspend", "revoke"], {
        description:
          "With `misuse`: how to keep the agent out; default `suspend`. `revoke` needs `remit:revoke` and holds until it is lifted",
      }),
    ),
    propose: Type.Optional(
      Type.Enum(["allow", "never"], { description: "With `policy_gap`: kind of entry that the policy lacks; default `allow`" }),
    ),
  },
  { ...closed, title: "JudgeFinding", description: "A person's judgement of a finding" },
);
export type JudgeFinding = Static<typeof JudgeFinding>;

/** A finding after somebody judged it, and how what narrowed holds. */
export const JudgedFinding = Type.Object(
  { ...finding, in_force: Type.Optional(about(InForce, "How what narrowed holds. Left out: nothing narrowed")) },
  { ...closed, title: "JudgedFinding", description: "A finding after it was judged" },
);
export type JudgedFinding = Static<typeof JudgedFinding>;

export const ApproveFinding = Type.Object(
  {
    reason: Why,
    decision: Type.String({ maxLength: 64, description: "`decision_id` of the one of `waiting` to approve" }),
  },
  { ...closed, title: "ApproveFinding", description: "Approval of one action that waits" },
);
export type ApproveFinding = Static<typeof ApproveFinding>;

/** `opened`: nobody was told of it yet. `changed`: it is graver, of more kinds, ten times as many, judged, or waits for somebody. */
export const FindingNews = Type.Object(
  {
    change: Type.Enum(["opened", "changed"], {
      description:
        "`opened`: it is new. `changed`: it is graver, has other kinds of actions or ten times as many, was judged, or waits for somebody",
    }),
    finding: Finding,
  },
  { ...closed, title: "FindingNews", description: "A finding that was opened or changed" },
);
export type FindingNews = Static<typeof FindingNews>;

/** From here on every finding that is opened or changes is told, as it then is. */
export const FindingsReady = Type.Object(
  {
    after: Type.String({ description: "Id of the event after which the stream goes on" }),
    heartbeat_ms: Type.Integer({
      description: "Milliseconds within which something always comes; after three times as long, connect again",
    }),
  },
  { ...closed, title: "FindingsReady", description: "From here on findings are sent as they are opened and change" },
);
export type FindingsReady = Static<typeof FindingsReady>;

/** Event sent if the id to go on after doesn't belong to this log: it was restored, or is another. The stream goes on from here. */
export const FindingsReset = Type.Object(
  { after: Type.String({ description: "Id of the event after which the stream goes on" }) },
  { ...closed, title: "FindingsReset", description: "The given id does not belong to this log; the stream goes on from here" },
);
export type FindingsReset = Static<typeof FindingsReset>;

const EVENTS = { finding: FindingNews, ready: FindingsReady, reset: FindingsReset, nodes: FollowedNodes, end: EndEvent } as const;
export type FindingEventName = keyof typeof EVENTS;

/** One event of the stream, as a reader of server-sent events gives it. */
export const StreamedFinding = Type.Union(
  Object.entries(EVENTS).map(([event, data]) =>
    Type.Object(
      {
        id: Type.Optional(
          Type.String({
            description:
              "Record and facts revision up to which everything was sent, to be given as `Last-Event-ID`: `4711-58`; in a cluster, those of each node",
          }),
        ),
        ...streamed(event, data),
      },
      { ...closed, title: `FindingStream${event.charAt(0).toUpperCase()}${event.slice(1)}`, description: `Event \`${event}\`` },
    ),
  ),
  {
    title: "StreamedFinding",
    description: "Server-sent events (WHATWG HTML, section 9.2), each of these forms; `data` is JSON on one line",
  },
);
