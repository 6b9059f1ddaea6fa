/** Explanations: why the running policy decides as it does on a record's input, and what would have let the action pass. For people. */
import { Reason } from "./decision.js";
import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };
const text = (description: string) => Type.String({ description });
const value = (description: string) => Type.Unknown({ description });

export const ExplainRequest = Type.Object(
  { decision_id: Type.String({ minLength: 1, maxLength: 64, description: "Decision whose record is explained" }) },
  { ...closed, title: "ExplainRequest", description: "What to explain" },
);
export type ExplainRequest = Static<typeof ExplainRequest>;

const Condition = Type.Object(
  {
    name: text("What was looked at, as the author wrote it"),
    wanted: text("What the entry wants of it"),
    found: value("Value that was there; null: unknown"),
    holds: Type.Enum(["yes", "no", "unknown"], { description: "Whether the condition held" }),
  },
  { ...closed, title: "ExplainedCondition", description: "A condition of an entry, and what it found" },
);

const TriedEntry = Type.Object(
  {
    effect: Type.Enum(["allow", "flag", "never"], { description: "Line of the purpose" }),
    code: text("Code of its reason"),
    applies: Type.Enum(["yes", "no", "unknown"], { description: "Whether all its conditions held" }),
    conditions: Type.Array(Condition, { description: "Its conditions, in order" }),
  },
  { ...closed, title: "ExplainedEntry", description: "An entry of the purpose that names this verb and type" },
);

const Read = Type.Object(
  { path: text("Path that the rule reads, in an author's words"), found: value("Value that was there; null: unknown") },
  { ...closed, title: "ExplainedValue", description: "A value that a rule read" },
);

const TriedRule = Type.Object(
  {
    effect: Type.Enum(["allow", "log", "flag", "deny"], { description: "Effect of the rule" }),
    code: text("Code of its reason"),
    title: text("What it is about"),
    sources: Type.Array(Type.String(), { description: "`file:line` of the rule, relative to the policy set" }),
    fired: Type.Boolean({ description: "Whether it gave its reason" }),
    read: Type.Array(Read, { description: "Values at the paths that it reads; empty if it puts paths together while it runs" }),
  },
  { ...closed, title: "ExplainedRule", description: "A rule in Rego of the purpose" },
);

const Change = Type.Object(
  {
    kind: Type.Enum(["value", "subject", "hour", "grant", "approval", "behavior"], { description: "What would be different" }),
    path: Type.Union([Type.String(), Type.Null()], { description: "Path of it; null for a grant or an approval" }),
    found: value("What it is"),
    to: value("What it would have to be"),
    words: text("The same as a clause: `a grant let it`"),
  },
  { ...closed, title: "Change", description: "One thing that would be different" },
);

const Way = Type.Object(
  {
    changes: Type.Array(Change, { description: "One change, or two at once" }),
    decision: Type.Enum(["allow", "flag"], { description: "What the policy decides then; the action goes ahead" }),
  },
  { ...closed, title: "Way", description: "Changes with which the policy was evaluated, and let the action pass" },
);

const Ways = Type.Object(
  {
    ways: Type.Array(Way, { description: "At most five; none: nothing that was tried lets it pass" }),
    grant: Type.Enum(["lifts", "approval_lifts", "lifts_nothing"], {
      description: "Whether a grant, or at least an approval of exactly this action, lets it pass by itself",
    }),
    tried: Type.Integer({ description: "Evaluations that it took" }),
  },
  { ...closed, title: "Ways", description: "What would have let the action pass" },
);

const PlanMismatch = Type.Object(
  {
    code: Type.Enum(["outside_plan", "not_as_planned", "plan_waits", "plan_used_up", "flow_unknown"], {
      description: "Code of the reason that the plan gives",
    }),
    step: Type.Union([Type.String(), Type.Null()], { description: "Step that the action is; null: none, or one without a name" }),
    argument: Type.Union([Type.String(), Type.Null()], { description: "Path of the value, as `recipients/0`; null: it is about the call" }),
    wanted: Type.Array(Type.String(), {
      description: "Sources that the plan has for the argument, calls that it has, or how often; empty: the plan is no longer known",
    }),
    found: Type.Array(Type.String(), { description: "Sources that the value has, the call, or how often it was permitted" }),
    next: text("What to do, as an imperative"),
  },
  { ...closed, title: "PlanMismatch", description: "One way in which the action doesn't fit the task's plan" },
);
export type PlanMismatch = Static<typeof PlanMismatch>;

export const Explanation = Type.Object(
  {
    decision: Type.Enum(["allow", "flag", "deny"], { description: "What the policy decides on the input" }),
    proceed: Type.Boolean({ description: "Whether the action may go ahead" }),
    codes: Type.Array(Type.String(), { description: "Codes of its reasons, sorted" }),
    entries: Type.Array(TriedEntry, { description: "Entries that name this verb and type, in the purpose's order" }),
    rules: Type.Array(TriedRule, { description: "Rules in Rego of the purpose" }),
    plan: Type.Union([Type.Array(PlanMismatch), Type.Null()], {
      description: "How the action doesn't fit the plan of its task; empty: it fits. Null: the task has no plan",
    }),
    would_pass: Type.Union([Ways, Type.Null()], { description: "Null: the action passes, or never reached the policy" }),
  },
  { ...closed, title: "Explanation", description: "Why the policy decides so" },
);
export type Explanation = Static<typeof Explanation>;
export type TriedRule = Static<typeof TriedRule>;
export type ExplainedChange = Omit<Static<typeof Change>, "words">;
export type Way = Static<typeof Way>;
export type Ways = Static<typeof Ways>;

export const ExplainAnswer = Type.Object(
  {
    decision_id: text("Decision that is explained"),
    decided: Type.Object(
      {
        decision: Type.Enum(["allow", "flag", "deny"], { description: "The verdict" }),
        proceed: Type.Boolean({ description: "Whether the action might go ahead" }),
        reasons: Type.Array(Reason, { description: "Its reasons, as the record has them" }),
      },
      { ...closed, title: "Decided", description: "What was decided, by the bundle of that time" },
    ),
    refused: Type.Union([Type.String(), Type.Null()], {
      description: "Code of the reason for which the service itself refused, before any policy was asked; null: the policy decided",
    }),
    explanation: Type.Union([Explanation, Type.Null()], { description: "Null: the service refused, or the record holds no input" }),
    same_policy: Type.Boolean({ description: "Whether the running bundle, which is asked, is the one that decided" }),
    masked: Type.Boolean({ description: "Whether the record holds digests for values: what rests on them may come out differently" }),
  },
  { ...closed, title: "ExplainAnswer", description: "An explanation of a decision on record" },
);
export type ExplainAnswer = Static<typeof ExplainAnswer>;
