/** `POST /records`: what an engine in an application has decided, and what became of it, for the service's own log. */
import type { ProblemCode } from "./problem.js";
import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };
const Seq = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "Its `seq` in the engine's own log",
});

/** Records of one request. */
export const HANDED_IN_MAX = 500;

export const HandIn = Type.Object(
  {
    origin: Type.String({ minLength: 1, maxLength: 256, description: "What the engine's own log is called" }),
    records: Type.Array(
      Type.Object(
        {
          record: Type.Unsafe<Record<string, unknown>>({
            type: "object",
            description: "Of kind `decision` or `outcome`, as it stands in the engine's log",
          }),
          beside: Type.Optional(Type.String({ description: "The exact text that the record names by its digest" })),
        },
        closed,
      ),
      { minItems: 1, maxItems: HANDED_IN_MAX, description: "In the order of their `seq`" },
    ),
  },
  closed,
);
export type HandIn = Static<typeof HandIn>;

/** All of them are dealt with: on record, known already, or refused for good. */
export const HandedIn = Type.Object(
  {
    taken: Type.Integer({ description: "On record by this" }),
    known: Type.Integer({ description: "On record before" }),
    refused: Type.Array(
      Type.Object(
        {
          seq: Seq,
          code: Type.Unsafe<ProblemCode>({ type: "string", description: "A problem's" }),
          field: Type.Optional(Type.String({ description: "JSON pointer into the record" })),
          expected: Type.Optional(Type.String()),
        },
        closed,
      ),
      { description: "Never will be, as they are. They stay in the engine's own log" },
    ),
  },
  closed,
);
export type HandedIn = Static<typeof HandedIn>;

export const EngineMember = Type.Object(
  { origin: Type.String(), seq: Seq },
  { ...closed, description: "It was decided by this engine in an application, and handed in; left out: decided here" },
);
