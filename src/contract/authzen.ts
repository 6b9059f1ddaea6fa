/** OpenID AuthZEN Authorization API 1.0, for the OpenAPI document. Members that it doesn't name are ignored. */
import { Type } from "./type.js";

const Members = Type.Record(Type.String(), Type.Unknown());
const properties = Type.Optional(Members);
const Entity = Type.Object({ type: Type.String(), id: Type.String(), properties });
const Sought = Type.Object({ type: Type.String(), id: Type.Optional(Type.String()), properties });
const Action = Type.Object({ name: Type.String(), properties });
const context = Type.Optional(Members);

const Question = Type.Object({ subject: Entity, action: Action, resource: Entity, context });
const Decision = Type.Object({ decision: Type.Boolean({ description: "Whether to proceed" }), context });
const Item = Type.Object({
  subject: Type.Optional(Entity),
  action: Type.Optional(Action),
  resource: Type.Optional(Entity),
  context,
});
const Page = Type.Object({ token: Type.Optional(Type.String()), limit: Type.Optional(Type.Integer({ minimum: 0 })) });
const Result = Type.Object({
  type: Type.Optional(Type.String()),
  id: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  obligations: Type.Optional(Type.Array(Members)),
});

export const AUTHZEN_SCHEMAS = {
  evaluation: { request: Question, answer: Decision },
  evaluations: {
    request: Type.Object({
      ...Item.properties,
      evaluations: Type.Optional(Type.Array(Item, { description: "Left out or empty: as one evaluation" })),
      options: Type.Optional(Members),
    }),
    answer: Type.Object({ evaluations: Type.Array(Decision, { description: "In the order of the request" }) }),
  },
  search: {
    request: Type.Object({
      subject: Sought,
      action: Type.Optional(Action),
      resource: Sought,
      context,
      page: Type.Optional(Page),
    }),
    answer: Type.Object({
      page: Type.Object({ next_token: Type.String({ description: "Empty: there is no more" }), count: Type.Integer() }),
      results: Type.Array(Result),
    }),
  },
  task: Type.Object({
    task: Type.Object({
      id: Type.String(),
      status: Type.String(),
      status_endpoint: Type.String(),
      expires_at: Type.String(),
    }),
    result: Type.Optional(Members),
  }),
  metadata: Type.Record(Type.String(), Type.Unknown()),
} as const;
