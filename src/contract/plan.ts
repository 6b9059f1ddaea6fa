/** A task's plan: the calls that its host expects, and where their arguments come from. */
import { ID_LENGTH_MAX, NAME_PATTERN } from "./decision.js";
import { argumentOf, WRITERS, type ValueWriter } from "./flow.js";
import type { Vocabulary } from "./policy.js";
import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };
const Name = (description: string) => Type.String({ pattern: NAME_PATTERN, description });

/** Bounds of a plan. */
export const PLAN = { times_max: 1000, steps_max: 64, arguments_max: 32, sources_max: 16, steps_named_max: 30 };
/** Sources that a plan may name beside its steps. `anyone` isn't among them: a stranger's value comes from a step. */
export const PLAN_WRITERS: readonly ValueWriter[] = WRITERS.filter((writer) => writer !== "anyone");
/** Source of what the agent works out, or knows from elsewhere as it begins to look: it was found nowhere on the task. */
export const WORKED_OUT = "nowhere";
const SOURCES: readonly string[] = [...PLAN_WRITERS, WORKED_OUT];

const PlanStep = Type.Object(
  {
    step: Type.Optional(Name("Name by which arguments say that their values come from what this call returned. Left out: none do")),
    verb: Name("Verb of the call"),
    type: Name("Type of its resource"),
    id: Type.Optional(Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description: "Id of its resource. Left out: any" })),
    times: Type.Optional(
      Type.Integer({ minimum: 1, maximum: PLAN.times_max, description: "How often it may be made. Left out: as often as it is needed" }),
    ),
    arguments: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Array(Type.String({ maxLength: 300 }), { minItems: 1, maxItems: PLAN.sources_max, uniqueItems: true }),
        {
          maxProperties: PLAN.arguments_max,
          description:
            "Argument, or `id`, to where its values come from: `user`, `own`, `service`, `member`, `nowhere` (a number, a day or a time that the agent works out, for an argument with the role `commitment`; in a call that only looks a name or an id that it knows from elsewhere, until something that others may have written was read), a step, or a field of what a step returned as `step.field`. With `[]` behind it any of the values there, for lists of which the agent may choose. Of what it doesn't name the plan says nothing",
        },
      ),
    ),
  },
  { ...closed, title: "PlanStep", description: "A call of a plan" },
);

export const TaskPlan = Type.Array(PlanStep, {
  minItems: 1,
  maxItems: PLAN.steps_max,
  description: "Calls that the task is for, in any order, how often, and where their arguments come from. Left out: the task has no plan",
});
export type TaskPlan = Static<typeof TaskPlan>;

/** A step that a source names, and perhaps a field of what it returned. */
export interface StepReference {
  step: string;
  field: string | null;
  /** True: any of the values there, also of several that others wrote. */
  any: boolean;
}

/**
 * Returns the step that a source of a plan names; null: it names none.
 * @example
 * import assert from "node:assert/strict";
 * import { stepReference } from "@remit-pdp/contract";
 *
 * assert.deepEqual(stepReference("memo.sender"), { step: "memo", field: "sender", any: false });
 * assert.deepEqual(stepReference("people[]"), { step: "people", field: null, any: true });
 * assert.equal(stepReference("user"), null);
 */
export function stepReference(source: string): StepReference | null {
  if (SOURCES.includes(source)) return null;
  const any = source.endsWith("[]");
  const of = any ? source.slice(0, -2) : source;
  const dot = of.indexOf(".");
  return dot < 0 ? { step: of, field: null, any } : { step: of.slice(0, dot), field: of.slice(dot + 1), any };
}

/** A fault of a plan. */
export interface PlanFault {
  /** Path within the plan. */
  at: (string | number)[];
  expected: string;
}

/**
 * Returns the first fault of a plan under a vocabulary; null: it has none.
 * @example
 * import assert from "node:assert/strict";
 * import { planFault } from "@remit-pdp/contract";
 *
 * const vocabulary = { verbs: {}, task: { subjects: [], attributes: {} }, agent: { attributes: {} }, types: {}, flow: { slots: [], own: [], members: [], secret: [] } };
 * assert.deepEqual(planFault([{ verb: "send", type: "mail" }], vocabulary)?.at, [0, "verb"]);
 */
export function planFault(plan: TaskPlan, vocabulary: Vocabulary): PlanFault | null {
  if (vocabulary.flow === undefined) return { at: [], expected: "no plan: the vocabulary has no words for flow" };
  const names = new Map<string, number>();
  const steps = new Set<string>();
  for (const [i, { step, verb, type }] of plan.entries()) {
    const at = (field: string, expected: string): PlanFault => ({ at: [i, field], expected });
    if (!Object.hasOwn(vocabulary.verbs, verb)) return at("verb", "a verb of the vocabulary");
    if (!Object.hasOwn(vocabulary.types, type)) return at("type", "a type of the vocabulary");
    if (step === undefined) continue;
    if (step.includes(".") || WRITERS.includes(step as ValueWriter) || step === WORKED_OUT)
      return at("step", "a name without a dot that isn't a source's of its own");
    if (names.has(step)) return at("step", `another name than that of step ${names.get(step) ?? 0}`);
    names.set(step, i);
  }
  for (const [i, { verb, type, arguments: given = {} }] of plan.entries()) {
    const flow = vocabulary.types[type]?.flow;
    const looks = (flow?.effects?.[verb] ?? vocabulary.verbs[verb]?.effect) === "look";
    const said = Object.entries(flow?.roles ?? {});
    const roles = new Set(said.map(([path]) => argumentOf(path)));
    const commits = new Set(said.filter(([, role]) => role === "commitment").map(([path]) => argumentOf(path)));
    for (const [name, sources] of Object.entries(given)) {
      if (!roles.has(name)) return { at: [i, "arguments", name], expected: `an argument of \`${type}\` that has a role in the vocabulary` };
      for (const [j, source] of sources.entries()) {
        if (source === WORKED_OUT && !looks && !commits.has(name)) {
          const expected = `${WORKED_OUT} only for an argument with the role \`commitment\`, or of a call that only looks`;
          return { at: [i, "arguments", name, j], expected };
        }
        const reference = stepReference(source);
        if (reference === null) continue;
        const known = names.has(reference.step) && reference.field !== "" && reference.field?.includes("[]") !== true;
        if (!known)
          return {
            at: [i, "arguments", name, j],
            expected: `${SOURCES.join(", ")}, a step of the plan, or a field of one, perhaps with [] behind it`,
          };
        steps.add(source);
        if (steps.size > PLAN.steps_named_max)
          return { at: [i, "arguments", name, j], expected: `at most ${PLAN.steps_named_max} sources that are steps` };
      }
    }
  }
  return null;
}
