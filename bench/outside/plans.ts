/**
 * Plans of a suite's tasks, as a host's planner gives them: for each instruction the calls that it needs, in the tools' own names, and where their
 * arguments come from. A planner sees what `tasksOf` returns, and nothing that a tool answered.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { WORKED_OUT, type TaskPlan } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import type { Suite, ToolSaid } from "./data.js";
import type { OutsideSet } from "./sets.js";

/** A call of a tool that a plan expects. */
export interface ToolStep {
  step?: string;
  tool: string;
  /** Parameter to the sources of its values: a writer, a step, or a field of one. */
  arguments?: Record<string, string[]>;
}

/** Digest of an instruction to its plan; null: the planner leaves the calls to what is read. */
export type SuitePlans = Readonly<Record<string, readonly ToolStep[] | null>>;

const DIGITS = 16;

/** First hexadecimal digits of the SHA-256 of an instruction, by which plans name it. */
export function digestOf(instruction: string): string {
  return createHash("sha256").update(instruction).digest("hex").slice(0, DIGITS);
}

/** Returns the plans that were made for a suite's tasks; null: nobody has made any. */
export function plansFor(suite: string): SuitePlans | null {
  const file = asset("bench", "outside", "plans", `${suite}.yaml`);
  return existsSync(file) ? (parse(readFileSync(file, "utf8")) as SuitePlans) : null;
}

/** What a planner is given: the tools, and each instruction under its digest. */
export function tasksOf({ name, tools, clean, mixed }: Suite): { suite: string; tools: ToolSaid[]; instructions: Record<string, string> } {
  const all = [...clean, ...mixed].map(({ run }) => [digestOf(run.instruction), run.instruction] as const);
  return { suite: name, tools, instructions: Object.fromEntries(all) };
}

/**
 * Returns a plan in the words of a suite's set, as a host gives it: with every tool that only looks, since it is judged what is done with what
 * they return. What a plan says of parameters that have no role is left out, since nothing depends on them, and so is that a place or an id is
 * worked out: a planner doesn't know the roles.
 * @throws {Error} it names a tool or a parameter that the suite doesn't have
 */
export function planIn(set: OutsideSet, steps: readonly ToolStep[]): TaskPlan {
  const looks = [...set.looking].map((tool): ToolStep => ({ tool }));
  return [...steps, ...looks].map(({ step, tool, arguments: given = {} }) => {
    const mapped = set.tools.get(tool);
    if (mapped === undefined) throw new Error(`a plan has a tool that the suite has not: ${tool}`);
    const roles = set.roles.get(mapped.type);
    const said: Record<string, string[]> = {};
    for (const [parameter, sources] of Object.entries(given)) {
      if (!mapped.known.has(parameter)) throw new Error(`a plan has a parameter that ${tool} has not: ${parameter}`);
      const named = Object.entries({ ...mapped.arguments, ...(mapped.id !== null && { id: mapped.id }) });
      for (const [argument, origin] of named) {
        const role = roles?.get(argument);
        if (!("from" in origin) || origin.from[0] !== parameter || role === undefined) continue;
        const kept = sources.filter((source) => source !== WORKED_OUT || role.has("commitment"));
        if (kept.length > 0) said[argument] = [...new Set(kept)];
      }
    }
    return {
      ...(step !== undefined && { step }),
      verb: mapped.verb,
      type: mapped.type,
      ...(Object.keys(said).length > 0 && { arguments: said }),
    };
  });
}
