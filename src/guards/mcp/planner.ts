/**
 * Plans of tasks from a model: what a planner is given, and its answer in the words of the policy. A planner knows the user's instruction and the
 * tools that a person has approved, and nothing that a tool returned.
 */
import { readFileSync } from "node:fs";
import { Type, type Static } from "../../contract/type.js";
import { NAME_PATTERN, PLAN, RELATED, WORKED_OUT, argumentOf, planFault, type TaskPlan, type Vocabulary } from "../../contract/index.js";
import { nearestWord } from "../../contract/nearest.js";
import { planOf } from "../../flow/plan.js";
import { isObject, type Mapped } from "../../mapping/call_mapping.js";
import { asset } from "../../system/paths.js";
import { schemas } from "../../system/schemas.js";
import { without } from "../../system/without.js";
import { YamlError, readYaml, readYamlAs } from "../../system/yaml.js";
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
  /** Mappings of prompts and resources. A planner doesn't know these, so every plan permits those that only look. */
  beside: readonly Mapped[];
  vocabulary: Vocabulary;
}

export interface MadePlan {
  plan: TaskPlan;
  /** Sources that the plan doesn't have, since nothing depends on them, with the reasons. */
  left_out: string[];
  /** Tools that change something and that the answer doesn't name, but the plan permits: in the policy's words they are the same as a named one. */
  also_permits: string[];
}

/** Fault of a planner's answer. */
export interface AnswerFault {
  /** Place within the answer; null: the answer isn't at fault. */
  at: (string | number)[] | null;
  message: string;
  hint?: string;
  /** True: without the arguments at this place the call would be wider than the answer says. */
  widens?: true;
}

/** Makes one error of all faults of an answer, of which there is at least one. */
export type PlanRefusal = (faults: readonly AnswerFault[]) => Error;

const validate = schemas().compile<Static<typeof ToolCalls>>(ToolCalls);
const FENCE = /^```[a-z]*$/i;
const WRITTEN_NULL = /^(?:---\s+)?(?:null|Null|NULL|~)\s*(?:#.*)?$/;
const FENCE_HINT = "the model is to answer in YAML alone, or in one fence";
const GUARDS = "the guards' configurations";

/** Returns what a model is told in order to plan a task: the brief, the tools and the instruction. */
export function plannerText(tools: Iterable<ToolDefinition>, instruction: string): string {
  const said = [...tools].map(({ name, description, inputSchema, outputSchema }) => ({
    ...{ name, description, parameters: withoutDialect(inputSchema) },
    ...(outputSchema !== undefined && { returns: withoutDialect(outputSchema) }),
  }));
  const brief = readFileSync(asset("templates", "planner.md"), "utf8");
  return `${brief}\n## Tools\n\n${said.map((one) => JSON.stringify(one)).join("\n")}\n\n## Instruction\n\n${instruction}\n`;
}

/** Returns a schema without `$schema`, which tells a planner nothing and is in most tools. */
function withoutDialect(schema: unknown): unknown {
  return isObject(schema) ? without(schema, "$schema") : schema;
}

/**
 * Reads a planner's answer, and makes a plan of it.
 * @param file the name that errors give
 * @returns null: the planner leaves the calls to what is read, so the task has no plan
 * @throws YamlError naming each place
 */
export function readPlannerAnswer(text: string, file: string, words: PlanWords): MadePlan | null {
  const source = fenced(text, file);
  const empty = new YamlError(file, null, "", "the answer is empty: the model said nothing");
  if (source.trim() === "") throw empty;
  const read = readYaml(source, file);
  if (read.value === null) {
    // A document without content is null, too, and a model that broke off didn't mean that.
    if (source.split("\n").some((line) => WRITTEN_NULL.test(line.trim()))) return null;
    throw empty;
  }
  if (!Array.isArray(read.value)) throw read.errorAt([], "an answer is a list of calls, or null", "the model is to answer in YAML alone");
  const { value, errorAt } = readYamlAs(source, file, validate);
  return planFor(value, words, (faults) => {
    const [first, ...more] = faults.map(({ at, message, hint }) =>
      at === null ? new YamlError(GUARDS, null, "", message, hint) : errorAt(at, message, hint),
    );
    if (first === undefined || more.length === 0) return first ?? empty;
    const lines = [first.hint === null ? first.problem : `${first.problem}; ${first.hint}`, ...more.map((one) => one.message)];
    return new YamlError(first.file, first.line, first.path, lines.join("\n"));
  });
}

/**
 * Returns the content of an answer's only fence, as models like to put it, or all of it. Lines stay where they are, so that errors name them.
 * @throws YamlError for several fences, and for one that has no end
 */
function fenced(text: string, file: string): string {
  const lines = text.split("\n");
  const [from, to, another] = lines.flatMap((line, i) => (FENCE.test(line.trim()) ? [i] : []));
  if (from === undefined) return text;
  if (to === undefined) throw new YamlError(file, from + 1, "", "the fence has no end: the answer may have broken off", FENCE_HINT);
  if (another !== undefined) throw new YamlError(file, another + 1, "", "the answer has several fences", FENCE_HINT);
  return lines.map((line, i) => (i > from && i < to ? line : "")).join("\n");
}

/**
 * Returns a plan in the words of the policy. Sources of parameters without a role are left out, and so is `nowhere`
 * beside other sources of anything but an amount, a day, a time or a look: a planner doesn't know the roles, and a service would refuse it.
 * @throws what `refusal` makes, of a tool or a parameter that is unknown, or a call that would be wider than the answer says
 */
export function planFor(calls: readonly ToolCall[], words: PlanWords, refusal: PlanRefusal): MadePlan {
  const { tools, beside, vocabulary } = words;
  const read = calls.map((call, i) => readCall(call, i, words));
  const faults = read.flatMap((one) => one.faults);
  if (faults.length > 0) throw refusal(withoutRepeatedHints(faults));
  const planned = read.flatMap(({ step }) => (step === null ? [] : [step]));
  const named = new Set(planned.map(({ verb, type }) => `${verb} ${type}`));
  const looks = new Map<string, TaskPlan[number]>();
  for (const { verb, type } of beside) {
    const call = `${verb} ${type}`;
    if (planOf(vocabulary, verb, type).effect === "look" && !named.has(call)) looks.set(call, { verb, type });
  }
  const plan = [...planned, ...looks.values()];
  if (plan.length > PLAN.steps_max) {
    const message = `at most ${PLAN.steps_max} calls fit in a plan: the answer has ${planned.length}, and ${looks.size} are added since they only look`;
    throw refusal([{ at: null, message, hint: "map fewer resources and prompts, or plan for fewer guards" }]);
  }
  const fault = planFault(plan, vocabulary);
  if (fault !== null) throw refusal([{ at: fault.at, message: `expected ${fault.expected}` }]);
  return { plan, left_out: read.flatMap((one) => one.left_out), also_permits: alsoPermitted(calls, tools, vocabulary) };
}

interface ReadCall {
  /** Null if there are faults. */
  step: TaskPlan[number] | null;
  left_out: string[];
  faults: AnswerFault[];
}

function readCall({ step, tool, times, arguments: given = {} }: ToolCall, i: number, { tools, vocabulary }: PlanWords): ReadCall {
  const mapped = tools.get(tool);
  if (mapped === undefined) {
    const fault = { at: [i, "tool"], message: `there is no tool \`${tool}\``, hint: meant(tool, tools.keys()) };
    return { step: null, left_out: [], faults: [fault] };
  }
  const left_out: string[] = [];
  const faults: AnswerFault[] = [];
  const said: Record<string, string[]> = {};
  const bare: string[] = [];
  const looks = planOf(vocabulary, mapped.verb, mapped.type).effect === "look";
  for (const [parameter, sources] of Object.entries(given)) {
    const at = [i, "arguments", parameter];
    if (!mapped.known.has(parameter)) {
      faults.push({ at, message: `\`${tool}\` has no parameter \`${parameter}\``, hint: meant(parameter, mapped.known.keys()) });
      continue;
    }
    const roles = rolesOf(mapped, parameter, vocabulary);
    if (roles.length === 0) {
      bare.push(`\`${parameter}\``);
      left_out.push(`\`${parameter}\` of \`${tool}\`: it has no role`);
      continue;
    }
    let isBound = false;
    for (const { argument, commits } of roles) {
      const kept = sources.filter((source) => source !== WORKED_OUT || commits || looks);
      if (kept.length < sources.length)
        left_out.push(`\`${WORKED_OUT}\` for \`${parameter}\` of \`${tool}\`: its role isn't \`commitment\``);
      if (kept.length > 0) said[argument] = [...new Set(kept)];
      isBound ||= kept.length > 0;
    }
    if (!isBound)
      faults.push({
        at,
        message: `\`${WORKED_OUT}\` is the only source of \`${parameter}\` of \`${tool}\`, whose role isn't \`commitment\`: any value would fit`,
        hint: "name where its value stands, or leave it out of the answer",
        widens: true,
      });
  }
  // A call without any argument is exempt from waiting, which an answer that names some doesn't mean.
  const isBare = bare.length > 0 && Object.keys(said).length === 0 && faults.length === 0;
  if (isBare && !looks)
    faults.push({
      at: [i, "arguments"],
      message: `no argument of \`${tool}\` is left: ${bare.join(", ")} ${bare.length === 1 ? "has" : "have"} no role, so the plan would permit any call of it`,
      hint: "give it a role in the vocabulary, or leave it out of the answer",
      widens: true,
    });
  if (faults.length > 0) return { step: null, left_out, faults };
  const id = constantId(mapped);
  const one = {
    ...(step !== undefined && { step }),
    ...{ verb: mapped.verb, type: mapped.type },
    ...(id !== null && { id }),
    ...(times !== undefined && { times }),
    ...(Object.keys(said).length > 0 && { arguments: said }),
  };
  return { step: one, left_out, faults };
}

/** Returns the id that every call of a tool has; null: the call gives it, or has no id. */
function constantId({ id }: Mapped): string | null {
  const [only, ...others] = id ?? [];
  if (only === undefined || others.length > 0 || "from" in only || typeof only.is === "boolean") return null;
  return String(only.is);
}

/** Tools that aren't named, change something, and are in the policy's words what a named one is. */
function alsoPermitted(calls: readonly ToolCall[], tools: PlanWords["tools"], vocabulary: Vocabulary): string[] {
  const named = new Map(calls.flatMap(({ tool }) => (tools.has(tool) ? [[tool, tools.get(tool) as Mapped] as const] : [])));
  return [...tools].flatMap(([tool, mapped]) => {
    const { verb, type } = mapped;
    if (named.has(tool) || planOf(vocabulary, verb, type).effect === "look") return [];
    const beside = [...named].find(([, other]) => {
      const [id, otherId] = [constantId(mapped), constantId(other)];
      return other.verb === verb && other.type === type && (id === null || otherId === null || id === otherId);
    });
    return beside === undefined ? [] : [`\`${tool}\` beside \`${beside[0]}\`: both are \`${verb} ${type}\``];
  });
}

/** Returns faults of which each hint stands once: the list of all tools is long. */
function withoutRepeatedHints(faults: readonly AnswerFault[]): AnswerFault[] {
  const seen = new Set<string>();
  return faults.map((fault) => {
    if (fault.hint === undefined || !seen.has(fault.hint)) {
      if (fault.hint !== undefined) seen.add(fault.hint);
      return fault;
    }
    return without(fault, "hint");
  });
}

/** Arguments with a role that a tool's parameter becomes, and whether each binds the user. */
function rolesOf(
  { type, arguments: given, id, related }: Mapped,
  parameter: string,
  vocabulary: Vocabulary,
): { argument: string; commits: boolean }[] {
  const said = Object.entries(vocabulary.types[type]?.flow?.roles ?? {});
  // What the others of an id's parts say is where its last one is.
  const others = Object.entries(related).map(([role, thing]) => [`${RELATED}.${role}`, thing.id?.at(-1)] as const);
  return [...Object.entries(given), ["id", id?.at(-1)] as const, ...others].flatMap(([argument, origin]) => {
    if (origin === undefined || !("from" in origin) || origin.from[0] !== parameter) return [];
    const roles = said.filter(([path]) => argumentOf(path) === argument).map(([, role]) => role);
    return roles.length === 0 ? [] : [{ argument, commits: roles.includes("commitment") }];
  });
}

function meant(word: string, known: Iterable<string>): string {
  const all = [...known];
  if (all.length === 0) return "it has none";
  const nearest = nearestWord(word, all);
  return nearest === null ? `there are: ${all.join(", ")}` : `did you mean \`${nearest}\`?`;
}
