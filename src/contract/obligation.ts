import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };

/** The closed catalogue: an enforcement point that meets one it does not understand must not act. */
export const Obligation = Type.Union(
  [
    Type.Object(
      {
        type: Type.Literal("redact", { description: "Kind of obligation" }),
        fields: Type.Array(Type.String(), {
          minItems: 1,
          description: "Fields of the result to remove before the agent sees it, as the vocabulary names them: `customer.email`",
        }),
      },
      { ...closed, title: "RedactObligation", description: "Remove fields from the result before the agent sees it" },
    ),
    Type.Object(
      {
        type: Type.Literal("modify", { description: "Kind of obligation" }),
        argument: Type.String({ description: "Name of the argument to replace" }),
        value: Type.Union([Type.String(), Type.Number(), Type.Boolean()], { description: "Value to send instead of the agent's" }),
      },
      { ...closed, title: "ModifyObligation", description: "Replace one argument before acting" },
    ),
    Type.Object(
      {
        type: Type.Literal("confirm", { description: "Kind of obligation" }),
        with: Type.String({ description: "Who has to confirm the action first, as the policy names them" }),
        text: Type.Optional(
          Type.String({ description: "Sentence that they are asked, without values from data; left out where the policy has none" }),
        ),
      },
      { ...closed, title: "ConfirmObligation", description: "Have somebody confirm the action before acting" },
    ),
    Type.Object(
      {
        type: Type.Literal("notify", { description: "Kind of obligation" }),
        channel: Type.String({ description: "Where to send the notice, as the policy names it" }),
      },
      { ...closed, title: "NotifyObligation", description: "Tell somebody that the action was done" },
    ),
  ],
  {
    title: "Obligation",
    description: "Something the enforcement point has to do when it acts. One that it doesn't understand or can't meet means: do not act",
  },
);
export type Obligation = Static<typeof Obligation>;
