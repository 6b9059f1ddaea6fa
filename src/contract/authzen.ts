/** OpenID AuthZEN Authorization API 1.0, for the OpenAPI document. Members that it doesn't name are ignored. */
import { Type, about } from "./type.js";

const members = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description });
const properties = Type.Optional(members("Properties, by name; the mapping says which are read. Default none"));
const text = (description: string) => Type.String({ description });
const Entity = Type.Object(
  { type: text("Type of the entity"), id: text("Id of the entity"), properties },
  { title: "AuthzenEntity", description: "A subject or a resource" },
);
const Sought = Type.Object(
  { type: text("Type of the entity"), id: Type.Optional(text("Id of the entity; left out of what is searched for")), properties },
  { title: "AuthzenSoughtEntity", description: "A subject or a resource; the one that is searched for has no id" },
);
const Action = Type.Object({ name: text("Name of the action"), properties }, { title: "AuthzenAction", description: "An action" });
const context = Type.Optional(members("Surroundings of the request; default none"));

const Question = Type.Object(
  { subject: about(Entity, "Who wants to act"), action: Action, resource: about(Entity, "What it acts on"), context },
  { title: "AuthzenEvaluation", description: "One question" },
);
const Decision = Type.Object(
  {
    decision: Type.Boolean({ description: "Whether to proceed" }),
    context: Type.Optional(members("Reasons, obligations and ids of the decision")),
  },
  { title: "AuthzenDecision", description: "The answer to one question" },
);
const Item = Type.Object(
  {
    subject: Type.Optional(about(Entity, "Who wants to act. Left out: as in the request")),
    action: Type.Optional(about(Action, "The action. Left out: as in the request")),
    resource: Type.Optional(about(Entity, "What it acts on. Left out: as in the request")),
    context,
  },
  { title: "AuthzenItem", description: "One question of several; what it leaves out is as in the request" },
);
const Page = Type.Object(
  {
    token: Type.Optional(text("`next_token` of the page before. Left out: the first page")),
    limit: Type.Optional(Type.Integer({ minimum: 0, description: "Results at most. Left out: as many as the service likes" })),
  },
  { title: "AuthzenPage", description: "Which page of the results" },
);
const Result = Type.Object(
  {
    type: Type.Optional(text("Type of the subject or resource that was found")),
    id: Type.Optional(text("Its id")),
    name: Type.Optional(text("Name of the action that was found")),
    obligations: Type.Optional(
      Type.Array(Type.Record(Type.String(), Type.Unknown()), { description: "What the enforcement point has to do if it acts" }),
    ),
  },
  { title: "AuthzenResult", description: "One subject, resource or action that was found" },
);

export const AUTHZEN_SCHEMAS = {
  evaluation: { request: Question, answer: Decision },
  evaluations: {
    request: Type.Object(
      {
        ...Item.properties,
        evaluations: Type.Optional(Type.Array(Item, { description: "Questions. Left out or empty: the request is one question itself" })),
        options: Type.Optional(members("Options of AuthZEN, such as `evaluations_semantic`; default none")),
      },
      { title: "AuthzenEvaluations", description: "Several questions" },
    ),
    answer: Type.Object(
      { evaluations: Type.Array(Decision, { description: "Answers in the order of the questions" }) },
      { title: "AuthzenDecisions", description: "Answers to several questions" },
    ),
  },
  search: {
    request: Type.Object(
      {
        subject: about(Sought, "Who wants to act"),
        action: Type.Optional(about(Action, "The action. Left out: actions are searched for")),
        resource: about(Sought, "What it acts on"),
        context,
        page: Type.Optional(Page),
      },
      { title: "AuthzenSearch", description: "A search for subjects, resources or actions that are permitted" },
    ),
    answer: Type.Object(
      {
        page: Type.Object(
          {
            next_token: text("Where the next page begins; empty: there is no more"),
            count: Type.Integer({ description: "Results of this page" }),
          },
          { description: "Which page of the results this is" },
        ),
        results: Type.Array(Result, { description: "What is permitted" }),
      },
      { title: "AuthzenResults", description: "One page of a search's results" },
    ),
  },
  task: Type.Object(
    {
      task: Type.Object(
        {
          id: text("Id of the access request"),
          status: text("How it stands: `pending`, `completed`, …"),
          status_endpoint: text("URL to ask again how it stands"),
          expires_at: text("Until when it can be approved, RFC 3339"),
        },
        { description: "The access request" },
      ),
      result: Type.Optional(members("What it came to. Left out: it is pending")),
    },
    { title: "AuthzenTask", description: "An access request, and how it stands" },
  ),
  metadata: Type.Record(Type.String(), Type.Unknown(), {
    title: "AuthzenMetadata",
    description: "URLs of the endpoints and what they can do, by the names of AuthZEN 1.0",
  }),
} as const;
