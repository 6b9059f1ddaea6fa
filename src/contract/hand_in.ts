/** `POST /records`: what an engine in an application has decided, and what became of it, for the service's own log. */
import type { ProblemCode } from "./problem.js";
import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };
const Seq = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "`seq` of the record in the engine's own log",
});

/** Records of one request. */
export const HANDED_IN_MAX = 500;

export const HandIn = Type.Object(
  {
    origin: Type.String({ minLength: 1, maxLength: 256, description: "Name of the engine's own log" }),
    records: Type.Array(
      Type.Object(
        {
          record: Type.Unsafe<Record<string, unknown>>({
            type: "object",
            description: "Record of kind `decision` or `outcome`, exactly as in the engine's log",
          }),
          beside: Type.Optional(Type.String({ description: "Exact text that the record names by its digest. Left out: it names none" })),
        },
        { ...closed, title: "SubmittedRecord", description: "A record of an engine" },
      ),
      { minItems: 1, maxItems: HANDED_IN_MAX, description: "Records in the order of their `seq`" },
    ),
  },
  { ...closed, title: "SubmitRecords", description: "Records of an engine in an application" },
);
export type HandIn = Static<typeof HandIn>;

/** All of them are dealt with: on record, known already, or refused for good. */
export const HandedIn = Type.Object(
  {
    taken: Type.Integer({ description: "Records that were written now" }),
    known: Type.Integer({ description: "Records that had been written before" }),
    refused: Type.Array(
      Type.Object(
        {
          seq: Seq,
          code: Type.Unsafe<ProblemCode>({ type: "string", description: "Code of the problem" }),
          field: Type.Optional(Type.String({ description: "JSON pointer into the record. Left out: no single member" })),
          expected: Type.Optional(Type.String({ description: "What was expected there, in words" })),
        },
        { ...closed, title: "RefusedRecord", description: "A record that was refused" },
      ),
      { description: "Records that were refused, for good; they stay in the engine's own log" },
    ),
  },
  { ...closed, title: "SubmittedRecords", description: "What became of the records; all of them are dealt with" },
);
export type HandedIn = Static<typeof HandedIn>;

export const EngineMember = Type.Object(
  {
    origin: Type.String({ description: "Name of the engine's own log" }),
    seq: Seq,
    taken: Type.Optional(Type.String({ description: "When the service recorded it, RFC 3339. Left out: by an earlier version" })),
    unattributed: Type.Optional(
      Type.Literal(true, { description: "The agent isn't registered, or not the caller's: nothing of the record counts as the agent's" }),
    ),
  },
  { ...closed, title: "EngineOfRecord", description: "Engine in an application that decided it. Left out: this service did" },
);
