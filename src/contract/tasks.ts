/** `POST /tasks` and `PATCH /tasks/{id}`: one schema each for type, validator and OpenAPI document. */
import { Type, type Static } from "./type.js";
import { ID_LENGTH_MAX, NAME_PATTERN } from "./decision.js";

const closed = { additionalProperties: false };
const Name = Type.String({ pattern: NAME_PATTERN });
const Values = Type.Record(Type.String(), Type.Unknown());
const Text = Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX });
const Time = Type.String({ maxLength: 40, description: "RFC 3339" });

/** Tasks of a chain, each handed on from the next, that are looked at; configuration bounds what is made lower. */
export const TASK_LEVELS_MAX = 32;
/** Ids of one subject type that a task may have. */
export const SUBJECT_IDS_MAX = 100;
const Subjects = Type.Record(Name, Type.Array(Text, { maxItems: SUBJECT_IDS_MAX, uniqueItems: true }), {
  ...closed,
  description: "Subject type → ids: what the task is about",
});

/** What a task says of itself, in the API and in a facts file. */
export const taskMembers = {
  agent: Type.String({ pattern: NAME_PATTERN, description: "Whose work it is" }),
  purpose: Type.String({ pattern: NAME_PATTERN, description: "What it is for" }),
  principal: Type.Optional(Type.Union([Text, Type.Null()], { description: "The person it is done for" })),
  subjects: Type.Optional(Subjects),
  attributes: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: "What the vocabulary's `task` names" })),
  verbs: Type.Optional(Type.Array(Name, { maxItems: 256, uniqueItems: true, description: "Left out: every verb" })),
};

export const CreateTask = Type.Object({ id: Name, ...taskMembers, expires: Time }, closed);
export type CreateTask = Static<typeof CreateTask>;

export const ChangeTask = Type.Object(
  {
    subjects: Type.Optional(Subjects),
    ended: Type.Optional(Type.Literal(true, { description: "Ends the task for good" })),
  },
  { ...closed, minProperties: 1 },
);
export type ChangeTask = Static<typeof ChangeTask>;

export const TaskAnswer = Type.Object(
  {
    ...taskMembers,
    id: Name,
    principal: Type.Union([Text, Type.Null()]),
    subjects: Subjects,
    attributes: Values,
    verbs: Type.Union([Type.Array(Name), Type.Null()]),
    expires: Type.Union([Time, Type.Null()]),
    ended: Type.Boolean(),
    facts_revision: Type.Integer({ description: "Give it as `at_least` to be decided on facts that include this" }),
  },
  closed,
);
export type TaskAnswer = Static<typeof TaskAnswer>;
