/** Findings: what somebody has to look into, as it is told, judged and remembered. One incident is one finding. */
import type { Act } from "./behavior.js";
import type { Reason } from "./decision.js";
import { EndEvent } from "./events.js";
import { InForce } from "./facts.js";
import { SEVERITIES } from "./policy.js";
import { FoundRecord } from "./query.js";
import { Type, type Static, type TSchema } from "./type.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = Type.String({ description: "RFC 3339" });
const Count = Type.Integer({ minimum: 0 });

/** `F-` and the decision that opened it; behind it what it is about, where no single code says that. */
export const FINDING_PATTERN = "^F-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-flood|-shopping)?$";

/**
 * `code`: one reason of a policy. `behavior`: what is unusual for the agent. `flood`: whatever an agent does beyond as many
 * incidents at once as are told apart. `shopping`: one action tried under several purposes, verbs or spellings.
 */
export const FINDING_ABOUT = ["code", "behavior", "flood", "shopping"] as const;
export type FindingAbout = (typeof FINDING_ABOUT)[number];

export const FINDING_STATES = ["open", "in_review", "expected", "misuse", "policy_gap"] as const;
export type FindingStateName = (typeof FINDING_STATES)[number];

/** A person's conclusion; it closes the finding. */
export const VERDICTS = ["expected", "misuse", "policy_gap"] as const satisfies readonly FindingStateName[];
export const isVerdict = (state: FindingStateName): boolean => VERDICTS.some((verdict) => verdict === state);

/** What decides which finding an action belongs to. */
export interface Sighted {
  decision_id: string;
  kind: "decision" | "observed";
  agent: string;
  /** Whether the agent is registered. Those that aren't are told together: anybody can make up names. */
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
  /** Whether it has to be looked into by itself, whatever came before. */
  opens: boolean;
}

const Why = Type.String({ minLength: 1, maxLength: 512, description: "Why; kept with it" });

/** How a finding stands since somebody looked at it: what its key holds. */
export const FindingState = Type.Object(
  {
    id: Type.String(),
    agent: orNull(Type.String()),
    state: Type.Enum([...FINDING_STATES]),
    reason: Why,
    by: Type.String(),
    at: Time,
    teaches: Type.Array(Type.Unsafe<Act>({ type: "object" }), {
      description: "Of `expected`: what is usual from now on, each distinct action once",
    }),
    grants: Type.Array(Type.String(), { description: "Of `expected`: grants for the actions that waited, good for one use each" }),
    kept_out: orNull(Type.Enum(["suspended", "revoked"], { description: "Of `misuse`: what became of the agent" })),
    proposal: orNull(Type.String({ description: "Of `policy_gap`: entries for the purpose file, as YAML, to be reviewed" })),
  },
  closed,
);
export type FindingState = Static<typeof FindingState>;

const Severity = Type.Enum([...SEVERITIES]);

const finding = {
  id: Type.String(),
  about: Type.Enum([...FINDING_ABOUT], { description: "What its actions have in common" }),
  code: orNull(Type.String({ description: "The reason that opened it; null: each action by itself was fine" })),
  agent: orNull(Type.String({ description: "null: agents that nobody has registered, or none" })),
  version: orNull(Type.String({ description: "Of the agent, when it was last seen" })),
  purpose: orNull(Type.String({ description: "null: several, or one that the bundle may not have" })),
  severity: Severity,
  risk: orNull(Type.Integer({ description: "Highest; null: nothing was unusual" })),
  actions: Type.Object({ all: Count, allow: Count, deny: Count, flag: Count }, { ...closed, description: "How many" }),
  tasks: Type.Array(Type.String(), { description: "The first of them" }),
  codes: Type.Array(Type.Object({ code: Type.String(), severity: Severity, count: Count }, closed), {
    description: "Reasons to look into it, the most frequent first",
  }),
  reasons: Type.Array(Type.Object({ code: Type.String(), message: Type.String(), count: Count }, closed), {
    description: "The same with their words, the first of them",
  }),
  first: Type.Array(Type.String(), { description: "Decisions, or notices, that began it" }),
  last: Type.Array(Type.String(), { description: "The latest of those after them" }),
  waiting: Type.Array(Type.Object({ decision_id: Type.String(), action_digest: Type.String(), until: Time }, closed), {
    description: "Decisions that wait for approval, or did; the latest of them",
  }),
  first_seen: Time,
  last_seen: Time,
  state: Type.Enum([...FINDING_STATES]),
  verdict: orNull(FindingState),
  revision: Type.Integer({ description: "Of its state's last change, 0 where nobody has looked yet; `If-Match` takes it" }),
};

export const Finding = Type.Object(finding, closed);
export type Finding = Static<typeof Finding>;

const IndexedTo = Type.Integer({ description: "The last record that was looked at: what came later is not in here" });

export const FindingPage = Type.Object(
  {
    items: Type.Array(Finding, { description: "The newest first, by when they were opened" }),
    next: orNull(Type.String({ description: "Give it as `cursor`; null: there is no more" })),
    indexed_to: IndexedTo,
  },
  closed,
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
  closed,
);
export type ShownFinding = Static<typeof ShownFinding>;

export const JudgeFinding = Type.Object(
  {
    state: Type.Enum([...FINDING_STATES]),
    reason: Why,
    seen: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          "Of `expected`, needed: `actions.all` as it was read, 0 where it is of no action. What has come since is not approved unseen",
      }),
    ),
    keep_out: Type.Optional(
      Type.Enum(["suspend", "revoke"], {
        description: "Of `misuse`: `suspend`, if unsaid; `revoke` needs `remit:revoke`, and holds until that is lifted",
      }),
    ),
    propose: Type.Optional(Type.Enum(["allow", "never"], { description: "Of `policy_gap`: what the policy lacks; `allow`, if unsaid" })),
  },
  closed,
);
export type JudgeFinding = Static<typeof JudgeFinding>;

/** A finding after somebody judged it, and how what narrowed holds. */
export const JudgedFinding = Type.Object({ ...finding, in_force: Type.Optional(InForce) }, closed);
export type JudgedFinding = Static<typeof JudgedFinding>;

export const ApproveFinding = Type.Object(
  {
    reason: Why,
    decision: Type.String({ maxLength: 64, description: "Which of `waiting`, as it was read: by now others may wait" }),
  },
  closed,
);
export type ApproveFinding = Static<typeof ApproveFinding>;

/** `opened`: nobody was told of it yet. `changed`: it is graver, of more kinds, ten times as many, judged, or waits for somebody. */
export const FindingNews = Type.Object({ change: Type.Enum(["opened", "changed"]), finding: Finding }, closed);
export type FindingNews = Static<typeof FindingNews>;

/** From here on every finding that is opened or changes is told, as it then is. */
export const FindingsReady = Type.Object({ after: Type.String(), heartbeat_ms: Type.Integer() }, closed);
export type FindingsReady = Static<typeof FindingsReady>;

/** What to go on after is none of this log's: it was put back, or is another. It goes on from here. */
export const FindingsReset = Type.Object({ after: Type.String() }, closed);
export type FindingsReset = Static<typeof FindingsReset>;

const EVENTS = { finding: FindingNews, ready: FindingsReady, reset: FindingsReset, end: EndEvent } as const;
export type FindingEventName = keyof typeof EVENTS;

/** One event of the stream, as a reader of server-sent events gives it. */
export const StreamedFinding = Type.Union(
  Object.entries(EVENTS).map(([event, data]) =>
    Type.Object(
      {
        id: Type.Optional(Type.String({ description: "The last record, and facts revision, up to which everything was told: `4711-58`" })),
        event: Type.Literal(event),
        data: Type.String({ contentMediaType: "application/json", contentSchema: data }),
        retry: Type.Optional(Type.Integer({ description: "Milliseconds" })),
      },
      closed,
    ),
  ),
  { description: "Server-sent events (WHATWG HTML, section 9.2), each of these forms; `data` is JSON on one line" },
);
