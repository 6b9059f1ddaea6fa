/**
 * Plans of a suite's tasks, as a host's planner gives them: for each instruction the calls that it needs, in the tools' own names, and where their
 * arguments come from. A planner sees what `tasksOf` returns, and nothing that a tool answered.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import type { TaskPlan, Vocabulary } from "../../src/contract/index.js";
import { planFor, type AnswerFault, type ToolCall } from "../../src/guards/mcp/planner.js";
import type { Mapped } from "../../src/mapping/call_mapping.js";
import { asset } from "../../src/system/paths.js";
import type { Suite, ToolSaid } from "./data.js";

/** Digest of an instruction to its plan; null: the planner leaves the calls to what is read. */
export type SuitePlans = Readonly<Record<string, readonly ToolCall[] | null>>;

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
 * Returns the plans of a suite in the words of its policy. Arguments without which a call is wider than its planner meant are left out, where a host
 * would ask its planner again: these plans were made once, and a drafted policy has roles that the planner didn't know.
 * @throws {Error} one names a tool or a parameter that the suite doesn't have
 */
export function plansIn(suite: string, all: SuitePlans, tools: ReadonlyMap<string, Mapped>, vocabulary: Vocabulary): Map<string, TaskPlan> {
  const words = { tools, beside: [], vocabulary };
  return new Map(
    Object.entries(all).flatMap(([digest, calls]) => {
      if (calls === null) return [];
      const found: AnswerFault[] = [];
      const refusal = (faults: readonly AnswerFault[]): Error => {
        found.push(...faults);
        return new Error(
          faults.map(({ at, message }) => `${suite}, the plan of ${digest}, ${(at ?? []).join(".")}: ${message}`).join("\n"),
        );
      };
      try {
        return [[digest, planFor(calls, words, refusal).plan] as const];
      } catch (cause) {
        if (found.length === 0 || !found.every(({ widens }) => widens === true)) throw cause;
        return [[digest, planFor(withoutArguments(calls, found), words, refusal).plan] as const];
      }
    }),
  );
}

/** Returns calls without the arguments at which these faults are. */
function withoutArguments(calls: readonly ToolCall[], faults: readonly AnswerFault[]): ToolCall[] {
  return calls.map((call, i) => {
    const { arguments: given = {}, ...rest } = call;
    const places = faults.flatMap(({ at }) => (at?.[0] === i ? [at] : []));
    const kept = Object.entries(given).filter(([name]) => !places.some(([, , parameter = name]) => parameter === name));
    return { ...rest, ...(kept.length > 0 && { arguments: Object.fromEntries(kept) }) };
  });
}
