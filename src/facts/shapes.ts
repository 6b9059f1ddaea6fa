/** What the facts file may say. */
import { Type, type Static } from "typebox";
import { ID_LENGTH_MAX, NAME_PATTERN, taskMembers } from "../contract/index.js";

const closed = { additionalProperties: false };
const Name = Type.String({ pattern: NAME_PATTERN });

const AgentEntry = Type.Object(
  {
    version: Type.String({ minLength: 1, maxLength: 128, default: "1" }),
    owner: Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX }),
    purposes: Type.Array(Name, { maxItems: 256, uniqueItems: true }),
    attributes: Type.Record(Type.String(), Type.Unknown(), { default: {} }),
    status: Type.Enum(["active", "suspended", "revoked"], { default: "active" }),
  },
  closed,
);

const TaskEntry = Type.Object(
  { ...taskMembers, expires: Type.Optional(Type.String({ maxLength: 40 })), ended: Type.Optional(Type.Boolean()) },
  closed,
);
export type TaskEntry = Static<typeof TaskEntry>;

export const FactsDocument = Type.Object(
  {
    agents: Type.Record(Name, AgentEntry, { ...closed, default: {} }),
    tasks: Type.Record(Name, TaskEntry, { ...closed, default: {} }),
  },
  closed,
);
export type FactsDocument = Static<typeof FactsDocument>;
