import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };

/** The closed catalogue: an enforcement point that meets one it does not understand must not act. */
export const Obligation = Type.Union([
  Type.Object({ type: Type.Literal("redact"), fields: Type.Array(Type.String(), { minItems: 1 }) }, closed),
  Type.Object(
    {
      type: Type.Literal("modify"),
      argument: Type.String(),
      value: Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
    },
    closed,
  ),
  Type.Object({ type: Type.Literal("confirm"), with: Type.String() }, closed),
  Type.Object({ type: Type.Literal("notify"), channel: Type.String() }, closed),
]);
export type Obligation = Static<typeof Obligation>;
