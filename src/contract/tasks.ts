/** Members of a task that the API and a facts file share. */
import { Type } from "./type.js";
import { ID_LENGTH_MAX, NAME_PATTERN } from "./decision.js";
import { TaskPlan } from "./plan.js";

const closed = { additionalProperties: false };
const Name = Type.String({ pattern: NAME_PATTERN });
const Text = Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX });

/** Tasks of a chain, each handed on from the next, that are looked at; configuration bounds what is made lower. */
export const TASK_LEVELS_MAX = 32;
/** Ids of one subject type that a task may have. */
export const SUBJECT_IDS_MAX = 100;
const Subjects = Type.Record(Name, Type.Array(Text, { maxItems: SUBJECT_IDS_MAX, uniqueItems: true }), {
  ...closed,
  description: "What the task is about: subject type of the vocabulary to ids, at most 100 of each. Default none",
});

/** Members of a task, in the API and in a facts file. */
export const taskMembers = {
  agent: Type.String({ pattern: NAME_PATTERN, description: "Id of the agent whose work it is" }),
  purpose: Type.String({ pattern: NAME_PATTERN, description: "Purpose that it is for" }),
  principal: Type.Optional(
    Type.Union([Text, Type.Null()], {
      description: "Person for whom it is done, as agents' tokens name them. Null or left out: not known",
    }),
  ),
  subjects: Type.Optional(Subjects),
  attributes: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: "Attributes that the vocabulary's `task` names. Default none",
    }),
  ),
  verbs: Type.Optional(
    Type.Array(Name, { maxItems: 256, uniqueItems: true, description: "Verbs that it is limited to. Left out: every verb" }),
  ),
  plan: Type.Optional(TaskPlan),
};
