/** The shapes of a bundle's JSON files, as strict as the types in the contract that they mirror. */
import { Type, type Static, type TSchema } from "../contract/type.js";
import {
  BEHAVIOR_CHANNELS,
  EFFECTS,
  NAME_PATTERN,
  Obligation,
  ROLES,
  SEVERITIES,
  VERB_CLASSES,
  WRITERS,
  type Effect,
} from "../contract/index.js";
import { QUORUM_MAX, ROLES_MAX } from "./approvers.js";
import { ACTIONS_PER_MINUTE, CHANNEL_EFFECTS, DECADES, RISK } from "./behavior.js";
import { DELEGATED, FIELD, LOOKS, NOWHERE } from "./flow.js";
import { ACCEPTED, ARGUMENT } from "./sources.js";
import { WEEK_MS } from "./hours.js";
import { LIMITS_MAX, PERIODS } from "./limits.js";
import { LITERALS_MAX } from "./reads.js";
import { FACTORS_MAX } from "./matchers.js";

const closed = { additionalProperties: false };
const RFC3339_SECONDS = "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$";
const Line = Type.String({ minLength: 1 });
const Severity = Type.Enum([...SEVERITIES]);
const Scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);
const Path = Type.Array(Line, { minItems: 1 });
const MillisecondOfWeek = Type.Integer({ minimum: 0, maximum: WEEK_MS });

/** Own keys are names; `__proto__` isn't one. */
function named<T extends TSchema>(value: T) {
  return Type.Record(Type.String({ pattern: NAME_PATTERN }), value, closed);
}

/** A path below the bundle's own: no segment is empty, `.` or `..`. */
const ROOT_PATTERN = "^(?!\\.{1,2}(/|$))[^/\\\\]+(/(?!\\.{1,2}(/|$))[^/\\\\]+)*$";

export const BundleManifest = Type.Object(
  {
    revision: Type.String({ minLength: 1, maxLength: 128 }),
    roots: Type.Array(Type.String({ pattern: ROOT_PATTERN, maxLength: 256 }), { minItems: 1, uniqueItems: true }),
    rego_version: Type.Literal(1),
    metadata: Type.Object({}),
  },
  closed,
);
export type BundleManifest = Static<typeof BundleManifest>;

export const Metadata = Type.Object(
  {
    name: Type.String({ pattern: NAME_PATTERN }),
    sequence: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    built: Type.String({ pattern: RFC3339_SECONDS }),
    expires: Type.Union([Type.String({ pattern: RFC3339_SECONDS }), Type.Null()]),
    commit: Type.Union([Line, Type.Null()]),
    entrypoint: Type.Literal("remit/decide"),
    abi: Type.String({ pattern: "^[0-9]+\\.[0-9]+$" }),
    builder: Line,
    compiler: Line,
    tzdata: Line,
  },
  closed,
);

/** ValueType refers to itself, which a reference of JSON Schema says best. */
const VALUE_TYPE = "remit:value-type";
const ValueTypeRef = Type.Unsafe<unknown>({ $ref: VALUE_TYPE });
const Fields = named(ValueTypeRef);
const MaxCount = Type.Integer({ minimum: 1 });
export const ValueType = {
  $id: VALUE_TYPE,
  ...Type.Union([
    Type.Object({ kind: Type.Enum(["id", "email", "date", "time", "duration", "integer", "number", "boolean"]) }, closed),
    Type.Object({ kind: Type.Literal("string"), max: MaxCount }, closed),
    Type.Object({ kind: Type.Literal("enum"), values: Type.Array(Line, { minItems: 1, uniqueItems: true }) }, closed),
    Type.Object({ kind: Type.Literal("list"), of: ValueTypeRef, max: MaxCount }, closed),
    Type.Object({ kind: Type.Literal("object"), fields: Fields }, closed),
  ]),
};

const VerbEffect = Type.Enum([...EFFECTS]);
const Words = Type.Array(Line, { uniqueItems: true });
const byField = <T extends TSchema>(value: T) => Type.Record(Type.String({ pattern: FIELD.source }), value, closed);

const TypeFlow = Type.Object(
  {
    roles: byField(Type.Enum([...ROLES])),
    writes: byField(Type.Enum([...WRITERS, "author"])),
    author: Type.Optional(Line),
    secret: Type.Optional(Words),
    labels: Type.Optional(Words),
    effects: Type.Optional(named(VerbEffect)),
  },
  closed,
);

const FlowFacts = Type.Object({ instruction: Type.Optional(Line), slots: Words, own: Words, members: Words, secret: Words }, closed);

const Vocabulary = Type.Object(
  {
    verbs: named(
      Type.Object({ class: Type.Enum([...VERB_CLASSES]), collection: Type.Boolean(), effect: Type.Optional(VerbEffect) }, closed),
    ),
    task: Type.Object({ subjects: Type.Array(Type.String({ pattern: NAME_PATTERN })), attributes: Fields }, closed),
    agent: Type.Object({ attributes: Fields }, closed),
    masks: Type.Optional(
      Type.Array(Type.Object({ at: Path, as: Type.Optional(Path), read_by: Type.Array(Line, { uniqueItems: true }) }, closed), {
        minItems: 1,
      }),
    ),
    flow: Type.Optional(FlowFacts),
    types: named(
      Type.Object(
        {
          flow: Type.Optional(TypeFlow),
          id: Type.Enum(["name", "path"]),
          about: named(Line),
          attributes: Fields,
          arguments: Fields,
          related: named(Line),
        },
        closed,
      ),
    ),
  },
  closed,
);

const place = { name: Line, path: Path };
const PlainCondition = [
  Type.Object({ ...place, op: Type.Enum(["in", "not_in", "prefix"]), value: Type.Array(Scalar) }, closed),
  Type.Object({ ...place, op: Type.Enum(["at_most", "at_least"]), value: Type.Number() }, closed),
  Type.Object({ ...place, op: Type.Literal("same_as"), value: Path }, closed),
];
const Operand = Type.Union([
  Type.Object({ value: Type.Number() }, closed),
  Type.Object({ at: Path, as: Type.Enum(["number", "moment", "duration"]) }, closed),
  Type.Object({ count: Path }, closed),
  Type.Object({ sum: Path, of: Type.Array(Line, { maxItems: FACTORS_MAX }) }, closed),
  Type.Object({ now: Type.Integer() }, closed),
]);
const compared = { name: Line, op: Type.Literal("compare"), left: Operand, right: Operand };
const LeafCondition = Type.Union([
  ...PlainCondition,
  Type.Object({ ...place, op: Type.Enum(["suffix", "domain"]), value: Type.Array(Line, { minItems: 1 }) }, closed),
  Type.Object({ ...place, op: Type.Literal("all_of"), value: Type.Array(Scalar, { minItems: 1 }) }, closed),
  Type.Object({ ...place, op: Type.Literal("known"), value: Type.Boolean() }, closed),
  Type.Object({ ...compared, than: Type.Enum(["is", "at_most", "at_least", "more_than", "less_than"]) }, closed),
  Type.Object({ ...compared, than: Type.Literal("within"), ms: Type.Integer({ minimum: 0 }) }, closed),
]);
/** Conditions hold no conditions of their own kind: an evaluator needs no recursion, and has a bound. */
function conditions<T extends TSchema>(of: T) {
  return Type.Array(of, { minItems: 1 });
}
function negated<T extends TSchema>(of: T) {
  return Type.Object({ name: Line, op: Type.Literal("not"), of: conditions(of) }, closed);
}
const ElementCondition = Type.Union([LeafCondition, negated(LeafCondition)]);
const ListCondition = Type.Union([
  ElementCondition,
  Type.Object({ ...place, op: Type.Enum(["every", "some"]), of: conditions(ElementCondition) }, closed),
]);
const composite = { name: Line, path: Type.Array(Line, { maxItems: 0 }) };
const Condition = Type.Union([
  ...PlainCondition,
  Type.Object({ ...composite, op: Type.Enum(["all", "not"]), of: conditions(ListCondition) }, closed),
  Type.Object(
    { ...composite, op: Type.Literal("any"), of: conditions(conditions(Type.Union([ListCondition, negated(ListCondition)]))) },
    closed,
  ),
  Type.Object(
    {
      ...composite,
      op: Type.Enum(["from", "delegated"]),
      of: Type.Record(Type.String({ pattern: ARGUMENT.source }), Type.Array(Type.Enum([...ACCEPTED]), { minItems: 1 }), closed),
      delegated: Type.Optional(Type.Object({ named: Type.Boolean(), alone: Type.Boolean() }, closed)),
    },
    closed,
  ),
]);

function reasonOf(...effects: Effect[]) {
  const members = { effect: Type.Enum(effects), code: Line, severity: Severity, params: Type.Object({}, closed) };
  return Type.Object({ ...members, proceed: Type.Optional(Type.Boolean()), needs: Type.Optional(Type.Array(Line)) }, closed);
}

function entriesOf(effect: Effect) {
  const entry = Type.Object(
    {
      about: Type.Enum(["task", "other", "any"]),
      when: Type.Array(Condition),
      reason: reasonOf(effect),
      obligations: Type.Array(Obligation),
    },
    closed,
  );
  return named(named(Type.Array(entry, { minItems: 1 })));
}

const Hours = Type.Object(
  {
    zone: Line,
    open: Type.Array(Type.Tuple([MillisecondOfWeek, MillisecondOfWeek])),
    outside: reasonOf("log", "flag", "deny"),
  },
  closed,
);

const Risk = Type.Union([Type.Integer({ minimum: RISK.min, maximum: RISK.max }), Type.Null()]);
const Channel = Type.Object(
  { then: Type.Enum([...CHANNEL_EFFECTS]), at: Type.Number({ minimum: DECADES.min, maximum: DECADES.max }) },
  closed,
);

const Behavior = Type.Object(
  {
    log: Risk,
    flag: Risk,
    hold: Risk,
    narrow: Risk,
    suspend: Risk,
    channels: Type.Object(Object.fromEntries(BEHAVIOR_CHANNELS.map((name) => [name, Type.Optional(Channel)])), closed),
    narrowed: Type.Object(
      {
        actions_per_minute: Type.Integer({ minimum: ACTIONS_PER_MINUTE.min, maximum: ACTIONS_PER_MINUTE.max }),
        below: Type.Integer({ minimum: RISK.min, maximum: RISK.max }),
        for_ms: Type.Integer({ minimum: 1 }),
      },
      closed,
    ),
  },
  closed,
);

const Approvers = Type.Object(
  {
    roles: Type.Array(Type.String({ pattern: NAME_PATTERN }), { maxItems: ROLES_MAX, uniqueItems: true }),
    quorum: Type.Integer({ minimum: 1, maximum: QUORUM_MAX }),
  },
  closed,
);

const Purpose = Type.Object(
  {
    statement: Line,
    owner: Line,
    task: Type.Enum(["required", "optional"]),
    answer_lasts_ms: Type.Integer({ minimum: 1 }),
    hours: Type.Union([Hours, Type.Null()]),
    approvers: Type.Optional(Approvers),
    behavior: Type.Optional(Behavior),
    flow: Type.Optional(
      Type.Object(
        {
          delegated: Type.Enum([...DELEGATED]),
          nowhere: Type.Enum([...NOWHERE]),
          looks: Type.Optional(Type.Enum([...LOOKS])),
          authority: Type.Array(Type.Literal("service"), { maxItems: 1 }),
        },
        closed,
      ),
    ),
    limits: Type.Optional(
      Type.Array(
        Type.Object(
          {
            code: Line,
            of: named(Words),
            measure: Type.Enum(["count", "sum", "distinct", "after"]),
            path: Type.Optional(Path),
            each: Type.Optional(Path),
            after: Type.Optional(named(Words)),
            max: Type.Number({ minimum: 0 }),
            per: Type.Enum([...PERIODS]),
            by: Type.Optional(Type.Literal("owner")),
          },
          closed,
        ),
        { maxItems: LIMITS_MAX },
      ),
    ),
    limited: Type.Optional(named(named(Type.Array(reasonOf("deny", "flag"), { minItems: 1 })))),
    lowers: Type.Optional(named(named(Words))),
    allow: entriesOf("allow"),
    flag: entriesOf("flag"),
    never: entriesOf("deny"),
  },
  closed,
);

const Zone = Type.Object(
  {
    first: Type.Integer(),
    weeks: Type.Array(Type.Array(Type.Tuple([Type.Integer(), Type.Integer(), Type.Integer()]), { minItems: 1 })),
  },
  closed,
);

export const Data = Type.Object(
  {
    vocabulary: Vocabulary,
    purposes: named(Purpose),
    zones: Type.Record(Type.String({ pattern: "^[A-Za-z0-9_+/-]{1,64}$" }), Zone, closed),
  },
  closed,
);

export const Catalogue = named(
  Type.Object(
    {
      effect: Type.Enum(["allow", "log", "flag", "deny"]),
      severity: Severity,
      title: Type.String(),
      message: Type.String(),
      tell_agent: Type.String(),
      purposes: Type.Array(Line),
      sources: Type.Array(Line),
      reads: Type.Optional(Type.Array(Path)),
      literals: Type.Optional(Type.Array(Scalar, { maxItems: LITERALS_MAX })),
    },
    closed,
  ),
);
