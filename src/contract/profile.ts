/** Behaviour profile of an agent, as people see it. */
import { BEHAVIOR_CHANNELS } from "./behavior_policy.js";
import { Type, type Static, type TSchema } from "./type.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const count = (description: string) => Type.Integer({ minimum: 0, description });
const share = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });
const time = (description: string) => Type.String({ description: `${description}, RFC 3339` });

const Habit = Type.Object(
  {
    verb: Type.String({ description: "Verb of the actions" }),
    type: Type.String({ description: "Type of their resources" }),
    acts: count("Actions, of which old ones count less"),
    days: count("Days on which it did this"),
    is_new: Type.Boolean({ description: "Whether it began in the seven days before the agent's last action" }),
  },
  { ...closed, title: "Habit", description: "A verb that the agent uses on a type" },
);

const UsualOfType = Type.Object(
  {
    type: Type.String({ description: "Type of resource" }),
    acts_in_5_min: count("Actions on it in five minutes"),
    distinct_in_10_min: count("Distinct resources of it in ten minutes"),
    distinct_in_a_week: orNull(count("Distinct resources of it in a week; null before there is a usual")),
    with_task: share("Share of its actions that are on a task"),
    on_known: share("Share of its actions on resources that it knew"),
  },
  { ...closed, title: "UsualOfType", description: "What is usual of actions on one type; all but one in a thousand stay within it" },
);

const Evidence = Type.Object(
  {
    test: Type.Enum(["order", "drift", "labels"], {
      description:
        "`order`: own steps in another order; `drift`: resources beside what a session is about, out of order or without a task; `labels`: resources with labels, beyond what sessions need",
    }),
    odds: Type.Number({ minimum: 0, description: "Odds for a deviation, as they stand" }),
    finds_at: orNull(Type.Number({ description: "Odds at which it is a finding; null before there were enough sessions to say" })),
  },
  { ...closed, title: "TestEvidence", description: "Evidence that a test has gathered over the agent's sessions" },
);

const Profile = Type.Object(
  {
    first: time("When its first action was"),
    last: time("When its last action was"),
    days: Type.Number({ description: "Days on which it was active" }),
    acts: count("Actions learned from; old ones count less"),
    risk: Type.Integer({ minimum: 0, maximum: 100, description: "Risk at its last action" }),
    hours: Type.Array(share("Share of its actions in this local hour"), { description: "Shares by local hour, from 0 to 23" }),
    habits: Type.Array(Habit, { description: "Habits, the most frequent first" }),
    usual: Type.Object(
      {
        acts_in_2_min: count("Actions in two minutes"),
        resources_in_session: count("Distinct resources in a session"),
        types: Type.Array(UsualOfType, { description: "By type, for those that it has seen often enough" }),
      },
      { ...closed, title: "UsualBehavior", description: "What is usual; all but one action in a thousand stay within these" },
    ),
    sources: count("Callers that it was seen from"),
    evidence: Type.Array(Evidence, { description: "Evidence of tests over sessions" }),
    checkpoints: Type.Array(time("A checkpoint"), { description: "Times to which its habits can be rolled back" }),
  },
  { ...closed, title: "BehaviorPortrait", description: "What is usual for an agent" },
);

const Threshold = Type.Object(
  {
    at: Type.Integer({ description: "Risk from which it applies, as the bundle says" }),
    before: Type.Integer({ description: "Risk that an action which just reaches it would have had without the verdicts" }),
  },
  { ...closed, title: "Threshold", description: "A risk from which something follows" },
);

const ChannelThreshold = Type.Object(
  {
    channel: Type.Enum([...BEHAVIOR_CHANNELS], { description: "Channel that it looks at, whatever the action's risk" }),
    then: Type.Enum(["log", "flag"], { description: "What follows: a finding, or a flag" }),
    at: Type.Number({ description: "Rarity on that channel from which it applies, in decades; 3 is what comes once in a thousand times" }),
  },
  { ...closed, title: "ChannelThreshold", description: "A rarity on one channel from which something follows; verdicts don't move it" },
);

const PurposeThresholds = Type.Object(
  {
    purpose: Type.String({ description: "Id of the purpose" }),
    expected: count("Verdicts `expected` on findings about behaviour in it"),
    misuse: count("Verdicts `misuse` on findings about behaviour in it"),
    score: Type.Number({ description: "What these take off the score of each action, at most 1.5; negative: that they add" }),
    log: orNull(Threshold),
    flag: orNull(Threshold),
    hold: orNull(Threshold),
    narrow: orNull(Threshold),
    suspend: orNull(Threshold),
    channels: Type.Array(ChannelThreshold, { description: "Channels to which the purpose gives a threshold of their own, by name" }),
  },
  { ...closed, title: "PurposeThresholds", description: "Thresholds of behaviour in a purpose; null: it never follows" },
);
export type PurposeThresholds = Static<typeof PurposeThresholds>;

export const BehaviorThresholds = Type.Object(
  { items: Type.Array(PurposeThresholds, { description: "Purposes that the caller may see, by id" }) },
  { ...closed, title: "BehaviorThresholds", description: "How people's verdicts have moved the thresholds of purposes" },
);
export type BehaviorThresholds = Static<typeof BehaviorThresholds>;

export const AgentProfile = Type.Object(
  {
    agent: Type.String({ description: "Id of the agent" }),
    risk: Type.Integer({ minimum: 0, maximum: 100, description: "Risk now: what is left of earlier actions; 100 while that isn't known" }),
    profile: orNull(Profile),
  },
  { ...closed, title: "AgentProfile", description: "Behaviour of an agent; `profile` is null before anything is known of it" },
);
export type AgentProfile = Static<typeof AgentProfile>;
