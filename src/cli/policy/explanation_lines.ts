/** An explanation as lines of text. */
import { show } from "../../authoring/report.js";
import type { FailedLine } from "../../authoring/failed_lines.js";
import { visible, type Explanation, type PlanMismatch, type Value, type Ways } from "../../contract/index.js";
import type { Ui } from "../ui.js";

const APPLIES = { yes: "applies", no: "does not apply", unknown: "unknown" };

/** @param failed lines at which rules failed, by their place; left out where only a bundle is at hand */
export function sayExplanation(ui: Ui, explanation: Explanation | null, failed?: ReadonlyMap<string, FailedLine[]>): void {
  if (explanation === null) {
    ui.out("\nno entry was tried: this is refused before the policy is asked");
    return;
  }
  const { entries, rules, plan, would_pass: ways } = explanation;
  ui.out(entries.length === 0 ? "\nno entry names this type and verb" : "\ntried");
  for (const { effect, code, applies, conditions } of entries) {
    ui.out(`  ${effect.padEnd(6)} ${code}  ${APPLIES[applies]}`);
    for (const { name, wanted, found, holds } of conditions) {
      ui.out(`         ${holds.padEnd(7)} ${name}: wanted ${wanted}, found ${show(found as Value)}`);
    }
  }
  for (const { effect, code, fired, sources, read } of rules) {
    ui.out(`  ${effect.padEnd(6)} ${code}  ${fired ? "fires" : "does not fire"}  ${ui.paint("dim", sources.join(", "))}`);
    // A rule that fired has no line of its own that kept it from that.
    const kept = sources.flatMap((one) => failed?.get(one) ?? []).filter(({ own }) => !fired || !own);
    for (const { source, text } of kept) ui.out(`         not     ${text}  ${ui.paint("dim", source)}`);
    if (fired) for (const { path, found } of read) ui.out(`         reads   ${path}: found ${show(found as Value)}`);
  }
  if (plan !== null && plan.length > 0) sayPlan(ui, plan);
  if (ways !== null) sayWays(ui, ways);
}

function sayPlan(ui: Ui, plan: readonly PlanMismatch[]): void {
  ui.out("\nthe task's plan");
  for (const { code, step, argument, wanted, found, next } of plan) {
    ui.out(`  ${[code, step === null ? "" : `step ${step}`, argument ?? ""].filter(Boolean).join("  ")}`);
    ui.out(`         planned ${wanted.length === 0 ? "not known any more" : visible(wanted.join(", "))}`);
    ui.out(`         found   ${visible(found.join(", "))}`);
    ui.out(`         ${ui.paint("dim", next)}`);
  }
}

const GRANT = {
  lifts: null,
  approval_lifts: "no grant lifts this; an approval of exactly this action does",
  lifts_nothing: "no grant lifts this",
};

function sayWays(ui: Ui, { ways, grant, tried }: Ways): void {
  ui.out(ways.length === 0 ? `\nnothing that was tried would let it pass (${tried} evaluations)` : "\nit would pass if");
  for (const { changes, decision } of ways) {
    ui.out(`  ${changes.map(({ words }) => words).join(", and ")}${decision === "flag" ? ", with a flag" : ""}`);
  }
  const line = GRANT[grant];
  if (line !== null) ui.out(`  ${ui.paint("dim", line)}`);
}
