/**
 * JSON Schemas (draft-07) of the files that policy authors write, for editors: completion, hover texts and the mistakes that
 * can be told without the vocabulary. `remit build` and `remit test` find the others. `node dist/scripts/schemas.js`
 * writes them to rego/schemas; a test holds the files equal to these.
 */
import { Type, type TSchema } from "typebox";
import { CASES_MAX, VERDICTS } from "../src/authoring/table.js";
import {
  BEHAVIOR_CHANNELS,
  BEHAVIOR_DEFAULTS,
  DURATION_PATTERN,
  EFFECTS,
  NAME_PATTERN,
  PLAN,
  ROLES,
  SEVERITIES,
  TaskPlan,
  VERB_CLASSES,
  WRITERS,
} from "../src/contract/index.js";
import { QUORUM_MAX, ROLES_MAX } from "../src/bundle/approvers.js";
import { ACTIONS_PER_MINUTE, CHANNEL_EFFECTS, DECADES, NARROWED_FOR, RISK } from "../src/bundle/behavior.js";
import { COMMON, DELEGATED, FIELD, FLOW_BOUNDS, LOOKS_WORDS, NOWHERE, STANDARD } from "../src/bundle/flow.js";
import { ACCEPTED, ARGUMENT, DELEGATED_THEN, RULES_MAX } from "../src/bundle/sources.js";
import { DAYS, SPAN } from "../src/bundle/hours.js";
import { BY, LIMITS_MAX, PERIODS, THEN } from "../src/bundle/limits.js";
import { DURATION, ENTRIES_MAX } from "../src/bundle/purposes.js";
import { BOUNDS, CONTEXT, MASKED, SIMPLE_TYPES } from "../src/bundle/vocabulary.js";
import { CODE, WORD } from "../src/bundle/words.js";

export type EditorSchema = "vocabulary" | "purposes" | "table";

const DRAFT = { $schema: "http://json-schema.org/draft-07/schema#" };
const closed = { additionalProperties: false };
const DATE_TIME = "^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?([Zz]|[+-]\\d{2}:\\d{2})$";

export function editorSchemas(): Record<EditorSchema, object> {
  return { vocabulary: vocabulary(), purposes: purposes(), table: table() };
}

function text(description: string, max = 512): TSchema {
  return Type.String({ minLength: 1, maxLength: max, description });
}

function oneOf(words: readonly string[], description: string): TSchema {
  return Type.Enum([...words], { description });
}

function words(description: string, pattern = ""): TSchema {
  const word = pattern === "" ? Type.String({ minLength: 1 }) : Type.String({ pattern });
  return Type.Union([word, Type.Array(word, { minItems: 1 })], { description });
}

/** A mapping of names that authors choose. */
function named(member: TSchema, description: string, max?: number, pattern = WORD.source): TSchema {
  return Type.Unsafe({
    type: "object",
    patternProperties: { [pattern]: member },
    ...closed,
    ...(max === undefined ? {} : { maxProperties: max }),
    description,
  });
}

/** Members with a meaning of their own, and beside them at least one verb. */
function withVerbs(members: Record<string, TSchema>, required: string[], verb: TSchema, description: string): TSchema {
  return Type.Unsafe({
    type: "object",
    properties: members,
    patternProperties: { [`^(?!(${Object.keys(members).join("|")})$)${WORD.source.slice(1)}`]: verb },
    ...closed,
    required,
    not: { propertyNames: { enum: Object.keys(members) } },
    description,
  });
}

function vocabulary(): object {
  const type = Type.Ref("#/definitions/type");
  const fields = (description: string): TSchema => named(type, description, BOUNDS.fields);
  const verb = Type.Object(
    {
      class: oneOf(VERB_CLASSES, "What kind of act it is."),
      collection: Type.Optional(Type.Boolean({ description: "It names no single resource (`search`, `create`): the id is null." })),
      effect: Type.Optional(oneOf(EFFECTS, "What it does, for where values may come from.")),
    },
    { ...closed, description: "A verb: something that an agent does to a resource." },
  );
  const formOfId = oneOf(["name", "path"], "`path`: ids are `/`-separated segments; `..`, empty and encoded ones are refused.");
  const masked = (description: string): TSchema => Type.Optional(oneOf([MASKED], description));
  const resourceType = Type.Unsafe({
    type: ["object", "null"],
    properties: {
      id: Type.Union(
        [
          formOfId,
          Type.Object(
            { [MASKED]: formOfId },
            { ...closed, description: "Ids stand in records as digests, wherever `about` says that they are." },
          ),
        ],
        { description: "How ids of this type are written; `{masked: name}` keeps them out of records." },
      ),
      about: named(
        Type.String({ pattern: WORD.source, description: "`id`, or the attribute that says it." }),
        "How a resource relates to a task: subject → `id`, or the attribute of kind id that says it.",
      ),
      attributes: fields("What the host finds out about such a resource. Carries authority; null where unknown."),
      arguments: fields("What the model says about the action. Never authority: compare it with attributes."),
      related: named(
        Type.String({ pattern: WORD.source, description: "The type of the resource in that role." }),
        "Other resources that an action brings along: role → type.",
      ),
      roles: named(
        oneOf(ROLES, "What the argument is for."),
        "Argument, a field of one (`attachments.file_id`) or `id` → what it is for.",
        FLOW_BOUNDS.fields,
        FIELD.source,
      ),
      writes: Type.Union([Type.Literal(COMMON), fieldWriters()], {
        description: "Who writes what a call on it returns, by field; `common`: as `flow.writes` says. Default: `anyone`.",
      }),
      author: text("Field of a record that names its author.", 64),
      secret: words("Fields of an answer whose values are secrets of the user's.", FIELD.source),
      labels: words("Labels that a task has once it has read one.", WORD.source),
      effects: named(oneOf(EFFECTS, "What it does."), "Verb → effect, if it is another on this type."),
    },
    ...closed,
    description: "A type of resource.",
  });
  return {
    ...DRAFT,
    title: "Vocabulary of a policy set",
    ...Type.Object(
      {
        verbs: named(verb, "The verbs that purposes and requests may use.", BOUNDS.words),
        task: Type.Optional(
          Type.Object(
            {
              subjects: Type.Optional(
                Type.Array(Type.String({ pattern: WORD.source }), {
                  uniqueItems: true,
                  description: "What a task can be about: names of ids that the host gives it, such as `ticket`.",
                }),
              ),
              principal: masked("Whom a task is for stands in records as a digest."),
              attributes: Type.Optional(fields("What else a task says about itself: `task.topic` in a `when`.")),
            },
            { ...closed, description: "What a task of this set says about itself." },
          ),
        ),
        agent: Type.Optional(
          Type.Object(
            { attributes: Type.Optional(fields("Trusted facts about an agent: `agent.team` in a `when`.")) },
            { ...closed, description: "What is known about agents of this set." },
          ),
        ),
        context: Type.Optional(
          Type.Object(Object.fromEntries(CONTEXT.map((name) => [name, masked("It stands in records as a digest.")])), {
            ...closed,
            description: "What of a request's context isn't recorded as it is.",
          }),
        ),
        flow: Type.Optional(
          Type.Object(
            {
              instruction: Type.Optional(text("Attribute of the task with the user's own words: `task.instruction`.", 128)),
              slots: Type.Optional(words("Attributes of the task with values that the user gave.")),
              own: Type.Optional(words("Attributes with addresses of the user's own: `agent.account`.")),
              members: Type.Optional(words("Attributes with addresses or domains of the organisation.")),
              secret: Type.Optional(words("Attributes whose values are secrets of the user's.")),
              writes: Type.Optional(fieldWriters()),
              author: Type.Optional(text("Field of a record that names its author, for types with `writes: common`.", 64)),
              secret_fields: Type.Optional(
                words("Fields of an answer whose values are secrets of the user's, for types with `writes: common`.", FIELD.source),
              ),
            },
            { ...closed, description: "Facts by which the service knows the user's own words, side and organisation." },
          ),
        ),
        types: named(resourceType, "The types of resources that agents act on.", BOUNDS.words),
      },
      closed,
    ),
    definitions: {
      type: {
        description:
          "id, email, string, integer, number, boolean; a list of words; {string: {max}}, {list: type, max}, {object: fields}; {masked: type}.",
        anyOf: [
          { enum: SIMPLE_TYPES },
          { type: "array", items: text("One of the words."), minItems: 1, maxItems: BOUNDS.words, uniqueItems: true },
          Type.Object(
            {
              string: Type.Object(
                {
                  max: Type.Integer({ minimum: 1, maximum: BOUNDS.string, description: "At most so many characters." }),
                },
                { ...closed, description: "A text of its own greatest length." },
              ),
            },
            closed,
          ),
          Type.Object(
            {
              list: Type.Unsafe({ allOf: [type], description: "The type of each element; not a list." }),
              max: Type.Integer({ minimum: 1, maximum: BOUNDS.list, description: "At most so many elements." }),
            },
            closed,
          ),
          Type.Object({ object: fields("The fields of the object.") }, closed),
          Type.Object(
            {
              [MASKED]: Type.Unsafe({ allOf: [type], description: "The type of what stands in records as a digest." }),
            },
            closed,
          ),
        ],
      },
    },
  };
}

const about = Type.Optional(
  oneOf(
    ["task", "other", "any"],
    "Whether the resource has to do with the task at hand (`task`), with another (`other`), or either (`any`, the default).",
  ),
);
const when = Type.Optional(
  Type.Unsafe({
    allOf: [Type.Ref("#/definitions/when")],
    description: "Path → matcher; all must hold. A path is an attribute, or begins with task., agent., arguments., related.<role>.",
  }),
);

/** The closed set of matchers. */
function whenDefinitions(): { when: TSchema; matcher: TSchema } {
  const scalar = Type.Unsafe({ type: ["string", "number", "boolean"] });
  const oneOrMore = (description: string): TSchema => Type.Union([scalar, Type.Array(scalar, { minItems: 1 })], { description });
  const alone = (name: string, member: TSchema): TSchema => Type.Object({ [name]: member }, closed);
  const matchers = (members: Record<string, TSchema>): TSchema => Type.Partial(Type.Object(members), { ...closed, minProperties: 1 });
  const samePath = alone("same_as", text("Path of another number, duration or moment."));
  const bound = (description: string): TSchema =>
    Type.Union([Type.Number(), Type.String({ pattern: DURATION_PATTERN }), samePath], { description });
  const numeric = {
    at_most: bound("The greatest number or duration that matches."),
    at_least: bound("The least number or duration that matches."),
    more_than: bound("Greater than this."),
    less_than: bound("Smaller than this."),
  };
  const within = Type.Ref("#/definitions/matcher");
  const fields = named(within, "Field of an element, or another path → matcher; all must hold.", undefined, PATH);
  const elements = (description: string): TSchema => Type.Union([fields, within], { description });
  const matcher = Type.Union(
    [
      oneOrMore("This value, or one of these."),
      alone("not", Type.Union([oneOrMore("Not this value, none of these."), within], { description: "The opposite of what follows." })),
      matchers(numeric),
      matchers({
        before: Type.Union([text("A date, a time in UTC, `now`, or `30d before now`."), samePath], { description: "Earlier than this." }),
        after: Type.Union([text("A date, a time in UTC, `now`, or `24h after now`."), samePath], { description: "Later than this." }),
      }),
      alone("within", text("`24h of now`, or of the moment at a path; before or after it.")),
      alone("prefix", words("The text begins with this, or with one of these.")),
      alone("suffix", words("The text ends with this, or with one of these.")),
      alone("domain", words("The e-mail address is at this host, or at one of these.")),
      alone("same_as", text("Another path, at which there is the same.")),
      alone("count", Type.Union([Type.Integer({ minimum: 0 }), matchers(numeric)], { description: "How many elements the list has." })),
      alone(
        "sum",
        Type.Unsafe({
          type: "object",
          properties: { of: words("Fields of an element, which are multiplied; left out for a list of numbers.", WORD.source), ...numeric },
          ...closed,
          minProperties: 1,
          description: "What the elements come to, added up.",
        }),
      ),
      alone("every", elements("Each element of the list is so; an empty list is.")),
      alone("some", elements("At least one element of the list is so.")),
      alone("all_of", oneOrMore("The list holds each of these.")),
      alone("known", Type.Boolean({ description: "true: the host knows it; false, in `never` and `flag` alone: it doesn't." })),
    ],
    {
      description:
        "A value, a list of values, or one matcher: not, at_most, before, within, prefix, same_as, count, every… An unknown value never helps.",
    },
  );
  return { when: whenOf(within), matcher };
}

const PATH = "^[a-z][a-z0-9_.]*$";

function whenOf(matcher: TSchema): TSchema {
  const alternatives = Type.Array(Type.Ref("#/definitions/when"), { minItems: 2, description: "One of these has to hold." });
  return Type.Unsafe({
    type: "object",
    properties: { any: alternatives },
    patternProperties: { "^(?!any$)[a-z][a-z0-9_.]*$": matcher },
    ...closed,
    description: "Path → matcher; all must hold.",
  });
}

function purposes(): object {
  const code = Type.Optional(Type.String({ pattern: CODE.source, description: "The code of the reason; default: `purpose.line.number`." }));
  const severity = Type.Optional(oneOf(SEVERITIES, "How serious it is."));
  const title = Type.Optional(text("What the code means, in a few words."));
  const message = Type.Optional(
    text("For people who operate. {verb}, {type}, {id}, {agent}, {purpose}, {task} and any path are filled in."),
  );
  const tellAgent = Type.Optional(text("The fixed sentence that the model gets; nothing is filled in."));
  const proceed = Type.Boolean({ description: "true: proceed while a person looks; false: wait for one." });
  const needs = Type.Optional(
    words("With `proceed: false`: paths of values to find out and ask again with, instead of a person's approval."),
  );
  const types = words("Types of resources.", WORD.source);
  const common = { about, when, code, severity, title, message };
  const entries = (members: Record<string, TSchema>, required: string[], description: string): TSchema =>
    Type.Optional(
      Type.Array(withVerbs(members, required, types, "Verb: types, and on what condition."), {
        maxItems: ENTRIES_MAX,
        description,
      }),
    );
  const obligations = Type.Optional(Type.Array(obligation(), { description: "What an enforcement point must do along with the action." }));
  const day = `(${DAYS.join("|")})`;
  const span = Type.String({ pattern: SPAN.source });
  const hours = Type.Object(
    {
      zone: text("IANA name of the time zone, such as Europe/Berlin.", 64),
      open: Type.Unsafe({
        ...named(
          Type.Union([span, Type.Array(span, { minItems: 1 })], {
            description: '"08:00-18:00", quoted, or a list; an end before its start is on the next day; an end may be 24:00.',
          }),
          "Day or days (`mon`, `mon-fri`) → hours.",
          undefined,
          `^${day}(-${day})?$`,
        ),
        minProperties: 1,
      }),
      outside: Type.Unsafe({
        ...Type.Object(
          {
            then: oneOf(["log", "flag", "deny"], "`log` leaves the decision alone and opens a finding."),
            code,
            severity,
            proceed: Type.Optional(proceed),
            title,
            message,
            tell_agent: tellAgent,
          },
          { ...closed, description: "What happens outside those hours." },
        ),
        if: { properties: { then: { const: "flag" } } },
        then: { required: ["proceed"] },
        else: { not: { required: ["proceed"] } },
      }),
    },
    { ...closed, description: "When the purpose is usually pursued." },
  );
  const purpose = Type.Object(
    {
      statement: text("What the purpose is, in a sentence."),
      owner: text("Who answers for it: a person or a team."),
      task: oneOf(["required", "optional"], "required: without a task there is no authority."),
      answer_lasts: Type.Optional(
        Type.String({
          pattern: DURATION.source,
          description: "How long an answer may be used, 100ms to 60s; 5s by default.",
        }),
      ),
      hours: Type.Optional(hours),
      approvers: Type.Optional(
        Type.Object(
          {
            roles: Type.Optional(
              Type.Array(Type.String({ pattern: NAME_PATTERN }), {
                maxItems: ROLES_MAX,
                uniqueItems: true,
                description: "Roles, as the service's `callers` gives them; an approver has one of these. Any reviewer by default.",
              }),
            ),
            quorum: Type.Optional(
              Type.Integer({ minimum: 1, maximum: QUORUM_MAX, description: "How many have to approve; 1 by default." }),
            ),
          },
          { ...closed, description: "Who approves an action that waits, beside having the right to review." },
        ),
      ),
      behavior: Type.Optional(behavior()),
      flow: Type.Optional(flowPolicy()),
      limits: Type.Optional(
        Type.Array(
          withVerbs(
            {
              at_most: Type.Optional(Type.Number({ minimum: 0, description: "How much fits. Not with `after`." })),
              sum: Type.Optional(text("Path of the number that is added up: `arguments.amount_cents`.", 128)),
              distinct: Type.Optional(text("Path of the value of which so many different ones fit: `id`.", 128)),
              each: Type.Optional(text("Path by whose values it is counted apart: with `at_most: 1`, not twice.", 128)),
              after: Type.Optional(named(types, "Verb: types, one of which has to come first.")),
              per: Type.Optional(oneOf(PERIODS, "Within what: one task (default), or the agent's last minute, hour or day.")),
              by: Type.Optional(oneOf(BY, "For whom, within a window: each agent (default), or all agents of one owner together.")),
              then: Type.Optional(oneOf(THEN, "What follows where it doesn't fit: `deny` (default), or `wait` for a person.")),
              ...{ code, severity, title, message, tell_agent: tellAgent },
            },
            [],
            types,
            "Verb: types that count.",
          ),
          {
            maxItems: LIMITS_MAX,
            description: "How often, how much and in what order. Counted at the decision; what was not made is given back.",
          },
        ),
      ),
      after: Type.Optional(labelRules(types, { code, severity, title, message, tell_agent: tellAgent })),
      lowers: Type.Optional(
        oneOrMany(
          withVerbs({ labels: words("Labels that the task no longer has.", WORD.source) }, ["labels"], types, "Verb: types."),
          "Actions that lower a task's labels once they are reported `done`.",
        ),
      ),
      allow: entries(
        { ...common, ...sourceMembers({ code, severity, title, message, tell_agent: tellAgent }), obligations },
        [],
        "What is permitted. What no line permits is denied.",
      ),
      flag: entries(
        { ...common, tell_agent: tellAgent, proceed, needs, obligations },
        ["proceed"],
        "What a person looks at: while it proceeds (`proceed: true`) or before (`proceed: false`).",
      ),
      never: entries({ ...common, tell_agent: tellAgent }, [], "What is never permitted, not even with a grant."),
    },
    { ...closed, description: "A purpose, by its id." },
  );
  return {
    ...DRAFT,
    title: "Purposes of a policy set",
    ...named(purpose, "Purpose id → purpose."),
    minProperties: 1,
    definitions: whenDefinitions(),
  };
}

function supposed(): TSchema {
  const value = Type.Union([Type.String(), Type.Number()]);
  const flag = (description: string): TSchema => Type.Optional(Type.Boolean({ description }));
  const sight = Type.Object(
    {
      by: oneOf(WRITERS, "Who wrote it there."),
      values: Type.Union([value, Type.Array(value, { minItems: 1 })], { description: "Addresses, names, amounts that stood there." }),
      named: flag("Whether the instruction names what was read word for word. Left out: false."),
      alone: flag("Whether nothing else of its kind stood there. Left out: false."),
      secret: flag("Whether it is a secret of the user's. Left out: false."),
      step: Type.Optional(
        text("Step of the task's plan that returned it, or a field of what it returned: memo.sender. Left out: none.", 256),
      ),
    },
    closed,
  );
  return Type.Object(
    {
      seen: Type.Optional(Type.Array(sight, { maxItems: 256, description: "What was read on the task, and by whom it was written." })),
      labels: Type.Optional(Type.Array(Type.String({ pattern: WORD.source }), { description: "Labels that the task has." })),
      used: Type.Optional(named(Type.Number({ minimum: 0 }), "Code of a limit → how much of it is used.", undefined, CODE.source)),
      made: Type.Optional(
        named(
          Type.Integer({ minimum: 0, maximum: PLAN.times_max }),
          "Step of the task's plan → how often it was made.",
          undefined,
          NAME_PATTERN,
        ),
      ),
      complete: flag("false: not all that was read on the task is remembered."),
    },
    { ...closed, description: "Where values on the task come from. Left out: nothing was seen." },
  );
}

function assessed(): TSchema {
  const decades = (name: string): TSchema =>
    Type.Optional(Type.Number({ minimum: 0, maximum: 99, description: `How rare by \`${name}\`.` }));
  return Type.Object(
    {
      risk: Type.Optional(Type.Integer({ minimum: 0, maximum: 100, description: "Default: 0." })),
      confidence: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: "Default: 0." })),
      channels: Type.Optional(
        Type.Object(Object.fromEntries(BEHAVIOR_CHANNELS.map((name) => [name, decades(name)])), {
          ...closed,
          description: "How rare, channel by channel: 3 is what comes once in a thousand.",
        }),
      ),
      reasons: Type.Optional(words("What is odd, in words.")),
    },
    { ...closed, description: "How unusual the action is for its agent; default: not at all." },
  );
}

function fieldWriters(): TSchema {
  return named(
    oneOf([...WRITERS.filter((one) => one !== "user"), "author"], "Who could have written it."),
    "Field of an answer → who writes it; `text` for an answer that is a text, `*` for any other.",
    FLOW_BOUNDS.fields,
    FIELD.source,
  );
}

/** `flow: standard`, or the same with what it leaves to a purpose. */
function flowPolicy(): TSchema {
  const set = oneOf([STANDARD], "The standard set: what comes from a stranger goes nowhere.");
  return Type.Union(
    [
      set,
      Type.Object(
        {
          set: Type.Optional(set),
          delegated: Type.Optional(
            oneOf(DELEGATED, "With a destination that stands alone in what the instruction names word for word; `wait` by default."),
          ),
          nowhere: Type.Optional(oneOf(NOWHERE, "With a destination that was seen nowhere; `deny` by default.")),
          looks: Type.Optional(
            oneOf(
              LOOKS_WORDS,
              "With a look at what only others' words point to, or nothing that was read; `allow` by default, and `flag` goes on.",
            ),
          ),
          authority: Type.Optional(
            words("`service`: a credential or a setting may come from a service's record. Nobody's by default.", "^service$"),
          ),
        },
        closed,
      ),
    ],
    { description: "What follows from where the values of an action come from. Nothing, if it is left out." },
  );
}

function oneOrMany(rule: TSchema, description: string): TSchema {
  return Type.Union([rule, Type.Array(rule, { minItems: 1, maxItems: RULES_MAX })], { description });
}

/** `from` and `delegated` of an entry that permits. */
function sourceMembers(reason: Record<string, TSchema>): Record<string, TSchema> {
  const writers = words(`Who may have written it: ${ACCEPTED.join(", ")}.`, `^(?:${ACCEPTED.join("|")})$`);
  const byArgument = named(writers, "Argument → writers; `*` is any other.", undefined, ARGUMENT.source);
  return {
    from: Type.Optional(
      Type.Union([writers, byArgument], {
        description: "Writers of every value that has a role, or of each argument's; one has to be there.",
      }),
    ),
    delegated: Type.Optional(
      Type.Object(
        {
          named: Type.Optional(Type.Literal(true, { description: "The instruction names its source word for word; always." })),
          alone: Type.Optional(Type.Boolean({ description: "It stands alone of its kind there. Left out: true." })),
          then: oneOf(DELEGATED_THEN, "allow: it proceeds; wait: once a person has looked."),
          ...reason,
        },
        { ...closed, description: "What else is accepted: a value on whose source the instruction itself relies." },
      ),
    ),
  };
}

/** `after: {read: {label: confidential}, never: [send]}` */
function labelRules(types: TSchema, reason: Record<string, TSchema>): TSchema {
  const read = Type.Object({ label: words("A label, or one of several.", WORD.source) }, closed);
  const never = Type.Union([words("Verbs, for every type.", WORD.source), named(types, "Verb: types.")], {
    description: "What is never permitted on the task from then on.",
  });
  const rule = Type.Unsafe({
    type: "object",
    properties: { never, ...Object.fromEntries(Object.entries(reason)) },
    patternProperties: { [`^(?!(?:never|${Object.keys(reason).join("|")})$)[a-z][a-z0-9_]*$`]: read },
    ...closed,
    required: ["never"],
    description: "A verb that reads: the label of what it read.",
  });
  return oneOrMany(rule, "Verbs that are closed once something with a label was read on the task.");
}

function behavior(): TSchema {
  const { log, flag, hold, narrow, suspend, narrowed } = BEHAVIOR_DEFAULTS;
  const risk = (usual: number | null, description: string): TSchema =>
    Type.Optional(
      Type.Union([Type.Integer({ minimum: RISK.min, maximum: RISK.max }), Type.Literal("never")], {
        description: `From which risk on, or never: ${description} Default: ${usual ?? "never"}.`,
      }),
    );
  const from = (name: (typeof CHANNEL_EFFECTS)[number]): TSchema =>
    Type.Optional(
      Type.Number({
        minimum: DECADES.min,
        maximum: DECADES.max,
        description: name === "log" ? "A finding is opened." : "The action proceeds while a person looks.",
      }),
    );
  const channel = Type.Object(Object.fromEntries(CHANNEL_EFFECTS.map((name) => [name, from(name)])), {
    ...closed,
    minProperties: 1,
    maxProperties: 1,
    description: "What follows, from how rare on: 3 is what comes once in a thousand.",
  });
  return Type.Object(
    {
      log: risk(log, "a finding is opened, and nothing else changes."),
      flag: risk(flag, "the action proceeds while a person looks."),
      hold: risk(hold, "actions whose verb isn't of class read wait for a person."),
      narrow: risk(narrow, "the agent is left with reading what its task is about, and not too often."),
      suspend: risk(suspend, "the action is denied and the agent suspended, until a person lifts that."),
      channels: Type.Optional(
        Type.Object(Object.fromEntries(BEHAVIOR_CHANNELS.map((name) => [name, Type.Optional(channel)])), {
          ...closed,
          description: "What one channel alone leads to, however low the risk.",
        }),
      ),
      narrowed: Type.Optional(
        Type.Object(
          {
            actions_per_minute: Type.Optional(
              Type.Integer({
                minimum: ACTIONS_PER_MINUTE.min,
                maximum: ACTIONS_PER_MINUTE.max,
                description: `Default: ${narrowed.actions_per_minute}.`,
              }),
            ),
            below: Type.Optional(
              Type.Integer({
                minimum: RISK.min,
                maximum: RISK.max,
                description: `It ends when the risk has been below this; default: ${narrowed.below}.`,
              }),
            ),
            for: Type.Optional(
              Type.String({
                pattern: NARROWED_FOR.source,
                description: "For so long, 10s to 24h; default: 15m.",
              }),
            ),
          },
          { ...closed, description: "What narrowing leaves, and when it ends." },
        ),
      ),
    },
    { ...closed, description: "What follows when an agent does what is unusual for it." },
  );
}

function obligation(): TSchema {
  const scalar = { type: ["string", "number", "boolean"] };
  const member = (description: string, members: Record<string, TSchema>): TSchema =>
    Type.Optional(Type.Object(members, { ...closed, description }));
  return Type.Object(
    {
      redact: member("Take fields out of what the agent sees.", { fields: words("Names of the fields.") }),
      modify: member("Set an argument before acting.", {
        argument: Type.String({ pattern: WORD.source, description: "The argument." }),
        value: Type.Unsafe({ ...scalar, description: "What it is set to." }),
      }),
      confirm: member("Have someone agree before acting.", {
        with: text("Who, such as `customer`.", 128),
        text: Type.Optional(text("Sentence that they are asked; nothing is filled in.")),
      }),
      notify: member("Tell someone.", { channel: text("Where.", 128) }),
    },
    { ...closed, minProperties: 1, maxProperties: 1 },
  );
}

function table(): object {
  const time = (description: string): TSchema =>
    Type.String({ pattern: DATE_TIME, description: `${description} RFC 3339, quoted: "2027-03-02T10:15:00+01:00".` });
  const name = (description: string): TSchema => text(description, 256);
  const nullable = (schema: TSchema, description: string): TSchema => Type.Union([schema, Type.Null()], { description });
  const values = (description: string): TSchema => Type.Unsafe({ type: "object", description });
  const agent = Type.Object(
    {
      id: name("The agent's id."),
      purposes: Type.Array(name("A purpose."), { description: "The purposes it is registered for." }),
      version: Type.Optional(name("Its version.")),
      owner: Type.Optional(name("Who answers for it.")),
      status: Type.Optional(oneOf(["active", "suspended", "revoked"], "Default: active.")),
    },
    { description: "The agent that asks; other members are its attributes." },
  );
  const subjects = Type.Unsafe({
    type: "object",
    additionalProperties: nullable(Type.Union([name("An id."), Type.Array(name("An id."))]), "Null: the task has none."),
    description: "What the task is about: subject → id or ids.",
  });
  const task = Type.Object(
    {
      id: name("The task's id."),
      purpose: name("The purpose it was given for."),
      subjects: Type.Optional(subjects),
      agent: Type.Optional(nullable(name("An agent's id."), "The agent it was given to; default: this one.")),
      principal: Type.Optional(nullable(name("A person's id."), "The person it is done for.")),
      verbs: Type.Optional(
        nullable(Type.Union([name("A verb."), Type.Array(name("A verb."))]), "The verbs it is limited to; default: every verb."),
      ),
      expires: Type.Optional(nullable(time("A moment."), "When it expires; default: never.")),
      plan: Type.Optional(nullable(TaskPlan as TSchema, "The calls that it is for, and where their arguments come from; default: none.")),
      ended: Type.Optional(Type.Boolean({ description: "Whether it has ended." })),
    },
    { description: "The task at hand; other members are its attributes." },
  );
  const grant = withVerbs(
    {
      id: name("The grant's id."),
      exact: Type.Optional(Type.Boolean({ description: "An approval of this very action; lifts hours and behaviour too." })),
      about,
      when,
    },
    ["id"],
    words("Types of resources.", WORD.source),
    "A live grant, written like a line of a purpose.",
  );
  const resourceName = `^${WORD.source.slice(1, -1)}(/.+)?$`;
  const resource = Type.String({
    pattern: resourceName,
    description: "type/id, or the type alone for a verb that acts on a collection.",
  });
  const members = {
    now: time("The host's clock."),
    claims: Type.Optional(time("The time that the request claims.")),
    purpose: Type.Optional(name("The purpose it declares; default: the task's.")),
    agent,
    task: Type.Optional(nullable(task, "The task at hand; null: there is none.")),
    resources: Type.Optional(
      Type.Unsafe({
        type: "object",
        patternProperties: { [resourceName]: values("Attributes by name.") },
        ...closed,
        description: "type/id → attributes. Of a resource that isn't listed, everything is unknown.",
      }),
    ),
    grants: Type.Optional(Type.Array(grant, { description: "The grants in force." })),
    behavior: Type.Optional(assessed()),
    flow: Type.Optional(supposed()),
  };
  const change = Type.Unsafe({
    type: "object",
    propertyNames: { pattern: `^(${Object.keys(members).join("|")})(\\.|$)` },
    minProperties: 1,
    description: "What is otherwise than above, by path: {task.topic: delivery}, {task: null}.",
  });
  const because = words("The codes of the deciding effect, all of them.", CODE.source);
  const situation = withVerbs(
    {
      with: values("Attributes and arguments of the action by name."),
      given: change,
      related: Type.Unsafe({ type: "object", additionalProperties: resource, description: "Role → type/id." }),
      then: oneOf(VERDICTS, "The decision that is wanted."),
      because,
    },
    ["then"],
    resource,
    "Verb: resource, and the decision that is wanted.",
  );
  return {
    ...DRAFT,
    title: "Decision table",
    ...Type.Object(
      {
        table: text("What the table is about.", 128),
        given: Type.Object(members, { ...closed, description: "What every case starts from." }),
        cases: Type.Array(
          Type.Unsafe({
            type: "object",
            additionalProperties: situation,
            minProperties: 1,
            maxProperties: 1,
          }),
          { minItems: 1, maxItems: CASES_MAX, description: "One line, one situation." },
        ),
      },
      closed,
    ),
    definitions: whenDefinitions(),
  };
}
