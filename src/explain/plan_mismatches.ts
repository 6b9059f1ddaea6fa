/** Why an action doesn't fit the plan of its task: the step, the argument, where it was to come from, where it came from, and what to do. */
import type { ArgumentFlow, PlanMismatch, PlannedArgument, PolicyInput, TaskPlan, ValueSource } from "../contract/index.js";

type Step = TaskPlan[number];
type Request = PolicyInput["request"];

/** Calls of the plan that are listed for one that it does not have. */
const CALLS_MAX = 12;
const NEXT = {
  outside: "leave this call, or create the next task with a plan that has it: a plan can't be changed",
  elsewhere: "take the value from there, or name where it comes from in the plan of the next task: a plan can't be changed",
  several: "a person approves it; where any of the values there will do, write the source with `[]` behind it in the plan of the next task",
  used_up: "give the call more `times` in the plan of the next task: a plan can't be changed",
  uncounted: "let a service decide the task: only what remembers the whole task counts its calls",
  forgotten: "create a new task: what this one read isn't remembered whole",
};

/**
 * Returns why the task's plan stops the action; empty if it doesn't, null if the task has none.
 * @param plan of the topmost task; undefined: it is no longer known, so that only the record says what was planned
 */
export function planMismatches({ request, facts }: PolicyInput, plan: TaskPlan | undefined): PlanMismatch[] | null {
  const found = facts.flow?.plan;
  if (found === undefined) return null;
  if (!found.fits) return [outsidePlan(request, plan)];
  const { step } = found;
  const steps = stepsOf(request, plan, step);
  const mismatches = Object.entries(found.arguments).flatMap(([path, state]): PlanMismatch[] => {
    if (state === "planned") return [];
    const known = facts.flow?.arguments[path];
    return [{ step, argument: path, wanted: wantedOf(steps, path), found: foundOf(known), ...STATES[state] }];
  });
  const { times } = found;
  if (times === undefined || (times.adds !== null && times.used + times.adds <= times.max)) return mismatches;
  const count = { step, argument: null, wanted: [`at most ${times.max} times`] };
  if (times.adds === null) mismatches.push({ ...count, code: "flow_unknown", found: ["not known how often"], next: NEXT.uncounted });
  else mismatches.push({ ...count, code: "plan_used_up", found: [`permitted ${times.used} times`], next: NEXT.used_up });
  return mismatches;
}

const STATES: Readonly<Record<Exclude<PlannedArgument, "planned">, Pick<PlanMismatch, "code" | "next">>> = {
  elsewhere: { code: "not_as_planned", next: NEXT.elsewhere },
  several: { code: "plan_waits", next: NEXT.several },
  unknown: { code: "flow_unknown", next: NEXT.forgotten },
};

/** The plan's calls of the same verb and type, which are of other ids; else all that it has. */
function outsidePlan({ verb, resource }: Request, plan: TaskPlan = []): PlanMismatch {
  const alike = plan.filter((one) => one.verb === verb && one.type === resource.type);
  const calls = (alike.length > 0 ? alike : plan).map(callText);
  const wanted = calls.length > CALLS_MAX ? [...calls.slice(0, CALLS_MAX), `${calls.length - CALLS_MAX} more`] : calls;
  const found = [callText({ verb, type: resource.type, ...(resource.id !== null && { id: resource.id }) })];
  return { code: "outside_plan", step: null, argument: null, wanted, found, next: NEXT.outside };
}

function callText({ step, verb, type, id }: Step): string {
  return `${verb} ${type}${id === undefined ? "" : ` ${id}`}${step === undefined ? "" : ` (step ${step})`}`;
}

/** @param name of the step that it is; null: it has none */
function stepsOf({ verb, resource }: Request, plan: TaskPlan = [], name: string | null): Step[] {
  return plan.filter(
    (one) =>
      (one.step ?? null) === name && one.verb === verb && one.type === resource.type && (one.id === undefined || one.id === resource.id),
  );
}

function wantedOf(steps: readonly Step[], path: string): string[] {
  const [argument = ""] = path.split(/[/#]/);
  return [...new Set(steps.flatMap(({ arguments: given = {} }) => given[argument] ?? []))];
}

function foundOf(known: ArgumentFlow | undefined): string[] {
  if (known === undefined) return ["not known"];
  if (known.sources.length > 0) return known.sources.map(sourceText);
  return [known.writer === "unknown" ? "not known" : "nothing that the task or its reads say"];
}

/** A fact has no answer of a call behind it. */
function sourceText({ writer, record, path }: ValueSource): string {
  const place = path === "" ? "the text" : path;
  return record === null ? `${place} (${writer})` : `${place} of what decision ${record} returned (${writer})`;
}
