/**
 * Plans of tasks from a model: what a planner is given, and its answer in the words of the policy. A planner knows the user's instruction and the
 * tools that a person has approved, and nothing that a tool returned.
 */
import { readFileSync } from "node:fs";
import { Type, type Static } from "../../contract/type.js";
import { NAME_PATTERN, PLAN, WORKED_OUT, planFault, type TaskPlan, type Vocabulary } from "../../contract/index.js";
import { nearestWord } from "../../contract/nearest.js";
import { planOf } from "../../flow/plan.js";
import type { Mapped } from "../../mapping/call_mapping.js";
import { asset } from "../../system/paths.js";
import { schemas } from "../../system/schemas.js";
import { readYaml, readYamlAs } from "../../system/yaml.js";
import type { ToolDefinition } from "./pins.js";

const ToolCalls = Type.Array(
  Type.Object(
    {
      step: Type.Optional(Type.String({ pattern: NAME_PATTERN })),
      tool: Type.String({ minLength: 1, maxLength: 128 }),
      times: Type.Optional(Type.Integer({ minimum: 1, maximum: PLAN.times_max })),
      arguments: Type.Optional(
        Type.Record(Type.String(), Type.Array(Type.String({ maxLength: 300 }), { minItems: 1, maxItems: PLAN.sources_max }), {
          maxProperties: PLAN.arguments_max,
        }),
      ),
    },
    { additionalProperties: false },
  ),
  { minItems: 1, maxItems: PLAN.steps_max },
);

/** Call of a tool that a planner expects, in the tool's own words. */
export type ToolCall = Static<typeof ToolCalls>[number];

/** Meaning of tools in the words of a policy. */
export interface PlanWords {
  tools: ReadonlyMap<string, Mapped>;
  /** All that the task's agent can do there; what only looks belongs to every plan, since it is judged what is done with what it returns. */
  possible: readonly Mapped[];
  vocabulary: Vocabulary;
}

export interface MadePlan {
  plan: TaskPlan;
  /** Sources that the plan doesn't have, since nothing depends on them, with the reasons. */
  left_out: string[];
}

/** Makes an error of a fault at a place within a planner's answer. */
export type PlanRefusal = (path: (string | number)[], message: string, hint?: string) => Error;

const validate = schemas().compile<Static<typeof ToolCalls>>(ToolCalls);
const FENCE = /^```[a-z]*$/;

/** Returns what a model is told in order to plan a task: the brief, the tools and the instruction. */
export function plannerText(tools: Iterable<ToolDefinition>, instruction: string): string {
  const said = [...tools].map(({ name, description, inputSchema, outputSchema }) => ({
    ...{ name, description, parameters: inputSchema },
    ...(outputSchema !== undefined && { returns: outputSchema }),
  }));
  const brief = readFileSync(asset("templates", "planner.md"), "utf8");
  return `${brief}\n## Tools\n\n${said.map((one) => JSON.stringify(one)).join("\n")}\n\n## Instruction\n\n${instruction}\n`;
}

/**
 * Reads a planner's answer, and makes a plan of it.
 * @param file the name that errors give
 * @returns null: the planner leaves the calls to what is read, so the task has no plan
 * @throws YamlError naming the place
 */
export function readPlannerAnswer(text: string, file: string, words: PlanWords): MadePlan | null {
  const source = fenced(text);
  const read = readYaml(source, file);
  if (read.value === null) return null;
  if (!Array.isArray(read.value)) throw read.errorAt([], "an answer is a list of calls, or null", "the model is to answer in YAML alone");
  const { value, errorAt } = readYamlAs(source, file, validate);
  return planFor(value, words, errorAt);
}

/** Returns what stands in an answer's only fence, as models like to put it, or all of it. Lines stay where they are, so that errors name them. */
function fenced(text: string): string {
  const lines = text.split("\n");
  const [from, to, ...more] = lines.flatMap((line, i) => (FENCE.test(line.trim()) ? [i] : []));
  if (from === undefined || to === undefined || more.length > 0) return text;
  return lines.map((line, i) => (i > from && i < to ? line : "")).join("\n");
}

/**
 * Returns a plan in the words of the policy, with all that only looks. What is said of parameters that have no role is left out, and so is that
 * anything but an amount, a day or a time is worked out: a planner doesn't know the roles, and a service would refuse it.
 * @throws what `refusal` makes, if it names a tool or a parameter that there isn't
 */
export function planFor(calls: readonly ToolCall[], { tools, possible, vocabulary }: PlanWords, refusal: PlanRefusal): MadePlan {
  const left_out: string[] = [];
  const planned = calls.map(({ step, tool, times, arguments: given = {} }, i): TaskPlan[number] => {
    const mapped = tools.get(tool);
    if (mapped === undefined) throw refusal([i, "tool"], `there is no tool \`${tool}\``, meant(tool, tools.keys()));
    const said: Record<string, string[]> = {};
    for (const [parameter, sources] of Object.entries(given)) {
      if (!mapped.known.has(parameter))
        throw refusal([i, "arguments", parameter], `\`${tool}\` has no parameter \`${parameter}\``, meant(parameter, mapped.known.keys()));
      const roles = rolesOf(mapped, parameter, vocabulary);
      if (roles.length === 0) left_out.push(`\`${parameter}\` of \`${tool}\`: it has no role`);
      for (const { argument, commits } of roles) {
        const kept = sources.filter((source) => source !== WORKED_OUT || commits);
        if (kept.length < sources.length)
          left_out.push(`\`${WORKED_OUT}\` for \`${parameter}\` of \`${tool}\`: its role isn't \`commitment\``);
        if (kept.length > 0) said[argument] = [...new Set(kept)];
      }
    }
    return {
      ...(step !== undefined && { step }),
      ...{ verb: mapped.verb, type: mapped.type },
      ...(times !== undefined && { times }),
      ...(Object.keys(said).length > 0 && { arguments: said }),
    };
  });
  const looks = new Map<string, TaskPlan[number]>();
  for (const { verb, type } of possible) if (planOf(vocabulary, verb, type).effect === "look") looks.set(`${verb} ${type}`, { verb, type });
  const plan = [...planned, ...looks.values()];
  if (plan.length > PLAN.steps_max)
    throw refusal([], `at most ${PLAN.steps_max} calls; ${looks.size} of ${plan.length} are those that only look`);
  const fault = planFault(plan, vocabulary);
  if (fault !== null) throw refusal(fault.at, `expected ${fault.expected}`);
  return { plan, left_out };
}

/** Arguments with a role that a tool's parameter becomes, and whether each binds the user. */
function rolesOf(
  { type, arguments: given, id }: Mapped,
  parameter: string,
  vocabulary: Vocabulary,
): { argument: string; commits: boolean }[] {
  const said = Object.entries(vocabulary.types[type]?.flow?.roles ?? {});
  return Object.entries({ ...given, ...(id !== null && { id }) }).flatMap(([argument, origin]) => {
    if (!("from" in origin) || origin.from[0] !== parameter) return [];
    const roles = said.filter(([path]) => path.split(".")[0] === argument).map(([, role]) => role);
    return roles.length === 0 ? [] : [{ argument, commits: roles.includes("commitment") }];
  });
}

function meant(word: string, known: Iterable<string>): string {
  const all = [...known];
  const nearest = nearestWord(word, all);
  return nearest === null ? `there are: ${all.join(", ")}` : `did you mean \`${nearest}\`?`;
}
